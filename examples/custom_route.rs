//! Decides in Rust which requests a record becomes. Run with `cargo run --example custom_route`; it
//! brings its own broker.
//!
//! An order goes to the warehouse of its region as a `PUT`, and large ones to the auditor after it,
//! with a body of their own. The two belong together: the next order of the same key waits for both,
//! and if the auditor is busy, only that request is made again. Test orders go nowhere.

mod embedded;

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::Method;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use keyway_actors::route::{Plan, PlanContext, Refusal, Request, Route};
use keyway_actors::sink::http::HttpSettings;
use keyway_actors::{Failure, FailureKind, Pipeline, PipelineConfig, Record};
use serde_json::{Value, json};

const RECORDS: u32 = 1000;

/// Where the warehouses and the auditor are.
struct Orders {
    warehouses: [String; 2],
    auditor: String,
}

impl Route for Orders {
    fn plan(&self, record: &Record, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
        let broken = |why: String| Failure::new(FailureKind::Unsendable, why);
        let value = record.value().unwrap_or_default();
        let order: Value = serde_json::from_slice(&value)
            .map_err(|error| broken(format!("the order is no JSON: {error}")))?;
        let number = order["number"].as_u64().ok_or_else(|| broken("no number".into()))?;
        if number % 10 == 9 {
            return Ok(Plan::filtered());
        }

        let request = |url: String| Request::new(&url).map_err(|error| broken(error.to_string()));
        let warehouse = &self.warehouses[usize::from(number % 2 == 1)];
        let put = request(format!("{warehouse}/orders/{number}"))?
            .method(Method::PUT)
            .map_err(|error| broken(error.to_string()))?;
        if number % 10 > 0 {
            return Ok(Plan::one(put));
        }
        let note = json!({ "order": number, "attempt": context.attempt() }).to_string();
        let audit = request(format!("{}/notes", self.auditor))?.body(note.into());
        Plan::try_from(vec![put, audit]).map_err(|error| broken(error.to_string()).into())
    }
}

/// What the applications took.
#[derive(Default)]
struct Taken {
    orders: AtomicU64,
    notes: AtomicU64,
}

async fn take_order(taken: web::Data<Taken>) -> impl Responder {
    taken.orders.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok()
}

/// The auditor is always busy at first.
async fn take_note(taken: web::Data<Taken>, request: HttpRequest) -> impl Responder {
    if request.headers().get("Keyway-Attempt").is_some_and(|attempt| attempt == "1") {
        return HttpResponse::ServiceUnavailable();
    }
    taken.notes.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = embedded::Broker::start("orders", 4)?;
    broker.fill("orders", RECORDS, 100)?;

    // One program plays all three, each on a port of its own: three destinations.
    let taken = web::Data::new(Taken::default());
    let app_taken = taken.clone();
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(app_taken.clone())
            .route("/orders/{number}", web::put().to(take_order))
            .route("/notes", web::post().to(take_note))
    })
    .workers(1);
    let mut urls = Vec::new();
    for _ in 0..3 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        urls.push(format!("http://{}", listener.local_addr()?));
        server = server.listen(listener)?;
    }
    let server = server.run();
    let serving = server.handle();
    let server = actix_web::rt::spawn(server);

    let [first, second, auditor] = urls.try_into().map_err(|_| "three were bound")?;
    let route = Orders { warehouses: [first, second], auditor };
    let config = PipelineConfig::new(&broker.address(), "orders", "warehouses");
    let pipeline = Pipeline::start(config, HttpSettings::routed(route))?;
    let settled = || {
        let totals = pipeline.status().totals;
        totals.delivered + totals.filtered
    };
    while settled() < u64::from(RECORDS) {
        actix_web::rt::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    pipeline.stop();
    pipeline.wait().await?;
    println!(
        "{} orders and {} notes of {RECORDS} records, {} of them filtered",
        taken.orders.load(Ordering::Relaxed),
        taken.notes.load(Ordering::Relaxed),
        pipeline.status().totals.filtered
    );
    serving.stop(true).await;
    server.await??;
    Ok(())
}
