//! What leads a pipeline: pause, resume, drain.
//!
//! A handle only tells, and the pipeline does so in its own time: the answer is 202. What can have
//! no effect any more is refused.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::named::{Named, UnknownPipeline};
use super::pipeline::Pipeline;
use super::problem::Problem;
use super::routes::Route;
use super::{answer, examples};
use crate::handle::{Handle, State};

pub(super) fn leading() -> Vec<Route> {
    vec![
        Route::post::<__path_pause, _, _>(pause),
        Route::post::<__path_resume, _, _>(resume),
        Route::post::<__path_drain, _, _>(drain),
    ]
}

/// Pause a pipeline
///
/// It takes in nothing and sends nothing new until it is resumed; requests under way finish, and it
/// stays in its group.
#[utoipa::path(
    post,
    path = "/pipelines/{name}/pause",
    operation_id = "pausePipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (
            status = 202,
            description = "It was told to; this is how it is now.",
            body = Pipeline,
            example = examples::pipeline,
        ),
        UnknownPipeline,
        Ended,
    ),
)]
async fn pause(Named(handle): Named) -> Result<HttpResponse, Problem> {
    set_pause(&handle, Handle::pause)
}

/// Resume a pipeline
///
/// It goes on after a pause. One that was not paused is not disturbed.
#[utoipa::path(
    post,
    path = "/pipelines/{name}/resume",
    operation_id = "resumePipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (
            status = 202,
            description = "It was told to; this is how it is now.",
            body = Pipeline,
            example = examples::pipeline,
        ),
        UnknownPipeline,
        Ended,
    ),
)]
async fn resume(Named(handle): Named) -> Result<HttpResponse, Problem> {
    set_pause(&handle, Handle::resume)
}

/// Drain a pipeline
///
/// It takes in nothing more, delivers what it holds, commits, leaves its group and stops. What it
/// still holds at its drain deadline is let go, and taken in again by whoever has the partition next.
/// So is what it has not begun with when the application stops it meanwhile.
#[utoipa::path(
    post,
    path = "/pipelines/{name}/drain",
    operation_id = "drainPipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (
            status = 202,
            description = "It was told to; this is how it is now.",
            body = Pipeline,
            example = examples::pipeline,
        ),
        UnknownPipeline,
        HasFailed,
    ),
)]
async fn drain(Named(handle): Named) -> Result<HttpResponse, Problem> {
    match handle.status().state {
        State::Failed => Err(too_late(handle.name(), "has failed")),
        // To drain what drains, or has stopped, changes nothing.
        _ => Ok(led(&handle, Handle::drain)),
    }
}

fn set_pause(handle: &Handle, how: impl FnOnce(&Handle)) -> Result<HttpResponse, Problem> {
    let why = match handle.status().state {
        State::Draining => "is draining",
        State::Stopped => "has stopped",
        State::Failed => "has failed",
        State::Starting | State::Running | State::Paused => return Ok(led(handle, how)),
    };
    Err(too_late(handle.name(), why))
}

/// Leads it; the answer shows it as it is, which may be as it was.
fn led(handle: &Handle, how: impl FnOnce(&Handle)) -> HttpResponse {
    how(handle);
    answer(StatusCode::ACCEPTED, &Pipeline::of(handle))
}

fn too_late(name: &str, why: &str) -> Problem {
    let detail = format!("the pipeline \"{name}\" {why}: it is not led any more");
    Problem::new(StatusCode::CONFLICT, detail)
}

/// The answer where a pipeline is beyond being led.
enum Ended {}

impl IntoResponses for Ended {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        too_late("orders", "has stopped")
            .documented("It has ended, or is about to, and is not led any more.")
    }
}

/// The answer where a pipeline cannot be drained.
enum HasFailed {}

impl IntoResponses for HasFailed {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        too_late("orders", "has failed").documented("It has failed, and is not led any more.")
    }
}
