//! Who is answered.

use actix_web::http::{Method, StatusCode, header};
use awc::Client;
use keyway_actors::sink::http::Secret;

use super::super::guard::Guard;
use super::{Api, LIMITS, PATIENCE};

const OK: StatusCode = StatusCode::OK;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

fn guarded(token: &str) -> Api {
    let token = Some(Secret::given(token));
    Api::guarded(LIMITS, |address| Guard::new(token, address))
}

/// What a request with this header is answered.
async fn ask(api: &Api, path: &str, name: header::HeaderName, value: &str) -> StatusCode {
    let url = format!("http://{}{path}", api.address);
    let request = Client::default().request(Method::GET, url).timeout(PATIENCE);
    request.insert_header((name, value)).send().await.unwrap().status()
}

#[actix_rt::test]
async fn all_but_health_asks_for_the_token() {
    let api = guarded("hush-hush");
    for path in ["/livez", "/readyz"] {
        assert_eq!(api.get(path).await.0, OK, "{path}");
    }
    for path in ["/metrics", "/v1/verify", "/elsewhere"] {
        let (status, text) = api.get(path).await;
        assert_eq!(status, UNAUTHORIZED, "{path}");
        assert!(text.contains("\"status\":401") && text.contains("api.token"), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }
    for (given, status) in [
        ("Bearer hush-hush", OK),
        ("bearer  hush-hush", OK),
        ("Bearer hush-hush2", UNAUTHORIZED),
        ("Bearer hush-hus", UNAUTHORIZED),
        ("Bearer ", UNAUTHORIZED),
        ("Basic hush-hush", UNAUTHORIZED),
        ("hush-hush", UNAUTHORIZED),
    ] {
        assert_eq!(ask(&api, "/metrics", header::AUTHORIZATION, given).await, status, "{given}");
    }
    api.server.stop().await;
}

#[actix_rt::test]
async fn a_listener_on_loopback_answers_for_no_other_host() {
    let api = Api::new();
    for (host, status) in [
        ("localhost", OK),
        ("LOCALHOST:8000", OK),
        ("127.0.0.1", OK),
        ("127.1.2.3:80", OK),
        ("[::1]:8000", OK),
        ("keyway.example", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.example:8000", StatusCode::MISDIRECTED_REQUEST),
        ("192.0.2.1", StatusCode::MISDIRECTED_REQUEST),
        ("localhost@keyway.example", StatusCode::MISDIRECTED_REQUEST),
    ] {
        for path in ["/livez", "/metrics"] {
            assert_eq!(ask(&api, path, header::HOST, host).await, status, "{host}{path}");
        }
    }
    api.server.stop().await;
}

/// A page cannot read the answer, and need not: it is enough that something was done.
#[actix_rt::test]
async fn without_a_token_no_page_of_another_site_is_answered() {
    let api = Api::new();
    let own = format!("http://{}", api.address);
    for (origin, status) in [
        (own.as_str(), OK),
        ("https://keyway.example", StatusCode::FORBIDDEN),
        ("http://127.0.0.1", StatusCode::FORBIDDEN),
        ("http://localhost:1", StatusCode::FORBIDDEN),
        ("null", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(ask(&api, "/metrics", header::ORIGIN, origin).await, status, "{origin}");
    }
    api.server.stop().await;
    // No page knows the token: what knows it may come from anywhere, as through a proxy.
    let api = guarded("hush-hush");
    let url = format!("http://{}/metrics", api.address);
    let request = Client::default().get(url).timeout(PATIENCE).bearer_auth("hush-hush");
    let answer = request.insert_header((header::ORIGIN, "https://keyway.example")).send().await;
    assert_eq!(answer.unwrap().status(), OK);
    api.server.stop().await;
}

#[actix_rt::test]
async fn a_listener_for_other_machines_answers_for_any_host() {
    let everywhere = ([0, 0, 0, 0], 0).into();
    let api = Api::guarded(LIMITS, |_| Guard::new(None, everywhere));
    assert_eq!(ask(&api, "/metrics", header::HOST, "keyway.example").await, OK);
    api.server.stop().await;
}
