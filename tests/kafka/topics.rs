//! What topics do while Keyway runs, or does not: they grow, shrink, go and come again.

use super::settled::Settled;
use super::stage::{Stage, distinct, keyed, said};
use crate::support::{Cluster, Gate, Kafka, Keyway, Reply, Sent, numbered, script, unique};

/// Records over all partitions of a topic, `each` for each.
fn spread(stage: &Stage<'_>, partitions: i32, each: usize) -> Vec<Sent> {
    let record = |to: i32| (0..each).map(move |n| keyed(n, n).to(to));
    stage.produce((0..partitions).flat_map(record).collect())
}

#[test]
fn records_deleted_while_nobody_runs_are_passed_with_a_warning() {
    let stage = Stage::new("deleted-below", 1);
    let mut sent = stage.produce(distinct(50));
    let mut keyway = stage.keyway().start();
    stage.finish(&sent).assert_exact();
    keyway.stop();
    let rest = stage.produce(distinct(50));
    stage.kafka.delete_records(&stage.topic, 0, 80);
    sent.extend(rest.into_iter().filter(|one| one.id.offset >= 80));
    let mut keyway = stage.keyway().start();
    stage.finish(&sent).assert_exact();
    let warning = keyway.wait_for_log("records were removed");
    assert_eq!((&warning["from"], &warning["to"]), (&50.into(), &80.into()), "{warning}");
    keyway.stop();
}

#[test]
fn records_deleted_under_a_member_that_is_held_up_are_passed() {
    let stage = Stage::new("deleted-under", 1);
    let gate = Gate::closed();
    let behind = gate.clone();
    stage.endpoint.script(move |_| Reply::ok().behind(&behind));
    // Written in small batches, and little held here and fetched ahead: most is still with the
    // broker when it is deleted there.
    let batches = (0..40).map(|batch| (0..50).map(|n| keyed(n, batch * 50 + n)).collect());
    let sent: Vec<Sent> = batches.flat_map(|batch| stage.produce(batch)).collect();
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_BUFFER_RECORDS", 50)
        .kafka("queued.min.messages", "1")
        .kafka("fetch.message.max.bytes", "1000")
        .start();
    // One place is left free for a partition that may come.
    stage.endpoint.wait_until("a full buffer", |ledger| ledger.in_flight() >= 49);
    stage.kafka.delete_records(&stage.topic, 0, 1_900);
    gate.open();
    let kept: Vec<Sent> = sent.iter().filter(|one| one.id.offset >= 1_900).cloned().collect();
    stage.endpoint.wait_for_all(&kept);
    stage.kafka.wait_all_committed(&stage.group, &stage.topic);
    assert!(stage.delivered() < 2_000, "some were deleted before they were read");
    keyway.stop();
    stage.endpoint.look(|ledger| {
        assert_eq!(ledger.unexpected(&sent), []);
        assert_eq!(ledger.sent_again(), []);
        assert_eq!(ledger.out_of_order(), []);
    });
}

#[test]
fn new_partitions_are_delivered_from_their_start() {
    let stage = Stage::new("grows", 1);
    let mut sent = stage.produce(numbered(50, 5));
    let mut keyway = stage.keyway().start();
    stage.endpoint.wait_for_all(&sent);
    stage.kafka.grow_topic(&stage.topic, 4);
    // Written before the member can know of them.
    sent.extend(spread(&stage, 4, 50));
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
}

#[test]
fn a_topic_that_is_not_there_yet_is_waited_for() {
    let kafka = Kafka::shared();
    let stage = Stage::of(kafka, "later", unique("later"));
    let mut keyway = stage.keyway().start();
    keyway.wait_for_log("waiting for the topic to be made");
    kafka.create_topic(&stage.topic, 2);
    let sent = stage.produce(numbered(50, 5));
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
}

#[test]
fn topics_that_match_a_pattern_are_found_when_they_are_made() {
    let kafka = Kafka::shared();
    let stem = unique("pattern");
    let mut stage = Stage::of(kafka, "pattern", format!("^{stem}-"));
    let mut keyway = stage.keyway().start();
    for number in 0..2 {
        stage.topic = format!("{stem}-{number}");
        kafka.create_topic(&stage.topic, 2);
        let sent = stage.produce(numbered(50, 5));
        stage.endpoint.wait_for_all(&sent);
        kafka.wait_all_committed(&stage.group, &stage.topic);
    }
    keyway.stop();
    assert!(stage.endpoint.look(crate::support::Ledger::sent_again).is_empty());
}

/// The offset of the records of a new topic that are held for a while.
const HELD: i64 = 5;

/// As [`made_again_under`], and the process is a member of the group.
fn made_again(name: &str, from: (i32, usize), to: (i32, usize), slowly: bool) {
    let noticed = slowly.then_some("waiting for the topic to be made");
    made_again_under(name, from, to, noticed, |keyway| keyway);
}

/// The topic is deleted and made again under a process, which has delivered `before` records of each
/// of `from` partitions; then there are `to` partitions with `after` records each. That it is gone
/// was `noticed` with these words before it is made again; without them it is made again at once.
fn made_again_under(
    name: &str,
    (from, before): (i32, usize),
    (to, after): (i32, usize),
    noticed: Option<&str>,
    settings: impl Fn(Keyway) -> Keyway,
) {
    let stage = Stage::new(name, from);
    let old = spread(&stage, from, before);
    let keyway = settings(stage.keyway().env("KEYWAY_COMMIT_INTERVAL", "100ms"));
    // At once: before the member asks for the topics again, so that only its fetches can tell.
    let refresh = if noticed.is_some() { "500" } else { "60000" };
    let mut keyway = keyway.kafka("topic.metadata.refresh.interval.ms", refresh).start();
    stage.finish(&old).assert_exact();
    let seen = stage.endpoint.look(crate::support::Ledger::count);
    stage.kafka.delete_topic(&stage.topic);
    if let Some(words) = noticed {
        keyway.wait_for_log(words);
    }
    // One of each partition is held until the others are settled: as long as it is under way,
    // nothing beyond it may be committed.
    let gate = Gate::closed();
    let held = script::always(Reply::ok().behind(&gate));
    stage.endpoint.script(script::for_key(&format!("k{HELD}"), held, script::ok()));
    stage.kafka.create_topic(&stage.topic, to);
    let new = spread(&stage, to, after);
    let rest = new.iter().filter(|one| one.id.offset != HELD);
    // The names are those of the old records, so the books are read from where the new ones begin.
    let wait_for_new = |count: usize| {
        stage.endpoint.wait_until("the new records", |ledger| {
            let delivered = ledger.requests()[seen..].iter().filter(|entry| entry.delivered());
            delivered.count() >= count
        });
    };
    wait_for_new(rest.clone().count());
    stage.kafka.wait_for_commit(&stage.group, &stage.topic, "all but the ones held", |found| {
        let settled = Settled::read(&stage);
        found.iter().all(|one| one.offset == Some(HELD))
            && rest.clone().all(|one| settled.contains(&one.id))
    });
    gate.open();
    wait_for_new(new.len());
    let limit = i64::try_from(after).expect("a small number");
    stage.kafka.wait_for_commit(&stage.group, &stage.topic, "the new end", |found| {
        assert!(
            found.iter().all(|one| one.offset <= Some(limit)),
            "an old offset was committed onto the new topic: {found:?}"
        );
        found.iter().all(|one| one.offset == Some(limit))
    });
    only_these(&stage, seen, &new);
    assert_eq!(keyway.exited(), None);
    keyway.stop();
}

/// What was requested from the request number `seen` on is exactly `wanted`, in order.
fn only_these(stage: &Stage<'_>, seen: usize, wanted: &[Sent]) {
    let mut asked: Vec<_> = stage.endpoint.look(|ledger| {
        ledger.requests()[seen..].iter().filter_map(|entry| entry.record.clone()).collect()
    });
    let per_partition = |partition: i32| asked.iter().filter(move |id| id.partition == partition);
    for partition in 0..8 {
        assert!(per_partition(partition).count() <= wanted.len());
    }
    asked.sort();
    let mut wanted: Vec<_> = wanted.iter().map(|one| one.id.clone()).collect();
    wanted.sort();
    assert_eq!(asked, wanted);
}

#[test]
fn a_topic_deleted_and_made_again_later_is_delivered_from_its_start() {
    made_again("again-later", (2, 60), (2, 20), true);
}

#[test]
fn a_topic_deleted_and_made_again_at_once_is_delivered_from_its_start() {
    made_again("again-at-once", (2, 60), (2, 20), false);
}

#[test]
fn a_topic_made_again_with_fewer_partitions_is_delivered_from_its_start() {
    made_again("again-fewer", (4, 60), (1, 20), false);
}

#[test]
fn a_topic_made_again_with_more_records_than_before_is_delivered_from_its_start() {
    made_again("again-more", (2, 20), (2, 60), false);
}

/// The same with fixed partitions. Nobody assigns them anew: what is fetched has to tell that the
/// topic is another one.
fn fixed_made_again(name: &str, from: (i32, usize), to: (i32, usize), slowly: bool) {
    let noticed = slowly.then_some("waiting for the topic to be made");
    made_again_under(name, from, to, noticed, |keyway| keyway.env("KEYWAY_PARTITIONS", "0,1"));
}

#[test]
fn fixed_partitions_of_a_topic_made_again_with_fewer_records_are_delivered_from_their_start() {
    fixed_made_again("fixed-fewer", (2, 60), (2, 20), true);
    fixed_made_again("fixed-fewer-at-once", (2, 60), (2, 20), false);
}

#[test]
fn fixed_partitions_of_a_topic_made_again_with_more_records_are_delivered_from_their_start() {
    fixed_made_again("fixed-more", (2, 20), (2, 60), true);
    fixed_made_again("fixed-more-at-once", (2, 20), (2, 60), false);
}

#[test]
fn a_topic_made_again_while_nobody_runs_is_delivered_from_its_start() {
    let stage = Stage::new("again-meanwhile", 2);
    // One key is refused, so that there is metadata, too.
    stage.endpoint.script(|request| {
        Reply::status(if request.key.as_deref() == Some("k3") { 503 } else { 200 })
    });
    spread(&stage, 2, 60);
    let mut keyway = stage.keyway().start();
    stage.endpoint.wait_for_delivered(118);
    keyway.stop();
    stage.kafka.delete_topic(&stage.topic);
    stage.kafka.create_topic(&stage.topic, 2);
    let new = spread(&stage, 2, 80);
    stage.endpoint.script(script::ok());
    let seen = stage.endpoint.look(crate::support::Ledger::count);
    let mut keyway = stage.keyway().start();
    stage.kafka.wait_all_committed(&stage.group, &stage.topic);
    keyway.stop();
    only_these(&stage, seen, &new);
}

#[test]
fn a_member_whose_topic_was_deleted_lives_on_and_says_so() {
    let stage = Stage::new("deleted", 2);
    let sent = stage.produce(numbered(50, 5));
    let mut keyway = stage.keyway().start();
    stage.finish(&sent).assert_exact();
    stage.kafka.delete_topic(&stage.topic);
    let line = keyway.wait_for_log("waiting for the topic to be made");
    println!("deleted: {line}");
    assert_eq!(keyway.exited(), None);
    assert_eq!(keyway.get("/livez").map(|(status, _)| status), Some(200));
    let noise = said(&keyway, "waiting for the topic to be made");
    assert!(noise < 10, "said {noise} times");
    keyway.stop();
}
