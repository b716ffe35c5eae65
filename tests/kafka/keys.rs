//! Keys as they are in life: a few are hot, many are rare, some fail.

use std::time::Duration;

use super::stage::Stage;
use crate::support::script::{fail_keys, slow};
use crate::support::{Endpoint, Lanes, zipf};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn hot_keys_of_which_a_fifth_fails_twice() {
    let stage = Stage::new("zipf", 6);
    stage.endpoint.script(slow(MS(1), MS(8), 3, fail_keys(9, 0.2, 2, 503)));
    let sent = stage.produce(zipf(4_000, 500, 1.0, 17));
    let mut keyway = stage.keyway().start();
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
    let failed = stage.endpoint.look(|ledger| ledger.answered(503));
    println!("zipf: {failed} failures among {} records", sent.len());
    assert!(failed > 200);
}

#[test]
fn with_order_by_partition_a_failure_holds_its_partition_and_no_other() {
    let mut stage = Stage::new("by-partition", 5);
    // Every partition has a record that fails twice; the first has one that fails until it may not.
    stage.endpoint = Endpoint::builder().lanes(Lanes::Partition).start();
    stage.endpoint.script(|request| {
        let stuck = request.record.as_ref().is_some_and(|id| id.partition == 0 && id.offset == 50);
        let fails = stuck || (request.number % 20 == 0 && request.seen < 2);
        crate::support::Reply::status(if fails { 503 } else { 200 })
    });
    let records = crate::support::numbered(5_000, 500);
    let spread = records.into_iter().zip((0..5).cycle()).map(|(one, to)| one.to(to));
    let sent = stage.produce(spread.collect());
    let mut keyway = stage.keyway().flag("--ordering", "partition").start();
    // All but what follows the stuck one.
    stage.endpoint.wait_for_delivered(4_050);
    let (first, others) = stage.endpoint.look(|ledger| {
        let lost = ledger.lost(&sent);
        let first = lost.iter().filter(|id| id.partition == 0).count();
        (first, lost.len() - first)
    });
    assert_eq!((first, others), (950, 0));
    stage.endpoint.script(crate::support::script::ok());
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
}
