//! What is settled in one stay (epoch) of one partition, and what may therefore be committed.
//!
//! It keeps the *pending* offsets, those given out and not settled: whatever else lies below the
//! next offset is settled or was never in the log. So its memory follows the records held, which
//! the budget bounds, and not the span of offsets between the oldest of them and the newest.
//!
//! It does not know what was committed beyond what it is told: a snapshot counts only once it is
//! acknowledged, and an acknowledged snapshot leaves the ledger clean only if nothing changed since.

mod pending;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::Range;

use self::pending::Pending;
use crate::core::{Offset, codec};

/// Where a stay begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At an offset that the group has committed.
    At {
        /// The committed offset: the first that may still be unsettled.
        base: Offset,
        /// What the commit's metadata says is settled above it: ascending, disjoint, not empty,
        /// each above `base`.
        settled: Vec<Range<Offset>>,
    },
    /// Nothing is committed: the first offset that is taken, or skipped to, is the base.
    Unknown,
}

/// What becomes of an offset that Kafka delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is pending now: deliver its record.
    Deliver,
    /// An earlier stay settled it: its record is not to be delivered again.
    AlreadySettled,
    /// It lies below what was already passed: the topic was deleted and made again, or its log was
    /// truncated. The ledger is unchanged and speaks of another log; close it and open a new epoch,
    /// or an old offset is committed onto the new log.
    Behind,
}

/// What a ledger says of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Kafka may still deliver it.
    ToCome,
    /// It was given out and is not settled.
    Pending,
    /// It is settled, by this stay or an earlier one, or was not in the log.
    Settled,
}

/// What to commit, taken at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The offset to commit: everything below it is settled.
    pub offset: Offset,
    /// The metadata to commit with it: what is settled above `offset`, as far as the limit lets it.
    pub metadata: String,
    /// The end of what `metadata` tells: a restart delivers again every record from here on.
    pub covered: Offset,
    /// How many offsets are settled at or above `covered`: what a restart would deliver again only
    /// because the limit left it out.
    pub uncovered: u64,
    /// Which state of the ledger this is; for [`Ledger::acknowledge`].
    pub version: u64,
}

/// The ledger. See the head of this file.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// One above the highest offset passed; none until the start is known.
    next: Option<Offset>,
    /// Given out and not settled; all below `next`.
    pending: Pending,
    /// Settled by an earlier stay. What of it lies below `next` has no meaning any more.
    resumed: VecDeque<Range<Offset>>,
    /// Counts the changes of what there is to commit.
    version: u64,
    /// The version that the broker has.
    acknowledged: u64,
}

impl Ledger {
    /// A ledger at the beginning of a stay. It is clean: there is nothing to commit yet.
    #[must_use]
    pub fn new(start: Start) -> Self {
        let (next, resumed) = match start {
            Start::At { base, settled } => (Some(base), settled.into()),
            Start::Unknown => (None, VecDeque::new()),
        };
        Self { next, resumed, pending: Pending::default(), version: 0, acknowledged: 0 }
    }

    /// Enters an offset that Kafka delivered. Those between it and the one before were not in the
    /// log (compaction, transaction markers) and count as settled.
    #[inline]
    pub fn take(&mut self, offset: Offset) -> Taken {
        if self.next != Some(offset) && !self.jump_to(offset) {
            return Taken::Behind;
        }
        self.next = Some(offset.saturating_add(1));
        if !self.resumed.is_empty() && self.is_resumed(offset) {
            return Taken::AlreadySettled;
        }
        self.pending.push(offset);
        Taken::Deliver
    }

    /// Enters that the log was read up to `offset`: nothing below it is still to come. Offsets
    /// already passed are passed: an `offset` below [`Ledger::next`] changes nothing.
    pub fn skip_to(&mut self, offset: Offset) {
        self.jump_to(offset);
    }

    /// Enters that the log ends at `end`, so that nothing at or above it can have been settled: an
    /// earlier stay spoke of another log, or of a part that was truncated. Forgets what is said of
    /// it (the records to come there are delivered) and answers how many offsets that were.
    pub fn forget_from(&mut self, end: Offset) -> u64 {
        let end = self.next.map_or(end, |next| end.max(next));
        let mut forgotten = 0;
        while let Some(last) = self.resumed.pop_back_if(|last| last.end > end) {
            forgotten += length(&(last.start.max(end)..last.end));
            if last.start < end {
                self.resumed.push_back(last.start..end);
            }
        }
        self.version += u64::from(forgotten > 0);
        forgotten
    }

    /// Enters that the outcome of a record is final. False if its offset is not pending.
    #[inline]
    pub fn settle(&mut self, offset: Offset) -> bool {
        let settled = self.pending.remove(offset);
        self.version += u64::from(settled);
        settled
    }

    /// The offset to commit: the lowest one that is not settled. None until the start is known.
    #[must_use]
    pub fn base(&self) -> Option<Offset> {
        if let Some(lowest) = self.pending.lowest() {
            return Some(lowest);
        }
        let mut base = self.next?;
        for range in &self.resumed {
            if base < range.start {
                break;
            }
            base = base.max(range.end);
        }
        Some(base)
    }

    /// What is known of an offset.
    #[must_use]
    pub fn whereabouts(&self, offset: Offset) -> Whereabouts {
        if self.pending.contains(offset) {
            Whereabouts::Pending
        } else if self.next.is_some_and(|next| offset < next)
            || self.resumed.iter().any(|range| range.contains(&offset))
        {
            Whereabouts::Settled
        } else {
            Whereabouts::ToCome
        }
    }

    /// How many offsets were given out and are not settled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The lowest offset that was given out and is not settled.
    #[must_use]
    pub fn lowest_pending(&self) -> Option<Offset> {
        self.pending.lowest()
    }

    /// The lowest offset that Kafka may still deliver. None until the start is known.
    #[must_use]
    pub fn next(&self) -> Option<Offset> {
        self.next
    }

    /// The settled offsets above the base: ascending ranges that do not touch, the base in none of
    /// them. What an earlier stay settled is among them, also where it was not reached yet.
    #[must_use]
    pub fn settled_above_base(&self) -> Vec<Range<Offset>> {
        let (Some(base), Some(next)) = (self.base(), self.next) else {
            return Vec::new();
        };
        let mut settled: Vec<Range<Offset>> = Vec::new();
        let mut from = base;
        for run in self.pending.runs() {
            append(&mut settled, from..run.start);
            from = run.end;
        }
        append(&mut settled, from..next);
        for range in &self.resumed {
            append(&mut settled, range.start.max(next).max(base)..range.end);
        }
        settled
    }

    /// What to commit now, its metadata at most `limit` characters. None until the start is known.
    #[must_use]
    pub fn snapshot(&self, limit: usize) -> Option<Snapshot> {
        let offset = self.base()?;
        let settled = self.settled_above_base();
        let codec::Encoded { metadata, covered } = codec::encode(offset, &settled, limit);
        let uncovered =
            settled.iter().map(|range| length(&(range.start.max(covered)..range.end))).sum();
        Some(Snapshot { offset, metadata, covered, uncovered, version: self.version })
    }

    /// Enters that the broker acknowledged the snapshot of this version.
    pub fn acknowledge(&mut self, version: u64) {
        self.acknowledged = self.acknowledged.max(version);
    }

    /// Whether there is anything to commit that the broker has not acknowledged.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.acknowledged < self.version
    }

    /// Moves `next` forward to `offset`; false if that lies behind it. What is between was not in
    /// the log, or was settled before: only the former changes what there is to commit.
    #[cold]
    fn jump_to(&mut self, offset: Offset) -> bool {
        let mut from = match self.next {
            Some(next) if offset < next => return false,
            Some(next) => next,
            None => {
                self.version += 1;
                offset
            }
        };
        let mut changed = false;
        while let Some(range) = self.resumed.front().filter(|range| range.start < offset) {
            changed |= from < range.start;
            from = from.max(range.end);
            if range.end > offset {
                break;
            }
            self.resumed.pop_front();
        }
        changed |= from < offset;
        self.version += u64::from(changed);
        self.next = Some(offset);
        true
    }

    /// Whether an earlier stay settled `offset`, the one just passed. Drops what lies behind it.
    fn is_resumed(&mut self, offset: Offset) -> bool {
        while self.resumed.pop_front_if(|range| range.end <= offset).is_some() {}
        self.resumed.front().is_some_and(|range| range.contains(&offset))
    }
}

/// How many offsets a range holds.
fn length(range: &Range<Offset>) -> u64 {
    u64::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)
}

/// Appends a range that lies behind all others; one that touches the last becomes part of it, an
/// empty one is left out.
fn append(ranges: &mut Vec<Range<Offset>>, range: Range<Offset>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}
