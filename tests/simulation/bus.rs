//! What the parts of a member share: mailboxes, the bell of the poll thread, and the room.
//!
//! A mailbox is one queue for all who send to it, and a part gets round to its mail some time later:
//! that leaves every order open that actors on threads of their own could have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use keyway_actors::core::intake::{Intake, Position, Rest, Usage};
use keyway_actors::core::lanes::Item;
use keyway_actors::core::ledger::Start;
use keyway_actors::core::{Epoch, LaneId, Offset};

use crate::broker::{Answer, CommitEntry, Pid};
use crate::env::{Env, Event};
use crate::plan::Micros;
use crate::sabotage::Sabotage;

/// The parts of a member; arbiter `n` is part `ARBITERS + n`.
pub const POLL: usize = 0;
pub const OFFSETS: usize = 1;
pub const LEADER: usize = 2;
pub const ARBITERS: usize = 3;

/// A record on its way through a member.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: usize,
    pub partition: usize,
    pub offset: Offset,
    pub key: u64,
    pub lane: LaneId,
    pub epoch: Epoch,
    pub bytes: u64,
    pub poisoned: bool,
    /// Attempts begun, as the model counts them.
    pub tries: u32,
    pub last: Last,
    /// Its settlement has gone out already, which it should not have.
    pub settled_early: bool,
}

/// What the receiver said last of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    Nothing,
    Delivered,
    Failed,
    Rejected,
}

impl Item for Record {
    fn lane(&self) -> LaneId {
        self.lane
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// A record whose outcome is final, on its way to the ledger with its share of the budget.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    pub epoch: Epoch,
    pub offset: Offset,
    pub bytes: u64,
}

/// To the poll thread.
#[derive(Debug)]
pub enum Command {
    Commit(Vec<CommitEntry>),
    /// `in_order`: nothing of these stays was under way any more; `acknowledged`: nor was anything
    /// left to commit.
    GiveUp { epochs: Vec<Epoch>, in_order: bool, acknowledged: bool },
    Pause(bool),
    StopIntake,
    Leave { in_order: bool, acknowledged: bool },
}

#[derive(Debug)]
pub enum ToOffsets {
    Opened { epoch: Epoch, partition: usize, start: Start },
    Closed(Vec<Epoch>),
    Settled(Vec<Settlement>),
    CommitNow { request: u64, epochs: Vec<Epoch> },
    Answered(Answer),
    Tick,
    TryAgain,
}

#[derive(Debug)]
pub enum ToLeader {
    Revoking(Vec<Epoch>),
    Lost(Vec<Epoch>),
    IntakeStopped(Vec<Epoch>),
    Released { drain: u64, arbiter: usize },
    Committed { request: u64, acknowledged: bool },
    Stop { deliver: bool },
}

/// Partitions that a poll thread gave up, for the check.
#[derive(Debug)]
pub struct GaveUp {
    pub epochs: Vec<Epoch>,
    pub partitions: Vec<usize>,
    pub in_order: bool,
    pub acknowledged: bool,
}

/// Some stays, or all.
#[derive(Clone, Debug)]
pub enum Which {
    Some(Vec<Epoch>),
    All,
}

impl Which {
    pub fn has(&self, epoch: Epoch) -> bool {
        match self {
            Self::Some(epochs) => epochs.contains(&epoch),
            Self::All => true,
        }
    }
}

#[derive(Debug)]
pub enum ToArbiter {
    Release { drain: u64, which: Which, deliver: bool },
    Cancel(Which),
    Lettered { serial: u64, written: bool },
    Pause(bool),
    Resize(usize),
}

/// What the ledger has yet to learn of a partition's intake, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Offsets handed out as records.
    Run(Range<Offset>),
    /// Nothing below this offset is still to come.
    UpTo(Offset),
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

/// The room.
impl Bus {
    pub fn stay(&self, epoch: Epoch) -> &Assignment {
        let Some(stay) = self.stays.get(&epoch) else { unreachable!("kept while referred to") };
        stay
    }

    pub fn stay_mut(&mut self, epoch: Epoch) -> &mut Assignment {
        let Some(stay) = self.stays.get_mut(&epoch) else { unreachable!("kept while referred to") };
        stay
    }

    pub fn open(&mut self, epoch: Epoch, partition: usize, slot: usize) {
        let stay = Assignment {
            partition,
            slot,
            held: Usage::default(),
            resting: None,
            base: None,
            next: None,
            taken: Vec::new(),
            ended: false,
        };
        self.stays.insert(epoch, stay);
    }

    pub fn hold(&mut self, epoch: Epoch, bytes: u64) {
        let add = |held: &mut Usage| {
            held.records += 1;
            held.bytes += bytes;
        };
        add(&mut self.held);
        add(&mut self.stay_mut(epoch).held);
    }

    /// A record's share of the budget goes back.
    pub fn release(&mut self, epoch: Epoch, bytes: u64, env: &mut Env) {
        let remove = |held: &mut Usage| {
            held.records -= 1;
            held.bytes -= bytes;
        };
        remove(&mut self.held);
        let stay = self.stay_mut(epoch);
        remove(&mut stay.held);
        let is_over = stay.ended && stay.held.records == 0;
        self.wake_if_room(epoch, env);
        if self.starving && self.intake.has_slack(self.held) && !env.is(Sabotage::NeverWake) {
            self.starving = false;
            self.bell.room = true;
            self.ring(POLL, env);
        }
        if is_over {
            self.stays.remove(&epoch);
        }
    }

    pub fn set_base(&mut self, epoch: Epoch, base: Offset, env: &mut Env) {
        self.stay_mut(epoch).base = Some(base);
        self.wake_if_room(epoch, env);
    }

    pub fn end(&mut self, epoch: Epoch) {
        if let Some(stay) = self.stays.get_mut(&epoch) {
            stay.ended = true;
            if stay.held.records == 0 {
                self.stays.remove(&epoch);
            }
        }
    }

    fn wake_if_room(&mut self, epoch: Epoch, env: &mut Env) {
        let stay = self.stay(epoch);
        let Position { base, next } = stay.position();
        let wakes = match (stay.resting, next) {
            (None, _) => false,
            // Whether there is room in the buffer is for the poll thread to see: what it has already
            // taken in needs none.
            (Some(Rest::Span), Some(next)) if !env.is(Sabotage::StashNeedsRoom) => {
                self.intake.spans(stay.held.records, base, next)
            }
            _ => self.intake.wakes(self.partitions, self.held, stay.held, stay.position()),
        };
        if wakes && !env.is(Sabotage::NeverWake) {
            let slot = stay.slot;
            self.stay_mut(epoch).resting = None;
            self.ring_partition(slot, env);
        }
    }

    /// Tells the ledger what was taken in since the last time.
    pub fn note_taken(&mut self, epoch: Epoch, new: Vec<Taken>, env: &Env) {
        let taken = &mut self.stay_mut(epoch).taken;
        for step in new {
            match (taken.last_mut(), step) {
                (Some(Taken::Run(last)), Taken::Run(run)) if last.end == run.start => {
                    last.end = run.end;
                }
                (Some(last), step) if *last == step => {}
                (_, step) => taken.push(step),
            }
        }
        if env.is(Sabotage::EndComesLate) {
            taken.sort_by_key(|step| !matches!(step, Taken::Run(_)));
        }
    }
}
