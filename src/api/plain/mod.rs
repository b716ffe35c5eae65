//! The plain endpoints: consumers that write a topic into a file, started and stopped by single
//! requests without a body.
//!
//! They stand in for a small service that scripts already call, so paths, parameters and the shape
//! of errors are that one's (`FastAPI`'s), not those of `/v1`. A consumer is a pipeline like any other,
//! of the same name as its id: it is seen and led under `/v1/pipelines` too, and kept like those.
//! Only pipelines that came through the API are consumers here: those of the configuration are
//! changed there.

mod document;
mod ending;
mod given;
mod refused;
mod view;

use std::hash::{BuildHasher, RandomState};

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

pub use self::document::document;
use self::given::Parameters;
use self::refused::Refusal;
use self::view::{Consumer, ConsumerStatus, Consumers, Started, Stopped, StoppedAll};

use super::Led;
use super::guard::who;
use crate::supervisor::{Define, Over, Refused};

/// The endpoints, about these pipelines.
pub fn mounted(led: &Led, config: &mut web::ServiceConfig) {
    config
        .app_data(web::Data::new(led.clone()))
        .service(
            web::resource("/start-consumer")
                .route(web::post().to(start))
                .default_service(web::to(async || no_such_method("POST"))),
        )
        .service(
            web::resource("/stop-consumer/{consumer_id}")
                .route(web::post().to(stop))
                .default_service(web::to(async || no_such_method("POST"))),
        )
        .service(
            web::resource("/stop-all")
                .route(web::post().to(stop_all))
                .default_service(web::to(async || no_such_method("POST"))),
        )
        .service(
            web::resource("/list-consumers")
                .route(web::get().to(list))
                .route(web::head().to(list))
                .default_service(web::to(async || no_such_method("GET, HEAD"))),
        )
        .service(
            web::resource("/consumer-status/{consumer_id}")
                .route(web::get().to(status))
                .route(web::head().to(status))
                .default_service(web::to(async || no_such_method("GET, HEAD"))),
        );
}

fn no_such_method(allowed: &'static str) -> HttpResponse {
    let mut answer = Refusal::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").response();
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Start a consumer
///
/// It consumes one topic into one file, each value on a line, or posts each record to a URL: one of
/// `file_path` and `http_url` is needed. Each parameter is given in the query, or in a JSON object
/// as the body; the query wins. One that is stopped or has failed is started anew, as what is given
/// now.
#[utoipa::path(
    post,
    path = "/start-consumer",
    operation_id = "startConsumer",
    params(
        ("broker" = Option<String>, Query, description = "Brokers as `host:port`, separated by commas. Needed, here or in the body.", example = "localhost:9092"),
        ("topic" = Option<String>, Query, description = "The topic. Needed, here or in the body.", example = "orders"),
        ("file_path" = Option<String>, Query, description = "The file, in the folder of `--file-root`.", example = "orders.txt"),
        ("http_url" = Option<String>, Query, description = "In place of the file: where each record is posted."),
        ("group_id" = Option<String>, Query, description = "The consumer group; `demo-consumer-group` if not given."),
        ("client_id" = Option<String>, Query, description = "The consumer's id; one is made up if not given."),
    ),
    request_body(content = Option<Parameters>, description = "Parameters that are not in the query."),
    responses(
        (status = 200, description = "It is being started.", body = Started),
        (status = 400, description = "It cannot be as it is described: a path that is refused, for one.", body = Refusal),
        (status = 409, description = "A consumer of that id runs, or one that writes this file; or a pipeline that was not started here consumes the topic in the group.", body = Refusal),
        (status = 413, description = "The body is larger than 1 MiB.", body = Refusal),
        (status = 422, description = "A parameter is missing, or is not what it has to be.", body = Refusal),
        (status = 500, description = "It cannot be kept in the folder of `--state-dir`.", body = Refusal),
        (status = 503, description = "Keyway is ending.", body = Refusal),
    ),
)]
pub async fn start(
    led: web::Data<Led>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, Refusal> {
    let body = given::body(&request, &body.map_err(|error| Refusal::unread(&error))?)?;
    let given = given::read(request.query_string(), body.as_ref()).map_err(Refusal::faults)?;
    let id = given.client_id.clone().unwrap_or_else(|| free_id(&led));
    let define = Define {
        name: id.clone(),
        body: given.definition(&id),
        over: Over::Stopped,
        who: who(&request),
    };
    led.send(define).await.map_err(|refused| Refusal::of(&refused, &id, &led.roster))?;
    Ok(shown(&Started {
        message: format!("Consumer {id} started"),
        consumer_id: id.clone(),
        client_id: id,
        group_id: given.group_id,
    }))
}

/// Stop a consumer
///
/// What is being written or sent is finished and committed. The answer comes when it has stopped, or
/// after eight seconds, when it still finishes. It stays listed, can be started again, and is not
/// started by itself when Keyway is.
#[utoipa::path(
    post,
    path = "/stop-consumer/{consumer_id}",
    operation_id = "stopConsumer",
    params(("consumer_id" = String, Path, description = "The consumer's id.", example = "consumer-1a2b3c4d")),
    responses(
        (status = 200, description = "It has stopped, or is about to.", body = Stopped),
        (status = 404, description = "There is none of that id.", body = Refusal),
        (status = 500, description = "That it rests cannot be kept in the folder of `--state-dir`.", body = Refusal),
        (status = 503, description = "Keyway is ending.", body = Refusal),
    ),
)]
pub async fn stop(
    led: web::Data<Led>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let (id, until) = (id.into_inner(), ending::limit());
    Consumer::named(&led, &id).ok_or_else(|| Refusal::unknown(&id))?;
    led.send(ending::of(&id, who(&request)))
        .await
        .map_err(|refused| Refusal::of(&refused, &id, &led.roster))?;
    let message = if ending::all(&led.roster, std::slice::from_ref(&id), until).await {
        format!("Consumer {id} stopped")
    } else {
        format!("Consumer {id} is stopping: what is under way finishes first")
    };
    Ok(shown(&Stopped { message, consumer_id: id }))
}

/// Stop all consumers
///
/// Each as by `/stop-consumer`; Keyway goes on running.
#[utoipa::path(
    post,
    path = "/stop-all",
    operation_id = "stopAllConsumers",
    responses(
        (status = 200, description = "They have stopped, or are about to.", body = StoppedAll),
        (status = 500, description = "That one rests cannot be kept in the folder of `--state-dir`.", body = Refusal),
        (status = 503, description = "Keyway is ending.", body = Refusal),
    ),
)]
pub async fn stop_all(led: web::Data<Led>, request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let until = ending::limit();
    let running = Consumer::all(&led).into_iter().filter(|consumer| consumer.running);
    let ids: Vec<String> = running.map(|consumer| consumer.consumer_id).collect();
    let (told, who) = (ids.clone(), who(&request));
    let asked = Led::clone(&led);
    // All of them are told, also if whoever asked goes away meanwhile.
    let telling = actix_web::rt::spawn(async move {
        let mut refusal = None;
        for name in told {
            match asked.send(ending::of(&name, who.clone())).await {
                // One that was deleted meanwhile ends as well.
                Ok(()) | Err(Refused::Unknown) => {}
                Err(refused) => refusal = Some(Refusal::of(&refused, &name, &asked.roster)),
            }
        }
        refusal
    });
    if let Ok(Ok(Some(refusal))) = tokio::time::timeout_at(until, telling).await {
        return Err(refusal);
    }
    ending::all(&led.roster, &ids, until).await;
    let (stopped, stopping) = ids.into_iter().partition(|id| !led.roster.is_there(id));
    Ok(shown(&StoppedAll::of(stopped, stopping)))
}

/// All consumers
///
/// By id, those that are stopped too.
#[utoipa::path(
    get,
    path = "/list-consumers",
    operation_id = "listConsumers",
    responses((status = 200, description = "Each consumer.", body = Consumers)),
)]
pub async fn list(led: web::Data<Led>) -> HttpResponse {
    let consumers = Consumer::all(&led);
    shown(&Consumers { count: consumers.len() as u64, consumers })
}

/// One consumer
///
/// Whether it runs, what it has delivered, and what went wrong last.
#[utoipa::path(
    get,
    path = "/consumer-status/{consumer_id}",
    operation_id = "consumerStatus",
    params(("consumer_id" = String, Path, description = "The consumer's id.", example = "consumer-1a2b3c4d")),
    responses(
        (status = 200, description = "The consumer.", body = ConsumerStatus),
        (status = 404, description = "There is none of that id.", body = Refusal),
    ),
)]
pub async fn status(led: web::Data<Led>, id: web::Path<String>) -> Result<HttpResponse, Refusal> {
    match ConsumerStatus::named(&led, &id).await {
        Some(status) => Ok(shown(&status)),
        None => Err(Refusal::unknown(&id)),
    }
}

/// An id that no pipeline has.
fn free_id(led: &Led) -> String {
    let mut ids = std::iter::repeat_with(|| {
        // The standard library seeds each of these at random.
        let random = RandomState::new().hash_one(0);
        format!("consumer-{:08x}", random >> 32)
    });
    // There are a thousand pipelines at the most, and four billion ids.
    ids.find(|id| led.roster.get(id).is_none()).unwrap_or_default()
}

/// How something is; it is not so for long.
fn shown(what: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(what)
}
