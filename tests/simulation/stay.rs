//! The poll thread's part of a stay: what of the partition is to be delivered, and how much.

use std::collections::VecDeque;

use keyway_actors::core::intake::{self, Admission, Cursor, Rest};
use keyway_actors::core::ledger::Start;
use keyway_actors::core::{Epoch, Offset};

use crate::broker::Stored;
use crate::bus::{Bus, Taken, push_taken};
use crate::client::Fetched;
use crate::env::Env;
use crate::mail::{Last, Record};
use crate::sabotage::Sabotage;

#[derive(Debug)]
pub struct Stay {
    pub epoch: Epoch,
    pub partition: usize,
    slot: usize,
    cursor: Cursor,
    /// What was taken from the queue behind a record that the span does not allow yet, that record
    /// first. While there is some, nothing more is taken.
    stash: VecDeque<Stashed>,
    average: u64,
}

#[derive(Debug)]
enum Stashed {
    Record(Record),
    End(Offset, u32),
}

/// What a slice came to.
#[derive(Debug, Default)]
pub struct Slice {
    pub delivered: Vec<Record>,
    /// Stays that ended because the log went back, each with the one that follows.
    pub rewound: Vec<(Epoch, Epoch)>,
    /// What is below the place where the log goes on was not all settled: it is read again from here.
    pub seek: Option<Offset>,
    taken: Vec<Taken>,
}

impl Stay {
    pub fn new(epoch: Epoch, partition: usize, slot: usize, start: &Start, bus: &mut Bus) -> Self {
        let cursor = match start {
            Start::At { base, settled } => {
                let stay = bus.stay_mut(epoch);
                stay.next = Some(*base);
                stay.base = Some(*base);
                Cursor::new(Some(*base), settled.clone())
            }
            Start::Unknown => Cursor::default(),
        };
        Self { epoch, partition, slot, cursor, stash: VecDeque::new(), average: 1024 }
    }

    /// Records that wait for the span.
    pub fn stashed(&self) -> usize {
        self.stash.iter().filter(|it| matches!(it, Stashed::Record(_))).count()
    }

    pub fn drop_stash(&mut self, bus: &mut Bus, env: &mut Env) {
        for stashed in std::mem::take(&mut self.stash) {
            if let Stashed::Record(record) = stashed {
                bus.release(record.epoch, record.bytes, env);
            }
        }
    }

    /// How much may be taken. Where nothing may, the partition is marked as resting: one that was
    /// woken lies down again only here.
    pub fn admit(&self, bus: &mut Bus, env: &Env) -> Admission {
        let admission = self.admission(bus, env);
        let stay = bus.stay_mut(self.epoch);
        stay.woken = false;
        stay.resting = match admission {
            Admission::Take(_) => None,
            Admission::Rest(rest) => Some(rest),
        };
        admission
    }

    pub fn admission(&self, bus: &Bus, env: &Env) -> Admission {
        if !self.stash.is_empty() && !env.is(Sabotage::StashNeedsRoom) {
            // What is stashed has its share of the buffer already.
            let goes_on = self.first_spans(bus, env);
            return if goes_on { Admission::Take(1) } else { Admission::Rest(Rest::Span) };
        }
        let stay = bus.stay(self.epoch);
        let partitions = if env.is(Sabotage::NoShares) { 1 } else { bus.partitions };
        bus.intake.admit(partitions, bus.held, stay.held, stay.position(), self.average)
    }

    /// Whether the first of the stash may be delivered. The others there are not taken in yet as far
    /// as the ledger is concerned, or they would hold themselves back.
    fn first_spans(&self, bus: &Bus, env: &Env) -> bool {
        match self.stash.front() {
            Some(Stashed::Record(first)) => {
                let waiting = if env.is(Sabotage::StashCountsItself) { 1 } else { self.stashed() };
                self.spans(first.offset, waiting - 1, bus)
            }
            Some(Stashed::End(..)) => true,
            None => false,
        }
    }

    /// Whether a record may be delivered, of those held so many being `waiting` behind it.
    fn spans(&self, offset: Offset, waiting: usize, bus: &Bus) -> bool {
        let stay = bus.stay(self.epoch);
        let unsettled = stay.held.records.saturating_sub(waiting as u64);
        bus.intake.spans(unsettled, stay.base, offset)
    }

    /// Delivers what was stashed; true if nothing is left there and more may be taken.
    pub fn unstash(&mut self, slice: &mut Slice, bus: &Bus, env: &Env) -> bool {
        while self.first_spans(bus, env) {
            self.unstash_first(slice);
        }
        self.stash.is_empty()
    }

    fn unstash_first(&mut self, slice: &mut Slice) {
        match self.stash.pop_front() {
            Some(Stashed::Record(record)) => deliver(record, slice),
            Some(Stashed::End(end, log)) => slice.taken.push(Taken::End(end, log)),
            None => {}
        }
    }

    /// Goes through what was taken from the queue.
    pub fn fetched(
        &mut self,
        fetched: Fetched,
        slice: &mut Slice,
        next_epoch: &mut u64,
        bus: &mut Bus,
        env: &mut Env,
    ) {
        match fetched {
            Fetched::Message(stored) => self.message(stored, slice, next_epoch, bus, env),
            Fetched::End(end) => {
                env.counts.ends_seen += 1;
                if !self.cursor.reached_end(end) {
                    self.rewind(end, slice, next_epoch, bus, env);
                    if slice.seek.is_some() {
                        return;
                    }
                    self.cursor.reached_end(end);
                }
                let log = env.broker.logs[self.partition].version;
                if self.stash.is_empty() || env.is(Sabotage::EndOvertakesStash) {
                    slice.taken.push(Taken::End(end, log));
                } else {
                    self.stash.push_back(Stashed::End(end, log));
                }
            }
        }
    }

    fn message(
        &mut self,
        stored: Stored,
        slice: &mut Slice,
        next_epoch: &mut u64,
        bus: &mut Bus,
        env: &mut Env,
    ) {
        let fetched = match self.cursor.fetched(stored.offset) {
            intake::Fetched::Behind => {
                self.rewind(stored.offset, slice, next_epoch, bus, env);
                if slice.seek.is_some() {
                    return;
                }
                self.cursor.fetched(stored.offset)
            }
            fetched => fetched,
        };
        if fetched == intake::Fetched::AlreadySettled {
            env.counts.already_settled += 1;
            return;
        }
        let record = self.record(stored, bus, env);
        if bus.stay(self.epoch).base.is_none() && !env.is(Sabotage::BaseComesLate) {
            // The ledger will say the same, but only after much more was taken in.
            bus.stay_mut(self.epoch).base = Some(record.offset);
        }
        if self.stash.is_empty() && self.spans(record.offset, 0, bus) {
            deliver(record, slice);
        } else {
            env.counts.stashed += 1;
            self.stash.push_back(Stashed::Record(record));
        }
    }

    fn record(&mut self, stored: Stored, bus: &mut Bus, env: &Env) -> Record {
        let produced = env.broker.produced[stored.id];
        bus.hold(self.epoch, produced.bytes);
        self.average = (self.average * 7 + produced.bytes) / 8;
        Record {
            id: stored.id,
            partition: self.partition,
            offset: stored.offset,
            key: produced.key,
            lane: produced.lane,
            epoch: self.epoch,
            bytes: produced.bytes,
            poisoned: produced.poisoned,
            done: 0,
            tries: 0,
            last: Last::Nothing,
            settled_early: false,
        }
    }

    /// The log went back and goes on at `at`: a new stay begins, there or, where the old one has
    /// records below that are not settled, at the first of them. Those may be the same records in
    /// the log there is now, and the new stay's commits would cover them.
    fn rewind(
        &mut self,
        at: Offset,
        slice: &mut Slice,
        next_epoch: &mut u64,
        bus: &mut Bus,
        env: &mut Env,
    ) {
        env.counts.rewinds += 1;
        let base = bus.stay(self.epoch).base.filter(|base| *base < at);
        if let (Some(base), false) = (base, env.is(Sabotage::RewindSkips)) {
            env.counts.seeks_back += 1;
            slice.seek = Some(base);
        }
        while !self.stash.is_empty() {
            self.unstash_first(slice);
        }
        self.hand_in(slice, bus, env);
        let new = Epoch(*next_epoch);
        *next_epoch += 1;
        bus.open(new, self.partition, self.slot);
        let log = &env.broker.logs[self.partition];
        env.check.opened((bus.pid, new), self.partition, &Start::Unknown, log);
        slice.rewound.push((self.epoch, new));
        self.epoch = new;
        self.cursor = Cursor::default();
    }

    /// Tells the ledger what was taken, before any of it can be settled.
    pub fn hand_in(&self, slice: &mut Slice, bus: &mut Bus, env: &mut Env) {
        let new = std::mem::take(&mut slice.taken);
        let Some(next) = self.cursor.next() else { return };
        env.check.read(bus.pid, self.epoch, next);
        if !new.is_empty() {
            bus.note_taken(self.epoch, new, env);
            bus.stay_mut(self.epoch).next = Some(next);
        }
    }
}

fn deliver(record: Record, slice: &mut Slice) {
    push_taken(&mut slice.taken, record.offset);
    slice.delivered.push(record);
}
