//! The way to a file: by its path, or, where it has to stay beneath a folder, from there step by step.
//!
//! Beneath a folder no step follows a symbolic link: what was looked at before the file was opened
//! may be another thing by then. To do the steps one by one is what every Unix can (`openat`); Linux
//! has `openat2` for all of them at once, which older kernels and some sandboxes have not.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, renameat, stat, statat,
};
use rustix::io::Errno;

use super::names::{folder, is_aside};
use super::settings::FileSettings;

/// What the system lets others do with a file that is made, less what the process's mask takes away.
const EVERYBODY: Mode = Mode::from_raw_mode(0o666);

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Way {
    path: PathBuf,
    root: Option<PathBuf>,
}

/// What is under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    id: (u64, u64),
    pub(super) is_file: bool,
    /// How many names it has: none, and it is gone when it is closed.
    pub(super) names: u64,
}

impl Found {
    /// What an open file is.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::new(&fstat(file)?))
    }

    fn new(stat: &Stat) -> Self {
        Self {
            id: (stat.st_dev, stat.st_ino),
            is_file: FileType::from_raw_mode(stat.st_mode).is_file(),
            names: stat.st_nlink,
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Way {
    pub(super) fn new(settings: &FileSettings) -> Self {
        Self { path: settings.path.clone(), root: settings.root.clone() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is under the file's name by now.
    pub(super) fn found(&self) -> io::Result<Found> {
        let stat = match &self.root {
            None => stat(&self.path)?,
            Some(_) => statat(self.folder()?, self.name(), AtFlags::SYMLINK_NOFOLLOW)?,
        };
        Ok(Found::new(&stat))
    }

    /// Opens the file, to be read and appended to; makes it where there is none.
    pub(super) fn open(&self) -> io::Result<File> {
        if self.root.is_none() {
            return OpenOptions::new().read(true).append(true).create(true).open(&self.path);
        }
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
        let opened = openat(self.folder()?, self.name(), flags | HERE, EVERYBODY);
        opened.map(File::from).map_err(|error| self.step(self.name(), error))
    }

    /// Opens the folder that the file is in.
    pub(super) fn folder(&self) -> io::Result<File> {
        let in_folder = folder(&self.path);
        let Some(root) = &self.root else { return File::open(in_folder) };
        let outside = || io::Error::other(format!("it is not beneath {}", root.display()));
        let steps = in_folder.strip_prefix(root).map_err(|_| outside())?;
        let mut open = File::open(root)?;
        for step in steps.components() {
            let Component::Normal(name) = step else { return Err(outside()) };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | HERE;
            let next = openat(&open, name, flags, Mode::empty());
            open = next.map(File::from).map_err(|error| self.step(name, error))?;
        }
        Ok(open)
    }

    /// Renames the file within its folder, unless there is something of that name; whether it did.
    pub(super) fn rename(&self, to: &OsStr) -> io::Result<bool> {
        let folder = self.folder()?;
        match statat(&folder, to, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(false),
            Err(Errno::NOENT) => {
                renameat(&folder, self.name(), &folder, to)?;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the files put aside, one after the other as they are asked for, the youngest first.
    pub(super) fn put_aside(&self) -> io::Result<impl Iterator<Item = io::Result<File>>> {
        let folder = self.folder()?;
        let mut found = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if !is_aside(self.name(), name) {
                continue;
            }
            let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode).is_file() {
                // When it was last written to.
                found.push((stat.st_mtime, stat.st_mtime_nsec, name.to_owned()));
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().rev().map(move |(_, _, name)| {
            let opened = openat(&folder, &name, OFlags::RDONLY | HERE, Mode::empty());
            Ok(opened.map(File::from)?)
        }))
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// The system's words for a link are about loops and folders.
    fn step(&self, name: &OsStr, error: Errno) -> io::Error {
        match (&self.root, error) {
            (Some(root), Errno::LOOP | Errno::NOTDIR) => io::Error::other(format!(
                "{} is a symbolic link, or no folder; beneath {} none is followed",
                name.display(),
                root.display()
            )),
            _ => error.into(),
        }
    }
}

/// Not by a link, without waiting for who reads a pipe, and not for programs that are started.
const HERE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests;
