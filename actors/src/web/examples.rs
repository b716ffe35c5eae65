//! What the OpenAPI documents show as answers.

use super::destination::{Breaker, Destination, Hold};
use super::partition::{Partition, PartitionHold, Partitions};
use super::pipeline::{Pipeline, Pipelines};
use super::totals::{Commits, Connections, Rebalances, Totals};
use super::verify::{Account, Verification};
use crate::explain::{Explanation, Lane, LaneState, Lanes, Place, RecordExplanation};
use crate::handle::State;
use crate::stats::Conservation;

pub(super) fn pipelines() -> Pipelines {
    Pipelines { pipelines: vec![pipeline()] }
}

pub(super) fn pipeline() -> Pipeline {
    Pipeline {
        name: "orders".to_owned(),
        state: State::Running,
        joined: true,
        cut_off: false,
        connection_error: None,
        partitions_assigned: 4,
        totals: totals(),
        destinations: vec![destination()],
        parked_for_seconds: Some(12.5),
        failure: None,
    }
}

fn totals() -> Totals {
    Totals {
        received: 120_000,
        delivered: 119_400,
        dead_lettered: 20,
        held_records: 580,
        held_bytes: 464_000,
        in_flight: 64,
        lanes: 410,
        lanes_ready: 300,
        lanes_blocked: 40,
        lanes_waiting: 5,
        lanes_parked: 1,
        requests: counts(&[
            ("2xx", 119_400),
            ("3xx", 0),
            ("4xx", 21),
            ("5xx", 35),
            ("error", 0),
            ("timeout", 2),
        ]),
        retries: counts(&[("status_5xx", 35), ("timeout", 2)]),
        connections: Some(Connections { opened: 66, reused: 119_392 }),
        commits: Commits { ok: 480, failed: 0 },
        rebalances: Rebalances { assigned: 1, revoked: 0, lost: 0 },
        ..Totals::default()
    }
}

fn counts(counts: &[(&str, u64)]) -> std::collections::BTreeMap<String, u64> {
    counts.iter().map(|&(word, count)| (word.to_owned(), count)).collect()
}

fn destination() -> Destination {
    Destination {
        name: "https://orders.example:443".to_owned(),
        in_flight: 64,
        limit: Some(64),
        lanes_blocked: 40,
        held: Some(Hold::Full),
        breaker: Some(Breaker::Closed),
    }
}

pub(super) fn partitions() -> Partitions {
    let partition = Partition {
        topic: "orders".to_owned(),
        partition: 0,
        committed_offset: Some(30_100),
        lowest_unsettled_offset: Some(30_112),
        log_end_offset: Some(31_040),
        lag: Some(928),
        held_records: 145,
        held_bytes: 116_000,
        oldest_unsettled_age_seconds: Some(12.5),
        held: Some(PartitionHold::Buffer),
        uncovered_offsets: 0,
    };
    Partitions { pipeline: "orders".to_owned(), partitions: vec![partition] }
}

pub(super) fn verification() -> Verification {
    let records = Conservation {
        received: 120_000,
        delivered: 119_400,
        dead_lettered: 20,
        held: 580,
        ..Conservation::default()
    };
    let account = Account {
        pipeline: "orders".to_owned(),
        adds_up: true,
        missing: Some(0),
        records: Some(records),
    };
    Verification { adds_up: true, pipelines: vec![account] }
}

fn lane() -> Lane {
    Lane {
        topic: "orders".to_owned(),
        partition: 0,
        key: Some("customer-7".to_owned()),
        state: LaneState::Waiting,
        head_offset: 30_112,
        queued: 2,
        attempts: 3,
        waited_seconds: Some(7.5),
        sending_seconds: None,
        failing_seconds: Some(7.25),
        retry_in_seconds: Some(1.5),
        failure: Some("503 Service Unavailable".to_owned()),
        destination: None,
        url: Some("https://orders.example/orders".to_owned()),
        reason: None,
    }
}

pub(super) fn lanes() -> Lanes {
    Lanes { lanes: vec![lane()], matching: 1, unanswered: Vec::new() }
}

pub(super) fn explanation() -> Explanation {
    let record = RecordExplanation {
        topic: "orders".to_owned(),
        partition: 0,
        offset: 30_120,
        place: Place::Queued { behind: 2 },
        held_seconds: Some(6.0),
        lane: Some(lane()),
    };
    Explanation::Record(Box::new(record))
}
