//! Lines that say what the record was.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn line(format: Format, record: &Record) -> Vec<u8> {
    let mut out = b"before".to_vec();
    render(format, record, &mut out);
    out.split_off(b"before".len())
}

fn text(record: &Record) -> String {
    String::from_utf8(line(Format::Ndjson, record)).unwrap()
}

#[test]
fn raw_is_the_value_and_a_newline() {
    let record = |value: &[u8]| Record::builder("t", 0, 0).key("k").value(value).build();
    assert_eq!(line(Format::Raw, &record(b"a\xff\r\nb")), b"a\xff\r\nb\n");
    assert_eq!(line(Format::Raw, &record(b"")), b"\n");
    assert_eq!(line(Format::Raw, &Record::builder("t", 0, 0).build()), b"\n");
}

#[test]
fn ndjson_is_an_object_with_all_of_the_record() {
    let record = Record::builder("orders", 3, 42)
        .timestamp(1_700_000_000_000)
        .key("k\"1")
        .header("a", "1")
        .null_header("a")
        .header("b", b"\xff")
        .value("{\r\n  \"n\": 1.10,\n  \"n\": 12345678901234567890123\n}");
    assert_eq!(
        text(&record.build()),
        concat!(
            r#"{"topic":"orders","partition":3,"offset":42,"timestamp":1700000000000,"key":"k\"1","#,
            r#""headers":[{"name":"a","value":"1"},{"name":"a","value":null},"#,
            r#"{"name":"b","value_base64":"/w=="}],"#,
            r#""value":{    "n": 1.10,   "n": 12345678901234567890123 }}"#,
            "\n"
        )
    );
}

#[test]
fn what_is_no_object_or_array_is_text() {
    for value in ["1", "\"1\"", "null", "", "a\nb", "{", "[1e999]"] {
        let record = Record::builder("t", 0, 0).value(value).build();
        let parsed: Value = serde_json::from_str(&text(&record)).unwrap();
        assert_eq!(parsed["value"], json!(value));
    }
}

#[test]
fn nothing_is_null_and_other_bytes_are_base64() {
    let none = text(&Record::builder("t", 0, 0).build());
    assert_eq!(
        none,
        "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"timestamp\":null,\"key\":null,\
         \"headers\":[],\"value\":null}\n"
    );
    let odd = text(&Record::builder("t", 0, 0).key(b"\xfe").value(b"{\"a\":\"\xff\"}").build());
    let parsed: Value = serde_json::from_str(&odd).unwrap();
    assert_eq!(parsed["key_base64"], "/g==");
    assert_eq!(parsed["value_base64"], "eyJhIjoi/yJ9");
    assert_eq!((parsed.get("key"), parsed.get("value")), (None, None));
}

/// The bytes that a member stands for.
fn read(object: &Value, name: &str) -> Option<Vec<u8>> {
    match (object.get(name), object.get(format!("{name}_base64"))) {
        (Some(Value::Null), None) => None,
        (Some(Value::String(text)), None) => Some(text.clone().into()),
        (None, Some(Value::String(base64))) => Some(BASE64_STANDARD.decode(base64).unwrap()),
        other => panic!("{name}: {other:?}"),
    }
}

fn bytes_or_none() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        "[ -~\n\r\t\u{0}\u{1f}\"\\\\é\u{2028}]{0,12}".prop_map(|text| Some(text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Some),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a\"\\\\\n\u{7}é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\n\"]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_line_parses_back_and_is_one_line(
        topic in "[a-z._\"-]{1,8}",
        (partition, offset) in (0..i32::MAX, 0..i64::MAX),
        timestamp in -1_i64..i64::MAX,
        (key, value) in (bytes_or_none(), bytes_or_none()),
        headers in prop::collection::vec(("[a-b\n\"]{0,2}", bytes_or_none()), 0..4),
    ) {
        let mut record = Record::builder(&topic, partition, offset).timestamp(timestamp);
        for (name, value) in &headers {
            record = match value {
                Some(value) => record.header(name, value.clone()),
                None => record.null_header(name),
            };
        }
        if let Some(key) = key.clone() {
            record = record.key(key);
        }
        if let Some(value) = value.clone() {
            record = record.value(value);
        }
        let line = text(&record.build());
        prop_assert_eq!(line.find(['\n', '\r']), Some(line.len() - 1));
        let object: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&object["topic"], &json!(topic));
        prop_assert_eq!(&object["partition"], &json!(partition));
        prop_assert_eq!(&object["offset"], &json!(offset));
        prop_assert_eq!(object["timestamp"].as_i64(), (timestamp >= 0).then_some(timestamp));
        prop_assert_eq!(read(&object, "key"), key);
        if value.as_deref().is_none_or(|value| !is_object_or_array(value)) {
            prop_assert_eq!(read(&object, "value"), value);
        }
        let read_back: Vec<_> = object["headers"].as_array().unwrap().iter()
            .map(|header| (header["name"].as_str().unwrap().to_owned(), read(header, "value")))
            .collect();
        prop_assert_eq!(read_back, headers);
    }

    #[test]
    fn json_goes_in_as_it_is(json in json_value(), pretty: bool) {
        let value =
            if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
        let value = value.unwrap();
        let line = text(&Record::builder("t", 0, 0).value(value.as_str()).build());
        prop_assert_eq!(line.find(['\n', '\r']), Some(line.len() - 1));
        let object: Value = serde_json::from_str(&line).unwrap();
        let embedded = json.is_object() || json.is_array();
        prop_assert_eq!(&object["value"], &if embedded { json } else { Value::from(value) });
    }
}
