//! The lines, of pipelines that run on librdkafka's mock cluster.

use keyway_actors::sink::sink_fn;
use keyway_actors::{Outcome, Pipeline, PipelineConfig, Record};
use rdkafka::mocking::MockCluster;
use slog::o;

use super::*;
use crate::logging::kept::Kept;

#[test]
fn the_rate_is_of_the_time_since_the_last_line() {
    let start = Instant::now();
    let mut rate = Rate::begin(start);
    assert_eq!(rate.next(1000, start + Duration::from_secs(10)), 100);
    assert_eq!(rate.next(1000, start + Duration::from_secs(20)), 0);
    assert_eq!(rate.next(1500, start + Duration::from_secs(21)), 500);
    assert_eq!(rate.next(1501, start + Duration::from_secs(31)), 0, "rounded down");
    assert_eq!(rate.next(2000, start + Duration::from_secs(31)), 499_000, "no time at all");
}

#[actix_rt::test]
async fn each_pipeline_has_a_line_an_interval_and_none_once_it_has_ended() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let start = |name: &str| {
        let mut config = PipelineConfig::new(&cluster.bootstrap_servers(), "t", "g");
        config.name = name.into();
        config.partitions = Some(vec![0]);
        Pipeline::start(config, sink_fn(|_: &Record| async { Outcome::Delivered })).unwrap()
    };
    let (first, second) = (start("first"), start("second"));
    let kept = Kept::default();
    let log = Logger::root(kept.clone(), o!());
    let pipelines = Handles::from(vec![first.clone(), second.clone()]);
    let saying = actix_rt::spawn(every(Duration::from_millis(5), pipelines, log));
    let of = |name: &str| {
        let word = format!(" pipeline={name} ");
        kept.lines().into_iter().filter(move |line| line.contains(&word)).collect::<Vec<_>>()
    };
    while of("first").len() < 3 || of("second").len() < 3 {
        actix_rt::time::sleep(Duration::from_millis(1)).await;
    }
    for line in kept.lines() {
        for word in ["counts ", " delivered=0 ", " delivered_per_s=0 ", " held=0 ", " lag="] {
            assert!(line.contains(word), "{word} in {line}");
        }
    }
    first.stop();
    first.wait().await.unwrap();
    let (last, other) = (of("first").len() + 1, of("second").len());
    while of("second").len() < other + 3 {
        actix_rt::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(of("first").len() <= last, "it has ended, and says so once");
    assert!(of("first").iter().any(|line| line.contains(" state=Stopped ")));
    second.stop();
    second.wait().await.unwrap();
    saying.abort();
}
