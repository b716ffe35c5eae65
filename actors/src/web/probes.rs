//! `/livez`, `/readyz` and `/metrics`: what probes and scrapers ask for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

use super::family::Families;
use super::problem::{Problem, method_not_allowed};
use super::{health, metrics};
use crate::handles::Handles;

/// Adds what a program counts itself.
type More = Arc<dyn Fn(&mut Families) + Send + Sync>;

/// What probes and scrapers are told, of all pipelines together.
#[derive(Clone)]
pub struct Probes {
    handles: Handles,
    patience: Duration,
    more: Option<More>,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Probes {
    /// Of these pipelines; those that come and go later come and go here too.
    pub fn of(handles: impl Into<Handles>) -> Self {
        Self { handles: handles.into(), patience: health::PATIENCE, more: None }
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

    /// Mounts them: for `App::configure` and `Scope::configure`.
    pub fn configure(self, config: &mut web::ServiceConfig) {
        let shown = web::Data::new(self);
        config
            .service(read_only("/livez", livez).app_data(shown.clone()))
            .service(read_only("/readyz", readyz).app_data(shown.clone()))
            .service(read_only("/metrics", scrape).app_data(shown));
    }
}

pub(super) fn read_only<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(async || method_not_allowed("GET, HEAD")))
}

async fn livez(probes: web::Data<Probes>) -> HttpResponse {
    answer(&health::not_alive(&probes.handles.statuses(), probes.patience))
}

async fn readyz(probes: web::Data<Probes>) -> HttpResponse {
    answer(&health::not_ready(&probes.handles.statuses()))
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

async fn scrape(probes: web::Data<Probes>) -> Result<HttpResponse, Problem> {
    let mut families = metrics::families(&probes.handles.statuses());
    if let Some(more) = &probes.more {
        more(&mut families);
    }
    let text = metrics::exposition(&families)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type(metrics::CONTENT_TYPE)
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}
