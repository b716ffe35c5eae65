//! What the actors say to each other.
//!
//! The reply to a request travels back through a channel inside the message.

use std::sync::Arc;
use std::time::Duration;

use actix::{Message, Recipient};
use tokio::sync::oneshot;

use crate::assignment::Assignment;
use crate::core::desk::Letter;
use crate::core::lanes::Delivery;
use crate::core::ledger::Start;
use crate::core::outcome::Failure;
use crate::core::stopping::Manner;
use crate::core::{Epoch, Offset};
use crate::error::PipelineError;
use crate::explain::Locate;
use crate::kafka::context::CommitAnswer;
use crate::record::{Record, Settlement};

/// Poll thread to RouterActor, through a bounded channel: records of one partition, in order.
pub type Batch = Vec<Record>;

/// Router to SenderActor: deliver this, then whatever else is ready.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Deliver(pub Delivery<Record>);

/// Router to OffsetActor: these records are settled.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SettledBatch(pub(crate) Vec<Settlement>);

/// Poll thread to OffsetActor: a stay begins, at this position. Sent before any of its records.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Opened {
    /// The stay.
    pub assignment: Arc<Assignment>,
    /// Where it begins.
    pub start: Start,
}

/// To OffsetActor: these stays are over; nothing of them is committed any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Closed(pub Vec<Epoch>);

/// Poll thread to OffsetActor: the broker answered the commit.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CommitAnswered(pub(crate) CommitAnswer);

/// To OffsetActor: commit these stays now; the reply says whether the broker has acknowledged all
/// that they settled. Dropping the receiver gives the request up.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CommitNow {
    /// The stays.
    pub epochs: Vec<Epoch>,
    /// True: acknowledged.
    pub reply: oneshot::Sender<bool>,
}

/// Poll thread to ConsumerActor: the group wants these back. They take in nothing more; the thread
/// goes on polling and gives them up when told to by a command.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Revoking(pub Vec<Epoch>);

/// Poll thread to ConsumerActor: these stays ended without a chance to commit.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Lost(pub Vec<Epoch>);

/// Poll thread to ConsumerActor: it has ended and the consumer is closed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PollEnded(pub Result<(), PipelineError>);

/// To RouterActor: let go of what is queued of these stays, finish what is under way, and reply
/// when nothing is left.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Release {
    /// Which stays.
    pub which: Which,
    /// What to do with what is queued.
    pub queued: Queued,
    /// Told when nothing of them is left here and what they settled is with the OffsetActor.
    pub reply: oneshot::Sender<()>,
}

/// Some stays, or all.
#[derive(Clone, Debug)]
pub enum Which {
    /// These.
    Some(Vec<Epoch>),
    /// All there are.
    All,
}

/// What becomes of records that are queued or wait for a retry when their stay is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// They are let go, unsettled: whoever gets the partition next delivers them.
    LetGo,
    /// They are delivered first.
    Deliver,
}

impl From<Queued> for Manner {
    fn from(queued: Queued) -> Self {
        match queued {
            Queued::Deliver => Self::Drain,
            Queued::LetGo => Self::Stop,
        }
    }
}

/// To RouterActor: cancel what is still under way, and reply to each [`Release`] that waited for it.
/// The deadline of one has passed, or the pipeline was told to stop once more.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Cancel {
    /// Which stays.
    pub which: Which,
}

/// To RouterActor: hand out deliveries, or rest.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct SetPaused(pub bool);

/// To RouterActor: have this many senders from now on.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Resize(pub usize);

/// Router to DeadLetterActor: produce this record's dead letter.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct DeadLetter {
    /// The record and why it was given up; it comes back with the answer.
    pub letter: Letter<Record>,
    /// Where the answer goes.
    pub reply: Recipient<DeadLettered>,
}

/// DeadLetterActor to router: the broker has the dead letter, or refused it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct DeadLettered {
    /// What was asked for.
    pub letter: Letter<Record>,
    /// Whether the broker acknowledged it.
    pub result: Result<(), Failure>,
}

/// To ConsumerActor: end the pipeline from the source to the sink. What a second one means is said
/// in [`crate::core::stopping`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop {
    /// What becomes of what is queued.
    pub queued: Queued,
    /// How long requests under way (and, when draining, what is queued) may take.
    pub deadline: Duration,
}

/// To ConsumerActor: take in nothing until told otherwise, or go on.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Pause(pub bool);

/// To any actor: end. Sent when nothing of it is needed any more.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Shutdown;

/// To the poll thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// Commit this; the answer goes to the OffsetActor.
    Commit(Vec<CommitEntry>),
    /// Give these partitions up now: their drain is done.
    GiveUp(Vec<Epoch>),
    /// Take in nothing, or go on.
    Pause(bool),
    /// Take in nothing more, ever, and go on polling; the reply names the stays there are, once all
    /// that is to be delivered is with the routers.
    StopIntake { queued: Queued, reply: oneshot::Sender<Vec<Epoch>> },
    /// Let go of what is not with a router yet: the drain that was to deliver it is cut short.
    LetGo,
    /// Say what there is here of a record or a key.
    Locate(Locate),
    /// Close the consumer, leave the group and end.
    Leave,
}

/// One partition of a commit.
#[derive(Clone, Debug)]
pub(crate) struct CommitEntry {
    pub(crate) epoch: Epoch,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: Offset,
    pub(crate) metadata: String,
}
