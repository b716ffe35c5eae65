//! The endpoints: over HTTP, with pipelines that run on librdkafka's mock cluster.

mod clients;
mod exposition;
mod guard;
mod health;
mod pipelines;
mod scrape;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode, header};
use awc::Client;
use keyway_actors::stats::Totals;
use keyway_actors::{Handle, State, Status};
use slog::{Discard, Logger, o};

use super::guard::Guard;
use super::{BindError, LIMITS, Limits, Server, Shown, bind};

/// How long any wait may last before its test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A listener at work.
struct Api {
    address: SocketAddr,
    server: Server,
}

impl Api {
    /// Serves these pipelines; their threads may be silent for so long.
    fn of(pipelines: Vec<Handle>, patience: Duration) -> Self {
        Self::with(pipelines, patience, LIMITS)
    }

    fn with(pipelines: Vec<Handle>, patience: Duration, limits: Limits) -> Self {
        Self::guarded(pipelines, patience, limits, |address| Guard::new(None, address))
    }

    fn guarded(
        pipelines: Vec<Handle>,
        patience: Duration,
        limits: Limits,
        guard: impl FnOnce(SocketAddr) -> Guard,
    ) -> Self {
        let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let shown = Shown { pipelines, lines_dropped: Arc::default(), patience };
        let address = bound.address();
        Self { address, server: bound.serve_with(shown, guard(address), limits, &log()) }
    }

    /// What a request is answered: the status and the text.
    async fn ask(&self, method: Method, path: &str) -> (StatusCode, String) {
        let url = format!("http://{}{path}", self.address);
        let mut answer = Client::default()
            .request(method, url)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let text = answer.body().limit(1 << 24).await.unwrap();
        (answer.status(), String::from_utf8(text.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.ask(Method::GET, path).await
    }

    /// Waits until a path is answered with this status and a text that contains `part`.
    async fn wait_for(&self, path: &str, status: StatusCode, part: &str) {
        let mut last = (StatusCode::OK, String::new());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            last = self.get(path).await;
            if last.0 == status && last.1.contains(part) {
                return;
            }
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited {PATIENCE:?} for {path} to say {status} and {part:?}; it says {last:?}");
    }
}

fn log() -> Logger {
    Logger::root(Discard, o!())
}

/// A pipeline that is well and has done nothing.
fn status(name: &str) -> Status {
    Status {
        name: name.to_owned(),
        state: State::Running,
        joined: true,
        cut_off: false,
        partitions_assigned: 0,
        totals: Totals::default(),
        partitions: Vec::new(),
        parked_for: None,
        destinations: Vec::new(),
        lives: Vec::new(),
        failure: None,
    }
}

#[actix_rt::test]
async fn an_address_that_is_taken_is_named_with_what_to_do() {
    let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let error = bind(bound.address()).unwrap_err();
    assert!(matches!(error, BindError::Taken(address) if address == bound.address()));
    let text = error.to_string();
    let expected = [bound.address().to_string(), "taken".into(), "--listen".into()];
    assert!(expected.iter().all(|part| text.contains(part)), "{text}");
}

#[actix_rt::test]
async fn an_address_of_another_machine_is_refused_in_the_systems_words() {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let error = bind(([192, 0, 2, 1], 0).into()).unwrap_err();
    assert!(matches!(&error, BindError::Refused { .. }));
    assert!(error.to_string().contains("192.0.2.1:0"), "{error}");
}

#[actix_rt::test]
async fn another_path_says_what_there_is() {
    let api = Api::of(Vec::new(), PATIENCE);
    for path in ["/", "/metrics/", "/v1/pipelines", "/LIVEZ"] {
        let (status, text) = api.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        for there_is in ["/livez", "/readyz", "/metrics"] {
            assert!(text.contains(there_is), "{path}: {text}");
        }
    }
}

#[actix_rt::test]
async fn what_is_read_only_takes_get_and_head_alone() {
    let api = Api::of(Vec::new(), PATIENCE);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(api.get(path).await.0, StatusCode::OK);
        assert_eq!(api.ask(Method::HEAD, path).await, (StatusCode::OK, String::new()));
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let (status, _) = api.ask(method, path).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
    let url = format!("http://{}/livez", api.address);
    let refused = Client::default().post(url).send().await.unwrap();
    assert_eq!(refused.headers().get(header::ALLOW).unwrap(), "GET, HEAD");
}

#[actix_rt::test]
async fn the_address_is_free_again_after_the_stop() {
    let api = Api::of(Vec::new(), PATIENCE);
    let address = api.address;
    assert_eq!(api.get("/livez").await.0, StatusCode::OK);
    api.server.stop().await;
    bind(address).unwrap();
}
