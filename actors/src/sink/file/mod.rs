//! The file sink: appends records to a local file.
//!
//! It promises: a record counts as delivered when it is in the file as a whole, and on the disk where
//! [`SyncPolicy`] says so; records of a lane are in the file in their order; where the file cannot be
//! written (the disk is full, the folder is gone, another process has the file), at the start or
//! later, records are held and tried again, and what was written of them in part is cut off. A line
//! that a crash has torn is cut off at the next start. With [`Format::Ndjson`] the next start reads
//! back what was written last, and writes none of it twice.
//!
//! It does not promise: with [`Format::Raw`] what was written and not committed before a crash is
//! written again, and a value with line breaks may be torn at one of them. With `ndjson`, records
//! are told apart by topic, partition, offset and timestamp: two clusters whose topics share a name
//! need two files, and what has no timestamp is never taken for written. What is below the bytes that
//! are read back, or in a file that was removed, compressed or renamed to something that does not begin
//! with its name, is not found.
//!
//! Records are rendered on the arbiter that has them and handed as bytes to one thread, the only one
//! that touches the file, however many arbiters there are.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use self::job::Job;
pub use self::settings::{FileSettings, Format, Rotation, SyncPolicy};
use self::writer::Link;
use super::{Sink, SinkContext, SinkError, SinkFactory};
use crate::core::desk::Outcomes;
use crate::core::lanes::{Batch, Delivery, Entry};
use crate::core::outcome::{Failure, FailureKind, Outcome};
use crate::pulse::Pulse;
use crate::record::Record;

mod disk;
mod job;
mod json;
mod names;
mod render;
mod runs;
mod seen;
mod settings;
mod trail;
mod way;
mod writer;

/// What a delivery holds at the most: what a poll thread hands over at a time, four times. More
/// would be rendered at once and gain nothing, for the writer puts deliveries together.
const BATCH: Batch = Batch { lanes: 1024, records: 1024 };

/// Makes the sinks of a pipeline that writes one file, and leads its writer. Clones share both.
#[derive(Clone, Debug)]
pub struct FileSink(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: FileSettings,
    /// Taken when a sink is made and when the file is to be opened anew, never for a record.
    writer: Mutex<Writer>,
}

/// The writer that runs, or ran last.
#[derive(Debug, Default)]
struct Writer {
    link: Weak<Link>,
    thread: Option<JoinHandle<()>>,
}

impl FileSink {
    /// A sink that appends to a file. Nothing is opened yet; a file that cannot be written keeps no
    /// pipeline from starting: its records are held.
    pub fn new(settings: FileSettings) -> Self {
        Self(Arc::new(Shared { settings, writer: Mutex::default() }))
    }

    /// What it was told.
    pub fn settings(&self) -> &FileSettings {
        &self.0.settings
    }

    /// Closes the file and opens what is under its path by then, after what is being written; for
    /// when another program has renamed it. Returns at once.
    pub fn reopen(&self) {
        let link = self.0.lock().link.upgrade();
        if let Some(link) = link {
            link.reopen();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to the writer, which is started where none runs.
    fn link(&self, context: &SinkContext) -> io::Result<Arc<Link>> {
        let mut writer = self.lock();
        if let Some(link) = writer.link.upgrade() {
            return Ok(link);
        }
        let (settings, before) = (self.settings.clone(), writer.thread.take());
        let (link, thread) = Link::start(settings, &context.pipeline, before, context.log.clone())?;
        let link = Arc::new(link);
        *writer = Writer { link: Arc::downgrade(&link), thread: Some(thread) };
        Ok(link)
    }
}

impl SinkFactory for FileSink {
    type Sink = ToFile;

    fn build(&self, context: &SinkContext) -> Result<ToFile, SinkError> {
        let link = self.0.link(context).map_err(|error| {
            let path = self.0.settings.path.display();
            SinkError(format!("{path}: its thread cannot be started: {error}"))
        })?;
        Ok(ToFile { shared: Arc::clone(&self.0), link })
    }

    fn describe(&self) -> Option<String> {
        Some(format!("file:{}", self.0.settings.path.display()))
    }
}

/// The file sink of one arbiter; made by [`FileSink`].
#[derive(Debug)]
pub struct ToFile {
    shared: Arc<Shared>,
    link: Arc<Link>,
}

impl Sink for ToFile {
    async fn deliver(&self, delivery: &Delivery<Record>) -> Outcomes {
        let settings = &self.shared.settings;
        let records = || delivery.entries().iter().map(Entry::item);
        let size = records().map(Record::charge).sum();
        let share = self.link.share(size).await;
        let capacity = usize::try_from(size).unwrap_or(0);
        let (job, answer) = Job::new(settings.format, records(), capacity, share);
        self.link.write(job);
        match answer.await {
            Ok(Ok(())) => Outcome::Delivered.into(),
            Ok(Err(failure)) => Outcome::retry(failure).into(),
            Err(_) => {
                let path = settings.path.display();
                let reason = format!("{path} has no writer any more: restart the pipeline");
                Outcome::retry(Failure::new(FailureKind::Other, reason)).into()
            }
        }
    }

    fn batch(&self) -> Batch {
        BATCH
    }

    fn destination(&self) -> Arc<str> {
        "file".into()
    }

    fn pulse(&self) -> Option<Arc<Pulse>> {
        Some(self.link.pulse())
    }
}

#[cfg(test)]
mod tests;
