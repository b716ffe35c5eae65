//! What the parts of a member share: mailboxes, the bell of the poll thread, and the room.
//!
//! A mailbox is one queue for all who send to it, and a part gets round to its mail some time later:
//! that leaves every order open that actors on threads of their own could have.

mod room;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use keyway_actors::core::destinations::Rates;
use keyway_actors::core::intake::{Intake, Position, Rest, Usage};
use keyway_actors::core::{Epoch, Offset};

use crate::arbiter::Paces;
use crate::broker::Pid;
use crate::env::Env;
use crate::event::Event;
use crate::mail::{Command, GaveUp, Record, ToArbiter, ToLeader, ToOffsets};
use crate::plan::Micros;

/// The parts of a member; arbiter `n` is part `ARBITERS + n`.
pub const POLL: usize = 0;
pub const OFFSETS: usize = 1;
pub const LEADER: usize = 2;
pub const ARBITERS: usize = 3;

/// What the ledger has yet to learn of a partition's intake, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Offsets handed out as records.
    Run(Range<Offset>),
    /// The log ends here; for the check, which version of it that was.
    End(Offset, u32),
}

/// Notes that a record was taken in.
pub fn push_taken(taken: &mut Vec<Taken>, offset: Offset) {
    match taken.last_mut() {
        Some(Taken::Run(run)) if run.end == offset => run.end += 1,
        _ => taken.push(Taken::Run(offset..offset + 1)),
    }
}

/// One stay of one partition: what its records share.
#[derive(Debug)]
pub struct Assignment {
    pub partition: usize,
    /// The poll thread's name for the partition.
    pub slot: usize,
    pub held: Usage,
    pub resting: Option<Rest>,
    /// Whoever woke it has rung the bell; until the poll thread has looked it still rests.
    pub woken: bool,
    pub base: Option<Offset>,
    pub next: Option<Offset>,
    pub taken: Vec<Taken>,
    /// Nobody but records of it refers to it any more.
    pub ended: bool,
}

impl Assignment {
    pub fn position(&self) -> Position {
        Position { base: self.base, next: self.next }
    }
}

/// What wakes the poll thread.
#[derive(Debug, Default)]
pub struct Rung {
    pub partitions: VecDeque<usize>,
    pub main: bool,
    pub room: bool,
    pub other: bool,
}

#[derive(Debug)]
pub struct Bus {
    pub pid: Pid,
    pub intake: Intake,
    pub held: Usage,
    /// Partitions that share the budget.
    pub partitions: u64,
    pub starving: bool,
    pub stays: BTreeMap<Epoch, Assignment>,
    pub bell: Rung,
    pub commands: VecDeque<Command>,
    pub to_offsets: VecDeque<ToOffsets>,
    pub to_leader: VecDeque<ToLeader>,
    pub to_arbiters: Vec<VecDeque<ToArbiter>>,
    /// The channels from the poll thread to the arbiters, and whether it waits for room there.
    pub batches: Vec<VecDeque<Vec<Record>>>,
    pub hungry: Vec<bool>,
    /// Commit requests that somebody still waits for.
    pub waiters: BTreeSet<u64>,
    pub gave_up: Vec<GaveUp>,
    /// Stays that were given up in order.
    pub over: BTreeSet<Epoch>,
    /// Stays that were lost, or given up while a thread stood still: what of them is under way goes
    /// on until it ends or is cancelled.
    pub lost: BTreeSet<Epoch>,
    /// Until when each part stands still.
    pub stalled: Vec<Micros>,
    /// What the arbiters share of each destination, and a watch on it.
    pub rates: Rates,
    pub paces: Paces,
    wakes: Vec<Option<(Micros, u64)>>,
}

impl Bus {
    pub fn new(pid: Pid, env: &Env) -> Self {
        let arbiters = env.plan.arbiters;
        Self {
            pid,
            intake: env.plan.intake,
            held: Usage::default(),
            partitions: 0,
            starving: false,
            stays: BTreeMap::new(),
            bell: Rung::default(),
            commands: VecDeque::new(),
            to_offsets: VecDeque::new(),
            to_leader: VecDeque::new(),
            to_arbiters: (0..arbiters).map(|_| VecDeque::new()).collect(),
            batches: (0..arbiters).map(|_| VecDeque::new()).collect(),
            hungry: vec![false; arbiters],
            waiters: BTreeSet::new(),
            gave_up: Vec::new(),
            over: BTreeSet::new(),
            lost: BTreeSet::new(),
            stalled: vec![0; ARBITERS + arbiters],
            rates: Rates::default(),
            paces: Paces::default(),
            wakes: vec![None; ARBITERS + arbiters],
        }
    }

    /// Has a part look at its mail soon.
    pub fn ring(&mut self, part: usize, env: &mut Env) {
        let hop = env.hop();
        self.wake_at(part, env.now + hop, env);
    }

    pub fn wake_at(&mut self, part: usize, at: Micros, env: &mut Env) {
        if self.wakes[part].is_some_and(|(due, _)| due <= at) {
            return;
        }
        let serial = env.serial();
        self.wakes[part] = Some((at, serial));
        env.at(at, Event::Step { pid: self.pid, part, serial });
    }

    /// Whether a step is due; one that is not was overtaken by an earlier one.
    pub fn takes_step(&mut self, part: usize, serial: u64, env: &mut Env) -> bool {
        if self.wakes[part].is_none_or(|(_, waited_for)| waited_for != serial) {
            return false;
        }
        self.wakes[part] = None;
        if self.stalled[part] > env.now {
            self.wake_at(part, self.stalled[part], env);
            return false;
        }
        true
    }

    pub fn command(&mut self, command: Command, env: &mut Env) {
        self.commands.push_back(command);
        self.bell.other = true;
        self.ring(POLL, env);
    }

    pub fn tell_offsets(&mut self, message: ToOffsets, env: &mut Env) {
        self.to_offsets.push_back(message);
        self.ring(OFFSETS, env);
    }

    pub fn tell_leader(&mut self, message: ToLeader, env: &mut Env) {
        self.to_leader.push_back(message);
        self.ring(LEADER, env);
    }

    pub fn tell_arbiter(&mut self, arbiter: usize, message: ToArbiter, env: &mut Env) {
        self.to_arbiters[arbiter].push_back(message);
        self.ring(ARBITERS + arbiter, env);
    }

    pub fn ring_partition(&mut self, slot: usize, env: &mut Env) {
        if !self.bell.partitions.contains(&slot) {
            self.bell.partitions.push_back(slot);
            self.ring(POLL, env);
        }
    }

    pub fn ring_main(&mut self, env: &mut Env) {
        self.bell.main = true;
        self.ring(POLL, env);
    }
}
