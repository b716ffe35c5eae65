//! Promise P6: how it ends.

use std::time::{Duration, Instant};

use super::settled::Settled;
use super::stage::{Counts, Stage};
use crate::support::*;

#[test]
fn it_stops_at_once_while_everything_waits_for_a_retry() {
    let endpoint = Endpoint::builder().script(script::always(Reply::status(503))).start();
    let stage = Stage::with(2, endpoint);
    let sent = stage.produce(numbered(200, 50));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_RETRY_INITIAL", "1h")
        .env("KEYWAY_RETRY_MAX", "1h")
        .env("KEYWAY_DRAIN_DEADLINE", "1h")
        .start();
    keyway.wait_for_metrics("every lane to wait", |metrics| {
        metrics.count("lanes_waiting", &[]) == 50
    });
    keyway.stop();
    stage.endpoint.incident("stopped");
    let committed = stage.committed();
    assert!(committed.iter().all(|one| one.offset.unwrap_or(0) == 0), "{committed:?}");
    stage.endpoint.script(script::ok());
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_stop_lets_requests_in_flight_finish_and_begins_none() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(100, 100));
    let mut keyway = stage.keyway().flag("--senders", 10).start();
    stage.endpoint.wait_until("ten requests", |ledger| ledger.in_flight() == 10);
    keyway.signal(Signal::INT);
    keyway.wait_for_log("stopping");
    let (status, why) = keyway.get("/readyz").expect("it answers while it drains");
    assert_eq!((status, why.contains("draining")), (503, true), "{why}");
    gate.open();
    assert_eq!(keyway.wait_exit(), 0);
    assert_eq!(stage.endpoint.look(|ledger| (ledger.count(), ledger.delivered())), (10, 10));
    let settled = Settled::of(&stage.topic, &stage.committed());
    assert_eq!(sent.iter().filter(|one| settled.has(&one.id)).count(), 10);
}

#[test]
fn the_drain_ends_at_its_deadline() {
    let endpoint = Endpoint::builder().script(script::always(Reply::hang())).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(5, 5));
    let mut keyway = stage.keyway().env("KEYWAY_DRAIN_DEADLINE", "300ms").start();
    stage.endpoint.wait_until("five requests", |ledger| ledger.in_flight() == 5);
    let begun = Instant::now();
    keyway.signal(Signal::TERM);
    let code = keyway.wait_exit();
    assert!(begun.elapsed() >= Duration::from_millis(300), "before its deadline");
    keyway.wait_for_log("deadline of the drain passed");
    assert_eq!(code, 0);
    stage.endpoint.incident("stopped");
    // Nothing of it is committed: the next run sends it again.
    stage.endpoint.script(script::ok());
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let endpoint = Endpoint::builder().script(script::always(Reply::hang())).start();
    let stage = Stage::with(1, endpoint);
    stage.produce(numbered(5, 5));
    let mut keyway = stage.keyway().env("KEYWAY_DRAIN_DEADLINE", "1h").start();
    stage.endpoint.wait_until("five requests", |ledger| ledger.in_flight() == 5);
    keyway.signal(Signal::TERM);
    keyway.wait_for_log("stopping");
    keyway.signal(Signal::INT);
    assert_eq!(keyway.wait_exit(), 1);
    keyway.wait_for_log("second signal");
}

#[test]
fn a_signal_while_it_starts_ends_it_cleanly() {
    let stage = Stage::new(1);
    let mut keyway = stage.keyway().start();
    keyway.wait_for_log("keyway starts");
    keyway.stop();
}
