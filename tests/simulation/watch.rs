//! The lanes of one arbiter, as a naive queue each: what is sent is what is first.

use std::collections::{HashMap, VecDeque};

use keyway_actors::core::lanes::Entry;
use keyway_actors::core::{Epoch, LaneId};

use crate::check::Check;
use crate::mail::Record;

#[derive(Debug, Default)]
pub struct Watch {
    lanes: HashMap<LaneId, Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<(Epoch, usize)>,
    under_way: bool,
}

impl Watch {
    pub fn queued(&mut self, lane: LaneId, epoch: Epoch, id: usize) {
        self.lanes.entry(lane).or_default().queue.push_back((epoch, id));
    }

    /// A request begins: of each of its lanes it has the first, and nothing else has any.
    pub fn begins(&mut self, entries: &[Entry<Record>], check: &mut Check) {
        for part in entries.chunk_by(|a, b| a.item().lane == b.item().lane) {
            let first = part[0].item();
            let Some(lane) = self.lanes.get_mut(&first.lane) else {
                check.violated("P2", || format!("not in its lane: {first:?}"));
                return;
            };
            let sent = part.iter().map(|entry| (entry.item().epoch, entry.item().id));
            let is_head = sent.eq(lane.queue.iter().take(part.len()).copied());
            if lane.under_way || !is_head {
                let (under_way, head) = (lane.under_way, lane.queue.front());
                check.violated("P2", || {
                    format!("{first:?} is sent; under way: {under_way}, first: {head:?}")
                });
            }
            lane.under_way = true;
        }
    }

    pub fn ended(&mut self, entries: &[Entry<Record>]) {
        for entry in entries {
            if let Some(lane) = self.lanes.get_mut(&entry.item().lane) {
                lane.under_way = false;
            }
        }
    }

    /// A record left: settled or returned.
    pub fn left(&mut self, record: &Record) {
        let Some(lane) = self.lanes.get_mut(&record.lane) else { return };
        if let Some(place) = lane.queue.iter().position(|it| *it == (record.epoch, record.id)) {
            lane.queue.remove(place);
        }
        if lane.queue.is_empty() && !lane.under_way {
            self.lanes.remove(&record.lane);
        }
    }
}
