//! What came through the API, kept in a folder (`--state-dir`): one file a pipeline.
//!
//! A file is written whole beside its place, brought to the disk, and then put there by its name, so
//! that a crash leaves the old one or the new one. A change that the disk does not confirm is taken
//! back: what is answered as not kept is not found by the next process, unless the machine fails before
//! the disk has that too. Definitions hold secrets: folder and files are for this user alone. One
//! process at a time has the folder.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::definition::Sharing;
use super::slot::Run;
use crate::settings::{Body, read_text};

/// The most bytes that a file may have: a body, and what is around it.
const MOST: u64 = 4 << 20;

/// The layout of the files.
const VERSION: u32 = 1;

const SUFFIX: &str = ".json";

/// What is kept of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    version: u32,
    /// What it is to do.
    pub run: Run,
    /// Whether it was started as a consumer.
    #[serde(default)]
    consumer: bool,
    /// What it is to be.
    pub definition: Body,
}

impl Kept {
    /// To be kept.
    pub fn new(definition: Body, sharing: Sharing, run: Run) -> Self {
        let consumer = sharing == Sharing::Consumers;
        Self { version: VERSION, run, consumer, definition }
    }

    /// How it shares its group.
    pub fn sharing(&self) -> Sharing {
        if self.consumer { Sharing::Consumers } else { Sharing::Alone }
    }
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "api.state_dir: another Keyway keeps its pipelines in {0}; give each a folder of its own"
    )]
    Taken(PathBuf),
    /// It cannot be read or written.
    #[error("api.state_dir: {path}: {error}")]
    Io {
        /// What was tried.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// The folder.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Has the disk confirm what files a folder has.
    sync: fn(&Path) -> io::Result<()>,
    /// Locked while this is there.
    _lock: File,
}

impl Store {
    /// Takes the folder, which is made if there is none.
    ///
    /// # Errors
    /// It cannot be made or written, or another process has it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |error| StoreError::Io { path, error }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
        // What is kept and cannot be seen would be written over.
        fs::read_dir(folder).map_err(failed(folder))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let lock = lock.map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), sync, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Taken(folder.to_owned())),
            Err(TryLockError::Error(error)) => Err(StoreError::Io { path, error }),
        }
    }

    /// Each pipeline that is kept, by name, or why it cannot be read. What a crash left half written
    /// is removed.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn all(&self) -> io::Result<Vec<(String, Result<Kept, String>)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.ends_with(TEMPORARY) {
                // What stays there is in nobody's way.
                let _ = fs::remove_file(&path);
            } else if let Some(name) = name.strip_suffix(SUFFIX) {
                found.push((name.to_owned(), read(&path)));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    /// Keeps a pipeline, in place of what was kept under its name. It is on the disk afterwards.
    ///
    /// # Errors
    /// What the system says; what was kept is as it was.
    pub fn keep(&self, name: &str, kept: &Kept) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(kept)?;
        if text.len() as u64 > MOST {
            let what = format!("it takes more than {MOST} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        self.change(name, Some(&text))
    }

    /// Forgets a pipeline; there may be none.
    ///
    /// # Errors
    /// What the system says; what was kept is as it was.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        self.change(name, None)
    }

    /// Has a pipeline's file hold this, or not be there, and the disk confirm it; or else be as it
    /// was.
    fn change(&self, name: &str, text: Option<&[u8]>) -> io::Result<()> {
        let before = self.bytes(name);
        self.put(name, text)?;
        let Err(error) = (self.sync)(&self.folder) else { return Ok(()) };
        // It is in its place, and would be found there by a process that is started now.
        before.and_then(|before| self.put(name, before.as_deref())).map_err(|why| {
            let what = format!(
                "{error}; what was kept cannot be put back ({why}): a restart finds the change made"
            );
            io::Error::new(error.kind(), what)
        })?;
        // As it was is all that can be done: the disk may not confirm this either.
        let _ = (self.sync)(&self.folder);
        Err(error)
    }

    /// Has a pipeline's file hold this, or not be there.
    fn put(&self, name: &str, text: Option<&[u8]>) -> io::Result<()> {
        let Some(text) = text else {
            let removed = fs::remove_file(self.path(name));
            return removed.or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            });
        };
        let temporary = self.folder.join(format!("{name}{TEMPORARY}"));
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        let written = file
            .write_all(text)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, self.path(name)));
        if written.is_err() {
            // It is removed at the next start otherwise.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// What a pipeline's file holds; `None` where there is none.
    fn bytes(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        // None of ours is longer.
        if file.take(MOST + 1).read_to_end(&mut bytes)? as u64 > MOST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(bytes))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{SUFFIX}"))
    }
}

/// What files there are in a folder is on the disk afterwards.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What the name of a file ends with that is being written; no pipeline's name and suffix do.
const TEMPORARY: &str = ".json~";

fn read(path: &Path) -> Result<Kept, String> {
    let text = read_text(path, MOST).map_err(|why| format!("{}: {why}", path.display()))?;
    let kept: Kept =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if kept.version != VERSION {
        let (path, version) = (path.display(), kept.version);
        return Err(format!("{path}: it is of layout {version}, and this Keyway reads {VERSION}"));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests;
