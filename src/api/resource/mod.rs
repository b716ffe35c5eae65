//! `/v1/pipelines`: pipelines as resources, to be made, changed, led and deleted.
//!
//! What changes something is asked of the supervisor; what only shows reads what there is. A change
//! is answered when it is decided and kept, not when a pipeline has got there, which may take as long
//! as its requests do: the answer is 202 then, and the resource says how far it is.

mod answers;
mod leading;
mod named;
mod refused;
mod view;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_actors::web::{Problem, Route};
use serde_json::Value;

use self::answers::{Changing, Conflicts, Invalid, ReadOnly, TooLarge, Unknown};
use self::named::Named;
pub use self::refused::problem;
pub use self::view::{Resource, Resources};
use super::Led;
use super::guard::who;
use super::json::{self, Unread};
use crate::settings::Body;
use crate::settings::schema::{self, Definition, NamedDefinition};
use crate::supervisor::{Define, Delete, Gone, Over, Put, Refused};

/// The body of a request, or why it cannot be had.
type Given = Result<web::Bytes, actix_web::Error>;

/// The resources, in `/v1`.
pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::get::<__path_list, _, _>(list),
        Route::post::<__path_create, _, _>(create),
        Route::get::<__path_show, _, _>(show),
        Route::put::<__path_put, _, _>(put),
        Route::delete::<__path_delete, _, _>(delete),
    ];
    routes.extend(leading::leading());
    routes
}

/// All pipelines
///
/// How each is doing, what it is to be and where it is defined, by name.
#[utoipa::path(
    get,
    path = "/pipelines",
    operation_id = "listPipelines",
    responses((
        status = 200,
        description = "Each pipeline.",
        body = Resources,
        example = Resources::example,
    )),
)]
async fn list(led: web::Data<Led>) -> HttpResponse {
    shown(StatusCode::OK, &Resources::of(&led.roster, &led.handles))
}

/// One pipeline
///
/// How it is doing, what it is to be and where it is defined.
#[utoipa::path(
    get,
    path = "/pipelines/{name}",
    operation_id = "getPipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (status = 200, description = "The pipeline.", body = Resource, example = Resource::example),
        Unknown,
    ),
)]
async fn show(led: web::Data<Led>, Named(name): Named) -> HttpResponse {
    led.shown(StatusCode::OK, &name)
}

/// Make a pipeline
///
/// The body is what a `[[pipeline]]` of the configuration file is, as JSON, and is checked as that
/// is. The pipeline starts.
#[utoipa::path(
    post,
    path = "/pipelines",
    operation_id = "createPipeline",
    request_body(
        content = NamedDefinition,
        description = "The pipeline.",
        example = schema::example,
    ),
    responses(
        (
            status = 201,
            description = "It was made.",
            body = Resource,
            headers(("Location" = String, description = "Where it is.")),
            example = Resource::example,
        ),
        Invalid,
        Conflicts,
        TooLarge,
        Changing,
    ),
)]
async fn create(
    led: web::Data<Led>,
    request: HttpRequest,
    body: Given,
) -> Result<HttpResponse, Problem> {
    let body = object(body)?;
    let name = match body.get("name") {
        Some(Value::String(name)) => name.clone(),
        Some(_) => return Err(invalid("name", "expected a text")),
        None => return Err(invalid("name", "missing")),
    };
    led.define(name.clone(), body, Over::Nothing, &request).await?;
    let mut answer = led.shown(StatusCode::CREATED, &name);
    if let Ok(location) = format!("/v1/pipelines/{name}").try_into() {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// Make or change a pipeline
///
/// The body is as for `POST /v1/pipelines`, and may leave out the name. A pipeline that is as it is
/// to be already is left alone. One that is to change ends first (requests under way finish, offsets
/// are committed) and starts anew then.
#[utoipa::path(
    put,
    path = "/pipelines/{name}",
    operation_id = "putPipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    request_body(
        content = Definition,
        description = "The pipeline; its name is that of the path, if it is there.",
        example = schema::example,
    ),
    responses(
        (
            status = 200,
            description = "It is so already.",
            body = Resource,
            example = Resource::example,
        ),
        (status = 201, description = "It was made.", body = Resource, example = Resource::example),
        (
            status = 202,
            description = "It ends, and starts as this, unless it is to stay stopped.",
            body = Resource,
            example = Resource::example,
        ),
        Invalid,
        ReadOnly,
        Conflicts,
        TooLarge,
        Changing,
    ),
)]
async fn put(
    led: web::Data<Led>,
    Named(name): Named,
    request: HttpRequest,
    body: Given,
) -> Result<HttpResponse, Problem> {
    let body = object(body)?;
    if body.get("name").is_some_and(|given| *given != *name) {
        return Err(invalid("name", "expected the name that the path has, or none"));
    }
    let status = match led.define(name.clone(), body, Over::Anything, &request).await? {
        Put::Unchanged => StatusCode::OK,
        Put::Created => StatusCode::CREATED,
        Put::Changed => StatusCode::ACCEPTED,
    };
    Ok(led.shown(status, &name))
}

/// Delete a pipeline
///
/// It ends (requests under way finish, offsets are committed) and is forgotten.
#[utoipa::path(
    delete,
    path = "/pipelines/{name}",
    operation_id = "deletePipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (
            status = 202,
            description = "It ends, and is forgotten then.",
            body = Resource,
            example = Resource::example,
        ),
        (status = 204, description = "It is forgotten."),
        ReadOnly,
        Unknown,
        Changing,
    ),
)]
async fn delete(
    led: web::Data<Led>,
    Named(name): Named,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let delete = Delete { name: name.clone(), who: who(&request) };
    match led.ask(delete).await? {
        Gone::Now => Ok(HttpResponse::NoContent().finish()),
        // It may have gone since.
        Gone::Soon => Ok(led.named(&name).map_or_else(
            || HttpResponse::NoContent().finish(),
            |resource| shown(StatusCode::ACCEPTED, &resource),
        )),
    }
}

impl Led {
    /// Asks the supervisor for a change.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn ask<M, T>(&self, message: M) -> Result<T, Problem>
    where
        M: actix::Message<Result = Result<T, Refused>> + Send + 'static,
        T: Send + 'static,
        crate::supervisor::Supervisor: actix::Handler<M>,
    {
        self.send(message).await.map_err(|refused| problem(&refused))
    }

    /// The same, with what the supervisor says.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn send<M, T>(&self, message: M) -> Result<T, Refused>
    where
        M: actix::Message<Result = Result<T, Refused>> + Send + 'static,
        T: Send + 'static,
        crate::supervisor::Supervisor: actix::Handler<M>,
    {
        self.supervisor.send(message).await.unwrap_or(Err(Refused::Ending))
    }

    async fn define(
        &self,
        name: String,
        body: Body,
        over: Over,
        request: &HttpRequest,
    ) -> Result<Put, Problem> {
        self.ask(Define { name, body, over, who: who(request) }).await
    }

    fn named(&self, name: &str) -> Option<Resource> {
        Resource::named(name, &self.roster, &self.handles)
    }

    /// The pipeline of that name, or that there is none.
    fn shown(&self, status: StatusCode, name: &str) -> HttpResponse {
        match self.named(name) {
            Some(resource) => shown(status, &resource),
            None => problem(&Refused::Unknown).response(),
        }
    }
}

/// How something is; it is not so for long.
fn shown(status: StatusCode, what: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(what)
}

/// The object that a body holds.
fn object(body: Given) -> Result<Body, Problem> {
    let body = body.map_err(|error| match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::new(StatusCode::BAD_REQUEST, format!("the body did not come: {error}")),
    })?;
    json::object(&body).map_err(|unread| match unread {
        Unread::Key(key, why) => invalid(&key, why),
        other => {
            let detail = format!("expected a JSON object with the keys of a [[pipeline]]: {other}");
            Problem::new(StatusCode::BAD_REQUEST, detail)
        }
    })
}

fn too_large() -> Problem {
    let detail = format!("a body is of {} bytes at the most", super::MOST_BODY);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn invalid(field: &str, detail: &str) -> Problem {
    problem(&Refused::Invalid(vec![(Some(field.to_owned()), detail.to_owned())]))
}
