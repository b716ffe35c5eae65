//! Health, metrics and the control of pipelines over HTTP, to mount in an actix-web application
//! (cargo feature `web`).
//!
//! Whatever is answered here is made from what the handles tell, which ask no actor and wait for
//! nothing: it is served on the application's own threads. What is mounted keeps what it needs
//! with its own resources, and nothing of it in the application's data.

mod family;
mod health;
mod metrics;
mod probes;
mod problem;
#[cfg(test)]
mod tests;
mod verify;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web;

pub use self::family::{Families, Label, counter, gauge};
pub use self::probes::Probes;
pub use self::problem::{FieldProblem, PROBLEM_JSON, Problem};
pub use self::verify::{Account, Verification};
use crate::handles::Handles;

/// `/livez`, `/readyz` and `/metrics` of these pipelines, for `App::configure`; [`Probes`] has more
/// to choose.
pub fn probes(handles: impl Into<Handles>) -> impl FnOnce(&mut web::ServiceConfig) {
    let probes = Probes::of(handles);
    |config| probes.configure(config)
}

/// What tells more about pipelines than how they are doing, for `Scope::configure`: `/verify`.
pub fn reading(handles: impl Into<Handles>) -> impl FnOnce(&mut web::ServiceConfig) {
    let shown = web::Data::new(Shown(handles.into()));
    |config| {
        config.service(probes::read_only("/verify", account).app_data(shown));
    }
}

/// What the resources are about. A type of its own, so that no application has it in its data.
struct Shown(Handles);

async fn account(shown: web::Data<Shown>) -> HttpResponse {
    let verification = verify::verify(&shown.0.all()).await;
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(verification)
}
