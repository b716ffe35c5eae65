//! Which offsets of a partition a file holds, as runs of neighbours.
//!
//! Records of many keys are written at once, so offsets come out of order, but nearly without gaps
//! in the end: the runs are few where the records are many.
//!
//! A run knows the span of its records' timestamps. A topic that is deleted and made again begins
//! at offset 0 once more, and a record of the new one must not be taken for one of the old, for it
//! would be lost: whatever lies in a run and not in its time is another record, and what was known
//! of the partition is forgotten.

use std::collections::BTreeMap;

use crate::core::Offset;

/// Runs that are kept of a partition. Transactions leave a gap each, so runs would grow without end.
/// Beyond it the one with the lowest offsets is forgotten: its records are the least likely to come
/// again, and would then be written twice, never lost. About 4 MiB.
const MOST: usize = 65_536;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<Offset, Run>);

/// From its key in the map up to `end`, which it does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    end: Offset,
    /// The timestamps of its records lie from `oldest` to `newest`, in milliseconds.
    oldest: i64,
    newest: i64,
}

/// What is known of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The record is there.
    Here,
    /// It is not.
    New,
    /// Another record of that offset is there, of a topic that is no more.
    Other,
}

impl Runs {
    /// Whether a record is there.
    pub(super) fn look(&self, offset: Offset, timestamp: i64) -> Known {
        match self.run_of(offset) {
            None => Known::New,
            Some((_, run)) if (run.oldest..=run.newest).contains(&timestamp) => Known::Here,
            Some(_) => Known::Other,
        }
    }

    /// Notes a record; says whether it is new.
    pub(super) fn insert(&mut self, offset: Offset, timestamp: i64) -> bool {
        match self.look(offset, timestamp) {
            Known::Here => return false,
            Known::New => {}
            Known::Other => self.0.clear(),
        }
        let mut start = offset;
        let end = offset.saturating_add(1);
        let mut run = Run { end, oldest: timestamp, newest: timestamp };
        if let Some((&before, last)) = self.0.range(..offset).next_back()
            && last.end == offset
        {
            start = before;
            run = run.with(*last);
        }
        if let Some(next) = self.0.remove(&end) {
            run = run.with(next);
        }
        self.0.insert(start, run);
        if self.0.len() > MOST {
            self.0.pop_first();
        }
        true
    }

    /// Notes that a record is not there after all.
    pub(super) fn remove(&mut self, offset: Offset) {
        let Some((start, run)) = self.run_of(offset) else { return };
        self.0.remove(&start);
        if start < offset {
            self.0.insert(start, Run { end: offset, ..run });
        }
        let next = offset.saturating_add(1);
        if next < run.end {
            self.0.insert(next, run);
        }
    }

    fn run_of(&self, offset: Offset) -> Option<(Offset, Run)> {
        let (&start, &run) = self.0.range(..=offset).next_back()?;
        (offset < run.end).then_some((start, run))
    }
}

impl Run {
    fn with(self, other: Self) -> Self {
        Self {
            end: self.end.max(other.end),
            oldest: self.oldest.min(other.oldest),
            newest: self.newest.max(other.newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// When the record of an offset was made, in these tests.
    fn time(offset: Offset) -> i64 {
        1_000_000 + offset * 10
    }

    /// The runs that a set of offsets makes.
    fn count(offsets: &BTreeSet<Offset>) -> usize {
        offsets.iter().filter(|offset| !offsets.contains(&(**offset - 1))).count()
    }

    proptest! {
        /// Against a plain set of offsets, which has no bound.
        #[test]
        fn runs_are_the_set_of_what_was_put_in(
            steps in prop::collection::vec((0_i64..40, prop::bool::weighted(0.7)), 0..200),
        ) {
            let (mut runs, mut set) = (Runs::default(), BTreeSet::new());
            for (offset, add) in steps {
                if add {
                    prop_assert_eq!(runs.insert(offset, time(offset)), set.insert(offset));
                } else {
                    runs.remove(offset);
                    set.remove(&offset);
                }
                prop_assert_eq!(runs.0.len(), count(&set));
                for offset in -1..41 {
                    let here = runs.look(offset, time(offset)) == Known::Here;
                    prop_assert_eq!(here, set.contains(&offset), "{}", offset);
                }
            }
        }
    }

    #[test]
    fn a_record_of_another_time_is_another_record() {
        let mut runs = Runs::default();
        for offset in 0..100 {
            runs.insert(offset, time(offset));
        }
        assert_eq!(runs.look(7, time(7)), Known::Here);
        assert_eq!(runs.look(7, time(500)), Known::Other);
        assert_eq!(runs.look(7, 0), Known::Other);
        assert!(runs.insert(0, time(500)), "the topic was made again");
        assert_eq!(runs.look(1, time(1)), Known::New, "what was known is of the old one");
        assert_eq!(runs.look(0, time(500)), Known::Here);
    }

    #[test]
    fn the_lowest_runs_are_forgotten_beyond_the_bound() {
        let mut runs = Runs::default();
        let most = i64::try_from(MOST).unwrap();
        for number in 0..most + 3 {
            runs.insert(number * 2, time(number));
        }
        assert_eq!(runs.0.len(), MOST);
        assert_eq!(runs.look(4, time(2)), Known::New);
        assert_eq!(runs.look(6, time(3)), Known::Here);
    }

    #[test]
    fn the_ends_of_the_numbers_do_no_harm() {
        let mut runs = Runs::default();
        for offset in [i64::MAX, i64::MIN, i64::MAX - 1] {
            runs.insert(offset, 1);
            runs.remove(offset);
        }
        assert_eq!(runs.look(i64::MAX - 1, 1), Known::New);
    }
}
