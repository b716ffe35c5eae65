//! What came through the API, kept in a folder (`--state-dir`): one file a pipeline.
//!
//! A file is written whole beside its place, brought to the disk, and then put there by its name, so
//! that a crash leaves the old one or the new one. Definitions hold secrets: folder and files are for
//! this user alone. One process at a time has the folder.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
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
    /// Whether it was started as a consumer; `None` in a file from before that was noted.
    #[serde(default)]
    consumer: Option<bool>,
    /// What it is to be.
    pub definition: Body,
}

impl Kept {
    /// To be kept.
    pub fn new(definition: Body, sharing: Sharing, run: Run) -> Self {
        let consumer = Some(sharing == Sharing::Consumers);
        Self { version: VERSION, run, consumer, definition }
    }

    /// How it shares its group.
    pub fn sharing(&self) -> Sharing {
        match self.consumer {
            Some(true) => Sharing::Consumers,
            Some(false) => Sharing::Alone,
            None => Sharing::of_unmarked(&self.definition),
        }
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
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
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
        let temporary = self.folder.join(format!("{name}{TEMPORARY}"));
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        let written = file
            .write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, self.path(name)));
        if written.is_err() {
            // It is removed at the next start otherwise.
            let _ = fs::remove_file(&temporary);
        }
        written.and_then(|()| self.sync())
    }

    /// Forgets a pipeline; there may be none.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.sync()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{SUFFIX}"))
    }

    /// What files there are is on the disk afterwards.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
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
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kept(topic: &str, run: Run) -> Kept {
        let definition = serde_json::json!({ "topics": [topic] });
        Kept::new(definition.as_object().cloned().unwrap_or_default(), Sharing::Alone, run)
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let store = Store::open(&path).unwrap();
        store.keep("two", &kept("t", Run::Stopped)).unwrap();
        store.keep("one", &kept("t", Run::Running)).unwrap();
        store.keep("one", &kept("u", Run::Paused)).unwrap();
        store.keep("three", &kept("t", Run::Running)).unwrap();
        store.forget("three").unwrap();
        store.forget("three").unwrap();
        drop(store);
        let found = Store::open(&path).unwrap().all().unwrap();
        let expected = [("one", kept("u", Run::Paused)), ("two", kept("t", Run::Stopped))]
            .map(|(name, it)| (name.to_owned(), Ok(it)));
        assert_eq!(found, expected);
    }

    #[test]
    fn who_was_a_consumer_is_one_again_also_of_a_file_from_before_that_was_noted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let own_name = serde_json::json!({ "name": "a", "kafka": { "client.id": "a" } });
        let other = serde_json::json!({ "name": "a", "kafka": { "client.id": "b" } });
        let none = serde_json::json!({ "name": "a" });
        let bodies = [own_name, other, none].map(|it| it.as_object().cloned().unwrap());
        let again = |kept: &Kept| {
            store.keep("a", kept).unwrap();
            store.all().unwrap().remove(0).1.unwrap().sharing()
        };
        for body in &bodies {
            for sharing in [Sharing::Alone, Sharing::Consumers] {
                assert_eq!(again(&Kept::new(body.clone(), sharing, Run::Running)), sharing);
            }
        }
        let before = bodies.map(|body| {
            let body = serde_json::Value::Object(body);
            let text = format!(r#"{{"version": 1, "run": "running", "definition": {body}}}"#);
            fs::write(folder.path().join("a.json"), text).unwrap();
            store.all().unwrap().remove(0).1.unwrap().sharing()
        });
        assert_eq!(before, [Sharing::Consumers, Sharing::Alone, Sharing::Alone]);
    }

    #[test]
    fn nobody_else_may_look_and_no_second_process_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let store = Store::open(&path).unwrap();
        store.keep("one", &kept("t", Run::Running)).unwrap();
        for (path, mode) in [(path.clone(), 0o700), (path.join("one.json"), 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
        assert!(matches!(Store::open(&path), Err(StoreError::Taken(_))));
        drop(store);
        assert!(Store::open(&path).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_told_and_left_and_what_is_half_written_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.keep("good", &kept("t", Run::Running)).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("bad.json", "{");
        write("later.json", r#"{"version": 2, "run": "running", "definition": {}}"#);
        write("good.json~", "{");
        let found = store.all().unwrap();
        let told = |name: &str| {
            let (_, it) = found.iter().find(|(found, _)| found == name).unwrap();
            it.as_ref().map(|_| ()).map_err(Clone::clone)
        };
        assert_eq!(told("good"), Ok(()));
        assert!(told("bad").is_err_and(|why| why.contains("bad.json: EOF")));
        assert!(told("later").is_err_and(|why| why.contains("layout 2")));
        assert!(!folder.path().join("good.json~").exists());
        assert!(folder.path().join("bad.json").exists());
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.keep("one", &kept("t", Run::Running)).unwrap();
        // A folder stands where the new one is to be written.
        fs::create_dir(folder.path().join("one.json~")).unwrap();
        assert!(store.keep("one", &kept("u", Run::Running)).is_err());
        assert_eq!(read(&folder.path().join("one.json")), Ok(kept("t", Run::Running)));
        // Nor does that folder keep the others from being found.
        assert_eq!(store.all().unwrap(), [("one".to_owned(), Ok(kept("t", Run::Running)))]);
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        // A line each, with its indentation, it takes several times the bytes that it came with.
        let definition = serde_json::json!({ "topics": vec![1; 500_000] });
        let large = definition.as_object().cloned().unwrap();
        let large = Kept::new(large, Sharing::Alone, Run::Running);
        assert_eq!(store.keep("one", &large).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(store.all().unwrap(), []);
    }
}
