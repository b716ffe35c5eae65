//! What flow control relies on: what always fits, proven against the encoder itself.

use super::*;

use proptest::prelude::*;

use crate::core::codec::{guaranteed_span, guaranteed_unsettled};

const LIMITS: [usize; 6] = [8, 64, 512, 4096, 32_767, usize::MAX];

fn whole_fits(settled: &[Range<Offset>], limit: usize) -> bool {
    let encoded = encode_checked(1_000, settled, limit);
    encoded.covered == settled.last().unwrap().end
}

/// Pairs of runs with `unsettled` unsettled offsets in all, no run over 2^31 - 1 and no more in all.
fn runs_of(unsettled: u64, dice: &mut Dice, longest: u64) -> Vec<(i64, i64)> {
    let mut left = unsettled;
    let mut span = unsettled;
    let mut runs = Vec::new();
    let most = i32::MAX.unsigned_abs().into();
    while left > 0 {
        let gap = if dice.roll().is_multiple_of(8) { 1 + dice.roll() % left.min(5) } else { 1 };
        left -= gap;
        // What is left of the span is kept for one settled offset after each of the others.
        let settled = 1 + dice.roll() % longest.min(most - span - left);
        span += settled;
        runs.push((gap.cast_signed(), settled.cast_signed()));
    }
    assert!(span <= most);
    runs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_subset_of_a_guaranteed_span_fits(
        seed in any::<u64>(),
        limit in prop::sample::select(&LIMITS[..]),
        of_1000 in prop_oneof![Just(500_u64), 0..1_000_u64],
        shorter in prop_oneof![Just(0_u64), 0..20_000_u64],
    ) {
        let span = guaranteed_span(limit).saturating_sub(shorter).max(2);
        prop_assert!(whole_fits(&Dice(seed).settle(1_000, span, of_1000), limit));
    }

    #[test]
    fn any_guaranteed_number_of_unsettled_offsets_fits(
        seed in any::<u64>(),
        limit in prop::sample::select(&LIMITS[1..]),
        longest in prop_oneof![Just(1_u64), 1..100_u64, 1..100_000_u64, 1..=1_u64 << 31],
        fewer in prop_oneof![Just(0_u64), 0..100_u64],
    ) {
        let unsettled = guaranteed_unsettled(limit).saturating_sub(fewer).max(1);
        let runs = runs_of(unsettled, &mut Dice(seed), longest);
        prop_assert!(whole_fits(&laid_out(1_000, &runs), limit));
    }
}

#[test]
fn the_worst_that_alternates_fits() {
    for limit in LIMITS {
        let span = guaranteed_span(limit);
        let pairs = usize::try_from(span / 2).unwrap();
        assert!(whole_fits(&laid_out(1_000, &vec![(1, 1); pairs]), limit), "{limit}");
        assert!(whole_fits(&laid_out(1_000, &vec![(1, 3); pairs / 2]), limit), "{limit}");
    }
    for limit in &LIMITS[1..] {
        let pairs = usize::try_from(guaranteed_unsettled(*limit)).unwrap();
        // The first run too long for 16 bits, so that the wide layout is all there is.
        let mut runs = vec![(1, 1); pairs];
        runs[0].1 = 40_000_000;
        assert!(whole_fits(&laid_out(1_000, &runs), *limit), "{limit}");
        // Runs of the longest size there is, in a span that is just as long.
        let longest = i64::from(i32::MAX) - 2 * i64::try_from(pairs).unwrap() + 1;
        let runs: Vec<_> = (1..pairs).map(|_| (1, 1)).chain([(1, longest)]).collect();
        assert!(whole_fits(&laid_out(1_000, &runs), *limit), "{limit}");
    }
}

/// A span of one more offset does not always fit, so the guarantee gives nothing away.
#[test]
fn one_offset_more_than_the_guaranteed_span_does_not_always_fit() {
    for limit in [8, 64, 512, 4096, 32_767] {
        let more = guaranteed_span(limit) + 1;
        let fits = (0..20).all(|seed| whole_fits(&Dice(seed).settle(1_000, more, 500), limit));
        assert!(!fits, "{limit}");
    }
}

/// Over 2^31 - 1 offsets a run is written in pieces, and each further 2^31 - 1 cost what one
/// unsettled offset costs.
#[test]
fn longer_spans_take_room_from_the_unsettled() {
    for limit in [64, 512, 4096] {
        let unsettled = usize::try_from(guaranteed_unsettled(limit)).unwrap();
        for pieces in 1..4 {
            let mut runs = vec![(1, 1); unsettled - pieces];
            runs[0].1 = i64::try_from(pieces).unwrap() * i64::from(i32::MAX) + 1;
            assert!(whole_fits(&laid_out(1_000, &runs), limit), "{limit} {pieces}");
        }
    }
}

#[test]
fn the_figures_are_those_of_the_format() {
    assert_eq!(guaranteed_span(4096), 24_544, "the span that takes 4,096 characters in 16 bits");
    assert_eq!(guaranteed_unsettled(4096), 383);
    assert_eq!(guaranteed_span(0), 1, "the base alone");
    assert_eq!(guaranteed_unsettled(0), 0);
    assert_eq!(guaranteed_unsettled(8), 0, "two runs of 32 bits take 12 characters");
    assert_eq!(guaranteed_unsettled(12), 1);
    // About where a count no longer fits into 16 bits.
    assert_eq!((0..32_767).map(guaranteed_span).filter(|&span| span == 32_767).count(), 4);
    assert!((1..32_767).all(|limit| guaranteed_span(limit - 1) <= guaranteed_span(limit)));
    assert_eq!(guaranteed_span(usize::MAX), guaranteed_span(32_767));
}
