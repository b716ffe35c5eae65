//! One request without a record.

use std::time::Duration;

use super::super::post_once;
use super::{Answer, FailureKind, HttpSettings, Outcome, Record, Server};
use crate::route::{Plan, PlanContext, Refusal, Route};

/// A route that asks for nothing.
struct Nowhere;

impl Route for Nowhere {
    fn plan(&self, _: &Record, _: &PlanContext<'_>) -> Result<Plan, Refusal> {
        Ok(Plan::filtered())
    }
}

fn settings(url: &str) -> HttpSettings {
    HttpSettings::new(url).unwrap()
}

#[actix_rt::test]
async fn the_body_arrives_with_the_content_type_on_a_connection_of_its_own() {
    let server = Server::start(|_| Answer::ok());
    let settings = settings(&server.url("/hook?token=t"));
    assert_eq!(post_once(&settings, r#"{"text":"a"}"#).await, Outcome::Delivered);
    let request = server.request();
    assert_eq!(request.line, "POST /hook?token=t HTTP/1.1");
    assert_eq!(request.body, br#"{"text":"a"}"#);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("connection"), Some("close"));
    assert_eq!(request.header("host"), Some(server.address().to_string().as_str()));
    server.closed(1).await;
}

#[actix_rt::test]
async fn what_went_wrong_is_said_as_of_a_record() {
    let server = Server::start(|_| {
        Answer::Last(b"HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n".into())
    });
    match post_once(&settings(&server.url("/")), "{}").await {
        Outcome::Retry { after, failure } => {
            assert_eq!(after, Some(Duration::from_secs(7)));
            assert_eq!(failure.kind, FailureKind::Status(429));
        }
        other => panic!("{other:?}"),
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = post_once(&settings(&format!("http://{free}/")), "{}").await;
    assert_eq!(refused.into_failure().map(|it| it.kind), Some(FailureKind::Connect));
}

#[actix_rt::test]
async fn a_route_is_no_place_to_post_to() {
    let outcome = post_once(&HttpSettings::routed(Nowhere), "{}").await;
    assert_eq!(outcome.into_failure().map(|it| it.kind), Some(FailureKind::Unsendable));
}
