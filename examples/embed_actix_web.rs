//! A web application that serves a route of its own, delivers a topic to it, and mounts what shows and
//! leads the delivery. Run with `cargo run --example embed_actix_web`; it brings its own broker.
//!
//! With `--serve` it goes on serving after the records are delivered: look at `/status`, `/readyz`,
//! `/metrics` and `/keyway/v1/pipelines`, or `curl -X POST .../keyway/v1/pipelines/orders/pause`.

mod embedded;

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use keyway_actors::sink::http::HttpSettings;
use keyway_actors::{Handle, Handles, Pipeline, PipelineConfig, web as keyway};

const RECORDS: u32 = 1000;

/// What the application does with what it is sent.
#[derive(Default)]
struct Orders {
    received: AtomicU64,
}

async fn take_order(orders: web::Data<Orders>, request: HttpRequest) -> impl Responder {
    // The same key comes with every attempt, so that a repeated order can be told.
    if !request.headers().contains_key("Idempotency-Key") {
        return HttpResponse::BadRequest();
    }
    orders.received.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok()
}

async fn status(pipeline: web::Data<Handle>) -> impl Responder {
    let status = pipeline.status();
    format!(
        "{:?}: {} delivered, {} held, {} in flight, on {} partitions\n",
        status.state,
        status.totals.delivered,
        status.totals.held_records,
        status.totals.in_flight,
        status.partitions_assigned,
    )
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = embedded::Broker::start("orders", 4)?;
    broker.fill("orders", RECORDS, 100)?;

    // The port first, so that the pipeline knows where to send.
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut config = PipelineConfig::new(&broker.address(), "orders", "shop");
    config.name = "orders".into();
    config.senders = 32.try_into()?;
    let pipeline =
        Pipeline::start(config, HttpSettings::new(&format!("http://{address}/orders"))?)?;
    // Pipelines that start later can be put in here, and are shown and led too.
    let handles = Handles::from(pipeline.clone());

    let orders = web::Data::new(Orders::default());
    let (app_orders, app_pipeline) = (orders.clone(), web::Data::new(pipeline.clone()));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(app_orders.clone())
            .app_data(app_pipeline.clone())
            .route("/orders", web::post().to(take_order))
            .route("/status", web::get().to(status))
            .configure(keyway::probes(handles.clone()))
            // Whoever can ask for this can stop the delivery: an application that others can reach
            // wraps the scope in the middleware that it asks its users' names with.
            .service(web::scope("/keyway").service(keyway::scope(handles.clone())))
    })
    .workers(1)
    .listen(listener)?
    .run();
    let serving = server.handle();
    let server = actix_web::rt::spawn(server);
    println!("http://{address}/status and http://{address}/keyway/v1/pipelines");

    while pipeline.status().totals.delivered < u64::from(RECORDS) {
        actix_web::rt::time::sleep(Duration::from_millis(10)).await;
    }
    println!("the application took {} orders", orders.received.load(Ordering::Relaxed));
    if !std::env::args().any(|argument| argument == "--serve") {
        serving.stop(true).await;
    }
    server.await??;

    pipeline.stop();
    pipeline.wait().await?;
    Ok(())
}
