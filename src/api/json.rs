//! The bodies of requests: JSON objects in which no key comes twice, and none is very long.
//!
//! Of two values of one key a reader takes the first, the last or neither (RFC 8259, section 4), so
//! that who sends both may not get what they mean; TOML does not take them either. And what is wrong
//! is told by the path of its key: a body of one long key with a hundred thousand short ones in it
//! would otherwise become that many long paths. A body is read once, as it comes; how deep it may be
//! nested is for `serde_json` to say.

use std::cell::OnceCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::settings::Body;

/// Why a body is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// A key is not taken: its path, as problems name keys, and why.
    #[error("{0}: {1}")]
    Key(String, &'static str),
    /// It is some other value.
    #[error("it is {0}")]
    NoObject(&'static str),
    /// It is no JSON.
    #[error("{0}")]
    NoJson(serde_json::Error),
}

const TWICE: &str = "it is given twice";
const TOO_LONG: &str = "with those around it, the key is longer than 512 bytes";

/// The longest path of a key, in bytes; the longest that means something has 50 and the name of a
/// header.
const LONGEST: usize = 512;

/// So much is told of a path that is too long, in characters.
const TOLD: usize = 64;

/// The object that a body holds.
///
/// # Errors
/// It holds none, or one with keys that are not taken, of which the first is told.
pub fn object(bytes: &[u8]) -> Result<Body, Unread> {
    let refused = OnceCell::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let top = Once { place: &Place::Top, length: 0, refused: &refused };
    let read = top.deserialize(&mut deserializer);
    let read = read.and_then(|value| deserializer.end().map(|()| value));
    match (read, refused.into_inner()) {
        (Ok(Value::Object(object)), _) => Ok(object),
        (Ok(Value::Null), _) => Err(Unread::NoObject("null")),
        (Ok(Value::Bool(_)), _) => Err(Unread::NoObject("a boolean")),
        (Ok(Value::Number(_)), _) => Err(Unread::NoObject("a number")),
        (Ok(Value::String(_)), _) => Err(Unread::NoObject("a text")),
        (Ok(Value::Array(_)), _) => Err(Unread::NoObject("a list")),
        (Err(_), Some((key, why))) => Err(Unread::Key(key, why)),
        (Err(error), None) => Err(Unread::NoJson(error)),
    }
}

/// Where a value is. Each knows the one around it, so that a path is only put together when it is
/// told.
enum Place<'a> {
    Top,
    Key(&'a Place<'a>, &'a str),
    /// From 1.
    Item(&'a Place<'a>, usize),
}

/// As the problems of routes name theirs: `route 1, request 2, header X-Tenant`.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Key(Self::Top, key) => f.write_str(key),
            Self::Key(Self::Key(around @ Self::Item(..), "headers"), key) => {
                write!(f, "{around}, header {key}")
            }
            Self::Key(around @ Self::Item(..), key) => write!(f, "{around}, {key}"),
            Self::Key(around, key) => write!(f, "{around}.{key}"),
            Self::Item(around, at) => write!(f, "{around} {at}"),
        }
    }
}

/// A value, with each key once.
#[derive(Clone, Copy)]
struct Once<'a> {
    place: &'a Place<'a>,
    /// The bytes of the keys around it.
    length: usize,
    /// The key that is not taken, and why.
    refused: &'a OnceCell<(String, &'static str)>,
}

impl<'de> DeserializeSeed<'de> for Once<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        if matches!(self.place, Place::Top) {
            // It is no object: whatever it holds, that is what is wrong with it.
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Array(list));
        }
        loop {
            let place = &Place::Item(self.place, list.len() + 1);
            match items.next_element_seed(Once { place, ..self })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let place = &Place::Key(self.place, &key);
            // The separator counts too: there may be many keys of no length.
            let length = self.length + key.len() + 1;
            let refused = if length > LONGEST {
                let path: String = place.to_string().chars().take(TOLD).collect();
                Some((format!("{path}..."), TOO_LONG))
            } else if object.contains_key(&key) {
                Some((place.to_string(), TWICE))
            } else {
                None
            };
            if let Some(refused) = refused {
                let why = refused.1;
                // Nothing is read after the first.
                let _ = self.refused.set(refused);
                return Err(A::Error::custom(why));
            }
            let value = entries.next_value_seed(Once { place, length, ..self })?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refused(text: &str) -> String {
        object(text.as_bytes()).expect_err("it is refused").to_string()
    }

    #[test]
    fn a_key_that_comes_twice_is_named_wherever_it_is() {
        for (text, key) in [
            (r#"{"a": 1, "a": 1}"#, "a"),
            (r#"{"a": 1, "b": 2, "a": 3, "b": 4}"#, "a"),
            (r#"{"a": 1, "\u0061": 2}"#, "a"),
            (r#"{"": 1, "": 2}"#, ""),
            (r#"{"a": null, "a": null}"#, "a"),
            (r#"{"http": {"url": "x", "url": "y"}}"#, "http.url"),
            (r#"{"a": {"b": {"c": 1, "d": [], "c": {}}}}"#, "a.b.c"),
            (r#"{"route": [{}, {"when": "", "when": ""}]}"#, "route 2, when"),
            (
                r#"{"route": [{"request": [{"headers": {"X": "", "X": ""}}]}]}"#,
                "route 1, request 1, header X",
            ),
            (r#"{"a": [[{"b": 1, "b": 1}]]}"#, "a 1 1, b"),
        ] {
            assert!(
                matches!(object(text.as_bytes()), Err(Unread::Key(it, TWICE)) if it == key),
                "{text}"
            );
        }
        let once = r#"{"a": {"a": [{"a": 1}, {"a": 2}]}, "A": {"a": 3}, "a.a": 4}"#;
        assert!(object(once.as_bytes()).is_ok());
    }

    #[test]
    fn a_key_that_is_very_long_with_those_around_it_is_refused() {
        let nested = |key: &str, depth: usize| {
            format!("{}1{}", format!("{{\"{key}\":").repeat(depth), "}".repeat(depth))
        };
        assert!(object(nested(&"x".repeat(511), 1).as_bytes()).is_ok());
        assert!(object(nested(&"x".repeat(50), 10).as_bytes()).is_ok());
        for text in [nested(&"x".repeat(512), 1), nested(&"x".repeat(51), 10)] {
            let Err(Unread::Key(key, TOO_LONG)) = object(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(key.len(), TOLD + "...".len());
        }
    }

    #[test]
    fn what_is_no_object_is_told() {
        for (text, what) in [
            ("null", "null"),
            ("true", "boolean"),
            ("1.5", "number"),
            ("\"a\"", "text"),
            ("[]", "list"),
            (r#"[{"a": 1, "a": 2}]"#, "list"),
            ("", "EOF"),
            ("{", "EOF"),
            ("{} {}", "trailing"),
            ("{\"a\": 1e999}", "number out of range"),
            ("{\"a\": \"\u{0}\"}", "control character"),
        ] {
            let told = refused(text);
            assert!(told.contains(what), "{text}: {told}");
        }
        assert!(matches!(object(b"{\"\xff\": 1}"), Err(Unread::NoJson(_))));
    }

    #[test]
    fn deep_nesting_is_refused_instead_of_followed() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = |depth| format!("{{\"a\":{}1{}}}", open.repeat(depth), close.repeat(depth));
            assert!(object(text(100).as_bytes()).is_ok());
            assert!(refused(&text(100_000)).contains("recursion limit"));
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9_f64).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        plain.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Where no key comes twice, it is read as by anybody.
        #[test]
        fn what_has_each_key_once_is_read_as_it_is(value in value()) {
            let body = json!({ "a": value });
            let read = object(body.to_string().as_bytes()).map(Value::Object);
            let expected: Value = serde_json::from_str(&body.to_string()).unwrap();
            prop_assert_eq!(read.unwrap(), expected);
        }
    }
}
