//! Records of librdkafka's mock cluster in files: a pipeline inside this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step of a test is a panic that names the step"
)]

mod support;

use std::fs;
use std::time::Duration;

use keyway_actors::sink::file::{FileSettings, FileSink, Format};
use keyway_actors::{Handle, Part, Pipeline, PipelineConfig};

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
    let lives = pipeline.status().lives;
    let writers = lives.iter().filter(|life| life.part == Part::Sink).count();
    assert_eq!(writers, 1, "two arbiters share it: {lives:?}");
    // There is none for a moment while the sink rotates it.
    let moved = folder.path().join("orders.ndjson.1");
    wait_for("the file", || fs::rename(&path, &moved).ok());
    sink.reopen();
    sent.extend(mock.produce(&topic, numbered(6_000, 40).split_off(3_000)));
    wait_for("all records", || (delivered() == 6_000).then_some(()));
    let deliveries = pipeline.status().totals.requests.iter().sum::<u64>();
    pipeline.stop();
    wait(&pipeline);
    written::assert_exact(folder.path(), &sent);
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
    written::assert_exact(folder.path(), &sent);
}
