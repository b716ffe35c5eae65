//! What can happen.

use keyway_actors::core::desk::Outcomes;

use crate::broker::{Answer, CommitEntry, Pid};
use crate::group::Told;

/// Something that happens at a time.
#[derive(Debug)]
pub enum Event {
    /// Records are produced.
    Produce,
    /// A log that was cut gets records again.
    Refill {
        partition: usize,
    },
    /// A part of a member (an actor, or the poll thread) has something to do.
    Step {
        pid: Pid,
        part: usize,
        serial: u64,
    },
    /// The consumer's fetch of a partition comes back.
    Fetch {
        pid: Pid,
        partition: usize,
        serial: u64,
    },
    /// A sender begins with what it was given.
    Begin {
        pid: Pid,
        arbiter: usize,
        sender: usize,
        serial: u64,
    },
    /// A request ends.
    End {
        pid: Pid,
        arbiter: usize,
        sender: usize,
        serial: u64,
        outcomes: Outcomes,
    },
    /// A sender sees that what it does is cancelled.
    Cancelled {
        pid: Pid,
        arbiter: usize,
        sender: usize,
        serial: u64,
    },
    /// The broker answers a dead letter.
    Letter {
        pid: Pid,
        arbiter: usize,
        serial: u64,
        written: bool,
    },
    /// A member that may be stopping is told to end.
    Stop {
        pid: Pid,
        deliver: bool,
    },
    CommitTick {
        pid: Pid,
    },
    /// Something that a member says arrives at the broker, in the order in which it was said.
    Arrives {
        pid: Pid,
        session: u32,
        said: Said,
    },
    CommitAnswered {
        pid: Pid,
        answer: Answer,
    },
    /// `session`: which of its memberships it is told this in.
    Told {
        pid: Pid,
        session: u32,
        told: Told,
    },
    /// A member learns that the group goes on without it.
    LearnLost {
        pid: Pid,
    },
    /// The group notices that a member is gone.
    Expire {
        pid: Pid,
    },
    Join {
        pid: Pid,
    },
    Start {
        slot: usize,
        instead: Option<Pid>,
    },
    Resume {
        pid: Pid,
    },
    Fault,
    Heal,
    /// A look at what should be going on.
    Look,
}

/// What a member says to the broker.
#[derive(Debug)]
pub enum Said {
    Commit(Vec<CommitEntry>),
    Assigned(Vec<usize>),
    GivenUp(Vec<usize>),
}
