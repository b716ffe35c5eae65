//! A member of the group: one process with its poll thread, actors and arbiters.

use keyway_actors::core::Offset;
use keyway_actors::core::intake::Admission;
use keyway_actors::core::ledger::Ledger;

use crate::arbiter::Arbiter;
use crate::broker::Pid;
use crate::bus::{ARBITERS, Assignment, Bus, LEADER, OFFSETS, POLL};
use crate::client::Client;
use crate::env::Env;
use crate::leader::Leader;
use crate::mail::{Command, GaveUp, Record, ToArbiter, ToOffsets};
use crate::offsets::Offsets;
use crate::plan::{Micros, SECOND};
use crate::poll::{Poll, Taking};

#[derive(Debug)]
pub struct Member {
    pub pid: Pid,
    pub bus: Bus,
    pub client: Client,
    poll: Poll,
    offsets: Offsets,
    leader: Leader,
    pub arbiters: Vec<Arbiter>,
    /// Since when something stands still that could go on, and how far the stays were.
    stuck: Option<(Micros, Offset)>,
}

impl Member {
    pub fn new(pid: Pid, env: &mut Env) -> Self {
        let mut bus = Bus::new(pid, env);
        bus.ring(POLL, env);
        Self {
            pid,
            client: Client::default(),
            poll: Poll::new(env),
            offsets: Offsets::new(env),
            leader: Leader::default(),
            arbiters: (0..env.plan.arbiters).map(|it| Arbiter::new(it, &bus, env)).collect(),
            bus,
            stuck: None,
        }
    }

    /// A part of it does what there is to do.
    pub fn step(&mut self, part: usize, env: &mut Env) {
        match part {
            POLL => {
                self.poll.step(&mut self.client, &mut self.bus, env);
                for gave_up in std::mem::take(&mut self.bus.gave_up) {
                    self.check_handover(&gave_up, env);
                }
            }
            OFFSETS => self.offsets.step(&mut self.bus, env),
            LEADER => self.leader.step(&mut self.bus, env),
            arbiter => self.arbiters[arbiter - ARBITERS].step(&mut self.bus, env),
        }
    }

    pub fn tick(&mut self, env: &mut Env) {
        self.bus.tell_offsets(ToOffsets::Tick, env);
    }

    /// One that ends is not led any more.
    pub fn pause(&mut self, paused: bool, env: &mut Env) {
        if self.is_stopping() {
            return;
        }
        self.bus.command(Command::Pause(paused), env);
        for arbiter in 0..self.arbiters.len() {
            self.bus.tell_arbiter(arbiter, ToArbiter::Pause(paused), env);
        }
    }

    pub fn resize(&mut self, senders: usize, env: &mut Env) {
        for arbiter in 0..self.arbiters.len() {
            self.bus.tell_arbiter(arbiter, ToArbiter::Resize(senders), env);
        }
    }

    pub fn has_left(&self) -> bool {
        self.poll.left
    }

    pub fn is_stopping(&self) -> bool {
        self.leader.is_stopping()
    }

    /// Whether it holds nothing that is not committed or about to be.
    pub fn is_quiet(&self) -> bool {
        self.bus.held.records == 0 && !self.client.lost
    }

    /// Partitions were given up, or the group left: nothing of them may be under way any more.
    fn check_handover(&mut self, gave_up: &GaveUp, env: &mut Env) {
        let of_these = |it: &&Record| {
            gave_up.partitions.contains(&it.partition) && !self.bus.lost.contains(&it.epoch)
        };
        for (index, arbiter) in self.arbiters.iter().enumerate() {
            let stood_still = self.bus.stalled[ARBITERS + index] + SECOND > env.now;
            let sent = arbiter.sent().find(of_these).filter(|_| gave_up.in_order || !stood_still);
            let letter = arbiter.lettered_now().find(of_these).filter(|_| gave_up.in_order);
            if let Some(record) = sent.or(letter) {
                let record = record.clone();
                env.check.violated("P2", || format!("given up while under way: {record:?}"));
            }
        }
        if !gave_up.in_order {
            self.bus.lost.extend(gave_up.epochs.iter().copied());
        }
        if gave_up.in_order {
            self.bus.over.extend(gave_up.epochs.iter().copied());
        }
        if gave_up.in_order && gave_up.acknowledged {
            for &epoch in &gave_up.epochs {
                env.check.handed_over(self.pid, epoch);
            }
        }
    }
}

/// What it holds, and whether it makes progress.
impl Member {
    /// Checked after each step of it.
    pub fn check_room(&mut self, env: &mut Env) {
        let (held, limit) = (self.bus.held, self.bus.intake);
        let largest = env.plan.largest_record();
        if held.bytes > limit.bytes + largest {
            env.counts.oversized_slices += 1;
        }
        // The poll thread takes a slice by the average of the records before it.
        let slice = 40 * largest;
        if held.records > limit.records || held.bytes > limit.bytes + slice {
            env.check.violated("P5", || format!("{held:?} is held, of {limit:?}"));
        }
    }

    /// Checked now and then: everything that is held is somewhere, and what can go on does.
    pub fn look(&mut self, env: &mut Env) {
        let stashed: usize = self.poll.partitions.values().map(|it| it.stay.stashed()).sum();
        let in_channels: usize = self.bus.batches.iter().flatten().map(Vec::len).sum();
        let at_arbiters: usize = self.arbiters.iter().map(Arbiter::records).sum();
        let settled: usize = self
            .bus
            .to_offsets
            .iter()
            .map(|it| match it {
                ToOffsets::Settled(settlements) => settlements.len(),
                _ => 0,
            })
            .sum();
        let found = stashed + in_channels + at_arbiters + settled + self.poll.waiting();
        let held = self.bus.held;
        if env.sabotage.is_none() && found as u64 != held.records {
            env.check.violated("P5", || format!("{held:?} is held, and {found} records are here"));
        }
        for partition in self.poll.partitions.values().filter(|it| !it.draining) {
            let pending =
                self.offsets.book().ledger(partition.stay.epoch).map_or(0, Ledger::pending);
            let held = self.bus.stay(partition.stay.epoch).held.records;
            if pending as u64 > held && !self.is_stopping() {
                env.check.violated("P5", || format!("{pending} pending of {held} held records"));
            }
        }
        let parked: usize = self.arbiters.iter().map(Arbiter::parked).sum();
        env.counts.parked += u64::from(parked > 0);
        self.look_for_what_is_stuck(stashed, env);
    }

    fn look_for_what_is_stuck(&mut self, stashed: usize, env: &mut Env) {
        let stood_still = self.bus.stalled.iter().any(|until| until + SECOND > env.now);
        let may_take = self.poll.taking == Taking::Open
            && !self.client.is_silent()
            && !stood_still
            && !self.is_stopping();
        // What only waits for itself waits for ever.
        let only_stashed = stashed > 0 && stashed as u64 == self.bus.held.records;
        let could_take = self.poll.partitions.values().find(|it| {
            let fetched = self.client.fetcher(it.stay.partition).is_some_and(|it| !it.is_empty());
            let may = matches!(it.stay.admission(&self.bus, env), Admission::Take(_));
            // One that rests is woken only when enough room is there to be worth it.
            let stay = self.bus.stay(it.stay.epoch);
            let rests = stay.resting.is_some() && !stay.woken;
            let wakes = !rests || self.bus.intake.has_slack(self.bus.held);
            !it.draining && fetched && may && wakes && !self.poll.is_full()
        });
        if !may_take || (!only_stashed && could_take.is_none()) {
            self.stuck = None;
            return;
        }
        let reached = |it: &Assignment| it.base.unwrap_or(0) + it.next.unwrap_or(0);
        let reached = self.bus.stays.values().map(reached).sum();
        let (since, _) = *self.stuck.insert(
            self.stuck.filter(|(_, before)| *before == reached).unwrap_or((env.now, reached)),
        );
        if env.now - since > 2 * SECOND + 2 * env.plan.commit_interval {
            let what = format!("{could_take:?}, {:?}, {:?}", self.bus.held, self.bus.stays);
            env.check.violated("P4", || format!("stands still with room to go on: {what}"));
        }
    }
}
