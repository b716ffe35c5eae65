//! Choosing what to write: the encoding that describes the longest beginning of a span within the
//! room there is and, of those, the smallest.

use zstd::zstd_safe::CParameter;

use crate::core::Offset;

use super::MAX_PACK_BYTES;
use super::layout::{Layout, Packing};
use super::span::Span;

/// With a plain payload under this many bytes the original does not try to compress.
const PACK_FROM_BYTES: usize = 200;

/// A whole span that does not fit plainly is packed as a whole, before looking for a beginning that
/// fits, only while its payload is at most so many times the room: beyond that it hardly ever fits,
/// and the search gets there by itself where it does.
const WHOLE_AT_MOST: usize = 8;

/// The most payloads packed in search of the longest beginning that fits, for one layout. The size
/// is nearly proportional to the length, so that three or four are enough to come within a per cent.
pub(super) const MAX_TRIES: usize = 12;

/// The level of the original, and the shortest repetition it looks for. For short inputs zstd would
/// look for shorter ones, which makes bits with few gaps larger by 4 per cent. Levels that gain 7 per
/// cent on this take thirty times as long.
const ZSTD_LEVEL: i32 = 3;
const ZSTD_MIN_MATCH: u32 = 5;

/// An encoding that fits.
#[derive(Debug)]
pub(super) struct Chosen {
    pub magic: u8,
    pub payload: Vec<u8>,
    /// One past the last offset it describes.
    pub end: Offset,
}

/// The encoding with a payload of at most `room` bytes that describes the longest beginning of
/// `span`, and of those the smallest; none where nothing is settled or none fits.
pub(super) fn smallest(span: &Span<'_>, room: usize) -> Option<Chosen> {
    let plain = smallest_plain(span, room);
    let whole = plain.as_ref().is_some_and(|plain| plain.end == span.end);
    if span.end == span.base || (whole && plain.as_ref()?.payload.len() < PACK_FROM_BYTES) {
        return plain;
    }
    let Some(mut packer) = Packer::new(span, room) else {
        return plain;
    };
    Layout::ALL.into_iter().fold(plain, |best, layout| packer.better(layout, best))
}

fn smallest_plain(span: &Span<'_>, room: usize) -> Option<Chosen> {
    let mut best: Option<(Layout, Span<'_>, usize)> = None;
    for layout in Layout::ALL {
        let part = span.below(layout.reach(span, room));
        if part.end == span.base {
            continue;
        }
        let size = layout.size(&part);
        if best.is_none_or(|(_, so_far, least)| (part.end, least) > (so_far.end, size)) {
            best = Some((layout, part, size));
        }
    }
    best.map(|(layout, part, _)| Chosen {
        magic: layout.magic(Packing::Plain),
        payload: layout.write(&part),
        end: part.end,
    })
}

/// A beginning of the span, packed.
struct Packed {
    payload: Vec<u8>,
    end: Offset,
    /// The size of the payload before it was packed.
    plain: usize,
}

/// Tries out what zstd makes of a span.
struct Packer<'a> {
    zstd: zstd::bulk::Compressor<'static>,
    span: &'a Span<'a>,
    room: usize,
}

impl<'a> Packer<'a> {
    /// None where zstd has no memory for its tables: then it is done without.
    fn new(span: &'a Span<'a>, room: usize) -> Option<Self> {
        let mut zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok()?;
        zstd.set_parameter(CParameter::MinMatch(ZSTD_MIN_MATCH)).ok()?;
        // A frame without its size in the header is a byte shorter, and what the original writes.
        zstd.set_parameter(CParameter::ContentSizeFlag(false)).ok()?;
        Some(Self { zstd, span, room })
    }

    /// `best`, or what `layout` makes packed where that reaches further or takes fewer bytes.
    fn better(&mut self, layout: Layout, best: Option<Chosen>) -> Option<Chosen> {
        let reached = best.as_ref().map_or(self.span.base, |best| best.end);
        let top = layout.reach(self.span, MAX_PACK_BYTES);
        let packed = if reached == self.span.end {
            let least = best.as_ref().map_or(usize::MAX, |best| best.payload.len());
            self.whole(layout, top).filter(|packed| packed.payload.len() < least)
        } else {
            self.longest(layout, reached, top)
        };
        let packed = packed.map(|packed| Chosen {
            magic: layout.magic(Packing::Zstd),
            payload: packed.payload,
            end: packed.end,
        });
        packed.or(best)
    }

    /// The whole span packed, whatever its size, where the layout reaches so far.
    fn whole(&mut self, layout: Layout, top: Offset) -> Option<Packed> {
        if top == self.span.end { self.pack(layout, top) } else { None }
    }

    /// The longest beginning that fits when packed, of those that end after `reached` and not after
    /// `top`; none where not even the next one does, so that a layout which cannot win costs one try.
    fn longest(&mut self, layout: Layout, reached: Offset, top: Offset) -> Option<Packed> {
        if top <= reached {
            return None;
        }
        let mut fails = None;
        if top == self.span.end && layout.size(self.span) / WHOLE_AT_MOST <= self.room {
            let whole = self.pack(layout, top)?;
            if self.fits(&whole) {
                return Some(whole);
            }
            fails = Some(whole);
        }
        let next = self.span.next_end(reached).min(top);
        let fits = self.pack(layout, next).filter(|next| self.fits(next))?;
        Some(self.stretch(layout, fits, fails, top))
    }

    /// Moves on from a beginning that fits towards the longest that does: in doubling steps until
    /// one fails, then between the two, where the size should just be met.
    fn stretch(
        &mut self,
        layout: Layout,
        mut fits: Packed,
        mut fails: Option<Packed>,
        top: Offset,
    ) -> Packed {
        for _ in 0..MAX_TRIES {
            let size = match &fails {
                None => fits.plain * 2,
                Some(fails) => self.between(&fits, fails),
            };
            let first = self.span.next_end(fits.end);
            let end = layout.reach(self.span, size).max(first).min(top);
            if end <= fits.end || fails.as_ref().is_some_and(|fails| end >= fails.end) {
                break;
            }
            let Some(packed) = self.pack(layout, end) else {
                break;
            };
            if self.fits(&packed) {
                fits = packed;
            } else {
                fails = Some(packed);
            }
        }
        fits
    }

    /// The plain size whose packed size should be just the room, on the line between two tries.
    fn between(&self, fits: &Packed, fails: &Packed) -> usize {
        let slope = fails.payload.len() - fits.payload.len();
        let spare = self.room - fits.payload.len();
        let step = (fails.plain - fits.plain) as u64 * spare as u64 / slope as u64;
        fits.plain + usize::try_from(step).unwrap_or(0)
    }

    fn fits(&self, packed: &Packed) -> bool {
        packed.payload.len() <= self.room
    }

    fn pack(&mut self, layout: Layout, end: Offset) -> Option<Packed> {
        let plain = layout.write(&self.span.below(end));
        let payload = self.zstd.compress(&plain).ok()?;
        Some(Packed { payload, end, plain: plain.len() })
    }
}
