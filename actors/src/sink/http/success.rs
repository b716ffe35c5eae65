//! When a 2xx answer is a delivery: some receivers say "failed" in a body whose head says "OK".

use std::collections::BTreeMap;
use std::sync::Arc;

use awc::http::StatusCode;
use awc::http::header::HeaderMap;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::response::KEPT;
use crate::core::outcome::{Failure, FailureKind, Outcome};
use crate::route::{Condition, ExpressionError};

/// What the condition may read.
const VARIABLES: [&str; 4] = ["status", "headers", "text", "body"];

/// A condition on 2xx answers.
#[derive(Clone)]
pub(super) struct Success(Arc<Condition>);

/// What it is asked of.
#[derive(Serialize)]
struct Answer<'a> {
    status: u16,
    headers: BTreeMap<&'a str, &'a str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

impl Success {
    pub(super) fn when(condition: &str) -> Result<Self, Vec<ExpressionError>> {
        Condition::compile(condition, &VARIABLES).map(|condition| Self(Arc::new(condition)))
    }

    /// Whether an answer is a delivery. One that is none is tried again: that nothing is lost goes
    /// before that nothing comes twice.
    pub(super) fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Outcome {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let pairs = headers
            .iter()
            .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str(), value)));
        let answer = Answer {
            status: status.as_u16(),
            headers: pairs.collect(),
            text,
            body: serde_json::from_str(text).ok(),
        };
        let why = match self.0.holds(&answer) {
            Ok(true) => return Outcome::Delivered,
            Ok(false) => "success_when does not hold".to_owned(),
            Err(error) => format!("success_when: {error}"),
        };
        let name = status.canonical_reason().unwrap_or_default();
        let reason = format!("{} {name}, but {why}", status.as_u16());
        let kind = FailureKind::Status(status.as_u16());
        let response = body.slice(..body.len().min(KEPT));
        Outcome::retry(Failure { response, ..Failure::new(kind, reason) })
    }
}

#[cfg(test)]
mod tests {
    use awc::http::header::{CONTENT_TYPE, HeaderValue};

    use super::*;

    fn judge(condition: &str, body: &'static str) -> Outcome {
        let success = Success::when(condition).unwrap();
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        success.judge(StatusCode::OK, &headers.into_iter().collect(), &Bytes::from(body))
    }

    #[test]
    fn a_body_or_header_can_say_that_it_failed() {
        let ok = r#"{"status": "ok", "errors": []}"#;
        let failed = r#"{"status": "failed", "errors": [{"code": 7}]}"#;
        for condition in ["body.status == 'ok'", "not body.errors", "'failed' not in text"] {
            assert_eq!(judge(condition, ok), Outcome::Delivered, "{condition}");
            let Outcome::Retry { after: None, failure } = judge(condition, failed) else {
                panic!("{condition}")
            };
            assert_eq!(failure.kind, FailureKind::Status(200));
            assert_eq!(failure.reason, "200 OK, but success_when does not hold");
            assert_eq!(failure.response, failed);
        }
        let typed = "headers['content-type'] == 'application/json' and status == 200";
        assert_eq!(judge(typed, ""), Outcome::Delivered);
    }

    #[test]
    fn a_body_that_is_no_json_is_undefined() {
        assert!(matches!(judge("body.status == 'ok'", "<html>"), Outcome::Retry { .. }));
        assert_eq!(judge("body is undefined or body.ok", "<html>"), Outcome::Delivered);
    }

    #[test]
    fn a_condition_on_what_there_is_not_is_refused() {
        let error = Success::when("record.value == 1").err().unwrap();
        assert!(error[0].to_string().contains("record"), "{}", error[0]);
    }
}
