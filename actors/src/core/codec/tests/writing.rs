//! What is written: round trip, the smallest, the longest beginning that fits, always the same.

use super::*;

use proptest::prelude::*;

use crate::core::codec::MAX_METADATA_CHARS;
use crate::core::codec::layout::{Layout, Packing};
use crate::core::codec::span::Span;

/// Pairs of an unsettled and a settled run: short ones, ones about the ends of 16 and 32 bits, and
/// the same over and over.
fn runs() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let short = || prop_oneof![4 => 1..4_i64, 2 => 1..40_i64, 1 => 1..3_000_i64];
    let edges =
        || prop_oneof![32_760..32_775_i64, 65_530..65_540_i64, (1 << 31) - 3..(1 << 31) + 3_i64];
    let long = || prop_oneof![8 => short(), 1 => edges(), 1 => 1..20_000_000_000_i64];
    prop_oneof![
        prop::collection::vec((short(), short()), 0..400),
        prop::collection::vec((short(), long()), 0..60),
        prop::collection::vec((long(), long()), 0..30),
        ((short(), short()), 0..3_000_usize).prop_map(|(pair, times)| vec![pair; times]),
    ]
}

fn bases() -> impl Strategy<Value = Offset> {
    prop_oneof![Just(0), 0..1_000_i64, 0..i64::MAX / 2]
}

fn limits() -> impl Strategy<Value = usize> {
    prop_oneof![0..70_usize, 0..700_usize, 0..5_000_usize, Just(4096), Just(usize::MAX)]
}

/// The characters that a payload takes.
fn chars(payload: u64) -> u64 {
    (payload + 1).div_ceil(3) * 4
}

/// The size of the smallest plain encoding of all these runs, by the table of the format.
fn smallest_plain(runs: &[(i64, i64)]) -> u64 {
    let lengths = || runs.iter().flat_map(|&(unsettled, settled)| [unsettled, settled]);
    let span: i64 = lengths().sum();
    let longest = lengths().max().unwrap();
    let number = lengths().count() as u64;
    let bits = span.unsigned_abs().div_ceil(8) + 1;
    let in_pieces: i64 = lengths().map(|length| (length - 1) / i64::from(i32::MAX) * 2).sum();
    let mut sizes = vec![4 * (number + in_pieces.unsigned_abs())];
    if span <= i64::from(i16::MAX) {
        sizes.push(2 + bits);
    }
    if span <= i64::from(i32::MAX) {
        sizes.push(4 + bits);
    }
    if longest <= i64::from(i16::MAX) {
        sizes.push(2 * number);
    }
    sizes.into_iter().min().unwrap()
}

/// How far the longest beginning reaches that some plain encoding describes within the limit, found
/// by trying each place where a settled range ends, and each offset of short ones.
fn longest_plain(runs: &[(i64, i64)], limit: usize) -> i64 {
    let mut longest = 0;
    for kept in 1..=runs.len() {
        let mut part = runs[..kept].to_vec();
        let whole = part[kept - 1].1;
        for settled in [whole].into_iter().chain(1..whole.min(9)) {
            part[kept - 1].1 = settled;
            if chars(smallest_plain(&part)) <= limit as u64 {
                longest = longest.max(part.iter().map(|(un, set)| un + set).sum());
            }
        }
    }
    longest
}

proptest! {
    #[test]
    fn with_room_for_all_it_reads_back_as_it_was_written(base in bases(), runs in runs()) {
        let settled = laid_out(base, &runs);
        let encoded = encode_checked(base, &settled, usize::MAX);
        if runs.is_empty() {
            prop_assert_eq!(encoded, Encoded { metadata: String::new(), covered: base });
        } else if chars(smallest_plain(&runs)) <= MAX_METADATA_CHARS as u64 {
            prop_assert_eq!(encoded.covered, settled.last().unwrap().end);
            prop_assert!(encoded.metadata.len() as u64 <= chars(smallest_plain(&runs)));
            if smallest_plain(&runs) < 200 {
                prop_assert_eq!(encoded.metadata.len() as u64, chars(smallest_plain(&runs)));
            }
        }
    }

    #[test]
    fn within_any_limit_all_below_covered_reads_back(
        base in bases(), runs in runs(), limit in limits(),
    ) {
        encode_checked(base, &laid_out(base, &runs), limit);
    }

    #[test]
    fn no_plain_encoding_describes_a_longer_beginning(
        base in bases(), runs in runs(), limit in 0..200_usize,
    ) {
        let runs = &runs[..runs.len().min(100)];
        let encoded = encode_checked(base, &laid_out(base, runs), limit);
        let longest = longest_plain(runs, limit);
        prop_assert!(encoded.covered - base >= longest, "{} not {longest}", encoded.covered - base);
    }

    #[test]
    fn the_same_input_gives_the_same_string(base in bases(), runs in runs(), limit in limits()) {
        let settled = laid_out(base, &runs);
        prop_assert_eq!(encode(base, &settled, limit), encode(base, &settled, limit));
    }
}

/// Packs each beginning of a span in each layout, and returns how far the longest that fits reaches.
fn longest_packed(settled: &[Range<Offset>], room: usize) -> Offset {
    let whole = Span::new(0, settled);
    let mut zstd = zstd::bulk::Compressor::new(3).unwrap();
    let mut longest = 0;
    for end in settled.iter().map(|range| range.end) {
        for layout in Layout::ALL {
            if layout.reach(&whole, usize::MAX) >= end {
                let packed = zstd.compress(&layout.write(&whole.below(end))).unwrap();
                if packed.len() <= room {
                    longest = longest.max(end);
                }
            }
        }
    }
    longest
}

#[test]
fn the_longest_packed_beginning_is_nearly_reached() {
    for (seed, of_1000) in [(1, 20), (2, 100), (3, 900), (4, 980), (5, 995)] {
        let settled = Dice(seed).settle(0, 8_000 + of_1000 * 20, of_1000);
        let encoded = encode_checked(0, &settled, 256);
        let longest = longest_packed(&settled, 191);
        assert!(encoded.covered < settled.last().unwrap().end, "it does not fit as a whole");
        assert!(encoded.covered * 100 >= longest * 97, "{of_1000}: {encoded:?}, not {longest}");
    }
}

#[test]
fn what_would_not_fit_plainly_is_packed() {
    let every_second = laid_out(7, &vec![(1, 1); 700]);
    assert_eq!(smallest_plain(&vec![(1, 1); 700]), 178, "plain alone would be under 200 bytes");
    let encoded = encode_checked(7, &every_second, 64);
    assert_eq!(encoded.covered, every_second.last().unwrap().end);
}

/// The order among encodings of one size is part of the promise that the same input gives the same
/// string, from one release to the next too.
#[test]
fn ties_are_broken_in_a_fixed_order() {
    // Bits and runs of 16 bits take 4 bytes each.
    assert_eq!(encode(100, &[101..103], 4096).metadata, "bAADBgA=");
    let magic = Layout::ALL.map(|layout| layout.magic(Packing::Plain));
    assert_eq!(magic, *b"lone");
}

#[test]
fn runs_too_long_for_32_bits_are_written_in_pieces() {
    let far = 5_000_000_000;
    let settled = [far..3 * far, 3 * far + 1..3 * far + 2];
    let encoded = encode_checked(0, &settled, 4096);
    assert_eq!(encoded.covered, 3 * far + 2);
    // With room for two of the three pieces of the settled run: as far as those go.
    let most = i64::from(i32::MAX);
    let cut = encode_checked(0, &[1..3 * most], 24);
    assert_eq!(cut.covered, 1 + 2 * most);
}

#[test]
fn a_settled_range_is_cut_where_the_room_ends() {
    let mut settled = Dice(1).settle(0, 380, 500);
    settled.push(390..40_000);
    assert_eq!(
        encode_checked(0, &settled, 72).covered,
        400,
        "53 bytes: count, 50 of bits, padding"
    );
}

#[test]
fn a_limit_too_small_for_anything_leaves_it_out() {
    for limit in 0..8 {
        let encoded = encode_checked(100, &[101..102], limit);
        assert_eq!(encoded, Encoded { metadata: String::new(), covered: 100 });
    }
    assert_eq!(encode_checked(100, &[101..102], 8).covered, 102);
}
