//! One partition on the poll thread: its queue, what of it is to be delivered, and how much.

mod stay;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use rdkafka::types::RDKafkaErrorCode;

use self::stay::Stay;
use super::lane_names::LaneNames;
use super::native::{Fetched, PartitionQueue};
use crate::assignment::{Assignment, Taken};
use crate::core::intake::Admission;
use crate::core::ledger::Start;
use crate::core::{Epoch, Offset};
use crate::record::Record;

pub(crate) struct Partition<S = PartitionQueue> {
    /// The group has asked for it back: nothing more is taken.
    pub(crate) draining: bool,
    queue: S,
    stay: Stay,
    /// Stays that ended because the log went back, and of which records may still be held.
    former: Vec<Arc<Assignment>>,
}

/// What a slice came to.
#[derive(Default)]
pub(crate) struct Slice {
    /// Nothing was in the queue; the bell rings when there is.
    pub(crate) empty: bool,
    /// Records that are new.
    pub(crate) received: u64,
    /// Records that were settled before this stay.
    pub(crate) skipped: u64,
    /// Stays that ended because the log went back, each with the one that follows.
    pub(crate) rewound: Vec<(Arc<Assignment>, Arc<Assignment>)>,
    /// Where the stay was to begin, and the later offset at which it did.
    pub(crate) gap: Option<Range<Offset>>,
    /// Where the log is to be read again from: records below the place where it goes on were not
    /// settled by the stay that ended.
    pub(crate) seek: Option<Offset>,
    /// The last thing that librdkafka refused.
    pub(crate) error: Option<RDKafkaErrorCode>,
    taken: Taken,
}

/// Where a partition's records come from.
pub(crate) trait Source {
    /// As [`PartitionQueue::take`].
    fn take(&mut self, most: usize, each: impl FnMut(Fetched<'_>) -> bool) -> usize;
}

impl Source for PartitionQueue {
    fn take(&mut self, most: usize, each: impl FnMut(Fetched<'_>) -> bool) -> usize {
        Self::take(self, most, each)
    }
}

/// Where a slice puts its records and gets what it needs.
pub(crate) trait World {
    fn lane_names(&self) -> &LaneNames;
    /// A new stay of the partition of `old`.
    fn renew(&mut self, old: &Assignment) -> Arc<Assignment>;
    fn deliver(&mut self, record: Record);
}

impl<S: Source> Partition<S> {
    pub(crate) fn new(assignment: Arc<Assignment>, queue: S, lanes: u64, start: &Start) -> Self {
        let stay = Stay::new(assignment, lanes, start);
        Self { draining: false, queue, stay, former: Vec::new() }
    }

    pub(crate) fn assignment(&self) -> &Arc<Assignment> {
        &self.stay.assignment
    }

    /// Its stays: the present one, and former ones of which records are still held.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = Epoch> {
        let held = self.former.iter().filter(|former| former.held_records() > 0);
        held.chain([&self.stay.assignment]).map(|assignment| assignment.epoch())
    }

    pub(crate) fn drop_stash(&mut self) -> usize {
        self.stay.drop_stash()
    }

    /// The offset after the last that was taken from the queue.
    pub(crate) fn next(&self) -> Option<Offset> {
        self.stay.next()
    }

    /// How many records like this wait for the span.
    pub(crate) fn stashed(&self, is: impl Fn(&Record) -> bool) -> usize {
        self.stay.stashed(is)
    }

    /// How much might be taken. Nothing is marked.
    pub(crate) fn outlook(&self) -> Admission {
        self.stay.admission()
    }

    /// How much may be taken. Where nothing may, the partition is marked as resting, and whoever
    /// makes room rings the bell.
    pub(crate) fn admission(&self) -> Admission {
        let assignment = &self.stay.assignment;
        let rest = match self.stay.admission() {
            Admission::Rest(rest) => rest,
            take @ Admission::Take(_) => {
                assignment.rise();
                return take;
            }
        };
        self.stay.lie_down(rest);
        // Room made between the look and the mark rang no bell, so look again; who wakes it first is
        // the one to act.
        match self.stay.admission() {
            take @ Admission::Take(_) if assignment.unrest() => {
                assignment.rise();
                take
            }
            _ => Admission::Rest(rest),
        }
    }

    /// Takes up to `most` records and delivers, in order, those that are new.
    pub(crate) fn take(&mut self, most: usize, world: &mut impl World) -> Slice {
        let mut slice = Slice::default();
        if self.stay.stash.is_empty() {
            let taken = self.queue.take(most, |fetched| {
                self.stay.fetched(&fetched, &mut slice, world);
                // They may be larger than those before them, by whose size `most` was reckoned.
                slice.seek.is_none() && matches!(self.stay.admission(), Admission::Take(_))
            });
            slice.empty = taken == 0;
        } else {
            // Room was given for what is stashed; what the queue has is asked for anew.
            self.stay.unstash(&mut slice, world);
        }
        self.stay.hand_in(&mut slice);
        self.former.retain(|former| former.held_records() > 0);
        self.former.extend(slice.rewound.iter().map(|(old, _)| Arc::clone(old)));
        slice
    }
}
