//! Whatever the string: no panic, and a result within the bounds, quickly.

use super::*;

use base64::prelude::BASE64_STANDARD_NO_PAD;
use proptest::prelude::*;

use crate::core::codec::{
    DecodeError, MAX_METADATA_CHARS, MAX_PACK_BYTES, MAX_RANGES, MAX_UNPACKED_BYTES,
};

const MAGIC: [u8; 8] = *b"laosnJep";

/// Decodes, and checks what holds for any answer.
fn decode_checked(base: Offset, metadata: &str) -> Result<Vec<Range<Offset>>, DecodeError> {
    let read = decode(base, metadata);
    if let Ok(ranges) = &read {
        assert!(ranges.len() <= MAX_RANGES);
        assert!(ranges.iter().all(|range| range.start > base && range.start < range.end));
        assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
    }
    read
}

fn written(magic: u8, payload: &[u8]) -> String {
    BASE64_STANDARD.encode([&[magic], payload].concat())
}

fn packed(magic: u8, payload: &[u8]) -> String {
    written(magic, &zstd::bulk::compress(payload, 3).unwrap())
}

/// Bases everywhere, the ends of the range of offsets among them.
fn bases() -> impl Strategy<Value = Offset> {
    prop_oneof![0..1_000_i64, 0..=i64::MAX, i64::MAX - 100_000..=i64::MAX, Just(i64::MIN), Just(-1)]
}

/// Payloads of random bytes, of mostly small numbers, and of one piece over and over.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let random = prop::collection::vec(any::<u8>(), 0..400);
    let small = prop::collection::vec(0..4_u8, 0..400);
    let piece = prop::collection::vec(any::<u8>(), 1..9);
    let repeated = (piece, 1..3_000_usize).prop_map(|(piece, times)| piece.repeat(times));
    prop_oneof![random, small, repeated]
}

proptest! {
    #[test]
    fn any_text_is_read_within_bounds_or_refused(base in bases(), text in ".*") {
        let _ = decode_checked(base, &text);
    }

    #[test]
    fn any_payload_under_any_magic_byte_is_read_within_bounds_or_refused(
        base in bases(),
        magic in prop_oneof![prop::sample::select(&MAGIC[..]), any::<u8>()],
        payload in payloads(),
        pack in any::<bool>(),
    ) {
        let text = if pack { packed(magic, &payload) } else { written(magic, &payload) };
        let _ = decode_checked(base, &text);
    }

    #[test]
    fn damaged_metadata_is_read_within_bounds_or_refused(
        seed in any::<u64>(),
        of_1000 in 0..1_000_u64,
        span in 2..6_000_u64,
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let settled = Dice(seed).settle(0, span, of_1000);
        let whole = BASE64_STANDARD.decode(encode(0, &settled, 4096).metadata).unwrap();
        let at = at.index(whole.len());
        let mut damaged = whole;
        if cut {
            damaged.truncate(at);
        } else {
            damaged[at] ^= with;
        }
        let _ = decode_checked(0, &BASE64_STANDARD.encode(damaged));
    }

    #[test]
    fn base64_is_accepted_as_the_original_accepts_it(text in "[Ab9+/=_ -]{0,9}") {
        // A bitset count of 3 in front, so that what follows does not matter if it is base64.
        let text = format!("bAAD{text}");
        prop_assert_eq!(decode(0, &text) != Err(DecodeError::NotBase64), is_base64_for_java(&text));
    }
}

/// The rules of Java's basic decoder: only the alphabet, then padding to a multiple of four, as much
/// as is missing or none at all.
fn is_base64_for_java(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let pads = text.len() - data.len();
    let of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let enough = data.len() % 4 != 1;
    let padded = pads == 0 || (pads < 3 && (data.len() + pads).is_multiple_of(4));
    data.bytes().all(of_alphabet) && enough && padded
}

#[test]
fn padding_and_loose_bits_do_not_matter() {
    for text in ["bgABAAE=", "bgABAAE", "bgABAAF="] {
        assert_eq!(decode(100, text), Ok(vec![101..102]), "{text}");
    }
    let bare = BASE64_STANDARD_NO_PAD.encode(*b"l\x00\x04\x0a");
    assert_eq!(decode(100, &bare), Ok(vec![101..102, 103..104]));
}

#[test]
fn a_bomb_is_refused() {
    for size in [MAX_UNPACKED_BYTES + 1, 94 << 20] {
        for magic in *b"asJp" {
            let bomb = packed(magic, &vec![0; size]);
            let Err(DecodeError::Zstd { reason }) = decode(0, &bomb) else { panic!("read") };
            assert!(reason.contains("too small"), "{reason}");
        }
    }
    assert_eq!(decode(0, &packed(b's', &vec![0; MAX_UNPACKED_BYTES])), Ok(vec![]));
}

#[test]
fn a_bomb_of_ranges_is_refused() {
    let mut bits = vec![0xAA; MAX_UNPACKED_BYTES];
    bits[..4].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(decode(0, &packed(b's', &bits)), Err(DecodeError::TooManyRanges));
    // The most that runs can describe in the most bytes is just allowed.
    let runs = [0, 1].repeat(MAX_UNPACKED_BYTES / 2);
    assert_eq!(decode(0, &packed(b'J', &runs)).map(|ranges| ranges.len()), Ok(MAX_RANGES));
}

#[test]
fn what_no_protocol_carries_is_refused_unread() {
    let longest = "A".repeat(MAX_METADATA_CHARS - 3);
    assert_eq!(decode(0, &longest), Err(DecodeError::UnknownMagic { magic: 0 }));
    let longer = "A".repeat(MAX_METADATA_CHARS + 1);
    assert_eq!(decode(0, &longer), Err(DecodeError::TooLong { chars: longer.len() }));
}

#[test]
fn a_count_or_run_that_claims_much_costs_nothing() {
    assert_eq!(decode(0, "b3////8="), Ok(vec![]));
    assert_eq!(decode(0, "ZX////8="), Ok(vec![]));
    let huge = [1, i32::MAX, 1, i32::MAX].map(i32::to_be_bytes).concat();
    let far = 1_i64 << 31;
    assert_eq!(decode(0, &written(b'e', &huge)), Ok(vec![1..far, far + 1..2 * far]));
}

#[test]
fn nothing_reaches_beyond_the_largest_offset() {
    let near = i64::MAX - 10;
    let runs = |runs: [i32; 2]| written(b'e', &runs.map(i32::to_be_bytes).concat());
    assert_eq!(decode(near, &runs([1, 9])), Ok(vec![near + 1..i64::MAX]));
    assert_eq!(decode(near, &runs([1, 10])), Err(DecodeError::Overflow));
    assert_eq!(decode(near, &runs([11, 1])), Err(DecodeError::Overflow));
    assert_eq!(decode(near, &written(b'l', b"\x00\x0c\xfe\x03")), Ok(vec![near + 1..i64::MAX]));
    assert_eq!(decode(near, &written(b'l', b"\x00\x0c\xfe\x07")), Err(DecodeError::Overflow));
}

#[test]
fn every_refusal_says_what_follows() {
    let refusals = [
        DecodeError::NotBase64,
        DecodeError::KafkaStreams { version: 1 },
        DecodeError::UnknownMagic { magic: 7 },
        DecodeError::ByteArray { magic: b'L' },
        DecodeError::TooLong { chars: 40_000 },
        DecodeError::Truncated,
        DecodeError::Zstd { reason: "Src size is incorrect" },
        DecodeError::NegativeLength { length: -1 },
        DecodeError::Overflow,
        DecodeError::BaseSettled,
        DecodeError::TooManyRanges,
    ];
    for refusal in refusals {
        let said = refusal.to_string();
        assert!(said.ends_with("the partition starts at its committed offset"), "{said}");
        assert!(said.starts_with("the c"), "{said}");
    }
}

/// What is packed when writing may be read back within the bounds on reading.
#[test]
fn the_densest_that_is_ever_packed_can_be_read() {
    let pairs = i64::try_from(MAX_PACK_BYTES * 4).unwrap();
    let settled = laid_out(0, &vec![(1, 1); usize::try_from(pairs).unwrap()]);
    let encoded = encode(0, &settled, 4096);
    assert_eq!(encoded.covered, 8 * (i64::try_from(MAX_PACK_BYTES).unwrap() - 5));
    let read = decode_checked(0, &encoded.metadata).unwrap();
    assert_eq!(read, settled[..read.len()]);
    assert_eq!(read.last().unwrap().end, encoded.covered);
}
