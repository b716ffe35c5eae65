//! What the lanes are doing, for metrics and for whoever asks why something waits.

use std::cmp::Reverse;
use std::fmt;

use super::{Entry, Item, Lane, Lanes, State, Trouble};
use crate::core::destinations::DestinationId;
use crate::core::{Epoch, LaneId};

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lanes that exist: `ready + blocked + waiting + held + dead_letters`, and those that are being
    /// sent.
    pub lanes: usize,
    /// Lanes that could be dispatched now, as far as is known: nobody has asked yet whether the
    /// destination of their head takes it.
    pub ready: usize,
    /// Lanes that wait for the destination of their head.
    pub blocked: usize,
    /// Lanes whose head waits for its next attempt, parked ones included.
    pub waiting: usize,
    /// Waiting lanes whose head is tried beyond what ordinary retries were to do.
    pub parked: usize,
    /// Lanes that the policy stopped.
    pub held: usize,
    /// Lanes whose head is being written as a dead letter.
    pub dead_letters: usize,
    /// Records in queues: of lanes that are ready, wait or are held, or behind what is under way.
    pub queued: usize,
    /// Records with a sender or being dead-lettered.
    pub under_way: usize,
}

/// What a lane is doing.
#[derive(Clone, Copy, Debug)]
pub enum Standing<'a> {
    /// It is next when those before it are served.
    Ready,
    /// It waits for the destination of its head, or (`None`) until there is a place for one more.
    Blocked(Option<DestinationId>),
    /// So many records of one epoch are with a sender.
    Sending(Epoch, u32),
    /// A record of this epoch is being written as a dead letter.
    Lettering(Epoch),
    /// Its head failed and waits: until when and why.
    Waiting(&'a Trouble),
    /// Its head failed and the policy stopped it: why.
    Held(&'a Trouble),
}

/// One lane, as it is now.
pub struct LaneView<'a, T> {
    id: LaneId,
    lane: &'a Lane,
    lanes: &'a Lanes<T>,
}

impl<T> fmt::Debug for LaneView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut view = f.debug_struct("LaneView");
        view.field("id", &self.id).field("standing", &self.standing());
        view.finish_non_exhaustive()
    }
}

impl<'a, T> LaneView<'a, T> {
    /// Which lane it is.
    pub fn id(&self) -> LaneId {
        self.id
    }

    /// What it is doing.
    pub fn standing(&self) -> Standing<'a> {
        match self.lane.state {
            State::Ready => Standing::Ready,
            State::Queued(to) => Standing::Blocked(to),
            State::Sending { epoch, records } => Standing::Sending(epoch, records),
            State::Lettering { epoch } => Standing::Lettering(epoch),
            State::Waiting => Standing::Waiting(self.trouble()),
            State::Held => Standing::Held(self.trouble()),
        }
    }

    /// What is queued in it, first to last; not what is under way.
    pub fn queued(&self) -> impl Iterator<Item = &'a Entry<T>> + use<'a, T> {
        self.lanes.queued.iter(self.lane.fifo)
    }

    fn trouble(&self) -> &'a Trouble {
        let Some(trouble) = self.queued().next().and_then(Entry::trouble) else {
            unreachable!("a lane that waits or is held does so for its head")
        };
        trouble
    }
}

impl<T> Lanes<T> {
    /// How many lanes could be dispatched now.
    pub(in crate::core) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Counts everything but what the destinations know; costs time for each waiting lane.
    pub(in crate::core) fn counts(&self) -> Counts {
        Counts {
            lanes: self.all.len(),
            ready: self.ready.len(),
            blocked: 0,
            waiting: self.waiting.len(),
            parked: self.waiting.iter().filter(|Reverse(wait)| wait.parked).count(),
            held: self.held.len(),
            dead_letters: self.lettering,
            queued: self.queued.len(),
            under_way: self.under_way,
        }
    }

    /// All that is queued, in no order.
    pub(in crate::core) fn queued(&self) -> impl Iterator<Item = &Entry<T>> {
        self.queued.all()
    }

    pub(in crate::core) fn view(&self, id: LaneId) -> Option<LaneView<'_, T>> {
        self.all.get(&id).map(|lane| LaneView { id, lane, lanes: self })
    }

    pub(in crate::core) fn views(&self) -> impl Iterator<Item = LaneView<'_, T>> {
        self.all.iter().map(|(&id, lane)| LaneView { id, lane, lanes: self })
    }

    /// The lanes that wait and those that are held, in no order.
    pub(in crate::core) fn stuck(&self) -> impl Iterator<Item = LaneView<'_, T>> {
        let waiting = self.waiting.iter().map(|Reverse(wait)| wait.lane);
        waiting.chain(self.held.iter().copied()).filter_map(|id| self.view(id))
    }
}

impl<T: Item> Lanes<T> {
    /// Calls `each` with the epoch and number of records of each part under way; visits every lane.
    pub(in crate::core) fn each_under_way(&self, mut each: impl FnMut(Epoch, usize)) {
        for lane in self.all.values() {
            match lane.state {
                State::Sending { epoch, records } => each(epoch, records as usize),
                State::Lettering { epoch } => each(epoch, 1),
                State::Ready | State::Queued(_) | State::Waiting | State::Held => {}
            }
        }
    }
}
