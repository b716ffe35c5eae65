//! The epochs that were given up, for ever, in little memory.
//!
//! A record read before its partition left may still arrive, and a request sent before may still
//! fail, so no given-up epoch is forgotten. Epochs are numbered one after the other and all are
//! given up in the end: as runs there are never more of them than epochs still held, and one.

use crate::core::Epoch;

/// A set of epochs, kept as runs from first to last, sorted, apart by at least one.
#[derive(Debug, Default)]
pub(super) struct GivenUp(Vec<(u64, u64)>);

impl GivenUp {
    pub(super) fn contains(&self, epoch: Epoch) -> bool {
        // Mostly the newest epochs are asked for, and they are held.
        match self.0.last() {
            Some((_, last)) if epoch.0 <= *last => {
                let after = self.0.partition_point(|(first, _)| *first <= epoch.0);
                after > 0 && epoch.0 <= self.0[after - 1].1
            }
            _ => false,
        }
    }

    /// Says whether it is new.
    pub(super) fn insert(&mut self, epoch: Epoch) -> bool {
        if self.contains(epoch) {
            return false;
        }
        let Epoch(number) = epoch;
        let after = self.0.partition_point(|(first, _)| *first <= number);
        let joins_before = after > 0 && self.0[after - 1].1.checked_add(1) == Some(number);
        let joins_after = self.0.get(after).is_some_and(|run| number + 1 == run.0);
        match (joins_before, joins_after) {
            (true, true) => self.0[after - 1].1 = self.0.remove(after).1,
            (true, false) => self.0[after - 1].1 = number,
            (false, true) => self.0[after].0 = number,
            (false, false) => self.0.insert(after, (number, number)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_set_holds(epochs in prop::collection::vec(0_u64..40, 0..60)) {
            let (mut given_up, mut set) = (GivenUp::default(), HashSet::new());
            for epoch in epochs {
                prop_assert_eq!(given_up.insert(Epoch(epoch)), set.insert(epoch));
                for other in 0..=41 {
                    prop_assert_eq!(given_up.contains(Epoch(other)), set.contains(&other));
                }
                prop_assert!(given_up.0.windows(2).all(|runs| runs[0].1 + 1 < runs[1].0));
            }
        }
    }

    #[test]
    fn it_stays_as_small_as_what_is_still_held() {
        let mut given_up = GivenUp::default();
        for epoch in (0..100_000).filter(|epoch| epoch % 10_000 != 7) {
            given_up.insert(Epoch(epoch));
        }
        assert_eq!(given_up.0.len(), 11);
    }

    #[test]
    fn the_last_number_there_is_does_no_harm() {
        let mut given_up = GivenUp::default();
        for epoch in [u64::MAX, 0, u64::MAX - 1] {
            assert!(given_up.insert(Epoch(epoch)));
        }
        assert_eq!(given_up.0, [(0, 0), (u64::MAX - 1, u64::MAX)]);
    }
}
