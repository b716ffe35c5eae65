//! How lanes are served: whose turn it is, where its head goes, and whether that takes it now.

use std::sync::Arc;

use super::{Desk, Effect};
use crate::core::destinations::{DestinationId, Pool};
use crate::core::lanes::{Course, Delivery, Entry, Item, Load, PutBack};
use crate::core::outcome::{Failure, Settled};
use crate::core::retry::Action;
use crate::core::{LaneId, Moment};

/// How many heads one dispatch looks at without finding one that can be sent, before whatever else
/// runs on the arbiter gets its turn: a lane of filtered records may hold the whole buffer.
const LOOKS: u32 = 64;

/// Where an item goes next.
#[derive(Clone, Debug)]
pub enum Step {
    /// A request is to be made.
    Send {
        /// The name of its destination; `None` where all records go one way.
        to: Option<Arc<str>>,
        /// How many requests the item takes in all, this one included.
        requests: u16,
    },
    /// No request is to be made for it: it is settled.
    Filter,
    /// It cannot be sent. What becomes of it is as of what a receiver rejects, unless `action` says
    /// otherwise; it counts as no attempt.
    Refuse {
        /// Why.
        failure: Box<Failure>,
        /// What becomes of it.
        action: Option<Action>,
    },
}

impl<T: Item> Desk<T> {
    /// The next delivery for a sender, where all items go one way. None if no lane is ready, if its
    /// destination takes nothing now, or if the limit is reached.
    pub fn dispatch(&mut self, now: Moment) -> Option<Delivery<T>> {
        let only = |_: &mut Entry<T>| Step::Send { to: None, requests: 1 };
        self.dispatch_by(now, 0, only, &mut |_| {})
    }

    /// The next delivery for a sender; `route` says of an item where it goes. It is asked once the
    /// item is the head of its lane and that lane's turn has come, and again after each wait.
    ///
    /// A lane whose head is between two of its requests comes first; lanes that are ready and lanes
    /// that waited for a destination take turns. None if nothing can be sent, or if many items were
    /// looked at and none was to be sent: [`next_wake`](Self::next_wake) is over then, and
    /// [`wake`](Self::wake) goes on.
    pub fn dispatch_by<E: FnMut(Effect<'_, T>)>(
        &mut self,
        now: Moment,
        random: u64,
        mut route: impl FnMut(&mut Entry<T>) -> Step,
        effects: &mut E,
    ) -> Option<Delivery<T>> {
        for _ in 0..LOOKS {
            let pool = self.pool();
            if pool.idle == 0 {
                return None;
            }
            let (lane, admitted) = self.next(pool, now)?;
            let step = route(self.lanes.head(lane));
            let to = match admitted.filter(|to| self.goes_to(*to, &step)) {
                Some(to) => to,
                None => match self.place(lane, step, pool, (now, random), effects) {
                    Some(to) => to,
                    None => continue,
                },
            };
            self.sending += 1;
            let ticket = self.destinations.began(to, now);
            let load = self.load(lane, to, route);
            return Some(Delivery { load, course: Course { to, ticket, began: now } });
        }
        self.unfinished = true;
        None
    }

    /// The lane whose turn it is, and where it waited for the destination of its head, that one:
    /// it takes the request now.
    fn next(&mut self, pool: Pool, now: Moment) -> Option<(LaneId, Option<DestinationId>)> {
        if let Some(lane) = self.lanes.next_begun().or_else(|| self.destinations.next_homeless()) {
            return Some((lane, None));
        }
        self.turn_of_queued = !self.turn_of_queued;
        if !self.turn_of_queued
            && let Some(lane) = self.lanes.next()
        {
            return Some((lane, None));
        }
        match self.destinations.next(pool, now) {
            Some((lane, to)) => Some((lane, Some(to))),
            None => self.lanes.next().map(|lane| (lane, None)),
        }
    }

    /// Whether a step goes to this destination, as it did when its lane was queued for it. A route
    /// that has changed its mind costs that destination nothing but a place in its rate.
    fn goes_to(&self, to: DestinationId, step: &Step) -> bool {
        match step {
            Step::Send { to: None, .. } => to == DestinationId::ONLY,
            Step::Send { to: Some(name), .. } => self.destinations.name(to) == name,
            Step::Filter | Step::Refuse { .. } => false,
        }
    }

    /// Does with the head of a ready lane what its route says; gives the destination if it is to be
    /// sent now.
    fn place<E: FnMut(Effect<'_, T>)>(
        &mut self,
        lane: LaneId,
        step: Step,
        pool: Pool,
        (now, random): (Moment, u64),
        effects: &mut E,
    ) -> Option<DestinationId> {
        match step {
            Step::Send { to, requests } => {
                self.lanes.head(lane).requests = requests;
                let to = match to {
                    None => Some(DestinationId::ONLY),
                    Some(name) => self.destinations.find(&name, now),
                };
                if let Some(to) = to.filter(|to| self.destinations.admits(*to, pool, now)) {
                    return Some(to);
                }
                // What waits first keeps what was made of it. That of all that wait could be many
                // times the buffer.
                if self.destinations.waiting() >= self.limit {
                    self.lanes.head(lane).item.rest();
                }
                self.lanes.queue(lane, to);
                match to {
                    Some(to) => self.destinations.queue(to, lane),
                    None => self.destinations.queue_homeless(lane),
                }
            }
            Step::Filter => {
                let Entry { item, .. } = self.lanes.pop(lane);
                self.settle(item, Settled::Filtered, None, effects);
                self.open(lane, now, effects);
            }
            Step::Refuse { failure, action } => {
                let entry = self.lanes.pop(lane);
                let verdict = self.policy.refuse(action, random);
                if let Some(entry) = self.apply(verdict, entry, failure, now, effects) {
                    self.lanes.put_back(&mut PutBack::to(lane), entry);
                }
                self.open(lane, now, effects);
            }
        }
        None
    }

    /// Takes the head of a lane, and what may go with it to the same destination.
    #[inline]
    fn load(
        &mut self,
        lane: LaneId,
        to: DestinationId,
        route: impl FnMut(&mut Entry<T>) -> Step,
    ) -> Load<T> {
        let head = self.lanes.take(lane);
        if self.batch.records <= 1 || head.requests > 1 {
            return Load::One(head);
        }
        Load::Many(self.load_many(head, to, route))
    }

    fn load_many(
        &mut self,
        head: Entry<T>,
        to: DestinationId,
        mut route: impl FnMut(&mut Entry<T>) -> Step,
    ) -> Vec<Entry<T>> {
        let (mut lane, mut first) = (head.lane(), 0);
        let mut entries = vec![head];
        for lanes in 1.. {
            let destinations = &self.destinations;
            let mut fits = |entry: &mut Entry<T>| match route(entry) {
                Step::Send { to: None, requests: 1 } => to == DestinationId::ONLY,
                Step::Send { to: Some(name), requests: 1 } => *destinations.name(to) == name,
                _ => false,
            };
            while entries.len() < self.batch.records
                && let Some(next) = self.lanes.take_with(lane, &entries[first], &mut fits)
            {
                entries.push(next);
            }
            if lanes >= self.batch.lanes || entries.len() >= self.batch.records {
                break;
            }
            let next = self.lanes.peek().filter(|lane| fits(self.lanes.head(*lane)));
            let Some(next) = next else { break };
            (lane, first) = (next, entries.len());
            let _ = self.lanes.next();
            entries.push(self.lanes.take(lane));
        }
        entries
    }
}
