//! The OpenAPI 3.1 document of all that this listener answers, made from the tables of routes that
//! are mounted.
//!
//! What holds for every resource is added here: the token, and who is refused before anything is
//! looked at. HEAD is answered wherever GET is (RFC 9110, section 9.3.2) and has no entry of its own.

use keyway_actors::web::{document as paths, openapi as library};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

use super::docs::Asset;
use super::guard::{HEALTH, misdirected, unauthorized};
use super::resource::{Resource, Resources};
use super::{docs, plain, resource};
use crate::settings::schema::{Definition, NamedDefinition};

/// The tag of what is about pipelines, here and in the library.
const PIPELINES: &str = "pipelines";

/// The tag of what documents the rest.
const DOCUMENTS: &str = "documents";

/// What the token is called in the document.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keyway",
        description = "Pipelines that deliver Kafka records over HTTP or to files, led over HTTP. \
            Every error is a problem document (RFC 9457, `application/problem+json`), but those of \
            the plain endpoints, which have a form of their own. The 404 of a path that is not here \
            and the 405 of a method that a path does not have are problem documents too; the header \
            `Allow` of the latter names the methods that there are.",
        contact(),
        license(name = "Apache License 2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The listener that this document comes from.")),
    // Those of the library come with its documents.
    tags((name = DOCUMENTS, description = "What can be asked, and how.")),
    components(schemas(Asset)),
)]
struct Whole;

#[derive(OpenApi)]
#[openapi(components(schemas(Definition, NamedDefinition, Resource, Resources)))]
struct First;

/// The document, from where the listener is.
pub fn document() -> Document {
    let mut first = First::openapi();
    first.paths = paths(resource::routes(), PIPELINES);
    let mut own = Whole::openapi();
    own.paths = paths(docs::routes(), DOCUMENTS);
    let mut document = own.nest("/v1", first).nest("/v1", library::reading());
    // What else is mounted beside `/v1` is merged here, a line each.
    document.merge(library::probes());
    document.merge(plain::document());
    guarded(&mut document);
    document
}

/// Adds who is answered.
fn guarded(document: &mut Document) {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token of `api.token`, where that is set."));
    let scheme = SecurityScheme::Http(scheme.build());
    document.components.get_or_insert_default().add_security_scheme(TOKEN, scheme);
    let refused = misdirected()
        .documented("The listener is on loopback, and the `Host` header names another machine.");
    let unknown = unauthorized().documented("The token is missing, or is another one.");
    for (path, item) in &mut document.paths.paths {
        let is_health = HEALTH.contains(&path.as_str());
        for operation in operations(item) {
            let answers = &mut operation.responses.responses;
            answers.extend(refused.clone());
            if is_health {
                operation.security = Some(Vec::new());
                continue;
            }
            answers.extend(unknown.clone());
            let token = SecurityRequirement::new(TOKEN, std::iter::empty::<String>());
            operation.security = Some(vec![token]);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten()
}
