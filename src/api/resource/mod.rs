//! `/v1/pipelines`: pipelines as resources, to be made, changed, led and deleted.
//!
//! What changes something is asked of the supervisor; what only shows reads what there is. A change
//! is answered when it is decided and kept, not when a pipeline has got there, which may take as long
//! as its requests do: the answer is 202 then, and the resource says how far it is.

mod refused;
mod view;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Scope, web};
use keyway_actors::web::Problem;
use serde_json::Value;

pub use self::refused::problem;
pub use self::view::{Resource, Resources};
use super::guard::who;
use super::{Led, MOST_BODY};
use crate::settings::Body;
use crate::supervisor::{Define, Delete, End, Gone, Lead, Order, Over, Put, Refused};

/// The resources, in `/v1`.
pub fn mounted() -> Scope {
    web::scope("/v1")
        .service(
            web::resource("/pipelines")
                .route(web::get().to(list))
                .route(web::head().to(list))
                .route(web::post().to(create))
                .default_service(web::to(async || no_such_method("GET, HEAD, POST"))),
        )
        .service(
            web::resource("/pipelines/{name}")
                .route(web::get().to(show))
                .route(web::head().to(show))
                .route(web::put().to(put))
                .route(web::delete().to(delete))
                .default_service(web::to(async || no_such_method("GET, HEAD, PUT, DELETE"))),
        )
        .service(
            web::resource("/pipelines/{name}/{order:pause|resume|drain|restart}")
                .route(web::post().to(lead))
                .default_service(web::to(async || no_such_method("POST"))),
        )
        .default_service(web::to(async || super::nothing_here().response()))
}

fn no_such_method(allowed: &'static str) -> HttpResponse {
    let detail = "this resource has no such method; the header Allow has those that it has";
    let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).response();
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// All pipelines
///
/// How each is doing, what it is to be and where it is defined, by name.
#[utoipa::path(
    get,
    path = "/v1/pipelines",
    operation_id = "listPipelines",
    responses((status = 200, description = "Each pipeline.", body = Resources)),
)]
pub async fn list(led: web::Data<Led>) -> HttpResponse {
    shown(StatusCode::OK, &Resources::of(&led.roster, &led.handles))
}

/// One pipeline
///
/// How it is doing, what it is to be and where it is defined.
#[utoipa::path(
    get,
    path = "/v1/pipelines/{name}",
    operation_id = "getPipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (status = 200, description = "The pipeline.", body = Resource),
        (status = 404, description = "There is none of that name.", body = Problem),
    ),
)]
pub async fn show(led: web::Data<Led>, name: web::Path<String>) -> HttpResponse {
    led.shown(StatusCode::OK, &name)
}

/// Make a pipeline
///
/// The body is what a `[[pipeline]]` of the configuration file is, as JSON, and is checked as that
/// is. The pipeline starts.
#[utoipa::path(
    post,
    path = "/v1/pipelines",
    operation_id = "createPipeline",
    request_body = Value,
    responses(
        (status = 201, description = "It was made; `Location` says where it is.", body = Resource),
        (status = 400, description = "The definition is not right.", body = Problem),
        (status = 409, description = "There is a pipeline of that name, or one that it cannot run beside.", body = Problem),
    ),
)]
pub async fn create(
    led: web::Data<Led>,
    request: HttpRequest,
    body: Read,
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
/// The body is as for `POST /v1/pipelines`. One that is as it is already is left alone. One that is
/// to change ends first (requests under way finish, offsets are committed) and starts anew then.
#[utoipa::path(
    put,
    path = "/v1/pipelines/{name}",
    operation_id = "putPipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    request_body = Value,
    responses(
        (status = 200, description = "It is so already.", body = Resource),
        (status = 201, description = "It was made.", body = Resource),
        (status = 202, description = "It ends, and starts as this.", body = Resource),
        (status = 400, description = "The definition is not right.", body = Problem),
        (status = 403, description = "It is defined in the configuration.", body = Problem),
        (status = 409, description = "It cannot run beside another pipeline.", body = Problem),
    ),
)]
pub async fn put(
    led: web::Data<Led>,
    name: web::Path<String>,
    request: HttpRequest,
    body: Read,
) -> Result<HttpResponse, Problem> {
    let (name, body) = (name.into_inner(), object(body)?);
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
    path = "/v1/pipelines/{name}",
    operation_id = "deletePipeline",
    params(("name" = String, Path, description = "The pipeline's name.", example = "orders")),
    responses(
        (status = 202, description = "It ends, and is forgotten then.", body = Resource),
        (status = 204, description = "It is forgotten."),
        (status = 403, description = "It is defined in the configuration.", body = Problem),
        (status = 404, description = "There is none of that name.", body = Problem),
    ),
)]
pub async fn delete(
    led: web::Data<Led>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let name = name.into_inner();
    let delete = Delete { name: name.clone(), who: who(&request) };
    match led.ask(delete).await? {
        // It may have gone since.
        Gone::Soon if led.roster.get(&name).is_some() => Ok(led.shown(StatusCode::ACCEPTED, &name)),
        Gone::Soon | Gone::Now => Ok(HttpResponse::NoContent().finish()),
    }
}

/// Lead a pipeline
///
/// `pause`: it takes in nothing and sends nothing new until `resume`, and stays in its group.
/// `drain`: it delivers what it holds, commits, leaves its group and stops; it stays known, and stays
/// stopped after a restart of the process. `restart`: it ends if it runs, and starts anew.
#[utoipa::path(
    post,
    path = "/v1/pipelines/{name}/{order}",
    operation_id = "leadPipeline",
    params(
        ("name" = String, Path, description = "The pipeline's name.", example = "orders"),
        ("order" = String, Path, description = "`pause`, `resume`, `drain` or `restart`."),
    ),
    responses(
        (status = 202, description = "It was told to; this is how it is now.", body = Resource),
        (status = 404, description = "There is none of that name.", body = Problem),
        (status = 409, description = "It does not run.", body = Problem),
    ),
)]
pub async fn lead(
    led: web::Data<Led>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (name, order) = path.into_inner();
    let order = match order.as_str() {
        "pause" => Order::Pause,
        "resume" => Order::Resume,
        "drain" => Order::End(End::Drain),
        "restart" => Order::Restart,
        _ => return Err(super::nothing_here()),
    };
    led.ask(Lead { name: name.clone(), order, who: who(&request) }).await?;
    Ok(led.shown(StatusCode::ACCEPTED, &name))
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
        let answer = self.supervisor.send(message).await.unwrap_or(Err(Refused::Ending));
        answer.map_err(|refused| problem(&refused))
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

    /// The pipeline of that name, or that there is none.
    fn shown(&self, status: StatusCode, name: &str) -> HttpResponse {
        match Resource::named(name, &self.roster, &self.handles) {
            Some(resource) => shown(status, &resource),
            None => problem(&Refused::Unknown).response(),
        }
    }
}

/// How something is; it is not so for long.
fn shown(status: StatusCode, what: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(what)
}

/// A body, or why it could not be read.
type Read = Result<web::Bytes, actix_web::Error>;

/// The object that a body holds.
fn object(body: Read) -> Result<Body, Problem> {
    let body = body.map_err(|error| {
        let status = error.as_response_error().status_code();
        let detail = match status {
            StatusCode::PAYLOAD_TOO_LARGE => format!("a body has at most {MOST_BODY} bytes"),
            _ => format!("the body cannot be read: {error}"),
        };
        Problem::new(status, detail)
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        let detail = format!("expected a JSON object with the keys of a [[pipeline]]: {error}");
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

fn invalid(field: &str, detail: &str) -> Problem {
    problem(&Refused::Invalid(vec![(Some(field.to_owned()), detail.to_owned())]))
}
