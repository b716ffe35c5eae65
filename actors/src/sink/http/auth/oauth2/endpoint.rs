//! One request for a token, and what the answer says.

use std::time::Duration;

use awc::Client;
use awc::error::PayloadError;
use awc::http::StatusCode;
use awc::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::super::{basic, bearer};
use super::{OAuth2, TIMEOUT, failure};
use crate::core::outcome::{Failure, FailureKind, Outcome};
use crate::sink::http::response::{Limits, failed};

/// Far more than a token and what comes with it.
const ANSWER_LIMIT: usize = 64 * 1024;

/// The longest error code that is shown; those of RFC 6749 have up to 25 characters.
const CODE_LIMIT: usize = 64;

/// What `application/x-www-form-urlencoded` leaves as it is, beside letters and digits.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// What the endpoint gave.
pub(super) struct Issued {
    /// The whole value of `Authorization`.
    pub(super) header: HeaderValue,
    /// From the answer on; none where it was not said.
    pub(super) life: Option<Duration>,
}

/// A successful answer (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Value>,
}

/// A refusal (RFC 6749, 5.2). Its description is left alone: it may repeat what was sent.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Asks once.
pub(super) async fn fetch(client: &Client, oauth2: &OAuth2) -> Result<Issued, Failure> {
    let fail = |kind, why: String| failure(oauth2, kind, why);
    let endpoint = &oauth2.endpoint;
    let uri = oauth2
        .target
        .client_uri()
        .ok_or_else(|| fail(FailureKind::Other, "its URL cannot be requested".to_owned()))?;
    let secret = oauth2.client_secret.current();
    let mut request = client
        .post(uri)
        .insert_header((HOST, oauth2.target.authority.clone()))
        .insert_header((USER_AGENT, concat!("keyway/", env!("CARGO_PKG_VERSION"))))
        .insert_header((CONTENT_TYPE, "application/x-www-form-urlencoded"))
        .insert_header((ACCEPT, "application/json"));
    if !oauth2.credentials_in_body {
        let credentials = basic(&form(&oauth2.client_id), &form(&secret))
            .map_err(|error| fail(FailureKind::Other, error.to_string()))?;
        request = request.insert_header((AUTHORIZATION, credentials));
    }
    let limits = Limits { answer: endpoint.timeout, connect: endpoint.connect_timeout };
    let mut response = request
        .send_body(body(oauth2, &secret))
        .await
        .map_err(|error| not_answered(oauth2, failed(error, None, limits)))?;
    let status = response.status();
    let content = timeout(TIMEOUT, response.body().limit(ANSWER_LIMIT))
        .await
        .map_err(|_| fail(FailureKind::Timeout, format!("no whole answer within {TIMEOUT:?}")))?
        .map_err(|error| fail(FailureKind::Other, broken(&error)))?;
    if status == StatusCode::OK {
        read(&content).map_err(|why| fail(FailureKind::Other, why.to_owned()))
    } else {
        Err(fail(FailureKind::Other, refused(status, &content, &secret)))
    }
}

/// The failure of the token's request as one of the record's: whether the endpoint saw it is of no
/// account for the record, which was not sent.
fn not_answered(oauth2: &OAuth2, outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Retry { failure: it, .. } | Outcome::Rejected(it) => {
            let kind = match it.kind {
                FailureKind::Connect | FailureKind::Timeout => it.kind,
                _ => FailureKind::Other,
            };
            failure(oauth2, kind, it.reason)
        }
        // A head that is no HTTP behind a 2xx status line.
        Outcome::Delivered => failure(oauth2, FailureKind::Other, "its answer is no HTTP"),
    }
}

fn broken(error: &PayloadError) -> String {
    match error {
        PayloadError::Overflow => format!("its answer is longer than {ANSWER_LIMIT} bytes"),
        _ => "its answer broke off".to_owned(),
    }
}

fn body(oauth2: &OAuth2, secret: &str) -> String {
    let mut body = "grant_type=client_credentials".to_owned();
    let mut put = |name: &str, value: &str| {
        body.push('&');
        body.push_str(name);
        body.push('=');
        body.push_str(&form(value));
    };
    if let Some(scope) = &oauth2.scope {
        put("scope", scope);
    }
    if let Some(audience) = &oauth2.audience {
        put("audience", audience);
    }
    if oauth2.credentials_in_body {
        put("client_id", &oauth2.client_id);
        put("client_secret", secret);
    }
    body
}

/// As RFC 6749 wants values in the body and, by its section 2.3.1, in `Basic` too.
fn form(value: &str) -> String {
    utf8_percent_encode(value, FORM).to_string().replace("%20", "+")
}

fn read(content: &[u8]) -> Result<Issued, &'static str> {
    // The error of the parser is left alone: it may repeat a part of the token.
    let answer: Answer = serde_json::from_slice(content)
        .map_err(|_| "its answer is no JSON with an access_token")?;
    // RFC 6749, 7.1: a token of a type that is not known must not be used.
    if answer.token_type.is_some_and(|it| !it.eq_ignore_ascii_case("bearer")) {
        return Err("its token is not of the type bearer");
    }
    let header =
        bearer(&answer.access_token).map_err(|_| "its token cannot be sent in a header")?;
    // Some say it in quotes, and some with a fraction.
    let seconds = answer.expires_in.and_then(|it| match it {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    });
    let life = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
    Ok(Issued { header, life })
}

/// The status and, if it looks like one, the error code.
fn refused(status: StatusCode, content: &[u8], secret: &str) -> String {
    let code = serde_json::from_slice::<Refusal>(content).ok().map(|it| it.error);
    let is_code = |code: &String| {
        let usual =
            |byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.');
        (1..=CODE_LIMIT).contains(&code.len()) && code.bytes().all(usual) && !code.contains(secret)
    };
    let name = status.canonical_reason().unwrap_or_default();
    let status = format!("{} {name}", status.as_u16());
    match code.filter(is_code) {
        Some(code) => format!("{} ({code})", status.trim_end()),
        None => status.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_form_encoded() {
        assert_eq!(form("a b+c%d&e=f:g/\u{e9}~*-._"), "a+b%2Bc%25d%26e%3Df%3Ag%2F%C3%A9%7E*-._");
    }

    #[test]
    fn an_answer_is_read() {
        let life = |expires: &str| {
            let text = format!(r#"{{"access_token":"t","token_type":"BEARER"{expires},"x":[1]}}"#);
            let issued = read(text.as_bytes()).unwrap();
            assert_eq!(issued.header, "Bearer t");
            assert!(issued.header.is_sensitive());
            issued.life
        };
        assert_eq!(life(r#","expires_in":3600"#), Some(Duration::from_hours(1)));
        assert_eq!(life(r#","expires_in":"60""#), Some(Duration::from_mins(1)));
        assert_eq!(life(r#","expires_in":1.5"#), Some(Duration::from_millis(1500)));
        for none in ["", r#","expires_in":null"#, r#","expires_in":-1"#, r#","expires_in":1e300"#] {
            assert_eq!(life(none), None, "{none}");
        }
    }

    #[test]
    fn answers_without_a_usable_token_are_refused() {
        for (answer, why) in [
            ("", "no JSON"),
            ("{}", "access_token"),
            (r#"{"access_token":7}"#, "access_token"),
            (r#"{"access_token":"t","token_type":"mac"}"#, "bearer"),
            (r#"{"access_token":""}"#, "header"),
            (r#"{"access_token":"a\nb"}"#, "header"),
            (r#"{"access_token":"a b"}"#, "header"),
        ] {
            let error = read(answer.as_bytes()).err().unwrap();
            assert!(error.contains(why), "{answer}: {error}");
        }
    }

    #[test]
    fn a_refusal_shows_its_code_and_nothing_else() {
        let said = |text: &str| refused(StatusCode::UNAUTHORIZED, text.as_bytes(), "hush");
        assert_eq!(
            said(r#"{"error":"invalid_client","error_description":"hush"}"#),
            "401 Unauthorized (invalid_client)"
        );
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(65));
        for odd in ["", "hush", r#"{"error":"a hush"}"#, r#"{"error":"x_hush"}"#, &long] {
            assert_eq!(said(odd), "401 Unauthorized");
        }
    }

    proptest! {
        #[test]
        fn form_encoding_can_be_undone(text in ".{0,40}") {
            let coded = form(&text);
            prop_assert!(coded.bytes().all(|it| it.is_ascii_alphanumeric() || b"*-._+%".contains(&it)));
            let back = percent_encoding::percent_decode_str(&coded.replace('+', " ")).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(back, text);
        }

        #[test]
        fn no_answer_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let said = refused(StatusCode::BAD_REQUEST, &bytes, "hush");
            prop_assert!(said.starts_with("400 Bad Request"));
        }
    }
}
