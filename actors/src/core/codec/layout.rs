//! The four layouts of a payload: bits or runs, each in two widths. How many bytes each takes, how
//! far it reaches in a given number of bytes, and writing it.

use crate::core::Offset;

use super::span::Span;

/// How the settled offsets are laid out in a payload, before any compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A bit for each offset after a count of 16 bits.
    BitSet,
    /// A bit for each offset after a count of 32 bits.
    BitSetV2,
    /// Run lengths of 16 bits.
    RunLength,
    /// Run lengths of 32 bits.
    RunLengthV2,
}

/// Whether a payload stands there as it is or in a zstd frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Zstd,
}

impl Layout {
    /// All of them, in the order in which ties are broken.
    pub const ALL: [Self; 4] = [Self::BitSet, Self::BitSetV2, Self::RunLength, Self::RunLengthV2];

    /// Those with a bit for each offset.
    pub const BITS: [Self; 2] = [Self::BitSet, Self::BitSetV2];

    /// The byte that stands before such a payload.
    pub fn magic(self, packing: Packing) -> u8 {
        match (self, packing) {
            (Self::BitSet, Packing::Plain) => b'l',
            (Self::BitSet, Packing::Zstd) => b'a',
            (Self::BitSetV2, Packing::Plain) => b'o',
            (Self::BitSetV2, Packing::Zstd) => b's',
            (Self::RunLength, Packing::Plain) => b'n',
            (Self::RunLength, Packing::Zstd) => b'J',
            (Self::RunLengthV2, Packing::Plain) => b'e',
            (Self::RunLengthV2, Packing::Zstd) => b'p',
        }
    }

    /// What the payload after this byte is, where the byte is one of this format's.
    pub fn of_magic(magic: u8) -> Option<(Self, Packing)> {
        let all = Self::ALL.into_iter();
        all.flat_map(|layout| [(layout, Packing::Plain), (layout, Packing::Zstd)])
            .find(|&(layout, packing)| layout.magic(packing) == magic)
    }

    /// The bytes of a count or a run.
    pub fn width(self) -> usize {
        match self {
            Self::BitSet | Self::RunLength => 2,
            Self::BitSetV2 | Self::RunLengthV2 => 4,
        }
    }

    /// The largest count or run: both are signed.
    fn largest(self) -> u64 {
        match self {
            Self::BitSet | Self::RunLength => i16::MAX.unsigned_abs().into(),
            Self::BitSetV2 | Self::RunLengthV2 => i32::MAX.unsigned_abs().into(),
        }
    }

    /// In how many pieces, with runs of zero between them, a run may be written. The original writes
    /// no run in pieces, so that its narrow layout is out where a run is too long. The wide one is
    /// all there is, and goes on.
    fn most_pieces(self) -> u64 {
        if self == Self::RunLengthV2 { u64::MAX } else { 1 }
    }

    /// The most offsets that bits can describe in a payload of `room` bytes: behind the count and
    /// before the byte of padding that the original writes.
    pub fn most_bits(self, room: usize) -> u64 {
        let bytes = room.saturating_sub(self.width() + 1) as u64;
        bytes.saturating_mul(8).min(self.largest())
    }

    /// The most pairs of runs that a payload of `room` bytes holds.
    pub fn most_run_pairs(self, room: usize) -> u64 {
        (room / (2 * self.width())) as u64
    }

    /// One past the last offset of the longest beginning of `span` that this layout describes in at
    /// most `room` bytes; the base where it can describe none.
    pub fn reach(self, span: &Span<'_>, room: usize) -> Offset {
        let reached = match self {
            Self::BitSet | Self::BitSetV2 => self.most_bits(room),
            Self::RunLength | Self::RunLengthV2 => self.reach_of_runs(span, room),
        };
        span.below(span.base.saturating_add_unsigned(reached)).end
    }

    /// How many offsets from the base runs in at most `room` bytes describe.
    fn reach_of_runs(self, span: &Span<'_>, room: usize) -> u64 {
        let mut left = (room / self.width()) as u64;
        let mut reached = 0;
        for (unsettled, settled) in span.run_pairs() {
            let before = self.runs_for(unsettled);
            if before.div_ceil(2) > self.most_pieces() || before >= left {
                break;
            }
            left -= before;
            let pieces = left.div_ceil(2).min(self.most_pieces());
            let fits = settled.min(pieces.saturating_mul(self.largest()));
            reached += unsettled + fits;
            if fits < settled {
                break;
            }
            left -= self.runs_for(settled);
        }
        reached
    }

    /// The number of runs that one of `length` is written as: its pieces, and a run of zero between
    /// each two.
    fn runs_for(self, length: u64) -> u64 {
        if length <= self.largest() {
            return 1; // Nearly always; the division below is what would take most of the time.
        }
        2 * length.div_ceil(self.largest()) - 1
    }

    /// The bytes of the payload that describes all of `span`, which must be within its reach.
    pub fn size(self, span: &Span<'_>) -> usize {
        match self {
            Self::BitSet | Self::BitSetV2 => self.width() + bytes_of_bits(span) + 1,
            Self::RunLength | Self::RunLengthV2 => {
                let runs = span.run_pairs().map(|(un, set)| self.runs_for(un) + self.runs_for(set));
                runs.fold(0, |size, runs| size + to_usize(runs) * self.width())
            }
        }
    }

    /// The payload that describes all of `span`, which must be within its reach.
    pub fn write(self, span: &Span<'_>) -> Vec<u8> {
        match self {
            Self::BitSet | Self::BitSetV2 => self.write_bits(span),
            Self::RunLength | Self::RunLengthV2 => self.write_runs(span),
        }
    }

    fn write_bits(self, span: &Span<'_>) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.size(span));
        self.push(&mut payload, span.len());
        let bits = payload.len();
        payload.resize(self.size(span), 0);
        for range in span.ranges() {
            set_bits(&mut payload[bits..], to_usize(range.start), to_usize(range.end));
        }
        payload
    }

    fn write_runs(self, span: &Span<'_>) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.size(span));
        for (unsettled, settled) in span.run_pairs() {
            self.push_run(&mut payload, unsettled);
            self.push_run(&mut payload, settled);
        }
        payload
    }

    fn push_run(self, payload: &mut Vec<u8>, mut length: u64) {
        while length > self.largest() {
            self.push(payload, self.largest());
            self.push(payload, 0);
            length -= self.largest();
        }
        self.push(payload, length);
    }

    /// Appends a count or a run, most significant byte first.
    fn push(self, payload: &mut Vec<u8>, number: u64) {
        let bytes = number.to_be_bytes();
        payload.extend_from_slice(&bytes[bytes.len() - self.width()..]);
    }
}

fn bytes_of_bits(span: &Span<'_>) -> usize {
    to_usize(span.len().div_ceil(8))
}

/// Numbers of bytes within some limit that was a `usize`; saturates for those that are not, which
/// fit into no limit either.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Sets the bits from `start` to before `end`: bit `i` is bit `i % 8` of byte `i / 8`.
fn set_bits(bytes: &mut [u8], start: usize, end: usize) {
    let (first, last) = (start / 8, (end - 1) / 8);
    let from_start = 0xFF << (start % 8);
    let to_end = 0xFF >> (7 - (end - 1) % 8);
    if first == last {
        bytes[first] |= from_start & to_end;
        return;
    }
    bytes[first] |= from_start;
    bytes[first + 1..last].fill(0xFF);
    bytes[last] |= to_end;
}
