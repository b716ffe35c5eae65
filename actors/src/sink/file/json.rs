//! Whether a value may stand in a line as JSON.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// Whether bytes are a JSON object or array that every reader takes: numbers that fit, no half
/// surrogates, not nested deeper than 127 (what the parser takes).
pub(super) fn is_object_or_array(value: &[u8]) -> bool {
    let first = value.iter().find(|byte| !byte.is_ascii_whitespace());
    if !matches!(first, Some(b'{' | b'[')) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let mut parser = serde_json::Deserializer::from_str(text);
    Walk.deserialize(&mut parser).is_ok() && parser.end().is_ok()
}

/// Visits a document and keeps nothing. `IgnoredAny` would do it too, and leaves strings and numbers
/// unlooked at.
#[derive(Clone, Copy)]
struct Walk;

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_key_seed(self)?.is_some() {
            members.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_objects_and_arrays_that_all_readers_take_are_json() {
        for good in
            ["{}", "[]", " \r\n\t{\"a\": [1, -2.5e3, \"x\\n\\ud83d\\ude00\", null, true]}\n"]
        {
            assert!(is_object_or_array(good.as_bytes()), "{good}");
            assert!(serde_json::from_str::<Value>(good).is_ok(), "{good}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        for bad in [
            "",
            " ",
            "1",
            "\"{}\"",
            "null",
            "{",
            "[1,]",
            "{} {}",
            "{}x",
            "{1:2}",
            "[\"a\nb\"]",
            "[\"\\ud800\"]",
            "[1e999]",
            "\u{feff}{}",
            "\u{b}[]",
            &deep,
        ] {
            assert!(!is_object_or_array(bad.as_bytes()), "{bad}");
        }
        assert!(!is_object_or_array(b"[\"\xff\"]"));
    }
}
