//! What is bounded stays so: the buffer, the requests at once, and what one partition or one bad
//! key may take from the others.

use std::time::Duration;

use super::stage::{Stage, distinct, keyed};
use crate::support::{Gate, Record, Reply, script};

#[test]
fn intake_rests_when_the_buffer_is_full_and_goes_on() {
    let stage = Stage::new("buffer", 2);
    let gate = Gate::closed();
    let behind = gate.clone();
    stage.endpoint.script(move |_| Reply::ok().behind(&behind));
    let sent = stage.produce(distinct(2_000));
    let mut keyway = stage.keyway().env("KEYWAY_BUFFER_RECORDS", 200).start();
    let rests = keyway.wait_for_metrics("the intake to rest", |metrics| {
        metrics.sum("keyway_partition_held", &[("reason", "buffer")]) > 0.5
    });
    assert!(rests.sum("keyway_held_records", &[]) <= 200.0);
    gate.open();
    let verdict = stage.finish(&sent);
    let rests = keyway.metrics();
    assert!(rests.sum("keyway_held_records", &[]) < 0.5);
    keyway.stop();
    verdict.assert_exact();
}

#[test]
fn as_many_requests_at_once_as_there_are_senders_and_never_more() {
    let stage = Stage::new("concurrency", 4);
    stage.endpoint.script(|_| Reply::ok().after(Duration::from_millis(30)));
    let sent = stage.produce(distinct(2_000));
    let mut keyway = stage.keyway().flag("--senders", 100).start();
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
    assert_eq!(stage.endpoint.look(crate::support::Ledger::most_in_flight), 100);
}

#[test]
fn half_of_all_records_fail_and_a_small_buffer_is_enough() {
    let stage = Stage::new("half-fail", 4);
    stage.endpoint.script(|request| {
        let odd =
            request.key.as_deref().is_some_and(|key| key.ends_with(['1', '3', '5', '7', '9']));
        Reply::status(if odd && request.seen < 1 { 503 } else { 200 })
    });
    let sent = stage.produce(distinct(4_000));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_BUFFER_RECORDS", 500)
        .env("KEYWAY_RETRY_INITIAL", "200ms")
        .start();
    let mut most = 0.0_f64;
    crate::support::wait_for("all records", || {
        most = most.max(keyway.metrics().sum("keyway_held_records", &[]));
        (stage.delivered() == sent.len()).then_some(())
    });
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
    assert!(most <= 500.0, "{most} records held");
}

#[test]
fn a_partition_that_stalls_and_a_key_that_fails_stop_nobody_else() {
    let stage = Stage::new("isolation", 5);
    let gate = Gate::closed();
    let behind = gate.clone();
    // Partition 0 hangs, key k7 of every partition fails.
    stage.endpoint.script(move |request| {
        let hangs = request.record.as_ref().is_some_and(|id| id.partition == 0);
        let fails = request.key.as_deref() == Some("k7") && !hangs;
        let reply = Reply::status(if fails { 503 } else { 200 });
        if hangs { reply.behind(&behind) } else { reply }
    });
    let record = |n: usize| -> Record {
        let partition = i32::try_from(n % 5).expect("less than five");
        keyed(n / 5 % 50, n).to(partition)
    };
    let sent = stage.produce((0..10_000).map(record).collect());
    let mut keyway = stage.keyway().env("KEYWAY_BUFFER_RECORDS", 2_000).start();
    // Of each of the other four: all but the records of k7.
    stage.endpoint.wait_for_delivered(4 * 2_000 * 49 / 50);
    gate.open();
    stage.endpoint.script(script::ok());
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
}
