//! Statuses for the tests, and what holds of an alert as a whole.

mod machine;
mod pipelines;
mod server;
mod telling;

use std::time::Duration;

use keyway_actors::core::Moment;
use keyway_actors::core::breaker::BreakerState;
use keyway_actors::stats::{DestinationStatus, PartitionStatus, Totals};
use keyway_actors::{State, Status};

pub(super) fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

/// A pipeline that is well and has done nothing.
pub(super) fn status(name: &str) -> Status {
    Status {
        name: name.to_owned(),
        state: State::Running,
        joined: true,
        cut_off: false,
        connection_error: None,
        partitions_assigned: 1,
        totals: Totals::default(),
        partitions: Vec::new(),
        parked_for: None,
        destinations: Vec::new(),
        lives: Vec::new(),
        failure: None,
    }
}

/// A destination whose breaker is in this state.
pub(super) fn destination(name: &str, breaker: BreakerState) -> DestinationStatus {
    DestinationStatus {
        name: name.into(),
        in_flight: 0,
        limit: None,
        waiting: 0,
        wait: None,
        breaker: Some(breaker),
    }
}

pub(super) const OPEN: BreakerState =
    BreakerState::Open { since: Moment(Duration::ZERO), until: Moment(Duration::ZERO) };

/// A partition that is delivered up to `base`, of a log that ends at `end`.
pub(super) fn partition(number: i32, base: i64, end: i64) -> PartitionStatus {
    PartitionStatus {
        topic: "t".to_owned(),
        partition: number,
        committed: None,
        base: Some(base),
        log_end: Some(end),
        held_records: 0,
        held_bytes: 0,
        oldest_unsettled: None,
        resting: None,
        uncovered: 0,
    }
}
