//! What is still to be told: grouped by kind and pipeline, and let out no faster than allowed.
//!
//! Nothing is queued: events of one kind and pipeline are one group until they are told, so that
//! there are at most seven groups a pipeline, whatever happens and however long nobody listens. A
//! message that did not arrive goes back into its group, counts and all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyway_actors::core::Moment;

use super::condition::REMIND;
use super::event::{Event, Group};
use super::kind::AlertKind;

/// How long events gather before the first message of them: what happens at once is told at once.
const GATHER: Duration = Duration::from_secs(1);

/// The pause after a message that did not arrive; it doubles each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The longest that a webhook may ask to be left alone for (`Retry-After`), as of destinations.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// What messages are grouped by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Topic {
    pub(super) kind: AlertKind,
    pub(super) pipeline: Arc<str>,
}

/// What is still to be told.
#[derive(Debug)]
pub(super) struct Outbox {
    every: Duration,
    waiting: BTreeMap<Topic, Group>,
    /// The one message under way.
    under_way: Option<(Topic, Group)>,
    /// When the last message of a topic arrived; as many as there are topics.
    told: BTreeMap<Topic, Moment>,
    failures: u32,
    not_before: Moment,
}

impl Outbox {
    /// Tells of a topic at most once in `every`.
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            waiting: BTreeMap::new(),
            under_way: None,
            told: BTreeMap::new(),
            failures: 0,
            not_before: Moment::default(),
        }
    }

    /// Something happened in a pipeline.
    pub(super) fn add(&mut self, pipeline: &Arc<str>, event: Event, now: Moment) {
        let topic = Topic { kind: event.kind, pipeline: Arc::clone(pipeline) };
        self.put(topic, Group::of(event, now));
    }

    fn put(&mut self, topic: Topic, later: Group) {
        let group = match self.waiting.remove(&topic) {
            Some(group) => group.and_then(later, topic.kind),
            None => later,
        };
        self.waiting.insert(topic, group);
    }

    /// The next group that is due, if nothing is under way. [`arrived`](Self::arrived) or
    /// [`failed`](Self::failed) is to follow.
    pub(super) fn next(&mut self, now: Moment) -> Option<&(Topic, Group)> {
        if now < self.not_before {
            return None;
        }
        self.take(|outbox, topic, group| outbox.due(topic, group).is_some_and(|due| due <= now))
    }

    /// The next group, due or not: for the end of the process.
    pub(super) fn last(&mut self) -> Option<&(Topic, Group)> {
        self.take(|_, topic, group| group.is_worth_telling(topic.kind))
    }

    fn take(&mut self, may_go: impl Fn(&Self, &Topic, &Group) -> bool) -> Option<&(Topic, Group)> {
        if self.under_way.is_some() {
            return None;
        }
        let may_go = self.waiting.iter().filter(|(topic, group)| may_go(self, topic, group));
        // A pipeline that stopped first, then what was noticed first.
        let first = may_go.min_by_key(|(topic, it)| (topic.kind != AlertKind::Stopped, it.first));
        let topic = first?.0.clone();
        self.under_way = self.waiting.remove_entry(&topic);
        self.under_way.as_ref()
    }

    /// When a group is to be told; `None`: with what comes after it.
    fn due(&self, topic: &Topic, group: &Group) -> Option<Moment> {
        if !group.is_worth_telling(topic.kind) {
            return None;
        }
        let wait = if group.is_news(topic.kind) { GATHER } else { REMIND };
        let allowed = self.told.get(topic).map_or(Moment::default(), |at| at.after(self.every));
        Some(allowed.max(group.first.after(wait)))
    }

    /// The message under way arrived. Says how many had failed before it.
    pub(super) fn arrived(&mut self, now: Moment) -> u32 {
        if let Some((topic, _)) = self.under_way.take() {
            self.told.insert(topic, now);
        }
        self.not_before = now;
        std::mem::take(&mut self.failures)
    }

    /// The message under way did not arrive; the webhook asked to be left alone for so long. Says
    /// how many have failed since the last that arrived.
    pub(super) fn failed(&mut self, asked: Option<Duration>, now: Moment) -> u32 {
        if let Some((topic, group)) = self.under_way.take() {
            let later = self.waiting.remove(&topic);
            self.waiting.insert(topic.clone(), group);
            if let Some(later) = later {
                self.put(topic, later);
            }
        }
        let doubled = PAUSE.saturating_mul(1 << self.failures.min(16));
        let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
        self.not_before = now.after(doubled.min(LONGEST_PAUSE).max(asked));
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// How many groups have something to say.
    pub(super) fn untold(&self) -> usize {
        let waiting =
            self.waiting.iter().filter(|(topic, group)| group.is_worth_telling(topic.kind));
        waiting.count() + usize::from(self.under_way.is_some())
    }
}

#[cfg(test)]
mod tests;
