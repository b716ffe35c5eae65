//! Offsets that are never delivered (compacted away, markers of transactions, aborted records)
//! count as settled: what is committed reaches the end of the log.

use super::stage::{Stage, keyed};
use crate::support::{Cluster, Kafka, Reply, numbered, script};

/// The lag that the member shows, over all partitions.
fn wait_until_lag_is_gone(stage: &Stage<'_>, keyway: &mut crate::support::Running) {
    let ends = stage.kafka.watermarks(&stage.topic);
    stage.kafka.wait_for_commit(&stage.group, &stage.topic, &format!("{ends:?}"), |found| {
        found.iter().all(|one| one.offset == Some(ends[&one.partition].high))
    });
    keyway.wait_for_metrics("no lag", |metrics| {
        metrics.has("keyway_consumer_lag") && metrics.sum("keyway_consumer_lag", &[]) < 0.5
    });
}

#[test]
fn a_compacted_topic_is_delivered_to_its_end() {
    let kafka = Kafka::shared();
    let topic = kafka.compacted_topic("compacted", 2);
    let stage = Stage::of(kafka, "compacted", topic);
    let mut sent = stage.produce(numbered(1_000, 5));
    sent.extend(kafka.wait_until_compacted(&stage.topic, 500));
    let mut keyway = stage.keyway().start();
    wait_until_lag_is_gone(&stage, &mut keyway);
    keyway.stop();
    let contents = kafka.contents(&stage.topic);
    assert!(contents.len() < 500);
    stage.endpoint.look(|ledger| {
        assert_eq!(ledger.lost(&contents), [], "what is there was delivered");
        assert_eq!(ledger.unexpected(&sent), []);
        assert_eq!(ledger.out_of_order(), []);
        assert!(ledger.sent_again().is_empty());
        assert!(ledger.delivered() < 500, "what was compacted away was not");
    });
}

#[test]
fn a_record_that_waited_is_compacted_away_while_nobody_runs() {
    let kafka = Kafka::shared();
    let topic = kafka.compacted_topic("compacted-base", 1);
    let stage = Stage::of(kafka, "compacted-base", topic);
    // k0 is refused for now, and holds the committed offset at its first record.
    stage.endpoint.script(|request| {
        Reply::status(if request.key.as_deref() == Some("k0") { 503 } else { 200 })
    });
    let mut sent = stage.produce(numbered(100, 10));
    let mut keyway = stage.keyway().start();
    stage.endpoint.wait_for_delivered(90);
    stage.endpoint.wait_until("a try of k0", |ledger| ledger.answered(503) > 0);
    keyway.stop();
    assert_eq!(kafka.committed(&stage.group, &stage.topic)[0].offset, Some(0));
    // A newer k0 takes the place of the ten that were waiting.
    sent.extend(stage.produce(vec![keyed(0, 100)]));
    sent.extend(kafka.wait_until_compacted(&stage.topic, 50));
    stage.endpoint.script(script::ok());
    let mut keyway = stage.keyway().start();
    wait_until_lag_is_gone(&stage, &mut keyway);
    keyway.stop();
    let contents = kafka.contents(&stage.topic);
    stage.endpoint.look(|ledger| {
        assert_eq!(ledger.lost(&contents), []);
        assert_eq!(ledger.sent_again(), []);
        assert_eq!(ledger.out_of_order(), []);
    });
}

#[test]
fn committed_records_of_transactions_are_delivered_and_aborted_ones_pass() {
    let stage = Stage::new("read-committed", 2);
    let mut sent = Vec::new();
    let mut keyway = stage.keyway().kafka("isolation.level", "read_committed").start();
    for committed in [true, false, true, false] {
        let records = stage.kafka.produce_in_transaction(&stage.topic, numbered(40, 8), committed);
        sent.extend(records.into_iter().filter(|_| committed));
        // The end of the log is a marker each time, and after an aborted transaction nothing but.
        stage.endpoint.wait_for_all(&sent);
        wait_until_lag_is_gone(&stage, &mut keyway);
    }
    keyway.stop();
    stage.endpoint.verdict(&sent).assert_exact();
    // The next one has nothing to do.
    let mut keyway = stage.keyway().kafka("isolation.level", "read_committed").start();
    keyway.wait_ready();
    sent.extend(stage.produce(vec![keyed(1, 1_000)]));
    stage.endpoint.wait_for_all(&sent);
    keyway.stop();
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn aborted_records_are_delivered_to_those_who_ask_for_them() {
    let stage = Stage::new("read-uncommitted", 2);
    let mut sent = stage.kafka.produce_in_transaction(&stage.topic, numbered(40, 8), true);
    sent.extend(stage.kafka.produce_in_transaction(&stage.topic, numbered(40, 8), false));
    let mut keyway = stage.keyway().kafka("isolation.level", "read_uncommitted").start();
    stage.endpoint.wait_for_all(&sent);
    wait_until_lag_is_gone(&stage, &mut keyway);
    keyway.stop();
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn records_between_markers_are_not_sent_again_after_a_restart() {
    let stage = Stage::new("markers-restart", 1);
    // The first record is refused; what comes after it, and the markers between, are settled.
    stage.endpoint.script(|request| {
        let first = request.record.as_ref().is_some_and(|id| id.offset == 0);
        Reply::status(if first { 503 } else { 200 })
    });
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.extend(stage.kafka.produce_in_transaction(
            &stage.topic,
            super::stage::distinct(10),
            true,
        ));
        drop(stage.kafka.produce_in_transaction(&stage.topic, super::stage::distinct(3), false));
    }
    let start = || stage.keyway().kafka("isolation.level", "read_committed").start();
    let mut keyway = start();
    // Five records have the key of the first, and wait for it.
    stage.endpoint.wait_for_delivered(45);
    keyway.stop();
    stage.endpoint.script(script::ok());
    let mut keyway = start();
    stage.endpoint.wait_for_all(&sent);
    wait_until_lag_is_gone(&stage, &mut keyway);
    keyway.stop();
    stage.endpoint.verdict(&sent).assert_exact();
}
