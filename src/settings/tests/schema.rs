//! The schema of a pipeline's body has the keys that the reader takes, and no others.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::*;
use crate::settings::level::Level;
use crate::settings::schema::{Definition, example};
use crate::settings::table;

fn schema() -> Value {
    serde_json::to_value(Definition::schema()).unwrap()
}

/// Each setting in a schema by its dotted key, with its own schema.
fn settings<'a>(schema: &'a Value, section: &str, found: &mut Vec<(String, &'a Value)>) {
    assert_eq!(schema["additionalProperties"], false, "{section}");
    for (key, inner) in schema["properties"].as_object().unwrap() {
        let dotted = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        if inner["properties"].is_object() {
            settings(inner, &dotted, found);
        } else {
            found.push((dotted, inner));
        }
    }
}

/// What is said against a body.
fn problems(body: &Value) -> Vec<String> {
    let (_, base) = load_with_base(&Sources::none(), Least::None).unwrap();
    let read = base.pipeline(body.as_object().unwrap());
    read.err().map_or_else(Vec::new, |problems| problems.lines())
}

#[test]
fn its_keys_are_those_of_the_table() {
    let schema = schema();
    let mut found = Vec::new();
    settings(&schema, "", &mut found);
    let keys: BTreeSet<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    let others = ["dead_letter.kafka", "kafka", "route"];
    let expected = Level::Pipeline.rows().map(|row| row.key).chain(others);
    assert_eq!(keys, expected.collect());
    for row in Level::Pipeline.rows() {
        let (key, of) = found.iter().find(|(key, _)| key == row.key).unwrap();
        let words = of["description"].as_str().unwrap();
        assert!(words.contains(row.about) && words.contains("Allowed: "), "{key}: {words}");
        let secret = if row.list { &of["items"]["writeOnly"] } else { &of["writeOnly"] };
        assert_eq!(secret.as_bool().unwrap_or_default(), row.secret, "{key}");
        let kinds = of["type"].as_array();
        assert_eq!(kinds.is_some_and(|it| it.contains(&json!("array"))), row.list, "{key}");
    }
    assert_eq!(schema["required"], json!(["topics"]));
}

#[test]
fn its_example_is_taken_and_what_it_does_not_allow_is_not() {
    assert_eq!(problems(&example()), [""; 0]);
    for (pointer, wrong) in [
        ("", json!("unknown")),
        ("/http", json!("unknown")),
        ("/dead_letter", json!("unknown")),
        ("", json!("topics")),
    ] {
        let mut body = example();
        let section = body.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        section.insert(wrong.as_str().unwrap().to_owned(), json!({"a": 1}));
        assert_eq!(problems(&body).len(), 1, "{body}");
    }
    for topics in [json!([null]), json!([["a"]]), json!([])] {
        let mut body = example();
        body["topics"] = topics;
        assert_eq!(problems(&body).len(), 1, "{body}");
    }
    // A number and a boolean stand for their texts, and null for nothing.
    let mut body = example();
    body["topics"] = json!([5, true]);
    body["senders"] = json!(8);
    body["http"]["breaker"] = json!({"enabled": true, "probes": null});
    body["file"] = json!(null);
    assert_eq!(problems(&body), [""; 0]);
}

#[test]
fn every_setting_says_what_is_allowed() {
    for entry in table::GROUPS.iter().flat_map(|group| group.entries) {
        let allowed = (entry.allowed)();
        let is_file = entry.row.key.is_empty();
        assert!(is_file || !allowed.is_empty(), "{}", entry.row.key);
    }
}
