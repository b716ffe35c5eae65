//! What goes wrong is told to a webhook, and a webhook that fails harms nothing.

use std::collections::BTreeSet;

use super::stage::{Counts, Stage};
use crate::support::*;

/// The texts of the messages that came.
fn texts(webhook: &Ledger) -> Vec<String> {
    let text = |body: &[u8]| -> Option<String> {
        let message: serde_json::Value = serde_json::from_slice(body).ok()?;
        Some(message["text"].as_str()?.to_owned())
    };
    webhook.requests().iter().filter_map(|one| text(one.body.as_deref()?)).collect()
}

fn says(webhook: &Ledger, words: &[&str]) -> bool {
    texts(webhook).iter().any(|text| words.iter().all(|word| text.contains(word)))
}

fn with_alert(stage: &Stage, url: &str, more: &str) -> Keyway {
    stage.keyway().config(&format!("[[pipeline]]\n{more}\n[[alert]]\nurl = \"{url}\"\n"))
}

#[test]
fn dead_letters_and_a_breaker_are_told_in_one_message_each() {
    let stage = Stage::new(2);
    let letters = stage.mock.topic("letters", 1);
    stage.endpoint.script(|request| match request.key.as_deref() {
        Some("k1" | "k2") => Reply::status(422),
        _ => Reply::status(500),
    });
    let webhook = Endpoint::start();
    let more = format!(
        "[pipeline.dead_letter]\ntopic = \"{letters}\"\n[pipeline.http.breaker]\nenabled = true\n\
         min_requests = 5\nopen_for = \"200ms\"\nmax_open_for = \"200ms\"\n"
    );
    stage.produce(numbered(50, 10));
    let mut keyway = with_alert(&stage, &webhook.url_of("/hush"), &more).start();
    webhook.wait_until("both to be told", |ledger| {
        says(ledger, &["dead"]) && says(ledger, &["breaker", "open"])
    });
    stage.endpoint.script(script::ok());
    stage.wait_all_committed();
    keyway.stop();
    assert!(!keyway.stderr().contains("hush"), "the webhook's path is in the log");
    let told = webhook.look(texts);
    let letters = told.iter().filter(|text| text.contains("dead")).count();
    assert!((1..=2).contains(&letters), "one when it began, one at the end: {told:?}");
}

#[test]
fn a_pipeline_that_stops_on_an_error_says_so_before_the_process_ends() {
    let stage = Stage::new(1);
    stage.endpoint.script(script::always(Reply::status(422)));
    let webhook = Endpoint::start();
    stage.produce(numbered(1, 1));
    let mut keyway =
        with_alert(&stage, &webhook.url(), "").env("KEYWAY_RETRY_ON_REJECTED", "stop").start();
    assert_eq!(keyway.wait_exit(), 1);
    let told = webhook.look(texts);
    assert!(told.iter().any(|text| text.contains("stopped")), "{told:?}");
}

#[test]
fn an_alert_goes_through_the_forward_proxy_but_to_its_exceptions() {
    let stage = Stage::new(1);
    stage.endpoint.script(script::always(Reply::status(422)));
    // It opens no tunnel: what it is asked for is enough.
    let proxy = Endpoint::builder().script(script::always(Reply::status(502))).start();
    stage.produce(numbered(1, 1));
    let more = "[[alert]]\nurl = \"https://direct.invalid/hush\"\n";
    let mut keyway = with_alert(&stage, "https://hooks.invalid/hush", more)
        .env("HTTPS_PROXY", proxy.url())
        .env("NO_PROXY", "direct.invalid")
        .env("KEYWAY_RETRY_ON_REJECTED", "stop")
        .start();
    assert_eq!(keyway.wait_exit(), 1);
    let asked: BTreeSet<_> =
        proxy.look(|it| it.requests().iter().filter_map(Entry::path).collect());
    assert_eq!(asked, BTreeSet::from(["hooks.invalid:443".to_owned()]));
}

#[test]
fn a_webhook_that_hangs_or_refuses_harms_nothing() {
    for reply in [Reply::hang(), Reply::status(500)] {
        let stage = Stage::new(2);
        let webhook = Endpoint::builder().script(script::always(reply)).start();
        let letters = stage.mock.topic("letters", 1);
        stage.endpoint.script(|request| match request.key.as_deref() {
            Some("k1") => Reply::status(422),
            _ => Reply::ok(),
        });
        stage.produce(numbered(100, 10));
        let more = format!("[pipeline.dead_letter]\ntopic = \"{letters}\"\n");
        let mut keyway = with_alert(&stage, &webhook.url(), &more).start();
        stage.wait_all_committed();
        let metrics = keyway.metrics();
        assert_eq!(metrics.count("records_dead_lettered_total", &[]), 10);
        assert_eq!(metrics.count("records_delivered_total", &[]), 90);
        webhook.wait_until("a message", |ledger| ledger.count() > 0);
        keyway.stop();
    }
}
