//! What a scrape says of made-up pipelines.

use std::time::Duration;

use prometheus::core::Collector;

use super::super::counter;
use super::super::metrics::{exposition, families};
use super::scrape::Scrape;
use super::status;
use crate::core::Moment;
use crate::core::breaker::BreakerState;
use crate::core::destinations::Wait;
use crate::core::intake::Rest;
use crate::sink::ConnectionCounts;
use crate::stats::{DestinationStatus, LATENCY_BUCKETS, PartitionStatus, Totals};
use crate::{State, Status};

fn partition(topic: &str, partition: i32) -> PartitionStatus {
    PartitionStatus {
        topic: topic.to_owned(),
        partition,
        committed: Some(40),
        base: Some(42),
        log_end: Some(100),
        held_records: 3,
        held_bytes: 3000,
        oldest_unsettled: Some(Duration::from_millis(1500)),
        resting: Some(Rest::Span),
        uncovered: 7,
    }
}

fn destination(name: &str) -> DestinationStatus {
    let (since, until) = (Moment::default(), Moment(Duration::from_secs(5)));
    DestinationStatus {
        name: name.into(),
        in_flight: 3,
        limit: Some(8),
        waiting: 2,
        wait: Some(Wait::Breaker(until)),
        breaker: Some(BreakerState::Open { since, until }),
    }
}

/// A pipeline of which everything can be told.
fn busy(name: &str) -> Status {
    let mut status = status(name);
    status.totals.connections = Some(ConnectionCounts { opened: 2, reused: 9 });
    status.partitions = vec![partition("orders", 0), partition("orders", 1)];
    status.destinations = vec![destination("https://a.example:443"), destination("http://b:80")];
    status
}

fn scrape(statuses: &[Status]) -> Scrape {
    Scrape::read(&exposition(&families(statuses)).unwrap())
}

#[test]
fn every_metric_that_users_rely_on_is_there() {
    let scrape = scrape(&[busy("a"), busy("b")]);
    for name in [
        "records_received_total",
        "records_delivered_total",
        "records_dead_lettered_total",
        "records_filtered_total",
        "records_dropped_total",
        "records_returned_total",
        "records_skipped_total",
        "requests_total",
        "request_duration_seconds",
        "record_latency_seconds",
        "retries_total",
        "in_flight",
        "held_records",
        "held_bytes",
        "lanes",
        "lanes_parked",
        "committed_offset",
        "consumer_lag",
        "oldest_unsettled_age_seconds",
        "commits_total",
        "rebalances_total",
        "partition_held",
        "destination_in_flight",
        "destination_limit",
        "destination_lanes_blocked",
        "destination_breaker_state",
        "destination_held",
        "breakers_opened_total",
        "lanes_blocked",
        "connections_total",
        "build_info",
    ] {
        let family = scrape.family(&format!("keyway_{name}"));
        assert!(family.is_some(), "{name} is missing");
    }
}

#[test]
fn every_sample_says_its_pipeline_and_nothing_says_a_key_or_a_url() {
    let scrape = scrape(&[busy("a"), busy("b")]);
    let words = [
        "pipeline",
        "topic",
        "partition",
        "destination",
        "class",
        "reason",
        "result",
        "event",
        "state",
        "reused",
        "le",
    ];
    for family in scrape.families() {
        if family.name == "keyway_build_info" {
            continue;
        }
        for sample in &family.samples {
            assert!(["a", "b"].contains(&&*sample.labels["pipeline"]), "{sample:?}");
            assert!(sample.labels.keys().all(|it| words.contains(&&**it)), "{sample:?}");
        }
    }
}

#[test]
fn counts_go_to_their_names_labels_and_pipelines() {
    let mut a = busy("a");
    a.totals = Totals {
        received: 30,
        delivered: 10,
        dead_lettered: 4,
        dropped: 3,
        filtered: 5,
        returned: 2,
        skipped: 99,
        requests: [1, 2, 3, 4, 5, 6],
        retries: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 11],
        commits_ok: 8,
        commits_failed: 1,
        rebalances_assigned: 3,
        rebalances_revoked: 2,
        rebalances_lost: 1,
        ..a.totals
    };
    let scrape = scrape(&[a, busy("b")]);
    let of = |name: &str, labels: &[(&str, &str)]| {
        scrape.sum(&format!("keyway_{name}"), &[&[("pipeline", "a")], labels].concat())
    };
    for (name, labels, value) in [
        ("records_received_total", &[][..], 30.0),
        ("records_skipped_total", &[], 99.0),
        ("records_filtered_total", &[], 5.0),
        ("held_records", &[], 6.0),
        ("requests_total", &[("class", "2xx")], 1.0),
        ("requests_total", &[("class", "error")], 6.0),
        ("retries_total", &[("reason", "status_408")], 1.0),
        ("retries_total", &[("reason", "other")], 11.0),
        ("commits_total", &[("result", "ok")], 8.0),
        ("commits_total", &[("result", "failed")], 1.0),
        ("rebalances_total", &[("event", "assigned")], 3.0),
        ("rebalances_total", &[("event", "revoked")], 2.0),
        ("rebalances_total", &[("event", "lost")], 1.0),
        ("connections_total", &[("reused", "false")], 2.0),
        ("connections_total", &[("reused", "true")], 9.0),
        ("pipeline_state", &[("state", "running")], 1.0),
        ("pipeline_state", &[], 1.0),
        ("committed_offset", &[("topic", "orders"), ("partition", "1")], 40.0),
        ("consumer_lag", &[("topic", "orders"), ("partition", "1")], 58.0),
        ("oldest_unsettled_age_seconds", &[("partition", "0")], 1.5),
        ("uncovered_offsets", &[("partition", "0")], 7.0),
        ("partition_held", &[("partition", "0"), ("reason", "offset_span")], 1.0),
        ("partition_held", &[("partition", "0"), ("reason", "buffer")], 0.0),
        ("destination_in_flight", &[("destination", "http://b:80")], 3.0),
        ("destination_limit", &[("destination", "http://b:80")], 8.0),
        ("destination_lanes_blocked", &[("destination", "http://b:80")], 2.0),
        ("destination_breaker_state", &[("destination", "http://b:80")], 2.0),
        ("destination_held", &[("destination", "http://b:80"), ("reason", "breaker")], 1.0),
        ("destination_held", &[("destination", "http://b:80"), ("reason", "rate")], 0.0),
    ] {
        assert!((of(name, labels) - value).abs() < 1e-9, "{name} {labels:?} {}", of(name, labels));
    }
    let all = ["delivered", "dead_lettered", "filtered", "dropped", "returned"];
    let gone: f64 = all.iter().map(|name| of(&format!("records_{name}_total"), &[])).sum();
    assert!((of("records_received_total", &[]) - gone - of("held_records", &[])).abs() < 1e-9);
}

#[test]
fn buckets_are_in_seconds_and_hold_all_that_is_not_longer() {
    let mut a = status("a");
    a.totals.durations[0] = 3;
    a.totals.durations[4] = 2;
    a.totals.durations[14] = 1;
    a.totals.duration_micros = 20_750_000;
    a.totals.latencies[LATENCY_BUCKETS.len()] = 4;
    a.totals.latency_millis = 20_000_500;
    let scrape = scrape(&[a]);
    let near = |name: &str, labels: &[(&str, &str)], value: f64| {
        let found = scrape.sum(&format!("keyway_{name}"), labels);
        assert!((found - value).abs() < 1e-9, "{name} {labels:?}: {found}");
    };
    for (bound, count) in
        [("0.0005", 3.0), ("0.005", 3.0), ("0.01", 5.0), ("10", 5.0), ("+Inf", 6.0)]
    {
        near("request_duration_seconds_bucket", &[("le", bound)], count);
    }
    near("request_duration_seconds_count", &[], 6.0);
    near("request_duration_seconds_sum", &[], 20.75);
    near("record_latency_seconds_bucket", &[("le", "3600")], 0.0);
    near("record_latency_seconds_count", &[], 4.0);
    near("record_latency_seconds_sum", &[], 20_000.5);
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut a = status("a");
    a.partitions = vec![PartitionStatus { committed: None, base: None, ..partition("t", 0) }];
    let scrape = scrape(&[a]);
    for name in ["committed_offset", "consumer_lag", "connections_total"] {
        assert!(scrape.family(&format!("keyway_{name}")).is_none(), "{name}");
    }
    assert!(scrape.family("keyway_partition_held").is_some());
}

#[test]
fn a_process_without_pipelines_has_a_scrape_too() {
    let scrape = scrape(&[]);
    assert!(scrape.family("keyway_build_info").is_some());
}

#[test]
fn what_a_program_counts_itself_is_shown_too() {
    let mut all = families(&[busy("a")]);
    all.counters("orders_total", "Orders taken.", vec![counter(&[("shop", "b")], 5)]);
    let own = prometheus::IntGauge::new("shelves", "Shelves in use.").unwrap();
    own.set(7);
    all.extend(own.collect());
    let scrape = Scrape::read(&exposition(&all).unwrap());
    assert!((scrape.sum("keyway_orders_total", &[("shop", "b")]) - 5.0).abs() < 1e-9);
    assert!((scrape.sum("shelves", &[]) - 7.0).abs() < 1e-9);
    assert!(scrape.family("keyway_records_received_total").is_some());
}

#[test]
fn names_of_any_letters_stay_whole() {
    let mut a = status("a");
    a.partitions = vec![partition("a \"b\" \\ c\nd", 0)];
    let scrape = scrape(&[a]);
    let lag = &scrape.family("keyway_consumer_lag").unwrap().samples[0];
    assert_eq!(lag.labels["topic"], "a \"b\" \\ c\nd");
}

#[test]
fn a_pipeline_is_in_one_state() {
    for state in [
        State::Starting,
        State::Running,
        State::Paused,
        State::Draining,
        State::Stopped,
        State::Failed,
    ] {
        let mut a = status("a");
        a.state = state;
        let word = format!("{state:?}").to_lowercase();
        let scrape = scrape(&[a]);
        assert!((scrape.sum("keyway_pipeline_state", &[("state", &word)]) - 1.0).abs() < 1e-9);
        assert!((scrape.sum("keyway_pipeline_state", &[]) - 1.0).abs() < 1e-9);
    }
}
