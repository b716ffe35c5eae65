//! A set of offsets to which only ever higher ones are added, and from which any may be removed.
//!
//! Its size follows the number of offsets in it, never the distance between them: a bitmap of
//! 64-offset words, of which the empty ones are not kept. Adding and removing cost O(1) amortized
//! where the offsets lie close together, and one binary search where they do not.

use std::collections::VecDeque;
use std::ops::Range;

use crate::core::Offset;

/// A word holds 64 offsets: the number of an offset's word is the offset without its lowest bits.
const WORD_SHIFT: u32 = 6;
/// The bits of an offset that say which bit of its word it is.
const WORD_MASK: i64 = 63;
/// Empty words that are left alone (16 KiB of them): without gaps in the row every word is found by
/// its distance from either end, and a row this short is not worth closing up.
const SLACK: usize = 1024;

/// The offsets `number * 64 .. number * 64 + 64`.
#[derive(Clone, Copy, Debug)]
struct Word {
    number: i64,
    bits: u64,
}

/// The set. See the head of this file.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    /// In ascending order. The first is never empty; of the others at most [`SLACK`] are, or half.
    words: VecDeque<Word>,
    /// How many of `words` are empty.
    empty: usize,
    /// How many offsets are in the set.
    count: usize,
}

impl Pending {
    /// How many offsets are in the set.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The lowest offset in the set.
    pub(super) fn lowest(&self) -> Option<Offset> {
        let first = self.words.front()?;
        Some((first.number << WORD_SHIFT) + i64::from(first.bits.trailing_zeros()))
    }

    /// Whether `offset` is in the set.
    pub(super) fn contains(&self, offset: Offset) -> bool {
        let word = self.find(offset >> WORD_SHIFT).map_or(0, |index| self.words[index].bits);
        word & (1 << (offset & WORD_MASK)) != 0
    }

    /// Adds `offset`, which must lie above every offset that was ever added.
    pub(super) fn push(&mut self, offset: Offset) {
        let number = offset >> WORD_SHIFT;
        let bit = 1 << (offset & WORD_MASK);
        self.count += 1;
        match self.words.back_mut() {
            Some(last) if last.number == number => {
                self.empty -= usize::from(last.bits == 0);
                last.bits |= bit;
            }
            _ => self.words.push_back(Word { number, bits: bit }),
        }
    }

    /// Takes `offset` out; false if it is not in the set.
    pub(super) fn remove(&mut self, offset: Offset) -> bool {
        let Some(index) = self.find(offset >> WORD_SHIFT) else {
            return false;
        };
        let word = &mut self.words[index];
        let bit = 1 << (offset & WORD_MASK);
        if word.bits & bit == 0 {
            return false;
        }
        word.bits &= !bit;
        self.count -= 1;
        if word.bits == 0 {
            self.empty += 1;
            self.close_up();
        }
        true
    }

    /// The offsets in the set as ranges in ascending order; neighbours may touch at a word's edge.
    pub(super) fn runs(&self) -> impl Iterator<Item = Range<Offset>> {
        self.words.iter().flat_map(|word| {
            let first = word.number << WORD_SHIFT;
            let mut bits = word.bits;
            std::iter::from_fn(move || {
                let start = bits.trailing_zeros();
                let end = start + bits.checked_shr(start)?.trailing_ones();
                bits &= u64::MAX.checked_shl(end).unwrap_or(0);
                Some(first + i64::from(start)..first + i64::from(end))
            })
        })
    }

    /// Where the word with this number is.
    ///
    /// Numbers ascend without repeating, so their distances from the two ends bound the place from
    /// both sides; where no word is missing between an end and the place, the bound is the place.
    fn find(&self, number: i64) -> Option<usize> {
        let last = self.words.len().checked_sub(1)?;
        let from_front = usize::try_from(number - self.words[0].number).ok()?;
        let from_back = usize::try_from(self.words[last].number - number).ok()?;
        let mut high = from_front.min(last);
        if self.words[high].number == number {
            return Some(high);
        }
        let mut low = last.saturating_sub(from_back);
        if self.words[low].number == number {
            return Some(low);
        }
        while low < high {
            let middle = low.midpoint(high);
            if self.words[middle].number < number {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (self.words[low].number == number).then_some(low)
    }

    /// Drops the empty words at the front, and all of them once they are the greater part, so that
    /// one offset that stays does not keep a row of empty words alive behind it.
    fn close_up(&mut self) {
        while self.words.pop_front_if(|word| word.bits == 0).is_some() {
            self.empty -= 1;
        }
        if self.empty > SLACK.max(self.words.len() / 2) {
            self.words.retain(|word| word.bits != 0);
            self.empty = 0;
        }
        if self.words.capacity() > SLACK.max(4 * self.words.len()) {
            self.words.shrink_to(2 * self.words.len());
        }
    }
}

#[cfg(test)]
mod tests {
    // A list of one range is what is meant, not the offsets in it.
    #![allow(clippy::single_range_in_vec_init)]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn offsets(pending: &Pending) -> Vec<Offset> {
        pending.runs().flatten().collect()
    }

    #[test]
    fn an_empty_set_has_no_lowest_and_no_runs() {
        let pending = Pending::default();
        assert_eq!(pending.lowest(), None);
        assert_eq!(pending.runs().count(), 0);
    }

    #[test]
    fn a_full_word_is_one_run() {
        let mut pending = Pending::default();
        (64..128).for_each(|offset| pending.push(offset));
        assert_eq!(pending.runs().collect::<Vec<_>>(), [64..128]);
    }

    #[test]
    fn a_span_of_a_million_million_takes_two_words() {
        let mut pending = Pending::default();
        pending.push(0);
        pending.push(1_000_000_000_000);
        assert_eq!(pending.words.len(), 2);
        assert!(!pending.remove(500_000_000_000));
        assert!(pending.remove(1_000_000_000_000));
        assert_eq!(pending.lowest(), Some(0));
    }

    #[test]
    fn one_offset_that_stays_keeps_no_row_of_empty_words() {
        let mut pending = Pending::default();
        pending.push(0);
        for offset in 1..10_000_000 {
            pending.push(offset);
            assert!(pending.remove(offset));
        }
        assert!(pending.words.len() <= SLACK + 2, "{} words", pending.words.len());
        assert!(pending.words.capacity() <= 4 * SLACK);
        assert_eq!(offsets(&pending), [0]);
    }

    #[test]
    fn words_hold_no_more_than_twice_the_offsets_whatever_their_order() {
        let mut pending = Pending::default();
        let spread: Vec<Offset> = (0..50_000).map(|i| i * 64).collect();
        for &offset in &spread {
            pending.push(offset);
        }
        for &offset in spread.iter().skip(1).rev() {
            assert!(pending.remove(offset));
            assert!(pending.words.len() <= SLACK + 2 * pending.len() + 1);
        }
        assert!(pending.words.capacity() <= 2 * SLACK, "{}", pending.words.capacity());
    }

    #[test]
    fn a_burst_gives_its_memory_back() {
        let mut pending = Pending::default();
        (0..50_000).for_each(|i| pending.push(i * 64));
        (0..50_000).for_each(|i| assert!(pending.remove(i * 64)));
        assert_eq!(pending.len(), 0);
        assert!(pending.words.capacity() <= SLACK, "{}", pending.words.capacity());
    }

    proptest! {
        /// Steps are (how far above the last one, what to remove); wide steps leave words out.
        #[test]
        fn it_agrees_with_a_plain_set(
            steps in prop::collection::vec((prop_oneof![8 => 1..3i64, 1 => 60..140i64, 1 => 1..100_000i64],
                prop::option::of((any::<prop::sample::Index>(), -1..2i64))), 1..400),
            origin in prop_oneof![Just(0i64), Just(5_000_000_000)],
        ) {
            let (mut pending, mut model, mut next) = (Pending::default(), BTreeSet::new(), origin);
            for (step, removal) in steps {
                next += step;
                pending.push(next);
                model.insert(next);
                if let Some((index, shift)) = removal {
                    let known: Vec<Offset> = model.iter().copied().collect();
                    let offset = index.get(&known) + shift;
                    prop_assert_eq!(pending.remove(offset), model.remove(&offset));
                }
                prop_assert_eq!(pending.len(), model.len());
                prop_assert_eq!(pending.lowest(), model.first().copied());
                for offset in next - 130..next + 2 {
                    prop_assert_eq!(pending.contains(offset), model.contains(&offset));
                }
                prop_assert_eq!(offsets(&pending), model.iter().copied().collect::<Vec<_>>());
                let empty = pending.words.iter().filter(|word| word.bits == 0).count();
                prop_assert_eq!(pending.empty, empty);
            }
        }
    }
}
