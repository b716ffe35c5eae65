//! What the parts of a pipeline are asked, and answer.
//!
//! Each question carries the way back of its answer. Whoever asked may have gone: then the answer
//! is dropped, and nobody is the worse for it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use actix::Message;
use tokio::sync::oneshot;

use super::{Lane, LaneState, Place, Question, Rest};
use crate::core::ledger::Whereabouts;
use crate::core::{Epoch, LaneId, Offset};
use crate::offsets::Ages;

/// To the poll thread: which partitions are meant, and what of it they have.
#[derive(Debug)]
pub(crate) struct Locate {
    pub(crate) question: Question,
    pub(crate) reply: oneshot::Sender<Located>,
}

/// What the poll thread says.
#[derive(Debug)]
pub(crate) enum Located {
    /// It is of one of these, and not said of which.
    TopicNeeded(Vec<String>),
    /// The partitions that are meant, of those that it has.
    In {
        topic: String,
        partitions: Vec<InPartition>,
        /// How long the poll thread looked.
        took: Duration,
    },
}

/// One partition on the poll thread.
#[derive(Clone, Debug)]
pub(crate) struct InPartition {
    pub(crate) partition: i32,
    pub(crate) epoch: Epoch,
    /// The lane of the key that is asked for; none where each record has one of its own, or where
    /// an offset is asked for.
    pub(crate) lane: Option<LaneId>,
    /// The offset that is taken in next.
    pub(crate) next: Option<Offset>,
    pub(crate) log_end: Option<Offset>,
    /// Why it takes in nothing, if it does not.
    pub(crate) intake: Option<Rest>,
    /// How many of the records asked for wait for the offset span.
    pub(crate) held_by_span: u64,
    /// How many of them wait for room at an arbiter.
    pub(crate) in_transit: u64,
}

/// To a router: what of it is here?
///
/// What it is about stays with whoever asks, and goes with them: a router that is stuck may be asked
/// again and again, and keeps next to nothing of each question.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Inquiry {
    pub(crate) wanted: Weak<Wanted>,
    pub(crate) taken: Weak<TakenAt>,
    pub(crate) reply: oneshot::Sender<Inspected>,
}

impl Inquiry {
    /// What is asked; none if nobody waits for the answer any more.
    pub(crate) fn open(self) -> Option<Inspect> {
        let (wanted, taken) = (self.wanted.upgrade()?, self.taken.upgrade()?);
        Some(Inspect { wanted, taken, reply: self.reply })
    }
}

/// A question that a router works on.
#[derive(Debug)]
pub(crate) struct Inspect {
    pub(crate) wanted: Arc<Wanted>,
    /// When what was taken in.
    pub(crate) taken: Arc<TakenAt>,
    pub(crate) reply: oneshot::Sender<Inspected>,
}

/// What is looked for on an arbiter.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// The lanes that have waited longest; of one state, or of any.
    Longest { state: Option<LaneState>, limit: usize },
    /// One record.
    Record { epoch: Epoch, offset: Offset },
    /// The records of a key, in these stays: each with the lane of all of them, where they have one
    /// in common.
    Key { key: Vec<u8>, stays: HashMap<Epoch, Option<LaneId>> },
}

impl Wanted {
    /// Whether this record is among those asked for. Costs the same however many stays are asked for.
    pub(crate) fn has(&self, epoch: Epoch, offset: Offset, key: Option<&[u8]>) -> bool {
        match self {
            Self::Longest { .. } => false,
            Self::Record { epoch: of, offset: at } => *at == offset && *of == epoch,
            Self::Key { key: asked, stays } => key == Some(asked) && stays.contains_key(&epoch),
        }
    }
}

/// What a router found.
#[derive(Debug, Default)]
pub(crate) struct Inspected {
    /// The lanes that were asked for, each with when its first record was taken in.
    pub(crate) lanes: Vec<(LaneRank, Lane)>,
    /// How many lanes there are of the state that was asked for.
    pub(crate) matching: u64,
    /// Of the records that were asked for, the first of each stay: never more than stays are asked
    /// for.
    pub(crate) found: BTreeMap<Epoch, Found>,
    /// The record that was asked for is settled, which the ledger may not know yet.
    pub(crate) settled: bool,
    /// Batches on their way here.
    pub(crate) batches: usize,
    /// How long the arbiter looked, without its senders.
    pub(crate) took: Duration,
}

impl Inspected {
    /// Adds records that were found, to those of the same stay if there are some.
    pub(crate) fn add(&mut self, new: Found) {
        match self.found.entry(new.epoch) {
            Entry::Vacant(place) => {
                place.insert(new);
            }
            Entry::Occupied(known) => {
                let known = known.into_mut();
                let records = known.records + new.records;
                if new.offset < known.offset {
                    *known = new;
                }
                known.records = records;
            }
        }
    }
}

/// In which order lanes are told: those first whose first record was taken in first, then by offset;
/// last those of which that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneRank {
    pub(crate) unknown: bool,
    pub(crate) taken: Option<Instant>,
    pub(crate) offset: Offset,
    pub(crate) epoch: Epoch,
}

/// Records of one stay that are with an arbiter.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) epoch: Epoch,
    /// How many.
    pub(crate) records: u64,
    /// The first of them, and where it is.
    pub(crate) offset: Offset,
    pub(crate) place: Place,
    pub(crate) lane_id: LaneId,
    pub(crate) lane: Option<Lane>,
}

/// To OffsetActor: what do the ledgers say?
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum Look {
    /// When what was taken in, of all partitions.
    Ages { reply: oneshot::Sender<TakenAt> },
    /// Whether a record is settled; none: the stay is over.
    Offset { epoch: Epoch, offset: Offset, reply: oneshot::Sender<Option<Entered>> },
}

/// What a ledger says of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entered {
    pub(crate) whereabouts: Whereabouts,
    pub(crate) committed: Option<Offset>,
    pub(crate) base: Option<Offset>,
}

/// When what was taken in, by stay. Shared with the ledgers: to ask copies no ages.
#[derive(Debug, Default)]
pub(crate) struct TakenAt(pub(crate) HashMap<Epoch, Arc<Ages>>);

impl TakenAt {
    /// When a record was taken in, to within a commit interval.
    pub(crate) fn of(&self, epoch: Epoch, offset: Offset) -> Option<Instant> {
        self.0.get(&epoch).map(|ages| ages.taken(offset))
    }

    /// How long ago that was.
    pub(crate) fn age(&self, epoch: Epoch, offset: Offset, now: Instant) -> Option<Duration> {
        self.of(epoch, offset).map(|taken| now.saturating_duration_since(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inquiry_whose_asker_has_gone_keeps_nothing_and_is_not_opened() {
        let wanted = Arc::new(Wanted::Record { epoch: Epoch(1), offset: 1 });
        let taken = Arc::new(TakenAt::default());
        let inquiry = || Inquiry {
            wanted: Arc::downgrade(&wanted),
            taken: Arc::downgrade(&taken),
            reply: oneshot::channel().0,
        };
        assert!(inquiry().open().is_some());
        let left = inquiry();
        drop(wanted);
        assert!(left.open().is_none());
        assert_eq!(Arc::strong_count(&taken), 1);
    }
}
