//! One stay of one partition with this consumer: what its records share.
//!
//! It counts what the stay holds (records taken in and not yet settled in the ledger) and lets the
//! poll thread know when a partition that rests for want of room may go on. It decides nothing:
//! the rules are in [`crate::core::intake`].

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::core::intake::{Intake, Position, Rest, Usage};
use crate::core::{Epoch, Moment, Offset};
use crate::kafka::bell::Bell;

/// How much room is used; written by whoever takes in or lets go, on any thread.
///
/// Relaxed order is enough: each counter stands for itself, and a decision taken on a value that is
/// a moment old is corrected by the next one. Who lets go of the last may miss a partition that lies
/// down in the same moment; the poll thread looks at all that rest every 0.9 s.
#[derive(Debug, Default)]
pub(crate) struct Held {
    records: AtomicU64,
    bytes: AtomicU64,
}

impl Held {
    fn add(&self, bytes: u64) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What is held takes another number of bytes.
    fn resize(&self, from: u64, to: u64) {
        self.bytes.fetch_add(to.wrapping_sub(from), Ordering::Relaxed);
    }

    fn remove(&self, bytes: u64) {
        self.records.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// What the partitions of a pipeline share: the budget and the way to wake the poll thread.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) intake: Intake,
    held: Held,
    /// Partitions that share the budget; kept by the poll thread.
    pub(crate) partitions: AtomicU64,
    /// Some partition rests although it holds little: whoever lets go of something wakes all.
    starving: AtomicBool,
    pub(crate) bell: Arc<Bell>,
    /// What the wall clock showed at the moment zero, since the Unix epoch.
    started_at: Duration,
}

impl Room {
    pub(crate) fn new(intake: Intake, bell: Arc<Bell>) -> Self {
        Self {
            intake,
            held: Held::default(),
            partitions: AtomicU64::new(0),
            starving: AtomicBool::new(false),
            bell,
            started_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.held.usage()
    }

    /// What the wall clock shows at a moment, since the Unix epoch, had nobody set it meanwhile.
    pub(crate) fn wall_clock_at(&self, now: Moment) -> Duration {
        self.started_at.saturating_add(now.0)
    }

    /// Asks for the bell as soon as the pipeline, whichever partition it be, lets go of something
    /// worth waking for.
    pub(crate) fn starve(&self) {
        self.starving.store(true, Ordering::SeqCst);
    }

    fn wake_if_starving(&self) {
        if self.starving.load(Ordering::SeqCst)
            && self.intake.has_slack(self.held.usage())
            && self.starving.swap(false, Ordering::SeqCst)
        {
            self.bell.room_again();
        }
    }
}

/// It rests for want of room in the buffer.
const BUFFER: u8 = 1;
/// It rests because of the offset span.
const SPAN: u8 = 2;
/// It was woken, and the poll thread has not looked at it yet.
const WOKEN: u8 = 4;

/// One stay of one partition, shared by its records.
pub struct Assignment {
    topic: Arc<str>,
    partition: i32,
    epoch: Epoch,
    slot: usize,
    room: Arc<Room>,
    held: Held,
    /// Why the partition takes in nothing: [`BUFFER`], [`SPAN`], or neither if it does not rest.
    /// Written by the poll thread; whoever wakes it adds [`WOKEN`], which alone means nothing.
    resting: AtomicU8,
    /// The lowest offset not settled, as the ledger last said; `i64::MIN` before it did.
    base: AtomicI64,
    /// The offset after the last that was taken in; `i64::MIN` before the first.
    next: AtomicI64,
    /// Where the log ends, as the broker last said; `i64::MIN` before it did.
    log_end: AtomicI64,
    /// Runs of offsets taken in and not yet told to the ledger. Locked once a slice by the poll
    /// thread and once a batch by the OffsetActor, never for a record; neighbours are merged, so
    /// it holds one run unless Kafka left gaps.
    taken: Mutex<Taken>,
}

/// What the ledger has yet to learn of a partition's intake, in the order it happened: what an end
/// of the log says of the offsets behind it holds for what is taken afterwards.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken(pub(crate) Vec<Step>);

/// One step of an intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Offsets handed out as records.
    Run(Range<Offset>),
    /// Nothing below this offset is still to come: the end of the log was seen there.
    End(Offset),
}

impl Taken {
    pub(crate) fn push(&mut self, offset: Offset) {
        self.step(Step::Run(offset..offset + 1));
    }

    pub(crate) fn end(&mut self, offset: Offset) {
        self.step(Step::End(offset));
    }

    pub(crate) fn append(&mut self, later: Self) {
        for step in later.0 {
            self.step(step);
        }
    }

    fn step(&mut self, step: Step) {
        match (self.0.last_mut(), step) {
            (Some(Step::Run(last)), Step::Run(run)) if last.end == run.start => last.end = run.end,
            (Some(Step::End(last)), Step::End(end)) if *last <= end => *last = end,
            (_, step) => self.0.push(step),
        }
    }
}

impl Assignment {
    pub(crate) fn new(
        topic: Arc<str>,
        partition: i32,
        epoch: Epoch,
        slot: usize,
        room: Arc<Room>,
    ) -> Self {
        Self {
            topic,
            partition,
            epoch,
            slot,
            room,
            held: Held::default(),
            resting: AtomicU8::new(0),
            base: AtomicI64::new(i64::MIN),
            next: AtomicI64::new(i64::MIN),
            log_end: AtomicI64::new(i64::MIN),
            taken: Mutex::default(),
        }
    }

    /// The same partition's next stay.
    pub(crate) fn renewed(&self, epoch: Epoch) -> Self {
        Self::new(Arc::clone(&self.topic), self.partition, epoch, self.slot, Arc::clone(&self.room))
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The name of this stay.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Records of this stay that are taken in and not settled.
    pub fn held_records(&self) -> u64 {
        self.held.usage().records
    }

    /// The bytes of [`held_records`](Self::held_records), with what it costs to keep them.
    pub fn held_bytes(&self) -> u64 {
        self.held.usage().bytes
    }

    /// Where the log ends: the offset the next record written there will get, as the broker last
    /// said.
    pub fn log_end(&self) -> Option<Offset> {
        known(self.log_end.load(Ordering::Relaxed))
    }

    pub(crate) fn topic_arc(&self) -> Arc<str> {
        Arc::clone(&self.topic)
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    pub(crate) fn set_log_end(&self, offset: Offset) {
        self.log_end.store(offset, Ordering::Relaxed);
    }

    pub(crate) fn position(&self) -> Position {
        Position {
            base: known(self.base.load(Ordering::SeqCst)),
            next: known(self.next.load(Ordering::Relaxed)),
        }
    }

    pub(crate) fn set_next(&self, offset: Offset) {
        self.next.store(offset, Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        self.held.usage()
    }

    /// Where the ledger's base is. If it moved, a partition held by the offset span may go on.
    pub(crate) fn set_base(&self, offset: Offset) {
        if self.base.swap(offset, Ordering::SeqCst) != offset {
            self.wake_if_room();
        }
    }

    /// Notes what was taken in, for the ledger.
    pub(crate) fn note_taken(&self, new: Taken) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).append(new);
    }

    /// What was noted since the last time.
    pub(crate) fn take_taken(&self) -> Taken {
        std::mem::take(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Marks the partition as resting. The caller looks at the room once more afterwards: what was
    /// let go between its first look and the mark rang no bell.
    pub(crate) fn rest(&self, why: Rest) {
        let why = match why {
            Rest::Buffer => BUFFER,
            Rest::Span => SPAN,
        };
        self.resting.store(why, Ordering::SeqCst);
    }

    /// Wakes the partition; false if it does not rest, or if somebody else has, who then rings the
    /// bell.
    pub(crate) fn unrest(&self) -> bool {
        // As in `rise`: most do not rest.
        if self.resting.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let before = self.resting.fetch_or(WOKEN, Ordering::SeqCst);
        before & WOKEN == 0 && before != 0
    }

    /// The poll thread has looked, and something may be taken in.
    pub(crate) fn rise(&self) {
        // Every arbiter reads it for each record it lets go of: not written without need.
        if self.resting.load(Ordering::Relaxed) != 0 {
            self.resting.store(0, Ordering::SeqCst);
        }
    }

    /// Why the partition takes in nothing, if it does not. One that was woken may have to lie down
    /// again: until the poll thread has looked, it is still held.
    pub fn resting(&self) -> Option<Rest> {
        match self.resting.load(Ordering::SeqCst) & !WOKEN {
            BUFFER => Some(Rest::Buffer),
            SPAN => Some(Rest::Span),
            _ => None,
        }
    }

    /// Wakes the partition if it rests and need not. One held by the span is woken by every record
    /// that is settled: each may be the one that lets the next in.
    pub(crate) fn wake_if_room(&self) {
        let wakes = match self.resting.load(Ordering::SeqCst) {
            SPAN => true,
            BUFFER => self.room.intake.wakes(
                self.room.partitions.load(Ordering::Relaxed),
                self.room.held.usage(),
                self.held.usage(),
                self.position(),
            ),
            _ => false,
        };
        if wakes && self.unrest() {
            self.room.bell.partition_ready(self.slot);
        }
    }
}

fn known(offset: Offset) -> Option<Offset> {
    (offset != i64::MIN).then_some(offset)
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} epoch {}", self.topic, self.partition, self.epoch)
    }
}

/// A record's share of the budget; dropping it gives the share back.
#[derive(Debug)]
pub(crate) struct Permit {
    assignment: Arc<Assignment>,
    bytes: u32,
}

impl Permit {
    pub(crate) fn take(assignment: Arc<Assignment>, bytes: u32) -> Self {
        assignment.held.add(u64::from(bytes));
        assignment.room.held.add(u64::from(bytes));
        Self { assignment, bytes }
    }

    pub(crate) fn assignment(&self) -> &Arc<Assignment> {
        &self.assignment
    }

    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// What has this share takes more or less from now on. More is not asked for: it is there, and
    /// the intake rests the sooner for it.
    pub(crate) fn resize(&mut self, bytes: u32) {
        let (from, to) = (u64::from(self.bytes), u64::from(bytes));
        self.assignment.held.resize(from, to);
        self.assignment.room.held.resize(from, to);
        self.bytes = bytes;
        if to < from {
            self.assignment.wake_if_room();
            self.assignment.room.wake_if_starving();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.assignment.held.remove(u64::from(self.bytes));
        self.assignment.room.held.remove(u64::from(self.bytes));
        self.assignment.wake_if_room();
        self.assignment.room.wake_if_starving();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(offsets: Range<Offset>) -> Taken {
        let mut taken = Taken::default();
        offsets.for_each(|offset| taken.push(offset));
        taken
    }

    #[test]
    fn what_is_taken_in_is_told_in_runs() {
        let mut all = taken(3..6);
        all.append(taken(6..8));
        all.append(taken(10..11));
        assert_eq!(all.0, [Step::Run(3..8), Step::Run(10..11)]);
    }

    /// Told before the end of the log, what was taken after it would be judged by what an earlier
    /// stay is said to have settled in a log that there is no more.
    #[test]
    fn an_end_of_the_log_stays_between_what_was_taken_before_and_after_it() {
        let mut all = taken(8..10);
        all.end(10);
        all.push(10);
        all.append(taken(11..12));
        assert_eq!(all.0, [Step::Run(8..10), Step::End(10), Step::Run(10..12)]);

        let mut later = Taken::default();
        later.end(12);
        all.append(later);
        let ends = all.0.iter().filter(|step| matches!(step, Step::End(_)));
        assert_eq!((ends.count(), all.0.last()), (2, Some(&Step::End(12))));
    }

    #[test]
    fn ends_that_follow_each_other_are_one_unless_the_log_went_back() {
        let mut all = Taken::default();
        for end in [10, 10, 12] {
            all.end(end);
        }
        assert_eq!(all.0, [Step::End(12)]);
        all.end(7);
        assert_eq!(all.0, [Step::End(12), Step::End(7)]);
    }
}
