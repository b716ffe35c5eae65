//! Where a record is.

use serde::{Deserialize, Serialize};

use super::{Lane, LaneState, Reason};

/// Where a record is, and why there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Place {
    /// This member does not have the partition.
    NotAssigned,
    /// It was not taken in yet, or is not in the log.
    NotFetched {
        /// The offset that is taken in next; none before the first is known.
        next_offset: Option<i64>,
        /// Where the log ends, as the broker last said: there is no record from there on.
        log_end: Option<i64>,
        /// Why the partition takes in nothing now, if it does not.
        intake: Option<Rest>,
    },
    /// It is in the log, and its partition goes no further before older records are settled: more
    /// settled offsets might not fit into the commit's metadata.
    HeldBySpan {
        /// The lowest offset that is not settled: the record that it waits for first.
        base_offset: Option<i64>,
        /// The offset that is taken in next.
        next_offset: Option<i64>,
    },
    /// It is on its way from the poll thread to its lane.
    InTransit,
    /// It waits in its lane, behind so many others; for none, its lane says why.
    Queued {
        /// How many records of its lane go before it.
        behind: u64,
    },
    /// A request of it is under way.
    InFlight {
        /// Which attempt at this request it is, from 1.
        attempt: u32,
        /// For how long.
        sending_seconds: f64,
        /// Where it goes, where that is known, without credentials and query.
        url: Option<String>,
    },
    /// A request of it failed, and is made again.
    Retry(Failing),
    /// The same, beyond what ordinary retries were to do: at the longest delay.
    Parked(Failing),
    /// Its destination takes nothing more for now.
    Destination {
        /// Which; none where there is no place for one more.
        destination: Option<String>,
        /// Why; none: it does by now, and others come first.
        reason: Option<Reason>,
        /// When it takes more, where that is known.
        retry_in_seconds: Option<f64>,
    },
    /// A dead letter is written of it, or is to be once that works again.
    DeadLettering(Failing),
    /// The policy stops the pipeline for it.
    Stopped(Failing),
    /// Its outcome is final, or it was never in the log.
    Settled {
        /// Whether it lies below the committed offset.
        committed: bool,
        /// What the broker acknowledged last.
        committed_offset: Option<i64>,
        /// The lowest offset that is not settled: what is committed next, unless it moves before.
        base_offset: Option<i64>,
    },
}

/// A record that was attempted in vain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Failing {
    /// How often its request was attempted.
    pub attempts: u32,
    /// How long ago it failed for the first time.
    pub failing_seconds: Option<f64>,
    /// In how long it goes on; none while something of it is under way, or if it does not.
    pub retry_in_seconds: Option<f64>,
    /// What went wrong last, as the log has it.
    pub failure: Option<String>,
}

/// Why a partition takes in nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// The pipeline stops.
    Stopping,
    /// The pipeline is paused.
    Paused,
    /// The group has asked for the partition back.
    Revoking,
    /// The pipeline's buffer, or this partition's share of it, is full.
    Buffer,
    /// More might make the settled offsets too many for the commit's metadata.
    OffsetSpan,
    /// Every arbiter has as much as it can use for now.
    BackPressure,
}

impl Place {
    /// The place of the record that is the first of this lane.
    pub fn of_head(lane: &Lane) -> Self {
        let failing = || Failing {
            attempts: lane.attempts,
            failing_seconds: lane.failing_seconds,
            retry_in_seconds: lane.retry_in_seconds,
            failure: lane.failure.clone(),
        };
        match lane.state {
            LaneState::Ready => Self::Queued { behind: 0 },
            LaneState::Sending => Self::InFlight {
                attempt: lane.attempts,
                sending_seconds: lane.sending_seconds.unwrap_or_default(),
                url: lane.url.clone(),
            },
            LaneState::Waiting => Self::Retry(failing()),
            LaneState::Parked => Self::Parked(failing()),
            LaneState::Destination => Self::Destination {
                destination: lane.destination.clone(),
                reason: lane.reason,
                retry_in_seconds: lane.retry_in_seconds,
            },
            LaneState::DeadLettering => Self::DeadLettering(failing()),
            LaneState::Stopped => Self::Stopped(failing()),
        }
    }
}
