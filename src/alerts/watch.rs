//! One pipeline under watch: from looks at its status to events.
//!
//! Counters are compared with those of the look before, so that what happened between two looks is
//! counted; they begin at zero, as a pipeline's do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keyway_actors::core::Moment;
use keyway_actors::core::breaker::BreakerState;
use keyway_actors::stats::DestinationStatus;
use keyway_actors::{PipelineError, State, Status};

use super::condition::Condition;
use super::event::{Event, Facts, Turn};
use super::kind::AlertKind;
use super::lag::{Lags, Late};

/// For how long things may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) parked: Duration,
    pub(super) lag: Duration,
}

/// One pipeline under watch.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When it was looked at last.
    looked: Moment,
    exhausted: u64,
    dead_lettered: u64,
    breakers_opened: u64,
    /// The destinations whose breakers are not closed, and when they were first seen so: as many
    /// at the most as the pipeline has.
    ill: BTreeMap<Arc<str>, Moment>,
    parked: Condition,
    lags: Lags,
    lag: Condition,
    has_ended: bool,
}

impl Watch {
    /// Takes a look, and says what is new.
    pub(super) fn look(&mut self, status: &Status, limits: Limits, now: Moment) -> Vec<Event> {
        let mut events = Vec::new();
        let totals = &status.totals;
        for (kind, seen, total) in [
            (AlertKind::Exhausted, &mut self.exhausted, totals.exhausted),
            (AlertKind::DeadLettered, &mut self.dead_lettered, totals.dead_lettered),
        ] {
            let count = total.saturating_sub(std::mem::replace(seen, total));
            if count > 0 {
                events.push(happened(kind, count, self.looked));
            }
        }
        self.look_at_breakers(status, now, &mut events);
        self.look_at_waits(status, limits, now, &mut events);
        // Told a moment after the state, and with it the reason.
        if let Some(error) = &status.failure
            && !std::mem::replace(&mut self.has_ended, true)
        {
            let facts = Facts::Ended(ending(error));
            events.push(Event { facts, ..happened(AlertKind::Stopped, 1, self.looked) });
        }
        self.looked = now;
        events
    }

    fn look_at_breakers(&mut self, status: &Status, now: Moment, events: &mut Vec<Event>) {
        let total = status.totals.breakers_opened;
        let count = total.saturating_sub(std::mem::replace(&mut self.breakers_opened, total));
        let were_ill = !self.ill.is_empty();
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        let mut ill = BTreeMap::new();
        let mut began = now;
        for DestinationStatus { name, breaker, .. } in &status.destinations {
            let known = self.ill.get(name).copied();
            match (breaker, known) {
                (Some(BreakerState::Open { .. } | BreakerState::HalfOpen), _) => {
                    ill.insert(Arc::clone(name), known.unwrap_or(now));
                    if known.is_none() {
                        opened.push(Arc::clone(name));
                    }
                }
                (Some(BreakerState::Closed), Some(since)) => {
                    began = began.min(since);
                    closed.push(Arc::clone(name));
                }
                // One that is not there any more was not asked for long, and is forgotten.
                (Some(BreakerState::Closed) | None, _) => {}
            }
        }
        let were = std::mem::replace(&mut self.ill, ill);
        if count > 0 || !opened.is_empty() {
            // A breaker opens again at every probe that fails. While nothing but that can be seen
            // it is no news, unless nothing was ill: then one opened, and maybe closed again.
            let is_news = !opened.is_empty() || !were_ill;
            let turn = if is_news { Turn::Happened(count) } else { Turn::Again(count) };
            // More often than breakers were first seen open: of those that are ill, some opened again.
            let again = count > opened.len() as u64;
            let destinations = match &status.destinations[..] {
                [only] => vec![Arc::clone(&only.name)],
                _ if again => union(were.keys(), self.ill.keys()),
                _ => opened,
            };
            let event = happened(AlertKind::BreakerOpened, count, self.looked);
            events.push(Event { turn, destinations, ..event });
        }
        if !closed.is_empty() {
            let event = happened(AlertKind::BreakerClosed, closed.len() as u64, began);
            events.push(Event { destinations: closed, ..event });
        }
    }

    /// A pipeline that has no partitions, or has ended, has nothing that could wait; what did wait
    /// is not over, but somebody else's.
    fn look_at_waits(
        &mut self,
        status: &Status,
        limits: Limits,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        let has_ended = matches!(status.state, State::Stopped | State::Failed);
        if has_ended || status.partitions_assigned == 0 {
            return;
        }
        let ago = |age: Duration| Moment(now.0.saturating_sub(age));
        let longest = status.parked_for.filter(|age| *age >= limits.parked);
        if let Some((turn, since)) = self.parked.look(longest.map(ago), now) {
            let longest = longest.unwrap_or_default();
            let facts = Facts::Parked { lanes: status.totals.lanes_parked, longest };
            events.push(lasting(AlertKind::Parked, turn, since, facts));
        }
        let Late { oldest, records } = self.lags.look(&status.partitions, limits.lag, now);
        let since = (!oldest.is_zero()).then(|| ago(oldest));
        if let Some((turn, since)) = self.lag.look(since, now) {
            events.push(lasting(AlertKind::Lag, turn, since, Facts::Lag { records, oldest }));
        }
    }
}

fn union<'a>(
    some: impl Iterator<Item = &'a Arc<str>>,
    others: impl Iterator<Item = &'a Arc<str>>,
) -> Vec<Arc<str>> {
    some.chain(others).collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

fn happened(kind: AlertKind, count: u64, since: Moment) -> Event {
    lasting(kind, Turn::Happened(count), since, Facts::None)
}

fn lasting(kind: AlertKind, turn: Turn, since: Moment, facts: Facts) -> Event {
    Event { kind, turn, since, destinations: Vec::new(), facts }
}

/// How a pipeline ended, in words that hold nothing from outside: a reason may repeat what a
/// receiver said, and a message goes to somebody else.
fn ending(error: &PipelineError) -> &'static str {
    match error {
        PipelineError::Config(_) | PipelineError::KafkaConfig(_) => "its configuration",
        PipelineError::Kafka(_) => "kafka",
        PipelineError::Sink(_) => "its sink",
        PipelineError::Undeliverable { .. } => {
            "a record that cannot be delivered, for which it is set to stop"
        }
        PipelineError::DeadLetters(_) => "dead letters that cannot be produced",
        PipelineError::Died { .. } => "a part of it panicked",
        PipelineError::Thread { .. } => "a thread that cannot be started",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;
