//! More settled above the committed offset than a commit's metadata can hold: `offset_overflow`.

use super::settled::Settled;
use super::stage::{Counts, Stage};
use crate::support::*;

/// So little that a few hundred offsets fill it.
const LIMIT: usize = 64;

/// 1,500 records of which a third is stuck, every one in a lane of its own: in no order, so that no
/// encoding can tell of them all in [`LIMIT`] characters.
fn scattered() -> Vec<Record> {
    let mut rng = Rng::new(29);
    let mut key = |n| if rng.below(3) == 0 { format!("stuck-{n}") } else { format!("free-{n}") };
    (0..1_500).map(|n| Record::new(key(n), "x").to(0)).collect()
}

fn is_stuck(one: &Sent) -> bool {
    one.key.as_deref().is_some_and(|key| key.starts_with(b"stuck"))
}

/// A stage on which the stuck ones fail; fixed partitions, so that a run need not wait until the
/// group has noticed that the one before was killed.
fn stage() -> (Stage, Vec<Sent>) {
    let stage = Stage::new(1);
    stage.endpoint.script(|request| {
        let stuck = request.key.as_deref().is_some_and(|key| key.starts_with("stuck"));
        Reply::status(if stuck { 422 } else { 200 })
    });
    let sent = stage.produce(scattered());
    (stage, sent)
}

fn run(stage: &Stage, overflow: &str) -> Running {
    stage
        .keyway()
        .env("KEYWAY_PARTITIONS", "0")
        .env("KEYWAY_OFFSET_METADATA_MAX_BYTES", LIMIT)
        .env("KEYWAY_OFFSET_OVERFLOW", overflow)
        .start()
}

/// Kills it, takes what was stuck from now on, and runs it again until all is delivered.
fn killed_and_run_again(
    stage: &Stage,
    mut keyway: Running,
    overflow: &str,
    sent: &[Sent],
) -> Verdict {
    keyway.kill();
    stage.endpoint.incident("killed");
    stage.endpoint.script(script::ok());
    let mut keyway = run(stage, overflow);
    stage.finish(&mut keyway, sent);
    stage.endpoint.verdict(sent)
}

#[test]
fn hold_takes_in_no_more_than_the_metadata_can_tell_of() {
    let (stage, sent) = stage();
    let mut keyway = run(&stage, "hold");
    keyway.wait_for_metrics("the partition to be held", |metrics| {
        metrics.count("partition_held", &[("reason", "offset_span")]) == 1
    });
    // All that it has taken in and can be delivered is, and is committed as settled, in the room
    // that there is.
    let committed =
        stage.mock.wait_for_commit(&stage.group, &stage.topic, "the free ones", |found| {
            let settled = Settled::of(&stage.topic, found);
            let delivered = stage.endpoint.look(Ledger::delivered);
            let told = sent.iter().filter(|one| settled.has(&one.id)).count();
            delivered > 100 && told == delivered && settled.longest_span() > 300
        });
    assert!(committed[0].metadata.len() <= LIMIT, "{committed:?}");
    let asked = stage.endpoint.look(|ledger| {
        sent.iter().filter(|one| ledger.attempts(&one.id) > 0).map(|one| one.id.offset).max()
    });
    assert!(asked < Some(400), "held back, and it went to {asked:?}");
    assert_eq!(keyway.metrics().count("uncovered_offsets", &[]), 0);

    killed_and_run_again(&stage, keyway, "hold", &sent).assert_exact();
}

#[test]
fn hold_goes_on_when_older_ones_finish() {
    let (stage, sent) = stage();
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_OFFSET_METADATA_MAX_BYTES", LIMIT)
        .env("KEYWAY_RETRY_MAX", "100ms")
        .start();
    let held = |metrics: &Metrics, is: usize| {
        metrics.count("partition_held", &[("reason", "offset_span")]) == is
    };
    keyway.wait_for_metrics("the partition to be held", |metrics| held(metrics, 1));
    // Who paused it need not be told that it takes in nothing.
    let lead = |keyway: &mut Running, order: &str| {
        let answer = keyway.ask("POST", &format!("/v1/pipelines/default/{order}"), "");
        assert_eq!(answer.status, 202, "{answer:?}");
    };
    lead(&mut keyway, "pause");
    keyway.wait_for_metrics("it to rest by order alone", |metrics| held(metrics, 0));
    lead(&mut keyway, "resume");
    keyway.wait_for_metrics("it to be held again", |metrics| held(metrics, 1));
    stage.endpoint.script(script::ok());
    stage.endpoint.wait_for_all(&sent);
    keyway.wait_for_metrics("the partition to be free", |metrics| held(metrics, 0));
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn one_stuck_lane_holds_nobody_however_far_the_others_are() {
    // Two runs, one stuck and one settled, fit into anything.
    let stage = Stage::new(1);
    stage.endpoint.script(script::for_key("k0", script::always(Reply::status(422)), script::ok()));
    let mut records = vec![Record::new("k0", "x")];
    records.extend((1..5_000).map(|n| Record::new(format!("k{n}"), "x")));
    let sent = stage.produce(records);
    let keyway = run(&stage, "hold");
    stage.endpoint.wait_for_all(&sent[1..]);
    stage.mock.wait_for_commit(&stage.group, &stage.topic, "all but the first", |found| {
        Settled::of(&stage.topic, found).above() == sent.len() - 1
    });
    killed_and_run_again(&stage, keyway, "hold", &sent).assert_exact();
}

#[test]
fn replay_goes_on_and_sends_again_after_a_kill_what_did_not_fit() {
    let (stage, sent) = stage();
    let mut keyway = run(&stage, "replay");
    let free: Vec<Sent> = sent.iter().filter(|one| !is_stuck(one)).cloned().collect();
    stage.endpoint.wait_for_all(&free);
    // How many would be sent again is said.
    let metrics = keyway.wait_for_metrics("offsets that did not fit", |metrics| {
        let uncovered = metrics.count("uncovered_offsets", &[]);
        uncovered > 100 && metrics.count("held_records", &[]) == 1_500 - free.len()
    });
    assert_eq!(metrics.count("partition_held", &[("reason", "offset_span")]), 0);
    assert!(!stage.committed()[0].metadata.is_empty(), "what fits is told all the same");
    let verdict = killed_and_run_again(&stage, keyway, "replay", &sent);
    verdict.assert_kept();
    let again = verdict.sent_again.len();
    assert!(again > 100 && again < free.len(), "{again} of {}", free.len());
}
