//! The modelled broker: logs, and what the group has committed.

use keyway_actors::core::{Epoch, LaneId, Offset};

use crate::plan::Micros;

/// Names a process of a member; one that is started again is another.
pub type Pid = usize;

/// A record as it lies in a log. Its `id` is its own, also when another record gets its offset.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    pub id: usize,
    pub offset: Offset,
}

#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Counts how often the log was made again or cut.
    pub version: u32,
    /// Ascending; what is missing was compacted, or marks a transaction.
    pub records: Vec<Stored>,
    /// The offset that the next record gets.
    pub end: Offset,
}

impl Log {
    pub fn from(&self, offset: Offset) -> &[Stored] {
        let first = self.records.partition_point(|it| it.offset < offset);
        &self.records[first..]
    }
}

/// What a group has committed for a partition.
#[derive(Clone, Debug)]
pub struct Committed {
    pub base: Offset,
    pub metadata: String,
}

/// One partition of a commit on its way.
#[derive(Clone, Debug)]
pub struct CommitEntry {
    pub partition: usize,
    pub epoch: Epoch,
    pub base: Offset,
    pub metadata: String,
    /// Whether the member could know, when it took this snapshot, that the log is the one it is.
    pub current: bool,
    /// The version of the log at that time.
    pub log_version: u32,
}

/// Why a commit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The group has gone on without this member.
    NotAMember,
    /// Try again.
    Passing,
}

/// The answer to a commit: all of it refused, or each partition has its own.
pub type Answer = Result<Vec<(usize, Result<(), Refusal>)>, Refusal>;

/// What was produced, by id.
#[derive(Clone, Copy, Debug)]
pub struct Produced {
    pub key: u64,
    pub lane: LaneId,
    pub bytes: u64,
    pub poisoned: bool,
}

#[derive(Debug, Default)]
pub struct Broker {
    pub produced: Vec<Produced>,
    pub logs: Vec<Log>,
    pub committed: Vec<Option<Committed>>,
    pub down_until: Micros,
    pub trouble_until: Micros,
    pub letters_down_until: Micros,
}

impl Broker {
    pub fn new(partitions: usize) -> Self {
        Self {
            logs: vec![Log::default(); partitions],
            committed: vec![None; partitions],
            ..Self::default()
        }
    }
}
