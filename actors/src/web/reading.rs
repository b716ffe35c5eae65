//! What only reads: pipelines, their partitions, and whether all records are accounted for.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::named::{Named, UnknownPipeline};
use super::partition::{Partition, Partitions};
use super::pipeline::{Pipeline, Pipelines};
use super::routes::Route;
use super::verify::{self, Verification};
use super::{Shown, answer, examples};

/// How pipelines are doing.
pub(super) fn pipelines() -> Vec<Route> {
    vec![Route::get::<__path_list, _, _>(list), Route::get::<__path_show, _, _>(show)]
}

/// What tells more about them.
pub(super) fn details() -> Vec<Route> {
    vec![Route::get::<__path_partitions, _, _>(partitions), Route::get::<__path_count, _, _>(count)]
}

/// All pipelines
///
/// How each is doing, by name. Made of counts that are kept anyway: it may be asked as often as is
/// of use.
#[utoipa::path(
    get,
    path = "/pipelines",
    operation_id = "listPipelines",
    responses((
        status = 200,
        description = "How each pipeline is doing.",
        body = Pipelines,
        example = examples::pipelines,
    )),
)]
async fn list(shown: web::Data<Shown>) -> HttpResponse {
    let pipelines = shown.0.statuses().into_iter().map(Pipeline::from).collect();
    answer(StatusCode::OK, &Pipelines { pipelines })
}

/// One pipeline
///
/// How it is doing.
#[utoipa::path(
    get,
    path = "/pipelines/{name}",
    operation_id = "getPipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (
            status = 200,
            description = "How the pipeline is doing.",
            body = Pipeline,
            example = examples::pipeline,
        ),
        UnknownPipeline,
    ),
)]
async fn show(Named(handle): Named) -> HttpResponse {
    answer(StatusCode::OK, &Pipeline::of(&handle))
}

/// A pipeline's partitions
///
/// How each partition that the pipeline has stands, as of the last commit interval.
#[utoipa::path(
    get,
    path = "/pipelines/{name}/partitions",
    operation_id = "getPartitions",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (
            status = 200,
            description = "How each partition stands.",
            body = Partitions,
            example = examples::partitions,
        ),
        UnknownPipeline,
    ),
)]
async fn partitions(Named(handle): Named) -> HttpResponse {
    let status = handle.status();
    let partitions = status.partitions.into_iter().map(Partition::from).collect();
    answer(StatusCode::OK, &Partitions { pipeline: status.name, partitions })
}

/// Whether every record is accounted for
///
/// Looks for a moment at which the records of a pipeline add up, for two seconds at the most. The
/// answer is 200 in any case; `adds_up` tells.
#[utoipa::path(
    get,
    path = "/verify",
    operation_id = "verify",
    responses((
        status = 200,
        description = "What became of the records of each pipeline.",
        body = Verification,
        example = examples::verification,
    )),
)]
async fn count(shown: web::Data<Shown>) -> HttpResponse {
    answer(StatusCode::OK, &verify::verify(&shown.0.all()).await)
}
