//! The log: lines handed to one thread, which writes them to stderr and to a file.
//!
//! Whoever logs never waits. Between the callers and the thread is a queue of [`QUEUE`] lines; a
//! line that finds it full is dropped and counted, and the thread says how many were dropped as
//! soon as it gets to write again. A line carries the time at which it was logged, not written.
//! What cannot be written (stderr closed, disk full) never stops the process.

mod format;
#[cfg(test)]
pub mod kept;
mod rotate;
mod worker;

use std::io::{self, IsTerminal};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use slog::{Drain, Level, Logger, Never, OwnedKVList, Record};
use slog_async::AsyncRecord;

use crate::settings::LogSettings;
use format::Look;
use rotate::RotatingFile;
use worker::{Outputs, work};

/// The most lines that wait to be written: what a burst of errors makes in about a second, and some
/// megabytes of memory.
const QUEUE: usize = 8_192;

/// How long the end of the process waits for lines that nobody reads.
const FLUSH_DEADLINE: Duration = Duration::from_secs(2);

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log file cannot be opened.
    #[error("log.file: cannot open {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The thread cannot be started.
    #[error("cannot start the logging thread: {0}")]
    Thread(io::Error),
}

/// Starts logging as the settings say. The guard is to be dropped last: it writes out what waits.
///
/// # Errors
/// Where the log file cannot be opened or the thread not be started.
pub fn init(settings: &LogSettings) -> Result<(Logger, LogGuard), LogError> {
    let file = settings.file.as_ref().map(|path| {
        RotatingFile::open(path, settings.file_max_size, settings.file_keep)
            .map_err(|error| LogError::File { path: path.clone(), error })
    });
    let terminal =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let outputs = Outputs {
        stderr: Box::new(io::stderr()),
        look: Look::of(settings.format, terminal),
        file: file.transpose()?,
    };
    start(settings.level, QUEUE, outputs)
}

fn start(level: Level, queue: usize, outputs: Outputs) -> Result<(Logger, LogGuard), LogError> {
    let (lines, waiting) = sync_channel(queue);
    let (end, ended) = sync_channel(0);
    let (dropped, dropped_in_all) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counter = Arc::clone(&dropped);
    thread::Builder::new()
        .name("keyway-log".to_owned())
        .spawn(move || {
            // Dropped when the thread ends, in whatever way: that is what the guard waits for.
            let _end: SyncSender<Never> = end;
            work(&waiting, &counter, outputs);
        })
        .map_err(LogError::Thread)?;
    let front = Front {
        level,
        lines: AssertUnwindSafe(lines.clone()),
        dropped,
        dropped_in_all: Arc::clone(&dropped_in_all),
    };
    Ok((Logger::root(front, slog::o!()), LogGuard { lines, ended, dropped_in_all }))
}

/// What goes through the queue.
enum Message {
    /// A line, and when it was logged.
    Line(SystemTime, AsyncRecord),
    /// The process ends.
    Finish,
}

/// The drain that callers meet: puts a line into the queue, or counts it.
struct Front {
    level: Level,
    lines: AssertUnwindSafe<SyncSender<Message>>,
    /// Since the last time that it was said.
    dropped: Arc<AtomicU64>,
    dropped_in_all: Arc<AtomicU64>,
}

impl Drain for Front {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        if !record.level().is_at_least(self.level) {
            return Ok(());
        }
        let line = Message::Line(SystemTime::now(), AsyncRecord::from(record, values));
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.dropped_in_all.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn is_enabled(&self, level: Level) -> bool {
        level.is_at_least(self.level)
    }
}

/// Keeps the log alive; dropping it writes out what waits, for at most [`FLUSH_DEADLINE`].
#[must_use = "the log ends when this is dropped"]
pub struct LogGuard {
    lines: SyncSender<Message>,
    ended: Receiver<Never>,
    dropped_in_all: Arc<AtomicU64>,
}

impl LogGuard {
    /// Lines dropped since the start.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped_in_all)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let deadline = Instant::now() + FLUSH_DEADLINE;
        // The queue may be full, and the thread may be stuck in a write that never ends: neither
        // may keep the process from ending.
        while let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Finish) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match self.ended.recv_timeout(left) {
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

#[cfg(test)]
mod tests;
