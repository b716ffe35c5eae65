//! Reading a payload, whoever wrote it: each number in it is checked before it is used, and nothing
//! is allocated by what a number claims.

use std::ops::Range;

use zstd::zstd_safe;

use crate::core::Offset;

use super::layout::{Layout, Packing};
use super::{DecodeError, MAX_RANGES, MAX_UNPACKED_BYTES};

/// The settled ranges that `payload` describes under this magic byte.
pub(super) fn settled(
    base: Offset,
    magic: u8,
    payload: &[u8],
) -> Result<Vec<Range<Offset>>, DecodeError> {
    let (layout, packing) = match (magic, Layout::of_magic(magic)) {
        (_, Some(known)) => known,
        (1 | 2, _) => return Err(DecodeError::KafkaStreams { version: magic }),
        (b'L' | 0xEE, _) => return Err(DecodeError::ByteArray { magic }),
        (magic, None) => return Err(DecodeError::UnknownMagic { magic }),
    };
    match packing {
        Packing::Plain => read(base, layout, payload),
        Packing::Zstd => read(base, layout, &unpack(payload)?),
    }
}

/// Unpacks frames one after the other into a buffer of [`MAX_UNPACKED_BYTES`], which the system
/// backs with memory only as far as it is written. Going straight into it, a frame needs no window
/// of its own, so that whatever size of window it asks for costs nothing.
fn unpack(payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::with_capacity(MAX_UNPACKED_BYTES);
    match zstd_safe::decompress(&mut plain, payload) {
        Ok(_) => Ok(plain),
        Err(code) => Err(DecodeError::Zstd { reason: zstd_safe::get_error_name(code) }),
    }
}

fn read(base: Offset, layout: Layout, payload: &[u8]) -> Result<Vec<Range<Offset>>, DecodeError> {
    match layout {
        Layout::BitSet | Layout::BitSetV2 => read_bits(base, layout.width(), payload),
        Layout::RunLength => {
            let runs = payload.as_chunks().0.iter();
            read_runs(base, runs.map(|run| i16::from_be_bytes(*run).into()))
        }
        Layout::RunLengthV2 => {
            let runs = payload.as_chunks().0.iter();
            read_runs(base, runs.map(|run| i32::from_be_bytes(*run)))
        }
    }
}

/// Bits after a count of `width` bytes. Bits past the count are ignored, missing ones are unsettled.
fn read_bits(
    base: Offset,
    width: usize,
    payload: &[u8],
) -> Result<Vec<Range<Offset>>, DecodeError> {
    let (count, bytes) = payload.split_at_checked(width).ok_or(DecodeError::Truncated)?;
    let count = match *count {
        [high, low] => i32::from(i16::from_be_bytes([high, low])),
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]),
        _ => unreachable!("a count is 2 or 4 bytes wide"),
    };
    let count = i64::from(not_negative(count)?);
    let mut ranges = Ranges::above(base);
    for (first, &byte) in (0..count).step_by(8).zip(bytes) {
        let mut bits = match count - first {
            left @ ..8 => byte & ((1 << left) - 1),
            _ => byte,
        };
        while bits != 0 {
            let start = bits.trailing_zeros();
            let end = start + (bits >> start).trailing_ones();
            ranges.add(base, first + i64::from(start), first + i64::from(end))?;
            bits &= u8::MAX.checked_shl(end).unwrap_or(0);
        }
    }
    Ok(ranges.found)
}

/// Runs, by turns unsettled and settled. Those of no offsets are allowed, and join their neighbours.
fn read_runs(
    base: Offset,
    runs: impl Iterator<Item = i32>,
) -> Result<Vec<Range<Offset>>, DecodeError> {
    let mut ranges = Ranges::above(base);
    let mut start = base;
    for (turn, run) in runs.enumerate() {
        let run = i64::from(not_negative(run)?);
        if turn % 2 == 1 {
            ranges.add(start, 0, run)?;
        }
        start = start.checked_add(run).ok_or(DecodeError::Overflow)?;
    }
    Ok(ranges.found)
}

fn not_negative(length: i32) -> Result<i32, DecodeError> {
    if length < 0 { Err(DecodeError::NegativeLength { length }) } else { Ok(length) }
}

/// Collects settled ranges in ascending order, joining those that touch.
struct Ranges {
    base: Offset,
    found: Vec<Range<Offset>>,
}

impl Ranges {
    fn above(base: Offset) -> Self {
        Self { base, found: Vec::new() }
    }

    /// Adds the offsets that lie from `start` to before `end` behind `origin`.
    fn add(&mut self, origin: Offset, start: i64, end: i64) -> Result<(), DecodeError> {
        if start == end {
            return Ok(());
        }
        let end = origin.checked_add(end).ok_or(DecodeError::Overflow)?;
        let start = origin.checked_add(start).ok_or(DecodeError::Overflow)?;
        if start <= self.base {
            return Err(DecodeError::BaseSettled);
        }
        let full = self.found.len() == MAX_RANGES;
        match self.found.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ if full => return Err(DecodeError::TooManyRanges),
            _ => self.found.push(start..end),
        }
        Ok(())
    }
}
