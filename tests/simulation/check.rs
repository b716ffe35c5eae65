//! The promises, checked from outside: what may be committed, what may be sent again, and in which
//! order, by what the receiver and the broker saw and a naive ledger for each stay.
//!
//! What is excused, and why nobody could do better:
//! - A log that was made again, or cut, without the group noticing: a member learns of it when it
//!   sees an offset lower than the one before, or the end of the log. Until then what is committed
//!   speaks of the old log. A record whose offset such a commit covers is *excused*: it may be
//!   skipped. Once a stay has taken it in as new, that stay owes it like any other.
//! - A member that the group went on without, and that does not know yet, goes on sending. Its
//!   commits are refused; what it sends may be sent by the new holder as well.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use keyway_actors::core::codec;
use keyway_actors::core::ledger::{Snapshot, Start};
use keyway_actors::core::outcome::Settled;
use keyway_actors::core::{Epoch, LaneId, Offset};

use crate::broker::{CommitEntry, Log, Pid};
use crate::plan::{Micros, Plan};

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub struct Violation {
    pub promise: &'static str,
    pub what: String,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    Final(Settled),
    /// Its log was deleted, or cut before it.
    Gone,
}

#[derive(Clone, Debug)]
pub struct Info {
    pub partition: usize,
    pub offset: Offset,
    pub fate: Fate,
    pub produced: Micros,
    /// Its key is never taken while things go wrong.
    pub poisoned: bool,
    pub requests: u32,
    excused: bool,
    lane: Option<usize>,
}

/// What a commit says is settled.
#[derive(Clone, Debug, Default)]
struct Covered {
    base: Offset,
    above: Vec<Range<Offset>>,
}

impl Covered {
    fn has(&self, offset: Offset) -> bool {
        offset < self.base || self.above.iter().any(|range| range.contains(&offset))
    }

    fn ranges(&self) -> impl Iterator<Item = Range<Offset>> {
        std::iter::once(Offset::MIN..self.base).chain(self.above.iter().cloned())
    }
}

#[derive(Debug, Default)]
struct Part {
    open: BTreeMap<Offset, usize>,
    committed: Option<Covered>,
    /// Whether it was committed by a stay that knew the log, and the log is still the same.
    known: bool,
}

/// A stay, as a naive ledger would have it.
#[derive(Debug)]
struct Stay {
    partition: usize,
    start: Covered,
    /// Records with an id below this were there when the stay began.
    began: usize,
    unsettled: BTreeSet<Offset>,
    settled: BTreeSet<Offset>,
    finished: Vec<usize>,
    /// How far its ledger has come, and how far the poll thread has read.
    next: Offset,
    read: Offset,
    /// Whether it can know that the log is the one it is. See [`Check`].
    current: bool,
}

/// The lane's records in order; all before `first_open` are final.
#[derive(Debug, Default)]
struct Lane {
    ids: Vec<usize>,
    first_open: usize,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Check {
    pub violation: Option<Violation>,
    records: Vec<Info>,
    parts: Vec<Part>,
    lanes: Vec<Lane>,
    lane_of: HashMap<LaneId, usize>,
    stays: HashMap<(Pid, Epoch), Stay>,
    hold: bool,
    metadata_limit: usize,
    pub excused: u64,
    pub sent_again: u64,
    /// Everything is final and committed: nothing may be sent any more.
    closing: bool,
}

impl Check {
    pub fn new(plan: &Plan) -> Self {
        Self {
            violation: None,
            records: Vec::new(),
            parts: (0..plan.partitions).map(|_| Part::default()).collect(),
            lanes: Vec::new(),
            lane_of: HashMap::new(),
            stays: HashMap::new(),
            hold: plan.hold,
            metadata_limit: plan.metadata_limit,
            excused: 0,
            sent_again: 0,
            closing: false,
        }
    }

    /// Notes the first promise that was not kept; what follows from it is of no interest.
    pub fn violated(&mut self, promise: &'static str, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { promise, what: what() });
        }
    }

    /// Records that are neither final nor excused.
    pub fn open(&self) -> impl Iterator<Item = (usize, &Info)> {
        let open = self.parts.iter().flat_map(|part| part.open.values());
        open.map(|&id| (id, &self.records[id])).filter(|(_, info)| !info.excused)
    }

    /// A record was written to a log; `lane`: none if no order is promised for it.
    pub fn produced(
        &mut self,
        (partition, offset): (usize, Offset),
        lane: Option<LaneId>,
        poisoned: bool,
        now: Micros,
    ) -> usize {
        let id = self.records.len();
        let lane = lane.map(|lane| {
            *self.lane_of.entry(lane).or_insert_with(|| {
                self.lanes.push(Lane::default());
                self.lanes.len() - 1
            })
        });
        let old = |stay: &Stay| {
            stay.partition == partition && !stay.current && stay.start.has(offset)
        };
        let part = &mut self.parts[partition];
        let excused = part.committed.as_ref().is_some_and(|it| it.has(offset))
            || self.stays.values().any(old);
        self.excused += u64::from(excused);
        part.open.insert(offset, id);
        if let Some(lane) = lane {
            self.lanes[lane].ids.push(id);
        }
        self.records.push(Info {
            partition,
            offset,
            fate: Fate::Open,
            produced: now,
            poisoned,
            requests: 0,
            excused,
            lane,
        });
        id
    }

    /// A log ends at `end` now and not where it did; `made_again`: none of its records are left,
    /// nor what was committed.
    pub fn cut(&mut self, partition: usize, end: Offset, gone: &[usize], made_again: bool) {
        for &id in gone {
            self.records[id].fate = Fate::Gone;
            self.parts[partition].open.remove(&self.records[id].offset);
        }
        self.parts[partition].known = false;
        if made_again {
            self.parts[partition].committed = None;
        }
        for stay in self.stays.values_mut().filter(|it| it.partition == partition) {
            let beyond = stay.start.above.last().map_or(0, |range| range.end);
            let known = stay.next.max(stay.read).max(beyond).max(stay.start.base);
            stay.current &= known <= if made_again { 0 } else { end };
        }
    }

    /// The outcome of a record is final, by what the receiver or the broker said.
    pub fn finished(&mut self, (pid, epoch): (Pid, Epoch), id: usize, how: Settled) {
        if let Some(stay) = self.stays.get_mut(&(pid, epoch)) {
            stay.finished.push(id);
        }
        let info = &mut self.records[id];
        if info.fate != Fate::Open {
            return;
        }
        info.fate = Fate::Final(how);
        self.parts[info.partition].open.remove(&info.offset);
    }
}

/// Stays.
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
        };
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

/// Commits.
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
        if !self.hold || !stay.current {
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

/// Requests.
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
                    format!("after a clean stop {partition}@{offset} is not committed: {committed:?}")
                });
            }
        }
    }
}

fn read(base: Offset, metadata: &str) -> Option<Covered> {
    let above = codec::decode(base, metadata).ok()?;
    Some(Covered { base, above })
}
