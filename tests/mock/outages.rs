//! Brokers and endpoints that are away: it waits, says so, goes on, and loses nothing.

use std::time::Duration;

use super::stage::{Counts, Stage};
use crate::support::*;

#[test]
fn brokers_that_are_down_at_the_start_are_waited_for() {
    let stage = Stage::new(2);
    let sent = stage.produce(numbered(50, 10));
    stage.mock.down();
    let mut keyway = stage.keyway().start();
    let line = keyway.wait_for_log("waiting for a broker");
    assert_eq!(line["level"], "warn");
    let (ready, why) = keyway.get("/readyz").expect("it answers");
    assert_eq!(ready, 503, "{why}");
    assert_eq!(keyway.get("/livez").map(|(status, _)| status), Some(200), "waiting is living");
    stage.mock.up();
    keyway.wait_ready();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn it_stops_cleanly_while_no_broker_answers() {
    let stage = Stage::new(1);
    stage.mock.down();
    let mut keyway = stage.keyway().start();
    keyway.wait_for_log("waiting for a broker");
    keyway.stop();
}

#[test]
fn brokers_that_go_down_and_come_back_under_load_cost_no_record() {
    let endpoint = Endpoint::builder()
        .script(script::slow(Duration::from_millis(1), Duration::from_millis(20), 2, script::ok()))
        .start();
    let stage = Stage::with(4, endpoint);
    let load =
        stage.mock.load(&stage.topic, 300, |n| Record::new(format!("k{}", n % 80), format!("{n}")));
    // The membership outlives the outages, however long a busy machine makes them.
    let mut keyway = stage.keyway().kafka("session.timeout.ms", "60000").start();
    for outage in 1..=2 {
        let before = stage.endpoint.look(Ledger::delivered);
        stage.endpoint.wait_for_delivered(before + 100);
        stage.mock.down();
        // What was taken in goes on being delivered; then there is nothing more.
        keyway.wait_for_metrics(&format!("outage {outage} to be felt"), |metrics| {
            metrics.count("held_records", &[]) == 0
        });
        stage.mock.up();
    }
    let before = stage.endpoint.look(Ledger::delivered);
    stage.endpoint.wait_for_delivered(before + 100);
    drop(load.stop());
    let sent = stage.mock.contents(&stage.topic);
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn commits_that_are_refused_are_tried_again_and_stop_nothing() {
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr::*};
    let stage = Stage::new(2);
    stage.mock.fail_next(
        RDKafkaApiKey::OffsetCommit,
        &[
            RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
            RD_KAFKA_RESP_ERR_UNKNOWN,
            RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE,
        ],
    );
    let sent = stage.produce(numbered(200, 20));
    let mut keyway = stage.keyway().start();
    stage.endpoint.wait_for_all(&sent);
    keyway.wait_for_log("commit failed");
    let metrics = keyway.wait_for_metrics("commits", |metrics| {
        metrics.count("commits_total", &[("result", "ok")]) >= 1
    });
    assert!(metrics.count("commits_total", &[("result", "failed")]) >= 1);
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn an_endpoint_that_is_away_delays_and_loses_nothing() {
    let stage = Stage::new(2);
    let sent = stage.produce(numbered(300, 40));
    stage.endpoint.down();
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_MAX", "200ms").start();
    keyway.wait_for_metrics("refused connections", |metrics| {
        metrics.count("retries_total", &[("reason", "connect")]) >= 50
    });
    stage.endpoint.up();
    stage.endpoint.wait_for_delivered(100);
    stage.endpoint.down();
    stage.endpoint.up();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_kept();
}
