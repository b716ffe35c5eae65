//! What the poll thread has for the routers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::lane_names::LaneNames;
use crate::assignment::Assignment;
use crate::message::Batch;
use crate::record::Record;

/// The way to one router.
pub(crate) struct RouterLink {
    pub(crate) records: mpsc::Sender<Batch>,
    /// Set by the poll thread when it rests because no router has room; whoever takes a batch
    /// clears it and rings.
    pub(crate) hungry: Arc<AtomicBool>,
}

/// Records on their way to the routers, one box each.
///
/// A router that is slow does not stop the others: what is for it waits here, bounded by the buffer
/// like everything that is held.
pub(super) struct Outboxes(Vec<Outbox>);

struct Outbox {
    link: RouterLink,
    /// Batches that the channel had no room for yet.
    waiting: VecDeque<Batch>,
    /// Filled during a slice.
    open: Batch,
}

impl Outboxes {
    pub(super) fn new(links: Vec<RouterLink>) -> Self {
        let outbox = |link| Outbox { link, waiting: VecDeque::new(), open: Vec::new() };
        Self(links.into_iter().map(outbox).collect())
    }

    pub(super) fn put(&mut self, record: Record) {
        let router = LaneNames::router(record.lane_id(), self.0.len());
        self.0[router].open.push(record);
    }

    /// Hands the routers what they have room for, in order.
    pub(super) fn flush(&mut self) {
        self.0.iter_mut().for_each(Outbox::flush);
    }

    /// Hands over what there is room for, and says whether nobody wants more. A router that had no
    /// room for all that waits for it rings the bell when it takes its next batch.
    pub(super) fn are_full(&mut self) -> bool {
        self.flush();
        for outbox in self.0.iter().filter(|outbox| !outbox.waiting.is_empty()) {
            outbox.link.hungry.store(true, Ordering::SeqCst);
        }
        // What was taken between the failed send and the mark rang no bell.
        self.flush();
        self.0.iter().all(|outbox| !outbox.waiting.is_empty())
    }

    /// Whether something waits for each router, as of the last hand-over.
    pub(super) fn all_wait(&self) -> bool {
        self.0.iter().all(|outbox| !outbox.waiting.is_empty())
    }

    /// Whether nothing waits for any router, as of the last hand-over.
    pub(super) fn are_empty(&self) -> bool {
        self.0.iter().all(|outbox| outbox.waiting.is_empty())
    }

    /// The records that wait for room at a router; those of one in order.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().flat_map(|outbox| outbox.waiting.iter().chain([&outbox.open])).flatten()
    }

    /// Lets go of the records of some stays, and says how many there were.
    pub(super) fn drop_where(&mut self, of: impl Fn(&Assignment) -> bool) -> usize {
        let mut dropped = 0;
        for outbox in &mut self.0 {
            for batch in &mut outbox.waiting {
                let before = batch.len();
                batch.retain(|record| !of(record.assignment()));
                dropped += before - batch.len();
            }
            outbox.waiting.retain(|batch| !batch.is_empty());
        }
        dropped
    }
}

impl Outbox {
    fn flush(&mut self) {
        if !self.open.is_empty() {
            self.waiting.push_back(std::mem::take(&mut self.open));
        }
        while let Some(batch) = self.waiting.pop_front() {
            match self.link.records.try_send(batch) {
                // A router that is gone: the pipeline is failing, and is told so by its end.
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(batch)) => {
                    self.waiting.push_front(batch);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assignment::Room;
    use crate::core::intake::Intake;
    use crate::core::{Epoch, LaneId, Offset};
    use crate::record::RecordParts;

    /// Lanes of the first and of the second of two routers.
    const FIRST: LaneId = LaneId(0);
    const SECOND: LaneId = LaneId(u64::MAX);

    /// What a router sees of its link.
    struct Router {
        batches: mpsc::Receiver<Batch>,
        hungry: Arc<AtomicBool>,
    }

    impl Router {
        /// Takes a batch, and says which offsets it has and whether it is to ring the bell for it.
        fn take(&mut self) -> Option<(Vec<Offset>, bool)> {
            let batch = self.batches.try_recv().ok()?;
            let rings = self.hungry.swap(false, Ordering::SeqCst);
            Some((batch.iter().map(Record::offset).collect(), rings))
        }
    }

    /// Two routers with room for one batch each.
    fn two() -> (Outboxes, [Router; 2]) {
        let link = || {
            let (records, batches) = mpsc::channel(1);
            let hungry = Arc::new(AtomicBool::new(false));
            (RouterLink { records, hungry: Arc::clone(&hungry) }, Router { batches, hungry })
        };
        let [(to_first, first), (to_second, second)] = [link(), link()];
        (Outboxes::new(vec![to_first, to_second]), [first, second])
    }

    fn record(lane: LaneId, offset: Offset) -> Record {
        let room = Room::new(Intake { records: 1, bytes: 1, span: None }, Arc::default());
        let assignment = Assignment::new("t".into(), 0, Epoch(1), 0, Arc::new(room));
        let parts =
            RecordParts { offset, timestamp: 0, lane, key: None, value: None, headers: &[] };
        parts.into_record(&Arc::new(assignment))
    }

    /// Slices of one record each.
    fn put(outboxes: &mut Outboxes, lane: LaneId, offsets: impl IntoIterator<Item = Offset>) {
        for offset in offsets {
            outboxes.put(record(lane, offset));
            outboxes.flush();
        }
    }

    #[test]
    fn an_idle_router_gets_its_part_of_a_slice_while_another_is_full() {
        let (mut outboxes, [mut first, mut second]) = two();
        put(&mut outboxes, FIRST, 0..3);
        outboxes.put(record(FIRST, 3));
        outboxes.put(record(SECOND, 4));
        assert!(!outboxes.are_full(), "the second has room for more");
        assert_eq!(second.take(), Some((vec![4], false)));
        assert_eq!(first.take(), Some((vec![0], true)), "it is waited for");
    }

    #[test]
    fn what_waits_goes_when_the_router_has_taken_its_next_batch() {
        let (mut outboxes, [mut first, mut second]) = two();
        put(&mut outboxes, FIRST, 0..3);
        assert!(!outboxes.are_full());
        for offset in 0..3 {
            assert_eq!(first.take(), Some((vec![offset], offset < 2)), "nothing waits in the end");
            assert_eq!(first.take(), None);
            assert!(!outboxes.are_full());
        }
        assert_eq!((first.take(), second.take()), (None, None));
    }

    #[test]
    fn nobody_wants_more_only_when_something_waits_for_each() {
        let (mut outboxes, [mut first, mut second]) = two();
        put(&mut outboxes, FIRST, 0..2);
        put(&mut outboxes, SECOND, 2..4);
        assert!(outboxes.are_full());
        assert_eq!(second.take(), Some((vec![2], true)));
        assert!(!outboxes.are_full());
        assert_eq!(first.take(), Some((vec![0], true)));
    }
}
