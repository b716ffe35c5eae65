//! Promises P1 to P3 while members come and go.

use std::time::Duration;

use super::stage::Stage;
use crate::support::*;

fn partitions(keyway: &mut Running, count: f64) -> Metrics {
    keyway.wait_for_metrics(&format!("{count} partitions"), |metrics| {
        metrics.sum("keyway_assigned_partitions", &[]) == count
    })
}

// Not told here: the eager protocol, where the mock cluster refuses the commit of what is revoked (a
// real broker takes it).

#[test]
fn members_come_and_go_and_nothing_is_sent_again() {
    let endpoint = Endpoint::builder()
        .script(script::slow(
            Duration::from_millis(1),
            Duration::from_millis(30),
            5,
            script::fail_keys(5, 0.2, 2, 503),
        ))
        .start();
    let stage = Stage::with(6, endpoint);
    let load = stage
        .mock
        .load(&stage.topic, 400, |n| Record::new(format!("k{}", n % 150), format!("{n}")));
    let mut first = stage.keyway().start();
    partitions(&mut first, 6.0);
    for _ in 0..2 {
        let mut second = stage.keyway().start();
        partitions(&mut second, 3.0);
        partitions(&mut first, 3.0);
        second.wait_for_metrics("the second to deliver", |metrics| {
            metrics.sum("keyway_records_delivered_total", &[]) > 50.0
        });
        second.stop();
        partitions(&mut first, 6.0);
    }
    let sent = load.stop();
    stage.finish(&mut first, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_revoked_partition_is_drained_and_committed_before_the_next_owner_begins() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(2, endpoint);
    let keyed = |n: usize| Record::new(format!("k{n}"), "x").to(i32::try_from(n % 2).unwrap_or(0));
    let sent = stage.produce((0..40).map(keyed).collect());
    let mut first = stage.keyway().flag("--senders", 10).start();
    stage.endpoint.wait_until("ten requests", |ledger| ledger.in_flight() == 10);
    let mut second = stage.keyway().start();
    // The first has requests in flight on both partitions; it is asked for one of them, and what it
    // has not sent of that one is the second's.
    first.wait_for_log("partitions are asked back");
    assert_eq!(stage.endpoint.look(Ledger::count), 10, "nothing new begins meanwhile");
    gate.open();
    partitions(&mut second, 1.0);
    stage.endpoint.wait_for_all(&sent);
    stage.wait_all_committed();
    assert!(second.metrics().sum("keyway_records_delivered_total", &[]) > 0.0);
    second.stop();
    first.stop();
    stage.endpoint.verdict(&sent).assert_exact();
}
