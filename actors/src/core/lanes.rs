//! The lanes of one arbiter: which are ready, which are closed, which wait, and what is queued.
//!
//! A lane is a queue with a state. It exists from its first item until it is empty with nothing
//! under way; while a part of it is under way it hands out nothing, which is all there is to order.
//! In which order ready lanes are served is said in `ready.rs`. Nothing here knows why an item comes
//! back or what becomes of it: that is the desk's. Each step of a record costs the same whatever the
//! number of lanes; only a wait costs the logarithm of the number of waits.

use std::cmp::Reverse;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use super::destinations::DestinationId;
use super::{Epoch, LaneId, Moment};

mod clear;
mod delivery;
mod fifo;
mod ready;
#[cfg(test)]
mod tests;
mod view;

pub(in crate::core) use delivery::{Course, LetterTrouble, Load};
pub use delivery::{Delivery, Entry, Next, Trouble};
use fifo::{Block, Fifo, Place};
use ready::Ready;
pub use view::{Counts, LaneView, Standing};

/// What can be queued in a lane.
pub trait Item {
    /// The lane it belongs to, the same whenever it is asked.
    fn lane(&self) -> LaneId;
    /// The stay of its partition that it was read in, the same whenever it is asked.
    fn epoch(&self) -> Epoch;
    /// How old it is; zero where that is not known.
    fn age(&self, _now: Moment) -> Duration {
        Duration::ZERO
    }
    /// It is not sent for a while: what it holds and can make again may go.
    fn rest(&mut self) {}
}

/// How much goes into one delivery; a zero counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The most lanes.
    pub lanes: usize,
    /// The most records, of all lanes together.
    pub records: usize,
}

impl Batch {
    /// One record at a time.
    pub const ONE: Self = Self { lanes: 1, records: 1 };
}

/// All lanes of one arbiter.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    all: HashMap<LaneId, Lane, BuildUnhashed>,
    queued: Block<Entry<T>>,
    ready: Ready,
    waiting: BinaryHeap<Reverse<Wait>>,
    held: Vec<LaneId>,
    lettering: usize,
    under_way: usize,
}

#[derive(Debug)]
struct Lane {
    fifo: Fifo,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Among the ready lanes.
    Ready,
    /// In the queue of a destination that could not take its head when it was asked; `None`: among
    /// those for whose destination there is no place.
    Queued(Option<DestinationId>),
    /// Closed: `records` of it are with a sender.
    Sending { epoch: Epoch, records: u32 },
    /// Closed: a dead letter of it is being written.
    Lettering { epoch: Epoch },
    /// In the heap of waiting lanes, for the wait of its head.
    Waiting,
    /// On the list of lanes that the policy stopped.
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wait {
    until: Moment,
    lane: LaneId,
    parked: bool,
}

/// For tables of lanes, whose names are hashes already.
pub(crate) type BuildUnhashed = BuildHasherDefault<Unhashed>;

/// Passes on hashes that are hashes already.
#[derive(Debug, Default)]
pub(crate) struct Unhashed(u64);

impl Hasher for Unhashed {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Where the parts of a lane that come back have been put.
#[derive(Debug)]
pub(super) struct PutBack {
    lane: LaneId,
    last: Place,
}

impl PutBack {
    pub(super) fn to(lane: LaneId) -> Self {
        Self { lane, last: Place::FRONT }
    }
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            all: HashMap::default(),
            queued: Block::with_capacity(0),
            ready: Ready::default(),
            waiting: BinaryHeap::new(),
            held: Vec::new(),
            lettering: 0,
            under_way: 0,
        }
    }
}

impl<T: Item> Lanes<T> {
    /// Queues an item in its lane; a lane that did not exist is ready at once.
    pub(super) fn push(&mut self, item: T) {
        let id = item.lane();
        let lane = match self.all.entry(id) {
            Slot::Occupied(lane) => lane.into_mut(),
            Slot::Vacant(place) => {
                self.ready.came(id);
                place.insert(Lane { fifo: Fifo::EMPTY, state: State::Ready })
            }
        };
        self.queued.push_back(&mut lane.fifo, Entry::new(item));
    }

    /// The ready lane that comes before all others: its head is between two of its requests. It must
    /// be taken from, queued or opened.
    pub(super) fn next_begun(&mut self) -> Option<LaneId> {
        self.ready.next_begun()
    }

    /// The ready lane whose turn it is, if none is begun. It must be taken from, queued or opened.
    pub(super) fn next(&mut self) -> Option<LaneId> {
        self.ready.next()
    }

    /// The same, without taking it from the others.
    pub(super) fn peek(&self) -> Option<LaneId> {
        self.ready.peek()
    }

    /// The head of a lane that is ready or queued.
    pub(super) fn head(&mut self, id: LaneId) -> &mut Entry<T> {
        let lane = self.all.get(&id);
        let Some(head) = lane.and_then(|lane| self.queued.front_mut(lane.fifo)) else {
            unreachable!("a lane that is ready or queued has a head")
        };
        head
    }

    /// Notes that a lane waits in the queue of its destination.
    pub(super) fn queue(&mut self, id: LaneId, to: Option<DestinationId>) {
        self.in_place(id).state = State::Queued(to);
    }

    /// Takes the head of a lane that is ready or queued, which does not close it: it must be opened.
    pub(super) fn pop(&mut self, id: LaneId) -> Entry<T> {
        let Some(lane) = self.all.get_mut(&id) else { unreachable!("a ready lane exists") };
        let Some(head) = self.queued.pop_front(&mut lane.fifo) else {
            unreachable!("a lane that is ready or queued has a head")
        };
        head
    }

    /// Takes the head of a lane that is ready or queued to be sent, which closes it.
    #[inline]
    pub(super) fn take(&mut self, id: LaneId) -> Entry<T> {
        let Some(lane) = self.all.get_mut(&id) else { unreachable!("a ready lane exists") };
        let Some(head) = self.queued.pop_front(&mut lane.fifo) else {
            unreachable!("a lane that is ready or queued has a head")
        };
        lane.state = State::Sending { epoch: head.item.epoch(), records: 1 };
        self.under_way += 1;
        head
    }

    /// Takes what comes next in a lane that is being sent, if it may go with `first`.
    pub(super) fn take_with(
        &mut self,
        id: LaneId,
        first: &Entry<T>,
        may_go: impl FnOnce(&mut Entry<T>) -> bool,
    ) -> Option<Entry<T>> {
        let lane = self.all.get_mut(&id)?;
        let next = self.queued.front_mut(lane.fifo)?;
        let State::Sending { records, .. } = &mut lane.state else { return None };
        if !next.goes_with(first) || !may_go(next) {
            return None;
        }
        *records += 1;
        self.under_way += 1;
        self.queued.pop_front(&mut lane.fifo)
    }

    fn in_place(&mut self, id: LaneId) -> &mut Lane {
        let Some(lane) = self.all.get_mut(&id) else { unreachable!("a lane with a head exists") };
        lane
    }

    /// Puts an entry back to the front of its lane, behind those put back before it.
    pub(super) fn put_back(&mut self, back: &mut PutBack, entry: Entry<T>) {
        let Some(lane) = self.all.get_mut(&back.lane) else {
            unreachable!("a lane with something under way exists")
        };
        back.last = self.queued.insert(&mut lane.fifo, back.last, entry);
    }

    /// Opens a lane whose part under way, or whose wait, has ended: it is forgotten when empty,
    /// else what its head needs decides. A head that is to be a dead letter is handed out.
    pub(super) fn open(&mut self, id: LaneId, now: Moment) -> Option<Entry<T>> {
        let Slot::Occupied(mut place) = self.all.entry(id) else {
            unreachable!("a lane that is closed or waits exists")
        };
        let lane = place.get_mut();
        match lane.state {
            State::Sending { records, .. } => self.under_way -= records as usize,
            State::Lettering { .. } => {
                self.lettering -= 1;
                self.under_way -= 1;
            }
            State::Ready | State::Queued(_) | State::Waiting | State::Held => {}
        }
        let Some(head) = self.queued.front(lane.fifo) else {
            place.remove();
            self.trim();
            return None;
        };
        let (next, until) = head.trouble().map_or((Next::Send, now), |it| (it.next, it.until));
        if next == Next::Hold {
            lane.state = State::Held;
            self.held.push(id);
        } else if until > now {
            lane.state = State::Waiting;
            self.waiting.push(Reverse(Wait { until, lane: id, parked: next == Next::Park }));
        } else if next == Next::Letter {
            lane.state = State::Lettering { epoch: head.item.epoch() };
            self.lettering += 1;
            self.under_way += 1;
            return self.queued.pop_front(&mut lane.fifo);
        } else {
            let begun = head.done > 0;
            lane.state = State::Ready;
            if begun {
                self.ready.is_begun(id);
            } else {
                self.ready.goes_on(id);
            }
        }
        None
    }

    /// Takes the next lane whose wait is over out of the waiting ones. It must be opened.
    pub(super) fn due(&mut self, now: Moment) -> Option<LaneId> {
        if self.next_wake()? > now {
            return None;
        }
        self.waiting.pop().map(|Reverse(wait)| wait.lane)
    }

    /// When the first waiting lane is due.
    pub(super) fn next_wake(&self) -> Option<Moment> {
        self.waiting.peek().map(|Reverse(wait)| wait.until)
    }
}
