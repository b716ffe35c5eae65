//! Who may send: passwords, tokens, certificates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::stage::{Counts, Stage};
use crate::support::*;

#[test]
fn a_token_from_a_file_is_read_again_when_it_changes() {
    let taken = Arc::new(AtomicU32::new(1));
    let valid = taken.clone();
    let endpoint = Endpoint::builder()
        .script(move |request| {
            let wanted = format!("Bearer token-{}", valid.load(Ordering::SeqCst));
            if request.text("authorization") == Some(wanted) {
                Reply::ok()
            } else {
                Reply::status(401)
            }
        })
        .start();
    let stage = Stage::with(1, endpoint);
    let keyway = stage.keyway().env("KEYWAY_HTTP_AUTH_KIND", "bearer");
    let file = keyway.write("token", "token-1\n");
    let keyway = keyway.env("KEYWAY_HTTP_AUTH_TOKEN_FILE", file.display());
    let sent = stage.produce(numbered(5, 5));
    let mut keyway = keyway.env("KEYWAY_RETRY_RETRY_ON", "401").start();
    stage.endpoint.wait_for_all(&sent);
    taken.store(2, Ordering::SeqCst);
    std::fs::write(&file, "token-2\n").expect("it can be written");
    let more = stage.produce(numbered(5, 5));
    stage.finish(&mut keyway, &more);
    assert!(!keyway.stderr().contains("token-"), "a secret is in the log");
}

/// A server of tokens and one that takes only the latest: each 401 renews the token, and the request
/// goes again within its attempt.
#[test]
fn tokens_are_fetched_and_a_401_renews_them() {
    let tokens = Arc::new(AtomicU32::new(0));
    let (count, latest) = (tokens.clone(), tokens.clone());
    let issuer = Endpoint::builder()
        .script(move |request| {
            assert_eq!(request.method, "POST");
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!(r#"{{"access_token":"t{number}","token_type":"Bearer"}}"#);
            Reply::ok().header("Content-Type", "application/json").body(body)
        })
        .start();
    let endpoint = Endpoint::builder()
        .script(move |request| {
            let wanted = format!("Bearer t{}", latest.load(Ordering::SeqCst).max(2));
            if request.text("authorization") == Some(wanted) {
                Reply::ok()
            } else {
                Reply::status(401)
            }
        })
        .start();
    let stage = Stage::with(2, endpoint);
    let sent = stage.produce(numbered(50, 10));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_HTTP_AUTH_KIND", "oauth2")
        .env("KEYWAY_HTTP_AUTH_TOKEN_URL", issuer.url_of("/token"))
        .env("KEYWAY_HTTP_AUTH_CLIENT_ID", "keyway")
        .env("KEYWAY_HTTP_AUTH_CLIENT_SECRET", "hush-hush")
        .flag("--arbiters", 1)
        .start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_kept();
    assert_eq!(tokens.load(Ordering::SeqCst), 2, "one token was refused, and one renewed");
    assert!(!keyway.stderr().contains("hush-hush"), "a secret is in the log");
}

#[test]
fn a_client_certificate_is_shown_and_an_own_authority_trusted() {
    let authority = Authority::new();
    let stage = Stage::with(1, Endpoint::builder().mutual_tls(&authority).start());
    let client = authority.issue("keyway");
    let keyway = stage.keyway();
    let ca = keyway.write("ca.pem", authority.certificate());
    let cert = keyway.write("client.pem", &client.certificate);
    let key = keyway.write("client.key", &client.key);
    let sent = stage.produce(numbered(20, 5));
    let mut running = keyway
        .env("KEYWAY_HTTP_TLS_CA_FILE", ca.display())
        .env("KEYWAY_HTTP_TLS_CERT_FILE", cert.display())
        .env("KEYWAY_HTTP_TLS_KEY_FILE", key.display())
        .start();
    stage.finish(&mut running, &sent);
    stage.endpoint.verdict(&sent).assert_exact();

    // Without it the endpoint's handshake fails, and the records wait.
    let stage = Stage::with(1, Endpoint::builder().mutual_tls(&authority).start());
    stage.produce(numbered(3, 3));
    let keyway = stage.keyway();
    let ca = keyway.write("ca.pem", authority.certificate());
    let mut running = keyway.env("KEYWAY_HTTP_TLS_CA_FILE", ca.display()).start();
    running.wait_for_metrics("retries", |metrics| metrics.count("retries_total", &[]) > 3);
    assert_eq!(stage.endpoint.look(Ledger::delivered), 0);
    running.stop();
}
