//! What a file sink is told.

use std::path::PathBuf;
use std::time::Duration;

use super::render::render;
use crate::record::Record;

/// A file that records are appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// Where it is. Its folder has to exist; the file is made where there is none. It has to be a
    /// regular file, and no other process may write it.
    pub path: PathBuf,
    /// A folder that it must not leave, for a path that somebody gives who may not write everywhere.
    /// It is the real path of a folder that is there (`std::fs::canonicalize`), `path` begins with
    /// it, and none of the folders between, nor the file, may be a symbolic link: whenever it is
    /// opened, renamed or read back, no link is followed. None by default.
    pub root: Option<PathBuf>,
    /// What a record looks like in it. Raw by default.
    pub format: Format,
    /// When a record that is written counts as delivered. Each second by default.
    pub sync: SyncPolicy,
    /// When the file is put aside and a new one begun. Never by default.
    pub rotation: Rotation,
    /// How much of what was written last is read when the pipeline starts, to write nothing twice;
    /// with [`Format::Ndjson`] only. 1 GiB by default; at a GiB it takes some seconds. It has to
    /// reach back to the last commit: what is settled in a commit interval, and what is under way.
    pub resume_bytes: u64,
}

impl FileSettings {
    /// A file with defaults for everything else.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            root: None,
            format: Format::default(),
            sync: SyncPolicy::default(),
            rotation: Rotation::default(),
            resume_bytes: 1 << 30,
        }
    }
}

/// What a record looks like in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Its value, byte for byte, and a newline. A tombstone is an empty line.
    #[default]
    Raw,
    /// A JSON object a line, with all that Kafka gave: topic, partition, offset, timestamp, key,
    /// headers and value.
    Ndjson,
}

impl Format {
    /// What is appended for a record, with the newline at its end.
    pub fn line(self, record: &Record) -> Vec<u8> {
        let mut line = Vec::new();
        render(self, record, &mut line);
        line
    }
}

/// When a record that is written counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncPolicy {
    /// When the system has it on the disk, which it is asked for at the latest this long after the
    /// record was written, and sooner when nothing more comes or much waits.
    Interval(Duration),
    /// The same, and it is asked for as soon as the record is written, together with all that was
    /// written with it.
    Always,
    /// When it is written. A crash of the process loses nothing; one of the machine may lose what
    /// the system had not yet put on the disk, and its offsets may be committed.
    Never,
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self::Interval(Duration::from_secs(1))
    }
}

/// When a file is put aside: it is renamed to `NAME.YYYYMMDDTHHMMSSZ`, with `-1`, `-2` and so on
/// behind it where that is taken, and a new one is begun. Old ones are never removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Before it would grow beyond so many bytes. What is written at once (some MiB at the most,
    /// unless records are larger) is not split over two files.
    pub size: Option<u64>,
    /// When it is so old, and something is to be written. Its age counts from when it was made,
    /// where the file system says when that was, else from when it was opened.
    pub age: Option<Duration>,
}
