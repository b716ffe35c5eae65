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
