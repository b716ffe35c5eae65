//! One destination: what it bears, and the lanes that wait for it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Report, Terms, Wait};
use crate::core::breaker::{Breaker, Change, Permission, Ticket};
use crate::core::concurrency::{AdaptiveLimit, Sample};
use crate::core::limiter::Limiter;
use crate::core::{LaneId, Moment};

/// Where a destination is looked for by who serves the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stance {
    /// Nobody waits for it.
    Resting,
    /// Among those to be looked at.
    Free,
    /// Not before this moment.
    Timed(Moment),
    /// Not before one of its own requests has ended.
    Full,
}

/// Whether a request may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Now,
    NotBefore(Moment),
    /// When one of its own requests has ended.
    AfterItsOwn,
    /// When any request of the pool has.
    AfterAny,
}

#[derive(Debug)]
pub(super) struct Destination {
    pub(super) name: Arc<str>,
    pub(super) queue: VecDeque<LaneId>,
    pub(super) stance: Stance,
    pub(super) in_flight: u32,
    /// When it was last used.
    pub(super) used: Moment,
    pub(super) max_in_flight: Option<u32>,
    pub(super) adaptive: Option<AdaptiveLimit>,
    pub(super) limiter: Option<Limiter>,
    pub(super) breaker: Option<Breaker>,
    /// It asked to be left alone until then.
    pub(super) rests_until: Moment,
}

impl Destination {
    pub(super) fn new(name: Arc<str>, terms: &Terms) -> Self {
        let limiter = terms.rate.map(|rate| Limiter::new(rate, terms.rates.of(&name)));
        Self {
            name,
            queue: VecDeque::new(),
            stance: Stance::Resting,
            in_flight: 0,
            used: Moment::default(),
            max_in_flight: terms.max_in_flight,
            adaptive: terms.adaptive.map(|most| AdaptiveLimit::new(1, most)),
            limiter,
            breaker: terms.breaker.map(Breaker::new),
            rests_until: Moment::default(),
        }
    }

    /// Whether nothing of it is under way or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.queue.is_empty()
    }

    /// The most it may have in flight, where something says so.
    pub(super) fn limit(&self) -> Option<u32> {
        let adaptive = self.adaptive.as_ref().map(AdaptiveLimit::limit);
        [adaptive, self.max_in_flight].into_iter().flatten().min()
    }

    /// Whether a request may begin while `idle` senders are there; `share` says how many it may have
    /// for each of them, where they are shared with other destinations. What may begin has to: its
    /// place in the rate is taken.
    #[inline]
    pub(super) fn admit(&self, idle: usize, share: Option<usize>, now: Moment) -> Admission {
        match self.wait(idle, share, now) {
            None => {}
            Some(Wait::Full(_) | Wait::Probe) => return Admission::AfterItsOwn,
            Some(Wait::Senders) => return Admission::AfterAny,
            Some(Wait::Asked(due) | Wait::Breaker(due) | Wait::Rate(due)) => {
                return Admission::NotBefore(due);
            }
        }
        // Last, and of all arbiters together: nothing that is refused for another reason takes it.
        match self.limiter.as_ref().map(|limiter| limiter.take(now)) {
            Some(Err(due)) => Admission::NotBefore(due),
            Some(Ok(())) | None => Admission::Now,
        }
    }

    /// What a request would wait for, if it would.
    #[inline]
    pub(super) fn wait(&self, idle: usize, share: Option<usize>, now: Moment) -> Option<Wait> {
        if let Some(limit) = self.limit()
            && self.in_flight >= limit
        {
            return Some(Wait::Full(limit));
        }
        if let Some(share) = share
            && self.max_in_flight.is_none()
            && self.in_flight as usize >= idle.saturating_mul(share)
        {
            return Some(Wait::Senders);
        }
        if self.rests_until > now {
            return Some(Wait::Asked(self.rests_until));
        }
        match self.breaker.as_ref().map(|breaker| breaker.may_begin(now)) {
            Some(Permission::At(due)) => return Some(Wait::Breaker(due)),
            Some(Permission::AfterProbe) => return Some(Wait::Probe),
            Some(Permission::Go) | None => {}
        }
        let due = self.limiter.as_ref()?.next(now);
        (due > now).then_some(Wait::Rate(due))
    }

    pub(super) fn began(&mut self, now: Moment) -> Ticket {
        self.in_flight += 1;
        self.used = now;
        self.breaker.as_mut().map_or_else(Ticket::default, |breaker| breaker.began(now))
    }

    pub(super) fn ended(&mut self, ticket: Ticket, report: Report, now: Moment) -> Option<Change> {
        let Report { health, answer, took, rest } = report;
        if let Some(limit) = &mut self.adaptive {
            limit.ended(Sample { took, in_flight: self.in_flight, answer }, now);
        }
        self.in_flight -= 1;
        self.used = now;
        if let Some(rest) = rest {
            self.rests_until = self.rests_until.max(now.after(rest));
            if let Some(limiter) = &self.limiter {
                // For the other arbiters too.
                limiter.hold_until(self.rests_until);
            }
        }
        self.breaker.as_mut()?.ended(ticket, health, now)
    }
}
