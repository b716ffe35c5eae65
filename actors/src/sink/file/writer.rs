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
use crate::pulse::{BEAT, Pulse};

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
    pulse: Arc<Pulse>,
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
        let pulse = Arc::<Pulse>::default();
        let link = Self {
            queue,
            room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            reopening: Arc::clone(&reopening),
            pulse: Arc::clone(&pulse),
        };
        let name = format!("keyway-file-{pipeline}");
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            if let Some(before) = before {
                // That it panicked was said where it did.
                let _ = before.join();
            }
            let disk = Folder::new(&settings, Arc::clone(&pulse));
            run(&mut Trail::new(disk, settings, log), &messages, &reopening, &pulse);
            pulse.end();
        })?;
        Ok((link, thread))
    }

    /// The thread's sign of life.
    pub(super) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
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
fn run<D: Disk>(
    trail: &mut Trail<D>,
    messages: &mpsc::Receiver<Message>,
    reopening: &AtomicBool,
    pulse: &Pulse,
) {
    trail.start();
    loop {
        pulse.beat();
        let due = trail.due().map(|due| due.saturating_duration_since(Instant::now()));
        let message = messages.recv_timeout(due.map_or(BEAT, |due| due.min(BEAT)));
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use slog::{Discard, o};

    use super::*;
    use crate::record::Record;
    use crate::sink::file::Format;
    use crate::sink::file::disk::{Opened, ReadBack, Trouble, Where};
    use crate::sink::file::seen::Seen;

    /// A disk that is asked to keep something, and does not answer until it is told to.
    struct Hanging {
        asked: mpsc::Sender<()>,
        answer: mpsc::Receiver<()>,
    }

    impl Disk for Hanging {
        type File = u8;

        fn open(&mut self) -> Result<Opened<u8>, Trouble> {
            Ok(Opened { file: 0, length: 0, torn: 0, made: None })
        }

        fn append(&mut self, _: &mut u8, _: &[u8]) -> io::Result<()> {
            Ok(())
        }

        fn cut(&mut self, _: &mut u8, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&mut self, _: &mut u8) -> io::Result<()> {
            self.asked.send(()).unwrap();
            self.answer.recv().unwrap();
            Ok(())
        }

        fn place(&mut self, _: &u8) -> Where {
            Where::InPlace
        }

        fn put_aside(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn read_back(&mut self, _: &u8, _: u64, _: &mut Seen) -> io::Result<ReadBack> {
            Ok(ReadBack::default())
        }
    }

    fn wait_until(what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_writer_whose_disk_hangs_grows_silent_until_it_is_answered_and_an_idle_one_does_not() {
        let ((asked, is_asked), (tell, answer)) = (mpsc::channel(), mpsc::channel());
        let (queue, messages) = mpsc::channel();
        let pulse = Arc::<Pulse>::default();
        let its_own = Arc::clone(&pulse);
        let writer = std::thread::spawn(move || {
            let settings = FileSettings::new("any");
            let log = Logger::root(Discard, o!());
            let mut trail = Trail::new(Hanging { asked, answer }, settings, log);
            run(&mut trail, &messages, &AtomicBool::new(false), &its_own);
        });
        let silence = || pulse.silence().unwrap();
        // Longer than an idle one ever is.
        let stuck = BEAT * 2;
        let record = Record::builder("t", 0, 0).value("v").build();
        let (job, mut reply) = Job::new(Format::Raw, [&record].into_iter(), 1, None);
        queue.send(Message::Write(job)).unwrap();
        is_asked.recv().unwrap();
        wait_until("the silence grows", || silence() > stuck);
        assert!(reply.try_recv().is_err(), "it is not on the disk");
        tell.send(()).unwrap();
        wait_until("it goes on", || silence() < stuck);
        assert_eq!(reply.blocking_recv().unwrap(), Ok(()));
        wait_until("it has nothing to do", || silence() > BEAT / 4);
        wait_until("it shows that it is alive all the same", || silence() < BEAT / 4);
        // It asks once more before it ends.
        tell.send(()).unwrap();
        drop(queue);
        writer.join().unwrap();
    }
}
