//! Health, metrics and the control of pipelines over HTTP, to mount in an actix-web application
//! (cargo feature `web`).
//!
//! ```no_run
//! use actix_web::App;
//! use keyway_actors::{Handles, web};
//!
//! # let handle: keyway_actors::Handle = unimplemented!();
//! let handles = Handles::from(handle);
//! let app = App::new()
//!     .configure(web::probes(handles.clone())) // /livez, /readyz, /metrics
//!     .service(actix_web::web::scope("/keyway").service(web::scope(handles))); // /keyway/v1/...
//! ```
//!
//! Whatever is answered here is made from what the handles tell, and served on the application's own
//! threads: nothing holds one up. Most of it asks no actor; lanes and explanations are asked of the
//! pipeline's parts, for two seconds at the most. What is mounted keeps what it needs
//! with its own resources, and nothing of it in the application's data. Nobody is asked who they
//! are: that is for the application to do, with a middleware around what it mounts.
//!
//! Errors are problem documents (RFC 9457); [`openapi`] has documents of all that is mounted.

mod destination;
mod examples;
mod family;
mod health;
mod leading;
mod metrics;
mod named;
pub mod openapi;
mod partition;
mod pipeline;
mod probes;
mod problem;
mod query;
mod reading;
mod routes;
#[cfg(test)]
mod tests;
mod tls;
mod totals;
mod verify;
mod waiting;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, Scope, web};
use serde::Serialize;

pub use self::destination::{Breaker, Destination, Hold};
pub use self::family::{Families, Label, counter, gauge};
pub use self::partition::{Partition, PartitionHold, Partitions};
pub use self::pipeline::{Pipeline, Pipelines};
pub use self::probes::Probes;
pub use self::problem::{FieldProblem, PROBLEM_JSON, Problem};
pub use self::tls::server_tls;
pub use self::totals::{Commits, Connections, Rebalances, Totals};
pub use self::verify::{Account, Verification};
use crate::handles::Handles;

/// Everything under `/v1`, to show and to lead these pipelines: `/v1/pipelines`, `/v1/verify` and so
/// on, for `App::service` and `Scope::service`.
///
/// It has all of `/v1` where it is mounted: an application with a `/v1` of its own mounts it in a
/// scope of another name. Routes of the application that are registered before it come first. A
/// pipeline whose handle is dropped elsewhere goes on while the set that is mounted has one.
pub fn scope(handles: impl Into<Handles>) -> Scope {
    let shown = web::Data::new(Shown(handles.into()));
    web::scope("/v1")
        .configure(|config| routes::mount(all(), &shown, config))
        .default_service(web::to(nothing_here))
}

/// The routes of [`scope`].
fn all() -> Vec<routes::Route> {
    [reading::pipelines(), details(), leading::leading()].into_iter().flatten().collect()
}

/// The routes of [`reading`].
fn details() -> Vec<routes::Route> {
    [reading::details(), waiting::waiting()].into_iter().flatten().collect()
}

/// What tells more about pipelines than how they are doing, for `Scope::configure`:
/// `/pipelines/{name}/partitions`, `/pipelines/{name}/lanes`, `/pipelines/{name}/explain` and
/// `/verify`.
pub fn reading(handles: impl Into<Handles>) -> impl FnOnce(&mut web::ServiceConfig) {
    let shown = web::Data::new(Shown(handles.into()));
    move |config| routes::mount(details(), &shown, config)
}

/// `/livez`, `/readyz` and `/metrics` of these pipelines, for `App::configure`; [`Probes`] has more
/// to choose.
pub fn probes(handles: impl Into<Handles>) -> impl FnOnce(&mut web::ServiceConfig) {
    let probes = Probes::of(handles);
    |config| probes.configure(config)
}

/// What the resources are about. A type of its own, so that no application has it in its data.
struct Shown(Handles);

/// The answer that shows how something is; it is not so for long.
fn answer(status: StatusCode, shown: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(shown)
}

async fn nothing_here() -> HttpResponse {
    let detail = "nothing here; /v1/pipelines lists the pipelines, and /v1/verify says whether \
        every record is accounted for";
    Problem::new(StatusCode::NOT_FOUND, detail).response()
}
