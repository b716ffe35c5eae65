//! A log loses its end under a running member, as in an unclean leader election: what is left of it
//! is delivered, whatever happens meanwhile.

use super::settled::{Settled, wait_until_covered};
use super::stage::{Stage, keyed};
use crate::support::{Cluster, Gate, Kafka, Keyway, Ledger, Record, Reply, Request, Sent};

/// 200 to all, once the gate is open to those whose key says that they are held.
fn hold(gate: &Gate) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let gate = gate.clone();
    move |request| {
        if is_held(request.key.as_deref()) { Reply::ok().behind(&gate) } else { Reply::ok() }
    }
}

fn is_held(key: Option<&str>) -> bool {
    key.is_some_and(|key| key.starts_with("held"))
}

fn text(sent: &Sent) -> Option<&str> {
    sent.key.as_deref().and_then(|key| std::str::from_utf8(key).ok())
}

/// Writes records in batches of at most five, so that the log can be cut between them.
fn written(stage: &Stage<'_>, records: Vec<Record>) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let later = rest.split_off(rest.len().min(5));
        sent.extend(stage.produce(std::mem::replace(&mut rest, later)));
    }
    sent
}

/// Kills the broker and starts it again with logs that end at `most` or before; says where.
fn cut(stage: &Stage<'_>, partitions: i32, most: i64) -> i64 {
    stage.kafka.kill();
    let cut = |partition| stage.kafka.cut_log(&stage.topic, partition, most);
    let ends: Vec<i64> = (0..partitions).map(cut).collect();
    stage.kafka.restart();
    assert!(ends.iter().all(|&end| end == ends[0] && end > most - 5), "{ends:?}");
    ends[0]
}

/// Waits until all are delivered that are not held.
fn wait_for_free(stage: &Stage<'_>, sent: &[Sent]) {
    let free: Vec<Sent> = sent.iter().filter(|one| !is_held(text(one))).cloned().collect();
    stage.endpoint.wait_for_all(&free);
    wait_until_covered(stage);
}

/// The requests for these very records: another may have had the same place in the log before.
fn asked(ledger: &Ledger, records: &[Sent]) -> Vec<usize> {
    let requests = |one: &Sent| {
        let same = |body: &bytes::Bytes| Some(&body[..]) == one.value.as_deref();
        let all = ledger.requests_for(&one.id);
        all.filter(|entry| entry.delivered() && entry.body.as_ref().is_some_and(same)).count()
    };
    records.iter().map(requests).collect()
}

#[test]
fn what_is_left_of_a_log_that_was_cut_is_not_lost_in_a_crash() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "cut", 1);
    // Where the place in the log is lost, `latest` goes on at the end: nothing comes again by
    // itself. It passes by what is there when nothing is committed.
    kafka.commit(&stage.group, &stage.topic, 0, 0, "");
    let gate = Gate::closed();
    stage.endpoint.script(hold(&gate));
    let record = |n: usize| match n {
        50.. if n.is_multiple_of(10) => Record::new(format!("held-{}", n % 20), format!("{n}")),
        _ => keyed(n, n),
    };
    let old = written(&stage, (0..150).map(record).collect());
    let member = || {
        let latest = stage.keyway().kafka("auto.offset.reset", "latest");
        latest.env("KEYWAY_COMMIT_INTERVAL", "200ms").kafka("group.instance.id", "only").start()
    };
    let mut keyway = member();
    wait_for_free(&stage, &old);

    let end = cut(&stage, 1, 100);
    keyway.wait_for_log("the log went back");
    let fresh = |n: usize| Record::new(format!("new-{n}"), format!("new {n}"));
    let new = stage.produce((0..20).map(fresh).collect());
    assert_eq!(new[0].id.offset, end, "they take the places of those that were cut off");
    stage.endpoint.wait_until("the new records", |ledger| asked(ledger, &new) == vec![1; 20]);
    kafka.wait_for_commit(&stage.group, &stage.topic, "the new ones and not the old", |_| {
        let settled = Settled::read(&stage);
        new.iter().all(|one| settled.contains(&one.id)) && !settled.contains(&old[149].id)
    });
    keyway.kill();
    stage.endpoint.incident("killed");
    gate.open();
    let mut keyway = member();
    kafka.wait_all_committed(&stage.group, &stage.topic);
    keyway.stop();

    let left = &old[..usize::try_from(end).expect("a place in the log")];
    stage.endpoint.look(|ledger| {
        assert_eq!(ledger.lost(left), [], "what is left of the log was not delivered");
        assert_eq!(asked(ledger, &new), vec![1; 20], "delivered, and not sent again");
        assert_eq!((ledger.out_of_order(), ledger.overlaps()), (vec![], vec![]));
        let settled = |id: &crate::support::Id| id.offset < 50;
        assert!(ledger.sent_again().iter().all(|again| !settled(&again.id)), "below the base");
    });
}

/// The one that had the log before the cut, and the one that has it now, are two stays of the same
/// member: a partition that is asked back must be let go of by both.
#[test]
fn nothing_of_a_log_that_was_cut_is_begun_once_its_partition_was_given_up() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "cut-revoked", 2);
    let gate = Gate::closed();
    stage.endpoint.script(hold(&gate));
    let record = |n: usize, to| match n {
        10 | 15 | 20 => Record::new("held", format!("{n}")).to(to),
        _ => keyed(n, n).to(to),
    };
    let old: Vec<Sent> =
        (0..2).flat_map(|to| written(&stage, (0..30).map(|n| record(n, to)).collect())).collect();
    let member = |path: &str| {
        let keyway = Keyway::run(&kafka).topic(&stage.topic).group(&stage.group);
        keyway.url(&stage.endpoint.url_of(path)).kafka("heartbeat.interval.ms", "500").start()
    };
    let mut one = member("/one");
    wait_for_free(&stage, &old);
    let end = cut(&stage, 2, 25);
    one.wait_for_logs("the log went back", 2);
    // Of each partition three of the stay that ended, and the same of the one that follows.
    one.wait_for_metrics("the records of both stays", |metrics| {
        (metrics.sum("keyway_held_records", &[]) - 12.0).abs() < 0.5
    });
    let mut two = member("/two");
    one.wait_for_log("partitions are asked back");
    one.wait_for_metrics("what is queued to be let go", |metrics| {
        metrics.sum("keyway_records_returned_total", &[]) > 2.5
    });
    let begun = stage.endpoint.look(Ledger::count);
    gate.open();
    kafka.wait_all_committed(&stage.group, &stage.topic);
    two.stop();
    one.stop();

    let left: Vec<Sent> = old.into_iter().filter(|one| one.id.offset < end).collect();
    stage.endpoint.look(|ledger| {
        let by = |path: &str| {
            let later = ledger.requests()[begun..].iter();
            let by_path = later.filter(|entry| entry.path().as_deref() == Some(path));
            by_path.filter_map(|entry| entry.record.as_ref()).collect::<Vec<_>>()
        };
        let given_up = by("/two").first().expect("a request of the second").partition;
        let after: Vec<_> = by("/one").into_iter().filter(|id| id.partition == given_up).collect();
        assert!(after.is_empty(), "begun by the first although it had given them up: {after:?}");
        assert_eq!(ledger.lost(&left), []);
        assert_eq!(ledger.overlaps(), []);
        // The one that was kept is delivered again from the base on, in its turn.
        let mut disorder = ledger.out_of_order();
        disorder.retain(|found| found.later.partition == given_up);
        assert_eq!(disorder, []);
    });
}
