//! What a pipeline takes from: topics by name and pattern, fixed partitions, topics that are not
//! there yet, and several pipelines in one process.

use super::stage::{Counts, Stage, quick};
use crate::support::*;

#[test]
fn an_empty_topic_is_waited_on_and_left_cleanly() {
    let stage = Stage::new(3);
    let mut keyway = stage.keyway().start();
    keyway.wait_ready();
    let metrics = keyway.wait_for_metrics("three partitions", |metrics| {
        metrics.count("assigned_partitions", &[]) == 3
    });
    assert_eq!(metrics.count("records_received_total", &[]), 0);
    assert_eq!(keyway.get("/livez").map(|(status, _)| status), Some(200));
    keyway.stop();
    let troubles: Vec<_> =
        keyway.log().into_iter().filter(|line| line["level"] != "info").collect();
    assert!(troubles.is_empty(), "{troubles:?}");
    assert_eq!(stage.endpoint.look(Ledger::connections), 0);
}

#[test]
fn topics_by_name_and_by_pattern_are_taken_together() {
    let stage = Stage::new(2);
    let stem = unique("shop");
    let matching = [format!("{stem}-eu"), format!("{stem}-us")];
    let other = format!("not-{stem}");
    for topic in matching.iter().chain([&other]) {
        stage.mock.create_topic(topic, 2);
    }
    stage.mock.produce(&other, numbered(5, 5));
    let mut sent = stage.produce(numbered(50, 10));
    sent.extend(matching.iter().flat_map(|topic| stage.mock.produce(topic, numbered(50, 10))));
    let mut keyway = stage.keyway().topic(&format!("^{stem}-")).start();
    stage.endpoint.wait_for_all(&sent);
    // One that matches is made while it runs.
    let later = format!("{stem}-asia");
    stage.mock.create_topic(&later, 1);
    sent.extend(stage.mock.produce(&later, numbered(20, 10)));
    stage.endpoint.wait_for_all(&sent);
    for topic in matching.iter().chain([&stage.topic, &later]) {
        stage.mock.wait_all_committed(&stage.group, topic);
    }
    keyway.stop();
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn the_same_key_in_two_topics_is_two_lanes() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let other = stage.mock.topic("other", 1);
    let mut sent = stage.produce(vec![Record::new("k", "1"), Record::new("k", "2")]);
    sent.extend(stage.mock.produce(&other, vec![Record::new("k", "3")]));
    let mut keyway = stage.keyway().topic(&other).start();
    stage.endpoint.wait_until("a request of each topic", |ledger| ledger.in_flight() == 2);
    gate.open();
    stage.endpoint.wait_for_all(&sent);
    keyway.stop();
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn fixed_partitions_are_taken_and_no_others() {
    let stage = Stage::new(4);
    let sent = stage.produce((0..80).map(|n| Record::new(format!("{n}"), "x").to(n % 4)).collect());
    let wanted: Vec<Sent> =
        sent.iter().filter(|one| [0, 2].contains(&one.id.partition)).cloned().collect();
    let file = "[[pipeline]]\npartitions = [0, 2]\n";
    let mut keyway = stage.keyway().config(file).start();
    keyway.wait_ready();
    stage.endpoint.wait_for_all(&wanted);
    stage.mock.wait_for_commit(&stage.group, &stage.topic, "the two", |found| {
        found.iter().all(|one| match one.partition {
            0 | 2 => one.offset == Some(20),
            _ => one.offset.is_none(),
        })
    });
    assert_eq!(keyway.metrics().count("assigned_partitions", &[]), 2);
    keyway.stop();
    stage.endpoint.verdict(&wanted).assert_exact();

    // The next run resumes, and a member of the group takes the others with it.
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_topic_that_is_not_there_is_waited_for() {
    let stage = Stage::new(1);
    let later = unique("later");
    let mut keyway = quick(Keyway::run(&stage.mock))
        .topic(&later)
        .group(&stage.group)
        .url(&stage.endpoint.url())
        .start();
    let line = keyway.wait_for_log("waiting for the topic");
    assert_eq!(line["level"], "warn");
    stage.mock.create_topic(&later, 2);
    let sent = stage.mock.produce(&later, numbered(20, 5));
    stage.endpoint.wait_for_all(&sent);
    stage.mock.wait_all_committed(&stage.group, &later);
    keyway.stop();
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn pipelines_of_one_file_run_side_by_side_with_consumers_of_their_own() {
    let stage = Stage::new(2);
    let bills = stage.mock.topic("bills", 3);
    let groups = [unique("one"), unique("two"), unique("three")];
    // The third takes the first's topic too, in a group of its own, to a place that fails.
    let pipeline = |name: &str, topic: &str, group: &str, path: &str| {
        format!(
            "[[pipeline]]\nname = \"{name}\"\ntopics = [\"{topic}\"]\ngroup_id = \"{group}\"\n\
             [pipeline.http]\nurl = \"{}\"\n",
            stage.endpoint.url_of(path)
        )
    };
    let file = [
        pipeline("orders", &stage.topic, &groups[0], "/orders"),
        pipeline("bills", &bills, &groups[1], "/bills"),
        pipeline("broken", &stage.topic, &groups[2], "/broken"),
    ]
    .concat();
    stage
        .endpoint
        .script(|request| Reply::status(if request.path == "/broken" { 503 } else { 200 }));
    let mut sent = stage.produce(numbered(100, 20));
    sent.extend(stage.mock.produce(&bills, numbered(100, 20)));
    let mut keyway = quick(Keyway::run(&stage.mock)).config(&file).start();
    stage.endpoint.wait_for_all(&sent);
    stage.mock.wait_all_committed(&groups[0], &stage.topic);
    stage.mock.wait_all_committed(&groups[1], &bills);
    let metrics = keyway.wait_for_metrics("the third to fail", |metrics| {
        metrics.count("retries_total", &[("pipeline", "broken")]) > 0
    });
    for (name, delivered, partitions) in [("orders", 100, 2), ("bills", 100, 3), ("broken", 0, 2)] {
        let of = |metric: &str| metrics.count(metric, &[("pipeline", name)]);
        assert_eq!(of("records_delivered_total"), delivered, "{name}");
        assert_eq!(of("assigned_partitions"), partitions, "{name}");
    }
    let broken = stage.mock.committed(&groups[2], &stage.topic);
    assert!(broken.iter().all(|one| one.offset.unwrap_or(0) == 0), "{broken:?}");
    keyway.stop();
}

#[test]
fn one_pipeline_that_fails_takes_the_process_down_and_the_others_with_it_in_order() {
    let stage = Stage::new(1);
    let picky = stage.mock.topic("picky", 1);
    let groups = [unique("one"), unique("two")];
    let file = format!(
        "[[pipeline]]\nname = \"well\"\ntopics = [\"{}\"]\ngroup_id = \"{}\"\nhttp.url = \"{}\"\n\
         [[pipeline]]\nname = \"picky\"\ntopics = [\"{picky}\"]\ngroup_id = \"{}\"\nhttp.url = \"{}\"\n\
         retry.on_rejected = \"stop\"\n",
        stage.topic,
        groups[0],
        stage.endpoint.url_of("/well"),
        groups[1],
        stage.endpoint.url_of("/picky"),
    );
    stage
        .endpoint
        .script(|request| Reply::status(if request.path == "/picky" { 404 } else { 200 }));
    let sent = stage.produce(numbered(50, 10));
    let mut keyway =
        quick(Keyway::run(&stage.mock)).env("KEYWAY_COMMIT_INTERVAL", "1h").config(&file).start();
    stage.endpoint.wait_for_all(&sent);
    stage.mock.produce(&picky, vec![Record::new("k", "x")]);
    assert_eq!(keyway.wait_exit(), 1);
    let why = keyway.stderr();
    assert!(why.contains("pipeline picky") && why.contains(&format!("{picky}/0@0")), "{why}");
    // The other one was stopped, not cut off: its last commit is there.
    stage.mock.wait_all_committed(&groups[0], &stage.topic);
    assert_eq!(stage.mock.committed(&groups[1], &picky)[0].offset.unwrap_or(0), 0);
}
