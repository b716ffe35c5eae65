//! The ledgers of all stays that are going on, and the cycle of commits over them.
//!
//! One commit is under way at a time. A ledger becomes clean only when the broker acknowledged the
//! very snapshot that was sent and nothing changed since; a commit that failed, or whose answer
//! never came, leaves it dirty for the next one. What arrives for an epoch that was closed is
//! answered with "unknown" and touches nothing.
//!
//! It neither decides when to commit nor talks to the broker, and it counts nothing that its
//! answers tell: that is its caller's.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use crate::core::ledger::{Ledger, Snapshot, Start, Taken};
use crate::core::{Epoch, Offset};

/// Names one commit, so that an answer to one that was given up is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub u64);

/// A commit to be sent. It is under way until [`Book::answered`] or [`Book::fail_commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub id: CommitId,
    /// What to commit for each epoch, in ascending order of epochs; never empty.
    pub snapshots: Vec<(Epoch, Snapshot)>,
}

/// What comes of asking for a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Send this.
    Commit(Commit),
    /// Another commit is under way: ask again when it is answered.
    Busy,
    /// The broker has acknowledged everything there is to commit.
    Clean,
}

/// How one partition stands, for the status and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What would be committed now. None until the start is known.
    pub base: Option<Offset>,
    /// What the broker acknowledged last, or what the stay began at. None if it has nothing.
    pub committed: Option<Offset>,
    /// The lowest offset that Kafka may still deliver. None until the start is known.
    pub next: Option<Offset>,
    /// The lowest offset given out and not settled.
    pub lowest_pending: Option<Offset>,
    /// How many offsets are given out and not settled.
    pub pending: usize,
    /// How many settled offsets the metadata committed last leaves out because of its limit: what
    /// a crash right after it would have sent again although it was finished.
    pub uncovered: u64,
    /// Whether there is anything to commit that the broker has not acknowledged.
    pub dirty: bool,
}

/// The ledgers and the commit cycle. See the head of this file.
#[derive(Debug)]
pub struct Book {
    pages: BTreeMap<Epoch, Page>,
    /// The most characters of metadata in a commit of one partition.
    limit: usize,
    /// The commit that is under way.
    under_way: Option<UnderWay>,
    /// How many commits were begun.
    commits: u64,
}

/// One epoch.
#[derive(Debug)]
struct Page {
    ledger: Ledger,
    committed: Option<Offset>,
    uncovered: u64,
}

/// What is remembered of a commit until its answer.
#[derive(Debug)]
struct UnderWay {
    id: CommitId,
    snapshots: Vec<Sent>,
}

/// A snapshot without its metadata.
#[derive(Debug)]
struct Sent {
    epoch: Epoch,
    offset: Offset,
    uncovered: u64,
    version: u64,
}

impl Book {
    /// An empty book whose commits carry at most `limit` characters of metadata a partition (the
    /// broker's `offset.metadata.max.bytes`).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { pages: BTreeMap::new(), limit, under_way: None, commits: 0 }
    }

    /// Opens an epoch. False, and nothing changes, if it is open already: epochs are not used twice.
    pub fn open(&mut self, epoch: Epoch, start: Start) -> bool {
        let Slot::Vacant(slot) = self.pages.entry(epoch) else {
            return false;
        };
        let committed = match start {
            Start::At { base, .. } => Some(base),
            Start::Unknown => None,
        };
        slot.insert(Page { ledger: Ledger::new(start), committed, uncovered: 0 });
        true
    }

    /// Closes an epoch: its ledger is handed out and not committed again. An answer that is still
    /// to come for it changes nothing. None if it is not open.
    pub fn close(&mut self, epoch: Epoch) -> Option<Ledger> {
        self.pages.remove(&epoch).map(|page| page.ledger)
    }

    /// The ledger of an epoch, to read it. None if the epoch is not open.
    #[must_use]
    pub fn ledger(&self, epoch: Epoch) -> Option<&Ledger> {
        self.pages.get(&epoch).map(|page| &page.ledger)
    }

    /// Enters an offset that Kafka delivered, as [`Ledger::take`]. None if the epoch is not open.
    pub fn take(&mut self, epoch: Epoch, offset: Offset) -> Option<Taken> {
        self.pages.get_mut(&epoch).map(|page| page.ledger.take(offset))
    }

    /// Enters offsets of one epoch in the order Kafka delivered them, and says of each what becomes
    /// of it. Stops after the first that is [`Taken::Behind`]: what follows belongs to another log.
    /// False if the epoch is not open.
    pub fn take_run(
        &mut self,
        epoch: Epoch,
        offsets: impl IntoIterator<Item = Offset>,
        mut each: impl FnMut(Offset, Taken),
    ) -> bool {
        let Some(page) = self.pages.get_mut(&epoch) else {
            return false;
        };
        for offset in offsets {
            let taken = page.ledger.take(offset);
            each(offset, taken);
            if taken == Taken::Behind {
                break;
            }
        }
        true
    }

    /// Enters that the log was read up to `offset`, as [`Ledger::skip_to`]. False if the epoch is
    /// not open.
    pub fn skip_to(&mut self, epoch: Epoch, offset: Offset) -> bool {
        self.pages.get_mut(&epoch).map(|page| page.ledger.skip_to(offset)).is_some()
    }

    /// Enters that the log ends at `end`, as [`Ledger::forget_from`], and answers how many settled
    /// offsets were forgotten for it.
    pub fn forget_from(&mut self, epoch: Epoch, end: Offset) -> u64 {
        self.pages.get_mut(&epoch).map_or(0, |page| page.ledger.forget_from(end))
    }

    /// Enters that the outcome of a record is final. False if the epoch is not open (it is of an
    /// older stay) or the offset is not pending there.
    pub fn settle(&mut self, epoch: Epoch, offset: Offset) -> bool {
        self.pages.get_mut(&epoch).is_some_and(|page| page.ledger.settle(offset))
    }

    /// Enters final outcomes of one epoch; answers how many of the offsets were not pending there,
    /// which is all of them if the epoch is not open.
    pub fn settle_run(&mut self, epoch: Epoch, offsets: impl IntoIterator<Item = Offset>) -> usize {
        let mut page = self.pages.get_mut(&epoch);
        let mut settle = |offset| page.as_mut().is_some_and(|page| page.ledger.settle(offset));
        offsets.into_iter().filter(|&offset| !settle(offset)).count()
    }

    /// Begins a commit of every epoch that has something to commit.
    pub fn begin_commit(&mut self) -> Begun {
        let epochs: Vec<Epoch> = self.pages.keys().copied().collect();
        self.begin_commit_of(&epochs)
    }

    /// Begins a commit of those among `epochs` that have something to commit, in whatever order and
    /// however often they are named: the last one before they are given up.
    pub fn begin_commit_of(&mut self, epochs: &[Epoch]) -> Begun {
        if self.under_way.is_some() {
            return Begun::Busy;
        }
        let mut epochs = epochs.to_vec();
        epochs.sort_unstable();
        epochs.dedup();
        let snapshots: Vec<_> =
            epochs.into_iter().filter_map(|epoch| Some((epoch, self.snapshot(epoch)?))).collect();
        if snapshots.is_empty() {
            return Begun::Clean;
        }
        self.commits += 1;
        let commit = Commit { id: CommitId(self.commits), snapshots };
        self.under_way = Some(UnderWay::new(&commit));
        Begun::Commit(commit)
    }

    /// The commit that is under way.
    #[must_use]
    pub fn under_way(&self) -> Option<CommitId> {
        self.under_way.as_ref().map(|commit| commit.id)
    }

    /// Ends the commit `id`: each epoch with an `Ok` among the results has what was sent for it at
    /// the broker; one with an `Err`, or without a result, stays dirty. Epochs that were closed
    /// meanwhile, or that were not part of the commit, are ignored. False, and nothing changes, if
    /// that commit is not under way.
    pub fn answered<E>(
        &mut self,
        id: CommitId,
        results: impl IntoIterator<Item = (Epoch, Result<(), E>)>,
    ) -> bool {
        let Some(commit) = self.under_way.take_if(|commit| commit.id == id) else {
            return false;
        };
        for (epoch, result) in results {
            let Ok(place) = commit.snapshots.binary_search_by_key(&epoch, |sent| sent.epoch) else {
                continue;
            };
            if let (Ok(()), Some(page)) = (result, self.pages.get_mut(&epoch)) {
                page.acknowledge(&commit.snapshots[place]);
            }
        }
        true
    }

    /// Ends the commit `id` with nothing acknowledged: it could not be sent, was refused as a
    /// whole, or is given up. False, and nothing changes, if it is not under way.
    pub fn fail_commit(&mut self, id: CommitId) -> bool {
        self.under_way.take_if(|commit| commit.id == id).is_some()
    }

    /// How the partition of an epoch stands. None if the epoch is not open.
    pub fn standing(&self, epoch: Epoch) -> Option<Standing> {
        self.pages.get(&epoch).map(Page::standing)
    }

    /// How every partition stands, in ascending order of epochs.
    pub fn standings(&self) -> impl Iterator<Item = (Epoch, Standing)> {
        self.pages.iter().map(|(&epoch, page)| (epoch, page.standing()))
    }

    /// What there is to commit for an epoch; none if it is not open or clean.
    fn snapshot(&self, epoch: Epoch) -> Option<Snapshot> {
        let ledger = &self.pages.get(&epoch)?.ledger;
        if ledger.is_dirty() { ledger.snapshot(self.limit) } else { None }
    }
}

impl Page {
    fn acknowledge(&mut self, sent: &Sent) {
        self.ledger.acknowledge(sent.version);
        self.committed = Some(sent.offset);
        self.uncovered = sent.uncovered;
    }

    fn standing(&self) -> Standing {
        Standing {
            base: self.ledger.base(),
            committed: self.committed,
            next: self.ledger.next(),
            lowest_pending: self.ledger.lowest_pending(),
            pending: self.ledger.pending(),
            uncovered: self.uncovered,
            dirty: self.ledger.is_dirty(),
        }
    }
}

impl UnderWay {
    fn new(commit: &Commit) -> Self {
        let sent = |(epoch, snapshot): &(Epoch, Snapshot)| Sent {
            epoch: *epoch,
            offset: snapshot.offset,
            uncovered: snapshot.uncovered,
            version: snapshot.version,
        };
        Self { id: commit.id, snapshots: commit.snapshots.iter().map(sent).collect() }
    }
}
