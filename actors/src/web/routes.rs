//! A route is an operation's document and the handler that serves it: what is mounted is what is
//! documented. Routes of the same path become one resource.

use std::fmt;
use std::future::ready;

use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, Handler, Responder, web};
use utoipa::Path;
use utoipa::openapi::path::{HttpMethod, Operation, Paths};

use super::problem::method_not_allowed;

/// One operation: what it is, as `#[utoipa::path]` on its handler says, and the handler.
pub struct Route {
    path: String,
    method: HttpMethod,
    operation: Operation,
    served: Vec<actix_web::Route>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", allowed(&self.method), self.path)
    }
}

impl Route {
    /// What only reads: GET, and HEAD with it.
    pub fn get<P, F, A>(handler: F) -> Self
    where
        P: Path,
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let served = vec![web::get().to(handler.clone()), web::head().to(handler)];
        Self::of::<P>(HttpMethod::Get, served)
    }

    /// What changes something: POST.
    pub fn post<P, F, A>(handler: F) -> Self
    where
        P: Path,
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::of::<P>(HttpMethod::Post, vec![web::post().to(handler)])
    }

    /// What makes something be as the request says: PUT.
    pub fn put<P, F, A>(handler: F) -> Self
    where
        P: Path,
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::of::<P>(HttpMethod::Put, vec![web::put().to(handler)])
    }

    /// What makes something go away: DELETE.
    pub fn delete<P, F, A>(handler: F) -> Self
    where
        P: Path,
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::of::<P>(HttpMethod::Delete, vec![web::delete().to(handler)])
    }

    fn of<P: Path>(method: HttpMethod, served: Vec<actix_web::Route>) -> Self {
        Self { path: P::path(), method, operation: P::operation(), served }
    }
}

/// As the header `Allow` names it.
fn allowed(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET, HEAD",
        HttpMethod::Put => "PUT",
        HttpMethod::Delete => "DELETE",
        // Routes are made of these alone.
        _ => "POST",
    }
}

/// Mounts routes; each keeps what it is about with itself, and the application's data stay its own.
/// A method that a path does not have is answered with a problem (405).
pub fn mount<T: ?Sized + 'static>(
    routes: Vec<Route>,
    about: &web::Data<T>,
    config: &mut web::ServiceConfig,
) {
    // In the order of the routes: the first resource that matches a path serves it.
    let mut paths: Vec<(String, Vec<&'static str>, Vec<actix_web::Route>)> = Vec::new();
    for Route { path, method, served, .. } in routes {
        match paths.iter_mut().find(|it| it.0 == path) {
            Some((_, methods, all)) => {
                methods.push(allowed(&method));
                all.extend(served);
            }
            None => paths.push((path, vec![allowed(&method)], served)),
        }
    }
    for (path, methods, served) in paths {
        let resource = web::resource(path).app_data(about.clone());
        let resource = served.into_iter().fold(resource, actix_web::Resource::route);
        // Names of methods and commas are no bad header.
        let allow = HeaderValue::from_str(&methods.join(", "));
        let allow = allow.unwrap_or_else(|_| HeaderValue::from_static(""));
        let refuse = move || ready(method_not_allowed(allow.clone()));
        config.service(resource.default_service(web::to(refuse)));
    }
}

/// The documents of routes, which belong together under a tag.
pub fn document(routes: Vec<Route>, tag: &str) -> Paths {
    let mut paths = Paths::new();
    for route in routes {
        let mut operation = route.operation;
        operation.tags = Some(vec![tag.to_owned()]);
        paths.add_path_operation(route.path, vec![route.method], operation);
    }
    paths
}
