//! When a record may be sent, and what is left in the end.

use keyway_actors::core::Epoch;

use super::{Check, Fate, Part};
use crate::broker::{Log, Pid};

impl Check {
    /// A request for a record begins: all before it in its lane are final, or in front of it in the
    /// same request, and the stay was not told that it is settled.
    pub fn request(&mut self, pid: Pid, epoch: Epoch, id: usize, is_first_of_lane: bool) {
        let info = &mut self.records[id];
        info.requests += 1;
        let (lane, offset, fate) = (info.lane, info.offset, info.fate);
        self.sent_again += u64::from(matches!(fate, Fate::Final(_)));
        if self.closing {
            self.violated("P3", || format!("{offset} is sent again after a stop in order"));
        }
        if let Some(stay) = self.stays.get(&(pid, epoch))
            && id < stay.began
            && stay.start.has(offset)
            && stay.current
        {
            let start = stay.start.clone();
            self.violated("P3", || format!("{offset} is sent again, and was settled: {start:?}"));
        }
        if let (Some(lane), true) = (lane, is_first_of_lane)
            && let Some(first) = self.first_open(lane)
            && first < id
            && fate != Fate::Gone
        {
            let (first, this) = (self.records[first].clone(), self.records[id].clone());
            self.violated("P2", || format!("{this:?} is sent before {first:?} is final"));
        }
    }

    fn first_open(&mut self, lane: usize) -> Option<usize> {
        let lane = &mut self.lanes[lane];
        let is_open = |id: usize| {
            let info = &self.records[id];
            info.fate == Fate::Open && !info.excused
        };
        while lane.ids.get(lane.first_open).is_some_and(|&id| !is_open(id)) {
            lane.first_open += 1;
        }
        lane.ids.get(lane.first_open).copied()
    }

    /// Everything is final and committed, and everybody is asked to stop. Where what is committed lies
    /// beyond the end of a log that was cut, whoever comes next begins anew.
    pub fn close(&mut self, logs: &[Log]) {
        let is_beyond = |(part, log): (&Part, &Log)| {
            part.committed.as_ref().is_some_and(|it| it.base > log.end)
        };
        self.closing = !self.parts.iter().zip(logs).any(is_beyond);
    }

    /// Everything is over and the group has left in order: nothing is open, and nothing is left to
    /// be sent again.
    pub fn over(&mut self, logs: &[Log]) {
        let lost = self.open().next().map(|(_, info)| info.clone());
        if let Some(info) = lost {
            self.violated("P1", || format!("lost: {info:?}"));
        }
        for (partition, log) in logs.iter().enumerate() {
            let committed = self.parts[partition].committed.clone();
            let left = log.records.iter().find(|it| {
                !self.records[it.id].excused && committed.as_ref().is_none_or(|c| !c.has(it.offset))
            });
            if let (Some(left), true) = (left, self.closing) {
                let offset = left.offset;
                self.violated("P3", || {
                    format!(
                        "after a clean stop {partition}@{offset} is not committed: {committed:?}"
                    )
                });
            }
        }
    }
}
