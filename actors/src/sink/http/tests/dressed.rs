//! What settings add to requests, as a receiver sees it, and what they read from its answers.

use std::cell::Cell;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use super::*;
use crate::core::Moment;
use crate::core::desk::Desk;
use crate::core::destinations::{RetryAfter, Terms};
use crate::core::lanes::Batch;
use crate::core::retry::RetryPolicy;
use crate::sink::Sink;
use crate::sink::http::{Auth, CloudEvents, Coding, Compression, Mode, OAuth2, Secret, Signature};

/// The one request of a sink with these settings.
async fn sent(dress: impl FnOnce(HttpSettings) -> HttpSettings, record: &Record) -> Request {
    let server = Server::start(|_| Answer::ok());
    let sink = dress(settings(&server)).build(&context(8)).unwrap();
    assert_eq!(sink.attempt(record, 1).await, Outcome::Delivered);
    server.request()
}

fn refused() -> Answer {
    Answer::Bytes(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n".into())
}

#[actix_rt::test]
async fn requests_are_authorized() {
    let bearer = Auth::bearer(Secret::given("token")).unwrap();
    let request = sent(|it| it.auth(bearer), &record()).await;
    assert_eq!(request.header("authorization"), Some("Bearer token"));
    let basic = Auth::basic("me", Secret::given("hush")).unwrap();
    let request = sent(|it| it.auth(basic), &record()).await;
    assert_eq!(request.header("authorization"), Some("Basic bWU6aHVzaA=="));
    let key = Auth::header("X-Api-Key", Secret::given("k")).unwrap();
    let request = sent(|it| it.auth(key), &record()).await;
    assert_eq!((request.header("x-api-key"), request.header("authorization")), (Some("k"), None));
}

/// An endpoint that takes only this token, and one that issues others after it.
fn guarded(taken: &'static str) -> (Server, Server) {
    let count = Cell::new(0);
    let issuer = Server::start(move |_| {
        count.set(count.get() + 1);
        let body = format!(r#"{{"access_token":"t{}","token_type":"Bearer"}}"#, count.get());
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Answer::Bytes(head.into())
    });
    let endpoint = Server::start(move |request| match request.header("authorization") {
        Some(header) if header == taken => Answer::ok(),
        _ => refused(),
    });
    (endpoint, issuer)
}

fn with_tokens(endpoint: &Server, issuer: &Server) -> HttpSink {
    let tokens = OAuth2::new(&issuer.url("/token"), "keyway", Secret::given("hush")).unwrap();
    settings(endpoint).auth(Auth::oauth2(tokens)).build(&context(8)).unwrap()
}

/// Tokens are asked for no more than once a second: the clock is set on for it.
async fn a_second_later() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
}

#[actix_rt::test]
async fn a_token_that_is_refused_at_once_is_renewed_no_more_than_once_a_second() {
    let (endpoint, issuer) = guarded("Bearer t2");
    let sink = with_tokens(&endpoint, &issuer);
    // For another token so soon after the first the issuer is left alone: the record waits.
    assert_retry(sink.attempt(&record(), 1).await, FailureKind::Unauthorized, "oauth2");
    a_second_later().await;
    assert_eq!(sink.attempt(&record(), 2).await, Outcome::Delivered);
    assert_eq!((endpoint.requests().len(), issuer.requests().len()), (2, 2));
}

#[actix_rt::test]
async fn a_token_that_expired_is_replaced_within_the_attempt() {
    let (endpoint, issuer) = guarded("Bearer t2");
    let sink = with_tokens(&endpoint, &issuer);
    // The first token is had, and with nothing to send it for a while.
    assert!(sink.dress.put_on(&mut draft(&sink), &record()).await.is_ok());
    a_second_later().await;
    assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
    let sent: Vec<_> = endpoint
        .requests()
        .iter()
        .map(|it| it.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["Bearer t1", "Bearer t2"]);
    let keys: Vec<_> = endpoint
        .requests()
        .iter()
        .map(|it| it.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys[0], keys[1]);
}

fn draft(sink: &HttpSink) -> super::super::request::Draft {
    sink.draft(&record(), 0, 1).unwrap()
}

#[actix_rt::test]
async fn a_401_that_no_other_token_mends_is_a_rejection() {
    let (endpoint, issuer) = guarded("none");
    let sink = with_tokens(&endpoint, &issuer);
    assert!(sink.dress.put_on(&mut draft(&sink), &record()).await.is_ok());
    a_second_later().await;
    let failure = rejected(sink.attempt(&record(), 1).await);
    assert_eq!(failure.kind, FailureKind::Status(401));
    assert_eq!(endpoint.requests().len(), 2, "once more, and no more");
}

#[actix_rt::test]
async fn requests_are_signed_over_the_body_that_the_receiver_unpacks() {
    let secret = format!("whsec_{}", BASE64_STANDARD.encode([7; 32]));
    let signature = Signature::new(vec![Secret::given(secret)]).unwrap();
    let value = "x".repeat(4_000);
    let record = Record::builder("orders", 3, 42).key("k").value(value.clone()).build();
    let packed = Compression::new(Coding::Gzip);
    let request = sent(|it| it.signature(signature).compression(packed), &record).await;
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert!(request.body.len() < 400);
    let (id, time) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    assert_eq!(id, request.header("idempotency-key"));
    let text = format!("{}.{}.{value}", id.unwrap(), time.unwrap());
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let tag = BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    assert_eq!(request.header("webhook-signature"), Some(format!("v1,{tag}").as_str()));
}

#[actix_rt::test]
async fn small_bodies_are_not_packed() {
    let packed = Compression::new(Coding::Zstd);
    let request = sent(|it| it.compression(packed), &record()).await;
    assert_eq!((request.header("content-encoding"), &*request.body), (None, &b"{\"id\":1}"[..]));
}

#[actix_rt::test]
async fn records_are_sent_as_events() {
    let record = record();
    let request = sent(|it| it.cloud_events(CloudEvents::new(Mode::Binary)), &record).await;
    assert_eq!(request.header("ce-specversion"), Some("1.0"));
    assert_eq!(request.header("ce-id"), Some("orders:3:42"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.body, b"{\"id\":1}");
    let request = sent(|it| it.cloud_events(CloudEvents::new(Mode::Structured)), &record).await;
    let content_type = request.header("content-type").unwrap();
    assert!(content_type.starts_with("application/cloudevents+json"), "{content_type}");
    let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&event["id"], &event["data"]["id"]), (&"orders:3:42".into(), &1.into()));
}

#[actix_rt::test]
async fn an_answer_can_say_failed_in_a_2xx() {
    let server = Server::start(|request| {
        let body: &[u8] = match request.header("keyway-attempt") {
            Some("1") => br#"{"ok":false}"#,
            _ => br#"{"ok":true}"#,
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        Answer::Bytes([head.as_bytes(), body].concat())
    });
    let sink = settings(&server).success_when("body.ok").unwrap().build(&context(8)).unwrap();
    let (_, failure) = retried(sink.attempt(&record(), 1).await);
    assert_eq!(failure.response, r#"{"ok":false}"#);
    assert_eq!(sink.attempt(&record(), 2).await, Outcome::Delivered);
    assert_eq!(server.accepted(), 1);
}

/// An endpoint says that its quota is used up for 30 s, though it took what it was sent.
#[actix_rt::test]
async fn a_quota_that_is_used_up_rests_the_destination() {
    let server = Server::start(|_| {
        let head =
            "HTTP/1.1 200 OK\r\nratelimit: \"default\";r=0;t=30\r\ncontent-length: 0\r\n\r\n";
        Answer::Bytes(head.into())
    });
    for (retry_after, waits) in [(RetryAfter::Destination, true), (RetryAfter::Lane, false)] {
        let sink = sink(&server);
        let terms = Terms { retry_after, ..Terms::default() };
        let mut desk = Desk::with_terms(RetryPolicy::default(), terms, 4, Batch::ONE);
        desk.accept(record()).unwrap();
        desk.accept(Record::builder("orders", 3, 43).key("other").build()).unwrap();
        let now = Moment(Duration::from_secs(5));
        let delivery = desk.dispatch(now).unwrap();
        let outcomes = sink.deliver(&delivery).await;
        desk.conclude(delivery, outcomes, now, 0, &mut |_| {});
        let next = desk.dispatch(now);
        assert_eq!(next.is_none(), waits);
        let due = waits.then_some(Moment(Duration::from_secs(35)));
        assert_eq!(desk.next_wake(), due);
    }
}
