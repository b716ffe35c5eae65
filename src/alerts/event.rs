//! What happened, and what has gathered of it since the last message.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyway_actors::core::Moment;

use super::kind::AlertKind;

/// How many destinations are named in a message; the others are counted. A pipeline with routes may
/// have ten thousand.
pub(super) const NAMED: usize = 3;

/// How many destinations are kept until then: as many as can be told apart from "and 97 others".
const KEPT: usize = 100;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: AlertKind,
    pub(super) turn: Turn,
    /// Since when it is, or was, so; of what does not last, not before this moment.
    pub(super) since: Moment,
    /// The destinations that it happened to, where it is known.
    pub(super) destinations: Vec<Arc<str>>,
    pub(super) facts: Facts,
}

/// How it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// So often, and it is news.
    Happened(u64),
    /// So often, of what is known already: it waits for the next message, or for the reminder.
    Again(u64),
    /// What lasts still does.
    Still,
    /// What lasted is over.
    Over,
}

/// How things stand, for the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Facts {
    /// There is nothing to add.
    #[default]
    None,
    /// Lanes that are parked, and how long the first of them has been failing.
    Parked { lanes: u64, longest: Duration },
    /// Records not settled of the partitions that are late, and how long the oldest has waited.
    Lag { records: u64, oldest: Duration },
    /// How a pipeline ended.
    Ended(&'static str),
}

/// Events of one kind and pipeline since the last message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// How often it happened.
    pub(super) count: u64,
    /// Whether what lasts was over at last.
    pub(super) over: bool,
    /// Whether there is something to say before the reminder.
    is_news: bool,
    /// When the first of these events was noticed.
    pub(super) first: Moment,
    /// Since when it is, or was, so.
    pub(super) since: Moment,
    pub(super) destinations: BTreeSet<Arc<str>>,
    pub(super) facts: Facts,
}

impl Group {
    /// Of one event, noticed now.
    pub(super) fn of(event: Event, now: Moment) -> Self {
        let count = match event.turn {
            Turn::Happened(count) | Turn::Again(count) => count,
            Turn::Still | Turn::Over => 0,
        };
        let lasts = matches!(event.turn, Turn::Still | Turn::Over);
        Self {
            count,
            over: event.turn == Turn::Over,
            is_news: lasts || matches!(event.turn, Turn::Happened(_)),
            first: now,
            since: event.since,
            destinations: event.destinations.into_iter().take(KEPT).collect(),
            facts: event.facts,
        }
    }

    /// This and what came later, as one.
    pub(super) fn and_then(mut self, later: Self, kind: AlertKind) -> Self {
        self.count = self.count.saturating_add(later.count);
        self.is_news |= later.is_news;
        self.first = self.first.min(later.first);
        self.over = later.over;
        self.facts = later.facts;
        self.since = if kind.lasts() { later.since } else { self.since.min(later.since) };
        let room = KEPT.saturating_sub(self.destinations.len());
        self.destinations.extend(later.destinations.into_iter().take(room));
        self
    }

    /// Whether it is worth a message, be it at once or with the reminder. A breaker that was seen
    /// open and is not counted yet is not: the count follows at the next look.
    pub(super) fn is_worth_telling(&self, kind: AlertKind) -> bool {
        self.count > 0 || (kind.lasts() && self.is_news)
    }

    /// Whether it is worth one before the reminder.
    pub(super) fn is_news(&self, kind: AlertKind) -> bool {
        self.is_news && self.is_worth_telling(kind)
    }
}
