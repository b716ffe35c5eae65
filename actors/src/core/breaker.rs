//! A circuit breaker: an endpoint that fails most of what it is sent is left alone for a while, and
//! then asked with one request at a time whether it is well again.
//!
//! The states are those of M. Nygard, "Release It!": *closed* (all goes through), *open* (nothing
//! does) and *half-open* (a *probe*). What counts and when it opens is as users of resilience4j know
//! it: a sliding window of time, a failure ratio that opens at or above, a least number of requests,
//! successes that close it. Each further opening without a close in between is twice as long, as
//! with Envoy's outlier ejection. Unlike resilience4j it lets one probe through at a time: a sick
//! endpoint gets one request, and records keep their order.
//!
//! It never wedges: every [`Ticket`] given by [`Breaker::began`] must come back through
//! [`Breaker::ended`], with [`Health::Unknown`] if nobody knows, and then the next probe may go.

use std::time::Duration;

use super::Moment;
pub use policy::{BreakerPolicy, BreakerPolicyError};
use window::Window;

mod policy;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod window;

/// Whether a request may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Yes.
    Go,
    /// From this moment on: the breaker is open.
    At(Moment),
    /// When the probe under way has ended.
    AfterProbe,
}

/// What a request says of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// It did what it should; a rejection (404) is an answer too.
    Well,
    /// It failed: 5xx, no connection, no answer in time.
    Ill,
    /// Nothing is known: cancelled, or never sent.
    Unknown,
}

/// Names a request between [`Breaker::began`] and [`Breaker::ended`], by the state it began in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// A change that is worth a log line or an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It opened, or opened again after a probe failed.
    Opened {
        /// Until when.
        until: Moment,
        /// Failures that opened it: those of the window, or the one of the probe.
        failures: u32,
        /// Out of so many requests.
        requests: u32,
    },
    /// It closed.
    Closed {
        /// After so long since it first opened.
        open_for: Duration,
    },
}

/// The state, for metrics and explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All goes through.
    Closed,
    /// Nothing does.
    Open {
        /// When it first opened, however often it opened again.
        since: Moment,
        /// When the next probe may go.
        until: Moment,
    },
    /// One probe at a time.
    HalfOpen,
}

/// The breaker of one destination. See the head of this file.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    /// Of the state, or of the probe; a ticket of an older one counts for nothing. From 1.
    generation: u64,
    state: State,
}

/// The generation of requests that began although they might not.
const STRAY: Ticket = Ticket(0);

#[derive(Clone, Debug)]
enum State {
    Closed(Window),
    Open { since: Moment, until: Moment, open_for: Duration },
    HalfOpen { since: Moment, open_for: Duration, probe: Option<Ticket>, well: u32 },
}

impl Breaker {
    /// A closed breaker. A policy that [`BreakerPolicy::check`] refuses does no harm, and makes no
    /// sense.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, generation: 1, state: State::Closed(Window::new(policy.window)) }
    }

    /// Whether a request may begin now. Whoever goes on must say so with [`Breaker::began`] before
    /// anybody asks again.
    pub fn may_begin(&self, now: Moment) -> Permission {
        match self.state {
            State::Open { until, .. } if now < until => Permission::At(until),
            State::HalfOpen { probe: Some(_), .. } => Permission::AfterProbe,
            _ => Permission::Go,
        }
    }

    /// A request begins: a probe, where the breaker was open for long enough. The ticket must come
    /// back with [`Breaker::ended`].
    pub fn began(&mut self, now: Moment) -> Ticket {
        if self.may_begin(now) != Permission::Go {
            return STRAY;
        }
        if let State::Open { since, open_for, .. } = self.state {
            self.state = State::HalfOpen { since, open_for, probe: None, well: 0 };
        }
        if let State::HalfOpen { probe, .. } = &mut self.state {
            self.generation += 1;
            *probe = Some(Ticket(self.generation));
        }
        Ticket(self.generation)
    }

    /// A request ended. One that began before the last change of state says nothing of now.
    pub fn ended(&mut self, ticket: Ticket, health: Health, now: Moment) -> Option<Change> {
        if ticket.0 != self.generation {
            return None;
        }
        match &mut self.state {
            State::Closed(window) if health != Health::Unknown => {
                let (failures, requests) = window.count(health == Health::Ill, now);
                let ratio = f64::from(failures) / f64::from(requests);
                let trip =
                    requests >= self.policy.min_requests && ratio >= self.policy.failure_ratio;
                trip.then(|| self.open(now, self.policy.open_for, now, (failures, requests)))
            }
            State::HalfOpen { since, open_for, probe, well } if *probe == Some(ticket) => {
                *probe = None;
                *well += u32::from(health == Health::Well);
                let (since, open_for, well) = (*since, *open_for, *well);
                if health == Health::Ill {
                    let longer = open_for.saturating_mul(2).min(self.policy.max_open_for);
                    return Some(self.open(since, longer, now, (1, well + 1)));
                }
                (well >= self.policy.probes).then(|| self.close(since, now))
            }
            State::Closed(_) | State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// The state at `now`.
    pub fn state(&self, now: Moment) -> BreakerState {
        match self.state {
            State::Closed(_) => BreakerState::Closed,
            State::Open { since, until, .. } if now < until => BreakerState::Open { since, until },
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn open(&mut self, since: Moment, open_for: Duration, now: Moment, seen: (u32, u32)) -> Change {
        let until = now.after(open_for);
        self.generation += 1;
        self.state = State::Open { since, until, open_for };
        Change::Opened { until, failures: seen.0, requests: seen.1 }
    }

    fn close(&mut self, since: Moment, now: Moment) -> Change {
        self.generation += 1;
        self.state = State::Closed(Window::new(self.policy.window));
        Change::Closed { open_for: now.since(since) }
    }
}
