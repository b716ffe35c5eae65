//! Events of records, and of what no record should hold.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

fn record() -> Record {
    Record::builder("orders.v1", 3, 42)
        .key("user 17")
        .value(r#"{"id":1.10}"#)
        .timestamp(1_522_900_584_123)
        .build()
}

/// An event by the Kafka binding, as its example has it.
fn event() -> crate::record::RecordBuilder {
    Record::builder("mytopic", 0, 7)
        .key("mykey")
        .value("<much/>")
        .timestamp(1)
        .header("ce_specversion", "1.0")
        .header("ce_type", "com.example.someevent")
        .header("ce_source", "/mycontext/subcontext")
        .header("ce_id", "1234-1234-1234")
        .header("ce_time", "2018-04-05T03:56:24Z")
        .header("ce_comexampleextension1", "Euro \u{20ac} \u{1f600}")
        .header("content-type", "application/xml")
}

fn lines(settings: &CloudEvents, record: &Record) -> Vec<String> {
    let Event::Binary(headers) = settings.encoder("team a").event(record, &APPLICATION_JSON) else {
        panic!("not in binary mode");
    };
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

fn binary(record: &Record) -> Vec<String> {
    lines(&CloudEvents::new(Mode::Binary), record)
}

/// The document, as text.
fn structured(record: &Record, content_type: &'static str) -> String {
    let encoder = CloudEvents::new(Mode::Structured).encoder("g");
    match encoder.event(record, &HeaderValue::from_static(content_type)) {
        Event::Structured(body, own) => {
            assert_eq!(own, "application/cloudevents+json; charset=UTF-8");
            String::from_utf8(body.to_vec()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_becomes_an_event() {
    assert_eq!(
        binary(&record()),
        [
            "ce-id: orders.v1:3:42",
            "ce-kafkaoffset: 42",
            "ce-kafkapartition: 3",
            "ce-kafkatopic: orders.v1",
            // Once for the URI, once for the header.
            "ce-source: keyway:team%2520a/orders.v1",
            "ce-specversion: 1.0",
            "ce-subject: user%2017",
            "ce-time: 2018-04-05T03:56:24.123Z",
            "ce-type: io.keyway.record",
        ]
    );
}

#[test]
fn what_is_set_is_used() {
    let settings = CloudEvents::new(Mode::Binary)
        .source("https://a.example/orders")
        .and_then(|it| it.kind("com.example.order"))
        .and_then(|it| it.data_schema("https://a.example/schema?v=1"))
        .unwrap();
    let lines = lines(&settings, &record());
    for line in [
        "ce-source: https://a.example/orders",
        "ce-type: com.example.order",
        "ce-dataschema: https://a.example/schema?v=1",
    ] {
        assert!(lines.iter().any(|it| it == line), "{lines:?}");
    }
}

#[test]
fn what_is_set_is_checked() {
    use CloudEventsError as E;
    let new = || CloudEvents::new(Mode::Binary);
    let long = "x".repeat(LIMIT + 1);
    for bad in ["", "a b", "\u{e9}", &long] {
        assert_eq!(new().source(bad), Err(E::Source), "{bad}");
        assert_eq!(new().data_schema(bad), Err(E::DataSchema), "{bad}");
    }
    assert_eq!(new().data_schema("/relative"), Err(E::DataSchema));
    for bad in ["", "a\nb", "a\u{85}b", "a\u{fffe}b", "\u{fdd0}", &long] {
        assert_eq!(new().kind(bad), Err(E::Type), "{bad:?}");
    }
    assert!(new().kind(&long[1..]).and_then(|it| it.source(&long[1..])).is_ok());
}

#[test]
fn an_event_goes_on_as_what_it_is() {
    let expected = [
        "ce-comexampleextension1: Euro%20%E2%82%AC%20%F0%9F%98%80",
        "ce-id: 1234-1234-1234",
        "ce-source: /mycontext/subcontext",
        "ce-specversion: 1.0",
        "ce-time: 2018-04-05T03:56:24Z",
        "ce-type: com.example.someevent",
    ];
    assert_eq!(binary(&event().build()), expected);
    let settings = CloudEvents::new(Mode::Binary).kind("x").and_then(|it| it.source("y")).unwrap();
    assert_eq!(lines(&settings, &event().build()), expected, "it is of a type already");
    let odd = event()
        .header("ce_datacontenttype", "a/b")
        .header("ce_data", "x")
        .header("ce_Upper", "x")
        .header("ce_with-dash", "x")
        .header("ce_", "x")
        .header("ce_control", "a\nb")
        .header("ce_bytes", b"\xff")
        .null_header("ce_null")
        .header("ce_subject", "")
        .header("ce_dataschema", "relative");
    assert_eq!(binary(&odd.build()), expected);
}

#[test]
fn what_is_not_wholly_an_event_is_made_one() {
    let made = ["ce-id: mytopic:0:7", "ce-source: keyway:team%2520a/mytopic", "ce-kafkaoffset: 7"];
    for broken in [
        event().header("ce_id", ""),
        event().null_header("ce_id"),
        event().header("ce_source", "not a uri"),
        event().header("ce_source", ""),
        event().header("ce_id", "x".repeat(LIMIT + 1)),
    ] {
        let lines = binary(&broken.build());
        for line in made.into_iter().chain(["ce-type: com.example.someevent"]) {
            assert!(lines.iter().any(|it| it == line), "{line} {lines:?}");
        }
    }
    for other in ["0.3", "", "1.1"] {
        let lines = binary(&event().header("ce_specversion", other).build());
        for line in made.into_iter().chain(["ce-type: io.keyway.record", "ce-subject: mykey"]) {
            assert!(lines.iter().any(|it| it == line), "{line} {lines:?}");
        }
    }
    let typed = Record::builder("t", 0, 1).header("ce_type", "created").build();
    assert!(binary(&typed).contains(&"ce-type: created".to_owned()));
    let bad_time = event().header("ce_time", "yesterday").build();
    // Not its record's either: an event leaves out what it leaves out.
    assert!(!binary(&bad_time).iter().any(|it| it.starts_with("ce-time")));
}

#[test]
fn keys_that_are_no_text_are_no_subject() {
    let subject = |key: &[u8]| {
        let record = Record::builder("t", 0, 0).key(key).build();
        binary(&record).into_iter().find(|it| it.starts_with("ce-subject"))
    };
    assert_eq!(subject(b"\"%"), Some("ce-subject: %22%25".to_owned()));
    for none in [&b""[..], b"\xff", b"a\x00", "a\u{9f}".as_bytes(), &[b'x'; LIMIT + 1]] {
        assert_eq!(subject(none), None, "{none:?}");
    }
}

#[test]
fn an_event_in_itself_is_left_alone() {
    for mode in [Mode::Binary, Mode::Structured] {
        let encoder = CloudEvents::new(mode).encoder("g");
        for whole in ["application/cloudevents+json", "Application/CloudEvents+avro; x=y"] {
            let event = encoder.event(&record(), &HeaderValue::from_static(whole));
            assert!(matches!(event, Event::Whole), "{whole}");
        }
    }
}

#[test]
fn json_goes_into_json_byte_for_byte() {
    assert_eq!(
        structured(&record(), "application/json"),
        concat!(
            r#"{"specversion":"1.0","id":"orders.v1:3:42","source":"keyway:g/orders.v1","#,
            r#""type":"io.keyway.record","time":"2018-04-05T03:56:24.123Z","subject":"user 17","#,
            r#""kafkatopic":"orders.v1","kafkapartition":3,"kafkaoffset":"42","#,
            r#""datacontenttype":"application/json","data":{"id":1.10}}"#
        )
    );
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for value in [" 1e400 ", "null", r#"{"a":1,"a":2}"#, r#""\ud800""#, &deep] {
        let record = Record::builder("t", 0, 0).value(value).build();
        for json in ["text/json", "application/problem+JSON; charset=utf-8"] {
            let document = structured(&record, json);
            assert!(document.ends_with(&format!(r#","data":{value}}}"#)), "{document}");
        }
    }
}

#[test]
fn other_values_are_base64() {
    let data = |value: &[u8], content_type| {
        let record = Record::builder("t", 0, 0).value(value).build();
        let document: Value = serde_json::from_str(&structured(&record, content_type)).unwrap();
        assert_eq!(document["datacontenttype"], content_type);
        assert_eq!(document.get("data"), None);
        BASE64_STANDARD.decode(document["data_base64"].as_str().unwrap()).unwrap()
    };
    for value in [&b""[..], b"{", b"1 2", b"\"\xff\"", b"\xef\xbb\xbf1", b"\"a\nb\"", b"NaN"] {
        assert_eq!(data(value, "application/json"), value);
    }
    for content_type in ["text/plain", "application/jsonx", "json", "application/json+x"] {
        assert_eq!(data(b"1", content_type), b"1");
    }
}

#[test]
fn no_value_is_no_data() {
    let tombstone = Record::builder("t", 0, 0).key("k").build();
    let document: Value =
        serde_json::from_str(&structured(&tombstone, "application/json")).unwrap();
    let names: Vec<_> = document.as_object().unwrap().keys().collect();
    assert!(names.iter().all(|name| !name.starts_with("data")), "{names:?}");
}

/// Any record: with any names and values, those of events among them.
fn any_record() -> impl Strategy<Value = Record> {
    let names = vec!["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"];
    let more =
        vec!["ce_dataschema", "ce_x", "ce_kafkatopic", "ce_data", "content-type", "ce_\u{e9}"];
    let name = prop::sample::select([names, more].concat());
    let text = prop_oneof!["1\\.0", "", ".{0,9}", "[a-z:/]{1,20}", "\\PC{1,9}"];
    let value = prop_oneof![
        text.prop_map(|it: String| it.into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..9),
        Just(vec![b'x'; LIMIT + 1]),
    ];
    let headers = proptest::collection::vec((name, proptest::option::of(value)), 0..9);
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20));
    let json = prop_oneof![bytes(), Just(Some(b"{\"a\":[1]}".to_vec()))];
    (".{1,30}", any::<i32>(), any::<i64>(), any::<i64>(), bytes(), json, headers).prop_map(
        |(topic, partition, offset, timestamp, key, value, headers)| {
            let mut builder = Record::builder(&topic, partition, offset).timestamp(timestamp);
            if let Some(key) = key {
                builder = builder.key(key);
            }
            if let Some(value) = value {
                builder = builder.value(value);
            }
            for (name, value) in headers {
                builder = match value {
                    Some(value) => builder.header(name, value),
                    None => builder.null_header(name),
                };
            }
            builder.build()
        },
    )
}

fn check(name: &str, value: &str) {
    assert!(!value.is_empty() && is_string(value), "{name}: {value:?}");
    assert!(name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit()), "{name}");
    match name {
        "specversion" => assert_eq!(value, "1.0"),
        "source" => assert!(is_uri_reference(value), "{value}"),
        "dataschema" => assert!(is_absolute_uri(value), "{value}"),
        "time" => assert!(crate::rfc3339::is_rfc3339(value), "{value}"),
        _ => {}
    }
}

proptest! {
    /// In both modes the attributes are valid and the same, and the required ones are there.
    #[test]
    fn every_record_makes_a_valid_event(record in any_record(), group in ".{0,20}") {
        let binary = CloudEvents::new(Mode::Binary).encoder(&group);
        let Event::Binary(headers) = binary.event(&record, &APPLICATION_JSON) else { panic!() };
        for required in ["ce-specversion", "ce-id", "ce-source", "ce-type"] {
            prop_assert!(headers.contains_key(required), "{}", required);
        }
        let structured = CloudEvents::new(Mode::Structured).encoder(&group);
        let Event::Structured(body, _) = structured.event(&record, &APPLICATION_JSON) else { panic!() };
        let Value::Object(mut document) = serde_json::from_slice(&body).unwrap() else { panic!() };
        for (name, value) in &headers {
            let value = value.to_str().unwrap();
            prop_assert!(value.bytes().all(|it| it.is_ascii_graphic() && it != b'"'), "{}", value);
            let value = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
            let name = name.as_str().strip_prefix("ce-").unwrap();
            check(name, &value);
            let other = document.remove(name).unwrap();
            let other = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            prop_assert_eq!(value, other);
        }
        let data = document.remove("data_base64").map(|it| BASE64_STANDARD.decode(it.as_str().unwrap()).unwrap());
        let data = data.or_else(|| document.remove("data").map(|it| it.to_string().into_bytes()));
        prop_assert_eq!(document.remove("datacontenttype").is_some(), data.is_some());
        prop_assert!(document.is_empty(), "{:?}", document);
        prop_assert_eq!(data.is_some(), record.value().is_some());
    }

    #[test]
    fn no_two_records_have_one_identity(
        one in (".{1,9}", 0..5_i32, 0..5_i64), other in (".{1,9}", 0..5_i32, 0..5_i64), group in ".{0,9}",
    ) {
        prop_assume!(one != other);
        let identity = |(topic, partition, offset): &(String, i32, i64)| {
            let record = Record::builder(topic, *partition, *offset).build();
            let attributes = CloudEvents::new(Mode::Binary).encoder(&group).attributes(&record);
            (attributes[1].value.clone(), attributes[2].value.clone())
        };
        prop_assert_ne!(identity(&one), identity(&other));
    }
}
