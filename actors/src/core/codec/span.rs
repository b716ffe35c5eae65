//! What is to be described: the settled offsets from a base up to some end.

use std::ops::Range;

use crate::core::Offset;

/// The settled ranges above `base` and below `end`.
///
/// `end` is one past a settled offset, or the base where nothing is settled; it may lie within a
/// range, which is then described up to there. So a span never ends on an unsettled offset, which
/// the original would take for settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub base: Offset,
    pub end: Offset,
    settled: &'a [Range<Offset>],
}

impl<'a> Span<'a> {
    /// Everything in `settled`.
    pub fn new(base: Offset, settled: &'a [Range<Offset>]) -> Self {
        let end = settled.last().map_or(base, |last| last.end);
        Self { base, end, settled }
    }

    /// The number of offsets, the base included.
    pub fn len(&self) -> u64 {
        self.end.abs_diff(self.base)
    }

    /// The part of this span below `end`, which is cut back to one past a settled offset.
    pub fn below(&self, end: Offset) -> Self {
        let kept = self.settled.partition_point(|range| range.start < end);
        let settled = &self.settled[..kept];
        let end = settled.last().map_or(self.base, |last| last.end.min(end).min(self.end));
        Self { base: self.base, end, settled }
    }

    /// The next place after `end` where a beginning of this span may reasonably end: where a settled
    /// range does.
    pub fn next_end(&self, end: Offset) -> Offset {
        let next = self.settled.partition_point(|range| range.end <= end);
        self.settled.get(next).map_or(self.end, |range| range.end.min(self.end))
    }

    /// The settled ranges, each as its distances from the base.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.settled.iter().map(|range| {
            range.start.abs_diff(self.base)..range.end.min(self.end).abs_diff(self.base)
        })
    }

    /// The lengths of its runs: pairs of an unsettled run and the settled one after it.
    pub fn run_pairs(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut at = 0;
        self.ranges().map(move |range| {
            let unsettled = range.start - at;
            at = range.end;
            (unsettled, range.end - range.start)
        })
    }
}
