//! The naive ledgers.

use std::collections::BTreeSet;

use keyway_actors::core::ledger::Start;
use keyway_actors::core::{Epoch, Offset};

use super::{Check, Covered, Stay};
use crate::broker::{Log, Pid};

impl Check {
    pub fn opened(
        &mut self,
        (pid, epoch): (Pid, Epoch),
        partition: usize,
        start: &Start,
        log: &Log,
    ) {
        let start = match start {
            Start::At { base, settled } => Covered { base: *base, above: settled.clone() },
            Start::Unknown => Covered { base: 0, above: Vec::new() },
        };
        let known = start.above.last().map_or(start.base, |range| range.end);
        let stay = Stay {
            partition,
            next: start.base,
            read: start.base,
            start,
            began: self.records.len(),
            unsettled: BTreeSet::new(),
            settled: BTreeSet::new(),
            finished: Vec::new(),
            current: known <= log.end,
            superseded: false,
        };
        for ((of, _), earlier) in &mut self.stays {
            earlier.superseded |= *of != pid && earlier.partition == partition;
        }
        self.stays.insert((pid, epoch), stay);
    }

    /// The poll thread has read up to this offset.
    pub fn read(&mut self, pid: Pid, epoch: Epoch, next: Offset) {
        if let Some(stay) = self.stays.get_mut(&(pid, epoch)) {
            stay.read = stay.read.max(next);
        }
    }

    /// The process is gone.
    pub fn ended(&mut self, pid: Pid) {
        self.stays.retain(|(of, _), _| *of != pid);
    }

    pub fn closed(&mut self, pid: Pid, epoch: Epoch) {
        self.stays.remove(&(pid, epoch));
    }

    /// The ledger was told that this offset was taken in as new.
    pub fn taken(&mut self, pid: Pid, epoch: Epoch, offset: Offset) {
        if let Some(stay) = self.stays.get_mut(&(pid, epoch)) {
            stay.unsettled.insert(offset);
            stay.next = stay.next.max(offset + 1);
        }
    }

    /// The ledger was told where the log ends: from now on it speaks of this log.
    pub fn saw_end(&mut self, pid: Pid, epoch: Epoch, end: Offset) {
        if let Some(stay) = self.stays.get_mut(&(pid, epoch))
            && stay.next <= end
        {
            stay.current = true;
            stay.next = stay.next.max(end);
        }
    }

    /// The ledger was told that this offset is settled.
    pub fn settled(&mut self, pid: Pid, epoch: Epoch, offset: Offset) {
        if let Some(stay) = self.stays.get_mut(&(pid, epoch))
            && stay.unsettled.remove(&offset)
        {
            stay.settled.insert(offset);
        }
    }

    pub fn is_current(&self, pid: Pid, epoch: Epoch) -> bool {
        self.stays.get(&(pid, epoch)).is_some_and(|stay| stay.current)
    }
}
