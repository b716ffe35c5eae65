//! What the tests share: fixtures, and a reader of its own that takes nothing from the code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::single_range_in_vec_init, reason = "lists of ranges are what this is about")]

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{Encoded, Offset, decode, encode};

mod golden;
mod hostile;
mod limits;
mod probes;
mod writing;

/// A file of `tests/fixtures/parallel-consumer/`.
fn fixture(name: &str) -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/parallel-consumer/");
    let text = std::fs::read_to_string(format!("{folder}{name}")).unwrap();
    let Value::Array(entries) = serde_json::from_str(&text).unwrap() else { panic!("not a list") };
    entries
}

/// A list of `[first, last]` pairs as ranges; none where it is not there.
fn inclusive(pairs: &Value) -> Vec<Range<Offset>> {
    let pairs = pairs.as_array().map_or(&[][..], Vec::as_slice);
    pairs.iter().map(|pair| pair[0].as_i64().unwrap()..pair[1].as_i64().unwrap() + 1).collect()
}

/// Sorted, those that touch or overlap joined, those below `from` or from `to` on cut off.
fn normal(mut ranges: Vec<Range<Offset>>, from: Offset, to: Offset) -> Vec<Range<Offset>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<Offset>> = Vec::new();
    for range in ranges {
        let range = range.start.max(from)..range.end.min(to);
        match joined.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Settled ranges above `base` from the lengths of their runs: unsettled, settled, by turns.
fn laid_out(base: Offset, runs: &[(i64, i64)]) -> Vec<Range<Offset>> {
    let mut at = base;
    let place = |&(unsettled, settled): &(i64, i64)| {
        let start = at + unsettled;
        at = start + settled;
        start..at
    };
    runs.iter().map(place).collect()
}

/// Numbers that look random and are always the same for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Settled offsets in a span, each with a chance of `of_1000`; the highest one always.
    fn settle(&mut self, base: Offset, span: u64, of_1000: u64) -> Vec<Range<Offset>> {
        let last = base + i64::try_from(span).unwrap() - 1;
        let settled = (base + 1..=last).filter(|&at| at == last || self.roll() % 1000 < of_1000);
        let single: Vec<_> = settled.map(|at| at..at + 1).collect();
        normal(single, base + 1, last + 1)
    }
}

/// The runs that a written string describes, as (length, settled), read the plainest way there is.
/// Panics where the string breaks a rule that a writer must keep to.
fn runs_written(metadata: &str) -> Vec<(u64, bool)> {
    let bytes = BASE64_STANDARD.decode(metadata).expect("standard base64 with padding");
    let (magic, body) = bytes.split_first().expect("a magic byte");
    let body = match magic {
        b'l' | b'o' | b'n' | b'e' => body.to_vec(),
        b'a' | b's' | b'J' | b'p' => {
            let frame = zstd::zstd_safe::find_frame_compressed_size(body).expect("a frame");
            assert_eq!(frame, body.len(), "one frame and nothing after it");
            assert_eq!(body[4] & 0x20, 0, "the frame names its window");
            assert!(10 + (body[5] >> 3) < 27, "the window is below 128 MiB");
            zstd::stream::decode_all(body).expect("a sound frame")
        }
        other => panic!("unknown magic byte {other}"),
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let runs: Vec<(u64, bool)> = match magic {
        b'l' | b'a' => bits_written(number(&body[..2]), &body[2..]),
        b'o' | b's' => bits_written(number(&body[..4]), &body[4..]),
        b'n' | b'J' => body.chunks(2).zip(0..).map(|(run, i)| (number(run), i % 2 == 1)).collect(),
        _ => body.chunks(4).zip(0..).map(|(run, i)| (number(run), i % 2 == 1)).collect(),
    };
    let first = runs.first().expect("a run");
    assert!(first.0 > 0 && !first.1, "the base is never marked settled");
    let last = runs.last().expect("a run");
    assert!(last.0 > 0 && last.1, "it ends on a settled offset");
    runs
}

fn bits_written(count: u64, bytes: &[u8]) -> Vec<(u64, bool)> {
    assert_eq!(bytes.len() as u64, count.div_ceil(8) + 1, "padded as the original pads");
    let bit = |i: u64| bytes[usize::try_from(i / 8).unwrap()] >> (i % 8) & 1 == 1;
    let mut runs: Vec<(u64, bool)> = Vec::new();
    for settled in (0..count).map(bit) {
        match runs.last_mut() {
            Some(run) if run.1 == settled => run.0 += 1,
            _ => runs.push((1, settled)),
        }
    }
    runs
}

/// Encodes, and checks all that must hold for any input: within the limit, by the writer's rules, and
/// reading back exactly what is settled below `covered`.
fn encode_checked(base: Offset, settled: &[Range<Offset>], limit: usize) -> Encoded {
    let encoded = encode(base, settled, limit);
    assert!(encoded.metadata.len() <= limit, "{} over {limit}", encoded.metadata.len());
    let described = normal(settled.to_vec(), base + 1, encoded.covered);
    assert_eq!(decode(base, &encoded.metadata), Ok(described.clone()));
    if encoded.metadata.is_empty() {
        assert!(described.is_empty());
        return encoded;
    }
    let mut at = base;
    let mut found = Vec::new();
    for (length, settled) in runs_written(&encoded.metadata) {
        let end = at + i64::try_from(length).unwrap();
        if settled {
            found.push(at..end);
        }
        at = end;
    }
    assert_eq!(normal(found, base, Offset::MAX), described);
    assert_eq!(at, encoded.covered, "it covers what it describes");
    encoded
}
