//! A secret: given, or in a file that is read again when it changes.
//!
//! It is shown by nothing: not by `Debug`, not by an error. There is no `Display`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::watched::{FileError, News, Watched, read};

/// Longer than any password, token or key; and what is longer is a file mistaken for one.
const LIMIT: u64 = 64 * 1024;

/// A password, a token or a key. Clones share it, with the watch over its file.
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Given(Arc<str>),
    File { path: Arc<Path>, content: Watched<Arc<str>> },
}

impl Secret {
    /// A secret that stays what it is.
    pub fn given(value: impl Into<String>) -> Self {
        Self(Source::Given(value.into().into()))
    }

    /// The content of a file, without one line break at its end. The file is looked at once a
    /// second by a thread of its own; one that becomes unusable changes nothing.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    /// The file cannot be read, is not a regular file, is empty, is longer than 64 KiB or is not
    /// UTF-8.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path: Arc<Path> = path.into().into();
        let watched = Arc::clone(&path);
        let content = Watched::new(vec![path.to_path_buf()], move || secret_in(&watched))?;
        Ok(Self(Source::File { path, content }))
    }

    /// The value as it is now; cheap, and never touches a file.
    pub fn current(&self) -> Arc<str> {
        match &self.0 {
            Source::Given(value) => Arc::clone(value),
            Source::File { content, .. } => content.current(),
        }
    }

    /// Which value it is: the same number, the same value.
    pub(super) fn version(&self) -> u64 {
        match &self.0 {
            Source::Given(_) => 1,
            Source::File { content, .. } => content.version(),
        }
    }

    /// What became of its file since this was last asked, for the log.
    pub fn news(&self) -> Option<News> {
        match &self.0 {
            Source::Given(_) => None,
            Source::File { content, .. } => content.news(),
        }
    }

    /// Its file, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Source::Given(_) => None,
            Source::File { path, .. } => Some(path),
        }
    }

    #[cfg(test)]
    pub(super) fn look(&self) {
        if let Source::File { content, .. } = &self.0 {
            content.look();
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            None => f.write_str("Secret(given)"),
            Some(path) => write!(f, "Secret({})", path.display()),
        }
    }
}

fn secret_in(path: &Path) -> Result<Arc<str>, FileError> {
    let text = String::from_utf8(read(path, LIMIT)?)
        .map_err(|_| FileError::new(path, "is not UTF-8 text"))?;
    let line = text.strip_suffix('\n').map(|it| it.strip_suffix('\r').unwrap_or(it));
    match line.unwrap_or(&text) {
        "" => Err(FileError::new(path, "is empty; it is to hold a secret")),
        secret => Ok(secret.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_it() {
        for (content, secret) in [
            ("hush", "hush"),
            ("hush\n", "hush"),
            ("hush\r\n", "hush"),
            ("hush\n\n", "hush\n"),
            ("hush\r", "hush\r"),
            (" hush ", " hush "),
        ] {
            let (_folder, path) = file(content);
            assert_eq!(&*Secret::file(path).unwrap().current(), secret, "{content:?}");
        }
    }

    #[test]
    fn files_without_a_secret_are_refused_with_their_name() {
        let long = vec![b'x'; 64 * 1024 + 1];
        for (content, why) in [
            (&b""[..], "empty"),
            (b"\n", "empty"),
            (b"hush\xff", "UTF-8"),
            (&long, "longer than 65536 bytes"),
        ] {
            let (_folder, path) = file(content);
            let error = Secret::file(&path).unwrap_err().to_string();
            assert!(error.starts_with(path.to_str().unwrap()) && error.contains(why), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let (_folder, path) = file(&long[1..]);
        assert_eq!(Secret::file(path).unwrap().current().len(), 64 * 1024);
    }

    #[test]
    fn it_follows_its_file_and_outlives_it() {
        let (_folder, path) = file("old");
        let secret = Secret::file(&path).unwrap();
        let clone = secret.clone();
        fs::write(&path, "newer").unwrap();
        secret.look();
        assert_eq!((&*clone.current(), clone.version()), ("newer", 2));
        assert!(matches!(clone.news(), Some(News::Renewed(_))));
        fs::write(&path, "").unwrap();
        secret.look();
        assert_eq!((&*clone.current(), clone.version()), ("newer", 2));
        assert!(matches!(clone.news(), Some(News::Kept(_))));
    }

    #[test]
    fn it_is_not_shown() {
        let (_folder, path) = file("hush");
        let secret = Secret::file(&path).unwrap();
        assert!(!format!("{secret:?} {:?}", Secret::given("hush")).contains("hush"));
        fs::write(&path, b"hush\xff").unwrap();
        secret.look();
        let news = secret.news().unwrap();
        assert!(!format!("{news} {news:?}").contains("hush"));
    }
}
