//! What lane a record belongs to.

use std::hash::{BuildHasher, RandomState};

use crate::config::Ordering;
use crate::core::{LaneId, Offset};

/// Names lanes. There is one for the life of a pipeline, so that a partition that leaves and comes
/// back finds its lanes again. Seeded at random: keys come from strangers.
pub(crate) struct LaneNames {
    ordering: Ordering,
    seed: RandomState,
}

impl LaneNames {
    pub(crate) fn new(ordering: Ordering) -> Self {
        Self { ordering, seed: RandomState::new() }
    }

    /// A partition's part in the names of its lanes.
    pub(crate) fn of_partition(&self, topic: &str, partition: i32) -> u64 {
        self.seed.hash_one((topic, partition))
    }

    /// The lane of a record, `partition` being what [`of_partition`](Self::of_partition) said.
    pub(crate) fn lane(&self, partition: u64, key: Option<&[u8]>, offset: Offset) -> LaneId {
        LaneId(match (self.ordering, key) {
            (Ordering::Partition, _) => partition,
            (Ordering::Key, Some(key)) => self.seed.hash_one((partition, key)),
            (Ordering::Key, None) | (Ordering::Unordered, _) => {
                self.seed.hash_one((partition, offset))
            }
        })
    }

    /// The lane of all records of a key, where they have one in common.
    pub(crate) fn of_key(&self, partition: u64, key: &[u8]) -> Option<LaneId> {
        (self.ordering != Ordering::Unordered).then(|| self.lane(partition, Some(key), 0))
    }

    /// The router of a lane: by the upper bits, since the lower ones pick the bucket in its table.
    pub(crate) fn router(lane: LaneId, routers: usize) -> usize {
        let share = u128::from(lane.0) * routers as u128;
        usize::try_from(share >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_share_a_lane_as_the_ordering_says() {
        let lanes = |ordering, a: (Option<&[u8]>, i64), b: (Option<&[u8]>, i64)| {
            let names = LaneNames::new(ordering);
            let partition = names.of_partition("t", 3);
            names.lane(partition, a.0, a.1) == names.lane(partition, b.0, b.1)
        };
        let (key, other) = (Some(&b"k"[..]), Some(&b"l"[..]));
        assert!(lanes(Ordering::Key, (key, 1), (key, 2)));
        assert!(!lanes(Ordering::Key, (key, 1), (other, 2)));
        assert!(!lanes(Ordering::Key, (None, 1), (None, 2)), "null keys have no order");
        assert!(!lanes(Ordering::Key, (Some(b""), 1), (None, 1)), "an empty key is a key");
        assert!(lanes(Ordering::Partition, (key, 1), (None, 2)));
        assert!(!lanes(Ordering::Unordered, (key, 1), (key, 2)));
    }

    #[test]
    fn the_same_key_in_two_partitions_is_two_lanes() {
        let names = LaneNames::new(Ordering::Key);
        let lane =
            |topic, partition| names.lane(names.of_partition(topic, partition), Some(b"k"), 0);
        assert_ne!(lane("t", 0), lane("t", 1));
        assert_ne!(lane("t", 0), lane("u", 0));
    }

    #[test]
    fn lanes_spread_over_all_routers() {
        let names = LaneNames::new(Ordering::Unordered);
        let mut hits = [0; 3];
        for offset in 0..3000 {
            hits[LaneNames::router(names.lane(7, None, offset), 3)] += 1;
        }
        assert!(hits.iter().all(|&n| n > 800), "{hits:?}");
    }
}
