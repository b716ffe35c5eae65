//! What follows from what the desk said becomes of an item.

use std::sync::Arc;

use keyway_actors::core::breaker::Change;
use keyway_actors::core::desk::{Effect, Letter};
use keyway_actors::core::outcome::Settled;
use keyway_actors::core::retry::{Action, RetryPolicy};

use super::{Arbiter, Said};
use crate::bus::Bus;
use crate::env::Env;
use crate::event::Event;
use crate::mail::{Last, Record, Settlement, ToLeader};
use crate::plan::MILLIS;
use crate::sabotage::Sabotage;

impl Arbiter {
    pub(super) fn act(&mut self, bus: &mut Bus, env: &mut Env) {
        for said in std::mem::take(&mut self.said) {
            match said {
                Said::Settled(record, how) => self.settle(record, how, bus, env),
                Said::Letter(letter) => self.letter(letter, bus, env),
                Said::Returned(record) => {
                    self.watch.left(&record);
                    let between = record.done > 0 && record.last == Last::Delivered;
                    let may = self.desk.limit() == 0 || self.cancelled.contains(&record.epoch);
                    if between && !may {
                        env.check.violated("P3", || format!("returned half done: {record:?}"));
                    }
                    if !record.settled_early {
                        bus.release(record.epoch, record.bytes, env);
                    }
                }
                Said::Breaker(destination, change) => {
                    match change {
                        Change::Opened { .. } => env.counts.breakers_opened += 1,
                        Change::Closed { .. } => env.counts.breakers_closed += 1,
                    }
                    self.destinations.turned(&destination, change);
                }
                Said::Stop => {
                    env.counts.stops_by_policy += 1;
                    bus.tell_leader(ToLeader::Stop { deliver: false }, env);
                }
            }
        }
    }

    fn settle(&mut self, record: Record, how: Settled, bus: &mut Bus, env: &mut Env) {
        self.watch.left(&record);
        let whole = record.done == env.plan.ways.requests(&record);
        if !(record.last == Last::Delivered && whole) && how == Settled::Delivered {
            self.forget(record, bus, env);
            return;
        }
        if how == Settled::Filtered {
            env.counts.filtered += 1;
            if !env.plan.ways.is_filtered(&record) {
                env.check.violated("P1", || format!("filtered without a reason: {record:?}"));
            }
            env.check.finished((bus.pid, record.epoch), record.id, how);
        }
        if how == Settled::Dropped {
            env.counts.dropped += 1;
            if !may_end(&record, Action::Drop, &env.plan.policy) {
                env.check.violated("P1", || format!("dropped without a reason: {record:?}"));
            }
            env.check.finished((bus.pid, record.epoch), record.id, how);
        }
        env.counts.dead_lettered += u64::from(how == Settled::DeadLettered);
        if !record.settled_early {
            let (epoch, offset, bytes) = (record.epoch, record.offset, record.bytes);
            self.settled.push(Settlement { epoch, offset, bytes });
            self.settled_since.get_or_insert(env.now);
        }
    }

    /// The desk takes a record for delivered that is not: so it was told, or it is wrong.
    fn forget(&mut self, record: Record, bus: &mut Bus, env: &mut Env) {
        if env.is(Sabotage::FreeLaneEarly) {
            let wait = env.random.between(1, 200) * MILLIS;
            self.requeue.push((env.now + wait, record));
        } else if env.is(Sabotage::DropRetry) {
            bus.release(record.epoch, record.bytes, env);
        } else {
            env.check.violated("P1", || format!("settled and not delivered: {record:?}"));
        }
    }

    pub(super) fn requeue(&mut self, bus: &mut Bus, env: &mut Env) {
        let now = env.now;
        let due: Vec<_> = self.requeue.extract_if(.., |(due, _)| *due <= now).collect();
        for (_, record) in due {
            self.accept(Record { tries: 0, done: 0, ..record }, bus, env);
            self.hand_out(bus, env);
        }
    }

    fn letter(&mut self, letter: Letter<Record>, bus: &mut Bus, env: &mut Env) {
        let item = letter.item();
        if !may_end(item, Action::DeadLetter, &env.plan.policy) {
            let item = item.clone();
            env.check.violated("P1", || format!("dead-lettered without a reason: {item:?}"));
        }
        env.counts.letters += 1;
        let down = env.broker.letters_down_until > env.now || env.broker.down_until > env.now;
        let written = env.healed || !(down || env.random.percent(5));
        let serial = env.serial();
        if written {
            // The broker has it, whether or not anybody lives to hear so.
            env.check.finished((bus.pid, item.epoch), item.id, Settled::DeadLettered);
        } else {
            env.counts.letters_refused += 1;
        }
        self.letters.insert(serial, letter);
        let wait = env.wire();
        env.after(wait, Event::Letter { pid: bus.pid, arbiter: self.index, serial, written });
    }
}

/// Whether a record may be given up in this way.
fn may_end(record: &Record, action: Action, policy: &RetryPolicy) -> bool {
    let exhausted = policy.max_attempts > 0 && record.tries >= policy.max_attempts;
    (record.last == Last::Rejected && policy.on_rejected == action)
        || (record.last == Last::Failed && exhausted && policy.on_exhausted == action)
}

pub(super) fn note(said: &mut Vec<Said>, effect: Effect<'_, Record>) {
    match effect {
        Effect::Settled { item, how, .. } => said.push(Said::Settled(item, how)),
        Effect::DeadLetter(letter) => said.push(Said::Letter(letter)),
        Effect::Returned { item } => said.push(Said::Returned(item)),
        Effect::Stop { .. } => said.push(Said::Stop),
        Effect::Breaker { destination, change } => {
            said.push(Said::Breaker(Arc::clone(destination), change));
        }
        Effect::Retry { .. } | Effect::LetterWaits { .. } | Effect::Exhausted { .. } => {}
    }
}
