//! The `OffsetActor` of a member, re-played around the real [`Book`].

use std::collections::BTreeMap;

use keyway_actors::core::book::{Begun, Book, Commit, CommitId};
use keyway_actors::core::ledger::{Ledger, Start, Taken as Verdict};
use keyway_actors::core::{Epoch, codec};

use crate::broker::{Answer, CommitEntry, Refusal};
use crate::bus::{Bus, OFFSETS, Taken};
use crate::env::Env;
use crate::mail::{Command, Settlement, ToLeader, ToOffsets};
use crate::plan::{MILLIS, Micros};
use crate::sabotage::Sabotage;
use crate::trace::trace;

const TRY_AGAIN: Micros = 100 * MILLIS;

#[derive(Debug)]
pub struct Offsets {
    book: Book,
    /// The partitions of the stays that are on.
    stays: BTreeMap<Epoch, usize>,
    under_way: Option<UnderWay>,
    waiting: Vec<(u64, Vec<Epoch>)>,
    /// When those who wait are served after a failure.
    try_again: Option<Micros>,
}

#[derive(Debug)]
struct UnderWay {
    id: CommitId,
    epochs: BTreeMap<usize, Epoch>,
}

impl Offsets {
    pub fn new(env: &Env) -> Self {
        Self {
            book: Book::new(env.plan.metadata_limit),
            stays: BTreeMap::new(),
            under_way: None,
            waiting: Vec::new(),
            try_again: None,
        }
    }

    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Handles what is in its mailbox.
    pub fn step(&mut self, bus: &mut Bus, env: &mut Env) {
        if self.try_again.is_some_and(|due| due <= env.now) {
            self.try_again = None;
            bus.to_offsets.push_back(ToOffsets::TryAgain);
        }
        while let Some(message) = bus.to_offsets.pop_front() {
            self.handle(message, bus, env);
        }
        if let Some(due) = self.try_again {
            bus.wake_at(OFFSETS, due, env);
        }
    }

    fn handle(&mut self, message: ToOffsets, bus: &mut Bus, env: &mut Env) {
        match message {
            ToOffsets::Opened { epoch, partition, start } => self.open(epoch, partition, start),
            ToOffsets::Closed(epochs) => self.close(&epochs, bus, env),
            ToOffsets::Settled(settlements) => self.settle(&settlements, bus, env),
            ToOffsets::CommitNow { request, epochs } => {
                self.waiting.push((request, epochs));
                self.serve_waiting(bus, env);
            }
            ToOffsets::Answered(answer) => self.answer(answer, bus, env),
            ToOffsets::Tick => self.tick(bus, env),
            ToOffsets::TryAgain => self.serve_waiting(bus, env),
        }
    }

    fn open(&mut self, epoch: Epoch, partition: usize, start: Start) {
        self.book.open(epoch, start);
        self.stays.insert(epoch, partition);
    }

    fn close(&mut self, epochs: &[Epoch], bus: &mut Bus, env: &mut Env) {
        for &epoch in epochs {
            self.book.close(epoch);
            self.stays.remove(&epoch);
            bus.end(epoch);
            env.check.closed(bus.pid, epoch);
        }
    }

    /// Enters what a partition took in since the last time: always before what of it is settled.
    fn catch_up(&mut self, epoch: Epoch, bus: &mut Bus, env: &mut Env) {
        let pid = bus.pid;
        for step in std::mem::take(&mut bus.stay_mut(epoch).taken) {
            match step {
                Taken::Run(run) => {
                    self.book.take_run(epoch, run, |offset, verdict| {
                        env.check.taken(pid, epoch, offset);
                        if verdict != Verdict::Deliver {
                            env.check.violated("P1", || {
                                format!("{offset} is being delivered; its ledger says {verdict:?}")
                            });
                        }
                    });
                }
                Taken::End(end, version) => {
                    self.book.skip_to(epoch, end);
                    if !env.is(Sabotage::TrustBeyondEnd) {
                        let forgot = self.book.forget_from(epoch, end);
                        env.counts.ends_forgot += u64::from(forgot > 0);
                    }
                    if version == env.broker.logs[self.stays[&epoch]].version {
                        env.check.saw_end(pid, epoch, end);
                    }
                }
            }
        }
        self.show_base(epoch, bus, env);
    }

    fn show_base(&self, epoch: Epoch, bus: &mut Bus, env: &mut Env) {
        if let Some(base) = self.book.ledger(epoch).and_then(Ledger::base) {
            bus.set_base(epoch, base, env);
        }
    }

    fn settle(&mut self, settlements: &[Settlement], bus: &mut Bus, env: &mut Env) {
        for run in settlements.chunk_by(|a, b| a.epoch == b.epoch) {
            let mut epoch = run[0].epoch;
            if env.is(Sabotage::ForgetEpoch) {
                epoch = self.latest_of(bus.stay(epoch).partition).unwrap_or(epoch);
            }
            if self.stays.contains_key(&epoch) {
                if !env.is(Sabotage::LedgerLags) {
                    self.catch_up(epoch, bus, env);
                }
                for it in run {
                    env.check.settled(bus.pid, it.epoch, it.offset);
                }
                let unknown = self.book.settle_run(epoch, run.iter().map(|it| it.offset));
                env.counts.stale_settlements += unknown as u64;
                self.show_base(epoch, bus, env);
            } else {
                env.counts.stale_settlements += run.len() as u64;
            }
        }
        // The share of the budget goes back with the message.
        for it in settlements {
            bus.release(it.epoch, it.bytes, env);
        }
    }

    fn latest_of(&self, partition: usize) -> Option<Epoch> {
        let of = |(epoch, it): (&Epoch, &usize)| (*it == partition).then_some(*epoch);
        self.stays.iter().filter_map(of).next_back()
    }

    fn tick(&mut self, bus: &mut Bus, env: &mut Env) {
        let epochs: Vec<_> = self.stays.keys().copied().collect();
        for epoch in epochs {
            self.catch_up(epoch, bus, env);
        }
        if self.under_way.is_none() {
            let begun = self.book.begin_commit();
            self.begin(begun, bus, env);
        }
    }

    /// Sends a commit off; true if there was nothing to commit.
    fn begin(&mut self, begun: Begun, bus: &mut Bus, env: &mut Env) -> bool {
        match begun {
            Begun::Commit(commit) => self.send(commit, bus, env),
            Begun::Busy => {}
            Begun::Clean => return true,
        }
        false
    }

    fn send(&mut self, commit: Commit, bus: &mut Bus, env: &mut Env) {
        let mut epochs = BTreeMap::new();
        let mut entries = Vec::with_capacity(commit.snapshots.len());
        for (epoch, mut snapshot) in commit.snapshots {
            let Some(&partition) = self.stays.get(&epoch) else { continue };
            env.counts.commits_truncated += u64::from(snapshot.uncovered > 0);
            if env.sabotage.is_none() {
                env.check.snapshot(bus.pid, epoch, &snapshot);
            }
            let ledger = self.book.ledger(epoch);
            if let (true, Some(next)) =
                (env.is(Sabotage::CommitHighest), ledger.and_then(Ledger::next))
            {
                snapshot.offset = next;
                snapshot.metadata.clear();
            }
            if env.is(Sabotage::MetadataOffByOne) {
                let settled =
                    codec::decode(snapshot.offset, &snapshot.metadata).unwrap_or_default();
                let one_up: Vec<_> = settled.iter().map(|it| it.start + 1..it.end + 1).collect();
                snapshot.metadata =
                    codec::encode(snapshot.offset, &one_up, env.plan.metadata_limit).metadata;
            }
            epochs.insert(partition, epoch);
            entries.push(CommitEntry {
                partition,
                epoch,
                base: snapshot.offset,
                metadata: snapshot.metadata,
                current: env.check.is_current(bus.pid, epoch),
                log_version: env.broker.logs[partition].version,
            });
        }
        trace!(env, "[{}] commits {entries:?}", bus.pid);
        if env.is(Sabotage::CleanOnSend) {
            self.book.answered(commit.id, epochs.values().map(|epoch| (*epoch, Ok::<(), ()>(()))));
        }
        self.under_way = Some(UnderWay { id: commit.id, epochs });
        bus.command(Command::Commit(entries), env);
    }

    /// Serves those who wait for a commit, where none is under way.
    fn serve_waiting(&mut self, bus: &mut Bus, env: &mut Env) {
        if self.under_way.is_some() {
            return;
        }
        for (request, epochs) in std::mem::take(&mut self.waiting) {
            if !bus.waiters.contains(&request) {
                continue;
            }
            if self.under_way.is_some() {
                self.waiting.push((request, epochs));
                continue;
            }
            for &epoch in &epochs {
                if self.stays.contains_key(&epoch) {
                    self.catch_up(epoch, bus, env);
                }
            }
            let begun = self.book.begin_commit_of(&epochs);
            if self.begin(begun, bus, env) {
                bus.tell_leader(ToLeader::Committed { request, acknowledged: true }, env);
            } else {
                self.waiting.push((request, epochs));
            }
        }
    }

    fn answer(&mut self, answer: Answer, bus: &mut Bus, env: &mut Env) {
        trace!(env, "[{}] commit answered: {answer:?}", bus.pid);
        match self.answered(answer) {
            None => self.serve_waiting(bus, env),
            Some(Refusal::NotAMember) => {
                env.counts.commits_evicted += 1;
                for (request, _) in std::mem::take(&mut self.waiting) {
                    bus.tell_leader(ToLeader::Committed { request, acknowledged: false }, env);
                }
            }
            Some(Refusal::Passing) => self.try_again = Some(env.now + TRY_AGAIN),
        }
    }

    fn answered(&mut self, answer: Answer) -> Option<Refusal> {
        let under_way = self.under_way.take()?;
        let answers = match answer {
            Ok(answers) => answers,
            Err(refusal) => {
                self.book.fail_commit(under_way.id);
                return Some(refusal);
            }
        };
        let failure = answers.iter().find_map(|(_, result)| result.err());
        let epoch = |partition| under_way.epochs.get(&partition).copied();
        let results = answers.into_iter().filter_map(|(of, result)| Some((epoch(of)?, result)));
        self.book.answered(under_way.id, results);
        failure
    }
}
