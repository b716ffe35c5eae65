//! What goes to a sender and comes back: items with their history, moved and never copied.

use std::slice;

use super::Item;
use crate::core::breaker::Ticket;
use crate::core::destinations::DestinationId;
use crate::core::outcome::Failure;
use crate::core::{LaneId, Moment};

/// The unit handed to a sender: one or more items of one or more lanes, never empty.
///
/// It holds the only copy of its items, and its lanes stay closed until it is given back to the
/// desk that dispatched it: concluded or abandoned, exactly once. To drop it is to lose its records
/// and to leave their lanes closed for ever.
#[must_use = "its lanes stay closed until it is concluded or abandoned"]
#[derive(Debug)]
pub struct Delivery<T> {
    pub(in crate::core) load: Load<T>,
    pub(in crate::core) course: Course,
}

/// Where a delivery goes, and since when.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Course {
    pub(in crate::core) to: DestinationId,
    pub(in crate::core) ticket: Ticket,
    pub(in crate::core) began: Moment,
}

/// One entry is by far the commonest load, and allocates nothing.
#[derive(Debug)]
pub(in crate::core) enum Load<T> {
    One(Entry<T>),
    Many(Vec<Entry<T>>),
}

impl<T> Delivery<T> {
    /// What is to be delivered, in order.
    pub fn entries(&self) -> &[Entry<T>] {
        match &self.load {
            Load::One(entry) => slice::from_ref(entry),
            Load::Many(entries) => entries,
        }
    }

    /// What is to be delivered, for a sender that keeps its progress in the items.
    pub fn entries_mut(&mut self) -> &mut [Entry<T>] {
        match &mut self.load {
            Load::One(entry) => slice::from_mut(entry),
            Load::Many(entries) => entries,
        }
    }
}

/// An item with what was tried so far.
#[derive(Debug)]
pub struct Entry<T> {
    pub(in crate::core) item: T,
    pub(in crate::core) attempts: u32,
    /// Of the requests that it takes: how many were delivered, and how many there are.
    pub(in crate::core) done: u16,
    pub(in crate::core) requests: u16,
    pub(in crate::core) trouble: Option<Box<Trouble>>,
}

impl<T: Item> Entry<T> {
    pub(in crate::core) fn new(item: T) -> Self {
        Self { item, attempts: 0, done: 0, requests: 1, trouble: None }
    }

    pub(in crate::core) fn lane(&self) -> LaneId {
        self.item.lane()
    }

    /// Whether it is begun and not failing: a request was delivered, and its next can be made.
    pub(in crate::core) fn is_between_requests(&self) -> bool {
        self.done > 0 && self.trouble.is_none()
    }

    /// Whether it may be sent when `first`, an entry before it in its lane, is: an entry with a
    /// wait of its own is not drawn along by one that waits less.
    pub(super) fn goes_with(&self, first: &Self) -> bool {
        let due = |entry: &Self| entry.trouble.as_ref().map_or(Moment::default(), |it| it.until);
        let sent = |it: &Trouble| matches!(it.next, Next::Send | Next::Park);
        self.item.epoch() == first.item.epoch()
            && self.trouble.as_deref().is_none_or(sent)
            && due(self) <= due(first)
    }
}

impl<T> Entry<T> {
    /// The item.
    pub fn item(&self) -> &T {
        &self.item
    }

    /// The item, whose lane and epoch must stay what they are.
    pub fn item_mut(&mut self) -> &mut T {
        &mut self.item
    }

    /// How many attempts were made before this one, at the request that is next.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The index of the request that is next, of those that the item takes: so many were delivered.
    pub fn request(&self) -> u16 {
        self.done
    }

    /// What went wrong so far, where something did.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_deref()
    }
}

/// Why an item is not settled although it was attempted, and what is to follow.
#[derive(Debug)]
pub struct Trouble {
    pub(in crate::core) since: Moment,
    pub(in crate::core) until: Moment,
    pub(in crate::core) next: Next,
    pub(in crate::core) failure: Box<Failure>,
    pub(in crate::core) letter: Option<LetterTrouble>,
}

/// What is to be done with an item that failed, once its wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// It is sent again.
    Send,
    /// It is sent again, beyond what ordinary retries were to do.
    Park,
    /// Its dead letter is written.
    Letter,
    /// Nothing: the policy says that the pipeline stops here.
    Hold,
}

/// Why a dead letter is not written yet.
#[derive(Debug)]
pub(in crate::core) struct LetterTrouble {
    pub(in crate::core) attempts: u32,
    pub(in crate::core) failure: Failure,
}

impl Trouble {
    /// When the item first failed.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// When its wait ends.
    pub fn until(&self) -> Moment {
        self.until
    }

    /// What follows then.
    pub fn next(&self) -> Next {
        self.next
    }

    /// What the receiver last said, or why it could not be asked.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Why its dead letter could not be written, where that was tried.
    pub fn letter_failure(&self) -> Option<&Failure> {
        self.letter.as_ref().map(|letter| &letter.failure)
    }
}
