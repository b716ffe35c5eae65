//! How a delivery ends: what each of its entries comes to, and what its lanes do next.

use std::time::Duration;

use super::{Desk, Effect, Letter, Parking};
use crate::core::lanes::{Delivery, Entry, Item, Load, Next, PutBack, Trouble};
use crate::core::outcome::{Failure, FailureKind, Outcome, Settled};
use crate::core::retry::Verdict;
use crate::core::{LaneId, Moment};

impl<T: Item> Desk<T> {
    /// Ends a delivery: `judge` says of each entry whether it goes back to its lane.
    pub(super) fn end<E: FnMut(Effect<'_, T>)>(
        &mut self,
        delivery: Delivery<T>,
        now: Moment,
        effects: &mut E,
        mut judge: impl FnMut(&mut Self, Entry<T>, &mut E) -> Option<Entry<T>>,
    ) {
        self.sending -= 1;
        match delivery.load {
            Load::One(entry) => {
                let lane = entry.lane();
                if let Some(entry) = judge(self, entry, effects) {
                    self.lanes.put_back(&mut PutBack::to(lane), entry);
                }
                self.open(lane, now, effects);
            }
            Load::Many(entries) => self.end_many(entries, now, effects, judge),
        }
    }

    /// Ends the parts of several entries, one lane after the other.
    fn end_many<E: FnMut(Effect<'_, T>)>(
        &mut self,
        entries: Vec<Entry<T>>,
        now: Moment,
        effects: &mut E,
        mut judge: impl FnMut(&mut Self, Entry<T>, &mut E) -> Option<Entry<T>>,
    ) {
        let mut entries = entries.into_iter().peekable();
        while let Some(lane) = entries.peek().map(Entry::lane) {
            let mut back = PutBack::to(lane);
            while let Some(entry) = entries.next_if(|entry| entry.lane() == lane) {
                if let Some(entry) = judge(self, entry, effects) {
                    self.lanes.put_back(&mut back, entry);
                }
            }
            self.open(lane, now, effects);
        }
    }

    /// Decides about one entry of a delivery; says what goes back to its lane.
    pub(super) fn judge(
        &mut self,
        entry: Entry<T>,
        outcome: Outcome,
        now: Moment,
        random: u64,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) -> Option<Entry<T>> {
        if outcome == Outcome::Delivered {
            return self.delivered(entry, effects);
        }
        // What was not sent for want of a token was no attempt, and uses none up.
        let sent = outcome.failure().is_none_or(|it| it.kind != FailureKind::Unauthorized);
        let attempts = entry.attempts.saturating_add(u32::from(sent));
        let tried = if sent { attempts } else { 0 };
        let age = entry.item.age(now);
        let verdict = self.policy.decide(tried, age, &outcome, random);
        let is_new = entry.trouble().is_none_or(|trouble| trouble.next() != Next::Park);
        let ends = !matches!(verdict, Verdict::Wait { parked: false, .. });
        if is_new && ends && self.policy.is_exhausted(tried, age) {
            effects(Effect::Exhausted { item: &entry.item });
        }
        let Some(failure) = outcome.into_failure() else {
            unreachable!("what is not delivered has failed")
        };
        self.apply(verdict, Entry { attempts, ..entry }, failure, now, effects)
    }

    /// A request was delivered: the item is settled, or its next request is to be made, as long as
    /// any may begin, even though its epoch is given up.
    #[inline]
    fn delivered(
        &mut self,
        entry: Entry<T>,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) -> Option<Entry<T>> {
        let done = entry.done + 1;
        if done < entry.requests {
            let next = Entry { done, attempts: 0, trouble: None, ..entry };
            if self.limit > 0 && !self.leaving.is_cut_off(next.item.epoch()) {
                return Some(next);
            }
            return self.unless_given_up(next, effects);
        }
        self.settle(entry.item, Settled::Delivered, None, effects);
        None
    }

    /// Does to an entry what was decided of its failure; says what goes back to its lane.
    pub(super) fn apply(
        &mut self,
        verdict: Verdict,
        entry: Entry<T>,
        failure: Box<Failure>,
        now: Moment,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) -> Option<Entry<T>> {
        match verdict {
            Verdict::Settle => {
                self.settle(entry.item, Settled::Delivered, None, effects);
                None
            }
            Verdict::Drop => {
                self.settle(entry.item, Settled::Dropped, Some(failure), effects);
                None
            }
            Verdict::DeadLetter => Some(failed(entry, failure, Next::Letter, now, now)),
            Verdict::Wait { wait, parked } => {
                let entry = self.unless_given_up(entry, effects)?;
                Some(put_off(entry, failure, (wait, parked), now, effects))
            }
            Verdict::Stop => {
                let entry = self.unless_given_up(entry, effects)?;
                let (item, attempts) = (&entry.item, entry.attempts);
                effects(Effect::Stop { item, attempts, failure: &failure });
                Some(failed(entry, failure, Next::Hold, now, now))
            }
        }
    }

    /// An item leaves the desk for good.
    #[inline]
    pub(super) fn settle(
        &mut self,
        item: T,
        how: Settled,
        failure: Option<Box<Failure>>,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) {
        self.leaving.left(item.epoch());
        effects(Effect::Settled { item, how, failure });
    }

    /// The entry, unless it has nothing left to wait for: then it is returned.
    pub(super) fn unless_given_up(
        &mut self,
        entry: Entry<T>,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) -> Option<Entry<T>> {
        let epoch = entry.item.epoch();
        if !self.given_up.contains(epoch) {
            return Some(entry);
        }
        self.leaving.left(epoch);
        effects(Effect::Returned { item: entry.item });
        None
    }

    /// Opens a lane, and hands out its head where that is to be a dead letter.
    pub(super) fn open(
        &mut self,
        lane: LaneId,
        now: Moment,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) {
        if let Some(entry) = self.lanes.open(lane, now) {
            effects(Effect::DeadLetter(Letter::of(entry)));
        }
    }
}

/// Tells of a failed attempt that is to be made again, and notes it in the entry.
fn put_off<T: Item>(
    entry: Entry<T>,
    failure: Box<Failure>,
    (wait, parked): (Duration, bool),
    now: Moment,
    effects: &mut impl FnMut(Effect<'_, T>),
) -> Entry<T> {
    let was_parked = entry.trouble().is_some_and(|trouble| trouble.next() == Next::Park);
    let parking = match (parked, was_parked) {
        (false, _) => Parking::No,
        (true, false) => Parking::Begins,
        (true, true) => Parking::GoesOn,
    };
    let (item, attempts) = (&entry.item, entry.attempts);
    effects(Effect::Retry { item, attempts, wait, parking, failure: &failure });
    let next = if parked { Next::Park } else { Next::Send };
    failed(entry, failure, next, now, now.after(wait))
}

/// Notes in an entry what went wrong and what follows; since when is kept from its first failure.
fn failed<T: Item>(
    mut entry: Entry<T>,
    failure: Box<Failure>,
    next: Next,
    now: Moment,
    until: Moment,
) -> Entry<T> {
    entry.item.rest();
    let since = entry.trouble.as_ref().map_or(now, |trouble| trouble.since);
    let trouble = Trouble { since, until, next, failure, letter: None };
    Entry { trouble: Some(Box::new(trouble)), ..entry }
}
