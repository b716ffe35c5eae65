//! A question that goes round the senders of an arbiter, and what was found for it so far.
//!
//! What a sender has in hand is with nobody else. So each that has something is asked to tell of it,
//! which it does the next time it runs, before anything of it can end: what is found is as it was
//! when the round began. Each of them holds the round until it has told; when the last lets go, the
//! answer leaves. It costs a sender that is not asked nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::core::longest::Longest;
use crate::core::{Epoch, LaneId, Moment, Offset};
use crate::explain::{Found, Inspect, Inspected, Lane, LaneRank, LaneState, TakenAt, Wanted};
use crate::record::Record;

/// See the head of this file.
pub(crate) struct Round {
    pub(super) wanted: Arc<Wanted>,
    pub(super) taken: Arc<TakenAt>,
    /// When it began, by the arbiter's clock and by the system's.
    pub(super) now: Moment,
    pub(super) at: Instant,
    inspected: RefCell<Inspected>,
    /// Where something was found of which the lane itself is not known yet: at most one a stay.
    lacking: RefCell<BTreeSet<(LaneId, Epoch)>>,
    longest: RefCell<Longest<LaneRank, Lane>>,
    reply: Option<oneshot::Sender<Inspected>>,
}

impl Round {
    pub(super) fn new(inspect: Inspect, now: Moment) -> Self {
        let most = match &*inspect.wanted {
            Wanted::Longest { limit, .. } => *limit,
            Wanted::Record { .. } | Wanted::Key { .. } => 0,
        };
        Self {
            wanted: inspect.wanted,
            taken: inspect.taken,
            now,
            at: Instant::now(),
            inspected: RefCell::default(),
            lacking: RefCell::default(),
            longest: Longest::new(most).into(),
            reply: Some(inspect.reply),
        }
    }

    /// Where in the order of lanes one belongs whose first record is this.
    pub(super) fn rank(&self, epoch: Epoch, offset: Offset) -> LaneRank {
        let taken = self.taken.of(epoch, offset);
        LaneRank { unknown: taken.is_none(), taken, offset, epoch }
    }

    /// Whether lanes of this state are asked for.
    pub(super) fn is_about(&self, state: LaneState) -> bool {
        match &*self.wanted {
            Wanted::Longest { state: asked, .. } => asked.is_none_or(|asked| asked == state),
            Wanted::Record { .. } | Wanted::Key { .. } => false,
        }
    }

    /// Whether this record is asked for.
    pub(super) fn is_wanted(&self, record: &Record) -> bool {
        self.wanted.has(record.assignment().epoch(), record.offset(), record.key())
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Inspected)) {
        note(&mut self.inspected.borrow_mut());
    }

    /// Keeps a lane if it is among those that have waited longest.
    pub(super) fn offer(&self, rank: LaneRank, lane: impl FnOnce() -> Option<Lane>) {
        let mut longest = self.longest.borrow_mut();
        if longest.wants(&rank)
            && let Some(lane) = lane()
        {
            longest.offer(rank, lane);
        }
    }

    /// Whether something was found in this lane of which the lane itself is not known yet.
    pub(super) fn lacks(&self, lane: LaneId) -> bool {
        self.lacking.borrow().range(all_of(lane)).next().is_some()
    }

    /// This is the lane in which something was found.
    pub(super) fn complete(&self, id: LaneId, lane: &Lane) {
        let (mut inspected, mut lacking) = (self.inspected.borrow_mut(), self.lacking.borrow_mut());
        for (_, epoch) in lacking.extract_if(all_of(id), |_| true) {
            // Something before it may have been found meanwhile, in another lane.
            if let Some(found) = inspected.found.get_mut(&epoch).filter(|it| it.lane_id == id) {
                found.lane.get_or_insert_with(|| lane.clone());
            }
        }
    }

    /// Records that were asked for were found.
    pub(super) fn found(&self, found: Found) {
        if found.lane.is_none() {
            self.lacking.borrow_mut().insert((found.lane_id, found.epoch));
        }
        self.inspected.borrow_mut().add(found);
    }
}

/// What may lack in a lane, of whatever stay.
fn all_of(lane: LaneId) -> RangeInclusive<(LaneId, Epoch)> {
    (lane, Epoch(u64::MIN))..=(lane, Epoch(u64::MAX))
}

impl Drop for Round {
    fn drop(&mut self) {
        let mut inspected = self.inspected.take();
        let longest = self.longest.replace(Longest::new(0));
        inspected.lanes = longest.into_sorted().collect();
        if let Some(reply) = self.reply.take() {
            // Whoever asked may have gone.
            let _ = reply.send(inspected);
        }
    }
}
