//! Real files in a folder of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::sink::file::seen::Place;

struct Stage {
    folder: tempfile::TempDir,
    path: PathBuf,
    disk: Folder,
}

fn folder_of(path: &Path) -> Folder {
    Folder::new(&FileSettings::new(path), Arc::default())
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let disk = folder_of(&path);
        Self { folder, path, disk }
    }

    fn with(content: impl AsRef<[u8]>) -> Self {
        let stage = Self::new();
        fs::write(&stage.path, content).unwrap();
        stage
    }

    fn aside(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    fn content(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

fn line(offset: i64) -> String {
    format!("{{\"topic\":\"t\",\"partition\":0,\"offset\":{offset},\"timestamp\":5,\"value\":1}}\n")
}

/// Which of the offsets below ten are there.
fn offsets(seen: &mut Seen) -> Vec<i64> {
    let topic: Arc<str> = "t".into();
    let place =
        |offset| Place { topic: Arc::clone(&topic), partition: 0, offset, timestamp: Some(5) };
    (0..10).filter(|offset| !seen.insert(&place(*offset))).collect()
}

#[test]
fn a_torn_last_line_is_cut_off() {
    let long = vec![b'x'; CHUNK * 2 + 7];
    let cases: [(Vec<u8>, usize); 6] = [
        (b"".into(), 0),
        (b"one\ntwo\n".into(), 8),
        (b"one\ntwo".into(), 4),
        (b"torn".into(), 0),
        ([&b"one\n"[..], &long].concat(), 4),
        ([&long[..], b"\n", &vec![b'y'; CHUNK - 1]].concat(), long.len() + 1),
    ];
    for (content, whole) in cases {
        let mut stage = Stage::with(&content);
        let opened = stage.disk.open().unwrap();
        assert_eq!((opened.length, opened.torn), (whole as u64, (content.len() - whole) as u64));
        assert_eq!(stage.content(), content[..whole]);
    }
}

#[test]
fn a_file_is_made_appended_to_and_cut() {
    let mut stage = Stage::new();
    let mut file = stage.disk.open().unwrap().file;
    stage.disk.append(&mut file, b"one\ntwo\n").unwrap();
    stage.disk.cut(&mut file, 4).unwrap();
    stage.disk.append(&mut file, b"three\n").unwrap();
    stage.disk.sync(&mut file).unwrap();
    assert_eq!(stage.content(), b"one\nthree\n");
    drop(file);
    let opened = stage.disk.open().unwrap();
    assert_eq!((opened.length, opened.torn), (10, 0));
}

#[test]
fn a_file_has_one_writer() {
    let mut stage = Stage::new();
    let opened = stage.disk.open().unwrap();
    let mut second = folder_of(&stage.path);
    let refused = second.open().unwrap_err();
    assert!(matches!(refused, Trouble::Locked), "{refused}");
    assert!(refused.to_string().contains("another process"), "{refused}");
    drop(opened);
    assert!(second.open().is_ok());
}

#[test]
fn what_is_no_file_is_refused() {
    let open = |path: &Path| folder_of(path).open().unwrap_err();
    let stage = Stage::new();
    assert!(matches!(open(stage.folder.path()), Trouble::NotAFile));
    assert!(matches!(open(Path::new("/dev/null")), Trouble::NotAFile));
    let missing = open(&stage.folder.path().join("nowhere/log")).to_string();
    assert!(missing.starts_with("cannot be opened: No such file"), "{missing}");
}

#[test]
fn it_is_known_where_an_open_file_is() {
    let mut stage = Stage::new();
    let file = stage.disk.open().unwrap().file;
    assert_eq!(stage.disk.place(&file), Where::InPlace);
    let moved = stage.folder.path().join("log.1");
    fs::rename(&stage.path, &moved).unwrap();
    assert_eq!(stage.disk.place(&file), Where::Moved);
    fs::write(&stage.path, "of another\n").unwrap();
    assert_eq!(stage.disk.place(&file), Where::Moved);
    fs::remove_file(&moved).unwrap();
    assert_eq!(stage.disk.place(&file), Where::Gone);
}

#[test]
fn a_file_is_put_aside_under_a_name_of_its_own() {
    let mut stage = Stage::new();
    for content in ["one\n", "two\n", "three\n"] {
        fs::write(&stage.path, content).unwrap();
        stage.disk.put_aside().unwrap();
        assert!(!stage.path.exists());
    }
    let mut found: Vec<_> = fs::read_dir(stage.folder.path())
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    found.sort();
    assert_eq!(found, ["one\n", "three\n", "two\n"], "none was renamed over another");
}

#[test]
fn what_was_written_last_is_read_back() {
    let length = line(0).len() as u64;
    let read = |most| {
        let mut stage = Stage::with([line(4), line(5)].concat());
        stage.aside("log.20260301T120000Z", &[line(2), line(3)].concat());
        stage.aside("log.1.gz", &line(9));
        let older = stage.folder.path().join("log.2");
        fs::write(&older, [line(0), line(1)].concat()).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(9);
        File::options().append(true).open(older).unwrap().set_modified(long_ago).unwrap();
        let file = stage.disk.open().unwrap().file;
        let mut seen = Seen::default();
        let read = stage.disk.read_back(&file, most, &mut seen).unwrap();
        (offsets(&mut seen), read.files, read.lines)
    };
    assert_eq!(read(u64::MAX), (vec![0, 1, 2, 3, 4, 5], 3, 6));
    assert_eq!(read(length * 4), (vec![2, 3, 4, 5], 2, 4));
    assert_eq!(read(length * 3), (vec![3, 4, 5], 2, 3));
    assert_eq!(read(length * 3 - 1), (vec![4, 5], 2, 2));
    assert_eq!(read(length), (vec![5], 1, 1));
    assert_eq!(read(length - 1), (vec![], 1, 0));
    assert_eq!(read(0), (vec![], 1, 0));
}
