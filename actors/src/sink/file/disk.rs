//! The file as the system has it: opened for one writer, cut where it is torn, put aside.
//!
//! A trait, so that the tests can have every step of it fail; the system's part is [`Folder`].

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use super::FileSettings;
use super::names::aside;
use super::seen::Seen;
use super::way::{Found, Way};
use crate::pulse::Pulse;

/// How much is read at a time in search of the last newline.
const CHUNK: usize = 64 << 10;

/// What a trail is written to.
pub(super) trait Disk {
    /// A file that is open.
    type File;

    /// Opens the file for this writer alone, with its torn last line cut off and all that is in it
    /// on the disk.
    fn open(&mut self) -> Result<Opened<Self::File>, Trouble>;

    /// Appends all of it. Where that fails, a part of it may be in the file.
    fn append(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Takes away what is beyond this length.
    fn cut(&mut self, file: &mut Self::File, length: u64) -> io::Result<()>;

    /// Waits until all that was appended is on the disk. Where that fails, none of it counts as
    /// being there: the system may have forgotten it.
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;

    /// Where an open file is by now.
    fn place(&mut self, file: &Self::File) -> Where;

    /// Puts the file aside: there is none under its name then.
    fn put_aside(&mut self) -> io::Result<()>;

    /// Reads what was written last, at most so many bytes, in this file and then in those put aside,
    /// the youngest first; lines that are not whole are left out.
    fn read_back(&mut self, file: &Self::File, most: u64, seen: &mut Seen) -> io::Result<ReadBack>;
}

/// A file that was opened.
#[derive(Debug)]
pub(super) struct Opened<F> {
    pub(super) file: F,
    pub(super) length: u64,
    /// How long the torn line was that is cut off; 0 where there was none.
    pub(super) torn: u64,
    /// When it was made, where that is known.
    pub(super) made: Option<SystemTime>,
}

/// Where an open file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Where it is to be.
    InPlace,
    /// Under another name: somebody put it aside.
    Moved,
    /// Nowhere: what is in it is lost when it is closed.
    Gone,
}

/// How much was read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadBack {
    pub(super) files: u64,
    pub(super) lines: u64,
    /// Lines that name no record.
    pub(super) strange: u64,
}

/// Why a file cannot be had, without its path.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// What the system said.
    #[error("cannot be opened: {0}")]
    System(#[from] io::Error),
    /// Another process has it.
    #[error(
        "is written by another process, or by another pipeline of this one, which holds its lock: \
         stop that, or choose another path"
    )]
    Locked,
    /// A folder, a pipe or a device.
    #[error("is not a regular file: choose another path")]
    NotAFile,
    /// It was moved or removed while it was opened.
    #[error("was replaced while it was opened")]
    Replaced,
}

/// A file in a folder.
#[derive(Debug)]
pub(super) struct Folder {
    way: Way,
    /// Shows that reading back, which may take long, goes on.
    pulse: Arc<Pulse>,
}

impl Folder {
    pub(super) fn new(settings: &FileSettings, pulse: Arc<Pulse>) -> Self {
        Self { way: Way::new(settings), pulse }
    }

    /// Names that were made or changed in the folder last a crash. Some systems cannot be asked for
    /// that, or not by everybody who may write there: they are trusted.
    fn sync_folder(&self) -> io::Result<()> {
        let synced = self.way.folder().and_then(|folder| folder.sync_all());
        match synced.as_ref().map_err(io::Error::kind) {
            Err(ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                Ok(())
            }
            _ => synced,
        }
    }
}

impl Disk for Folder {
    type File = File;

    fn open(&mut self) -> Result<Opened<File>, Trouble> {
        if self.way.found().is_ok_and(|found| !found.is_file) {
            return Err(Trouble::NotAFile);
        }
        let file = self.way.open()?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Trouble::Locked),
            // Not every network file system has locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let found = Found::of(&file)?;
        if !found.is_file {
            return Err(Trouble::NotAFile);
        }
        // Whoever had the lock may have put the file aside while it was asked for.
        if !found.is_same(&self.way.found()?) {
            return Err(Trouble::Replaced);
        }
        let found = file.metadata()?;
        let length = end_of_last_line(&file, found.len())?;
        let torn = found.len() - length;
        if torn > 0 {
            file.set_len(length)?;
        }
        // A process that was killed may have left what is not on the disk yet.
        file.sync_all()?;
        self.sync_folder()?;
        Ok(Opened { file, length, torn, made: found.created().ok() })
    }

    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn cut(&mut self, file: &mut File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn place(&mut self, file: &File) -> Where {
        let Ok(open) = Found::of(file) else { return Where::Gone };
        if self.way.found().is_ok_and(|found| open.is_same(&found)) {
            Where::InPlace
        } else if open.names > 0 {
            Where::Moved
        } else {
            Where::Gone
        }
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let now = SystemTime::now();
        for number in 0..u32::MAX {
            let name = aside(self.way.path(), now, number);
            if self.way.rename(name.file_name().unwrap_or_default())? {
                return self.sync_folder();
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    fn read_back(&mut self, file: &File, most: u64, seen: &mut Seen) -> io::Result<ReadBack> {
        let length = file.metadata()?.len();
        let mut left = most.saturating_sub(length);
        let mut before = Vec::new();
        for file in self.way.put_aside()? {
            if left == 0 {
                break;
            }
            let file = file?;
            // Somebody else may have put it aside before it was on the disk.
            file.sync_all()?;
            let length = file.metadata()?.len();
            before.push((file, length.min(left)));
            left = left.saturating_sub(length);
        }
        let mut done = ReadBack::default();
        // The oldest first: of two records of one offset the later is the one that is meant.
        for (file, most) in before.iter().rev() {
            done.add(read_tail(file, *most, seen, &self.pulse)?);
        }
        done.add(read_tail(file, length.min(most), seen, &self.pulse)?);
        Ok(done)
    }
}

impl ReadBack {
    fn add(&mut self, (lines, strange): (u64, u64)) {
        self.files += 1;
        self.lines += lines;
        self.strange += strange;
    }
}

/// Reads the lines that begin in the last `most` bytes.
fn read_tail(file: &File, most: u64, seen: &mut Seen, pulse: &Pulse) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(most);
    let mut reader = BufReader::with_capacity(CHUNK, Beating { file, pulse });
    // One byte earlier, to see whether a line begins there.
    reader.seek(SeekFrom::Start(from.saturating_sub(1)))?;
    if from > 0 {
        reader.skip_until(b'\n')?;
    }
    seen.read(reader)
}

/// A file whose reader shows that it goes on.
struct Beating<'a> {
    file: &'a File,
    pulse: &'a Pulse,
}

impl Read for Beating<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.pulse.beat();
        self.file.read(into)
    }
}

impl Seek for Beating<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// The length of a file without what is behind its last newline.
fn end_of_last_line(file: &File, length: u64) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let size = usize::try_from(end - start).unwrap_or(CHUNK);
        file.read_exact_at(&mut chunk[..size], start)?;
        if let Some(at) = chunk[..size].iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests;
