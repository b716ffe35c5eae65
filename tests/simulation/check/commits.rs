//! What commits may and have to say.

use keyway_actors::core::ledger::Snapshot;
use keyway_actors::core::{Epoch, Offset, codec};

use super::{Check, Covered, Fate, Stay};
use crate::broker::{CommitEntry, Log, Pid};

impl Check {
    /// A commit is about to be sent: it has to tell everything that is settled, and nothing else.
    pub fn snapshot(&mut self, pid: Pid, epoch: Epoch, snapshot: &Snapshot) {
        let Some(stay) = self.stays.get_mut(&(pid, epoch)) else { return };
        let Some(covered) = read(snapshot.offset, &snapshot.metadata) else {
            self.violated("P3", || format!("unreadable metadata: {snapshot:?}"));
            return;
        };
        let early = stay.unsettled.iter().find(|it| covered.has(**it)).copied();
        let missing = stay.settled.iter().find(|it| !covered.has(**it)).copied();
        stay.settled = stay.settled.split_off(&covered.base);
        let lowest = stay.unsettled.first().copied();
        if let Some(offset) = early {
            self.violated("P1", || format!("{offset} is not settled, and {snapshot:?} says it is"));
        }
        if lowest.is_some_and(|lowest| lowest != covered.base) {
            self.violated("P3", || format!("{lowest:?} is the lowest unsettled: {snapshot:?}"));
        }
        if let (Some(offset), true) = (missing, self.hold || snapshot.uncovered == 0) {
            // Not so a gap at the end, in which there is nothing to be sent again.
            self.violated("P3", || format!("{offset} is settled, and {snapshot:?} leaves it out"));
        }
    }

    /// The broker has accepted a commit: what it says is what the next stay begins with.
    pub fn applied(&mut self, pid: Pid, entry: &CommitEntry, log: &Log) {
        if entry.metadata.len() > self.metadata_limit {
            self.violated("P3", || format!("longer than the broker takes: {entry:?}"));
        }
        let Some(covered) = read(entry.base, &entry.metadata) else {
            self.violated("P3", || format!("unreadable metadata: {entry:?}"));
            return;
        };
        let part = &self.parts[entry.partition];
        let current = entry.current && entry.log_version == log.version;
        let early: Vec<_> = covered
            .ranges()
            .flat_map(|range| part.open.range(range).map(|(_, &id)| id))
            .filter(|&id| !self.is_excused(pid, entry.epoch, id))
            .collect();
        if let (Some(&id), true) = (early.first(), current) {
            let info = self.records[id].clone();
            self.violated("P1", || format!("{entry:?} covers {info:?}, which is not final"));
        }
        for id in early {
            self.excuse(id);
        }
        let part = &self.parts[entry.partition];
        if let (Some(before), true) = (&part.committed, current && part.known)
            && let Some(offset) = self.taken_back(before, &covered, log)
        {
            self.violated("P3", || format!("{offset} was committed, and {entry:?} takes it back"));
        }
        let part = &mut self.parts[entry.partition];
        part.committed = Some(covered);
        part.known = current;
    }

    fn excuse(&mut self, id: usize) {
        self.excused += u64::from(!self.records[id].excused);
        self.records[id].excused = true;
    }

    /// Whether a commit of this stay may cover a record that is not final.
    fn is_excused(&self, pid: Pid, epoch: Epoch, id: usize) -> bool {
        let info = &self.records[id];
        let owed = |stay: &Stay| stay.unsettled.contains(&info.offset);
        info.excused && !self.stays.get(&(pid, epoch)).is_some_and(owed)
    }

    /// A record that one commit covers and the next does not, where that cannot be.
    fn taken_back(&self, before: &Covered, after: &Covered, log: &Log) -> Option<Offset> {
        if !self.hold {
            return (after.base < before.base).then_some(after.base);
        }
        let from = log.from(after.base).iter();
        from.filter(|it| before.has(it.offset) && !after.has(it.offset))
            .find(|it| !self.records[it.id].excused)
            .map(|it| it.offset)
    }

    /// A stay was given up in order, its last commit acknowledged: nothing that it finished is to
    /// be sent again.
    pub fn handed_over(&mut self, pid: Pid, epoch: Epoch) {
        let Some(stay) = self.stays.get(&(pid, epoch)) else { return };
        if !self.hold || !stay.current || stay.superseded {
            return;
        }
        let committed = self.parts[stay.partition].committed.as_ref();
        let lost = stay.finished.iter().copied().find(|&id| {
            let info = &self.records[id];
            info.fate != Fate::Gone
                && !info.excused
                && committed.is_none_or(|it| !it.has(info.offset))
        });
        if let Some(id) = lost {
            let (info, committed) = (self.records[id].clone(), committed.cloned());
            self.violated("P3", || {
                format!("handed over in order, and {info:?} will be sent again: {committed:?}")
            });
        }
    }
}

fn read(base: Offset, metadata: &str) -> Option<Covered> {
    let above = codec::decode(base, metadata).ok()?;
    Some(Covered { base, above })
}
