//! What waits, and why: the lanes of a pipeline, and where a record or a key is.
//!
//! The parts of the pipeline are asked, which takes two seconds at the most; meanwhile the thread
//! that serves this does other things. However many ask, few questions are on their way at a time.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::named::{Named, UnknownPipeline};
use super::problem::Problem;
use super::query::{BadQuery, Query};
use super::routes::Route;
use super::{answer, examples};
use crate::explain::{ExplainError, Explanation, LaneState, Lanes, MOST_LANES, Question};

/// How many lanes are shown where nothing is said.
const SOME_LANES: usize = 100;

pub(super) fn waiting() -> Vec<Route> {
    vec![Route::get::<__path_lanes, _, _>(lanes), Route::get::<__path_explain, _, _>(explain)]
}

/// A pipeline's lanes
///
/// What each lane does or waits for, those first that have waited longest. Each delivery thread looks
/// at all of its lanes: to be asked now and then, not as a gauge.
#[utoipa::path(
    get,
    path = "/pipelines/{name}/lanes",
    operation_id = "getLanes",
    params(
        ("name" = String, Path, description = "The pipeline's name.", example = "orders"),
        ("state" = Option<LaneState>, Query, description = "Lanes in this state alone."),
        (
            "limit" = Option<u64>,
            Query,
            description = "The most lanes that are told; 100 if nothing is said.",
            minimum = 1,
            maximum = 1000,
        ),
    ),
    responses(
        (status = 200, description = "Lanes.", body = Lanes, example = examples::lanes),
        BadQuery,
        UnknownPipeline,
        HasEnded,
    ),
)]
async fn lanes(Named(handle): Named, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request, &["state", "limit"]);
    let state = query.read("state", str::parse::<LaneState>);
    let limit = query.read("limit", limit).unwrap_or(SOME_LANES);
    query.checked()?;
    match handle.lanes(state, limit).await {
        Ok(lanes) => Ok(answer(StatusCode::OK, &lanes)),
        Err(_) => Err(ended(handle.name())),
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|it| (1..=MOST_LANES).contains(it));
    number.ok_or_else(|| format!("is to be a number from 1 to {MOST_LANES}"))
}

/// Where a record is, and why it waits
///
/// Of one record, by `partition` and `offset`; or of a key, by `key`. The topic may be left out where
/// the pipeline has partitions of one alone.
#[utoipa::path(
    get,
    path = "/pipelines/{name}/explain",
    operation_id = "explain",
    params(
        ("name" = String, Path, description = "The pipeline's name.", example = "orders"),
        ("topic" = Option<String>, Query, description = "The topic."),
        ("partition" = Option<i32>, Query, description = "The record's partition.", minimum = 0),
        ("offset" = Option<i64>, Query, description = "The record's offset.", minimum = 0),
        (
            "key" = Option<String>,
            Query,
            description = "The key, written as in the request header `Keyway-Key`: \
                percent-encoded UTF-8, or `base64:` and Base64. As all of a query, that is encoded \
                once more for the URL.",
        ),
    ),
    responses(
        (
            status = 200,
            description = "Where it is, and why there.",
            body = Explanation,
            example = examples::explanation,
        ),
        BadQuery,
        UnknownPipeline,
        HasEnded,
        NoAnswer,
    ),
)]
async fn explain(Named(handle): Named, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let question = question(&request)?;
    match handle.explain(question).await {
        Ok(explanation) => Ok(answer(StatusCode::OK, &explanation)),
        Err(ExplainError::Gone) => Err(ended(handle.name())),
        Err(error @ ExplainError::TopicNeeded { .. }) => {
            let detail = error.to_string();
            Err(Problem::new(StatusCode::BAD_REQUEST, &detail).with("topic", detail))
        }
        Err(error @ (ExplainError::Busy | ExplainError::NoAnswer { .. })) => {
            Err(no_answer(error.to_string()))
        }
    }
}

fn question(request: &HttpRequest) -> Result<Question, Problem> {
    let mut query = Query::of(request, &["topic", "partition", "offset", "key"]);
    let topic = query.read("topic", |it| Ok::<_, String>(it.to_owned()));
    let partition = query.read("partition", |it| number(it.parse::<i32>().ok()));
    let offset = query.read("offset", |it| number(it.parse::<i64>().ok()));
    let key = query.read("key", Question::parse_key);
    if query.has("key") {
        for name in ["partition", "offset"] {
            if query.has(name) {
                query.refuse(name, "is of a record, and key asks for all of a key: give one");
            }
        }
    } else {
        for name in ["partition", "offset"] {
            if !query.has(name) {
                query.refuse(name, "is missing: a record has a partition and an offset");
            }
        }
    }
    query.checked()?;
    match (key, partition, offset) {
        (Some(key), _, _) => Ok(Question::Key { topic, key }),
        (None, Some(partition), Some(offset)) => Ok(Question::Record { topic, partition, offset }),
        // What is missing or cannot be read was refused.
        _ => Err(Problem::new(StatusCode::BAD_REQUEST, "neither a record nor a key is given")),
    }
}

fn number<T: PartialOrd + Default>(number: Option<T>) -> Result<T, &'static str> {
    number.filter(|it| *it >= T::default()).ok_or("is to be a number from 0")
}

fn ended(name: &str) -> Problem {
    let detail = format!("the pipeline \"{name}\" has ended: nothing of it waits");
    Problem::new(StatusCode::CONFLICT, detail)
}

fn no_answer(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// The answer where a pipeline has ended.
enum HasEnded {}

impl IntoResponses for HasEnded {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        ended("orders").documented("It has ended.")
    }
}

/// The answer where a part of the pipeline gives none.
enum NoAnswer {}

impl IntoResponses for NoAnswer {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let error = ExplainError::NoAnswer { parts: vec!["arbiter 0".to_owned()] };
        no_answer(error.to_string()).documented(
            "What would know did not answer within two seconds, or too much is asked at a time.",
        )
    }
}
