//! Real folders, with links that lead out of them.

use std::fs;
use std::io::Write;
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
        for made in [&root.join("a/b"), &outside] {
            fs::create_dir_all(made).unwrap();
        }
        Self { _folder: folder, root, outside }
    }

    fn way(&self, path: &str) -> Way {
        let path = self.root.join(path);
        Way::new(&FileSettings { root: Some(self.root.clone()), ..FileSettings::new(path) })
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_file_beneath_its_root_is_made_found_renamed_and_read() {
    let stage = Stage::new();
    for path in ["log", "a/log", "a/b/log"] {
        let way = stage.way(path);
        assert_eq!(way.found().unwrap_err().kind(), io::ErrorKind::NotFound);
        let mut file = way.open().unwrap();
        file.write_all(b"x\n").unwrap();
        let found = way.found().unwrap();
        assert!(found.is_file && found.is_same(&Found::of(&file).unwrap()));
        assert!(way.rename(OsStr::new("log.1")).unwrap());
        assert!(way.put_aside().unwrap().next().unwrap().is_ok());
        way.open().unwrap();
        assert!(!way.rename(OsStr::new("log.1")).unwrap(), "it is not renamed over another");
        assert!(way.found().unwrap().is_file);
    }
}

#[test]
fn no_link_leads_out_at_any_step() {
    let stage = Stage::new();
    symlink(&stage.outside, stage.root.join("a/out")).unwrap();
    symlink(stage.outside.join("log"), stage.root.join("a/log")).unwrap();
    symlink("../../outside", stage.root.join("a/up")).unwrap();
    for path in ["a/out/log", "a/log", "a/up/log"] {
        let refused = stage.way(path).open().unwrap_err().to_string();
        assert!(refused.contains("is a symbolic link"), "{refused}");
    }
    for path in ["a/out/log", "a/up/log"] {
        let way = stage.way(path);
        assert!(way.folder().is_err() && way.found().is_err() && way.put_aside().is_err());
        assert!(way.rename(OsStr::new("x")).is_err());
    }
    assert!(!stage.way("a/log").found().is_ok_and(|found| found.is_file), "the link itself");
    assert!(is_empty(&stage.outside));
}

/// What is looked at may be another thing when it is opened.
#[test]
fn a_folder_that_becomes_a_link_is_not_followed() {
    let stage = Stage::new();
    let way = stage.way("a/b/log");
    way.open().unwrap();
    fs::rename(stage.root.join("a/b"), stage.root.join("a/c")).unwrap();
    symlink(&stage.outside, stage.root.join("a/b")).unwrap();
    assert!(way.open().is_err() && way.rename(OsStr::new("x")).is_err());
    assert!(is_empty(&stage.outside));
}

#[test]
fn a_link_among_those_put_aside_is_not_read() {
    let stage = Stage::new();
    fs::write(stage.outside.join("secret"), "s\n").unwrap();
    symlink(stage.outside.join("secret"), stage.root.join("log.1")).unwrap();
    assert_eq!(stage.way("log").put_aside().unwrap().count(), 0);
}

#[test]
fn a_path_that_is_not_beneath_its_root_is_refused() {
    let stage = Stage::new();
    for path in ["../outside/log", "a/../../outside/log", "/tmp/log"] {
        let refused = stage.way(path).open().unwrap_err().to_string();
        assert!(refused.contains("not beneath"), "{refused}");
    }
    assert!(is_empty(&stage.outside));
}
