//! The first few of many, in the memory of the few.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Keeps, of what it is offered, what has the lowest ranks: so much and no more.
#[derive(Debug)]
pub struct Longest<R, V> {
    most: usize,
    /// What has the highest rank of what is kept is on top.
    kept: BinaryHeap<Kept<R, V>>,
}

#[derive(Debug)]
struct Kept<R, V> {
    rank: R,
    value: V,
}

impl<R: Ord, V> PartialEq for Kept<R, V> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl<R: Ord, V> Eq for Kept<R, V> {}

impl<R: Ord, V> PartialOrd for Kept<R, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Ord, V> Ord for Kept<R, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl<R: Ord, V> Longest<R, V> {
    /// Keeps so many.
    pub fn new(most: usize) -> Self {
        Self { most, kept: BinaryHeap::new() }
    }

    /// Whether what has this rank would be kept.
    pub fn wants(&self, rank: &R) -> bool {
        self.kept.len() < self.most || self.kept.peek().is_some_and(|last| *rank < last.rank)
    }

    /// Keeps this, in place of what has the highest rank if there is enough.
    pub fn offer(&mut self, rank: R, value: V) {
        if self.wants(&rank) {
            if self.kept.len() >= self.most {
                self.kept.pop();
            }
            self.kept.push(Kept { rank, value });
        }
    }

    /// What was kept, by rank.
    pub fn into_sorted(self) -> impl Iterator<Item = (R, V)> {
        self.kept.into_sorted_vec().into_iter().map(|kept| (kept.rank, kept.value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_are_kept_and_no_more(
            mut ranks in prop::collection::vec(0..100_u32, 0..60), most in 0..20_usize
        ) {
            let mut longest = Longest::new(most);
            for rank in &ranks {
                longest.offer(*rank, -i64::from(*rank));
                prop_assert!(longest.kept.len() <= most);
            }
            ranks.sort_unstable();
            ranks.truncate(most);
            let (kept, values): (Vec<_>, Vec<_>) = longest.into_sorted().unzip();
            prop_assert_eq!(values, kept.iter().map(|rank| -i64::from(*rank)).collect::<Vec<_>>());
            prop_assert_eq!(kept, ranks);
        }
    }
}
