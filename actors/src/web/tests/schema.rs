//! Whether a value is what an OpenAPI document says, by the keywords of JSON Schema (2020-12) that
//! these documents use; another keyword fails its test, for it would not be looked at.

use serde_json::{Map, Value};

/// Keywords that restrict nothing here.
const NOTES: [&str; 6] = ["description", "title", "example", "examples", "default", "format"];

/// Panics where a value is not as its schema in that document says, or has more than it says.
pub fn assert_valid(document: &Value, schema: &Value, value: &Value) {
    if let Err(wrong) = check(document, schema, value, "") {
        panic!("{wrong}; in {value:#}");
    }
}

/// The place in a document that a `$ref` names.
pub fn resolve<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let pointer = reference.strip_prefix('#').expect("it refers to the same document");
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} is nowhere"))
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let keywords = schema.as_object().unwrap_or_else(|| panic!("no schema: {schema}"));
    keywords.iter().try_for_each(|(keyword, given)| {
        let met = match keyword.as_str() {
            "$ref" => return check(document, resolve(document, text(given)), value, at),
            "oneOf" => {
                let is = |one: &&Value| check(document, one, value, at).is_ok();
                list(given).iter().filter(is).count() == 1
            }
            "type" => match given {
                Value::Array(types) => types.iter().any(|one| is_of(value, text(one))),
                one => is_of(value, text(one)),
            },
            "enum" => list(given).contains(value),
            "minimum" => value.as_f64().is_none_or(|it| it >= given.as_f64().unwrap()),
            "items" => {
                let mut items = value.as_array().into_iter().flatten().enumerate();
                return items
                    .try_for_each(|(n, one)| check(document, given, one, &format!("{at}/{n}")));
            }
            "properties" => return members(document, keywords, value, at),
            "required" => list(given).iter().all(|name| value.get(text(name)).is_some()),
            "additionalProperties" => {
                let mut others = value.as_object().into_iter().flatten();
                return others.try_for_each(|(name, one)| {
                    check(document, given, one, &format!("{at}/{name}"))
                });
            }
            "propertyNames" => {
                let mut names = value.as_object().into_iter().flatten().map(|it| it.0);
                return names
                    .try_for_each(|name| check(document, given, &Value::from(name.as_str()), at));
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
) -> Result<(), String> {
    value.as_object().into_iter().flatten().try_for_each(|(name, one)| {
        let of = schema["properties"].get(name);
        let of = of.ok_or_else(|| format!("{at}: {name} is not documented"))?;
        check(document, of, one, &format!("{at}/{name}"))
    })
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
    }}, "word": {"type": "string", "enum": ["x"]}});
    let valid = |value: &str| {
        check(&document, &document["a"], &serde_json::from_str(value).unwrap(), "").is_ok()
    };
    for value in
        [r#"{"b":1}"#, r#"{"b":null,"c":null}"#, r#"{"b":1,"c":"x","d":["x"],"e":{"f":1.5}}"#]
    {
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
    ] {
        assert!(!valid(value), "{value}");
    }
}
