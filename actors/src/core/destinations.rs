//! The destinations of one arbiter: which can take a request now, and which lanes wait for one
//! that cannot.
//!
//! A destination takes a request while it has room in flight, while its breaker lets it, and when
//! its rate does. A lane whose head is for one that does not waits in that destination's queue,
//! first come, first served, and holds no sender; destinations with a queue are served by turns. So
//! one that is slow, full or ill delays only what is for it.
//!
//! The pool of senders is shared too. Where there may be several destinations, each has at most half of
//! it, whether or not another is known yet: one that hangs cannot take what the other needs. The last
//! thirty-second of the pool is for whoever has least: of it a destination takes a sender only while
//! fewer of its own are at work than are idle (dynamic thresholds: Choudhury and Hahne, "Dynamic queue
//! length thresholds for shared-memory packet switches", 1998), so that one that comes anew finds some.
//!
//! There are at most [`MOST`] of them. One that is idle is forgotten when its place is needed, the
//! longest idle first, or after [`IDLE`]; lanes for which there is no place wait for one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::breaker::{Change, Health, Ticket};
use super::concurrency::Answer;
use super::{LaneId, Moment};

mod destination;
mod terms;
#[cfg(test)]
mod tests;
mod view;

pub(in crate::core) use destination::Pool;
use destination::{Admission, Destination, Stance};
pub use terms::{Rates, RetryAfter, Terms};
pub use view::{DestinationView, Wait};

/// The most destinations that are known at a time: some kilobytes each at the worst, so that a
/// template that makes a host of each record costs megabytes and not the memory of the machine.
pub const MOST: usize = 1024;

/// Of the pool, so much is for destinations that have few requests in flight.
const RESERVED: usize = 32;

/// How long an idle destination is remembered: longer than a breaker stays open, and than a
/// receiver asks to be left alone.
pub const IDLE: Duration = Duration::from_mins(10);

/// Names a destination on its arbiter, for as long as it is known there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationId(pub(in crate::core) u32);

impl DestinationId {
    /// The one destination of a pipeline whose records all go one way. It is always known.
    pub(in crate::core) const ONLY: Self = Self(0);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a destination said of a request, for everything that learns from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct Report {
    pub(in crate::core) health: Health,
    pub(in crate::core) answer: Answer,
    pub(in crate::core) took: Duration,
    /// It asked to be left alone for so long.
    pub(in crate::core) rest: Option<Duration>,
}

/// All destinations of one arbiter.
#[derive(Debug)]
pub struct Destinations {
    terms: Terms,
    all: Vec<Destination>,
    names: HashMap<Arc<str>, DestinationId>,
    /// Places of forgotten destinations.
    vacant: Vec<DestinationId>,
    /// With a queue, and as far as is known able to take a request.
    free: VecDeque<DestinationId>,
    /// With a queue, and not before this moment.
    timed: BinaryHeap<Reverse<(Moment, DestinationId)>>,
    /// Lanes in all queues.
    waiting: usize,
    /// Lanes for which there is no place.
    homeless: VecDeque<LaneId>,
}

impl Destinations {
    /// None known yet but the one of a pipeline whose records all go one way.
    pub fn new(terms: Terms) -> Self {
        let only = Destination::new(Arc::clone(&terms.only), &terms);
        Self {
            terms,
            all: vec![only],
            names: HashMap::new(),
            vacant: Vec::new(),
            free: VecDeque::new(),
            timed: BinaryHeap::new(),
            waiting: 0,
            homeless: VecDeque::new(),
        }
    }

    /// The destination of that name, made where it is not known; `None` where there is no place.
    pub(super) fn find(&mut self, name: &Arc<str>, now: Moment) -> Option<DestinationId> {
        if let Some(id) = self.names.get(name) {
            return Some(*id);
        }
        if self.names.len() >= MOST {
            self.forget_one()?;
        }
        let mut made = Destination::new(Arc::clone(name), &self.terms);
        made.used = now;
        let id = if let Some(id) = self.vacant.pop() {
            self.all[id.index()] = made;
            id
        } else {
            self.all.push(made);
            // Far below 2^32: `MOST` and that one.
            DestinationId(u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX))
        };
        self.names.insert(Arc::clone(name), id);
        Some(id)
    }

    /// Makes room by forgetting the destination that has been idle for longest.
    fn forget_one(&mut self) -> Option<()> {
        let idle = self.names.values().filter(|id| self.all[id.index()].is_idle());
        let oldest = idle.min_by_key(|id| (self.all[id.index()].used, **id)).copied()?;
        self.forget(oldest);
        Some(())
    }

    /// Forgets those that have been idle for longer than [`IDLE`]; to be called now and then.
    pub(super) fn sweep(&mut self, now: Moment) {
        let old = |it: &Destination| it.is_idle() && now.since(it.used) > IDLE;
        let mut gone: Vec<_> =
            self.names.values().copied().filter(|id| old(&self.all[id.index()])).collect();
        // The map's order is nobody's business: the same history is to give the same future.
        gone.sort_unstable();
        for id in gone {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: DestinationId) {
        self.names.remove(&self.all[id.index()].name);
        self.vacant.push(id);
    }

    /// Whom a `Retry-After` holds back.
    pub(super) fn retry_after(&self) -> RetryAfter {
        self.terms.retry_after
    }

    /// So many senders, of which `idle` are: nothing is shared where all records go one way.
    pub(super) fn pool(&self, senders: usize, idle: usize) -> Pool {
        Pool { senders, idle, shared: self.terms.several }
    }

    /// How many lanes wait for a destination.
    pub(super) fn waiting(&self) -> usize {
        self.waiting + self.homeless.len()
    }

    /// How many of them wait although nothing that goes elsewhere could be taken in: there can be one
    /// destination only. Of several, those of a slow one must not keep the others' records out.
    pub(super) fn waiting_for_the_only(&self) -> usize {
        if self.terms.several { 0 } else { self.waiting }
    }

    /// Whether a request for which a lane waits could begin now. Notes for the others when to look at
    /// them again.
    pub(super) fn could_begin(&mut self, pool: Pool, now: Moment) -> bool {
        for _ in 0..self.free.len() {
            let Some(id) = self.free.pop_front() else { break };
            let admission = self.all[id.index()].outlook(pool, now);
            if admission == Admission::Now {
                self.free.push_front(id);
                return true;
            }
            self.put_off(id, admission);
        }
        false
    }

    /// Puts a destination that was among the free ones where it is to be looked for.
    fn put_off(&mut self, id: DestinationId, admission: Admission) {
        let it = &mut self.all[id.index()];
        match admission {
            Admission::NotBefore(due) => {
                it.stance = Stance::Timed(due);
                self.timed.push(Reverse((due, id)));
            }
            Admission::AfterItsOwn => it.stance = Stance::Full,
            // Whoever ends next may make room: it is looked at again with each dispatch. There are
            // fewer of these than senders.
            Admission::AfterAny | Admission::Now => self.free.push_back(id),
        }
    }

    /// Whether a request to `id` may begin at once, while so many senders of the pool are idle; if so
    /// it has to. It goes behind those that wait for the same destination.
    #[inline]
    pub(super) fn admits(&self, id: DestinationId, pool: Pool, now: Moment) -> bool {
        let it = &self.all[id.index()];
        it.queue.is_empty() && matches!(it.admit(pool, now), Admission::Now)
    }

    /// Queues a lane behind those that wait for the same destination.
    pub(super) fn queue(&mut self, id: DestinationId, lane: LaneId) {
        self.waiting += 1;
        let it = &mut self.all[id.index()];
        it.queue.push_back(lane);
        if it.stance == Stance::Resting {
            it.stance = Stance::Free;
            self.free.push_back(id);
        }
    }

    /// Has a lane wait until there is a place for its destination.
    pub(super) fn queue_homeless(&mut self, lane: LaneId) {
        self.homeless.push_back(lane);
    }

    /// A lane whose destination may have a place now.
    pub(super) fn next_homeless(&mut self) -> Option<LaneId> {
        if self.homeless.is_empty() {
            return None;
        }
        let idle = |id: &DestinationId| self.all[id.index()].is_idle();
        let place = self.names.len() < MOST || self.names.values().any(idle);
        if place { self.homeless.pop_front() } else { None }
    }

    /// The next lane that waits for a destination that can take it now, by turns; its request has to
    /// begin.
    pub(super) fn next(&mut self, pool: Pool, now: Moment) -> Option<(LaneId, DestinationId)> {
        for _ in 0..self.free.len() {
            let id = self.free.pop_front()?;
            match self.all[id.index()].admit(pool, now) {
                Admission::Now => {
                    let Some(lane) = self.pop(id) else { continue };
                    return Some((lane, id));
                }
                other => self.put_off(id, other),
            }
        }
        None
    }

    /// Takes the first lane out of the queue of a destination that is not among the free ones.
    fn pop(&mut self, id: DestinationId) -> Option<LaneId> {
        let it = &mut self.all[id.index()];
        let lane = it.queue.pop_front();
        self.waiting -= usize::from(lane.is_some());
        if it.queue.is_empty() {
            it.stance = Stance::Resting;
        } else {
            self.free.push_back(id);
        }
        lane
    }

    /// A request begins.
    pub(super) fn began(&mut self, id: DestinationId, now: Moment) -> Ticket {
        self.all[id.index()].began(now)
    }

    /// A request has ended; says whether the breaker turned.
    pub(super) fn ended(
        &mut self,
        id: DestinationId,
        ticket: Ticket,
        report: Report,
        pool: Pool,
        now: Moment,
    ) -> Option<Change> {
        let it = &mut self.all[id.index()];
        let change = it.ended(ticket, report, pool, now);
        if it.stance == Stance::Full {
            it.stance = Stance::Free;
            self.free.push_back(id);
        }
        change
    }

    /// Looks again at those whose time has come.
    pub(super) fn wake(&mut self, now: Moment) {
        while let Some(Reverse((due, id))) = self.timed.peek().copied()
            && due <= now
        {
            self.timed.pop();
            let it = &mut self.all[id.index()];
            // Its queue may have been emptied, and another filled, since.
            if it.stance == Stance::Timed(due) {
                it.stance = Stance::Free;
                self.free.push_back(id);
            }
        }
    }

    /// When to call [`wake`](Self::wake) next.
    pub(super) fn next_wake(&self) -> Option<Moment> {
        self.timed.peek().map(|Reverse((due, _))| *due)
    }

    /// Drops the lanes that `keep` refuses from all queues; those without a place are asked for
    /// with no destination.
    pub(super) fn retain(&mut self, keep: impl Fn(LaneId, Option<DestinationId>) -> bool) {
        self.waiting = 0;
        for (index, it) in (0..).zip(&mut self.all) {
            let id = DestinationId(index);
            it.queue.retain(|lane| keep(*lane, Some(id)));
            self.waiting += it.queue.len();
            if it.queue.is_empty() {
                it.stance = Stance::Resting;
            }
        }
        self.homeless.retain(|lane| keep(*lane, None));
        let all = &self.all;
        self.free.retain(|id| all[id.index()].stance == Stance::Free);
        self.timed.retain(|Reverse((due, id))| all[id.index()].stance == Stance::Timed(*due));
    }

    /// The name of a destination.
    pub(super) fn name(&self, id: DestinationId) -> &Arc<str> {
        &self.all[id.index()].name
    }
}
