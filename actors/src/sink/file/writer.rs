//! The thread that writes a file, and the way to it.
//!
//! All that touches the file happens on it, so that an arbiter never waits for a disk. It takes what
//! is queued, writes that at once, has the disk sync it once, and answers each delivery: the more
//! comes, the more goes into one write.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use slog::Logger;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::FileSettings;
use super::disk::{Disk, Folder};
use super::job::Job;
use super::trail::Trail;

/// The most bytes that are rendered and not yet written; a single delivery that is larger has the
/// queue for itself. At 500 MB/s it is 16 ms of work for the disk: enough that the writer never
/// waits for the arbiters, and a sixteenth of the buffer by default, since each byte is there twice
/// meanwhile. (Text that has to be escaped grows beyond its share.)
const QUEUE_BYTES: u32 = 8 << 20;

/// The most bytes written at once, unless one delivery has more: larger writes are not faster, and
/// a rotation is only possible between two.
const GROUP_BYTES: usize = 4 << 20;

/// The way to the writer. When the last sink lets go of it, the thread finishes and ends.
#[derive(Debug)]
pub(super) struct Link {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    /// A [`Message::Reopen`] is on its way: there is never more than one.
    reopening: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Message {
    Write(Job),
    Reopen,
}

impl Link {
    /// Starts the thread; it waits for the one before it, which had the same file, to end.
    pub(super) fn start(
        settings: FileSettings,
        pipeline: &str,
        before: Option<JoinHandle<()>>,
        log: Logger,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        // Bounded by the shares: a job has at least one byte of the room.
        let (queue, messages) = mpsc::channel();
        let reopening = Arc::new(AtomicBool::new(false));
        let link = Self {
            queue,
            room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            reopening: Arc::clone(&reopening),
        };
        let name = format!("keyway-file-{pipeline}");
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            if let Some(before) = before {
                // That it panicked was said where it did.
                let _ = before.join();
            }
            let disk = Folder::new(settings.path.clone());
            run(&mut Trail::new(disk, settings, log), &messages, &reopening);
        })?;
        Ok((link, thread))
    }

    /// A share of the queue for so many bytes, as soon as there is one.
    pub(super) async fn share(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(QUEUE_BYTES).clamp(1, QUEUE_BYTES);
        // It is never closed.
        Arc::clone(&self.room).acquire_many_owned(bytes).await.ok()
    }

    /// Hands a delivery over. Where the thread has ended, nobody answers it.
    pub(super) fn write(&self, job: Job) {
        let _ = self.queue.send(Message::Write(job));
    }

    /// Has the file opened anew, after what is queued before.
    pub(super) fn reopen(&self) {
        if !self.reopening.swap(true, Ordering::SeqCst) {
            let _ = self.queue.send(Message::Reopen);
        }
    }
}

/// Writes until all who could ask for it are gone.
fn run<D: Disk>(trail: &mut Trail<D>, messages: &mpsc::Receiver<Message>, reopening: &AtomicBool) {
    trail.start();
    loop {
        let message = match trail.due() {
            None => messages.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(due) => messages.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match message {
            Ok(message) => {
                let (group, reopen) = collect(message, messages);
                trail.write(group, Instant::now());
                if reopen {
                    reopening.store(false, Ordering::SeqCst);
                    trail.reopen();
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if trail.due().is_some_and(|due| due <= Instant::now()) {
            // Whoever waits is told; the next delivery tries again.
            let _ = trail.sync();
        }
    }
    let _ = trail.sync();
}

/// What is queued, up to where the file is to be opened anew.
fn collect(first: Message, messages: &mpsc::Receiver<Message>) -> (Vec<Job>, bool) {
    let (mut group, mut bytes, mut next) = (Vec::new(), 0, Some(first));
    while let Some(message) = next {
        match message {
            Message::Reopen => return (group, true),
            Message::Write(job) => {
                bytes += job.bytes.len();
                group.push(job);
            }
        }
        next = if bytes < GROUP_BYTES { messages.try_recv().ok() } else { None };
    }
    (group, false)
}
