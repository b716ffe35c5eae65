//! The pipeline that a path names.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;

/// What `{name}` in the path stands for. What is no UTF-8 is no pipeline's name, and found nowhere.
pub struct Named(pub String);

impl FromRequest for Named {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Matching has left `%2F` and `%25` as they came.
        let name = request.match_info().get("name").unwrap_or_default();
        ready(Ok(Self(percent_decode_str(name).decode_utf8_lossy().into_owned())))
    }
}
