//! The request that a record becomes (DESIGN §8, "The request").

use super::stage::Stage;
use crate::support::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Delivers these records, and gives the one request of each.
fn delivered(stage: &Stage, keyway: Keyway, records: Vec<Record>) -> Vec<Entry> {
    let sent = stage.produce(records);
    let mut keyway = keyway.start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
    stage.endpoint.look(|ledger| {
        let requests = sent.iter().map(|one| ledger.requests_for(&one.id).next().cloned());
        requests.collect::<Option<_>>().expect("each has its request")
    })
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn a_request_says_what_record_it_is() {
    let stage = Stage::new(3);
    let seen: std::sync::Arc<std::sync::Mutex<Vec<(String, String)>>> = std::sync::Arc::default();
    let noted = seen.clone();
    stage.endpoint.script(move |request| {
        let line = (request.method.clone(), request.path.clone());
        noted.lock().expect("no panic while held").push(line);
        Reply::ok()
    });
    let keyway = stage.keyway_to(&stage.endpoint.url_of("/in/box?x=1"));
    let record = Record::new("user 7/ü", "{\"a\":1}").to(2).at(1_700_000_000_123);
    let requests = delivered(&stage, keyway, vec![record]);
    let header = |name: &str| requests[0].header(name);
    assert_eq!(requests[0].body.as_deref(), Some(&b"{\"a\":1}"[..]));
    assert_eq!(header("keyway-topic"), text(&stage.topic));
    assert_eq!(header("keyway-partition"), text("2"));
    assert_eq!(header("keyway-offset"), text("0"));
    assert_eq!(header("keyway-timestamp"), text("1700000000123"));
    assert_eq!(header("keyway-key"), text("user%207/%C3%BC"));
    assert_eq!(header("keyway-attempt"), text("1"));
    assert_eq!(header("idempotency-key"), text(&format!("{}:{}:2:0", stage.group, stage.topic)));
    assert_eq!(header("content-type"), text("application/json"));
    assert_eq!(header("content-length"), text("7"));
    assert_eq!(header("keyway-tombstone"), None);
    assert_eq!(header("host"), text(&stage.endpoint.address().to_string()));
    let seen = seen.lock().expect("no panic while held");
    assert_eq!(*seen, [("POST".to_owned(), "/in/box?x=1".to_owned())]);
}

#[test]
fn a_null_value_is_a_tombstone_and_an_empty_one_is_not() {
    let stage = Stage::new(1);
    let records = vec![Record::tombstone("a"), Record::new("b", ""), Record::default()];
    let requests = delivered(&stage, stage.keyway(), records);
    let told: Vec<_> = requests
        .iter()
        .map(|one| (one.header("keyway-tombstone"), one.body_length, one.header("keyway-key")))
        .collect();
    assert_eq!(told[0], (text("true"), 0, text("a")));
    assert_eq!(told[1], (None, 0, text("b")));
    assert_eq!(told[2], (text("true"), 0, None), "a null key has no header");
}

#[test]
fn content_type_and_trace_context_pass_through_and_other_headers_do_not() {
    let stage = Stage::new(1);
    let keyway = stage.keyway().env("KEYWAY_HTTP_CONTENT_TYPE", "text/plain; charset=utf-8");
    let records = vec![
        Record::new("a", "x")
            .header("content-type", "application/avro")
            .header("traceparent", PARENT)
            .header("tracestate", "vendor=1")
            .header("authorization", "Bearer of-the-producer")
            .header("host", "elsewhere"),
        Record::new("b", "x"),
        // What cannot be a header value is left out, not made into two headers.
        Record::new("c", "x")
            .header("content-type", "a/b\r\nX-Injected: 1")
            .header("traceparent", [0xff, 0xfe]),
    ];
    let requests = delivered(&stage, keyway, records);
    let header = |at: usize, name: &str| requests[at].header(name);
    assert_eq!(header(0, "content-type"), text("application/avro"));
    assert_eq!(header(0, "traceparent"), text(PARENT));
    assert_eq!(header(0, "tracestate"), text("vendor=1"));
    assert_eq!(header(0, "authorization"), None);
    assert_eq!(header(0, "host"), text(&stage.endpoint.address().to_string()));
    assert_eq!(header(1, "content-type"), text("text/plain; charset=utf-8"));
    assert_eq!(header(1, "traceparent"), None);
    assert_eq!(header(2, "content-type"), text("text/plain; charset=utf-8"));
    assert_eq!(header(2, "x-injected"), None);
    assert_eq!(header(2, "traceparent"), None);
}
