//! What is written to the file, when it is asked to be on the disk, and what is answered.
//!
//! Promises: what was answered as delivered is in the file as a whole, once, and (unless it is never
//! synced) on the disk; what was answered as failed is not in it, or is cut off before anything else
//! is written. It knows neither threads nor queues, and its tests have every step of the disk fail.

use std::fmt::Display;
use std::mem;
use std::time::{Duration, Instant, SystemTime};

use slog::{Logger, info, warn};

use super::disk::{Disk, Opened, Where};
use super::job::{Answer, Job};
use super::seen::{Place, Seen};
use super::{FileSettings, Format, SyncPolicy};
use crate::core::outcome::{Failure, FailureKind};

/// With `interval`, the disk is asked as soon as nothing more came for so long: whoever waits for an
/// answer may be all there is, since a lane goes on only when it has its own. Short beside the
/// milliseconds that a disk takes, long beside the time between two deliveries of a busy pipeline.
const QUIET: Duration = Duration::from_millis(2);

/// With `interval`, no more waits for the disk than these: an eighth of the buffer by default. What
/// waits is held, and the buffer has to have room for what comes in while the disk is busy.
const MOST_BYTES: usize = 16 << 20;
const MOST_RECORDS: usize = 25_000;

/// See the head of this file.
pub(super) struct Trail<D: Disk> {
    disk: D,
    settings: FileSettings,
    state: State<D::File>,
    /// The records that the file holds, where they are told apart.
    seen: Option<Seen>,
    /// What was written before was read back.
    resumed: bool,
    waiting: Waiting,
    buffer: Vec<u8>,
    /// The latest step failed, which was said.
    failing: bool,
    /// The latest rotation failed, which was said.
    not_rotated: bool,
    log: Logger,
}

enum State<F> {
    /// The next delivery opens it.
    Closed,
    Open(Open<F>),
}

struct Open<F> {
    file: F,
    /// What was written, without what failed.
    length: u64,
    /// How much of it is answered: never cut off.
    kept: u64,
    /// There may be more in the file than its length, which could not be cut off. Nothing is written
    /// until it is, and nothing waits.
    spoiled: bool,
    since: SystemTime,
}

/// What is written and not yet on the disk: a part of the open file.
#[derive(Default)]
struct Waiting {
    jobs: Vec<Written>,
    bytes: usize,
    records: usize,
    /// When the first and the last of them were written.
    times: Option<(Instant, Instant)>,
}

/// A job that is written.
struct Written {
    job: Job,
    /// The records of it that were not in the file before.
    new: Vec<Place>,
}

impl<D: Disk> Trail<D> {
    pub(super) fn new(disk: D, settings: FileSettings, log: Logger) -> Self {
        Self {
            disk,
            seen: (settings.format == Format::Ndjson).then(Seen::default),
            settings,
            state: State::Closed,
            resumed: false,
            waiting: Waiting::default(),
            buffer: Vec::new(),
            failing: false,
            not_rotated: false,
            log,
        }
    }

    /// Opens the file before anything is to be written; that it cannot be is said in the log.
    pub(super) fn start(&mut self) {
        let _ = self.open();
    }

    /// Writes these deliveries, and answers them now or later.
    pub(super) fn write(&mut self, mut group: Vec<Job>, now: Instant) {
        group.retain(|job| !job.is_cancelled());
        let size = group.iter().map(|job| job.bytes.len() as u64).sum();
        if group.is_empty() {
            return;
        }
        if let Err(failure) = self.get_ready(size) {
            answer(group, &Err(failure));
            return;
        }
        let (written, records) = self.compose(group);
        if let Err(failure) = self.append() {
            self.forget(&written);
            answer(written.into_iter().map(|it| it.job), &Err(failure));
            return;
        }
        if self.settings.sync == SyncPolicy::Never {
            if let State::Open(open) = &mut self.state {
                open.kept = open.length;
            }
            self.is_well();
            answer(written.into_iter().map(|it| it.job), &Ok(()));
            return;
        }
        self.waiting.bytes += self.buffer.len();
        self.waiting.records += records;
        self.waiting.jobs.extend(written);
        let first = self.waiting.times.map_or(now, |(first, _)| first);
        self.waiting.times = Some((first, now));
    }

    /// When the disk is to be asked; none where nothing waits for it.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = self.waiting.times?;
        match self.settings.sync {
            SyncPolicy::Interval(longest) => {
                let full = self.waiting.bytes >= MOST_BYTES || self.waiting.records >= MOST_RECORDS;
                // A time beyond what the clock can show never comes.
                let latest = first.checked_add(longest).unwrap_or(last + QUIET);
                Some(if full { first } else { latest.min(last + QUIET) })
            }
            SyncPolicy::Always | SyncPolicy::Never => Some(first),
        }
    }

    /// Waits until all that is written is on the disk, and answers it.
    pub(super) fn sync(&mut self) -> Answer {
        let waiting = mem::take(&mut self.waiting);
        let result = self.ask_disk();
        if result.is_err() {
            self.forget(&waiting.jobs);
        }
        answer(waiting.jobs.into_iter().map(|it| it.job), &result);
        result
    }

    /// Closes the file, and opens whatever is under its name by now.
    pub(super) fn reopen(&mut self) {
        let _ = self.sync();
        self.close();
        if self.open().is_ok() {
            info!(self.log, "file opened anew"; "path" => self.path());
        }
    }

    fn ask_disk(&mut self) -> Answer {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        match self.disk.sync(&mut open.file) {
            Ok(()) if self.disk.place(&open.file) == Where::Gone => {
                // There is nothing left to be cut off.
                self.state = State::Closed;
                Err(self.trouble("was removed before it was on the disk"))
            }
            Ok(()) => {
                open.kept = open.length;
                self.is_well();
                Ok(())
            }
            Err(error) => {
                // Asked again, the system might say that all is well, and have forgotten it: what is
                // written next is written to the file opened anew.
                open.length = open.kept;
                self.cut();
                self.spoil();
                Err(self.trouble(format_args!("cannot be synced to the disk: {error}")))
            }
        }
    }

    /// Has the file open, under its name, with room for so many bytes more.
    fn get_ready(&mut self, size: u64) -> Answer {
        if let State::Open(open) = &self.state
            && !open.spoiled
        {
            if self.disk.place(&open.file) != Where::InPlace {
                // What waits is answered by what becomes of it there.
                let _ = self.sync();
                self.close();
                info!(self.log, "file moved or removed by another program: it is opened anew";
                    "path" => self.path());
            } else if self.is_over(open, size) {
                self.rotate()?;
            }
        }
        self.open()
    }

    fn is_over(&self, open: &Open<D::File>, size: u64) -> bool {
        let rotation = self.settings.rotation;
        let too_large = rotation.size.is_some_and(|most| open.length.saturating_add(size) > most);
        // A clock that was set back makes no file old.
        let age = open.since.elapsed().unwrap_or_default();
        open.length > 0 && (too_large || rotation.age.is_some_and(|oldest| age >= oldest))
    }

    fn rotate(&mut self) -> Answer {
        self.sync()?;
        match self.disk.put_aside() {
            Ok(()) => {
                self.not_rotated = false;
                self.close();
            }
            // Records matter more than sizes: it goes on growing.
            Err(error) => {
                if !mem::replace(&mut self.not_rotated, true) {
                    warn!(self.log, "file cannot be rotated, and goes on growing";
                        "path" => self.path(), "reason" => %error);
                }
            }
        }
        Ok(())
    }

    /// Has the file open, with nothing in it that was not delivered.
    fn open(&mut self) -> Answer {
        if let State::Open(open) = &mut self.state {
            if !open.spoiled {
                return Ok(());
            }
            // And synced, or a power cut could bring it back.
            let length = open.length;
            if self.disk.place(&open.file) != Where::Gone
                && let Err(error) = self
                    .disk
                    .cut(&mut open.file, length)
                    .and_then(|()| self.disk.sync(&mut open.file))
            {
                return Err(self.trouble(format_args!(
                    "cannot be cut back to the {length} bytes that are delivered: {error}"
                )));
            }
            self.state = State::Closed;
        }
        let Opened { file, length, torn, made } = match self.disk.open() {
            Ok(opened) => opened,
            Err(error) => return Err(self.trouble(error)),
        };
        if torn > 0 {
            warn!(self.log, "file ended in a torn line, which is cut off"; "path" => self.path(),
                "bytes" => torn);
        }
        if !self.resumed {
            if let Err(error) = self.resume(&file) {
                return Err(self.trouble(format_args!("cannot be read back: {error}")));
            }
            self.resumed = true;
        }
        let since = made.unwrap_or_else(SystemTime::now);
        self.state = State::Open(Open { file, length, kept: length, spoiled: false, since });
        Ok(())
    }

    /// Closes the file, unless something is to be cut off from it first.
    fn close(&mut self) {
        if matches!(&self.state, State::Open(open) if !open.spoiled) {
            self.state = State::Closed;
        }
    }

    fn resume(&mut self, file: &D::File) -> std::io::Result<()> {
        let Some(seen) = &mut self.seen else { return Ok(()) };
        let mut found = Seen::default();
        let read = self.disk.read_back(file, self.settings.resume_bytes, &mut found)?;
        *seen = found;
        info!(self.log, "file read back: what it holds is not written again"; "path" => self.path(),
            "files" => read.files, "lines" => read.lines, "without a record" => read.strange);
        Ok(())
    }

    /// Puts the lines that are to be written into the buffer; says also how many there are.
    fn compose(&mut self, group: Vec<Job>) -> (Vec<Written>, usize) {
        self.buffer.clear();
        let mut records = 0;
        let mut written = Vec::with_capacity(group.len());
        for mut job in group {
            let lines = mem::take(&mut job.lines);
            let bytes = mem::take(&mut job.bytes);
            let mut new = Vec::new();
            match &mut self.seen {
                None => {
                    self.buffer.extend_from_slice(&bytes);
                    records += job.records;
                }
                Some(seen) => {
                    let mut start = 0;
                    for (end, place) in lines {
                        if seen.insert(&place) {
                            self.buffer.extend_from_slice(&bytes[start..end]);
                            new.push(place);
                        }
                        start = end;
                    }
                    records += new.len();
                }
            }
            // The queue has room again.
            job.share = None;
            written.push(Written { job, new });
        }
        (written, records)
    }

    fn append(&mut self) -> Answer {
        let State::Open(open) = &mut self.state else { unreachable!("it was made ready") };
        if self.buffer.is_empty() {
            return Ok(());
        }
        match self.disk.append(&mut open.file, &self.buffer) {
            Ok(()) => {
                open.length += self.buffer.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.cut();
                if self.waiting.times.is_some() {
                    let _ = self.sync();
                }
                Err(self.trouble(format_args!("cannot be written: {error}")))
            }
        }
    }

    /// Takes away what is in the open file beyond its length, now or before anything else is written.
    fn cut(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.spoiled = self.disk.cut(&mut open.file, open.length).is_err();
        }
    }

    /// Nothing is written to the open file any more, and it is cut before it is closed.
    fn spoil(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.spoiled = true;
        }
    }

    fn forget(&mut self, written: &[Written]) {
        if let Some(seen) = &mut self.seen {
            written.iter().flat_map(|it| &it.new).for_each(|place| seen.remove(place));
        }
    }

    fn is_well(&mut self) {
        if mem::take(&mut self.failing) {
            info!(self.log, "file is written again"; "path" => self.path());
        }
    }

    /// A failure that says which file and why; the first of several in a row goes into the log.
    fn trouble(&mut self, reason: impl Display) -> Failure {
        let reason = format!("{} {reason}", self.path());
        if !mem::replace(&mut self.failing, true) {
            warn!(self.log, "file cannot be written: records are held and tried again";
                "reason" => &reason);
        }
        Failure::new(FailureKind::Other, reason)
    }

    fn path(&self) -> String {
        self.settings.path.display().to_string()
    }
}

/// Answers deliveries; whoever was cancelled meanwhile does not hear it.
fn answer(jobs: impl IntoIterator<Item = Job>, answer: &Answer) {
    for job in jobs {
        let _ = job.reply.send(answer.clone());
    }
}

#[cfg(test)]
mod tests;
