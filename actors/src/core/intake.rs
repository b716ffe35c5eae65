//! Flow control: how much a partition may take in, and which of what comes is to be delivered.
//!
//! Three limits meet here. The *buffer* bounds what a pipeline holds, in records and bytes,
//! whatever the lag. The *share* keeps one partition from taking all of it. The *span* keeps what
//! is settled above a partition's committed offset small enough to be written down in the commit's
//! metadata, so that a resume is exact.

use std::collections::VecDeque;
use std::ops::Range;

use super::Offset;

/// Records taken from one partition before the next has its turn.
///
/// Below 64 the hand-over between threads shows in the throughput of a sink without I/O, above 256
/// nothing is gained.
pub const SLICE: u64 = 256;

/// A partition may hold up to this many times what is free.
///
/// With several partitions nobody's share is fixed: each may hold at most `SHARE` times the room
/// that is left, so `k` stalled partitions settle at `SHARE / (1 + SHARE * k)` of the buffer each
/// and something always stays free for another (Choudhury and Hahne, "Dynamic queue length
/// thresholds for shared-memory packet switches", 1998).
const SHARE: u64 = 2;

/// What a partition that is alone leaves free, as a part of the buffer: one assigned later would
/// otherwise find nothing until the first lets go of something.
const LEFT_FREE: u64 = 32;

/// Records and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many.
    pub records: u64,
    /// Their bytes, with what it costs to hold them.
    pub bytes: u64,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The lowest offset that is not settled; none before the first record is known.
    pub base: Option<Offset>,
    /// The offset after the last that was taken in.
    pub next: Option<Offset>,
}

/// What may be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Up to so many records, at least one.
    Take(u64),
    /// None for now.
    Rest(Rest),
}

/// Why a partition takes in nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    /// The pipeline's buffer, or this partition's share of it, is full.
    Buffer,
    /// More would make the settled offsets too many for the commit's metadata.
    Span,
}

impl Rest {
    /// The label of this reason in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Buffer => "buffer",
            Self::Span => "offset_span",
        }
    }
}

/// What always fits into a commit's metadata, whichever of the offsets are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanLimit {
    /// So many offsets from the base to the highest taken in, or …
    pub span: u64,
    /// … so many that are not settled, over whatever span. A zero counts as one: a single unsettled
    /// record is itself the base, and with nothing settled above it there is nothing to write down.
    pub unsettled: u64,
}

/// The limits of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intake {
    /// Records held at the most, at least one.
    pub records: u64,
    /// Bytes held at the most; the last record taken in may lie across the limit.
    pub bytes: u64,
    /// With `offset_overflow = "hold"`: what the metadata can hold for sure. Without: replays are
    /// accepted.
    pub span: Option<SpanLimit>,
}

impl Intake {
    /// How much one of `partitions` may take in now, where it holds `mine` and all hold `total`,
    /// its records being of `average` bytes lately.
    pub fn admit(
        &self,
        partitions: u64,
        total: Usage,
        mine: Usage,
        position: Position,
        average: u64,
    ) -> Admission {
        let span = self.span_room(mine.records, position);
        if span == 0 {
            return Admission::Rest(Rest::Span);
        }
        let records = room(partitions, self.records, total.records, mine.records);
        let bytes = room(partitions, self.bytes, total.bytes, mine.bytes);
        if records == 0 || bytes == 0 {
            return Admission::Rest(Rest::Buffer);
        }
        let by_bytes = (bytes / average.max(1)).max(1);
        Admission::Take(records.min(by_bytes).min(span).min(SLICE))
    }

    /// Whether a partition that rests for want of room has got enough of it back to be worth waking
    /// for: an eighth of what it may hold, so that it is not woken for every single record.
    pub fn wakes(&self, partitions: u64, total: Usage, mine: Usage, position: Position) -> bool {
        let enough = |limit: u64, total: u64, mine: u64| {
            let room = room(partitions, limit, total, mine);
            room > 0 && (mine == 0 || room >= mine.saturating_add(room) / 8)
        };
        self.span_room(mine.records, position) > 0
            && enough(self.records, total.records, mine.records)
            && enough(self.bytes, total.bytes, mine.bytes)
    }

    /// Whether the buffer as a whole has room worth waking a starving partition for. More than a
    /// lone partition leaves free, or that would be woken for every single record.
    pub fn has_slack(&self, total: Usage) -> bool {
        total.records <= self.records - self.records.div_ceil(16)
            && total.bytes <= self.bytes - self.bytes.div_ceil(16)
    }

    /// Whether a record at `offset` may be delivered without endangering an exact resume, where
    /// `unsettled` records of its partition are taken in, itself among them.
    pub fn spans(&self, unsettled: u64, base: Option<Offset>, offset: Offset) -> bool {
        let (Some(limit), Some(base)) = (self.span, base) else { return true };
        unsettled <= limit.unsettled.max(1) || distance(base, offset) < limit.span
    }

    /// How many more consecutive offsets fit for sure.
    fn span_room(&self, unsettled: u64, position: Position) -> u64 {
        let (Some(limit), Some(base), Some(next)) = (self.span, position.base, position.next)
        else {
            return u64::MAX;
        };
        let by_span = limit.span.saturating_sub(distance(base, next));
        let by_count = limit.unsettled.max(1).saturating_sub(unsettled);
        by_span.max(by_count)
    }
}

/// What one of `partitions` may add to the `mine` it holds, of a `limit` of which `total` is used.
fn room(partitions: u64, limit: u64, total: u64, mine: u64) -> u64 {
    if partitions <= 1 {
        return (limit - limit / LEFT_FREE).saturating_sub(total);
    }
    let free = limit.saturating_sub(total);
    // So many that it then holds SHARE times what is then free, and not only now: a slice may be as
    // large as a small buffer.
    free.min(free.saturating_mul(SHARE).saturating_sub(mine).div_ceil(SHARE + 1))
}

fn distance(from: Offset, to: Offset) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

/// What is to become of a fetched record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is new.
    Deliver,
    /// It was settled before the last crash or rebalance: skip it.
    AlreadySettled,
    /// It lies behind what was fetched before: the topic was deleted and made again, or its log
    /// was cut. A new stay begins with it.
    Behind,
}

/// Reads along a partition, and knows which records were settled before this stay.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    next: Option<Offset>,
    settled: VecDeque<Range<Offset>>,
}

impl Cursor {
    /// A cursor at the committed offset `base`, if there is one, with what is `settled` above it:
    /// sorted and disjoint.
    pub fn new(base: Option<Offset>, settled: Vec<Range<Offset>>) -> Self {
        Self { next: base, settled: settled.into() }
    }

    /// The offset after the last that was fetched.
    pub fn next(&self) -> Option<Offset> {
        self.next
    }

    /// A record at `offset` was fetched.
    pub fn fetched(&mut self, offset: Offset) -> Fetched {
        if self.next.is_some_and(|next| offset < next) {
            return Fetched::Behind;
        }
        self.next = Some(offset.saturating_add(1));
        while self.settled.front().is_some_and(|range| range.end <= offset) {
            self.settled.pop_front();
        }
        match self.settled.front() {
            Some(range) if range.contains(&offset) => Fetched::AlreadySettled,
            _ => Fetched::Deliver,
        }
    }

    /// The end of the log was reached at `offset`. False if that lies behind what was fetched.
    ///
    /// What is said to be settled from there on is forgotten: it tells of another log, and a
    /// record that gets such an offset later is new.
    pub fn reached_end(&mut self, offset: Offset) -> bool {
        if self.next.is_some_and(|next| offset < next) {
            return false;
        }
        self.next = Some(offset);
        self.settled.retain_mut(|range| {
            range.end = range.end.min(offset);
            range.start < range.end
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Intake = Intake { records: 1000, bytes: 100_000, span: None };

    fn used(records: u64, bytes: u64) -> Usage {
        Usage { records, bytes }
    }

    #[test]
    fn a_single_partition_may_fill_the_buffer_but_for_what_another_begins_with() {
        let admit = |n, of| LIMITS.admit(of, used(n, n), used(n, n), Position::default(), 1);
        assert_eq!(admit(0, 1), Admission::Take(SLICE));
        assert_eq!(admit(959, 1), Admission::Take(10));
        assert_eq!(admit(969, 1), Admission::Rest(Rest::Buffer));
        let begins = LIMITS.admit(2, used(969, 969), used(0, 0), Position::default(), 1);
        assert_eq!(begins, Admission::Take(21));
    }

    #[test]
    fn a_buffer_of_one_record_takes_it() {
        let limits = Intake { records: 1, ..LIMITS };
        let admit = limits.admit(1, used(0, 0), used(0, 0), Position::default(), 1);
        assert_eq!(admit, Admission::Take(1));
    }

    #[test]
    fn a_single_partition_that_rests_is_not_woken_for_one_record() {
        assert!(!LIMITS.has_slack(used(968, 968)));
        assert!(LIMITS.has_slack(used(937, 937)));
    }

    #[test]
    fn a_single_slice_leaves_the_other_partitions_their_room() {
        let limits = Intake { records: 200, ..LIMITS };
        let admit = |n| limits.admit(4, used(n, n), used(n, n), Position::default(), 1);
        assert_eq!(admit(0), Admission::Take(134));
        assert_eq!(admit(134), Admission::Rest(Rest::Buffer));
    }

    #[test]
    fn bytes_bound_the_intake_by_the_average_record() {
        let admit = |average| {
            LIMITS.admit(1, used(0, 86_875), used(0, 86_875), Position::default(), average)
        };
        assert_eq!(admit(1_000), Admission::Take(10));
        assert_eq!(
            admit(1_000_000),
            Admission::Take(1),
            "a record larger than the room goes alone"
        );
    }

    #[test]
    fn stalled_partitions_always_leave_room_for_another() {
        // Each takes what it may until it may no more, as a stalled partition would.
        let mut held = vec![0_u64; 50];
        loop {
            let before = held.clone();
            for i in 0..49 {
                let total = held.iter().sum();
                if let Admission::Take(n) = LIMITS.admit(
                    50,
                    used(total, total),
                    used(held[i], held[i]),
                    Position::default(),
                    1,
                ) {
                    held[i] += n.min(3);
                }
            }
            if held == before {
                break;
            }
        }
        let total = held.iter().sum();
        assert!(matches!(
            LIMITS.admit(50, used(total, total), used(0, 0), Position::default(), 1),
            Admission::Take(_)
        ));
    }

    #[test]
    fn the_span_holds_back_only_what_might_not_fit() {
        let limits = Intake { span: Some(SpanLimit { span: 100, unsettled: 10 }), ..LIMITS };
        let at = |next, unsettled| {
            limits.admit(
                1,
                used(unsettled, 0),
                used(unsettled, 0),
                Position { base: Some(0), next: Some(next) },
                1,
            )
        };
        assert_eq!(at(95, 50), Admission::Take(5));
        assert_eq!(at(100, 50), Admission::Rest(Rest::Span));
        assert_eq!(at(1_000_000, 9), Admission::Take(1), "few unsettled ones fit over any span");
        assert_eq!(at(1_000_000, 10), Admission::Rest(Rest::Span));
        assert!(limits.spans(11, Some(0), 99) && !limits.spans(11, Some(0), 100));
        assert!(limits.spans(10, Some(0), 1_000_000));
    }

    #[test]
    fn a_gap_wider_than_any_span_is_passed_with_one_record_at_a_time() {
        let limits = Intake { span: Some(SpanLimit { span: 1, unsettled: 0 }), ..LIMITS };
        let at = |unsettled| {
            let position = Position { base: Some(0), next: Some(1_000) };
            limits.admit(1, used(unsettled, 0), used(unsettled, 0), position, 1)
        };
        assert_eq!(at(0), Admission::Take(1));
        assert_eq!(at(1), Admission::Rest(Rest::Span));
        assert!(limits.spans(1, Some(0), 1_000) && !limits.spans(2, Some(0), 1_000));
    }

    #[test]
    fn a_cursor_skips_what_was_settled_and_notices_a_step_back() {
        let mut cursor = Cursor::new(Some(100), vec![102..104, 110..111]);
        assert_eq!(cursor.fetched(100), Fetched::Deliver);
        assert_eq!(cursor.fetched(103), Fetched::AlreadySettled);
        assert_eq!(cursor.fetched(104), Fetched::Deliver);
        assert_eq!(cursor.fetched(110), Fetched::AlreadySettled);
        assert!(cursor.reached_end(113));
        assert!(cursor.reached_end(113));
        assert_eq!(cursor.fetched(112), Fetched::Behind);
        assert!(!cursor.reached_end(5));
        assert_eq!(cursor.next(), Some(113));
    }

    #[test]
    fn what_was_settled_beyond_the_end_of_the_log_is_forgotten() {
        let mut cursor = Cursor::new(Some(100), vec![102..110, 120..121]);
        assert!(cursor.reached_end(105));
        assert_eq!(cursor.fetched(105), Fetched::Deliver);
        assert_eq!(cursor.fetched(120), Fetched::Deliver);
    }

    proptest! {
        #[test]
        fn what_is_admitted_stays_within_the_limits(
            partitions in 1_u64..100, records in 1_u64..2000, total in 0_u64..3000, mine in 0_u64..3000, average in 0_u64..5000
        ) {
            let limits = Intake { records, bytes: u64::MAX, span: None };
            let mine = mine.min(total);
            if let Admission::Take(n) = limits.admit(partitions, used(total, 0), used(mine, 0), Position::default(), average) {
                prop_assert!((1..=SLICE).contains(&n) && total + n <= records);
            }
        }

        #[test]
        fn whoever_is_woken_may_take(
            partitions in 1_u64..100, records in 1_u64..2000, total in 0_u64..3000, mine in 0_u64..3000
        ) {
            let limits = Intake { records, bytes: 100_000, span: None };
            let (total, mine) = (used(total, total), used(mine.min(total), mine.min(total)));
            if limits.wakes(partitions, total, mine, Position::default()) {
                prop_assert!(matches!(limits.admit(partitions, total, mine, Position::default(), 1), Admission::Take(_)));
            }
        }

        #[test]
        fn the_last_release_always_wakes(partitions in 1_u64..100, records in 1_u64..2000) {
            let limits = Intake { records, bytes: records, span: None };
            prop_assert!(limits.wakes(partitions, used(0, 0), used(0, 0), Position::default()));
        }
    }
}
