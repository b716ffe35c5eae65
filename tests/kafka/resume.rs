//! Stopped and started again, or joined by another: what was finished is not sent again, however
//! long ago the last commit by the clock was.

use super::stage::{Stage, distinct, faulty, keyed, wait_until_shared};
use crate::support::{Cluster, Reply, script};

/// Longer than any story takes.
const NEVER: &str = "24h";

#[test]
fn a_second_member_joins_between_commits_a_day_apart() {
    let stage = Stage::new("day", 6);
    stage.endpoint.script(faulty(2, 40, 0.03));
    let load = stage.load(300, 60);
    let start = || stage.keyway().env("KEYWAY_COMMIT_INTERVAL", NEVER).start();
    let mut first = start();
    stage.wait_for_more(300);
    assert_eq!(stage.kafka.committed_total(&stage.group, &stage.topic), 0);
    let mut second = start();
    wait_until_shared(&mut [&mut first, &mut second], 6);
    assert!(stage.kafka.committed_total(&stage.group, &stage.topic) > 0);
    stage.wait_for_more(200);
    first.stop();
    wait_until_shared(&mut [&mut second], 6);
    let sent = load.stop();
    stage.endpoint.wait_for_all(&sent);
    second.stop();
    stage.kafka.wait_all_committed(&stage.group, &stage.topic);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn of_ten_thousand_the_three_that_failed_are_sent_after_a_restart() {
    let stage = Stage::new("three-fail", 4);
    let fails = |key: &str| matches!(key, "k17" | "k5000" | "k9999");
    stage.endpoint.script(move |request| {
        Reply::status(if request.key.as_deref().is_some_and(fails) { 503 } else { 200 })
    });
    let sent = stage.produce(distinct(10_000));
    let mut keyway = stage.keyway().start();
    stage.endpoint.wait_for_delivered(9_997);
    keyway.stop();
    stage.endpoint.script(script::ok());
    let seen = stage.endpoint.look(crate::support::Ledger::count);
    let mut keyway = stage.keyway().start();
    stage.finish(&sent).assert_exact();
    keyway.stop();
    let mut after: Vec<String> = stage.endpoint.look(|ledger| {
        ledger.requests()[seen..].iter().filter_map(|entry| entry.key.clone()).collect()
    });
    after.sort();
    assert_eq!(after, ["k17", "k5000", "k9999"]);
}

#[test]
fn one_record_each_time_it_runs() {
    let stage = Stage::new("one-by-one", 1);
    let mut sent = Vec::new();
    for number in 0..5 {
        sent.extend(stage.produce(vec![keyed(0, number)]));
        let mut keyway = stage.keyway().env("KEYWAY_COMMIT_INTERVAL", NEVER).start();
        stage.endpoint.wait_for_all(&sent);
        keyway.stop();
        let committed = stage.kafka.committed(&stage.group, &stage.topic);
        assert_eq!(committed[0].offset, i64::try_from(sent.len()).ok());
        assert_eq!(committed[0].metadata, "");
    }
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_stop_takes_the_requests_under_way_and_no_other() {
    let stage = Stage::new("stop-drains", 1);
    let gate = crate::support::Gate::closed();
    let behind = gate.clone();
    stage.endpoint.script(move |_| Reply::ok().behind(&behind));
    let mut sent = stage.produce(distinct(2));
    let mut keyway = stage.keyway().start();
    stage.endpoint.wait_until("two requests", |ledger| ledger.in_flight() == 2);
    keyway.signal(crate::support::Signal::TERM);
    keyway.wait_for_log("stopping");
    sent.extend(stage.produce(distinct(10)));
    gate.open();
    assert_eq!(keyway.wait_exit(), 0);
    assert_eq!(stage.endpoint.look(crate::support::Ledger::count), 2);
    assert_eq!(stage.kafka.committed_total(&stage.group, &stage.topic), 2);
    let mut keyway = stage.keyway().start();
    stage.finish(&sent).assert_exact();
    keyway.stop();
}
