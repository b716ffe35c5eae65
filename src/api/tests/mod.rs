//! The listener over HTTP. What it says of pipelines is tested where that is made.

mod clients;
mod guard;
mod plain;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix::Actor;
use actix_tls::accept::rustls_0_23::reexports::ServerConfig;
use actix_web::http::{Method, StatusCode, header};
use awc::Client;
use keyway_actors::Handles;
use slog::{Discard, Logger, o};

use super::guard::Guard;
use super::{BindError, LIMITS, Led, Limits, Server, Shown, bind};
use crate::settings::{self, Least, Sources};
use crate::supervisor::{Begin, Setup, Store, Supervisor};

/// How long any wait may last before its test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A listener at work.
struct Api {
    address: SocketAddr,
    server: Server,
}

impl Api {
    /// Serves no pipelines.
    fn new() -> Self {
        Self::with(LIMITS)
    }

    fn with(limits: Limits) -> Self {
        Self::guarded(limits, |address| Guard::new(None, address))
    }

    fn guarded(limits: Limits, guard: impl FnOnce(SocketAddr) -> Guard) -> Self {
        Self::served(limits, guard, None)
    }

    fn served(
        limits: Limits,
        guard: impl FnOnce(SocketAddr) -> Guard,
        tls: Option<ServerConfig>,
    ) -> Self {
        Self::serving(led(Sources::none(), None), limits, guard, tls)
    }

    fn serving(
        led: Led,
        limits: Limits,
        guard: impl FnOnce(SocketAddr) -> Guard,
        tls: Option<ServerConfig>,
    ) -> Self {
        let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let lines_dropped = Arc::new(AtomicU64::new(5));
        let shown = Shown { led, lines_dropped };
        let address = bound.address();
        Self { address, server: bound.serve_with(shown, guard(address), tls, limits, &log()) }
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
}

/// What is set and kept, and who makes more.
fn led(sources: Sources, store: Option<Store>) -> Led {
    let handles = Handles::default();
    let (settings, base) = settings::load_with_base(&sources, Least::None).unwrap();
    let supervisor = Supervisor::new(Setup {
        sources,
        least: Least::None,
        settings,
        base,
        store,
        handles: handles.clone(),
        failures: tokio::sync::mpsc::unbounded_channel().0,
        log: log(),
    });
    let roster = supervisor.roster();
    let supervisor = supervisor.start();
    supervisor.do_send(Begin);
    Led { supervisor, roster, handles }
}

fn log() -> Logger {
    Logger::root(Discard, o!())
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
    let api = Api::new();
    for path in ["/", "/metrics/", "/v1/elsewhere", "/LIVEZ"] {
        let (status, text) = api.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(text.contains("\"status\":404"), "{path}: {text}");
        for there_is in ["/livez", "/readyz", "/metrics", "/v1/verify", "/v1/pipelines"] {
            assert!(text.contains(there_is), "{path}: {text}");
        }
    }
}

#[actix_rt::test]
async fn what_is_read_only_takes_get_and_head_alone() {
    let api = Api::new();
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
async fn a_scrape_tells_of_the_log_too() {
    let (_, text) = Api::new().get("/metrics").await;
    assert!(text.contains("\nkeyway_log_lines_dropped_total 5\n"), "{text}");
    assert!(text.contains("keyway_build_info{"), "{text}");
}

#[actix_rt::test]
async fn the_address_is_free_again_after_the_stop() {
    let api = Api::new();
    let address = api.address;
    assert_eq!(api.get("/livez").await.0, StatusCode::OK);
    api.server.stop().await;
    bind(address).unwrap();
}
