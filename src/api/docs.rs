//! `/openapi.json`, and `/docs`: Swagger UI, which shows it. Both come from inside the binary.
//!
//! The page loads nothing from elsewhere, and its Content-Security-Policy keeps it so.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use keyway_actors::web::{Problem, Route};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use utoipa_swagger_ui::Config;

use super::openapi;

/// The page itself.
const PAGE: &str = "index.html";

/// Where a page may load from: this listener alone. Swagger UI styles its elements one by one, and
/// has its icons in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The files that the page loads.
const ASSETS: [&str; 7] = [
    "favicon-16x16.png",
    "favicon-32x32.png",
    "index.css",
    "swagger-initializer.js",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
];

/// The name of one of them.
pub enum Asset {}

impl ToSchema for Asset {
    fn name() -> Cow<'static, str> {
        "Asset".into()
    }
}

impl PartialSchema for Asset {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A file that the page loads."))
            .enum_values(Some(ASSETS));
        Schema::Object(name.build()).into()
    }
}

/// What is served here.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get::<__path_document, _, _>(document),
        Route::get::<__path_to_page, _, _>(to_page),
        Route::get::<__path_page, _, _>(page),
        Route::get::<__path_asset, _, _>(asset),
    ]
}

/// The OpenAPI document
///
/// This document: what can be asked, and what is answered.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    responses((
        status = 200,
        description = "An OpenAPI document, version 3.1.",
        body = Object,
        example = json!({"openapi": "3.1.0", "info": {"title": "Keyway"}, "paths": {}}),
    )),
)]
async fn document() -> HttpResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let Ok(text) = openapi::document().to_json() else {
            unreachable!("a test makes the document");
        };
        text
    });
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(DOCUMENT.as_str())
}

/// The way to the page
///
/// The page is a folder, whose files it names by their place in it.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    responses((
        status = 308,
        description = "The page is at `docs/`.",
        headers(("Location" = String, description = "Where the page is.")),
    )),
)]
async fn to_page() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "docs/")).finish()
}

/// The page that shows the OpenAPI document
///
/// Swagger UI, from inside the binary: it loads nothing from elsewhere.
#[utoipa::path(
    get,
    path = "/docs/",
    operation_id = "docsPage",
    responses((
        status = 200,
        description = "A page, compressed with gzip.",
        body = String,
        content_type = "text/html",
        example = "<!DOCTYPE html>",
    )),
)]
async fn page() -> HttpResponse {
    file(PAGE)
}

/// A file of the page
///
/// Its style, its script or its icon.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "docsFile",
    params(("file" = Asset, Path, description = "The file's name.", example = "index.css")),
    responses(
        (
            status = 200,
            description = "The file, compressed with gzip but for the script that names this document.",
            content(
                (String = "text/css", example = "html {}"),
                (String = "text/javascript", example = "window.onload = function() {}"),
                (String = "image/png"),
            ),
        ),
        NoSuchFile,
    ),
)]
async fn asset(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.match_info().get("file").unwrap_or_default();
    if ASSETS.contains(&name) { Ok(file(name)) } else { Err(no_such_file()) }
}

/// A file that is inside the binary.
fn file(name: &str) -> HttpResponse {
    let shown = Config::from("../openapi.json").use_base_layout().validator_url("none");
    let Ok(Some(found)) = utoipa_swagger_ui::serve(name, Arc::new(shown)) else {
        return no_such_file().response();
    };
    let mut answer = HttpResponse::Ok();
    if found.gzpipped {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    answer
        .content_type(found.content_type)
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(found.bytes.into_owned())
}

fn no_such_file() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the page has no such file; /docs/ is the page")
}

/// The answer where the page has no such file.
enum NoSuchFile {}

impl IntoResponses for NoSuchFile {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        no_such_file().documented("The page has no such file.")
    }
}
