//! One partition on the poll thread: its queue, what of it is to be delivered, and how much.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rdkafka::types::RDKafkaErrorCode;

use super::lane_names::LaneNames;
use super::native::{Fetched, MessageView, PartitionQueue};
use crate::assignment::{Assignment, Taken};
use crate::core::Offset;
use crate::core::intake::{self, Admission, Cursor, Rest};
use crate::core::ledger::Start;
use crate::record::{Record, RecordParts};

pub(crate) struct Partition {
    /// The group has asked for it back: nothing more is taken.
    pub(crate) draining: bool,
    queue: PartitionQueue,
    stay: Stay,
}

/// The partition without its queue, so that both can be borrowed at once.
struct Stay {
    assignment: Arc<Assignment>,
    cursor: Cursor,
    /// The partition's part in the names of its lanes.
    lanes: u64,
    /// What was taken from the queue from the first record on that the span does not allow yet. At
    /// most a slice: while there is some, nothing more is taken.
    stash: VecDeque<Stashed>,
    /// The average charge of a record lately, in bytes.
    average: u64,
    /// Nothing was fetched yet.
    fresh: bool,
}

/// What waits for the span. The end of the log waits with the records before it: told to the ledger
/// at once it would make them gaps, which count as settled.
enum Stashed {
    Record(Record),
    End(Offset),
}

/// What a slice came to.
#[derive(Default)]
pub(crate) struct Slice {
    /// Nothing was in the queue; the bell rings when there is.
    pub(crate) empty: bool,
    /// Records that are new.
    pub(crate) received: u64,
    /// Records that were settled before this stay.
    pub(crate) skipped: u64,
    /// Stays that ended because the log went back, each with the one that follows.
    pub(crate) rewound: Vec<(Arc<Assignment>, Arc<Assignment>)>,
    /// Where the stay was to begin, and the later offset at which it did.
    pub(crate) gap: Option<Range<Offset>>,
    /// The last thing that librdkafka refused.
    pub(crate) error: Option<RDKafkaErrorCode>,
    taken: Taken,
}

/// Where a slice puts its records and gets what it needs.
pub(crate) trait World {
    fn lane_names(&self) -> &LaneNames;
    /// A new stay of the partition of `old`.
    fn renew(&mut self, old: &Assignment) -> Arc<Assignment>;
    fn deliver(&mut self, record: Record);
}

impl Partition {
    pub(crate) fn new(
        assignment: Arc<Assignment>,
        queue: PartitionQueue,
        lanes: u64,
        start: &Start,
    ) -> Self {
        let cursor = match start {
            Start::At { base, settled } => {
                assignment.set_next(*base);
                assignment.set_base(*base);
                Cursor::new(Some(*base), settled.clone())
            }
            Start::Unknown => Cursor::default(),
        };
        let stay =
            Stay { assignment, cursor, lanes, stash: VecDeque::new(), average: 1024, fresh: true };
        Self { draining: false, queue, stay }
    }

    pub(crate) fn assignment(&self) -> &Arc<Assignment> {
        &self.stay.assignment
    }

    pub(crate) fn drop_stash(&mut self) -> usize {
        self.stay.stash.drain(..).filter(|it| matches!(it, Stashed::Record(_))).count()
    }

    /// How much may be taken. Where nothing may, the partition is marked as resting, and whoever
    /// makes room rings the bell.
    pub(crate) fn admission(&self) -> Admission {
        let assignment = &self.stay.assignment;
        let rest = match self.stay.admission() {
            Admission::Rest(rest) => rest,
            take @ Admission::Take(_) => return take,
        };
        assignment.rest(rest);
        // Room made between the look and the mark rang no bell, so look again; who takes the mark
        // back first is the one to act.
        match self.stay.admission() {
            take @ Admission::Take(_) if assignment.unrest() => take,
            _ => Admission::Rest(rest),
        }
    }

    /// Takes up to `most` records and delivers, in order, those that are new.
    pub(crate) fn take(&mut self, most: usize, world: &mut impl World) -> Slice {
        let mut slice = Slice::default();
        if self.stay.stash.is_empty() {
            let taken = self.queue.take(most, |fetched| {
                self.stay.fetched(&fetched, &mut slice, world);
                // They may be larger than those before them, by whose size `most` was reckoned.
                matches!(self.stay.admission(), Admission::Take(_))
            });
            slice.empty = taken == 0;
        } else {
            // Room was given for what is stashed; what the queue has is asked for anew.
            self.stay.unstash(&mut slice, world);
        }
        self.stay.hand_in(&mut slice);
        slice
    }
}

impl Stay {
    fn admission(&self) -> Admission {
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

    fn fetched(&mut self, fetched: &Fetched<'_>, slice: &mut Slice, world: &mut impl World) {
        self.notice_begin(fetched, slice);
        match fetched {
            Fetched::Message(message) => self.message(message, slice, world),
            Fetched::End(offset) => {
                if !self.cursor.reached_end(*offset) {
                    self.rewind(slice, world);
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
        let fetched = match self.cursor.fetched(message.offset()) {
            intake::Fetched::Behind => {
                self.rewind(slice, world);
                self.cursor.fetched(message.offset())
            }
            fetched => fetched,
        };
        if fetched == intake::Fetched::AlreadySettled {
            slice.skipped += 1;
            return;
        }
        slice.received += 1;
        let record = self.record(message, world.lane_names());
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
    fn unstash(&mut self, slice: &mut Slice, world: &mut impl World) {
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

    /// The log went back: the topic was deleted and made again, or cut. What was taken before is
    /// delivered still, but none of it may be committed onto the new log: a new stay begins.
    fn rewind(&mut self, slice: &mut Slice, world: &mut impl World) {
        while !self.stash.is_empty() {
            self.unstash_first(slice, world);
        }
        self.hand_in(slice);
        let new = world.renew(&self.assignment);
        let old = std::mem::replace(&mut self.assignment, Arc::clone(&new));
        slice.rewound.push((old, new));
        self.cursor = Cursor::default();
    }

    /// Tells the ledger what was taken, before any of it can be settled.
    fn hand_in(&self, slice: &mut Slice) {
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
