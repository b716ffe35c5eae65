//! Since when offsets have been held, to within a commit interval.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::core::Offset;

/// Since when offsets have been held, to within a commit interval.
#[derive(Clone, Debug)]
pub(crate) struct Ages {
    /// When the stay began, or nothing of it had been taken in yet.
    began: Instant,
    /// The first offset not yet taken in at a time, ascending in both.
    marks: VecDeque<(Offset, Instant)>,
}

impl Ages {
    /// Marks kept of a partition; beyond it every second one goes, so that a record held for weeks
    /// costs no more than one held for minutes.
    const MOST: usize = 256;

    pub(super) fn new(began: Instant) -> Self {
        Self { began, marks: VecDeque::new() }
    }

    pub(super) fn note(&mut self, next: Option<Offset>, oldest: Option<Offset>, now: Instant) {
        if next.is_none() {
            // Nothing was taken in so far.
            self.began = now;
        }
        let (Some(next), Some(oldest)) = (next, oldest) else {
            self.marks.clear();
            self.marks.extend(next.map(|next| (next, now)));
            return;
        };
        while self.marks.get(1).is_some_and(|&(offset, _)| offset <= oldest) {
            self.marks.pop_front();
        }
        if self.marks.back().is_none_or(|&(last, _)| last < next) {
            self.marks.push_back((next, now));
        }
        if self.marks.len() > Self::MOST {
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    pub(super) fn of(&self, offset: Offset, now: Instant) -> Duration {
        now.saturating_duration_since(self.taken(offset))
    }

    /// When an offset that was taken in was so at the earliest.
    pub(crate) fn taken(&self, offset: Offset) -> Instant {
        let after = self.marks.partition_point(|&(mark, _)| mark <= offset);
        let last = after.checked_sub(1).and_then(|last| self.marks.get(last));
        last.map_or(self.began, |&(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_offset_is_as_old_as_the_last_look_before_it() {
        let start = Instant::now();
        let mut ages = Ages::new(start);
        ages.note(None, None, start + SECOND);
        ages.note(Some(10), Some(0), start + 2 * SECOND);
        ages.note(Some(20), Some(0), start + 3 * SECOND);
        let first = start + SECOND;
        assert_eq!(ages.taken(0), first, "it came after the last look that saw nothing");
        assert_eq!(ages.taken(9), first);
        assert_eq!(ages.taken(10), start + 2 * SECOND);
        assert_eq!(ages.taken(500), start + 3 * SECOND);
        assert_eq!(ages.of(9, start + 5 * SECOND), 4 * SECOND);
        ages.note(Some(20), Some(12), start + 4 * SECOND);
        assert_eq!(ages.taken(12), start + 2 * SECOND);
        ages.note(Some(20), None, start + 5 * SECOND);
        assert_eq!(ages.taken(20), start + 5 * SECOND, "nothing was held then");
    }

    #[test]
    fn a_record_held_for_long_is_never_younger_than_it_is_and_costs_no_more_marks() {
        let start = Instant::now();
        let mut ages = Ages::new(start);
        for tick in 1..10_000_u32 {
            ages.note(Some(Offset::from(tick)), Some(0), start + tick * SECOND);
            assert!(ages.marks.len() <= Ages::MOST);
        }
        for offset in [0, 1, 777, 9_000, 9_998] {
            let at = start + u32::try_from(offset + 1).unwrap() * SECOND;
            assert!(ages.taken(offset) <= at, "{offset}");
        }
    }
}
