//! What conditions and templates know of a record.
//!
//! Made only when a template or condition is come to, of what some of them use; the value is parsed
//! when it is first asked for, and once.

use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use minijinja::value::Object;
use minijinja::{Error, ErrorKind, Value};

use super::PlanContext;
use crate::record::Record;

/// The variables of conditions and templates. A null key, value or header is none.
///
/// - `key`: text; an error for a key that is not UTF-8. `key_base64`: any key.
/// - `value`: the value, as JSON. `raw`: the value, as text.
/// - `headers`: by name, with case; of several with one name the last.
/// - `timestamp`: milliseconds, or none. `attempt`: from 1. `group`: the consumer group.
pub(super) const VARIABLES: &[&str] = &[
    "attempt",
    "group",
    "headers",
    "key",
    "key_base64",
    "offset",
    "partition",
    "raw",
    "timestamp",
    "topic",
    "value",
];

/// Those of conditions: which requests a record becomes must not depend on how often one of them was
/// tried.
pub(super) const CONDITION_VARIABLES: &[&str] = VARIABLES.split_at(1).1;

/// A context that is made when it is first needed.
pub(super) struct Lazy<'a> {
    record: &'a Record,
    plan: &'a PlanContext<'a>,
    /// The variables that are used at all.
    used: &'a [&'static str],
    made: Option<Value>,
}

impl<'a> Lazy<'a> {
    pub(super) fn new(
        record: &'a Record,
        plan: &'a PlanContext<'a>,
        used: &'a [&'static str],
    ) -> Self {
        Self { record, plan, used, made: None }
    }

    pub(super) fn record(&self) -> &Record {
        self.record
    }

    /// The context, for the language; a handle.
    pub(super) fn get(&mut self) -> Value {
        let (record, plan, used) = (self.record, self.plan, self.used);
        self.made.get_or_insert_with(|| Value::from_object(Context::of(record, plan, used))).clone()
    }
}

/// The variables of a record.
struct Context {
    /// All that are used, but for the value.
    simple: Vec<(&'static str, Value)>,
    bytes: Option<Bytes>,
    parsed: OnceLock<Value>,
}

impl Context {
    fn of(record: &Record, plan: &PlanContext<'_>, used: &[&'static str]) -> Self {
        let simple =
            used.iter().filter_map(|name| Some((*name, simple(name, record, plan)?))).collect();
        let bytes = used.contains(&"value").then(|| record.value()).flatten();
        Self { simple, bytes, parsed: OnceLock::new() }
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == "value" {
            return Some(self.parsed.get_or_init(|| parse(self.bytes.as_deref())).clone());
        }
        self.simple.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }
}

/// Nothing of the record.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// A variable other than the value. One that this record cannot have as text is an error, which
/// shows when it is used.
fn simple(name: &str, record: &Record, plan: &PlanContext<'_>) -> Option<Value> {
    Some(match name {
        "attempt" => Value::from(plan.attempt()),
        "group" => Value::from(plan.group()),
        "headers" => headers(record),
        "key" => text(record.key(), || {
            "the record's key is not UTF-8; key_base64 has it as Base64".to_owned()
        }),
        "key_base64" => record.key().map_or_else(none, |key| BASE64_STANDARD.encode(key).into()),
        "offset" => Value::from(record.offset()),
        "partition" => Value::from(record.partition()),
        "raw" => text(record.value().as_deref(), || "the record's value is not UTF-8".to_owned()),
        "timestamp" => record.timestamp().map_or_else(none, Value::from),
        "topic" => Value::from(record.topic()),
        _ => return None,
    })
}

fn headers(record: &Record) -> Value {
    let value = |name: &str, value| text(value, || format!("the header {name:?} is not UTF-8"));
    record.headers().map(|(name, bytes)| (name, value(name, bytes))).collect()
}

fn text(bytes: Option<&[u8]>, problem: impl Fn() -> String) -> Value {
    let Some(bytes) = bytes else { return none() };
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Error::new(ErrorKind::InvalidOperation, problem()).into(),
    }
}

fn none() -> Value {
    Value::from(())
}

fn parse(bytes: Option<&[u8]>) -> Value {
    #[cfg(test)]
    PARSED.set(PARSED.get() + 1);
    let Some(bytes) = bytes else { return none() };
    serde_json::from_slice(bytes).unwrap_or_else(|error| not_json(&error).into())
}

/// Whether a value is JSON; what is read is dropped at once.
pub(super) fn check_json(bytes: &[u8]) -> Result<(), Error> {
    #[cfg(test)]
    PARSED.set(PARSED.get() + 1);
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes)
        .map(drop)
        .map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Error {
    let message = format!("the record's value is not JSON: {error}");
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
thread_local! {
    /// How often a value was parsed on this thread.
    pub(super) static PARSED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::super::language::{TEXTS, message};
    use super::*;

    fn rendered(record: &Record, template: &str) -> Result<String, String> {
        let plan = PlanContext::new(3, "billing");
        let mut lazy = Lazy::new(record, &plan, VARIABLES);
        TEXTS.render_str(template, lazy.get()).map_err(|error| message(&error))
    }

    #[test]
    fn every_variable_is_there() {
        let record = Record::builder("orders", 4, 17)
            .key("k")
            .value(r#"{"id": 5}"#)
            .header("a", "1")
            .header("a", "2")
            .timestamp(99)
            .build();
        let all = "{{ key }} {{ key_base64 }} {{ value.id }} {{ raw }} {{ headers.a }} {{ topic }} \
                   {{ partition }} {{ offset }} {{ timestamp }} {{ attempt }} {{ group }}";
        let expected = r#"k aw== 5 {"id": 5} 2 orders 4 17 99 3 billing"#;
        assert_eq!(rendered(&record, all).as_deref(), Ok(expected));
        for name in VARIABLES {
            assert!(rendered(&record, &format!("{{{{ {name} }}}}")).is_ok(), "{name}");
        }
    }

    #[test]
    fn nulls_are_none() {
        let record = Record::builder("t", 0, 0).null_header("a").build();
        for name in ["key", "key_base64", "value", "raw", "headers.a", "timestamp"] {
            let template = format!("{{{{ {name} is none }}}}");
            assert_eq!(rendered(&record, &template).as_deref(), Ok("true"), "{name}");
        }
    }

    #[test]
    fn what_is_not_text_or_json_is_an_error_only_where_it_is_used() {
        let record =
            Record::builder("t", 0, 7).key(b"\xff").value(b"\xfe").header("h", b"\xfd").build();
        assert_eq!(rendered(&record, "{{ offset }} {{ key_base64 }}").as_deref(), Ok("7 /w=="));
        for (name, words) in [
            ("key", "the record's key is not UTF-8; key_base64"),
            ("raw", "the record's value is not UTF-8"),
            ("value", "the record's value is not JSON"),
            ("value.a", "the record's value is not JSON"),
            ("headers.h", "the header \"h\" is not UTF-8"),
        ] {
            let error = rendered(&record, &format!("{{{{ {name} }}}}")).unwrap_err();
            assert!(error.contains(words), "{name}: {error}");
        }
    }

    #[test]
    fn a_value_is_parsed_once() {
        let record = Record::builder("t", 0, 0).value("[1, 2]").build();
        PARSED.set(0);
        assert_eq!(rendered(&record, "{{ value[0] }}{{ value[1] }}").as_deref(), Ok("12"));
        assert_eq!(PARSED.get(), 1);
        assert_eq!(rendered(&record, "{{ raw }}").as_deref(), Ok("[1, 2]"));
        assert_eq!(PARSED.get(), 1);
    }
}
