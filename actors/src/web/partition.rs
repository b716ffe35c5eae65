//! A partition, as it is shown. Names are those of the metrics.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::intake::Rest;
use crate::stats::PartitionStatus;

/// How one partition of a pipeline stands, as of the last commit interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Partition {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    #[schema(minimum = 0)]
    pub partition: i32,
    /// The offset that the broker acknowledged last; null before the first commit.
    #[schema(required)]
    pub committed_offset: Option<i64>,
    /// The lowest offset that is not settled; null before anything is known.
    #[schema(required)]
    pub lowest_unsettled_offset: Option<i64>,
    /// Where the log ends; null before the broker told.
    #[schema(required)]
    pub log_end_offset: Option<i64>,
    /// Offsets from the lowest that is not settled to the end of the log; null where either is.
    #[schema(required)]
    pub lag: Option<u64>,
    /// Records taken in and not settled.
    pub held_records: u64,
    /// Their bytes, with what it costs to keep them.
    pub held_bytes: u64,
    /// How long the lowest offset that is not settled has been held, in seconds; null while nothing
    /// is held.
    #[schema(required, minimum = 0.0)]
    pub oldest_unsettled_age_seconds: Option<f64>,
    /// Why it takes in nothing now; null while it does. `buffer`: the pipeline's buffer, or this
    /// partition's share of it, is full; `offset_span`: more would make the settled offsets too many
    /// for the metadata of a commit.
    #[schema(required)]
    pub held: Option<PartitionHold>,
    /// Settled offsets that the metadata of the last commit had no room for: a crash now would send
    /// their records again.
    pub uncovered_offsets: u64,
}

/// Why a partition takes in nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionHold {
    /// The pipeline's buffer, or this partition's share of it, is full.
    Buffer,
    /// More would make the settled offsets too many for the metadata of a commit.
    OffsetSpan,
}

/// The partitions of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Partitions {
    /// The pipeline's name.
    pub pipeline: String,
    /// Each partition that it has.
    pub partitions: Vec<Partition>,
}

impl From<PartitionStatus> for Partition {
    fn from(status: PartitionStatus) -> Self {
        Self {
            lag: status.lag(),
            topic: status.topic,
            partition: status.partition,
            committed_offset: status.committed,
            lowest_unsettled_offset: status.base,
            log_end_offset: status.log_end,
            held_records: status.held_records,
            held_bytes: status.held_bytes,
            oldest_unsettled_age_seconds: status.oldest_unsettled.map(|it| it.as_secs_f64()),
            held: status.resting.map(PartitionHold::from),
            uncovered_offsets: status.uncovered,
        }
    }
}

impl From<Rest> for PartitionHold {
    fn from(rest: Rest) -> Self {
        match rest {
            Rest::Buffer => Self::Buffer,
            Rest::Span => Self::OffsetSpan,
        }
    }
}
