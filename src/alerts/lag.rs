//! How old the lag of partitions is, from looks at where they begin and end.
//!
//! Kafka tells how long a log is, not how old its records are. So where the log ended is marked now
//! and then: what is below a mark was there at its time, and while the lowest unsettled offset is
//! below it, something has waited since then. A record's age is that for which it has been seen to
//! wait: what had been in the log before the first look counts from there.

use std::collections::HashMap;
use std::time::Duration;

use keyway_actors::core::Moment;
use keyway_actors::stats::PartitionStatus;

/// How many marks are kept of a partition, and into how many steps the limit is cut: an age is
/// found an eighth of the limit late at the most, and twice the limit is marked so finely. Of older
/// lag every second mark goes.
const MARKS: usize = 16;
const STEPS: u32 = 8;

/// What is late in a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Late {
    /// How long the oldest record has waited at least; zero where nothing has waited too long.
    pub(super) oldest: Duration,
    /// The lag of the partitions where records have waited too long.
    pub(super) records: u64,
}

/// The partitions of a pipeline: those of its latest status and no others.
#[derive(Debug, Default)]
pub(super) struct Lags {
    topics: HashMap<String, HashMap<i32, Marks>>,
    looks: u64,
}

#[derive(Debug, Default)]
struct Marks {
    /// Where the log ended, and when; both grow.
    ends: Vec<(i64, Moment)>,
    /// The look that saw it last.
    seen: u64,
}

impl Lags {
    /// Takes a look. `limit` is for how long a record may wait.
    pub(super) fn look(&mut self, all: &[PartitionStatus], limit: Duration, now: Moment) -> Late {
        self.looks += 1;
        let mut late = Late::default();
        for partition in all {
            let marks = self.marks(partition);
            let held = partition.oldest_unsettled.unwrap_or_default();
            let age = marks.age(partition, limit / STEPS, now).max(held);
            if age >= limit {
                late.oldest = late.oldest.max(age);
                late.records += partition.lag().unwrap_or(partition.held_records);
            }
        }
        let looks = self.looks;
        self.topics.retain(|_, partitions| {
            partitions.retain(|_, marks| marks.seen == looks);
            !partitions.is_empty()
        });
        late
    }

    fn marks(&mut self, partition: &PartitionStatus) -> &mut Marks {
        let topic = self.topics.entry(partition.topic.clone()).or_default();
        let marks = topic.entry(partition.partition).or_default();
        marks.seen = self.looks;
        marks
    }
}

impl Marks {
    /// How long something has waited, at least.
    fn age(&mut self, partition: &PartitionStatus, step: Duration, now: Moment) -> Duration {
        // What is not known now may be known at the next look.
        let (Some(base), Some(end)) = (partition.base, partition.log_end) else {
            return Duration::ZERO;
        };
        self.ends.retain(|(mark, _)| *mark > base);
        let is_new = match self.ends.last() {
            Some((mark, at)) => end > *mark && now >= at.after(step),
            None => end > base,
        };
        if is_new {
            self.ends.push((end, now));
        }
        if self.ends.len() > MARKS {
            let mut number = 0;
            // The first stays, which is the age, and of 17 the last does too.
            self.ends.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.ends.first().map_or(Duration::ZERO, |(_, at)| now.0.saturating_sub(at.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, partition};
    use super::*;

    const LIMIT: Duration = Duration::from_mins(10);

    fn seconds(late: Late) -> u64 {
        late.oldest.as_secs()
    }

    #[test]
    fn a_log_that_grows_as_it_is_delivered_is_not_late() {
        let mut lags = Lags::default();
        // 100 a second, each settled after nine minutes.
        for second in 0..10_000_i64 {
            let all = [partition(0, (second - 540).max(0) * 100, second * 100)];
            let late = lags.look(&all, LIMIT, at(second.unsigned_abs()));
            assert_eq!(late, Late::default(), "{second}");
        }
    }

    #[test]
    fn what_waits_too_long_is_late_until_it_is_settled() {
        let mut lags = Lags::default();
        let mut late_at = None;
        for second in 0..1_000_i64 {
            // Each settled after 650 seconds.
            let all = [partition(0, (second - 650).max(0) * 100, second * 100)];
            let late = lags.look(&all, LIMIT, at(second.unsigned_abs()));
            late_at = late_at.or((late.oldest > Duration::ZERO).then_some(second));
        }
        let late_at = late_at.expect("it is late");
        assert!((600..=680).contains(&late_at), "{late_at}");
        assert_eq!(lags.look(&[partition(0, 100_000, 100_000)], LIMIT, at(1_000)), Late::default());
    }

    #[test]
    fn a_log_that_does_not_move_is_late_after_the_limit_and_not_before() {
        let mut lags = Lags::default();
        let all = [partition(0, 0, 70), partition(1, 9, 9)];
        assert_eq!(lags.look(&all, LIMIT, at(0)), Late::default());
        assert_eq!(lags.look(&all, LIMIT, at(599)), Late::default());
        let late = lags.look(&all, LIMIT, at(600));
        assert_eq!((seconds(late), late.records), (600, 70));
    }

    #[test]
    fn a_record_that_has_been_held_for_too_long_is_late() {
        let held = PartitionStatus { oldest_unsettled: Some(LIMIT), ..partition(0, 5, 9) };
        let late = Lags::default().look(&[held], LIMIT, at(3));
        assert_eq!(late, Late { oldest: LIMIT, records: 4 });
    }

    #[test]
    fn the_age_of_old_lag_stays_and_its_marks_are_few() {
        let mut lags = Lags::default();
        let mut late = Late::default();
        for second in 0..200_000_i64 {
            late = lags.look(&[partition(0, 0, second + 1)], LIMIT, at(second.unsigned_abs()));
            assert!(lags.topics["t"][&0].ends.len() <= MARKS);
        }
        assert_eq!(seconds(late), 199_999);
        // What came in the last half of that time is still known to be late.
        let late = lags.look(&[partition(0, 150_000, 200_000)], LIMIT, at(200_000));
        assert!((600..=50_001).contains(&seconds(late)), "{late:?}");
    }

    #[test]
    fn a_partition_that_left_is_forgotten() {
        let mut lags = Lags::default();
        lags.look(&[partition(0, 0, 70)], LIMIT, at(0));
        lags.look(&[], LIMIT, at(1));
        assert!(lags.topics.is_empty());
        assert_eq!(lags.look(&[partition(0, 0, 70)], LIMIT, at(700)), Late::default());
    }
}
