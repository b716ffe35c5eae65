//! The OpenAPI 3.1 documents of what is mounted, each with all schemas that it refers to.
//!
//! HEAD is answered wherever GET is (RFC 9110, section 9.3.2) and has no entry of its own. A program
//! that guards what it mounts adds its security schemes; one that mounts it under another path
//! nests the document in its own: `document.nest("/keyway", web::openapi::scope())`.

use utoipa::OpenApi;
use utoipa::openapi;

use super::partition::Partitions;
use super::pipeline::Pipelines;
use super::problem::Problem;
use super::routes;
use super::verify::Verification;
use crate::explain::{Explanation, Lanes};

/// The tag of what is about pipelines.
const PIPELINES: &str = "pipelines";

/// The tag of what is for probes and scrapers.
const PROBES: &str = "probes";

#[derive(OpenApi)]
#[openapi(
    info(title = "Keyway", description = "Pipelines that deliver Kafka records."),
    tags((name = PIPELINES, description = "How pipelines are doing, and what leads them.")),
    components(schemas(Explanation, Lanes, Partitions, Problem, Verification)),
)]
struct Details;

#[derive(OpenApi)]
#[openapi(components(schemas(Pipelines)))]
struct Whole;

#[derive(OpenApi)]
#[openapi(
    info(title = "Keyway", description = "Whether pipelines are well, for probes and scrapers."),
    tags((name = PROBES, description = "For probes and scrapers.")),
    components(schemas(Problem)),
)]
struct Probes;

/// Of [`scope`](super::scope), from where that is mounted.
pub fn scope() -> openapi::OpenApi {
    let mut document = Details::openapi().merge_from(Whole::openapi());
    document.paths = routes::document(super::all(), PIPELINES);
    openapi::OpenApi::new(document.info.clone(), openapi::Paths::new()).nest("/v1", document)
}

/// Of [`reading`](super::reading()), from the scope that it configures.
pub fn reading() -> openapi::OpenApi {
    let mut document = Details::openapi();
    document.paths = routes::document(super::details(), PIPELINES);
    document
}

/// Of [`probes`](super::probes()), from where they are mounted.
pub fn probes() -> openapi::OpenApi {
    let mut document = Probes::openapi();
    document.paths = routes::document(super::probes::routes(), PROBES);
    document
}
