//! What the parts of a member say to each other.

use keyway_actors::core::lanes::Item;
use keyway_actors::core::ledger::Start;
use keyway_actors::core::{Epoch, LaneId, Offset};

use crate::broker::{Answer, CommitEntry};

/// A record on its way through a member.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: usize,
    pub partition: usize,
    pub offset: Offset,
    pub key: u64,
    pub lane: LaneId,
    pub epoch: Epoch,
    pub bytes: u64,
    pub poisoned: bool,
    /// Requests delivered, and attempts begun at the next, as the model counts them.
    pub done: u16,
    pub tries: u32,
    pub last: Last,
    /// Its settlement has gone out already, which it should not have.
    pub settled_early: bool,
}

/// What the receiver said last of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    Nothing,
    Delivered,
    Failed,
    Rejected,
}

impl Item for Record {
    fn lane(&self) -> LaneId {
        self.lane
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// A record whose outcome is final, on its way to the ledger with its share of the budget.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    pub epoch: Epoch,
    pub offset: Offset,
    pub bytes: u64,
}

/// To the poll thread.
#[derive(Debug)]
pub enum Command {
    Commit(Vec<CommitEntry>),
    /// `in_order`: nothing of these stays was under way any more; `acknowledged`: nor was anything
    /// left to commit.
    GiveUp {
        epochs: Vec<Epoch>,
        in_order: bool,
        acknowledged: bool,
    },
    Pause(bool),
    StopIntake {
        deliver: bool,
    },
    LetGo,
    Leave {
        in_order: bool,
        acknowledged: bool,
    },
}

#[derive(Debug)]
pub enum ToOffsets {
    Opened { epoch: Epoch, partition: usize, start: Start },
    Closed(Vec<Epoch>),
    Settled(Vec<Settlement>),
    CommitNow { request: u64, epochs: Vec<Epoch> },
    Answered(Answer),
    Tick,
    TryAgain,
}

#[derive(Debug)]
pub enum ToLeader {
    Revoking(Vec<Epoch>),
    Lost(Vec<Epoch>),
    IntakeStopped(Vec<Epoch>),
    Released { drain: u64, arbiter: usize },
    Committed { request: u64, acknowledged: bool },
    Stop { deliver: bool },
}

/// Partitions that a poll thread gave up, for the check.
#[derive(Debug)]
pub struct GaveUp {
    pub epochs: Vec<Epoch>,
    pub partitions: Vec<usize>,
    pub in_order: bool,
    pub acknowledged: bool,
}

/// Some stays, or all.
#[derive(Clone, Debug)]
pub enum Which {
    Some(Vec<Epoch>),
    All,
}

#[derive(Debug)]
pub enum ToArbiter {
    Release { drain: u64, which: Which, deliver: bool },
    Cancel(Which),
    Lettered { serial: u64, written: bool },
    Pause(bool),
    Resize(usize),
}
