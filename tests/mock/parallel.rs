//! Promise P4 and the pool: what need not wait does not, and never more senders than there are.

use std::time::Duration;

use super::stage::{Counts, Stage};
use crate::support::*;

/// Waits until so many requests are in flight at the closed gate.
fn wait_in_flight(endpoint: &Endpoint, count: usize) {
    endpoint.wait_until(&format!("{count} requests at once"), |ledger| ledger.in_flight() == count);
}

#[test]
fn the_pool_is_used_in_full_and_never_beyond() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(4, endpoint);
    let sent = stage.produce(numbered(2_000, 2_000));
    let mut keyway = stage.keyway().flag("--senders", 100).flag("--arbiters", 3).start();
    wait_in_flight(&stage.endpoint, 100);
    // The first hundred wait at the gate, and what came meanwhile waits behind them.
    keyway.wait_for_metrics("the rest to be held", |metrics| {
        metrics.count("in_flight", &[]) >= 100
            && metrics.count("records_received_total", &[]) >= 200
    });
    stage.endpoint.script(script::slow(
        Duration::from_millis(1),
        Duration::from_millis(10),
        1,
        script::ok(),
    ));
    gate.open();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
    assert_eq!(stage.endpoint.look(Ledger::most_in_flight), 100);
}

#[test]
fn null_keys_wait_for_nobody() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce((0..8).map(|n| Record::keyless(format!("{n}")).to(0)).collect());
    let mut keyway = stage.keyway().start();
    wait_in_flight(&stage.endpoint, 8);
    gate.open();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn an_empty_key_is_a_key() {
    let stage = Stage::new(1);
    let sent = stage.produce((0..20).map(|n| Record::new("", format!("{n}"))).collect());
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
    assert_eq!(stage.endpoint.look(Ledger::most_in_flight), 1);
}

#[test]
fn nothing_waits_for_anything_when_unordered() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder()
        .lanes(Lanes::Unordered)
        .script(script::always(Reply::ok().behind(&gate)))
        .start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(12, 1));
    let mut keyway = stage.keyway().flag("--ordering", "unordered").start();
    wait_in_flight(&stage.endpoint, 12);
    gate.open();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_failing_key_holds_no_sender_and_delays_only_itself() {
    // One sender, and half of the keys fail for as long as the gate of the test is closed.
    let (good, bad) = (|n: usize| format!("good-{n}"), |n: usize| format!("bad-{n}"));
    let endpoint = Endpoint::builder()
        .script(|request| {
            let is_bad = request.key.as_deref().is_some_and(|key| key.starts_with("bad"));
            Reply::status(if is_bad { 503 } else { 200 })
        })
        .start();
    let stage = Stage::with(1, endpoint);
    let mixed = (0..100).flat_map(|n| [Record::new(bad(n % 10), "x"), Record::new(good(n), "x")]);
    let sent = stage.produce(mixed.collect());
    let mut keyway = stage.keyway().flag("--senders", 1).start();
    stage.endpoint.wait_for_delivered(100);
    let metrics =
        keyway.wait_for_metrics("ten lanes that wait", |metrics| metrics.count("lanes", &[]) == 10);
    assert_eq!(metrics.count("held_records", &[]), 100);
    assert!(metrics.count("retries_total", &[("reason", "status_5xx")]) >= 10);
    stage.endpoint.script(script::ok());
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_stalled_partition_does_not_stop_the_intake_of_another() {
    let gate = Gate::closed();
    let stage = Stage::new(2);
    let behind = gate.clone();
    stage.endpoint.script(move |request| {
        let stalled = request.record.as_ref().is_some_and(|id| id.partition == 0);
        if stalled { Reply::ok().behind(&behind) } else { Reply::ok() }
    });
    // One key: the partition stalls with all its records behind the first, many more than fit.
    let stalled = stage.produce((0..3_000).map(|_| Record::new("hot", "x").to(0)).collect());
    let mut keyway = stage.keyway().env("KEYWAY_BUFFER_RECORDS", 400).start();
    stage.endpoint.wait_until("the stalled request", |ledger| ledger.in_flight() == 1);
    keyway.wait_for_metrics("the stalled partition to rest", |metrics| {
        let labels = [("partition", "0"), ("reason", "buffer")];
        metrics.count("partition_held", &labels) == 1
    });
    let flowing =
        stage.produce((0..3_000).map(|n| Record::new(format!("{n}"), "x").to(1)).collect());
    stage.endpoint.wait_for_all(&flowing);
    let metrics = keyway.metrics();
    assert!(metrics.count("held_records", &[]) <= 400, "{metrics:?}");
    gate.open();
    let all = [stalled, flowing].concat();
    stage.finish(&mut keyway, &all);
    stage.endpoint.verdict(&all).assert_exact();
}
