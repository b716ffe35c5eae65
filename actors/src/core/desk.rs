//! The desk of one arbiter: hands deliveries to senders and decides what becomes of them.
//!
//! The router and the senders of a thread share it, so every call is short and gives its decisions
//! away as values. It promises that of a lane at most one delivery is under way, that an item goes
//! in front of all later ones of its lane until its outcome is final, that lanes are served in
//! turn, and that each item it took leaves once: settled or returned. It knows neither senders nor
//! offsets: what an epoch's items mean to a ledger is the ledger's.

use std::collections::BTreeSet;

use super::destinations::{DestinationView, Destinations, Pool, Report, Terms};
use super::lanes::{Batch, Counts, Delivery, Entry, Item, LaneView, Lanes, LetterTrouble};
use super::lanes::{Next, PutBack, Standing, Trouble};
use super::outcome::{Failure, Settled};
use super::retry::RetryPolicy;
use super::{Epoch, LaneId, Moment};

mod dispatch;
mod effect;
mod explain;
mod given_up;
mod judge;
mod leaving;
mod report;
#[cfg(test)]
mod tests;

pub use dispatch::Step;
use effect::Answers;
pub use effect::{Effect, Letter, Outcomes, Parking};
pub use explain::{Doing, Queued};
use given_up::GivenUp;
use leaving::Leaving;

/// Lanes, destinations, a policy, and what is under way.
#[derive(Debug)]
pub struct Desk<T> {
    lanes: Lanes<T>,
    destinations: Destinations,
    /// Whose turn it is: of the lanes that wait for a destination, or of those that are ready.
    turn_of_queued: bool,
    /// A dispatch looked at many items and had to stop, or more could begin than was asked for.
    unfinished: bool,
    policy: RetryPolicy,
    batch: Batch,
    limit: usize,
    sending: usize,
    given_up: GivenUp,
    /// What is left here of epochs that were given up: it was under way then, or begun.
    leaving: Leaving,
}

impl<T: Item> Desk<T> {
    /// A desk that has at most `limit` deliveries under way.
    pub fn new(policy: RetryPolicy, limit: usize, batch: Batch) -> Self {
        Self::with_terms(policy, Terms::default(), limit, batch)
    }

    /// The same, where these terms hold for each destination.
    pub fn with_terms(policy: RetryPolicy, terms: Terms, limit: usize, batch: Batch) -> Self {
        Self {
            lanes: Lanes::default(),
            destinations: Destinations::new(terms),
            turn_of_queued: false,
            unfinished: false,
            policy,
            batch,
            limit,
            sending: 0,
            given_up: GivenUp::default(),
            leaving: Leaving::default(),
        }
    }

    /// Queues an item at the end of its lane.
    ///
    /// # Errors
    /// Gives the item back when its epoch was given up: it arrived late.
    pub fn accept(&mut self, item: T) -> Result<(), T> {
        if self.given_up.contains(item.epoch()) {
            return Err(item);
        }
        self.lanes.push(item);
        Ok(())
    }

    /// Takes a delivery back with what became of it.
    ///
    /// Its lanes are ready again, or wait, or are forgotten. All waits of a delivery are drawn from
    /// the one `random`, for what failed together can go together again.
    pub fn conclude(
        &mut self,
        delivery: Delivery<T>,
        outcomes: impl Into<Outcomes>,
        now: Moment,
        random: u64,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) {
        let outcomes = outcomes.into();
        let report = self.report(&outcomes, now.since(delivery.course.began));
        self.ended(delivery.course, report, now, effects);
        let mut answers = Answers::of(outcomes, delivery.entries().len());
        self.end(delivery, now, effects, |desk, entry, effects| {
            desk.judge(entry, answers.next(), now, random, effects)
        });
    }

    /// Takes back a delivery that was cancelled, so that nobody knows what became of it.
    ///
    /// Items of given-up epochs are returned. Others are at the head of their lanes again, and the
    /// attempt counts: the receiver may have seen it.
    pub fn abandon(
        &mut self,
        delivery: Delivery<T>,
        now: Moment,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) {
        let report = Report::nothing(now.since(delivery.course.began));
        self.ended(delivery.course, report, now, effects);
        self.end(delivery, now, effects, |desk, mut entry, effects| {
            entry.attempts = entry.attempts.saturating_add(1);
            entry.item.rest();
            desk.unless_given_up(entry, effects)
        });
    }

    /// Takes a dead letter back: the broker has it, or why not. What failed waits on the policy's
    /// schedule and is handed out again by [`wake`](Self::wake).
    pub fn dead_letter_done(
        &mut self,
        letter: Letter<T>,
        result: Result<(), Failure>,
        now: Moment,
        random: u64,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) {
        let Letter { item, attempts, mut trouble } = letter;
        let lane = item.lane();
        match result {
            Ok(()) => {
                self.settle(item, Settled::DeadLettered, Some(trouble.failure), effects);
            }
            Err(failure) => {
                let tried = trouble.letter.map_or(0, |letter| letter.attempts).saturating_add(1);
                let wait = self.policy.backoff(tried, random);
                trouble.until = now.after(wait);
                trouble.letter = Some(LetterTrouble { attempts: tried, failure });
                let entry = Entry { attempts, trouble: Some(trouble), ..Entry::new(item) };
                if let Some(entry) = self.unless_given_up(entry, effects) {
                    if let Some(failure) = entry.trouble().and_then(Trouble::letter_failure) {
                        let item = &entry.item;
                        effects(Effect::LetterWaits { item, attempts: tried, wait, failure });
                    }
                    self.lanes.put_back(&mut PutBack::to(lane), entry);
                }
            }
        }
        self.open(lane, now, effects);
    }

    /// Makes ready what has waited until `now`, for itself or for its destination, and hands out the
    /// dead letters that have.
    pub fn wake(&mut self, now: Moment, effects: &mut impl FnMut(Effect<'_, T>)) {
        self.unfinished = false;
        self.destinations.wake(now);
        while let Some(lane) = self.lanes.due(now) {
            self.open(lane, now, effects);
        }
    }

    /// When to call [`wake`](Self::wake) next; none if nothing waits.
    pub fn next_wake(&self) -> Option<Moment> {
        if self.unfinished {
            return Some(Moment::default());
        }
        [self.lanes.next_wake(), self.destinations.next_wake()].into_iter().flatten().min()
    }

    /// Gives up epochs for good: what of them is queued or waits is returned at once, what is under
    /// way goes on, and what arrives later is refused. Visits every lane.
    ///
    /// An item that is between two of its requests is under way too, unless the desk rests: whoever
    /// got it next would begin with its first. A request of theirs that fails returns its item: it is
    /// not tried again and does not stop the pipeline. An item that is delivered, dropped or to be
    /// dead-lettered ends as any other.
    pub fn give_up(&mut self, epochs: &[Epoch], effects: &mut impl FnMut(Effect<'_, T>)) {
        let new: BTreeSet<_> =
            epochs.iter().copied().filter(|epoch| self.given_up.insert(*epoch)).collect();
        let gone = |epoch| new.contains(&epoch);
        let (leaving, rests) = (&mut self.leaving, self.limit == 0);
        self.lanes.each_under_way(|epoch, records| {
            if gone(epoch) {
                leaving.stay(epoch, records);
            }
        });
        let keep = |entry: &Entry<T>| {
            let epoch = entry.item.epoch();
            let goes_on = gone(epoch) && !rests && entry.is_between_requests();
            if goes_on {
                leaving.stay(epoch, 1);
            }
            goes_on || !gone(epoch)
        };
        self.lanes.retain(keep, |item| effects(Effect::Returned { item }));
        self.forget_queued();
    }

    /// Gives up epochs, and no request of theirs begins any more: of what is under way, only what a
    /// sender has or what becomes a dead letter is left.
    pub fn cut_off(&mut self, epochs: &[Epoch], effects: &mut impl FnMut(Effect<'_, T>)) {
        self.give_up(epochs, effects);
        let leaving = &mut self.leaving;
        leaving.cut_off(epochs);
        let epochs: BTreeSet<_> = epochs.iter().collect();
        self.lanes.retain(
            |entry| !epochs.contains(&entry.item.epoch()),
            |item| {
                leaving.left(item.epoch());
                effects(Effect::Returned { item });
            },
        );
        self.forget_queued();
    }

    /// Takes lanes whose head went out of the queues of destinations.
    fn forget_queued(&mut self) {
        let lanes = &self.lanes;
        self.destinations.retain(|lane, to| lanes.is_queued(lane, to));
    }

    /// How many records of these epochs are with a sender, between two of their requests, or become
    /// dead letters. For epochs that were given up it is quick and counts all that is left of them:
    /// at zero their drain is over. For others it visits every lane, and those between two requests
    /// do not count.
    pub fn under_way(&self, epochs: &[Epoch]) -> usize {
        let mut records = epochs.iter().map(|epoch| self.leaving.records(*epoch)).sum();
        if epochs.iter().any(|epoch| !self.given_up.contains(*epoch)) {
            self.lanes.each_under_way(|epoch, of_lane| {
                if epochs.contains(&epoch) && !self.given_up.contains(epoch) {
                    records += of_lane;
                }
            });
        }
        records
    }

    /// Sets how many deliveries may be under way; 0 rests the desk. Those under way beyond a new,
    /// lower limit are not disturbed.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// How many deliveries may be under way.
    pub fn limit(&self) -> usize {
        self.limit
    }

    fn pool(&self) -> Pool {
        self.destinations.pool(self.limit, self.limit.saturating_sub(self.sending))
    }

    /// How many deliveries are under way.
    pub fn sending(&self) -> usize {
        self.sending
    }

    /// How many lanes could be dispatched, were there senders: what the intake is gated on. Lanes
    /// that wait for their destination count where there can be no other: what would be taken in
    /// meanwhile could not be sent either.
    pub fn ready(&self) -> usize {
        self.lanes.ready() + self.destinations.waiting_for_the_only()
    }

    /// The destinations that are known, in no order.
    pub fn destinations(&self, now: Moment) -> impl Iterator<Item = DestinationView> {
        self.destinations.views(self.pool(), now)
    }

    /// Notes, once the sender that has just ended something has its next delivery, whether an idle one
    /// could begin one too: then [`next_wake`](Self::next_wake) is over. What came free may be a place
    /// at one destination and the lane of another.
    pub fn look_again(&mut self, now: Moment) {
        let pool = self.pool();
        let more =
            pool.idle > 0 && (self.destinations.could_begin(pool, now) || self.lanes.ready() > 0);
        self.unfinished |= more;
    }

    /// Forgets destinations that have long been idle; to be called now and then.
    pub fn sweep(&mut self, now: Moment) {
        self.destinations.sweep(now);
    }

    /// How much there is of everything; costs time for each waiting lane.
    pub fn counts(&self) -> Counts {
        Counts { blocked: self.destinations.waiting(), ..self.lanes.counts() }
    }

    /// One lane; none if nothing of it is here.
    pub fn lane(&self, id: LaneId) -> Option<LaneView<'_, T>> {
        self.lanes.view(id)
    }

    /// All lanes, in no order.
    pub fn lanes(&self) -> impl Iterator<Item = LaneView<'_, T>> {
        self.lanes.views()
    }

    /// When the item first failed that has been failing for longest of those that are parked; costs
    /// time for each waiting lane.
    pub fn parked_since(&self) -> Option<Moment> {
        let parked = self.stuck().filter_map(|lane| match lane.standing() {
            Standing::Waiting(trouble) if trouble.next() == Next::Park => Some(trouble.since()),
            _ => None,
        });
        parked.min()
    }

    /// The lanes that wait, are parked or held, in no order.
    pub fn stuck(&self) -> impl Iterator<Item = LaneView<'_, T>> {
        self.lanes.stuck()
    }
}
