//! Whether a value is what an OpenAPI document says, by the keywords of JSON Schema (2020-12) that
//! these documents use; another keyword fails its test, for it would not be looked at.

use serde_json::{Map, Value};

/// Keywords that restrict nothing here.
const NOTES: [&str; 6] = ["description", "title", "example", "examples", "default", "format"];

/// Whether an object may have what its schema does not say: a part of a schema says not all.
#[derive(Clone, Copy, PartialEq)]
enum More {
    Refused,
    Allowed,
}

/// Panics where a value is not as its schema in that document says, or has more than it says.
pub fn assert_valid(document: &Value, schema: &Value, value: &Value) {
    if let Err(wrong) = check(document, schema, value, "", More::Refused) {
        panic!("{wrong}; in {value:#}");
    }
}

/// The place in a document that a `$ref` names.
pub fn resolve<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let pointer = reference.strip_prefix('#').expect("it refers to the same document");
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} is nowhere"))
}

fn check(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    more: More,
) -> Result<(), String> {
    let keywords = schema.as_object().unwrap_or_else(|| panic!("no schema: {schema}"));
    keywords.iter().try_for_each(|(keyword, given)| {
        let met = match keyword.as_str() {
            "$ref" => return check(document, resolve(document, text(given)), value, at, more),
            "oneOf" => {
                let is = |one: &&Value| check(document, one, value, at, more).is_ok();
                list(given).iter().filter(is).count() == 1
            }
            "allOf" => {
                for part in list(given) {
                    check(document, part, value, at, More::Allowed)?;
                }
                let mut names = value.as_object().into_iter().flatten().map(|it| it.0);
                more == More::Allowed || names.all(|name| says(document, schema, name))
            }
            "type" => match given {
                Value::Array(types) => types.iter().any(|one| is_of(value, text(one))),
                one => is_of(value, text(one)),
            },
            "enum" => list(given).contains(value),
            "minimum" => value.as_f64().is_none_or(|it| it >= given.as_f64().unwrap()),
            "items" => {
                let mut items = value.as_array().into_iter().flatten().enumerate();
                return items.try_for_each(|(n, one)| {
                    check(document, given, one, &format!("{at}/{n}"), More::Refused)
                });
            }
            "properties" => return members(document, keywords, value, at, more),
            "required" => list(given).iter().all(|name| value.get(text(name)).is_some()),
            "additionalProperties" => {
                let mut others = value.as_object().into_iter().flatten();
                return others.try_for_each(|(name, one)| {
                    check(document, given, one, &format!("{at}/{name}"), More::Refused)
                });
            }
            "propertyNames" => {
                let mut names = value.as_object().into_iter().flatten().map(|it| it.0);
                return names.try_for_each(|name| {
                    check(document, given, &Value::from(name.as_str()), at, more)
                });
            }
            note if NOTES.contains(&note) => true,
            other => panic!("{other} is not looked at: {schema}"),
        };
        met.then_some(()).ok_or_else(|| format!("{at}: {value} is not {keyword} {given}"))
    })
}

/// What an object has is what its schema says, and nothing that it does not say.
fn members(
    document: &Value,
    schema: &Map<String, Value>,
    value: &Value,
    at: &str,
    more: More,
) -> Result<(), String> {
    value.as_object().into_iter().flatten().try_for_each(|(name, one)| {
        match schema["properties"].get(name) {
            Some(of) => check(document, of, one, &format!("{at}/{name}"), More::Refused),
            None if more == More::Allowed => Ok(()),
            None => Err(format!("{at}: {name} is not documented")),
        }
    })
}

/// Whether a schema, or one that it is made of, has a property of that name.
fn says(document: &Value, schema: &Value, name: &str) -> bool {
    let parts = ["allOf", "oneOf"].into_iter().filter_map(|it| schema[it].as_array()).flatten();
    let referred = schema["$ref"].as_str().map(|it| resolve(document, it));
    schema["properties"].get(name).is_some()
        || parts.chain(referred).any(|it| says(document, it, name))
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

#[test]
fn what_is_not_as_its_schema_says_is_told() {
    let document = serde_json::json!({"a": {"type": "object", "required": ["b"], "properties": {
        "b": {"type": ["integer", "null"], "minimum": 0},
        "c": {"oneOf": [{"type": "null"}, {"$ref": "#/word"}]},
        "d": {"type": "array", "items": {"$ref": "#/word"}},
        "e": {"type": "object", "additionalProperties": {"type": "number"}},
        "h": {"allOf": [{"$ref": "#/one"}, {"oneOf": [{"$ref": "#/two"}, {"$ref": "#/three"}]}]},
    }}, "word": {"type": "string", "enum": ["x"]},
    "one": {"type": "object", "required": ["i"], "properties": {"i": {"type": "integer"}}},
    "two": {"type": "object", "required": ["j"], "properties": {"j": {"type": "integer"}}},
    "three": {"type": "object", "required": ["k"], "properties": {"k": {"type": "integer"}}}});
    let valid = |value: &str| {
        let value = serde_json::from_str(value).unwrap();
        check(&document, &document["a"], &value, "", More::Refused).is_ok()
    };
    for value in [
        r#"{"b":1}"#,
        r#"{"b":null,"c":null}"#,
        r#"{"b":1,"c":"x","d":["x"],"e":{"f":1.5}}"#,
        r#"{"b":1,"h":{"i":1,"k":1}}"#,
    ] {
        assert!(valid(value), "{value}");
    }
    for value in [
        "1",
        "{}",
        r#"{"b":-1}"#,
        r#"{"b":"1"}"#,
        r#"{"b":1,"c":"y"}"#,
        r#"{"b":1,"d":["y"]}"#,
        r#"{"b":1,"e":{"f":"1"}}"#,
        r#"{"b":1,"g":1}"#,
        r#"{"b":1,"h":{"i":1}}"#,
        r#"{"b":1,"h":{"k":1}}"#,
        r#"{"b":1,"h":{"i":1,"j":1,"k":1}}"#,
        r#"{"b":1,"h":{"i":1,"k":1,"l":1}}"#,
    ] {
        assert!(!valid(value), "{value}");
    }
}
