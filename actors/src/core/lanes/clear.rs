//! How lanes are emptied, and how memory is given back.

use std::cmp::Reverse;

use super::fifo::Block;
use super::{Entry, Item, Lane, Lanes, State};
use crate::core::LaneId;
use crate::core::destinations::DestinationId;

/// Capacity below which memory is not given back.
const KEPT: usize = 1024;

impl<T: Item> Lanes<T> {
    /// Takes out everything queued that is not to be kept, from all lanes, in order within a lane. Of
    /// the items of an epoch, only those that are between two requests may be kept without the others.
    ///
    /// Visits every lane and every queued item. A lane that waited for an item that went, or for the
    /// destination of it, is ready: all items of a lane that were ever attempted are of one epoch
    /// and went together, and one between two requests is the first of its lane. The destinations'
    /// queues are to be told.
    pub(in crate::core) fn retain(
        &mut self,
        mut keep: impl FnMut(&Entry<T>) -> bool,
        mut removed: impl FnMut(T),
    ) {
        let queued = &mut self.queued;
        let mut ready = Vec::new();
        self.all.retain(|id, lane| {
            let head_went = queued.retain(&mut lane.fifo, &mut keep, |entry| removed(entry.item));
            let open = !matches!(lane.state, State::Sending { .. } | State::Lettering { .. });
            if open && lane.fifo.is_empty() {
                return false;
            }
            let of_head = matches!(lane.state, State::Waiting | State::Held | State::Queued(_));
            if head_went && of_head {
                lane.state = State::Ready;
                ready.push(*id);
            }
            true
        });
        let lanes = &self.all;
        let state = |id: &LaneId| lanes.get(id).map(|lane| lane.state);
        self.ready.retain(|id| lanes.contains_key(id));
        self.waiting.retain(|Reverse(wait)| matches!(state(&wait.lane), Some(State::Waiting)));
        self.held.retain(|id| matches!(state(id), Some(State::Held)));
        // The map's order is nobody's business: the same history is to give the same future.
        ready.sort_unstable();
        for id in ready {
            self.ready.goes_on(id);
        }
        self.trim();
    }

    /// Whether a lane waits for this destination, or for a place for one.
    pub(in crate::core) fn is_queued(&self, id: LaneId, to: Option<DestinationId>) -> bool {
        matches!(self.all.get(&id), Some(Lane { state: State::Queued(at), .. }) if *at == to)
    }

    /// Gives memory back once most of it stays unused after a burst.
    pub(super) fn trim(&mut self) {
        let sparse = |used: usize, held: usize| held > KEPT && used < held / 8;
        if !sparse(self.all.len(), self.all.capacity())
            && !sparse(self.queued.len(), self.queued.slots())
        {
            return;
        }
        let room = |used: usize| (used * 2).max(KEPT / 2);
        let mut packed = Block::with_capacity(room(self.queued.len()));
        for lane in self.all.values_mut() {
            self.queued.move_to(&mut lane.fifo, &mut packed);
        }
        self.queued = packed;
        self.all.shrink_to(room(self.all.len()));
        self.ready.shrink(room);
        self.waiting.shrink_to(room(self.waiting.len()));
    }
}
