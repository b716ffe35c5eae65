//! The OpenAPI document of the plain endpoints, to be merged into the whole one.

use utoipa::OpenApi;
use utoipa::openapi;

use super::given::Parameters;
use super::refused::{Fault, Refusal};
use super::view::{Consumer, ConsumerStatus, Consumers, Started, Stopped, StoppedAll};

/// The tag of the plain endpoints.
const TAG: &str = "consumers";

#[derive(OpenApi)]
#[openapi(
    tags((name = TAG, description = "Consumers of a topic, started and stopped by single requests.")),
    paths(super::start, super::stop, super::stop_all, super::list, super::status),
    components(schemas(
        Consumer, ConsumerStatus, Consumers, Fault, Parameters, Refusal, Started, Stopped, StoppedAll
    )),
)]
struct Plain;

/// Their document, from where the listener is.
pub fn document() -> openapi::OpenApi {
    let mut document = Plain::openapi();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            operation.tags = Some(vec![TAG.to_owned()]);
        }
    }
    document
}
