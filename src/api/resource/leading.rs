//! What leads a pipeline: pause, resume, drain, restart.
//!
//! The answer comes when it is decided and kept; the pipeline does so in its own time.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_actors::web::{Problem, Route};

use super::answers::{Changing, Conflicts, Invalid, Unknown};
use super::named::Named;
use super::view::Resource;
use crate::api::Led;
use crate::api::guard::who;
use crate::supervisor::{End, Lead, Order};

pub fn leading() -> Vec<Route> {
    vec![
        Route::post::<__path_pause, _, _>(pause),
        Route::post::<__path_resume, _, _>(resume),
        Route::post::<__path_drain, _, _>(drain),
        Route::post::<__path_restart, _, _>(restart),
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
            body = Resource,
            example = Resource::example,
        ),
        Unknown,
        Conflicts,
        Changing,
    ),
)]
async fn pause(
    led: web::Data<Led>,
    Named(name): Named,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    led.lead(name, Order::Pause, &request).await
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
            body = Resource,
            example = Resource::example,
        ),
        Unknown,
        Conflicts,
        Changing,
    ),
)]
async fn resume(
    led: web::Data<Led>,
    Named(name): Named,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    led.lead(name, Order::Resume, &request).await
}

/// Drain a pipeline
///
/// It takes in nothing more, delivers what it holds, commits, leaves its group and stops. It stays
/// known. With `--state-dir`, one made through the API stays stopped after a restart of the process.
/// Being deleted, restarted or stopped while it drains makes it let go of what it has not begun with;
/// requests under way finish all the same.
#[utoipa::path(
    post,
    path = "/pipelines/{name}/drain",
    operation_id = "drainPipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (
            status = 202,
            description = "It was told to; this is how it is now.",
            body = Resource,
            example = Resource::example,
        ),
        Unknown,
        Conflicts,
        Changing,
    ),
)]
async fn drain(
    led: web::Data<Led>,
    Named(name): Named,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    led.lead(name, Order::End(End::Drain), &request).await
}

/// Restart a pipeline
///
/// It ends if it runs (requests under way finish, offsets are committed), and starts anew.
#[utoipa::path(
    post,
    path = "/pipelines/{name}/restart",
    operation_id = "restartPipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (
            status = 202,
            description = "It was told to; this is how it is now.",
            body = Resource,
            example = Resource::example,
        ),
        Invalid,
        Unknown,
        Conflicts,
        Changing,
    ),
)]
async fn restart(
    led: web::Data<Led>,
    Named(name): Named,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    led.lead(name, Order::Restart, &request).await
}

impl Led {
    async fn lead(
        &self,
        name: String,
        order: Order,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Problem> {
        self.ask(Lead { name: name.clone(), order, who: who(request) }).await?;
        Ok(self.shown(StatusCode::ACCEPTED, &name))
    }
}
