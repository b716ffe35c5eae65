//! The promises, checked from outside: what may be committed, what may be sent again, and in which
//! order, by what the receiver and the broker saw and a naive ledger for each stay.
//!
//! What is excused, and why nobody could do better:
//! - A log that was made again, or cut, without the group noticing: a member learns of it when it
//!   sees an offset lower than the one before, or the end of the log. Until then what is committed
//!   speaks of the old log. A record whose offset such a commit covers is *excused*: it may be
//!   skipped. Once a stay has taken it in as new, that stay owes it like any other.
//! - A member that the group went on without, and that does not know yet, goes on sending. Its
//!   commits are refused; what it sends may be sent by the new holder at the same time. So may what
//!   it had under way when it learned of it, which goes on to its end. It sends nothing else.
//! - A thread that stands still for longer than a drain waits for it (the deadline, and a second for
//!   what is cancelled) keeps its requests and its settlements beyond the revoke.
//! - A process that is gone leaves its requests with the receiver.
//!
//! Everything else is in order over all members: when a request begins, all earlier records of its
//! lane are final, wherever they were sent from.

mod commits;
mod requests;
mod stays;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use keyway_actors::core::outcome::Settled;
use keyway_actors::core::{Epoch, LaneId, Offset};

use crate::broker::Pid;
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
    /// Another member began a stay since: what is committed is for that one to say.
    superseded: bool,
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
        let old =
            |stay: &Stay| stay.partition == partition && !stay.current && stay.start.has(offset);
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
