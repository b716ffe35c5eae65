//! Tries whether a file can be appended to, and changes nothing of it.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{Access, access};

use super::Finding;

/// Opens the file, or, where it is not there yet, asks whether its folder takes one.
pub(super) fn try_file(path: &Path) -> Finding {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Finding::failed(format!("file {shown}: is not a regular file; correct `file.path`"))
        }
        Ok(_) => match is_locked(path) {
            Ok(false) => Finding::ok(format!("file {shown}: can be appended to")),
            Ok(true) => Finding::note(format!(
                "file {shown}: another process writes it; where that is no Keyway which this one \
                 is to replace, choose another path"
            )),
            Err(error) => cannot(path, &error),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => Finding::ok(format!("file {shown}: can be made")),
                Err(error) => {
                    let (folder, error) = (folder.display(), io::Error::from(error));
                    Finding::failed(format!(
                        "file {shown}: cannot be made in {folder}: {error}; make the folder, or \
                         let this user write there (a run would hold its records until then)"
                    ))
                }
            }
        }
        Err(error) => cannot(path, &error),
    }
}

fn cannot(path: &Path, error: &io::Error) -> Finding {
    Finding::failed(format!(
        "file {}: cannot be opened: {error}; let this user write it, or correct `file.path` (a run \
         would hold its records until then)",
        path.display()
    ))
}

/// Whether another process has the file; not kept from it for longer than this takes.
fn is_locked(path: &Path) -> io::Result<bool> {
    let file = OpenOptions::new().read(true).append(true).open(path)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        // A file system without locks.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn what_can_be_appended_to_is_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.log");
        let found = try_file(&path);
        assert_eq!((found.verdict, path.exists()), (Verdict::Ok, false), "{found:?}");
        fs::write(&path, "torn").expect("written");
        assert_eq!(try_file(&path).verdict, Verdict::Ok);
        assert_eq!(fs::read_to_string(&path).expect("read"), "torn");
        let held = OpenOptions::new().append(true).open(&path).expect("opened");
        held.lock().expect("locked");
        assert_eq!(try_file(&path).verdict, Verdict::Note);
    }

    #[test]
    fn what_cannot_be_written_fails() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [folder.path().to_owned(), folder.path().join("no/a.log"), "/dev/null".into()] {
            let found = try_file(&path);
            assert_eq!(found.verdict, Verdict::Failed, "{found:?}");
        }
    }
}
