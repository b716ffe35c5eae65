//! What the senders of an arbiter do: begin, end, and be cancelled.

use keyway_actors::core::desk::Outcomes;
use keyway_actors::core::lanes::Delivery;
use keyway_actors::core::outcome::{Failure, FailureKind, Outcome, Settled};

use super::effects::note;
use super::{Arbiter, Sender};
use crate::bus::{ARBITERS, Bus};
use crate::endpoint::Asked;
use crate::env::Env;
use crate::event::Event;
use crate::mail::{Last, Record, Settlement};
use crate::sabotage::Sabotage;
use crate::trace::trace;

impl Arbiter {
    pub fn begin(&mut self, sender: usize, serial: u64, bus: &mut Bus, env: &mut Env) {
        match std::mem::replace(&mut self.senders[sender], Sender::Idle) {
            Sender::Given(given, mut delivery) if given == serial => {
                if self.is_cancelled(&delivery) && !env.is(Sabotage::CancelMissesGiven) {
                    // It counts as an attempt although it was none.
                    delivery.entries_mut().iter_mut().for_each(|it| it.item_mut().tries += 1);
                    self.abandon(sender, delivery, bus, env);
                } else {
                    self.send(sender, serial, delivery, bus, env);
                }
            }
            Sender::Holding(held) if held == serial => {
                self.idle.push(sender);
                self.hand_out(bus, env);
            }
            other => self.senders[sender] = other,
        }
    }

    fn send(
        &mut self,
        sender: usize,
        serial: u64,
        mut delivery: Delivery<Record>,
        bus: &mut Bus,
        env: &mut Env,
    ) {
        let asked: Vec<Asked> =
            delivery.entries().iter().map(|entry| asked(entry.item())).collect();
        if self.is_cancelled(&delivery) {
            let items = format!("{:?}", delivery.entries());
            env.check.violated("P2", || format!("sent after it was cancelled: {items}"));
        }
        let mut lane = None;
        for entry in delivery.entries_mut() {
            let (attempts, request) = (entry.attempts(), entry.request());
            let item = entry.item_mut();
            if request != item.done {
                let item = item.clone();
                env.check.violated("P2", || format!("request {request} is sent of {item:?}"));
            }
            env.counts.further_requests += u64::from(request > 0);
            if attempts != item.tries {
                let item = item.clone();
                env.check.violated("P2", || format!("attempts are {attempts}, not {item:?}"));
            }
            item.tries += 1;
            trace!(
                env,
                "[{}] sends {}@{} key {} try {} epoch {}",
                bus.pid,
                item.partition,
                item.offset,
                item.key,
                item.tries,
                item.epoch
            );
            if bus.over.contains(&item.epoch) {
                let item = item.clone();
                env.check.violated("P2", || format!("sent after it was given up: {item:?}"));
            }
            let is_first = lane.replace(item.lane) != Some(item.lane);
            env.check.request(bus.pid, item.epoch, item.id, is_first);
            if env.is(Sabotage::SettleOnSend) && !item.settled_early {
                item.settled_early = true;
                let (epoch, offset, bytes) = (item.epoch, item.offset, item.bytes);
                self.settled.push(Settlement { epoch, offset, bytes });
                self.settled_since.get_or_insert(env.now);
            }
        }
        self.watch.begins(delivery.entries(), &mut env.check);
        let at = (env.now, env.healed);
        let course = env.endpoint.course(&asked, at, &env.plan, &mut env.random, &mut env.counts);
        self.senders[sender] = Sender::Sending(serial, delivery);
        let (pid, arbiter) = (bus.pid, self.index);
        let outcomes = course.outcomes;
        env.after(course.takes, Event::End { pid, arbiter, sender, serial, outcomes });
    }

    pub fn end(
        &mut self,
        sender: usize,
        serial: u64,
        outcomes: Outcomes,
        bus: &mut Bus,
        env: &mut Env,
    ) {
        let Some(mut delivery) = self.take(sender, serial) else { return };
        self.destinations.ended(&delivery, &env.plan.ways, self.began[sender]);
        let mut outcomes = outcomes;
        note_outcomes(&mut delivery, &mut outcomes, bus, env);
        self.watch.ended(delivery.entries());
        let random = env.random.next();
        let said = &mut self.said;
        self.desk.conclude(delivery, outcomes, env.moment(), random, &mut |it| note(said, it));
        if env.is(Sabotage::RetryHoldsSender)
            && let Some(due) = self.desk.next_wake()
        {
            let serial = env.serial();
            self.senders[sender] = Sender::Holding(serial);
            let at = u64::try_from(due.0.as_micros()).unwrap_or(u64::MAX);
            env.at(at, Event::Begin { pid: bus.pid, arbiter: self.index, sender, serial });
            self.act(bus, env);
            bus.ring(ARBITERS + self.index, env);
            return;
        }
        self.after_delivery(sender, bus, env);
    }

    pub fn cancelled(&mut self, sender: usize, serial: u64, bus: &mut Bus, env: &mut Env) {
        let Some(delivery) = self.take(sender, serial) else { return };
        self.watch.ended(delivery.entries());
        self.abandon(sender, delivery, bus, env);
    }

    fn abandon(&mut self, sender: usize, delivery: Delivery<Record>, bus: &mut Bus, env: &mut Env) {
        env.counts.cancelled += 1;
        self.destinations.ended(&delivery, &env.plan.ways, self.began[sender]);
        let said = &mut self.said;
        self.desk.abandon(delivery, env.moment(), &mut |effect| note(said, effect));
        self.after_delivery(sender, bus, env);
    }

    pub(super) fn is_cancelled(&self, delivery: &Delivery<Record>) -> bool {
        delivery.entries().iter().any(|entry| self.cancelled.contains(&entry.item().epoch))
    }

    fn take(&mut self, sender: usize, serial: u64) -> Option<Delivery<Record>> {
        match std::mem::replace(&mut self.senders[sender], Sender::Idle) {
            Sender::Sending(sent, delivery) if sent == serial => Some(delivery),
            other => {
                self.senders[sender] = other;
                None
            }
        }
    }

    fn after_delivery(&mut self, sender: usize, bus: &mut Bus, env: &mut Env) {
        self.act(bus, env);
        let many = env.plan.intake.records / env.plan.arbiters as u64 / 16;
        let bytes: u64 = self.settled.iter().map(|it| it.bytes).sum();
        if self.settled.len() as u64 >= many.clamp(1, 512)
            || bytes >= env.plan.intake.bytes / env.plan.arbiters as u64 / 16
        {
            self.flush(bus, env);
        }
        self.finish_releases(bus, env);
        match self.dispatch(sender, bus, env) {
            Some(next) => {
                let serial = env.serial();
                self.send(sender, serial, next, bus, env);
            }
            None => self.idle.push(sender),
        }
        // With batches, what one delivery kept closed can be more than its sender takes next.
        if env.plan.batch.records > 1 {
            self.hand_out(bus, env);
        }
        self.desk.look_again(env.moment());
        bus.ring(ARBITERS + self.index, env);
    }

    pub(super) fn lettered(&mut self, serial: u64, written: bool, bus: &mut Bus, env: &mut Env) {
        let Some(letter) = self.letters.remove(&serial) else { return };
        let refused = || Err(Failure::new(FailureKind::Other, "the broker is away"));
        let result = if written || env.is(Sabotage::LetterUnasked) { Ok(()) } else { refused() };
        let random = env.random.next();
        let said = &mut self.said;
        self.desk.dead_letter_done(letter, result, env.moment(), random, &mut |it| note(said, it));
        self.act(bus, env);
        self.finish_releases(bus, env);
    }
}

fn asked(item: &Record) -> Asked {
    Asked { key: item.key, poisoned: item.poisoned }
}

/// The outcome is final where the receiver said so, whatever the desk makes of it.
fn note_outcomes(
    delivery: &mut Delivery<Record>,
    outcomes: &mut Outcomes,
    bus: &Bus,
    env: &mut Env,
) {
    let is_cut = env.is(Sabotage::FreeLaneEarly) || env.is(Sabotage::DropRetry);
    let entries = 0..delivery.entries().len();
    let mut each: Vec<Outcome> = entries.filter_map(|at| outcomes.get(at).cloned()).collect();
    for (entry, outcome) in delivery.entries_mut().iter_mut().zip(&mut each) {
        let item = entry.item_mut();
        item.last = match outcome {
            Outcome::Delivered => Last::Delivered,
            Outcome::Retry { .. } => Last::Failed,
            Outcome::Rejected(_) => Last::Rejected,
        };
        trace!(
            env,
            "[{}] {}@{} epoch {}: {:?}",
            bus.pid,
            item.partition,
            item.offset,
            item.epoch,
            item.last
        );
        if item.last == Last::Delivered {
            item.done += 1;
            item.tries = 0;
            if item.done == env.plan.ways.requests(item) {
                env.counts.delivered += 1;
                env.check.finished((bus.pid, item.epoch), item.id, Settled::Delivered);
            }
        } else if is_cut {
            *outcome = Outcome::Delivered;
        }
    }
    if is_cut {
        *outcomes = each.into();
    }
}
