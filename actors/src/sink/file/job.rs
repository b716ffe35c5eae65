//! A delivery on its way to the writer: rendered, with what is needed to answer it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Format;
use super::render::render;
use super::seen::Place;
use crate::core::outcome::Failure;
use crate::record::Record;

/// What became of a delivery as a whole.
pub(super) type Answer = Result<(), Failure>;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Job {
    /// All lines.
    pub(super) bytes: Vec<u8>,
    /// Where each of them ends in `bytes`, and of which record it is; empty where records are not
    /// told apart.
    pub(super) lines: Vec<(usize, Place)>,
    pub(super) records: usize,
    pub(super) reply: oneshot::Sender<Answer>,
    /// Its share of the queue; free again when the lines are written.
    pub(super) share: Option<OwnedSemaphorePermit>,
}

impl Job {
    /// Renders records, in order.
    pub(super) fn new<'a>(
        format: Format,
        records: impl Iterator<Item = &'a Record>,
        capacity: usize,
        share: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        let (bytes, lines) = (Vec::with_capacity(capacity), Vec::new());
        let mut job = Self { bytes, lines, records: 0, reply, share };
        // Neighbours are mostly of one topic, whose name they share then.
        let mut topic: Arc<str> = Arc::default();
        for record in records {
            render(format, record, &mut job.bytes);
            job.records += 1;
            if format == Format::Ndjson {
                if *topic != *record.topic() {
                    topic = record.topic().into();
                }
                let place = Place {
                    topic: Arc::clone(&topic),
                    partition: record.partition(),
                    offset: record.offset(),
                    timestamp: record.timestamp(),
                };
                job.lines.push((job.bytes.len(), place));
            }
        }
        (job, answer)
    }

    /// Nobody waits for it any more: its delivery was cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.reply.is_closed()
    }
}
