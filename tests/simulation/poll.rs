//! The poll thread of a member, re-played: serves the group, takes slices, hands them to arbiters.

mod rebalance;

use std::collections::{BTreeMap, VecDeque};

use keyway_actors::core::intake::{Admission, Rest};
use keyway_actors::core::ledger::Start;
use keyway_actors::core::{Epoch, LaneId};

use crate::bus::{ARBITERS, Bus, POLL};
use crate::client::{Client, Notice};
use crate::env::Env;
use crate::mail::{Command, GaveUp, Record, ToLeader, ToOffsets};
use crate::plan::{MILLIS, Micros};
use crate::sabotage::Sabotage;
use crate::stay::{Slice, Stay};
use crate::trace::trace;

const MAIN_QUEUE_EVERY: Micros = 900 * MILLIS;

#[derive(Debug)]
pub struct Partition {
    pub draining: bool,
    pub stay: Stay,
    /// Stays that ended because the log went back, and of which records may still be here.
    former: Vec<Epoch>,
}

#[derive(Debug, Default)]
struct Outbox {
    waiting: VecDeque<Vec<Record>>,
    open: Vec<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    Open,
    Paused,
    /// Nothing is taken, and something may still wait for an arbiter.
    Stopping,
    Stopped,
}

#[derive(Debug)]
pub struct Poll {
    /// By slot.
    pub partitions: BTreeMap<usize, Partition>,
    pub taking: Taking,
    ready: VecDeque<usize>,
    outboxes: Vec<Outbox>,
    unanswered: Option<Vec<usize>>,
    next_slot: usize,
    next_epoch: u64,
    main_polled: Micros,
    main_due: bool,
    forgets_former: bool,
    /// It has left the group and ended.
    pub left: bool,
}

impl Poll {
    pub fn new(env: &Env) -> Self {
        Self {
            partitions: BTreeMap::new(),
            taking: Taking::Open,
            ready: VecDeque::new(),
            outboxes: (0..env.plan.arbiters).map(|_| Outbox::default()).collect(),
            unanswered: None,
            next_slot: 0,
            next_epoch: 1,
            main_polled: env.now,
            main_due: true,
            forgets_former: env.is(Sabotage::FormerForgotten),
            left: false,
        }
    }

    /// One turn of its loop.
    pub fn step(&mut self, client: &mut Client, bus: &mut Bus, env: &mut Env) {
        let full = self.routers_are_full(bus, env);
        self.say_if_stopped(bus, env);
        let rung = std::mem::take(&mut bus.bell);
        self.main_due |= rung.main;
        for slot in rung.partitions {
            self.make_ready(slot);
        }
        if rung.room {
            self.look_at_all(bus);
        }
        if self.obey(client, bus, env) {
            self.left = true;
            return;
        }
        self.serve_group(client, bus, env);
        if !full && let Some(slot) = self.ready.pop_front() {
            self.slice(slot, client, bus, env);
        }
        if self.ready.is_empty() || full {
            let due = self.main_polled + MAIN_QUEUE_EVERY;
            bus.wake_at(POLL, due.max(env.now + 1), env);
        } else {
            bus.ring(POLL, env);
        }
    }

    fn make_ready(&mut self, slot: usize) {
        if !self.ready.contains(&slot) {
            self.ready.push_back(slot);
        }
    }

    fn look_at_all(&mut self, bus: &mut Bus) {
        let slots: Vec<_> = self.partitions.keys().copied().collect();
        for slot in slots {
            bus.unrest(self.partitions[&slot].stay.epoch);
            self.make_ready(slot);
        }
    }

    fn obey(&mut self, client: &mut Client, bus: &mut Bus, env: &mut Env) -> bool {
        while let Some(command) = bus.commands.pop_front() {
            match command {
                Command::Commit(entries) => self.commit(entries, bus, env),
                Command::GiveUp { epochs, in_order, acknowledged } => {
                    let partitions = self.give_up(&epochs, client, bus, env);
                    bus.gave_up.push(GaveUp { epochs, partitions, in_order, acknowledged });
                }
                Command::Pause(paused) if matches!(self.taking, Taking::Open | Taking::Paused) => {
                    self.taking = if paused { Taking::Paused } else { Taking::Open };
                    self.look_at_all(bus);
                }
                Command::StopIntake { deliver } => {
                    self.taking = Taking::Stopping;
                    self.let_go(!deliver, bus, env);
                }
                Command::LetGo if self.taking == Taking::Stopping => self.let_go(true, bus, env),
                Command::Pause(_) | Command::LetGo => {}
                Command::Leave { in_order, acknowledged } => {
                    let epochs = self.partitions.values().map(|it| it.stay.epoch).collect();
                    let partitions = self.partitions.values().map(|it| it.stay.partition).collect();
                    bus.gave_up.push(GaveUp { epochs, partitions, in_order, acknowledged });
                    return true;
                }
            }
        }
        false
    }

    fn serve_group(&mut self, client: &mut Client, bus: &mut Bus, env: &mut Env) {
        if self.main_due || env.now - self.main_polled >= MAIN_QUEUE_EVERY {
            self.main_polled = env.now;
            self.main_due = false;
            client.poll_main();
        }
        while self.unanswered.is_none() {
            match client.next_notice() {
                None => return,
                Some(Notice::Assign(partitions)) => self.unanswered = Some(partitions),
                Some(Notice::Revoke(partitions)) => self.revoke(&partitions, client, bus, env),
                Some(Notice::Committed(answer)) => {
                    bus.tell_offsets(ToOffsets::Answered(answer), env);
                }
            }
            self.answer_assign(client, bus, env);
        }
        self.answer_assign(client, bus, env);
    }

    /// Takes one slice from a partition, as much as there is room for.
    fn slice(&mut self, slot: usize, client: &mut Client, bus: &mut Bus, env: &mut Env) {
        if self.taking != Taking::Open {
            return;
        }
        let Some(partition) = self.partitions.get_mut(&slot) else { return };
        if partition.draining {
            return;
        }
        let most = match partition.stay.admit(bus, env) {
            Admission::Take(most) => usize::try_from(most).unwrap_or(usize::MAX),
            Admission::Rest(Rest::Span) => {
                env.counts.rests_for_span += 1;
                return;
            }
            Admission::Rest(Rest::Buffer) => {
                env.counts.rests_for_buffer += 1;
                bus.starving = true;
                return;
            }
        };
        let mut slice = Slice::default();
        let mut is_empty = false;
        let had_stash = partition.stay.stashed() > 0 && !env.is(Sabotage::UnstashTakesMore);
        if partition.stay.unstash(&mut slice, bus, env) && !had_stash {
            let fetched = client.take(partition.stay.partition, most, bus, env);
            is_empty = fetched.is_empty();
            for it in fetched {
                partition.stay.fetched(it, &mut slice, &mut self.next_epoch, bus, env);
                if let Some(offset) = slice.seek {
                    client.seek(partition.stay.partition, offset, bus, env);
                    break;
                }
            }
        }
        partition.stay.hand_in(&mut slice, bus, env);
        for (old, new) in slice.rewound {
            trace!(env, "[{}] epoch {new} follows {old}: the log went back", bus.pid);
            partition.former.push(old);
            let of = partition.stay.partition;
            bus.tell_offsets(ToOffsets::Closed(vec![old]), env);
            let start = Start::Unknown;
            bus.tell_offsets(ToOffsets::Opened { epoch: new, partition: of, start }, env);
        }
        for record in slice.delivered {
            let arbiter = arbiter_of(record.lane, self.outboxes.len());
            self.outboxes[arbiter].open.push(record);
        }
        self.flush(bus, env);
        if !is_empty {
            self.ready.push_back(slot);
        }
    }

    /// Hands the arbiters what they have room for, in order.
    fn flush(&mut self, bus: &mut Bus, env: &mut Env) {
        for (arbiter, outbox) in self.outboxes.iter_mut().enumerate() {
            if !outbox.open.is_empty() {
                outbox.waiting.push_back(std::mem::take(&mut outbox.open));
            }
            while bus.batches[arbiter].len() < env.plan.channel
                && let Some(batch) = outbox.waiting.pop_front()
            {
                bus.batches[arbiter].push_back(batch);
                bus.ring(ARBITERS + arbiter, env);
            }
        }
    }

    /// Whether nobody wants more. An arbiter that has batches waiting for it rings when it takes one.
    fn routers_are_full(&mut self, bus: &mut Bus, env: &mut Env) -> bool {
        if env.is(Sabotage::OutboxForgotten) && !self.is_full() {
            return false;
        }
        self.flush(bus, env);
        for (hungry, outbox) in bus.hungry.iter_mut().zip(&self.outboxes) {
            *hungry = !outbox.waiting.is_empty();
        }
        env.counts.routers_full += u64::from(self.is_full());
        self.is_full()
    }

    /// Lets go of what waits for the span, and of what waits for an arbiter too or not.
    fn let_go(&mut self, outboxes: bool, bus: &mut Bus, env: &mut Env) {
        let slots: Vec<_> = self.partitions.keys().copied().collect();
        if outboxes {
            self.drop_undelivered(&slots, bus, env);
        } else {
            self.drop_stashes(&slots, bus, env);
        }
        self.say_if_stopped(bus, env);
    }

    fn say_if_stopped(&mut self, bus: &mut Bus, env: &mut Env) {
        if self.taking == Taking::Stopping && self.waiting() == 0 {
            self.taking = Taking::Stopped;
            let epochs = self.partitions.values().map(|it| it.stay.epoch).collect();
            bus.tell_leader(ToLeader::IntakeStopped(epochs), env);
        }
    }

    /// Lets go of what was taken in and is not with an arbiter yet.
    fn drop_undelivered(&mut self, slots: &[usize], bus: &mut Bus, env: &mut Env) {
        let epochs: Vec<Epoch> = slots.iter().flat_map(|slot| self.epochs(*slot, bus)).collect();
        for outbox in &mut self.outboxes {
            for batch in &mut outbox.waiting {
                batch.retain(|record| {
                    let goes = epochs.contains(&record.epoch);
                    if goes {
                        bus.release(record.epoch, record.bytes, env);
                    }
                    !goes
                });
            }
            outbox.waiting.retain(|batch| !batch.is_empty());
        }
        self.drop_stashes(slots, bus, env);
    }

    fn drop_stashes(&mut self, slots: &[usize], bus: &mut Bus, env: &mut Env) {
        for slot in slots {
            if let Some(partition) = self.partitions.get_mut(slot) {
                partition.stay.drop_stash(bus, env);
            }
        }
    }

    /// Whether no arbiter has room.
    pub fn is_full(&self) -> bool {
        self.outboxes.iter().all(|outbox| !outbox.waiting.is_empty())
    }

    /// Records that wait for an arbiter to have room.
    pub fn waiting(&self) -> usize {
        self.outboxes.iter().flat_map(|it| &it.waiting).map(Vec::len).sum()
    }
}

fn arbiter_of(lane: LaneId, arbiters: usize) -> usize {
    let share = u128::from(lane.0) * arbiters as u128;
    usize::try_from(share >> 64).unwrap_or(0)
}
