//! A lane, as it is told to whoever asks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Lanes, those first that have waited longest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Lanes {
    /// As many as were asked for, or all there are. By how long their first record has been held.
    pub lanes: Vec<Lane>,
    /// How many lanes there are of the state that was asked for.
    pub matching: u64,
    /// Parts of the pipeline that did not answer in time, or that so many ask of that they could not
    /// be asked: their lanes are not among these.
    pub unanswered: Vec<String>,
}

/// One lane: records that are delivered one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Lane {
    /// The topic of its records.
    pub topic: String,
    /// Their partition.
    pub partition: i32,
    /// The key of its first record, written as in the request header `Keyway-Key`; none for a null
    /// key.
    pub key: Option<String>,
    /// What it does, or waits for.
    pub state: LaneState,
    /// The offset of its first record, for which all others wait.
    pub head_offset: i64,
    /// How many records wait behind the first.
    pub queued: u64,
    /// How often the first record's request was attempted, one under way included.
    pub attempts: u32,
    /// For how long the first record has been held: taken in and not settled. To within a commit
    /// interval, and coarser the longer that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_seconds: Option<f64>,
    /// For how long its request has been under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending_seconds: Option<f64>,
    /// How long ago the first record failed for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_seconds: Option<f64>,
    /// In how long it goes on, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_in_seconds: Option<f64>,
    /// What went wrong last, as the log has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The destination that it waits for, or that its request is under way to: scheme, host, port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Where its request goes, where that is known, without credentials and query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why it is not sent although it could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What a lane does, or waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LaneState {
    /// It is sent as soon as a sender is free.
    Ready,
    /// Its request is under way.
    Sending,
    /// Its request failed and is made again later.
    Waiting,
    /// The same, beyond what ordinary retries were to do: at the longest delay.
    Parked,
    /// Its destination takes nothing more for now.
    Destination,
    /// A dead letter is written of its first record, or is to be once that works again.
    DeadLettering,
    /// It does nothing more: the policy stops the pipeline for its first record.
    Stopped,
}

impl LaneState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::Sending,
        Self::Waiting,
        Self::Parked,
        Self::Destination,
        Self::DeadLettering,
        Self::Stopped,
    ];

    /// Its name, as it is written in answers and queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Sending => "sending",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Destination => "destination",
            Self::DeadLettering => "dead_lettering",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for LaneState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No state of a lane has that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such state of a lane: it is one of ready, sending, waiting, parked, destination, \
     dead_lettering, stopped"
)]
pub struct NoSuchState;

impl FromStr for LaneState {
    type Err = NoSuchState;

    fn from_str(name: &str) -> Result<Self, NoSuchState> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or(NoSuchState)
    }
}

/// Why a lane is not sent although it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The pipeline is paused.
    Paused,
    /// The arbiter's thread stood still, and waits until it is known whether its partitions are
    /// still this member's.
    Standstill,
    /// All senders are busy.
    SendersBusy,
    /// The destination has as many requests in flight as it may have.
    DestinationFull,
    /// The destination has its part of the senders, and the others are kept for other destinations.
    DestinationShare,
    /// The destination asked to be left alone (`Retry-After`).
    RetryAfter,
    /// The destination's breaker is open.
    BreakerOpen,
    /// The destination's breaker is half open, and waits for the answer to a probe.
    BreakerProbe,
    /// The destination gets no more requests in a time than its rate says.
    Rate,
    /// There are as many destinations as can be known at a time, all of them busy.
    TooManyDestinations,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_written_as_it_is_named() {
        for state in LaneState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
            assert_eq!(state.name().parse(), Ok(state));
            assert!(NoSuchState.to_string().contains(state.name()));
        }
        assert_eq!("queued".parse::<LaneState>(), Err(NoSuchState));
    }
}
