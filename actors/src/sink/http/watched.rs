//! A value that is made of files and made anew when they change.
//!
//! The files are looked at by a thread of its own, never by an arbiter: a file system that hangs
//! (a network mount, say) then holds up nothing but the news. What is asked for is always there: a
//! new file that is broken or gone leaves the last good value in force.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// How often the files are looked at. A change is noticed this late at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is wrong with a file, said with its name and without what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

impl FileError {
    pub(super) fn new(path: &Path, why: impl Into<String>) -> Self {
        Self { path: path.to_owned(), why: why.into() }
    }
}

/// What became of files that changed, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What they hold now is in use.
    Renewed(Vec<PathBuf>),
    /// They are of no use as they are now; what they held before stays in use. Said once for as
    /// long as the reason stays the same.
    Kept(FileError),
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renewed(paths) => {
                f.write_str("read again, for it changed:")?;
                paths.iter().try_for_each(|path| write!(f, " {}", path.display()))
            }
            Self::Kept(error) => write!(f, "what was read before stays in use: {error}"),
        }
    }
}

type Load<T> = Box<dyn Fn() -> Result<T, FileError> + Send + Sync>;

/// See the module. Clones share the value and the thread, which ends with the last of them.
pub(super) struct Watched<T>(Arc<Shared<T>>);

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shared<T> {
    paths: Vec<PathBuf>,
    load: Load<T>,
    /// Counts the values, so that who has made something of one need not take the lock to learn
    /// that it is still the latest.
    version: AtomicU64,
    has_news: AtomicBool,
    state: Mutex<State<T>>,
    /// Held while the files are read, apart from the state, which is asked for by arbiters.
    seen: Mutex<Vec<Option<Stamp>>>,
    /// Its end is the end of the thread.
    _alive: Sender<()>,
}

struct State<T> {
    value: T,
    /// The latest only: older news are of no use to anybody.
    news: Option<News>,
    trouble: Option<FileError>,
}

impl<T: Clone + Send + 'static> Watched<T> {
    /// Makes the first value, and begins to watch the files it is made of. Blocks while it reads.
    pub(super) fn new(
        paths: Vec<PathBuf>,
        load: impl Fn() -> Result<T, FileError> + Send + Sync + 'static,
    ) -> Result<Self, FileError> {
        let seen = paths.iter().map(|path| Stamp::of(path)).collect();
        let value = load()?;
        let (alive, ended) = channel();
        let shared = Arc::new(Shared {
            paths,
            load: Box::new(load),
            version: AtomicU64::new(1),
            has_news: AtomicBool::new(false),
            state: Mutex::new(State { value, news: None, trouble: None }),
            seen: Mutex::new(seen),
            _alive: alive,
        });
        let watched: Weak<Shared<T>> = Arc::downgrade(&shared);
        let watch = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(INTERVAL) {
                let Some(shared) = watched.upgrade() else { break };
                shared.look();
            }
        };
        thread::Builder::new().name("keyway-files".to_owned()).spawn(watch).map_err(|error| {
            let path = shared.paths.first().cloned().unwrap_or_default();
            FileError { path, why: format!("no thread to watch it with: {error}") }
        })?;
        Ok(Self(shared))
    }

    /// Which value it is, counted from 1; costs next to nothing.
    pub(super) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// The latest good value. Takes a lock that is never held while a file is touched.
    pub(super) fn current(&self) -> T {
        lock(&self.0.state).value.clone()
    }

    /// What happened since this was last asked; next to nothing while there is nothing.
    pub(super) fn news(&self) -> Option<News> {
        if !self.0.has_news.swap(false, Ordering::Acquire) {
            return None;
        }
        lock(&self.0.state).news.take()
    }

    /// Looks at the files now, as the thread does by itself.
    #[cfg(test)]
    pub(super) fn look(&self) {
        self.0.look();
    }
}

impl<T> Shared<T> {
    fn look(&self) {
        let mut seen = lock(&self.seen);
        // Taken before the files are read: what is written while they are is seen next time.
        let now: Vec<_> = self.paths.iter().map(|path| Stamp::of(path)).collect();
        // What could not be read is tried again though it looks the same: the reason may be gone.
        if *seen == now && lock(&self.state).trouble.is_none() {
            return;
        }
        let loaded = (self.load)();
        *seen = now;
        self.take(loaded);
    }

    fn take(&self, loaded: Result<T, FileError>) {
        let mut state = lock(&self.state);
        match loaded {
            Ok(value) => {
                state.value = value;
                state.trouble = None;
                state.news = Some(News::Renewed(self.paths.clone()));
                self.version.fetch_add(1, Ordering::Release);
            }
            Err(error) if state.trouble.as_ref() == Some(&error) => return,
            Err(error) => {
                state.trouble = Some(error.clone());
                state.news = Some(News::Kept(error));
            }
        }
        self.has_news.store(true, Ordering::Release);
    }
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// A file put in the place of another (as a mounted secret is, through a symbolic link) has
    /// another inode; the device, because inodes count within one.
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    /// Also moves when a tool puts the modification time back.
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let it = fs::metadata(path).ok()?;
        Some(Self {
            file: (it.dev(), it.ino()),
            size: it.size(),
            modified: (it.mtime(), it.mtime_nsec()),
            changed: (it.ctime(), it.ctime_nsec()),
        })
    }
}

/// Reads a regular file of at most `limit` bytes.
///
/// Nothing else is opened: a pipe or a terminal would wait for somebody to write, and could not be
/// read a second time.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = |error: io::Error| FileError::new(path, format!("cannot be read: {error}"));
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(FileError::new(path, "is not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path).and_then(|it| it.take(limit + 1).read_to_end(&mut content)).map_err(failed)?;
    if content.len() as u64 > limit {
        return Err(FileError::new(path, format!("is longer than {limit} bytes")));
    }
    Ok(content)
}

/// Nothing that can panic runs under these locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn watched(path: &Path) -> Watched<usize> {
        let file = path.to_owned();
        Watched::new(vec![path.to_owned()], move || read(&file, 10).map(|it| it.len())).unwrap()
    }

    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_change_is_a_new_version_and_is_told_once() {
        let (_folder, path) = file("one");
        let it = watched(&path);
        it.look();
        assert_eq!((it.version(), it.current(), it.news()), (1, 3, None));
        fs::write(&path, "three").unwrap();
        it.look();
        assert_eq!((it.version(), it.current()), (2, 5));
        assert_eq!(it.clone().news(), Some(News::Renewed(vec![path])));
        assert_eq!(it.news(), None);
    }

    #[test]
    fn a_file_put_in_the_place_of_another_is_seen_though_it_looks_the_same() {
        let (folder, path) = file("one");
        let it = watched(&path);
        let other = folder.path().join("other");
        fs::write(&other, "two").unwrap();
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &path).unwrap();
        it.look();
        assert_eq!(it.version(), 2);
    }

    #[test]
    fn what_cannot_be_read_leaves_what_was_and_is_told_once() {
        let (_folder, path) = file("one");
        let it = watched(&path);
        fs::remove_file(&path).unwrap();
        it.look();
        let news = it.news().unwrap().to_string();
        assert!(news.contains("stays in use") && news.contains(path.to_str().unwrap()), "{news}");
        it.look();
        assert_eq!((it.version(), it.current(), it.news()), (1, 3, None));
        fs::write(&path, "much too long").unwrap();
        it.look();
        let too_long = FileError::new(&path, "is longer than 10 bytes");
        assert_eq!(it.news(), Some(News::Kept(too_long)));
        fs::write(&path, "fine").unwrap();
        it.look();
        assert_eq!((it.version(), it.current()), (2, 4));
    }

    #[test]
    fn a_file_that_comes_back_as_it_was_is_no_trouble_any_more() {
        let (folder, path) = file("one");
        let it = watched(&path);
        let away = folder.path().join("away");
        for _ in 0..2 {
            fs::rename(&path, &away).unwrap();
            it.look();
            assert!(matches!(it.news(), Some(News::Kept(_))));
            fs::rename(&away, &path).unwrap();
            it.look();
            assert!(matches!(it.news(), Some(News::Renewed(_))));
        }
    }

    #[test]
    fn what_could_not_be_read_is_tried_again_though_it_looks_the_same() {
        let (_folder, path) = file("one");
        let broken = Arc::new(AtomicBool::new(false));
        let (file, is_broken) = (path.clone(), Arc::clone(&broken));
        let load = move || {
            let why = is_broken.load(Ordering::Relaxed).then_some("broken");
            why.map_or(Ok(()), |why| Err(FileError::new(&file, why)))
        };
        let it = Watched::new(vec![path.clone()], load).unwrap();
        broken.store(true, Ordering::Relaxed);
        fs::write(&path, "three").unwrap();
        it.look();
        assert!(matches!(it.news(), Some(News::Kept(_))));
        broken.store(false, Ordering::Relaxed);
        it.look();
        assert!(matches!(it.news(), Some(News::Renewed(_))));
    }

    #[test]
    fn only_regular_files_are_read() {
        let (folder, path) = file("1234567890");
        assert_eq!(read(&path, 10).unwrap(), b"1234567890");
        assert_eq!(read(&path, 9).unwrap_err().why, "is longer than 9 bytes");
        assert_eq!(read(folder.path(), 10).unwrap_err().why, "is not a regular file");
        assert!(read(&folder.path().join("none"), 10).unwrap_err().why.contains("cannot be read"));
    }

    #[test]
    fn the_thread_looks_by_itself_and_ends_with_the_last_clone() {
        let (_folder, path) = file("one");
        let (said, heard) = channel();
        let load = move || {
            said.send(thread::current().name().map(str::to_owned)).unwrap();
            Ok(0)
        };
        let it = Watched::new(vec![path.clone()], load).unwrap();
        heard.recv().unwrap();
        fs::write(&path, "three").unwrap();
        assert_eq!(heard.recv().unwrap().as_deref(), Some("keyway-files"));
        drop(it);
        // The loader goes, and its sender with it, once the thread has let go.
        assert!(heard.recv().is_err());
    }
}
