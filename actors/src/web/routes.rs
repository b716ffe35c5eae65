//! A route is an operation's document and the resource that serves it, under one path: what is
//! mounted is what is documented.

use std::future::ready;

use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, Handler, Resource, Responder, web};
use utoipa::Path;
use utoipa::openapi::path::{HttpMethod, Operation, Paths};

use super::problem::method_not_allowed;

/// One operation.
pub(super) struct Route {
    resource: Resource,
    path: String,
    method: HttpMethod,
    operation: Operation,
}

impl Route {
    /// What only reads: GET, and HEAD with it.
    pub(super) fn get<P, F, A>(handler: F) -> Self
    where
        P: Path,
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let resource = resource::<P>("GET, HEAD")
            .route(web::get().to(handler.clone()))
            .route(web::head().to(handler));
        Self { resource, path: P::path(), method: HttpMethod::Get, operation: P::operation() }
    }

    /// What changes something: POST.
    pub(super) fn post<P, F, A>(handler: F) -> Self
    where
        P: Path,
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let resource = resource::<P>("POST").route(web::post().to(handler));
        Self { resource, path: P::path(), method: HttpMethod::Post, operation: P::operation() }
    }
}

fn resource<P: Path>(allowed: &'static str) -> Resource {
    let refuse = move || ready(method_not_allowed(HeaderValue::from_static(allowed)));
    web::resource(&*P::path()).default_service(web::to(refuse))
}

/// Mounts routes; each keeps what it is about with itself, and the application's data stay its own.
pub(super) fn mount<T: 'static>(
    routes: Vec<Route>,
    about: &web::Data<T>,
    config: &mut web::ServiceConfig,
) {
    for route in routes {
        config.service(route.resource.app_data(about.clone()));
    }
}

/// The documents of routes, which belong together under a tag.
pub(super) fn document(routes: Vec<Route>, tag: &str) -> Paths {
    let mut paths = Paths::new();
    for route in routes {
        let mut operation = route.operation;
        operation.tags = Some(vec![tag.to_owned()]);
        paths.add_path_operation(route.path, vec![route.method], operation);
    }
    paths
}
