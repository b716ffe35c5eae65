//! Promise P3: what was settled is not sent again; and where a group begins that has no commit, or
//! one by another program.

use std::time::Duration;

use super::settled::{Settled, bitset};
use super::stage::{Counts, Stage};
use crate::support::*;

#[test]
fn after_a_kill_only_what_was_not_committed_as_settled_is_sent_again() {
    let endpoint = Endpoint::builder()
        .script(script::slow(
            Duration::from_millis(5),
            Duration::from_millis(40),
            9,
            script::fail_share(9, 0.1, 503),
        ))
        .start();
    let stage = Stage::with(4, endpoint);
    let sent = stage.produce(numbered(3_000, 400));
    let mut keyway = stage.keyway().flag("--senders", 64).start();
    // Killed in the middle of commits and requests.
    stage.endpoint.wait_for_delivered(1_000);
    let before = Settled::of(&stage.topic, &stage.committed());
    keyway.kill();
    stage.endpoint.incident("killed");
    let at = stage.endpoint.look(Ledger::now);
    let after = Settled::of(&stage.topic, &stage.committed());
    let delivered: Vec<Id> = {
        let all = sent.iter().map(|one| one.id.clone());
        stage.endpoint.look(|ledger| all.filter(|id| ledger.has_delivered(id)).collect())
    };

    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_kept();
    let again = stage.endpoint.look(|ledger| ledger.sent_again_after(at));
    assert!(before.above() > 0, "the metadata had something to say: {before:?}");
    assert!(!again.iter().any(|one| before.has(&one.id)), "sent again: {again:?}, {before:?}");
    // Exactly what was delivered and in no commit.
    let expected = delivered.into_iter().filter(|id| !after.has(id));
    let found: Vec<Id> = again.into_iter().map(|one| one.id).collect();
    assert_eq!(found, {
        let mut all: Vec<Id> = expected.collect();
        all.sort();
        all
    });
}

#[test]
fn a_kill_sends_nothing_again_that_waited_behind_a_stuck_key() {
    let gate = Gate::closed();
    let stage = Stage::new(2);
    let behind = gate.clone();
    stage.endpoint.script(script::for_key(
        "k0",
        script::always(Reply::ok().behind(&behind)),
        script::ok(),
    ));
    let sent = stage.produce(numbered(600, 30));
    let mut keyway = stage.keyway().start();
    // 20 records wait for the first of them; all others are delivered and committed as settled.
    stage.endpoint.wait_for_delivered(580);
    let is_stuck = |one: &Sent| one.key.as_deref() == Some(b"k0");
    stage.mock.wait_for_commit(&stage.group, &stage.topic, "all but the stuck key", |found| {
        let settled = Settled::of(&stage.topic, found);
        sent.iter().all(|one| settled.has(&one.id) != is_stuck(one))
    });
    keyway.kill();
    stage.endpoint.incident("killed");
    gate.open();

    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_clean_stop_in_the_middle_sends_nothing_again() {
    let endpoint = Endpoint::builder()
        .script(script::slow(
            Duration::from_millis(1),
            Duration::from_millis(30),
            3,
            script::fail_share(3, 0.1, 503),
        ))
        .start();
    let stage = Stage::with(4, endpoint);
    let sent = stage.produce(numbered(1_500, 100));
    for part in [500, 1_000] {
        // The interval is longer than the story: it is the stop that commits.
        let mut keyway = stage.keyway().env("KEYWAY_COMMIT_INTERVAL", "1h").start();
        stage.endpoint.wait_for_delivered(part);
        keyway.stop();
        stage.endpoint.incident("stopped");
        let settled = Settled::of(&stage.topic, &stage.committed());
        let delivered = stage
            .endpoint
            .look(|ledger| sent.iter().filter(|one| ledger.has_delivered(&one.id)).count());
        let committed = sent.iter().filter(|one| settled.has(&one.id)).count();
        assert_eq!(committed, delivered, "a stop commits what was delivered, and nothing else");
    }
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn without_a_commit_a_group_begins_with_the_first_record() {
    let stage = Stage::new(2);
    let sent = stage.produce(numbered(20, 20));
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn without_a_commit_and_reset_latest_a_group_begins_with_what_comes() {
    let stage = Stage::new(1);
    let old = stage.produce(numbered(10, 10));
    let mut keyway = stage.keyway().kafka("auto.offset.reset", "latest").start();
    keyway.wait_ready();
    // Where the end of the log was looked up is not to be seen from here: records come until one
    // of them is delivered, and from that one on all are.
    let mut new = Vec::new();
    while stage.endpoint.look(Ledger::delivered) == 0 {
        new.extend(stage.produce(numbered(1, 1)));
    }
    new.extend(stage.produce(numbered(5, 5)));
    stage.endpoint.wait_for_all(&new[new.len() - 5..]);
    keyway.stop();
    let (delivered, first) = stage.endpoint.look(|ledger| {
        let first = new.iter().position(|one| ledger.has_delivered(&one.id));
        assert_eq!(ledger.lost(&old).len(), old.len(), "nothing old is delivered");
        (ledger.delivered(), first.expect("some were delivered"))
    });
    assert_eq!(delivered, new.len() - first);
}

#[test]
fn reset_error_without_a_commit_ends_the_process_with_the_reason() {
    let stage = Stage::new(1);
    stage.produce(numbered(3, 3));
    let mut keyway = stage.keyway().kafka("auto.offset.reset", "error").start();
    assert_eq!(keyway.wait_exit(), 1);
    assert!(keyway.stderr().contains("auto.offset.reset"), "{}", keyway.stderr());
    assert_eq!(stage.endpoint.look(Ledger::count), 0);
}

#[test]
fn metadata_of_another_program_is_ignored_and_said() {
    for (number, foreign) in
        ["not base64 at all!", "AQ==", "leader=node-7;v=2", "/////w=="].into_iter().enumerate()
    {
        let stage = Stage::new(1);
        let sent = stage.produce(numbered(10, 10));
        stage.mock.commit(&stage.group, &stage.topic, 0, 4, foreign);
        let mut keyway = stage.keyway().start();
        let warning = keyway.wait_for_log("commit metadata ignored");
        assert_eq!(warning["level"], "warn");
        assert_eq!(warning["offset"], 4);
        stage.endpoint.wait_for_all(&sent[4..]);
        stage.wait_all_committed();
        let metrics = keyway.metrics();
        assert_eq!(metrics.count("commit_metadata_ignored_total", &[]), 1, "{number}");
        keyway.stop();
        assert_eq!(stage.endpoint.look(Ledger::count), 6, "nothing before the commit: {foreign}");
    }
}

#[test]
fn a_group_moves_over_from_parallel_consumer_without_a_replay() {
    let stage = Stage::new(2);
    let sent = stage.produce((0..24).map(|n| Record::new(format!("{n}"), "x").to(n % 2)).collect());
    // Partition 0: 0 and 1 done, then 3, 4 and 7. Partition 1: nothing done, as its writer says so.
    stage.mock.commit(&stage.group, &stage.topic, 0, 2, &bitset("011001"));
    stage.mock.commit(&stage.group, &stage.topic, 1, 0, "bgAA");
    let mut keyway = stage.keyway().start();
    let done = |one: &&Sent| one.id.partition == 0 && [0, 1, 3, 4, 7].contains(&one.id.offset);
    let (done, open): (Vec<_>, Vec<_>) = sent.iter().partition(done);
    let open: Vec<Sent> = open.into_iter().cloned().collect();
    stage.endpoint.wait_for_all(&open);
    stage.wait_all_committed();
    let metrics = keyway.metrics();
    assert_eq!(metrics.count("records_skipped_total", &[]), 3);
    assert_eq!(metrics.count("commit_metadata_ignored_total", &[]), 0);
    keyway.stop();
    stage.endpoint.verdict(&open).assert_exact();
    assert_eq!(done.len() + open.len(), sent.len());
}
