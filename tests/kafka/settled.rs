//! What a group has committed as settled, read from the broker: the offsets and, above them, what
//! the metadata tells.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use keyway_actors::core::codec;

use super::stage::Stage;
use crate::support::{Again, Cluster, Id, Ledger, wait_for};

/// What a group has committed as settled.
#[derive(Debug)]
pub struct Settled(BTreeMap<i32, Resume>);

/// Of one partition: everything below an offset, and ranges above it.
#[derive(Debug)]
struct Resume {
    offset: i64,
    above: Vec<Range<i64>>,
}

impl Settled {
    /// As the broker has it now.
    pub fn read(stage: &Stage<'_>) -> Self {
        let committed = stage.kafka.committed(&stage.group, &stage.topic).into_iter();
        let resumes = committed.filter_map(|one| {
            let offset = one.offset?;
            let above = codec::decode(offset, &one.metadata).expect("metadata that can be read");
            Some((one.partition, Resume { offset, above }))
        });
        Self(resumes.collect())
    }

    /// Whether a restart will not send this record.
    pub fn contains(&self, id: &Id) -> bool {
        self.0.get(&id.partition).is_some_and(|resume| {
            id.offset < resume.offset || resume.above.iter().any(|it| it.contains(&id.offset))
        })
    }

    /// How many records the ranges above the committed offsets hold.
    pub fn above(&self) -> usize {
        let lengths = self.0.values().flat_map(|resume| &resume.above).map(ExactLength::length);
        lengths.sum()
    }
}

trait ExactLength {
    fn length(&self) -> usize;
}

impl ExactLength for Range<i64> {
    fn length(&self) -> usize {
        usize::try_from(self.end - self.start).unwrap_or(0)
    }
}

/// A moment at which everything delivered before was seen to be committed.
pub fn wait_until_covered(stage: &Stage<'_>) -> Duration {
    let (moment, done) = stage.endpoint.look(|ledger| (ledger.now(), delivered(ledger)));
    wait_for("a commit of all that was delivered", || {
        let settled = Settled::read(stage);
        done.keys().all(|id| settled.contains(id)).then_some(())
    });
    moment
}

/// The records delivered so far, each with the end of its last delivery.
pub fn delivered(ledger: &Ledger) -> HashMap<Id, Duration> {
    let mut found = HashMap::new();
    for entry in ledger.requests().iter().filter(|entry| entry.delivered()) {
        if let (Some(id), Some(end)) = (entry.record.clone(), entry.last_byte) {
            found.insert(id, end);
        }
    }
    found
}

/// What was known when a process was killed, or thrown out of its group.
pub struct Cut {
    /// All delivered before was committed.
    covered: Duration,
    /// When it was over.
    at: Duration,
    /// What had been delivered by then.
    delivered: HashMap<Id, Duration>,
    /// What had been committed by then.
    settled: Settled,
}

impl Cut {
    /// To be called when what was cut off can send and commit nothing more, and nothing new has
    /// begun.
    pub fn note(stage: &Stage<'_>, covered: Duration, what: &str) -> Self {
        stage.endpoint.incident(what);
        let settled = Settled::read(stage);
        let (at, delivered) = stage.endpoint.look(|ledger| (ledger.now(), delivered(ledger)));
        Self { covered, at, delivered, settled }
    }

    /// Checks what was sent again after it (before `until`, if there is one): nothing that was
    /// committed, and so only what was finished since the last commit. Says how many those were, of
    /// how many that might have been.
    pub fn check(&self, ledger: &Ledger, until: Option<Duration>) -> (usize, usize) {
        let until = until.unwrap_or(Duration::MAX);
        let window = |at: Duration| self.at <= at && at < until;
        let mut again: Vec<&Id> = ledger
            .requests()
            .iter()
            .filter(|entry| window(entry.first_byte))
            .filter_map(|entry| entry.record.as_ref())
            .filter(|id| self.delivered.contains_key(id))
            .collect();
        again.sort();
        again.dedup();
        for id in &again {
            assert!(!self.settled.contains(id), "{id} was sent again although it was committed");
            assert!(
                self.delivered[id] >= self.covered,
                "{id} was sent again, but was delivered before the last commit"
            );
        }
        let open = self.delivered.keys().filter(|id| !self.settled.contains(id)).count();
        assert!(again.len() <= open);
        (again.len(), open)
    }

    /// When it was.
    pub fn at(&self) -> Duration {
        self.at
    }

    /// What was settled above the committed offsets by then.
    pub fn above(&self) -> usize {
        self.settled.above()
    }
}

/// Checks several cuts of one run, one after the other, and that they explain all that was sent
/// again. Prints the figures.
pub fn check_cuts(name: &str, stage: &Stage<'_>, cuts: &[Cut]) {
    stage.endpoint.look(|ledger| {
        let mut explained = 0;
        for (number, cut) in cuts.iter().enumerate() {
            let (again, open) = cut.check(ledger, cuts.get(number + 1).map(Cut::at));
            explained += again;
            println!(
                "{name}: cut {}: {again} sent again of {open} not committed, {} settled above the \
                 offsets",
                number + 1,
                cut.above()
            );
        }
        let all: Vec<Again> = ledger.sent_again();
        let records = all.len();
        assert!(records <= explained, "{records} sent again, {explained} explained: {all:?}");
    });
}
