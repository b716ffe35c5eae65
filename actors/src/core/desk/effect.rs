//! What a desk is told of a delivery, and what it says becomes of the items.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::core::Moment;
use crate::core::breaker::Change;
use crate::core::lanes::{Entry, Trouble};
use crate::core::outcome::{Failure, FailureKind, Outcome, Settled};

/// What became of a delivery.
#[derive(Clone, Debug)]
pub struct Outcomes {
    told: Told,
    /// The receiver takes nothing more for so long.
    exhausted: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Told {
    /// The same for all that it held.
    All(Outcome),
    /// For each entry its own, in order.
    Each(Vec<Outcome>),
}

impl Outcomes {
    /// What became of each entry, in order; one outcome where it is the same for all.
    pub fn iter(&self) -> impl Iterator<Item = &Outcome> {
        match &self.told {
            Told::All(outcome) => std::slice::from_ref(outcome),
            Told::Each(outcomes) => outcomes,
        }
        .iter()
    }

    /// What became of the entry with this index, where it was said.
    pub fn get(&self, entry: usize) -> Option<&Outcome> {
        match &self.told {
            Told::All(outcome) => Some(outcome),
            Told::Each(outcomes) => outcomes.get(entry),
        }
    }

    /// Notes that the receiver said that its quota is used up, and for how long.
    #[must_use]
    pub fn exhausted_for(mut self, time: Option<Duration>) -> Self {
        self.exhausted = time;
        self
    }

    pub(super) fn exhausted(&self) -> Option<Duration> {
        self.exhausted
    }
}

/// The same for all that the delivery held.
impl From<Outcome> for Outcomes {
    fn from(outcome: Outcome) -> Self {
        Self { told: Told::All(outcome), exhausted: None }
    }
}

/// For each entry its own, in order. An entry without one is tried again; what is beyond the last
/// entry is ignored.
impl From<Vec<Outcome>> for Outcomes {
    fn from(outcomes: Vec<Outcome>) -> Self {
        Self { told: Told::Each(outcomes), exhausted: None }
    }
}

/// Gives the outcomes out, one for each entry.
pub(super) enum Answers {
    All { outcome: Outcome, left: usize },
    Each(std::vec::IntoIter<Outcome>),
}

impl Answers {
    pub(super) fn of(outcomes: Outcomes, entries: usize) -> Self {
        match outcomes.told {
            Told::All(outcome) => Self::All { outcome, left: entries },
            Told::Each(outcomes) => Self::Each(outcomes.into_iter()),
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Outcome {
        match self {
            Self::All { outcome, left: 0 | 1 } => mem::replace(outcome, Outcome::Delivered),
            Self::All { outcome, left } => {
                *left -= 1;
                outcome.clone()
            }
            Self::Each(outcomes) => outcomes.next().unwrap_or_else(missing),
        }
    }
}

fn missing() -> Outcome {
    Outcome::retry(Failure::new(FailureKind::Other, "the sink named no outcome for this record"))
}

/// What becomes of an item. Told in the middle of a call to the desk: whoever listens notes it and
/// acts afterwards.
#[derive(Debug)]
pub enum Effect<'a, T> {
    /// Its outcome is final.
    Settled {
        /// The item, which leaves the desk.
        item: T,
        /// How.
        how: Settled,
        /// Why it was not delivered, where it was not.
        failure: Option<Box<Failure>>,
    },
    /// An attempt failed; the item waits at the head of its lane and is sent again.
    Retry {
        /// The item, which stays.
        item: &'a T,
        /// How often it was attempted by now.
        attempts: u32,
        /// How long it waits.
        wait: Duration,
        /// Whether it is parked.
        parking: Parking,
        /// Why the attempt failed.
        failure: &'a Failure,
    },
    /// Its attempts, or its time, are used up; what becomes of it is told next. Also where it was
    /// rejected with its last attempt.
    Exhausted {
        /// The item, which stays for now.
        item: &'a T,
    },
    /// A dead letter is to be written. Its lane stays closed, and holds no sender, until the letter
    /// comes back by `dead_letter_done`.
    DeadLetter(Letter<T>),
    /// A dead letter could not be written; it waits and is handed out again. Nothing is sent to the
    /// receiver meanwhile.
    LetterWaits {
        /// The item, which stays.
        item: &'a T,
        /// How often its letter was tried by now.
        attempts: u32,
        /// How long it waits.
        wait: Duration,
        /// Why it could not be written.
        failure: &'a Failure,
    },
    /// The policy says that the pipeline stops here. The item stays at the head of its lane, which
    /// sends nothing more.
    Stop {
        /// The item, which stays.
        item: &'a T,
        /// How often it was attempted.
        attempts: u32,
        /// Why.
        failure: &'a Failure,
    },
    /// Its epoch was given up before its outcome was final: it leaves the desk unsettled.
    Returned {
        /// The item.
        item: T,
    },
    /// The breaker of a destination opened or closed.
    Breaker {
        /// The destination's name.
        destination: &'a Arc<str>,
        /// What happened.
        change: Change,
    },
}

/// Whether a wait is one of a parked item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parking {
    /// It is not.
    No,
    /// It is from now on: worth a line in the log.
    Begins,
    /// It was before.
    GoesOn,
}

/// An item to be written as a dead letter, with what is to be said of it.
///
/// Its lane stays closed until it is given back to the desk that handed it out.
#[must_use = "its lane stays closed until it is given back"]
#[derive(Debug)]
pub struct Letter<T> {
    pub(super) item: T,
    pub(super) attempts: u32,
    pub(super) trouble: Box<Trouble>,
}

impl<T> Letter<T> {
    pub(super) fn of(entry: Entry<T>) -> Self {
        let Some(trouble) = entry.trouble else {
            unreachable!("an entry becomes a dead letter for a reason")
        };
        Self { item: entry.item, attempts: entry.attempts, trouble }
    }

    /// The item.
    pub fn item(&self) -> &T {
        &self.item
    }

    /// How often it was attempted.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Why it was not delivered.
    pub fn failure(&self) -> &Failure {
        self.trouble.failure()
    }

    /// When it first failed.
    pub fn since(&self) -> Moment {
        self.trouble.since()
    }
}
