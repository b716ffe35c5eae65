//! Promises P1 to P3 while members come and go.
//!
//! Told here for the cooperative protocol only: while a group rebalances the mock cluster refuses
//! commits, also those of what is being revoked, which a real broker takes. The stories of the real
//! broker tell of the eager one, and of members that are thrown out.

use std::time::Duration;

use super::stage::{Counts, Stage};
use crate::support::*;

/// Tells a story until the mock cluster tells it right.
///
/// It declares a group complete as soon as the leader has sent the assignment, and then refuses a
/// member that asks for its part a moment later: that one joins again, and the commits of a drain
/// that is under way are refused until the draining member is thrown out. A story in which that
/// happened still may lose nothing, and is told again. It is rare: each answer of the brokers comes
/// late, and the leader needs one more of them than the others before it sends the assignment.
fn told_right(story: impl Fn() -> (Verdict, bool)) {
    const TRIES: usize = 10;
    for _ in 0..TRIES {
        let (verdict, refused) = story();
        if !refused {
            return verdict.assert_undisturbed();
        }
        assert!(verdict.lost.is_empty() && verdict.altered.is_empty(), "{verdict}");
    }
    panic!("the mock cluster refused a member in each of {TRIES} tries");
}

const HEAD_START: Duration = Duration::from_millis(100);

/// `keyway` with what librdkafka says about its group in the log.
fn member(stage: &Stage) -> Running {
    stage.keyway().kafka("debug", "cgrp").env("KEYWAY_LOG_LEVEL", "debug").start()
}

/// Whether the mock cluster refused it, see [`told_right`].
fn was_refused(member: &Running) -> bool {
    let refused = |line: &serde_json::Value| {
        line["msg"].as_str().is_some_and(|msg| msg.contains("SyncGroup error: Broker: Invalid"))
    };
    member.log().iter().any(refused)
}

fn wait_for_partitions(member: &mut Running, count: usize) {
    member.wait_for_metrics(&format!("{count} partitions"), |metrics| {
        metrics.count("assigned_partitions", &[]) == count
    });
}

#[test]
fn members_come_and_go_and_nothing_is_sent_again() {
    told_right(|| {
        let endpoint = Endpoint::builder()
            .script(script::slow(
                Duration::from_millis(1),
                Duration::from_millis(30),
                5,
                script::fail_keys(5, 0.2, 2, 503),
            ))
            .start();
        let stage = Stage::with(6, endpoint);
        stage.mock.delay(HEAD_START);
        let load = stage
            .mock
            .load(&stage.topic, 400, |n| Record::new(format!("k{}", n % 150), format!("{n}")));
        let mut refused = false;
        let mut first = member(&stage);
        wait_for_partitions(&mut first, 6);
        for _ in 0..2 {
            let mut second = member(&stage);
            wait_for_partitions(&mut second, 3);
            wait_for_partitions(&mut first, 3);
            second.wait_for_metrics("the second to deliver", |metrics| {
                metrics.count("records_delivered_total", &[]) > 50
            });
            second.stop();
            refused |= was_refused(&second);
            wait_for_partitions(&mut first, 6);
        }
        let sent = load.stop();
        stage.finish(&mut first, &sent);
        (stage.endpoint.verdict(&sent), refused || was_refused(&first))
    });
}

#[test]
fn a_revoked_partition_is_drained_and_committed_before_the_next_owner_begins() {
    told_right(|| {
        let gate = Gate::closed();
        let endpoint =
            Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
        let stage = Stage::with(2, endpoint);
        stage.mock.delay(HEAD_START);
        let sent =
            stage.produce((0..40).map(|n| Record::new(format!("k{n}"), "x").to(n % 2)).collect());
        let mut first = stage
            .keyway()
            .kafka("debug", "cgrp")
            .env("KEYWAY_LOG_LEVEL", "debug")
            .flag("--senders", 10)
            .start();
        stage.endpoint.wait_until("ten requests", |ledger| ledger.in_flight() == 10);
        let mut second = member(&stage);
        // The first has requests in flight on both partitions; it is asked for one of them, and
        // what it has not sent of that one is the second's.
        first.wait_for_log("partitions are asked back");
        let begun = stage.endpoint.look(Ledger::count);
        gate.open();
        wait_for_partitions(&mut second, 1);
        stage.endpoint.wait_for_all(&sent);
        stage.wait_all_committed();
        let delivered = second.metrics().count("records_delivered_total", &[]);
        second.stop();
        first.stop();
        let refused = was_refused(&first) || was_refused(&second);
        assert!(refused || begun == 10, "{begun} requests: some began while others drained");
        assert!(refused || delivered > 0);
        (stage.endpoint.verdict(&sent), refused)
    });
}
