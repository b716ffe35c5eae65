//! OffsetActor: knows what is settled, and gets it committed.
//!
//! It keeps a ledger for each stay of a partition and hands the poll thread a snapshot of what
//! changed, at intervals, before partitions are given up and at the end. A commit that fails is
//! counted, said and tried again; it stops nothing. The decisions are in [`crate::core::book`].

mod ages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler};
use rdkafka::types::RDKafkaErrorCode;
use slog::{Logger, debug, warn};

use crate::assignment::{Assignment, Step};
use crate::core::book::{Begun, Book, Commit, CommitId};
use crate::core::ledger::Ledger;
use crate::core::{Epoch, Offset};
use crate::ending::Watch;
use crate::explain::{Entered, Look, TakenAt};
use crate::kafka::commands::Commands;
use crate::kafka::context::{CommitAnswer, TopicPartition};
use crate::message::{
    Closed, Command, CommitAnswered, CommitEntry, CommitNow, Opened, SettledBatch, Shutdown,
};
use crate::pulse::BEAT;
use crate::record::Settlement;
use crate::say::Sparingly;
use crate::stats::{PartitionStatus, Stats};

pub(crate) use self::ages::Ages;

/// How soon a commit that somebody waits for is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// A failing commit is said this often; the first time at once.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// See the head of this file.
#[derive(Debug)]
pub struct OffsetActor {
    book: Book,
    stays: BTreeMap<Epoch, Stay>,
    interval: Duration,
    under_way: Option<UnderWay>,
    waiting: Vec<CommitNow>,
    commands: Commands,
    failing: Sparingly,
    stats: Arc<Stats>,
    log: Logger,
    watch: Watch,
}

/// One stay of a partition.
#[derive(Debug)]
struct Stay {
    assignment: Arc<Assignment>,
    /// Shared with whoever asks; copied only where a question still has it when it changes.
    ages: Arc<Ages>,
}

impl Stay {
    fn show_base(&self, book: &Book, epoch: Epoch) {
        if let Some(base) = book.ledger(epoch).and_then(Ledger::base) {
            self.assignment.set_base(base);
        }
    }
}

/// The commit under way: whose offsets it holds, by what the answer will call them.
#[derive(Debug)]
struct UnderWay {
    id: CommitId,
    epochs: BTreeMap<TopicPartition, Epoch>,
}

impl OffsetActor {
    pub(crate) fn new(
        metadata_limit: usize,
        interval: Duration,
        commands: Commands,
        stats: Arc<Stats>,
        log: Logger,
        watch: Watch,
    ) -> Self {
        Self {
            book: Book::new(metadata_limit),
            stays: BTreeMap::new(),
            interval,
            under_way: None,
            waiting: Vec::new(),
            commands,
            failing: Sparingly::new(1, SAY_EVERY),
            stats,
            log,
            watch,
        }
    }

    /// Enters what a partition took in since the last time: always before what of it is settled.
    fn catch_up(book: &mut Book, epoch: Epoch, stay: &mut Stay) {
        let taken = stay.assignment.take_taken();
        for step in taken.0 {
            match step {
                Step::Run(run) => {
                    book.take_run(epoch, run, |_, _| {});
                }
                Step::End(end) => {
                    book.skip_to(epoch, end);
                    book.forget_from(epoch, end);
                }
            }
        }
        stay.show_base(book, epoch);
    }

    fn settle(&mut self, settlements: &[Settlement]) {
        let same =
            |a: &Settlement, b: &Settlement| a.assignment().epoch() == b.assignment().epoch();
        for run in settlements.chunk_by(same) {
            let epoch = run[0].assignment().epoch();
            let Some(stay) = self.stays.get_mut(&epoch) else {
                self.stats.stale.add(run.len() as u64);
                continue;
            };
            Self::catch_up(&mut self.book, epoch, stay);
            let unknown = self.book.settle_run(epoch, run.iter().map(|it| it.offset));
            if unknown > 0 {
                self.stats.stale.add(unknown as u64);
            }
            stay.show_base(&self.book, epoch);
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        for (&epoch, stay) in &mut self.stays {
            Self::catch_up(&mut self.book, epoch, stay);
            if let Some(ledger) = self.book.ledger(epoch) {
                let ages = Arc::make_mut(&mut stay.ages);
                ages.note(ledger.next(), ledger.lowest_pending(), now);
            }
        }
        if self.under_way.is_none() {
            let begun = self.book.begin_commit();
            self.begin(begun);
        }
        self.publish(now);
    }

    /// Sends a commit off; true if there was nothing to commit.
    fn begin(&mut self, begun: Begun) -> bool {
        match begun {
            Begun::Commit(commit) => self.send(commit),
            Begun::Busy => {}
            Begun::Clean => return true,
        }
        false
    }

    fn send(&mut self, commit: Commit) {
        let mut epochs = BTreeMap::new();
        let mut entries = Vec::with_capacity(commit.snapshots.len());
        for (epoch, snapshot) in commit.snapshots {
            let Some(stay) = self.stays.get(&epoch) else { continue };
            let assignment = &stay.assignment;
            epochs.insert((assignment.topic().to_owned(), assignment.partition()), epoch);
            entries.push(CommitEntry {
                epoch,
                topic: assignment.topic_arc(),
                partition: assignment.partition(),
                offset: snapshot.offset,
                metadata: snapshot.metadata,
            });
        }
        self.under_way = Some(UnderWay { id: commit.id, epochs });
        self.commands.send(Command::Commit(entries));
    }

    /// Serves those who wait for a commit; called whenever none is under way.
    fn serve_waiting(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.reply.is_closed() {
                continue;
            }
            if self.under_way.is_some() {
                self.waiting.push(waiting);
                continue;
            }
            for epoch in &waiting.epochs {
                if let Some(stay) = self.stays.get_mut(epoch) {
                    Self::catch_up(&mut self.book, *epoch, stay);
                }
            }
            let begun = self.book.begin_commit_of(&waiting.epochs);
            if self.begin(begun) {
                let _ = waiting.reply.send(true);
            } else {
                self.waiting.push(waiting);
            }
        }
    }

    fn answered(&mut self, answer: CommitAnswer) -> Option<RDKafkaErrorCode> {
        let under_way = self.under_way.take()?;
        let answers = match answer {
            Ok(answers) => answers,
            Err(code) => {
                self.book.fail_commit(under_way.id);
                self.failed(code, "all");
                return Some(code);
            }
        };
        let mut failure = None;
        let mut results = Vec::with_capacity(answers.len());
        for (place, _, result) in answers {
            let Some(&epoch) = under_way.epochs.get(&place) else { continue };
            match result {
                Ok(()) => self.stats.commits_ok.add(1),
                Err(code) => {
                    self.failed(code, &format!("{}/{}", place.0, place.1));
                    failure = Some(code);
                }
            }
            results.push((epoch, result));
        }
        self.book.answered(under_way.id, results);
        failure
    }

    fn failed(&mut self, code: RDKafkaErrorCode, place: &str) {
        self.stats.commits_failed.add(1);
        if let Some(suppressed) = self.failing.say(Instant::now()) {
            warn!(self.log, "commit failed; it is tried again"; "error" => %code,
                "partition" => place, "suppressed" => suppressed);
        }
    }

    fn publish(&self, now: Instant) {
        let standings = self.stays.iter().filter_map(|(&epoch, stay)| {
            let standing = self.book.standing(epoch)?;
            let assignment = &stay.assignment;
            Some(PartitionStatus {
                topic: assignment.topic().to_owned(),
                partition: assignment.partition(),
                committed: standing.committed,
                base: standing.base,
                log_end: assignment.log_end(),
                held_records: assignment.held_records(),
                held_bytes: assignment.held_bytes(),
                oldest_unsettled: standing.lowest_pending.map(|it| stay.ages.of(it, now)),
                resting: assignment.resting(),
                uncovered: standing.uncovered,
            })
        });
        self.stats.set_standings(standings.collect());
    }
}

impl OffsetActor {
    /// When what was taken in, of all stays. Costs time for each, and copies none.
    fn taken(&self) -> TakenAt {
        TakenAt(self.stays.iter().map(|(&epoch, stay)| (epoch, Arc::clone(&stay.ages))).collect())
    }

    /// What the ledger says of an offset, with all that was taken in by now.
    fn entered(&mut self, epoch: Epoch, offset: Offset) -> Option<Entered> {
        let stay = self.stays.get_mut(&epoch)?;
        Self::catch_up(&mut self.book, epoch, stay);
        let standing = self.book.standing(epoch)?;
        let whereabouts = self.book.ledger(epoch)?.whereabouts(offset);
        Some(Entered { whereabouts, committed: standing.committed, base: standing.base })
    }
}

impl Actor for OffsetActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(self.interval, |actor, _| actor.tick());
        context.run_interval(BEAT, |actor, _| actor.stats.coordinator.beat());
    }
}

impl Handler<Opened> for OffsetActor {
    type Result = ();

    fn handle(&mut self, opened: Opened, _: &mut Context<Self>) {
        let epoch = opened.assignment.epoch();
        self.book.open(epoch, opened.start);
        let ages = Arc::new(Ages::new(Instant::now()));
        self.stays.insert(epoch, Stay { assignment: opened.assignment, ages });
    }
}

impl Handler<Closed> for OffsetActor {
    type Result = ();

    fn handle(&mut self, closed: Closed, _: &mut Context<Self>) {
        for epoch in closed.0 {
            self.book.close(epoch);
            self.stays.remove(&epoch);
        }
        self.publish(Instant::now());
    }
}

impl Handler<SettledBatch> for OffsetActor {
    type Result = ();

    fn handle(&mut self, batch: SettledBatch, _: &mut Context<Self>) {
        self.settle(&batch.0);
        let count = batch.0.len() as u64;
        drop(batch);
        self.stats.entered.add(count);
    }
}

impl Handler<CommitNow> for OffsetActor {
    type Result = ();

    fn handle(&mut self, request: CommitNow, _: &mut Context<Self>) {
        self.waiting.push(request);
        if self.under_way.is_none() {
            self.serve_waiting();
        }
    }
}

impl Handler<CommitAnswered> for OffsetActor {
    type Result = ();

    fn handle(&mut self, answered: CommitAnswered, context: &mut Context<Self>) {
        match self.answered(answered.0) {
            None => self.serve_waiting(),
            Some(code) if is_eviction(code) => {
                debug!(self.log, "not a member any more: what waits for a commit goes without";
                    "error" => %code);
                for waiting in self.waiting.drain(..) {
                    let _ = waiting.reply.send(false);
                }
            }
            Some(_) => {
                context.run_later(TRY_AGAIN, |actor, _| {
                    if actor.under_way.is_none() {
                        actor.serve_waiting();
                    }
                });
            }
        }
    }
}

impl Handler<Look> for OffsetActor {
    type Result = ();

    fn handle(&mut self, look: Look, _: &mut Context<Self>) {
        // Whoever asked may have gone, before the look or since.
        match look {
            Look::Ages { reply } if !reply.is_closed() => {
                let _ = reply.send(self.taken());
            }
            Look::Offset { epoch, offset, reply } if !reply.is_closed() => {
                let _ = reply.send(self.entered(epoch, offset));
            }
            Look::Ages { .. } | Look::Offset { .. } => {}
        }
    }
}

impl Handler<Shutdown> for OffsetActor {
    type Result = ();

    fn handle(&mut self, _: Shutdown, context: &mut Context<Self>) {
        use actix::ActorContext as _;
        self.stats.coordinator.end();
        self.publish(Instant::now());
        self.watch.relieve();
        context.stop();
    }
}

/// Whether the group has gone on without this member, so that trying again is in vain.
///
/// `IllegalGeneration` is not among them: between giving partitions up and the end of the rejoin
/// it is what commits of the kept ones are told.
fn is_eviction(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::GroupAuthorizationFailed
    )
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::assignment::{Room, Taken};
    use crate::core::intake::Intake;
    use crate::core::ledger::Start;

    const EPOCH: Epoch = Epoch(1);

    /// A stay that begins at `base`, of which the commit's metadata says that `settled` is settled.
    fn stay(base: Offset, settled: Range<Offset>) -> (Book, Stay) {
        let room = Room::new(Intake { records: 100, bytes: 100, span: None }, Arc::default());
        let assignment = Assignment::new("t".into(), 0, EPOCH, 0, Arc::new(room));
        let mut book = Book::new(4096);
        assert!(book.open(EPOCH, Start::At { base, settled: vec![settled] }));
        let ages = Arc::new(Ages::new(Instant::now()));
        (book, Stay { assignment: Arc::new(assignment), ages })
    }

    /// What the poll thread notes in its slices, before anybody looks.
    fn note(stay: &Stay, steps: impl IntoIterator<Item = Step>) {
        steps.into_iter().for_each(|step| stay.assignment.note_taken(Taken(vec![step])));
    }

    fn pending(book: &Book) -> Option<usize> {
        book.standing(EPOCH).map(|standing| standing.pending)
    }

    #[test]
    fn records_taken_after_the_end_of_a_shorter_log_are_not_taken_for_settled_ones() {
        let (mut book, mut stay) = stay(10, 12..20);
        note(&stay, [Step::End(10), Step::Run(10..14)]);
        OffsetActor::catch_up(&mut book, EPOCH, &mut stay);
        assert_eq!(pending(&book), Some(4));
        // P1: their outcomes are not known yet, so nothing beyond them may be committed.
        assert_eq!(book.settle_run(EPOCH, 10..12), 0);
        stay.show_base(&book, EPOCH);
        assert_eq!(stay.assignment.position().base, Some(12));
    }

    #[test]
    fn an_end_between_two_runs_counts_for_the_second_only() {
        let (mut book, mut stay) = stay(0, 3..12);
        note(&stay, [Step::Run(0..3), Step::End(5), Step::Run(5..8), Step::Run(8..10)]);
        OffsetActor::catch_up(&mut book, EPOCH, &mut stay);
        assert_eq!(pending(&book), Some(3 + 5));
        assert_eq!(book.settle_run(EPOCH, 0..3), 0);
        stay.show_base(&book, EPOCH);
        assert_eq!(stay.assignment.position().base, Some(5), "3 and 4 are settled, as was said");
    }
}
