//! Why something waits: what a pipeline answers when it is asked for its lanes, a record or a key.
//!
//! Nothing is kept for it while records move. Whoever asks ([`Handle::lanes`], [`Handle::explain`])
//! has each part of the pipeline look when the question comes: the poll thread at what it has not
//! handed on, the arbiters at their lanes and at what their senders have in hand, the ledger at what
//! is settled. The answer tells of a moment that is past by the time it is read.
//!
//! Times are told as seconds ago, or from now, so that no clock is needed to read them. Keys are
//! written as in the request header `Keyway-Key`. URLs have neither credentials nor a query.
//!
//! What a question costs each thread is said where it looks: at the worst a look at all that it holds,
//! once. How often that may be is said in `turns.rs`.
//!
//! [`Handle::lanes`]: crate::Handle::lanes
//! [`Handle::explain`]: crate::Handle::explain

mod asking;
mod conclude;
mod key;
mod lane;
mod parts;
mod place;
#[cfg(test)]
mod tests;
mod turns;

use serde::{Deserialize, Serialize};

pub(crate) use self::asking::{Ask, Asking};
pub use self::key::KeyError;
pub use self::lane::{Lane, LaneState, Lanes, NoSuchState, Reason};
pub(crate) use self::parts::*;
pub use self::place::{Failing, Place, Rest};
pub(crate) use self::turns::Turns;

/// The most lanes that are told at a time. The answer is some hundred bytes a lane, and nobody reads
/// more.
pub const MOST_LANES: usize = 1_000;

/// What is asked.
///
/// The topic may be left out where the pipeline has partitions of one topic only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Where one record is.
    Record {
        /// Its topic.
        topic: Option<String>,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
    },
    /// Where the records of a key are, in all partitions that this member has.
    Key {
        /// Their topic.
        topic: Option<String>,
        /// The key, as its producer wrote it.
        key: Vec<u8>,
    },
}

/// Where what was asked for is, and why it waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Explanation {
    /// Of a record.
    Record(Box<RecordExplanation>),
    /// Of a key.
    Key(KeyExplanation),
}

/// Where a record is and why it waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct RecordExplanation {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Where it is, and why there.
    #[serde(flatten)]
    pub place: Place,
    /// For how long it has been held: taken in and not settled. To within a commit interval, and
    /// coarser the longer that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<f64>,
    /// The lane that it is in, with its head, where it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
}

/// Where the records of a key are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct KeyExplanation {
    /// The topic.
    pub topic: String,
    /// The key, written as in the request header `Keyway-Key`.
    pub key: String,
    /// Each partition of this member that holds a record of the key. Empty: none is held, and all
    /// that were taken in are settled.
    pub partitions: Vec<KeyInPartition>,
}

/// The records of a key in one partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct KeyInPartition {
    /// The partition.
    pub partition: i32,
    /// Records of the key that are in lanes: queued, under way, or waiting for a retry.
    pub in_lanes: u64,
    /// Records of the key that were taken from the log and wait for the offset span.
    pub held_by_span: u64,
    /// Records of the key that wait on the poll thread until their arbiter has room.
    pub in_transit: u64,
    /// Whether there are records on their way to the key's arbiter of which nobody can tell yet
    /// whose they are.
    pub more_in_transit: bool,
    /// The first of those in lanes, which the others wait for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<RecordExplanation>,
}

/// The pipeline has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pipeline has ended")]
pub struct Gone;

/// Why there is no explanation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The pipeline has ended.
    #[error("the pipeline has ended")]
    Gone,
    /// The question names no topic, and there is more than one, or none yet.
    #[error("name the topic, one of: {}", .topics.join(", "))]
    TopicNeeded {
        /// Those that this member has partitions of, or is to have.
        topics: Vec<String>,
    },
    /// So much is asked that this could not be for now.
    #[error("too much is being asked at a time: ask again in a moment")]
    Busy,
    /// What would know did not answer in time.
    #[error("no answer in time from {}: its thread is busy or stuck", .parts.join(", "))]
    NoAnswer {
        /// Which parts of the pipeline.
        parts: Vec<String>,
    },
}

impl From<Gone> for ExplainError {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}
