//! The pipeline that a path names.

use std::collections::BTreeMap;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, web};
use percent_encoding::percent_decode_str;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::Shown;
use super::problem::Problem;
use crate::handle::Handle;

/// The handle of the pipeline that `{name}` in the path stands for.
pub(super) struct Named(pub(super) Handle);

impl FromRequest for Named {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Matching has left `%2F` and `%25` as they came.
        let name = request.match_info().get("name").unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        let shown = request.app_data::<web::Data<Shown>>();
        let handle = shown.and_then(|shown| shown.0.get(&name));
        ready(handle.map(Self).ok_or_else(|| unknown(&name)))
    }
}

fn unknown(name: &str) -> Problem {
    let detail = format!("there is no pipeline \"{name}\"; the list of pipelines has their names");
    Problem::new(StatusCode::NOT_FOUND, detail)
}

/// The answer where there is no pipeline of that name.
pub(super) enum UnknownPipeline {}

impl IntoResponses for UnknownPipeline {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        unknown("order").documented("There is no pipeline of that name.")
    }
}
