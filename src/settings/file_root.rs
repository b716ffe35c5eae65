//! Paths of files that somebody gives over the API, who may not write wherever the process can: they
//! have to stay in one folder, `api.file_root`.
//!
//! A path is checked once, when it is given, so that it is refused with a reason. That it stays there
//! is the sink's to see to, which follows no link beneath its root whenever it opens something: a
//! pipeline of such a path has to have [`FileSettings::root`](keyway_actors::sink::file::FileSettings)
//! set to the same folder.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

/// Why a path is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No folder was set that paths could be in.
    #[error(
        "paths of files are not taken here: start Keyway with --file-root FOLDER (api.file_root) to \
         let pipelines that are made over the API write files in that folder"
    )]
    NoRoot,
    /// Nothing, or something with a NUL in it.
    #[error("expected the path of a file")]
    NotAPath,
    /// `..`, which is not worked out: what it means depends on links.
    #[error("{0} has `..` in it: write the path without")]
    Parent(PathBuf),
    /// Somewhere else, by its own words or by a symbolic link.
    #[error("{0} leads out of the folder that files have to stay in (api.file_root)")]
    Outside(PathBuf),
    /// A folder, a pipe, a device.
    #[error("{0} is no regular file: choose another path")]
    NotAFile(PathBuf),
    /// The system does not say what is there.
    #[error("{0} cannot be looked at: {1}")]
    System(PathBuf, io::Error),
}

/// The real path of a file that is to be in `root`, which is a real path itself; relative paths
/// count from there. What is not there yet is made of nothing but the names given.
///
/// # Errors
/// Why the path is refused, with the path as it was given.
pub fn confine(root: Option<&Path>, given: &Path) -> Result<PathBuf, Refused> {
    let root = root.ok_or(Refused::NoRoot)?;
    let bytes = given.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(Refused::NotAPath);
    }
    if given.components().any(|step| step == Component::ParentDir) {
        return Err(Refused::Parent(given.to_owned()));
    }
    if bytes.ends_with(b"/") || bytes.ends_with(b"/.") || bytes == b"." {
        return Err(Refused::NotAFile(given.to_owned()));
    }
    let real = real(&root.join(given)).map_err(|error| match error.kind() {
        // A link that leads nowhere, or round in a circle.
        ErrorKind::NotFound => Refused::Outside(given.to_owned()),
        _ if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
            Refused::Outside(given.to_owned())
        }
        ErrorKind::NotADirectory => Refused::NotAFile(given.to_owned()),
        _ => Refused::System(given.to_owned(), error),
    })?;
    if !real.starts_with(root) {
        return Err(Refused::Outside(given.to_owned()));
    }
    match fs::symlink_metadata(&real) {
        Ok(found) if !found.is_file() => Err(Refused::NotAFile(given.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err(Refused::NotAFile(given.to_owned()))
        }
        _ => Ok(real),
    }
}

/// A path without links, of which only the first steps have to be there.
fn real(path: &Path) -> io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut there = path;
    // The root of the file system is there.
    while let (Err(error), Some(parent), Some(name)) =
        (fs::symlink_metadata(there), there.parent(), there.file_name())
    {
        if error.kind() != ErrorKind::NotFound {
            return Err(error);
        }
        missing.push(name);
        there = parent;
    }
    let mut real = fs::canonicalize(there)?;
    real.extend(missing.iter().rev());
    Ok(real)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Stage {
        _folder: tempfile::TempDir,
        root: PathBuf,
        outside: PathBuf,
    }

    impl Stage {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().canonicalize().unwrap();
            let (root, outside) = (path.join("root"), path.join("outside"));
            for made in [&root.join("a"), &outside] {
                fs::create_dir_all(made).unwrap();
            }
            fs::write(outside.join("secret"), "").unwrap();
            Self { _folder: folder, root, outside }
        }

        fn confine(&self, given: impl AsRef<Path>) -> Result<PathBuf, Refused> {
            confine(Some(&self.root), given.as_ref())
        }

        fn link(&self, to: impl AsRef<Path>, name: &str) {
            symlink(to, self.root.join(name)).unwrap();
        }
    }

    #[test]
    fn without_a_folder_no_path_is_taken() {
        let refused = confine(None, Path::new("a")).unwrap_err();
        assert!(matches!(refused, Refused::NoRoot) && refused.to_string().contains("--file-root"));
    }

    #[test]
    fn what_is_in_the_folder_is_taken_whether_it_is_there_or_not() {
        let stage = Stage::new();
        fs::write(stage.root.join("a/there"), "").unwrap();
        for given in ["new", "a/new", "./a/there", "a//there", "not/yet/there"] {
            let expected: PathBuf = stage.root.join(given).components().collect();
            assert_eq!(stage.confine(given).unwrap(), expected);
            assert_eq!(stage.confine(stage.root.join(given)).unwrap(), expected, "absolute");
        }
    }

    #[test]
    fn what_is_no_path_of_a_file_is_refused() {
        let stage = Stage::new();
        for given in [&b""[..], b"a\0b"] {
            let refused = stage.confine(OsStr::from_bytes(given)).unwrap_err();
            assert!(matches!(refused, Refused::NotAPath), "{refused}");
        }
        fs::write(stage.root.join("file"), "").unwrap();
        for given in ["a", "a/", ".", "a/.", "./", "file/below"] {
            let refused = stage.confine(given).unwrap_err();
            assert!(matches!(refused, Refused::NotAFile(_)), "{given}: {refused}");
        }
        let refused = stage.confine(&stage.root).unwrap_err();
        assert!(matches!(refused, Refused::NotAFile(_)), "{refused}");
    }

    #[test]
    fn steps_upwards_are_refused_wherever_they_lead() {
        let stage = Stage::new();
        for given in ["..", "../outside/x", "a/../b", "a/../../outside/x", "/../x"] {
            let refused = stage.confine(given).unwrap_err();
            assert!(matches!(refused, Refused::Parent(_)), "{given}: {refused}");
        }
    }

    #[test]
    fn absolute_paths_elsewhere_are_refused() {
        let stage = Stage::new();
        let beside = PathBuf::from(format!("{}-beside/x", stage.root.display()));
        for given in [Path::new("/etc/passwd"), &stage.outside.join("new"), &beside] {
            let refused = stage.confine(given).unwrap_err();
            assert!(matches!(refused, Refused::Outside(_)), "{refused}");
        }
    }

    #[test]
    fn links_that_lead_out_are_refused_at_any_step() {
        let stage = Stage::new();
        stage.link(&stage.outside, "out");
        stage.link("../outside", "up");
        stage.link(stage.outside.join("secret"), "file");
        stage.link(stage.outside.join("not-there"), "nowhere");
        stage.link("round", "round");
        stage.link("out", "twice");
        for given in
            ["out/new", "out/not/yet", "up/secret", "file", "nowhere", "round", "twice/secret"]
        {
            let refused = stage.confine(given).unwrap_err();
            assert!(matches!(refused, Refused::Outside(_)), "{given}: {refused}");
        }
        assert!(fs::read_dir(&stage.outside).unwrap().count() == 1);
    }

    #[test]
    fn a_link_that_stays_becomes_what_it_leads_to() {
        let stage = Stage::new();
        stage.link("a", "inner");
        assert_eq!(stage.confine("inner/new").unwrap(), stage.root.join("a/new"));
    }
}
