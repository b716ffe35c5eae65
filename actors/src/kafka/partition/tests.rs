use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::assignment::{Room, Step};
use crate::config::Ordering as LaneOrdering;
use crate::core::LaneId;
use crate::core::intake::{Intake, Rest, SpanLimit};
use crate::kafka::bell::Bell;
use crate::record::RecordParts;

const ROOMY: Intake = Intake { records: 1_000, bytes: u64::MAX, span: None };

/// Ends of the log, in the order in which they come, and how many entries it was asked for.
#[derive(Default)]
struct Ends {
    left: VecDeque<Offset>,
    asked: Vec<usize>,
}

impl Source for Ends {
    fn take(&mut self, most: usize, mut each: impl FnMut(Fetched<'_>) -> bool) -> usize {
        self.asked.push(most);
        for taken in 0..most {
            let Some(end) = self.left.pop_front() else { return taken };
            if !each(Fetched::End(end)) {
                return taken + 1;
            }
        }
        most
    }
}

/// Keeps what is delivered: it is held until the test lets go of it.
struct Lanes {
    names: LaneNames,
    delivered: Vec<Record>,
    epochs: u64,
}

impl Lanes {
    fn new() -> Self {
        Self { names: LaneNames::new(LaneOrdering::Key), delivered: Vec::new(), epochs: 1 }
    }

    fn offsets(&self) -> Vec<Offset> {
        self.delivered.iter().map(Record::offset).collect()
    }
}

impl World for Lanes {
    fn lane_names(&self) -> &LaneNames {
        &self.names
    }

    fn renew(&mut self, old: &Assignment) -> Arc<Assignment> {
        self.epochs += 1;
        Arc::new(old.renewed(Epoch(self.epochs)))
    }

    fn deliver(&mut self, record: Record) {
        self.delivered.push(record);
    }
}

fn room(intake: Intake, partitions: u64) -> Arc<Room> {
    let room = Room::new(intake, Arc::new(Bell::default()));
    room.partitions.store(partitions, Ordering::Relaxed);
    Arc::new(room)
}

/// The partition of a slot, in epoch 1, from offset `base` on.
fn partition(room: &Arc<Room>, slot: usize, base: Offset) -> Partition<Ends> {
    let assignment = Assignment::new("t".into(), 0, Epoch(1), slot, Arc::clone(room));
    let start = Start::At { base, settled: Vec::new() };
    Partition::new(Arc::new(assignment), Ends::default(), 0, &start)
}

fn record(assignment: &Arc<Assignment>, offset: Offset) -> Record {
    let parts =
        RecordParts { offset, timestamp: 0, lane: LaneId(0), key: None, value: None, headers: &[] };
    parts.into_record(assignment)
}

impl Partition<Ends> {
    /// As if the queue had had records of these offsets.
    fn fetch(&mut self, offsets: Range<Offset>, world: &mut Lanes) -> Slice {
        let mut slice = Slice::default();
        for offset in offsets {
            if self.stay.is_new(offset, &mut slice, world) {
                let record = record(&self.stay.assignment, offset);
                self.stay.put(record, &mut slice, world);
            }
        }
        self.stay.hand_in(&mut slice);
        slice
    }

    /// As if it had had the end of the log, there.
    fn end(&mut self, at: Offset, world: &mut Lanes) -> Slice {
        self.queue.left.push_back(at);
        self.take(1, world)
    }
}

mod a_log_that_goes_back {
    use super::*;

    /// Read up to 1,000, settled below 500.
    fn read() -> (Partition<Ends>, Lanes) {
        let (mut partition, mut lanes) = (partition(&room(ROOMY, 1), 0, 400), Lanes::new());
        partition.fetch(400..1_000, &mut lanes);
        lanes.delivered.retain(|record| record.offset() >= 500);
        partition.assignment().set_base(500);
        (partition, lanes)
    }

    #[test]
    fn above_what_is_settled_is_read_again_from_there() {
        let (mut partition, mut lanes) = read();
        let slice = partition.fetch(800..801, &mut lanes);
        assert_eq!(slice.seek, Some(500));
        let (old, new) = &slice.rewound[0];
        assert_eq!((old.epoch(), new.epoch()), (Epoch(1), Epoch(2)));
        assert_eq!(new.position().base, Some(500));
        assert_eq!((slice.received, new.held_records()), (0, 0), "it comes again in its turn");
        // The log is read again: in the new stay, from the place that was sought.
        lanes.delivered.clear();
        let slice = partition.fetch(500..801, &mut lanes);
        assert_eq!((slice.seek, slice.rewound.len(), slice.received), (None, 0, 301));
        assert!(lanes.delivered.iter().all(|record| record.assignment().epoch() == Epoch(2)));
        let taken = partition.assignment().take_taken();
        assert_eq!(taken.0, [Step::Run(500..801)], "the ledger of the new stay begins there");
    }

    #[test]
    fn and_says_so_only_by_its_end_is_read_again_too() {
        let (mut partition, mut lanes) = read();
        partition.queue.left.extend([800, 800]);
        let slice = partition.take(2, &mut lanes);
        assert_eq!((slice.seek, slice.rewound.len()), (Some(500), 1));
        assert_eq!(partition.queue.left, [800], "what was fetched before the seek is not taken");
        assert_eq!(partition.assignment().take_taken(), Taken::default());
    }

    #[test]
    fn to_where_nothing_below_is_unsettled_is_read_on_from_there() {
        for (at, what) in [(0, "made again"), (300, "cut below the base"), (500, "cut at the base")]
        {
            let (mut partition, mut lanes) = read();
            let slice = partition.fetch(at..at + 1, &mut lanes);
            assert_eq!((slice.seek, slice.rewound.len()), (None, 1), "{what}");
            assert_eq!(partition.assignment().position().base, Some(at), "{what}");
            let last = lanes.delivered.last().map(|it| (it.offset(), it.assignment().epoch()));
            assert_eq!(last, Some((at, Epoch(2))), "{what}");

            let (mut partition, mut lanes) = read();
            let slice = partition.end(at, &mut lanes);
            assert_eq!((slice.seek, slice.rewound.len()), (None, 1), "{what}");
            assert_eq!(partition.assignment().take_taken().0, [Step::End(at)], "{what}");
        }
    }

    #[test]
    fn leaves_a_former_stay_that_is_named_as_long_as_it_holds_something() {
        let (mut partition, mut lanes) = read();
        let epochs = |partition: &Partition<Ends>| partition.epochs().collect::<Vec<_>>();
        assert_eq!(epochs(&partition), [Epoch(1)]);
        partition.end(800, &mut lanes);
        assert_eq!(epochs(&partition), [Epoch(1), Epoch(2)]);
        let of_first = std::mem::take(&mut lanes.delivered);
        partition.fetch(500..801, &mut lanes);
        partition.end(600, &mut lanes);
        assert_eq!(epochs(&partition), [Epoch(1), Epoch(2), Epoch(3)]);
        drop(of_first);
        assert_eq!(epochs(&partition), [Epoch(2), Epoch(3)]);
        lanes.delivered.clear();
        assert_eq!(epochs(&partition), [Epoch(3)]);
        partition.take(1, &mut lanes);
        assert!(partition.former.is_empty(), "what holds nothing is forgotten");
    }
}

mod a_stash {
    use super::*;

    const NARROW: Intake = Intake { span: Some(SpanLimit { span: 10, unsettled: 1 }), ..ROOMY };

    /// Offsets 0 and 10 to 12 were fetched, of which the span allows the first.
    fn filled() -> (Partition<Ends>, Lanes) {
        let (mut partition, mut lanes) = (partition(&room(NARROW, 1), 0, 0), Lanes::new());
        partition.fetch(0..1, &mut lanes);
        partition.fetch(10..13, &mut lanes);
        assert_eq!((lanes.offsets(), partition.stay.stash.len()), (vec![0], 3));
        (partition, lanes)
    }

    #[test]
    fn is_emptied_before_anything_more_is_taken() {
        let (mut partition, mut lanes) = filled();
        partition.queue.left.push_back(13);
        assert_eq!(partition.admission(), Admission::Rest(Rest::Span));
        partition.take(5, &mut lanes);
        assert_eq!((lanes.offsets(), partition.queue.asked.len()), (vec![0], 0));
        // The first is settled: the span has moved on, and lets them all in.
        lanes.delivered.clear();
        partition.assignment().set_base(10);
        assert_eq!(partition.admission(), Admission::Take(1));
        let slice = partition.take(1, &mut lanes);
        assert_eq!(lanes.offsets(), [10, 11, 12]);
        assert!(partition.queue.asked.is_empty(), "the room was for what was stashed");
        assert!(!slice.empty, "the queue has its turn soon");
        partition.take(1, &mut lanes);
        assert_eq!(partition.queue.asked, [1]);
    }

    #[test]
    fn is_not_looked_at_for_a_base_that_stays() {
        let (partition, _held) = filled();
        let assignment = partition.assignment();
        assert_eq!(partition.admission(), Admission::Rest(Rest::Span));
        let rung = || assignment.room().bell.wait(Duration::ZERO).partitions.len();
        rung();
        assignment.set_base(0);
        assert_eq!(rung(), 0, "nothing has changed");
        assignment.set_base(1);
        assert_eq!(rung(), 1);
    }

    #[test]
    fn keeps_the_end_of_the_log_behind_its_records() {
        let (mut partition, mut lanes) = filled();
        let mut slice = Slice::default();
        partition.stay.fetched(&Fetched::End(13), &mut slice, &mut lanes);
        assert_eq!(slice.taken, Taken::default(), "or the stashed ones would count as settled");
        lanes.delivered.clear();
        partition.assignment().take_taken();
        partition.assignment().set_base(10);
        partition.take(1, &mut lanes);
        let taken = partition.assignment().take_taken();
        assert_eq!(taken.0, [Step::Run(10..13), Step::End(13)]);
    }
}

mod a_partition_without_room {
    use super::*;

    const SMALL: Intake = Intake { records: 8, ..ROOMY };

    #[test]
    fn is_woken_by_what_another_lets_go_of() {
        let room = room(SMALL, 2);
        let (rests, other) = (partition(&room, 0, 0), partition(&room, 1, 0));
        let held: Vec<Record> = (0..8).map(|offset| record(other.assignment(), offset)).collect();
        assert_eq!(rests.admission(), Admission::Rest(Rest::Buffer));
        drop(held);
        assert!(room.bell.wait(Duration::ZERO).room, "it rests, and nobody would wake it");
    }

    #[test]
    fn is_held_until_it_is_looked_at() {
        let room = room(SMALL, 2);
        let (rests, other) = (partition(&room, 0, 0), partition(&room, 1, 0));
        let held: Vec<Record> = (0..8).map(|offset| record(other.assignment(), offset)).collect();
        assert_eq!(rests.admission(), Admission::Rest(Rest::Buffer));
        let assignment = rests.assignment();
        assert!(assignment.unrest() && !assignment.unrest(), "woken once");
        assert_eq!(assignment.resting(), Some(Rest::Buffer), "it may have to lie down again");
        assert_eq!(rests.admission(), Admission::Rest(Rest::Buffer));
        assert!(assignment.unrest(), "it did lie down again");
        drop(held);
        assert!(matches!(rests.admission(), Admission::Take(_)));
        assert_eq!(assignment.resting(), None);
    }

    #[test]
    fn is_woken_from_the_moment_on_at_which_it_lies_down() {
        let room = room(SMALL, 2);
        let (rests, other) = (partition(&room, 0, 0), partition(&room, 1, 0));
        let held: Vec<Record> = (0..8).map(|offset| record(other.assignment(), offset)).collect();
        rests.stay.lie_down(Rest::Buffer);
        drop(held);
        assert!(room.bell.wait(Duration::ZERO).room, "what it does not see must be rung for");
    }
}
