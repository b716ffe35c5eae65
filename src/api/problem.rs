//! Refusals as problem documents (RFC 9457).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

/// What is wrong with a request. The type is `about:blank`: the status says all there is to tell
/// apart.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

/// The answer to a request that is refused; `detail` says why, and what to do.
pub fn problem(status: StatusCode, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or("Refused");
    HttpResponse::build(status).content_type("application/problem+json").json(Problem {
        r#type: "about:blank",
        title,
        status: status.as_u16(),
        detail,
    })
}
