//! One destination: what it bears, and the lanes that wait for it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::terms::Shared;
use super::{RESERVED, Report, Terms, Wait};
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

/// The senders, as a destination sees them.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Pool {
    pub(super) senders: usize,
    pub(in crate::core) idle: usize,
    /// With other destinations.
    pub(super) shared: bool,
}

impl Pool {
    /// The most that a destination can have in flight, with this limit of its own.
    fn most(self, own_limit: Option<u32>) -> u32 {
        let shared = self.shared && own_limit.is_none();
        let senders = if shared { self.half() } else { self.senders };
        own_limit.unwrap_or(u32::MAX).min(u32::try_from(senders).unwrap_or(u32::MAX))
    }

    fn half(self) -> usize {
        self.senders.div_ceil(2)
    }

    /// Whether it is kept from a destination that has so many requests in flight; `own_limit`: how many
    /// it may have is said by a setting. See the head of `destinations.rs`.
    fn keeps_from(self, in_flight: usize, own_limit: bool) -> bool {
        let beyond_half = !own_limit && in_flight >= self.half();
        let last = self.idle <= (self.senders / RESERVED).max(1);
        beyond_half || (last && in_flight >= self.idle)
    }
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
    /// What the arbiters know of it together.
    pub(super) shared: Arc<Shared>,
}

impl Destination {
    pub(super) fn new(name: Arc<str>, terms: &Terms) -> Self {
        let shared = terms.rates.of(&name);
        let limiter = terms.rate.map(|rate| Limiter::new(rate, Arc::clone(&shared.arrival)));
        Self {
            name,
            queue: VecDeque::new(),
            stance: Stance::Resting,
            in_flight: 0,
            used: Moment::default(),
            max_in_flight: terms.max_in_flight,
            adaptive: terms.adaptive.then(|| AdaptiveLimit::new(1, u32::MAX)),
            limiter,
            breaker: terms.breaker.map(Breaker::new),
            shared,
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

    /// Whether a request may begin. What may begin has to: its place in the rate is taken.
    #[inline]
    pub(super) fn admit(&self, pool: Pool, now: Moment) -> Admission {
        let outlook = self.outlook(pool, now);
        if outlook != Admission::Now {
            return outlook;
        }
        // Last, and of all arbiters together: nothing that is refused for another reason takes it.
        match self.limiter.as_ref().map(|limiter| limiter.take(now)) {
            Some(Err(due)) => Admission::NotBefore(due),
            Some(Ok(())) | None => Admission::Now,
        }
    }

    /// Whether a request might begin; nothing is taken.
    #[inline]
    pub(super) fn outlook(&self, pool: Pool, now: Moment) -> Admission {
        match self.wait(pool, now) {
            None => Admission::Now,
            Some(Wait::Full(_) | Wait::Probe) => Admission::AfterItsOwn,
            Some(Wait::Senders) => Admission::AfterAny,
            Some(Wait::Asked(due) | Wait::Breaker(due) | Wait::Rate(due)) => {
                Admission::NotBefore(due)
            }
        }
    }

    /// What a request would wait for, if it would.
    #[inline]
    pub(super) fn wait(&self, pool: Pool, now: Moment) -> Option<Wait> {
        if let Some(limit) = self.limit()
            && self.in_flight >= limit
        {
            return Some(Wait::Full(limit));
        }
        if pool.shared && pool.keeps_from(self.in_flight as usize, self.max_in_flight.is_some()) {
            return Some(Wait::Senders);
        }
        let rests_until = self.shared.rests_until();
        if rests_until > now {
            return Some(Wait::Asked(rests_until));
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

    pub(super) fn ended(
        &mut self,
        ticket: Ticket,
        report: Report,
        pool: Pool,
        now: Moment,
    ) -> Option<Change> {
        let Report { health, answer, took, rest } = report;
        if let Some(limit) = &mut self.adaptive {
            // The pool may have been resized. One that rests has no size.
            if pool.senders > 0 {
                limit.within(pool.most(self.max_in_flight), self.in_flight);
            }
            limit.ended(Sample { took, in_flight: self.in_flight, answer }, now);
        }
        self.in_flight -= 1;
        self.used = now;
        if let Some(rest) = rest {
            let until = now.after(rest);
            self.shared.rest_until(until);
            if let Some(limiter) = &self.limiter {
                limiter.hold_until(until);
            }
        }
        self.breaker.as_mut()?.ended(ticket, health, now)
    }
}
