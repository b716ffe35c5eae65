//! Records of librdkafka's mock cluster in files: a pipeline inside this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step of a test is a panic that names the step"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use keyway_actors::sink::file::{FileSettings, FileSink, Format};
use keyway_actors::{Handle, Pipeline, PipelineConfig};
use serde_json::Value;

use support::*;

/// A pipeline from a topic to a file, with two arbiters.
fn start(mock: &Mock, topic: &str, group: &str, sink: &FileSink) -> Handle {
    let mut config = PipelineConfig::new(&mock.brokers(), topic, group);
    config.arbiters = 2.try_into().unwrap();
    config.senders = 4.try_into().unwrap();
    config.commit_interval = Duration::from_millis(100);
    for (name, value) in [("session.timeout.ms", "2000"), ("heartbeat.interval.ms", "200")] {
        config.kafka.insert(name.into(), value.into());
    }
    Pipeline::start(config, sink.clone()).unwrap()
}

fn wait(pipeline: &Handle) {
    actix_rt::System::new().block_on(pipeline.wait()).unwrap();
}

/// A record in a file: partition, offset and number.
type Written = (i64, i64, i64);

/// The records of the files of a folder, by key: those of each file that has some, in its order.
fn written(folder: &Path) -> BTreeMap<String, Vec<Vec<Written>>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "a torn line");
        let mut of_file = BTreeMap::<_, Vec<_>>::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let number = |value: &Value| value.as_i64().unwrap();
            let record =
                (number(&line["partition"]), number(&line["offset"]), number(&line["value"]["n"]));
            assert_eq!(line["key"], line["value"]["key"]);
            of_file.entry(line["key"].as_str().unwrap().to_owned()).or_default().push(record);
        }
        for (key, records) in of_file {
            found.entry(key).or_default().push(records);
        }
    }
    found
}

/// Every record is there once, and those of a key are in their order: in each file, and one file
/// after the other.
fn assert_exact(folder: &Path, sent: &[Sent]) {
    let written = written(folder);
    let mut places: Vec<_> = written.values().flatten().flatten().map(|it| (it.0, it.1)).collect();
    places.sort_unstable();
    let mut expected: Vec<_> =
        sent.iter().map(|it| (i64::from(it.id.partition), it.id.offset)).collect();
    expected.sort_unstable();
    assert_eq!(places, expected);
    for (key, mut files) in written {
        files.sort_by_key(|records| records[0].2);
        let records = files.concat();
        assert!(records.is_sorted_by_key(|it| it.2), "{key}: {records:?}");
    }
}

#[test]
fn lanes_keep_their_order_in_a_file_that_is_moved_and_rotated() {
    let (mock, folder) = (Mock::start(), tempfile::tempdir().unwrap());
    let topic = mock.topic("orders", 6);
    let mut sent = mock.produce(&topic, numbered(3_000, 40));
    let path = folder.path().join("orders.ndjson");
    let mut settings = FileSettings { format: Format::Ndjson, ..FileSettings::new(&path) };
    settings.rotation.size = Some(200_000);
    let sink = FileSink::new(settings);
    let pipeline = start(&mock, &topic, &unique("group"), &sink);
    let delivered = || pipeline.status().totals.delivered;
    wait_for("the first records", || (delivered() > 0).then_some(()));
    // There is none for a moment while the sink rotates it.
    let moved = folder.path().join("orders.ndjson.1");
    wait_for("the file", || fs::rename(&path, &moved).ok());
    sink.reopen();
    sent.extend(mock.produce(&topic, numbered(6_000, 40).split_off(3_000)));
    wait_for("all records", || (delivered() == 6_000).then_some(()));
    let deliveries = pipeline.status().totals.requests.iter().sum::<u64>();
    pipeline.stop();
    wait(&pipeline);
    assert_exact(folder.path(), &sent);
    assert!(deliveries < 3_000, "records go together: {deliveries} deliveries");
}

#[test]
fn what_was_written_before_a_stop_at_once_is_not_written_again() {
    let (mock, folder) = (Mock::start(), tempfile::tempdir().unwrap());
    let topic = mock.topic("orders", 4);
    let sent = mock.produce(&topic, numbered(4_000, 40));
    let path = folder.path().join("orders.ndjson");
    let settings = FileSettings { format: Format::Ndjson, ..FileSettings::new(&path) };
    // Each begins at the first record: nothing but the file says what is in it.
    for round in 1..=4 {
        let pipeline = start(&mock, &topic, &unique("group"), &FileSink::new(settings.clone()));
        let enough = if round == 4 { 4_000 } else { round * 500 };
        wait_for("some records", || (pipeline.status().totals.delivered >= enough).then_some(()));
        pipeline.stop_within(Duration::ZERO);
        wait(&pipeline);
    }
    assert_exact(folder.path(), &sent);
}
