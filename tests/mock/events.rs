//! What requests say they are: signatures, events, packed bodies; and answers that say "failed".

use super::stage::Stage;
use crate::support::*;

/// The one request of a record, with these settings.
fn sent_with(settings: &[(&str, &str)], record: Record) -> Entry {
    let stage = Stage::new(1);
    let sent = stage.produce(vec![record]);
    let mut keyway = stage.keyway();
    for (name, value) in settings {
        keyway = keyway.env(name, value);
    }
    let mut keyway = keyway.start();
    stage.endpoint.wait_for_all(&sent);
    stage.wait_all_committed();
    keyway.stop();
    stage.endpoint.look(|ledger| ledger.requests()[0].clone())
}

#[test]
fn requests_are_signed_with_each_secret() {
    let secrets = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    let request = sent_with(&[("KEYWAY_HTTP_SIGNATURE_SECRETS", secrets)], Record::new("k", "{}"));
    let signatures = request.header("webhook-signature").expect("it is signed");
    assert_eq!(signatures.split(' ').filter(|it| it.starts_with("v1,")).count(), 2);
    let key = request.header("idempotency-key").expect("it has a key");
    assert_eq!(request.header("webhook-id"), Some(key.replace('.', "%2E")));
    let time = request.header("webhook-timestamp").expect("it says when");
    assert!(time.parse::<u64>().is_ok(), "{time}");
}

#[test]
fn records_are_sent_as_events() {
    let record = || Record::new("subject", r#"{"a":1}"#).at(1_700_000_000_123);
    let binary = sent_with(&[("KEYWAY_HTTP_CLOUDEVENTS_MODE", "binary")], record());
    assert_eq!(binary.header("ce-specversion").as_deref(), Some("1.0"));
    assert_eq!(binary.header("ce-subject").as_deref(), Some("subject"));
    assert_eq!(binary.header("ce-time").as_deref(), Some("2023-11-14T22:13:20.123Z"));
    assert_eq!(binary.body.as_deref(), Some(&br#"{"a":1}"#[..]));
    let structured = sent_with(
        &[
            ("KEYWAY_HTTP_CLOUDEVENTS_MODE", "structured"),
            ("KEYWAY_HTTP_CLOUDEVENTS_TYPE", "com.example.order"),
        ],
        record(),
    );
    let content_type = structured.header("content-type").expect("it has a type");
    assert!(content_type.starts_with("application/cloudevents+json"), "{content_type}");
    let body = structured.body.expect("it has a body");
    let event: serde_json::Value = serde_json::from_slice(&body).expect("it is JSON");
    assert_eq!(event["type"], "com.example.order");
    assert_eq!(event["data"], serde_json::json!({ "a": 1 }));
}

#[test]
fn large_bodies_are_packed() {
    let value = "abcdefgh".repeat(1_000);
    let request = sent_with(&[("KEYWAY_HTTP_COMPRESSION", "gzip")], Record::new("k", value));
    assert_eq!(request.header("content-encoding").as_deref(), Some("gzip"));
    assert!(request.body_length < 500, "{}", request.body_length);
    let body = request.body.expect("it has a body");
    assert_eq!(body[..2], [0x1f, 0x8b], "it is gzip");
}

#[test]
fn an_answer_of_200_can_say_that_it_failed() {
    let stage = Stage::new(1);
    stage.endpoint.script(|request| {
        let body = if request.seen < 2 { r#"{"status":"failed"}"# } else { r#"{"status":"ok"}"# };
        Reply::ok().body(body)
    });
    let sent = stage.produce(numbered(3, 1));
    let mut keyway = stage.keyway().env("KEYWAY_HTTP_SUCCESS_WHEN", "body.status == 'ok'").start();
    stage.wait_all_committed();
    keyway.stop();
    for one in &sent {
        assert_eq!(stage.endpoint.look(|ledger| ledger.attempts(&one.id)), 3);
    }
}
