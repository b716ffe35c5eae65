//! How made-up pipelines are shown.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Partition, Pipeline, openapi};
use super::schema::assert_valid;
use super::status;
use crate::core::Moment;
use crate::core::breaker::BreakerState;
use crate::core::destinations::Wait;
use crate::core::intake::Rest;
use crate::sink::ConnectionCounts;
use crate::stats::{DestinationStatus, PartitionStatus, RETRY_REASONS, Totals};
use crate::{PipelineError, State, Status};

/// As JSON, which is found to be as the document says, and to be read back as it was.
fn shown(status: Status) -> Value {
    let pipeline = Pipeline::from(status);
    let json = serde_json::to_value(&pipeline).unwrap();
    let document = serde_json::to_value(openapi::scope()).unwrap();
    assert_valid(&document, &document["components"]["schemas"]["Pipeline"], &json);
    assert_eq!(serde_json::from_value::<Pipeline>(json.clone()).unwrap(), pipeline);
    json
}

#[test]
fn a_pipeline_that_has_done_nothing_is_shown_whole() {
    assert_eq!(
        shown(status("orders")),
        json!({
            "name": "orders",
            "state": "running",
            "joined": true,
            "cut_off": false,
            "connection_error": null,
            "partitions_assigned": 0,
            "totals": {
                "received": 0, "delivered": 0, "dead_lettered": 0, "filtered": 0, "dropped": 0,
                "returned": 0, "held_records": 0, "held_bytes": 0, "skipped": 0, "stale": 0,
                "in_flight": 0, "lanes": 0, "lanes_ready": 0, "lanes_blocked": 0,
                "lanes_waiting": 0, "lanes_parked": 0,
                "requests": {"2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, "timeout": 0, "error": 0},
                "retries": {},
                "retries_exhausted": 0, "breakers_opened": 0,
                "connections": null,
                "commits": {"ok": 0, "failed": 0},
                "commit_metadata_ignored": 0,
                "rebalances": {"assigned": 0, "revoked": 0, "lost": 0},
            },
            "destinations": [],
            "parked_for_seconds": null,
            "failure": null,
        })
    );
}

#[test]
fn each_count_goes_to_its_name() {
    let mut retries = [0; RETRY_REASONS.len()];
    retries[RETRY_REASONS.iter().position(|it| *it == "timeout").unwrap()] = 32;
    let mut it = status("orders");
    it.totals = Totals {
        received: 1000,
        skipped: 2,
        delivered: 3,
        dead_lettered: 4,
        dropped: 5,
        filtered: 6,
        returned: 7,
        held_records: 8,
        held_bytes: 9,
        in_flight: 10,
        lanes: 11,
        lanes_ready: 12,
        lanes_blocked: 13,
        lanes_waiting: 14,
        lanes_parked: 15,
        exhausted: 16,
        breakers_opened: 17,
        requests: [18, 19, 20, 21, 22, 23],
        retries,
        connections: Some(ConnectionCounts { opened: 24, reused: 25 }),
        commits_ok: 26,
        commits_failed: 27,
        rebalances_assigned: 28,
        rebalances_revoked: 29,
        rebalances_lost: 30,
        metadata_ignored: 31,
        stale: 33,
        ..Totals::default()
    };
    let held = 1000 - 3 - 4 - 5 - 6 - 7;
    assert_eq!(
        shown(it)["totals"],
        json!({
            "received": 1000, "delivered": 3, "dead_lettered": 4, "filtered": 6, "dropped": 5,
            "returned": 7, "held_records": held, "held_bytes": 9, "skipped": 2, "stale": 33,
            "in_flight": 10, "lanes": 11, "lanes_ready": 12, "lanes_blocked": 13,
            "lanes_waiting": 14, "lanes_parked": 15,
            "requests": {"2xx": 18, "3xx": 19, "4xx": 20, "5xx": 21, "timeout": 22, "error": 23},
            "retries": {"timeout": 32},
            "retries_exhausted": 16, "breakers_opened": 17,
            "connections": {"opened": 24, "reused": 25},
            "commits": {"ok": 26, "failed": 27},
            "commit_metadata_ignored": 31,
            "rebalances": {"assigned": 28, "revoked": 29, "lost": 30},
        })
    );
}

#[test]
fn states_are_their_words() {
    for (state, word) in [
        (State::Starting, "starting"),
        (State::Running, "running"),
        (State::Paused, "paused"),
        (State::Draining, "draining"),
        (State::Stopped, "stopped"),
        (State::Failed, "failed"),
    ] {
        let mut it = status("a");
        it.state = state;
        assert_eq!(shown(it)["state"], word);
    }
}

#[test]
fn what_failed_or_waits_says_why() {
    let mut it = status("a");
    it.state = State::Failed;
    (it.joined, it.cut_off, it.partitions_assigned) = (false, true, 3);
    it.connection_error = Some("refused".to_owned());
    it.failure = Some(PipelineError::Kafka("no".to_owned()));
    it.parked_for = Some(Duration::from_millis(2500));
    let shown = shown(it);
    assert_eq!(shown["failure"], "kafka: no");
    assert_eq!(shown["parked_for_seconds"], 2.5);
    assert_eq!(shown["joined"], false);
    assert_eq!((&shown["cut_off"], &shown["connection_error"]), (&json!(true), &json!("refused")));
    assert_eq!(shown["partitions_assigned"], 3);
}

#[test]
fn a_destination_says_what_is_waited_for() {
    let at = Moment::default();
    let open = BreakerState::Open { since: at, until: at };
    for (wait, breaker, held, word) in [
        (None, None, json!(null), json!(null)),
        (Some(Wait::Full(8)), Some(BreakerState::Closed), json!("full"), json!("closed")),
        (Some(Wait::Senders), None, json!("senders"), json!(null)),
        (Some(Wait::Asked(at)), None, json!("asked"), json!(null)),
        (Some(Wait::Breaker(at)), Some(open), json!("breaker"), json!("open")),
        (Some(Wait::Probe), Some(BreakerState::HalfOpen), json!("breaker"), json!("half_open")),
        (Some(Wait::Rate(at)), None, json!("rate"), json!(null)),
    ] {
        let mut it = status("a");
        let name = "http://b:80".into();
        let limit = breaker.map(|_| 8);
        it.destinations =
            vec![DestinationStatus { name, in_flight: 3, limit, waiting: 2, wait, breaker }];
        let shown = &shown(it)["destinations"][0];
        assert_eq!(
            *shown,
            json!({"name": "http://b:80", "in_flight": 3, "limit": limit, "lanes_blocked": 2,
                "held": held, "breaker": word})
        );
        if let Some(wait) = wait {
            assert_eq!(held, wait.label(), "metrics say the same word");
        }
    }
}

#[test]
fn a_partition_shows_its_offsets_and_what_is_not_known_as_null() {
    let status = PartitionStatus {
        topic: "orders".to_owned(),
        partition: 3,
        committed: Some(40),
        base: Some(42),
        log_end: Some(100),
        held_records: 4,
        held_bytes: 3000,
        oldest_unsettled: Some(Duration::from_millis(1500)),
        resting: Some(Rest::Span),
        uncovered: 7,
    };
    let document = serde_json::to_value(openapi::reading()).unwrap();
    let shown = |status: PartitionStatus| {
        let json = serde_json::to_value(Partition::from(status)).unwrap();
        assert_valid(&document, &document["components"]["schemas"]["Partition"], &json);
        json
    };
    assert_eq!(
        shown(status.clone()),
        json!({"topic": "orders", "partition": 3, "committed_offset": 40,
            "lowest_unsettled_offset": 42, "log_end_offset": 100, "lag": 58, "held_records": 4,
            "held_bytes": 3000, "oldest_unsettled_age_seconds": 1.5, "held": "offset_span",
            "uncovered_offsets": 7})
    );
    let new = PartitionStatus {
        committed: None,
        base: None,
        log_end: None,
        oldest_unsettled: None,
        resting: None,
        ..status.clone()
    };
    let new = shown(new);
    let unknown = ["committed_offset", "lowest_unsettled_offset", "log_end_offset", "lag", "held"];
    assert!(unknown.iter().all(|name| new[name].is_null()), "{new}");
    assert!(new["oldest_unsettled_age_seconds"].is_null());
    let full = PartitionStatus { resting: Some(Rest::Buffer), ..status };
    assert_eq!(shown(full)["held"], Rest::Buffer.label());
    assert_eq!(Rest::Span.label(), "offset_span", "metrics say the same words");
}
