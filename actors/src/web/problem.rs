//! Refusals as problem documents (RFC 9457).

use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// The content type of a problem document (RFC 9457, section 6.1).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What is wrong with a request, or why it cannot be answered. The type is `about:blank`: the status
/// says all there is to tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is.
    pub r#type: String,
    /// What the status means.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// Each thing that is wrong, where it can be told apart. Left out where there is none.
    #[schema(required = false)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Where: a key of the body, dotted as in the configuration (`http.url`), or a parameter.
    pub field: String,
    /// What is wrong with it, and what is allowed.
    pub detail: String,
}

impl Problem {
    /// A request is refused with this status; `detail` says why, and what to do.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Refused").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// Names one more thing that is wrong: a key of the body, or a parameter.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldProblem { field: field.into(), detail: detail.into() });
        self
    }

    /// The answer.
    pub fn response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code())
            .content_type(PROBLEM_JSON)
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(self)
    }

    /// This problem as the example of a response, to implement [`utoipa::IntoResponses`] with: the
    /// type that does is named among the `responses` of `#[utoipa::path]`. The document must have the
    /// schema of [`Problem`].
    pub fn documented(&self, description: &str) -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .example(serde_json::to_value(self).ok())
            .build();
        let response =
            ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build();
        BTreeMap::from([(self.status.to_string(), response.into())])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.title, self.detail)
    }
}

/// A handler that fails with a problem answers with its document.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}

/// The answer to a method that a resource does not have; `allowed` as in its `Allow` header.
pub(super) fn method_not_allowed(allowed: HeaderValue) -> HttpResponse {
    let detail = "this resource has no such method; the header Allow has those that it has";
    let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).response();
    answer.headers_mut().insert(ALLOW, allowed);
    answer
}
