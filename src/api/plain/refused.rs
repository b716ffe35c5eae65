//! Refusals, in the shape that `FastAPI` gives them: `{"detail": ...}`.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::resource::problem;
use crate::supervisor::{Origin, Refused, Roster, in_one_line};

/// Why a request is refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    /// Why: a text, or, with 422, what is wrong with each parameter.
    detail: Detail,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Detail {
    Text(String),
    Faults(Vec<Fault>),
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// What kind of fault it is: `missing`, `string_type`, `value_error`, or one of the body's.
    pub r#type: &'static str,
    /// Where: `query` or `body`, and the name of the parameter, or of a key that comes twice.
    pub loc: Vec<Cow<'static, str>>,
    /// What is wrong.
    pub msg: String,
}

impl Refusal {
    /// Refused with this status, for this reason.
    pub fn text(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, detail: Detail::Text(why.into()) }
    }

    /// Refused with 422: parameters are not what they have to be.
    pub fn faults(faults: Vec<Fault>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: Detail::Faults(faults) }
    }

    /// There is no consumer of that id.
    pub fn unknown(id: &str) -> Self {
        let why = format!("there is no consumer {id:?}: /list-consumers has those that there are");
        Self::text(StatusCode::NOT_FOUND, why)
    }

    /// The body could not be read.
    pub fn unread(error: &actix_web::Error) -> Self {
        let status = error.as_response_error().status_code();
        Self::text(status, format!("the body cannot be read: {error}"))
    }

    /// What the supervisor refuses to do with the consumer of that id.
    pub fn of(refused: &Refused, id: &str, roster: &Roster) -> Self {
        match refused {
            Refused::Unknown => Self::unknown(id),
            Refused::Exists(_) => Self::text(StatusCode::CONFLICT, taken(id, roster)),
            Refused::ReadOnly(_) => Self::text(StatusCode::FORBIDDEN, configured(id)),
            Refused::Invalid(wrong) => {
                Self::text(StatusCode::BAD_REQUEST, in_one_line(wrong, parameter))
            }
            Refused::Conflict(_) | Refused::NotKept(_) | Refused::Ending => {
                let problem = problem(refused);
                Self::text(problem.status_code(), problem.detail)
            }
        }
    }

    /// The answer.
    pub fn response(&self) -> HttpResponse {
        HttpResponse::build(self.status).insert_header((CACHE_CONTROL, "no-store")).json(self)
    }
}

/// Why an id cannot be given to a new consumer.
fn taken(id: &str, roster: &Roster) -> String {
    match roster.get(id) {
        Some(member) if member.origin == Origin::Configuration => configured(id),
        Some(member) if member.leaving || member.run == crate::supervisor::Run::Stopped => {
            format!("consumer {id:?} is still stopping: try again in a while")
        }
        _ => format!("consumer {id:?} is already running: stop it first, or choose another id"),
    }
}

fn configured(id: &str) -> String {
    format!("{id:?} is the name of a pipeline of the configuration: choose another id")
}

/// What a key of a definition is called here.
fn parameter(field: &str) -> &str {
    match field {
        "file.path" => "file_path",
        "http.url" => "http_url",
        "kafka.bootstrap.servers" | "kafka.\"bootstrap.servers\"" => "broker",
        "name" => "client_id",
        "topics" => "topic",
        other => other,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Detail::Text(why) => write!(f, "{}: {why}", self.status),
            Detail::Faults(faults) => {
                let all: Vec<&str> = faults.iter().map(|fault| fault.msg.as_str()).collect();
                write!(f, "{}: {}", self.status, all.join("; "))
            }
        }
    }
}

/// A handler that fails so answers with it.
impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}
