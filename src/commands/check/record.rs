//! The record of `keyway check --record FILE`.
//!
//! The file is a JSON object. `value` is any JSON, or a text as a string; bytes come as
//! `value_base64`. All but the value may be left out.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keyway_actors::Record;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// What an example may have.
const KEYS: [&str; 9] = [
    "topic",
    "partition",
    "offset",
    "timestamp",
    "key",
    "key_base64",
    "value",
    "value_base64",
    "headers",
];

/// Larger than brokers usually take a record (`message.max.bytes`), in JSON at that.
const MOST: u64 = 64 << 20;

/// A record as the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    topic: Option<String>,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
}

/// What the file has: each value as it is written there.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Names, and values that may be null.
type Headers = Vec<(String, Option<Vec<u8>>)>;

impl Example {
    /// Reads the file.
    ///
    /// # Errors
    /// Why not, in one line that names the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |why: String| format!("{}: {why}", path.display());
        let text = crate::settings::read_text(path, MOST).map_err(named)?;
        Self::parse(&text).map_err(named)
    }

    fn parse(text: &str) -> Result<Self, String> {
        // Values as they are written: a record is bytes, and what a parser makes of `1e2` others.
        let fields =
            serde_json::from_str::<Fields<'_>>(text).map_err(
                |error| match serde_json::from_str::<IgnoredAny>(text) {
                    Ok(_) => "expected a JSON object; a value alone goes into \"value\", as in {\"value\": ...}".to_owned(),
                    Err(_) => error.to_string(),
                },
            )?;
        if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!(
                "unknown key {unknown:?}; a record has {}; a value alone goes into \"value\"",
                KEYS.join(", ")
            ));
        }
        if !fields.contains_key("value") && !fields.contains_key("value_base64") {
            return Err("value is missing; write null for a tombstone".to_owned());
        }
        Ok(Self {
            topic: text_of(&fields, "topic")?,
            partition: number(&fields, "partition")?.unwrap_or_default(),
            offset: number(&fields, "offset")?.unwrap_or_default(),
            timestamp: number(&fields, "timestamp")?,
            key: bytes(&fields, "key", "key_base64", |key| match parsed(key) {
                Value::String(text) => Ok(text.into_bytes()),
                _ => Err("key: expected a string; bytes come as key_base64".to_owned()),
            })?,
            value: bytes(&fields, "value", "value_base64", |value| match value.get() {
                text if text.starts_with('"') => serde_json::from_str(text)
                    .map(String::into_bytes)
                    .map_err(|error| format!("value: {error}")),
                json => Ok(json.as_bytes().to_vec()),
            })?,
            headers: headers(&fields)?,
        })
    }

    /// The topic, where the file names one.
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// The record as a pipeline would get it.
    pub fn record(&self, topic: &str) -> Record {
        let mut record = Record::builder(topic, self.partition, self.offset);
        if let Some(timestamp) = self.timestamp {
            record = record.timestamp(timestamp);
        }
        if let Some(key) = &self.key {
            record = record.key(key.as_slice());
        }
        if let Some(value) = &self.value {
            record = record.value(value.as_slice());
        }
        for (name, value) in &self.headers {
            record = match value {
                Some(value) => record.header(name, value.as_slice()),
                None => record.null_header(name),
            };
        }
        record.build()
    }
}

/// A value that was accepted as JSON before.
fn parsed(value: &RawValue) -> Value {
    serde_json::from_str(value.get()).unwrap_or_default()
}

fn text_of(fields: &Fields<'_>, key: &str) -> Result<Option<String>, String> {
    match fields.get(key).map(|value| parsed(value)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{key}: expected a string")),
    }
}

fn number<T: TryFrom<i64>>(fields: &Fields<'_>, key: &str) -> Result<Option<T>, String> {
    let read = |value: &Value| {
        let number = value.as_i64().filter(|number| *number >= 0)?;
        T::try_from(number).ok()
    };
    match fields.get(key).map(|value| parsed(value)) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(&value)
            .map(Some)
            .ok_or_else(|| format!("{key}: expected a whole number of at least 0")),
    }
}

/// What is given under one of two keys; nothing where it is null.
fn bytes(
    fields: &Fields<'_>,
    plain: &str,
    coded: &str,
    read: impl FnOnce(&RawValue) -> Result<Vec<u8>, String>,
) -> Result<Option<Vec<u8>>, String> {
    match (fields.get(plain), fields.get(coded)) {
        (Some(_), Some(_)) => Err(format!("{plain} and {coded} are both given; keep one of them")),
        (None, None) => Ok(None),
        (Some(value), None) | (None, Some(value)) if value.get() == "null" => Ok(None),
        (Some(value), None) => read(value).map(Some),
        (None, Some(value)) => {
            let bytes = parsed(value);
            let bytes = bytes.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
            bytes.map(Some).ok_or_else(|| format!("{coded}: expected Base64"))
        }
    }
}

fn headers(fields: &Fields<'_>) -> Result<Headers, String> {
    let fields = match fields.get("headers").map(|value| parsed(value)) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err("headers: expected an object".to_owned()),
    };
    let header = |(name, value): (String, Value)| match value {
        Value::Null => Ok((name, None)),
        Value::String(text) => Ok((name, Some(text.into_bytes()))),
        _ => Err(format!("headers: {name:?}: expected a string or null")),
    };
    fields.into_iter().map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_with_all_it_has() {
        let text = r#"{"topic": "t", "partition": 3, "offset": 42, "timestamp": 7, "key": "k",
                       "value": {"a": 1}, "headers": {"x": "1", "y": null}}"#;
        let record = Example::parse(text).expect("it is a record").record("t");
        assert_eq!((record.topic(), record.partition(), record.offset()), ("t", 3, 42));
        assert_eq!((record.timestamp(), record.key()), (Some(7), Some(&b"k"[..])));
        assert_eq!(record.value().as_deref(), Some(&br#"{"a": 1}"#[..]));
        assert_eq!((record.header("x"), record.header("y")), (Some(&b"1"[..]), None));
        assert_eq!(record.headers().count(), 2);
    }

    #[test]
    fn a_value_is_json_text_bytes_or_none() {
        let value = |text: &str| Example::parse(text).expect(text).value;
        assert_eq!(value(r#"{"value": "plain"}"#), Some(b"plain".to_vec()));
        assert_eq!(value(r#"{"value": [1]}"#), Some(b"[1]".to_vec()));
        // Byte for byte: a parser would sort the names, and make 100.0 of 1e2.
        let written = r#"{"b": 1e2,  "a":[ 1.0, 0.10 ]}"#;
        assert_eq!(value(&format!("{{\"value\": {written} }}")), Some(written.into()));
        assert_eq!(value(r#"{"value": null}"#), None);
        assert_eq!(value(r#"{"value_base64": "/wA="}"#), Some(vec![0xff, 0]));
        let key = Example::parse(r#"{"value": 1, "key_base64": "/w=="}"#).expect("a record").key;
        assert_eq!(key, Some(vec![0xff]));
    }

    #[test]
    fn what_is_no_record_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "EOF"),
            ("[]", "expected a JSON object"),
            ("{}", "value is missing"),
            (
                r#"{"value": 1, "vlaue": 2}"#,
                "unknown key \"vlaue\"; a record has topic, partition,",
            ),
            (r#"{"id": 5}"#, "a value alone goes into \"value\""),
            (r#"{"value": 1, "value_base64": ""}"#, "both given"),
            (r#"{"value_base64": "!"}"#, "value_base64: expected Base64"),
            (r#"{"value": "\ud800"}"#, "value: "),
            (r#"{"value": 1, "key": 1}"#, "key: expected a string"),
            (r#"{"value": 1, "partition": -1}"#, "partition: expected"),
            (r#"{"value": 1, "partition": 4294967296}"#, "partition: expected"),
            (r#"{"value": 1, "offset": "1"}"#, "offset: expected"),
            (r#"{"value": 1, "topic": 1}"#, "topic: expected a string"),
            (r#"{"value": 1, "headers": {"a": 1}}"#, "headers: \"a\": expected"),
            (r#"{"value": 1, "headers": []}"#, "headers: expected an object"),
        ] {
            let refused = Example::parse(text).expect_err(text);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
