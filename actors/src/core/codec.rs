//! Commit metadata: which offsets above the committed one are settled, written into the commit.
//!
//! The format is that of Confluent Parallel Consumer, both ways: what it writes is read here, and
//! what is written here is read there, so a group moves between the two programs without a record
//! being sent again. The smallest encoding is written; where nothing fits into the limit, the longest
//! beginning that does. Whatever is read is read in bounded memory and time, or refused.
//!
//! Pure functions: no I/O, no clock, the same input always gives the same string.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::core::Offset;

mod choose;
mod error;
mod layout;
mod read;
mod span;

#[cfg(test)]
mod tests;

pub use error::DecodeError;

use span::Span;

/// The longest metadata, in characters, that is written or read: Kafka's protocol gives the length
/// of this string 16 bits with a sign and can carry none longer.
pub const MAX_METADATA_CHARS: usize = 32_767;

/// The most bytes a zstd payload may unpack to. A payload this long describes 33 million offsets as
/// bits or 500,000 settled ranges as runs, far beyond what a consumer holds; the few thousand
/// characters of a commit could otherwise unpack to hundreds of megabytes.
pub const MAX_UNPACKED_BYTES: usize = 4 << 20;

/// The most settled ranges one metadata may describe: 16 MiB of memory once read. A bitset that
/// alternates takes 64 bytes of ranges for each of its own, so the bound on bytes alone is not enough.
pub const MAX_RANGES: usize = 1 << 20;

/// The longest payload handed to zstd when writing. It bounds the time one commit can take, and is
/// small enough that no result passes [`MAX_UNPACKED_BYTES`] or [`MAX_RANGES`] when read back.
pub const MAX_PACK_BYTES: usize = 256 << 10;

/// Standard alphabet, written with padding. Read as the original reads it: padding may be left out,
/// and bits beyond the last byte are ignored.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What [`encode`] wrote, and how much of what is settled it describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The string to commit; empty where there is nothing to say, or no room to say it.
    pub metadata: String,
    /// Every settled offset below this one is described by `metadata`, none at or above it is: one
    /// past the last described offset, or the base where nothing is described.
    pub covered: Offset,
}

/// Writes what is settled above `base`, the offset to be committed, in at most `limit` characters.
///
/// `settled` is sorted, its ranges are disjoint, not adjacent and not empty, and all of them start
/// above `base`, which is itself unsettled (else it would not be the one to commit).
///
/// The smallest encoding of the whole is written. Between encodings of the same number of bytes the
/// choice is fixed: plain before compressed, and then `BitSet`, `BitSetV2`, `RunLength`,
/// `RunLengthV2`. Compressed ones are tried only when no plain payload is under 200 bytes, as the
/// original does, or when none fits.
///
/// Where the whole does not fit, the longest beginning that does is written, ending on a settled
/// offset: a later reader replays only what is settled beyond it. Among plain encodings it is the
/// longest there is; with compression, whose size only a try tells, it is approached in a bounded
/// number of tries, and may fall short of it by a per cent or so.
#[must_use]
pub fn encode(base: Offset, settled: &[Range<Offset>], limit: usize) -> Encoded {
    debug_assert!(settled.first().is_none_or(|first| first.start > base), "the base is unsettled");
    debug_assert!(settled.windows(2).all(|pair| pair[0].end < pair[1].start), "apart, in order");
    debug_assert!(settled.iter().all(|range| range.start < range.end), "no range is empty");
    let chosen = choose::smallest(&Span::new(base, settled), payload_room(limit));
    let Some(chosen) = chosen else {
        return Encoded { metadata: String::new(), covered: base };
    };
    let bytes = [&[chosen.magic], chosen.payload.as_slice()].concat();
    Encoded { metadata: BASE64.encode(bytes), covered: chosen.end }
}

/// Reads the metadata that was committed with `base`: the settled ranges above it, sorted, disjoint
/// and not adjacent. Nothing is settled where the string is empty or says "nothing".
///
/// # Errors
/// Whatever cannot be read, or not within [`MAX_METADATA_CHARS`], [`MAX_UNPACKED_BYTES`] and
/// [`MAX_RANGES`]. Nothing of it is used then: the partition starts at its committed offset.
pub fn decode(base: Offset, metadata: &str) -> Result<Vec<Range<Offset>>, DecodeError> {
    if metadata.is_empty() {
        return Ok(Vec::new());
    }
    if metadata.len() > MAX_METADATA_CHARS {
        return Err(DecodeError::TooLong { chars: metadata.len() });
    }
    if metadata.ends_with('=') && !metadata.len().is_multiple_of(4) {
        return Err(DecodeError::NotBase64); // Padding left out in part: the string was cut.
    }
    let bytes = BASE64.decode(metadata).map_err(|_| DecodeError::NotBase64)?;
    let (&magic, payload) = bytes.split_first().ok_or(DecodeError::NotBase64)?;
    read::settled(base, magic, payload)
}

/// The largest span (offsets from the base to the highest settled one, both included) that always
/// fits into `limit` characters, whatever is settled in it: a bit for each offset. At least 1, the
/// base alone, which takes no characters.
#[must_use]
pub fn guaranteed_span(limit: usize) -> u64 {
    layout::Layout::BITS.iter().map(|bits| bits.most_bits(payload_room(limit))).fold(1, u64::max)
}

/// The largest number of unsettled offsets from the base (counted too) to the highest settled one
/// that always fits into `limit` characters, however many settled ones lie between them.
///
/// Each makes at most one unsettled and one settled run, of 32 bits each. That holds for spans of
/// up to 2^31 - 1 offsets, the longest run there is; a longer run is written in pieces, and each
/// further 2^31 - 1 offsets of span take the room of one unsettled offset.
#[must_use]
pub fn guaranteed_unsettled(limit: usize) -> u64 {
    layout::Layout::RunLengthV2.most_run_pairs(payload_room(limit))
}

/// The payload bytes that fit into `limit` characters of base64 next to the magic byte.
fn payload_room(limit: usize) -> usize {
    (limit.min(MAX_METADATA_CHARS) / 4 * 3).saturating_sub(1)
}
