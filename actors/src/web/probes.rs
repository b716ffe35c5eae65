//! `/livez`, `/readyz` and `/metrics`: what probes and scrapers ask for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{HttpResponse, web};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::family::Families;
use super::problem::Problem;
use super::routes::{self, Route};
use super::{health, metrics};
use crate::handle::{State, Status};
use crate::handles::Handles;

/// Adds what a program counts itself.
type More = Arc<dyn Fn(&mut Families) + Send + Sync>;

/// Tells why a program is not ready beside what its handles tell.
type Hindrances = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What probes and scrapers are told, of all pipelines together.
#[derive(Clone)]
pub struct Probes {
    handles: Handles,
    patience: Duration,
    more: Option<More>,
    hindrances: Option<Hindrances>,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Probes {
    /// Of these pipelines; those that come and go later come and go here too.
    pub fn of(handles: impl Into<Handles>) -> Self {
        Self { handles: handles.into(), patience: health::PATIENCE, more: None, hindrances: None }
    }

    /// How long a thread of a pipeline may be silent and the process still count as alive: ten
    /// seconds if nothing is said. A poll thread that is well is silent for six at the most.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Shows more metrics: `more` is called at each scrape, must not wait, and adds families that
    /// are not there yet. Those of a registry of the program's own come with
    /// `families.extend(registry.gather())`.
    #[must_use]
    pub fn with_metrics(mut self, more: impl Fn(&mut Families) + Send + Sync + 'static) -> Self {
        self.more = Some(Arc::new(more));
        self
    }

    /// For a program that starts and ends pipelines itself. One that has ended, however it did, is no
    /// reason to restart the program, nor is it waited for by `/readyz`, but for what `hindrances`
    /// tells, a line each: it must not wait.
    #[must_use]
    pub fn supervised(
        mut self,
        hindrances: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        self.hindrances = Some(Arc::new(hindrances));
        self
    }

    /// How the pipelines are doing whose state is of account.
    fn statuses(&self) -> Vec<Status> {
        let mut statuses = self.handles.statuses();
        if self.hindrances.is_some() {
            statuses.retain(|it| !matches!(it.state, State::Stopped | State::Failed));
        }
        statuses
    }

    /// Why the program is not ready.
    fn hindrances(&self) -> Vec<String> {
        let mut hindrances = health::not_ready(&self.statuses());
        hindrances.extend(self.hindrances.iter().flat_map(|told| told()));
        hindrances
    }

    /// Mounts them: for `App::configure` and `Scope::configure`.
    pub fn configure(self, config: &mut web::ServiceConfig) {
        routes::mount(routes(), &web::Data::new(self), config);
    }
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get::<__path_livez, _, _>(livez),
        Route::get::<__path_readyz, _, _>(readyz),
        Route::get::<__path_scrape, _, _>(scrape),
    ]
}

/// Whether the process makes progress
///
/// What is not alive is to be restarted. A pipeline that waits for its broker is alive.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    responses(
        (
            status = 200,
            description = "Every thread of every pipeline makes progress, and none has failed.",
            body = String,
            content_type = "text/plain",
            example = "ok\n",
        ),
        (
            status = 503,
            description = "What is wrong, a line each.",
            body = String,
            content_type = "text/plain",
            example = "pipeline orders: arbiter 0 has made no progress for 10.5 s\n",
        ),
    ),
)]
async fn livez(probes: web::Data<Probes>) -> HttpResponse {
    answer(&health::not_alive(&probes.statuses(), probes.patience))
}

/// Whether every pipeline delivers as it should
///
/// It does while it is a member of its group and reaches it, resting or not.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    responses(
        (
            status = 200,
            description = "Every pipeline is a member of its group and reaches it.",
            body = String,
            content_type = "text/plain",
            example = "ok\n",
        ),
        (
            status = 503,
            description = "What is wrong, a line each.",
            body = String,
            content_type = "text/plain",
            example = "pipeline orders: waits to join its group\n",
        ),
    ),
)]
async fn readyz(probes: web::Data<Probes>) -> HttpResponse {
    answer(&probes.hindrances())
}

/// 200 where nothing is wrong, else 503 with a line for each thing that is.
fn answer(wrong: &[String]) -> HttpResponse {
    let (mut response, text) = match wrong {
        [] => (HttpResponse::Ok(), "ok".to_owned()),
        wrong => (HttpResponse::ServiceUnavailable(), wrong.join("\n")),
    };
    response
        .content_type(ContentType::plaintext())
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text + "\n")
}

/// Metrics
///
/// Counts and states of all pipelines, in the text format of Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    responses(
        (
            status = 200,
            description = "Every metric that there is something to say of.",
            body = String,
            content_type = metrics::CONTENT_TYPE,
            example = "# HELP keyway_in_flight Deliveries under way.\n# TYPE keyway_in_flight \
                gauge\nkeyway_in_flight{pipeline=\"orders\"} 64\n",
        ),
        Unencodable,
    ),
)]
async fn scrape(probes: web::Data<Probes>) -> Result<HttpResponse, Problem> {
    let mut families = metrics::families(&probes.handles.statuses());
    if let Some(more) = &probes.more {
        more(&mut families);
    }
    let text = metrics::exposition(&families).map_err(|error| unencodable(&error.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type(metrics::CONTENT_TYPE)
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}

fn unencodable(error: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error)
}

/// The answer where what a program adds is no metric.
enum Unencodable {}

impl IntoResponses for Unencodable {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        unencodable("MetricFamily has no metrics")
            .documented("What the program adds is refused by the encoder.")
    }
}
