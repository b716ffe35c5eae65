// A list of one range is what is meant, not the offsets in it.
#![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const LIMIT: usize = 1 << 20;

fn at(base: Offset, settled: &[Range<Offset>]) -> Ledger {
    Ledger::new(Start::At { base, settled: settled.to_vec() })
}

fn unknown() -> Ledger {
    Ledger::new(Start::Unknown)
}

fn take_all(ledger: &mut Ledger, offsets: impl IntoIterator<Item = Offset>) {
    for offset in offsets {
        assert_eq!(ledger.take(offset), Taken::Deliver, "{offset}");
    }
}

/// Takes every record there is from `ledger.next()` on; answers those to be delivered.
fn read(ledger: &mut Ledger, log: &[Offset]) -> Vec<Offset> {
    let unread = log.iter().copied().filter(|&offset| Some(offset) >= ledger.next());
    let unread: Vec<Offset> = unread.collect();
    unread.into_iter().filter(|&offset| ledger.take(offset) == Taken::Deliver).collect()
}

/// The members of a set as ranges that do not touch.
fn ranges(offsets: impl IntoIterator<Item = Offset>) -> Vec<Range<Offset>> {
    let mut ranges = Vec::new();
    offsets.into_iter().for_each(|offset| append(&mut ranges, offset..offset + 1));
    ranges
}

mod what_is_committed {
    use super::*;

    #[test]
    fn the_base_is_the_lowest_unsettled_offset_whatever_is_settled_above() {
        let mut ledger = at(100, &[]);
        take_all(&mut ledger, 100..110);
        assert!(ledger.settle(103) && ledger.settle(105) && ledger.settle(104));
        assert_eq!(ledger.base(), Some(100));
        assert_eq!(ledger.settled_above_base(), [103..106]);
        assert!(ledger.settle(100));
        assert_eq!(ledger.base(), Some(101));
        assert!(ledger.settle(102) && ledger.settle(101));
        assert_eq!(ledger.base(), Some(106));
        assert_eq!(ledger.settled_above_base(), []);
    }

    #[test]
    fn with_nothing_pending_the_base_is_the_next_offset() {
        let mut ledger = at(0, &[]);
        take_all(&mut ledger, 0..3);
        assert!((0..3).all(|offset| ledger.settle(offset)));
        assert_eq!((ledger.base(), ledger.pending()), (Some(3), 0));
    }

    #[test]
    fn an_offset_settles_once_and_only_if_it_was_delivered() {
        let mut ledger = at(7, &[8..9]);
        take_all(&mut ledger, [7]);
        assert_eq!(ledger.take(8), Taken::AlreadySettled);
        assert!(!ledger.settle(6) && !ledger.settle(8) && !ledger.settle(9));
        assert!(ledger.settle(7));
        assert!(!ledger.settle(7));
    }

    #[test]
    fn offsets_that_kafka_never_delivers_count_as_settled() {
        let mut ledger = at(95, &[]);
        take_all(&mut ledger, [95, 97, 99, 103]);
        assert_eq!(ledger.settled_above_base(), [96..97, 98..99, 100..103]);
        for offset in [95, 97, 99] {
            assert!(ledger.settle(offset));
        }
        assert_eq!(ledger.base(), Some(103));
    }

    #[test]
    fn the_end_of_the_log_settles_what_lies_before_it() {
        let mut ledger = at(99, &[]);
        take_all(&mut ledger, [99]);
        assert!(ledger.settle(99));
        ledger.skip_to(103);
        assert_eq!(ledger.base(), Some(103));
        ledger.skip_to(50);
        assert_eq!((ledger.base(), ledger.next()), (Some(103), Some(103)));
    }

    #[test]
    fn a_record_that_is_out_behind_the_end_of_the_log_still_holds_the_base() {
        let mut ledger = at(99, &[]);
        take_all(&mut ledger, [99]);
        ledger.skip_to(103);
        assert_eq!((ledger.base(), ledger.lowest_pending()), (Some(99), Some(99)));
        assert_eq!(ledger.settled_above_base(), [100..103]);
    }

    #[test]
    fn a_log_that_starts_later_than_the_commit_moves_the_base_there() {
        let mut ledger = at(100, &[120..130]);
        take_all(&mut ledger, [500]);
        assert_eq!(ledger.base(), Some(500));
        assert_eq!(ledger.settled_above_base(), []);
    }

    #[test]
    fn an_offset_that_goes_backwards_is_reported_and_changes_nothing() {
        let mut ledger = at(3393, &[]);
        take_all(&mut ledger, [3393]);
        let before = format!("{ledger:?}");
        assert_eq!(ledger.take(0), Taken::Behind);
        assert_eq!(ledger.take(3393), Taken::Behind);
        assert_eq!(format!("{ledger:?}"), before);
    }

    #[test]
    fn a_span_of_a_million_million_costs_nothing() {
        let mut ledger = at(0, &[]);
        take_all(&mut ledger, [0, 1_000_000_000_000]);
        assert!(ledger.settle(1_000_000_000_000));
        assert_eq!(ledger.settled_above_base(), [1..1_000_000_000_001]);
    }
}

mod resuming {
    use super::*;

    #[test]
    fn what_an_earlier_stay_settled_is_not_delivered_again() {
        let mut ledger = at(100, &[102..104, 106..107]);
        assert_eq!(
            read(&mut ledger, &(100..109).collect::<Vec<_>>()),
            [100, 101, 104, 105, 107, 108]
        );
    }

    #[test]
    fn a_crash_right_after_the_start_loses_nothing_of_it() {
        let mut ledger = at(100, &[102..104, 106..107]);
        assert_eq!(ledger.settled_above_base(), [102..104, 106..107]);
        take_all(&mut ledger, [100, 101]);
        assert_eq!(ledger.take(102), Taken::AlreadySettled);
        assert_eq!(ledger.settled_above_base(), [102..104, 106..107]);
        assert!(ledger.settle(101));
        assert_eq!(ledger.settled_above_base(), [101..104, 106..107]);
    }

    #[test]
    fn the_base_jumps_over_what_was_settled_before() {
        let mut ledger = at(100, &[101..104, 106..107]);
        take_all(&mut ledger, [100]);
        assert!(ledger.settle(100));
        assert_eq!((ledger.base(), ledger.next()), (Some(104), Some(101)));
        assert_eq!(ledger.settled_above_base(), [106..107]);
        assert_eq!(ledger.take(101), Taken::AlreadySettled);
        assert_eq!(ledger.base(), Some(104));
    }

    #[test]
    fn it_makes_no_difference_whether_settled_records_are_entered_or_left_out() {
        let start = Start::At { base: 100, settled: vec![101..103, 105..120] };
        let (mut whole, mut filtered) = (Ledger::new(start.clone()), Ledger::new(start));
        read(&mut whole, &(100..122).collect::<Vec<_>>());
        take_all(&mut filtered, [100, 103, 104, 120, 121]);
        assert_eq!(whole.settled_above_base(), filtered.settled_above_base());
        assert_eq!((whole.base(), whole.is_dirty()), (Some(100), false));
        assert_eq!((filtered.base(), filtered.is_dirty()), (Some(100), false));
    }

    #[test]
    fn settled_records_beyond_the_end_of_the_log_are_forgotten_and_delivered() {
        let mut ledger = at(100, &[102..104, 106..110, 200..300]);
        ledger.skip_to(101);
        assert_eq!(ledger.forget_from(107), 103);
        assert!(ledger.is_dirty());
        assert_eq!(ledger.settled_above_base(), [102..104, 106..107]);
        take_all(&mut ledger, [101, 107, 108, 250]);
        assert_eq!(ledger.forget_from(107), 0);
    }

    #[test]
    fn what_was_passed_is_not_forgotten() {
        let mut ledger = at(100, &[102..110]);
        take_all(&mut ledger, [100, 101]);
        assert_eq!(ledger.take(102), Taken::AlreadySettled);
        assert_eq!(ledger.forget_from(50), 7);
        assert_eq!(ledger.settled_above_base(), [102..103]);
    }
}

mod what_is_dirty {
    use super::*;

    #[test]
    fn a_stay_that_begins_at_a_commit_has_nothing_to_commit() {
        let mut ledger = at(100, &[102..104]);
        assert!(!ledger.is_dirty());
        assert_eq!(read(&mut ledger, &(100..110).collect::<Vec<_>>()).len(), 8);
        ledger.skip_to(110);
        assert!(!ledger.is_dirty(), "to have read records is nothing to commit");
    }

    #[test]
    fn a_stay_without_a_commit_commits_where_it_began() {
        let mut taken = unknown();
        assert_eq!((taken.is_dirty(), taken.snapshot(LIMIT)), (false, None));
        take_all(&mut taken, [42]);
        assert_eq!((taken.is_dirty(), taken.base()), (true, Some(42)));

        let mut empty = unknown();
        empty.skip_to(7);
        assert_eq!((empty.is_dirty(), empty.base()), (true, Some(7)));
    }

    #[test]
    fn an_acknowledged_snapshot_is_clean_only_if_nothing_changed_since() {
        let mut ledger = at(0, &[]);
        take_all(&mut ledger, 0..3);
        assert!(ledger.settle(1));
        let snapshot = ledger.snapshot(LIMIT).unwrap();
        assert!(ledger.is_dirty(), "sending is not acknowledging");
        assert!(ledger.settle(2));
        ledger.acknowledge(snapshot.version);
        assert!(ledger.is_dirty(), "2 is not in what the broker has");
        ledger.acknowledge(ledger.snapshot(LIMIT).unwrap().version);
        assert!(!ledger.is_dirty());
    }

    #[test]
    fn a_gap_and_the_end_of_the_log_are_something_to_commit() {
        let mut gap = at(0, &[]);
        take_all(&mut gap, [5]);
        assert!(gap.is_dirty());
        let mut end = at(0, &[]);
        end.skip_to(5);
        assert!(end.is_dirty());
    }
}

#[test]
fn a_snapshot_says_what_its_limit_left_out() {
    let mut ledger = at(0, &[]);
    take_all(&mut ledger, 0..4_000);
    let irregular = |offset: &Offset| ((offset * offset * 2_654_435_761) >> 24) % 4 == 0;
    (1..4_000).filter(irregular).for_each(|offset| assert!(ledger.settle(offset)));
    let whole = ledger.snapshot(LIMIT).unwrap();
    let settled = ledger.settled_above_base();
    assert_eq!(codec::decode(0, &whole.metadata).unwrap(), settled);
    assert_eq!((whole.uncovered, Some(whole.covered)), (0, settled.last().map(|last| last.end)));

    let cut = ledger.snapshot(64).unwrap();
    assert!(cut.metadata.len() <= 64);
    let above: u64 =
        settled.iter().map(|range| length(&(range.start.max(cut.covered)..range.end))).sum();
    assert!(cut.uncovered > 0 && cut.uncovered == above, "{} {above}", cut.uncovered);
}

/// The definition: every offset that is settled, one by one.
#[derive(Clone, Default)]
struct Model {
    start: Offset,
    next: Option<Offset>,
    pending: BTreeSet<Offset>,
    settled: BTreeSet<Offset>,
}

type State = (Option<Offset>, Vec<Range<Offset>>);

impl Model {
    fn advance(&mut self, offset: Offset) {
        let next = *self.next.get_or_insert(offset);
        if self.settled.is_empty() && self.pending.is_empty() && next == offset {
            self.start = offset;
        }
        self.settled.extend(next..offset);
        self.next = Some(offset.max(next));
    }

    fn take(&mut self, offset: Offset) -> Taken {
        if self.next.is_some_and(|next| offset < next) {
            return Taken::Behind;
        }
        self.advance(offset);
        self.next = Some(offset + 1);
        if self.settled.contains(&offset) {
            return Taken::AlreadySettled;
        }
        self.pending.insert(offset);
        Taken::Deliver
    }

    fn settle(&mut self, offset: Offset) -> bool {
        self.pending.remove(&offset) && self.settled.insert(offset)
    }

    fn forget_from(&mut self, end: Offset) -> u64 {
        let Some(next) = self.next else { return 0 };
        let forgotten = self.settled.split_off(&end.max(next));
        forgotten.len() as u64
    }

    fn whereabouts(&self, offset: Offset) -> Whereabouts {
        let behind = self.next.is_some() && offset < self.start;
        match (self.pending.contains(&offset), behind || self.settled.contains(&offset)) {
            (true, _) => Whereabouts::Pending,
            (_, true) => Whereabouts::Settled,
            _ => Whereabouts::ToCome,
        }
    }

    fn state(&self) -> State {
        if self.next.is_none() {
            return (None, Vec::new());
        }
        let mut base = self.start;
        while self.settled.contains(&base) {
            base += 1;
        }
        (Some(base), ranges(self.settled.range(base..).copied()))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Take(Offset),
    Behind(Offset),
    Settle(Index),
    SettleAny(Offset),
    SkipTo(Offset),
    ForgetFrom(Offset),
    Send,
    Acknowledge,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Take(0)),
        2 => (0..4i64).prop_map(Step::Take),
        1 => (0..200i64).prop_map(Step::Take),
        1 => (1..50i64).prop_map(Step::Behind),
        8 => any::<Index>().prop_map(Step::Settle),
        1 => (-5..60i64).prop_map(Step::SettleAny),
        1 => (-9..9i64).prop_map(Step::SkipTo),
        1 => (-9..60i64).prop_map(Step::ForgetFrom),
        1 => Just(Step::Send),
        1 => Just(Step::Acknowledge),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    let origin = prop_oneof![Just(0i64), Just(60), Just(5_000_000_000)];
    let ranges = prop::collection::vec((1..40i64, 1..40i64), 0..12);
    let at = (origin, ranges).prop_map(|(base, ranges)| {
        let mut settled = Vec::new();
        let mut end = base;
        for (gap, length) in ranges {
            settled.push(end + gap..end + gap + length);
            end += gap + length;
        }
        Start::At { base, settled }
    });
    prop_oneof![4 => at, 1 => Just(Start::Unknown)]
}

proptest! {
    #[test]
    fn it_agrees_with_a_naive_set(start in start(), steps in prop::collection::vec(step(), 1..250)) {
        let mut model = Model::default();
        if let Start::At { base, settled } = &start {
            (model.start, model.next) = (*base, Some(*base));
            model.settled = settled.iter().cloned().flatten().collect();
        }
        let mut ledger = Ledger::new(start);
        let (mut acknowledged, mut sent, mut forgot) = (model.state(), None, false);
        for step in steps {
            let next = model.next.unwrap_or(1_000);
            match step {
                Step::Take(gap) => prop_assert_eq!(ledger.take(next + gap), model.take(next + gap)),
                Step::Behind(by) => prop_assert_eq!(ledger.take(next - by), model.take(next - by)),
                Step::Settle(index) => {
                    let pending: Vec<Offset> = model.pending.iter().copied().collect();
                    if !pending.is_empty() {
                        let offset = *index.get(&pending);
                        prop_assert!(ledger.settle(offset) && model.settle(offset));
                    }
                }
                Step::SettleAny(below) => {
                    prop_assert_eq!(ledger.settle(next - below), model.settle(next - below));
                }
                Step::SkipTo(by) => {
                    ledger.skip_to(next + by);
                    model.advance(next + by);
                }
                Step::ForgetFrom(by) => {
                    let forgotten = ledger.forget_from(next + by);
                    prop_assert_eq!(forgotten, model.forget_from(next + by));
                    forgot |= forgotten > 0;
                }
                Step::Send => sent = ledger.snapshot(LIMIT).map(|snapshot| (snapshot, model.state())),
                Step::Acknowledge => if let Some((snapshot, state)) = sent.take() {
                    ledger.acknowledge(snapshot.version);
                    (acknowledged, forgot) = (state, forgot && ledger.is_dirty());
                },
            }
            let state = model.state();
            prop_assert_eq!((ledger.base(), ledger.settled_above_base()), state.clone());
            prop_assert_eq!(ledger.next(), model.next);
            prop_assert_eq!(ledger.pending(), model.pending.len());
            prop_assert_eq!(ledger.lowest_pending(), model.pending.first().copied());
            for offset in state.0.unwrap_or(1_000) - 3..model.next.unwrap_or(1_000) + 20 {
                prop_assert_eq!(ledger.whereabouts(offset), model.whereabouts(offset), "{}", offset);
            }
            prop_assert!(ledger.is_dirty() || state == acknowledged, "clean, and yet not what the broker has");
            prop_assert!(!ledger.is_dirty() || forgot || state != acknowledged, "dirty without a reason");
        }
    }

    /// One partition through several crashes: each restart delivers exactly what was not finished
    /// when the last acknowledged snapshot was taken, or what that snapshot's limit left out.
    #[test]
    fn a_restart_delivers_exactly_what_was_not_settled_at_the_acknowledged_snapshot(
        gaps in prop::collection::vec(prop_oneof![6 => Just(1i64), 1 => 2..9i64, 1 => 100..5_000i64], 1..300),
        runs in prop::collection::vec(prop::collection::vec((0..40usize, any::<Index>(), 0..8u8), 1..60), 1..5),
        limit in prop_oneof![3 => Just(LIMIT), 1 => 0..48usize],
    ) {
        let log: Vec<Offset> = gaps.iter().scan(-1, |at, gap| { *at += gap; Some(*at) }).collect();
        let end = log.last().unwrap() + 1;
        let mut kept: Option<(Snapshot, BTreeSet<Offset>)> = None;
        for run in runs {
            let done = kept.as_ref().map(|(_, done)| done.clone()).unwrap_or_default();
            let mut ledger = kept.as_ref().map_or_else(unknown, |(kept, _)| resume(kept));
            let mut delivered = BTreeSet::new();
            let mut done = done;
            for (count, index, action) in run {
                let unread = log.partition_point(|&offset| Some(offset) < ledger.next());
                let batch = &log[unread..log.len().min(unread + count)];
                delivered.extend(read(&mut ledger, batch));
                let out: Vec<Offset> = delivered.difference(&done).copied().collect();
                if !out.is_empty() {
                    let offset = *index.get(&out);
                    prop_assert!(ledger.settle(offset));
                    done.insert(offset);
                }
                if action == 0 && let Some(snapshot) = ledger.snapshot(limit) {
                    prop_assert!(snapshot.metadata.len() <= limit);
                    prop_assert!(done.iter().filter(|&&offset| offset >= snapshot.covered).count() as u64 <= snapshot.uncovered);
                    let told = done.iter().filter(|&&offset| offset < snapshot.covered).copied().collect();
                    ledger.acknowledge(snapshot.version);
                    prop_assert!(!ledger.is_dirty());
                    kept = Some((snapshot, told));
                }
            }
            let (mut restarted, done) = kept.as_ref().map_or_else(
                || (unknown(), BTreeSet::new()),
                |(kept, done)| (resume(kept), done.clone()),
            );
            let again = read(&mut restarted, &log);
            let expected: Vec<Offset> = log.iter().copied().filter(|offset| !done.contains(offset)).collect();
            prop_assert_eq!(&again, &expected);
            prop_assert!(again.into_iter().all(|offset| restarted.settle(offset)));
            restarted.skip_to(end);
            prop_assert_eq!((restarted.base(), restarted.settled_above_base()), (Some(end), vec![]));
        }
    }
}

fn resume(kept: &Snapshot) -> Ledger {
    let settled = codec::decode(kept.offset, &kept.metadata).unwrap();
    Ledger::new(Start::At { base: kept.offset, settled })
}

mod moving_from_parallel_consumer {
    use serde_json::Value;

    use super::*;

    const CASES: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/parallel-consumer/fixtures-public.json"
    ));

    struct Case {
        name: String,
        base: Offset,
        highest: Offset,
        settled: BTreeSet<Offset>,
        absent: BTreeSet<Offset>,
        chosen: Option<String>,
        stripped: bool,
    }

    fn cases() -> Vec<Case> {
        let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
        assert_eq!(cases.len(), 85);
        cases.iter().map(case).collect()
    }

    fn case(case: &Value) -> Case {
        let offsets = |key: &str| -> BTreeSet<Offset> {
            let ranges = case[key].as_array().into_iter().flatten();
            ranges
                .flat_map(|range| range[0].as_i64().unwrap()..=range[1].as_i64().unwrap())
                .collect()
        };
        Case {
            name: case["name"].as_str().unwrap().to_owned(),
            base: case["base"].as_i64().unwrap(),
            highest: case["highest"].as_i64().unwrap(),
            settled: offsets("settled"),
            absent: offsets("absent"),
            chosen: case["chosen"].as_str().map(str::to_owned),
            stripped: case["stripped"].as_bool().unwrap(),
        }
    }

    #[test]
    fn the_same_story_gives_the_same_base_and_the_same_settled_offsets() {
        for case in cases() {
            let mut ledger = at(case.base, &[]);
            let log = (case.base..=case.highest).filter(|offset| !case.absent.contains(offset));
            take_all(&mut ledger, log);
            ledger.skip_to(case.highest + 1);
            case.settled.iter().for_each(|&offset| assert!(ledger.settle(offset), "{}", case.name));
            assert_eq!(ledger.base(), Some(case.base), "{}", case.name);
            let expected = ranges(case.settled.union(&case.absent).copied());
            assert_eq!(ledger.settled_above_base(), expected, "{}", case.name);
        }
    }

    #[test]
    fn what_it_committed_resumes_with_exactly_its_unsettled_records() {
        for case in cases() {
            let Some(chosen) = case.chosen.filter(|_| !case.stripped) else {
                continue;
            };
            let settled = codec::decode(case.base, &chosen).unwrap();
            let mut ledger = Ledger::new(Start::At { base: case.base, settled });
            let log = (case.base..=case.highest).filter(|offset| !case.absent.contains(offset));
            let log: Vec<Offset> = log.collect();
            let unsettled = log.iter().copied().filter(|offset| !case.settled.contains(offset));
            assert_eq!(read(&mut ledger, &log), unsettled.collect::<Vec<_>>(), "{}", case.name);
        }
    }
}
