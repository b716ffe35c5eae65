//! The partition without its queue: what of it was taken already, what is held back, what is new.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Slice, World};
use crate::assignment::{Assignment, Taken};
use crate::core::Offset;
use crate::core::intake::{self, Admission, Cursor, Rest};
use crate::core::ledger::Start;
use crate::kafka::lane_names::LaneNames;
use crate::kafka::native::{Fetched, MessageView};
use crate::record::{Record, RecordParts};

/// A value of its own, so that the queue can be borrowed beside it.
pub(super) struct Stay {
    pub(super) assignment: Arc<Assignment>,
    cursor: Cursor,
    /// The partition's part in the names of its lanes.
    lanes: u64,
    /// What was taken from the queue from the first record on that the span does not allow yet. At
    /// most a slice: while there is some, nothing more is taken.
    pub(super) stash: VecDeque<Stashed>,
    /// The average charge of a record lately, in bytes.
    average: u64,
    /// Nothing was fetched yet.
    fresh: bool,
}

/// What waits for the span. The end of the log waits with the records before it: told to the ledger
/// at once it would make them gaps, which count as settled.
pub(super) enum Stashed {
    Record(Record),
    End(Offset),
}

impl Stay {
    pub(super) fn new(assignment: Arc<Assignment>, lanes: u64, start: &Start) -> Self {
        let cursor = match start {
            Start::At { base, settled } => {
                assignment.set_next(*base);
                assignment.set_base(*base);
                Cursor::new(Some(*base), settled.clone())
            }
            Start::Unknown => Cursor::default(),
        };
        Self { assignment, cursor, lanes, stash: VecDeque::new(), average: 1024, fresh: true }
    }

    /// The offset after the last that was taken from the queue; none before the first is known.
    pub(super) fn next(&self) -> Option<Offset> {
        self.cursor.next()
    }

    pub(super) fn stashed(&self, is: impl Fn(&Record) -> bool) -> usize {
        let like = |it: &&Stashed| matches!(it, Stashed::Record(record) if is(record));
        self.stash.iter().filter(like).count()
    }

    pub(super) fn drop_stash(&mut self) -> usize {
        self.stash.drain(..).filter(|it| matches!(it, Stashed::Record(_))).count()
    }

    pub(super) fn admission(&self) -> Admission {
        if !self.stash.is_empty() {
            // What is stashed has its share of the buffer already; asking for room again could wait
            // for itself.
            return if self.first_spans() {
                Admission::Take(1)
            } else {
                Admission::Rest(Rest::Span)
            };
        }
        let room = self.assignment.room();
        room.intake.admit(
            room.partitions.load(Ordering::Relaxed),
            room.usage(),
            self.assignment.usage(),
            self.assignment.position(),
            self.average,
        )
    }

    /// Marks the partition as resting: whoever makes room from now on rings the bell.
    pub(super) fn lie_down(&self, rest: Rest) {
        self.assignment.rest(rest);
        if rest == Rest::Buffer {
            self.assignment.room().starve();
        }
    }

    /// Whether the first record of the stash may be delivered. The others there are not taken in
    /// yet as far as the ledger is concerned, or they would hold themselves back.
    fn first_spans(&self) -> bool {
        match self.stash.front() {
            Some(Stashed::Record(first)) => self.spans(first.offset(), self.stash.len() - 1),
            Some(Stashed::End(_)) => true,
            None => false,
        }
    }

    /// Whether a record may be delivered, of those held so many being `waiting` behind it.
    fn spans(&self, offset: Offset, waiting: usize) -> bool {
        let unsettled = self.assignment.usage().records.saturating_sub(waiting as u64);
        let intake: &intake::Intake = &self.assignment.room().intake;
        intake.spans(unsettled, self.assignment.position().base, offset)
    }

    pub(super) fn fetched(
        &mut self,
        fetched: &Fetched<'_>,
        slice: &mut Slice,
        world: &mut impl World,
    ) {
        self.notice_begin(fetched, slice);
        match fetched {
            Fetched::Message(message) => self.message(message, slice, world),
            Fetched::End(offset) => {
                if !self.cursor.reached_end(*offset) {
                    self.rewind(*offset, slice, world);
                    if slice.seek.is_some() {
                        return;
                    }
                    self.cursor.reached_end(*offset);
                }
                if self.stash.is_empty() {
                    slice.taken.end(*offset);
                } else {
                    self.stash.push_back(Stashed::End(*offset));
                }
            }
            Fetched::Error(code) => slice.error = Some(*code),
        }
    }

    /// Notes where a stay begins, and whether that is later than it was to.
    fn notice_begin(&mut self, fetched: &Fetched<'_>, slice: &mut Slice) {
        let begins = match fetched {
            Fetched::Message(message) => message.offset(),
            Fetched::End(offset) => *offset,
            Fetched::Error(_) => return,
        };
        if self.assignment.position().base.is_none() {
            // The ledger will say the same when it has learned of it; the span counts from now on.
            self.assignment.set_base(begins);
        }
        let fresh = std::mem::take(&mut self.fresh);
        let wanted = self.cursor.next().filter(|&wanted| fresh && wanted < begins);
        slice.gap = slice.gap.take().or(wanted.map(|wanted| wanted..begins));
    }

    fn message(&mut self, message: &MessageView<'_>, slice: &mut Slice, world: &mut impl World) {
        if self.is_new(message.offset(), slice, world) {
            let record = self.record(message, world.lane_names());
            self.put(record, slice, world);
        }
    }

    /// Whether the record at `offset` is to be delivered: it was not settled before, and is not to
    /// be read again first.
    pub(super) fn is_new(
        &mut self,
        offset: Offset,
        slice: &mut Slice,
        world: &mut impl World,
    ) -> bool {
        let fetched = match self.cursor.fetched(offset) {
            intake::Fetched::Behind => {
                self.rewind(offset, slice, world);
                if slice.seek.is_some() {
                    return false;
                }
                self.cursor.fetched(offset)
            }
            fetched => fetched,
        };
        let new = fetched != intake::Fetched::AlreadySettled;
        *if new { &mut slice.received } else { &mut slice.skipped } += 1;
        new
    }

    /// Delivers a record, or keeps it back while the span does not allow it.
    pub(super) fn put(&mut self, record: Record, slice: &mut Slice, world: &mut impl World) {
        if self.stash.is_empty() && self.spans(record.offset(), 0) {
            deliver(record, slice, world);
        } else {
            self.stash.push_back(Stashed::Record(record));
        }
    }

    fn record(&mut self, message: &MessageView<'_>, names: &LaneNames) -> Record {
        let mut headers = Vec::new();
        message.headers(&mut headers);
        let key = message.key();
        let parts = RecordParts {
            offset: message.offset(),
            timestamp: message.timestamp(),
            lane: names.lane(self.lanes, key, message.offset()),
            key,
            value: message.value(),
            headers: &headers,
        };
        let record = parts.into_record(&self.assignment);
        // An eighth of the new, seven of the old: follows a change within some records, and is not
        // thrown by one.
        self.average = (self.average * 7 + record.charge()) / 8;
        record
    }

    /// Delivers what was stashed, as far as the span allows by now.
    pub(super) fn unstash(&mut self, slice: &mut Slice, world: &mut impl World) {
        while self.first_spans() {
            self.unstash_first(slice, world);
        }
    }

    fn unstash_first(&mut self, slice: &mut Slice, world: &mut impl World) {
        match self.stash.pop_front() {
            Some(Stashed::Record(record)) => deliver(record, slice, world),
            Some(Stashed::End(offset)) => slice.taken.end(offset),
            None => {}
        }
    }

    /// The log went back and goes on at `at`: the topic was deleted and made again, or cut. What was
    /// taken before is delivered still, but none of it may be committed onto the new log: a new stay
    /// begins. Where records below `at` are not settled it begins at the first of them, since they
    /// may be the same ones in the log there is now, and its commits would cover them.
    fn rewind(&mut self, at: Offset, slice: &mut Slice, world: &mut impl World) {
        slice.seek = self.assignment.position().base.filter(|&base| base < at);
        while !self.stash.is_empty() {
            self.unstash_first(slice, world);
        }
        self.hand_in(slice);
        let new = world.renew(&self.assignment);
        new.set_base(slice.seek.unwrap_or(at));
        let old = std::mem::replace(&mut self.assignment, Arc::clone(&new));
        slice.rewound.push((old, new));
        self.cursor = Cursor::default();
    }

    /// Tells the ledger what was taken, before any of it can be settled.
    pub(super) fn hand_in(&self, slice: &mut Slice) {
        let new = std::mem::take(&mut slice.taken);
        if new == Taken::default() {
            return;
        }
        self.assignment.note_taken(new);
        if let Some(next) = self.cursor.next() {
            self.assignment.set_next(next);
        }
    }
}

fn deliver(record: Record, slice: &mut Slice, world: &mut impl World) {
    slice.taken.push(record.offset());
    world.deliver(record);
}
