//! Records into a file: what goes wrong with it holds them, is told, and costs none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::stage::{Counts, Stage, assert_adds_up, quick};
use crate::support::*;

struct Files {
    stage: Stage,
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { stage: Stage::new(3), folder: tempfile::tempdir().unwrap() }
    }

    /// Where the folder of the file is; a folder in that of the story, so that it can be moved.
    fn folder(&self) -> PathBuf {
        let folder = self.folder.path().join("files");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn path(&self) -> PathBuf {
        self.folder().join("orders")
    }

    fn keyway(&self) -> Keyway {
        quick(Keyway::run(&self.stage.mock))
            .topic(&self.stage.topic)
            .group(&self.stage.group)
            .env("KEYWAY_FILE_PATH", self.path().display())
            .env("KEYWAY_FILE_FORMAT", "ndjson")
            .env("KEYWAY_RETRY_MAX", "200ms")
    }

    fn wait_for_lines(&self, count: usize) {
        let folder = self.folder();
        wait_for(&format!("{count} lines"), || (written::lines(&folder) >= count).then_some(()));
    }

    fn finish(&self, mut keyway: Running, sent: &[Sent]) {
        self.stage.wait_all_committed();
        assert_adds_up(&keyway.metrics());
        keyway.stop();
        written::assert_exact(&self.folder(), sent);
    }
}

/// Waits until records are tried again, which is told with the file and the reason.
fn wait_until_held(keyway: &mut Running, path: &Path, why: &str) {
    let line = keyway.wait_for_log("file cannot be written: records are held and tried again");
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.starts_with(path.to_str().unwrap()) && reason.contains(why), "{line}");
    keyway.wait_for_metrics("retries", |metrics| {
        metrics.count("retries_total", &[("reason", "other")]) > 0
            && metrics.count("held_records", &[]) > 0
    });
    assert_eq!(keyway.get("/livez").expect("it answers").0, 200, "waiting is living");
}

#[test]
fn a_torn_last_line_is_cut_off_at_the_start() {
    let files = Files::new();
    let sent = files.stage.produce(numbered(200, 20));
    fs::write(files.path(), "{\"topic\":\"orders\",\"parti").unwrap();
    let mut keyway = files.keyway().start();
    let line = keyway.wait_for_log("file ended in a torn line, which is cut off");
    assert_eq!(line["bytes"], 24);
    files.finish(keyway, &sent);
}

/// The disk is full where the process may write no larger files (`RLIMIT_FSIZE`): of the last write a
/// part is in the file then, as on a disk, and that holds for any user and needs no privilege.
#[test]
fn a_full_disk_holds_records_until_there_is_room() {
    const SMALL: u64 = 20 << 10;
    let files = Files::new();
    let keyway = files.keyway();
    let program = env!("CARGO_BIN_EXE_keyway");
    // A process that does not heed the signal is told that the write failed.
    let script = format!("#!/bin/sh\ntrap '' XFSZ\nexec {program} \"$@\"\n");
    let script = keyway.write("keyway", script);
    assert!(Command::new("chmod").arg("+x").arg(&script).status().unwrap().success());
    let mut keyway = keyway.program(script).start();
    keyway.wait_ready();
    let pid = Pid::from_raw(i32::try_from(keyway.id()).unwrap());
    let limit = |current| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    limit(Some(SMALL));
    let sent = files.stage.produce(numbered(2_000, 50));
    wait_until_held(&mut keyway, &files.path(), "File too large");
    limit(None);
    keyway.wait_for_log("file is written again");
    files.finish(keyway, &sent);
    assert!(fs::metadata(files.path()).unwrap().len() > SMALL, "it was full");
}

#[test]
fn a_folder_that_is_gone_is_waited_for() {
    let files = Files::new();
    let (folder, away) = (files.folder(), files.folder.path().join("away"));
    let mut sent = files.stage.produce(numbered(300, 30));
    let mut keyway = files.keyway().start();
    files.wait_for_lines(300);
    fs::rename(&folder, &away).unwrap();
    sent.extend(files.stage.produce(numbered(600, 30).split_off(300)));
    wait_until_held(&mut keyway, &folder.join("orders"), "No such file or directory");
    fs::rename(&away, &folder).unwrap();
    files.finish(keyway, &sent);
}

/// As logrotate does it: `create`, with `postrotate kill -HUP`.
#[test]
fn a_file_that_was_renamed_is_opened_anew_on_sighup() {
    let files = Files::new();
    let mut sent = files.stage.produce(numbered(300, 30));
    let mut keyway = files.keyway().start();
    files.wait_for_lines(300);
    fs::rename(files.path(), files.folder().join("orders.1")).unwrap();
    keyway.signal(Signal::HUP);
    // Before there is anything new to be written.
    wait_for("the new file", || files.path().exists().then_some(()));
    keyway.wait_for_log("file opened anew");
    sent.extend(files.stage.produce(numbered(600, 30).split_off(300)));
    files.finish(keyway, &sent);
    let lines = fs::read_to_string(files.path()).unwrap().lines().count();
    assert_eq!(lines, 300, "the old one is left alone");
}

/// Opening a pipe would wait for who reads it.
#[test]
fn a_pipe_in_place_of_the_file_is_refused_and_blocks_nothing() {
    let files = Files::new();
    assert!(Command::new("mkfifo").arg(files.path()).status().unwrap().success());
    let sent = files.stage.produce(numbered(100, 20));
    let mut keyway = files.keyway().start();
    wait_until_held(&mut keyway, &files.path(), "is not a regular file");
    fs::remove_file(files.path()).unwrap();
    files.finish(keyway, &sent);
}

#[test]
fn values_are_lines_in_their_order() {
    let files = Files::new();
    let records = (0..500).map(|n| Record::new(format!("k{}", n % 20), format!("{} {n}", n % 20)));
    files.stage.produce(records.collect());
    let mut keyway = files.keyway().env("KEYWAY_FILE_SYNC", "always");
    keyway = keyway.env("KEYWAY_FILE_FORMAT", "raw");
    let mut keyway = keyway.start();
    files.stage.wait_all_committed();
    keyway.stop();
    let text = fs::read_to_string(files.path()).unwrap();
    let mut of_keys = vec![Vec::new(); 20];
    for line in text.lines() {
        let (key, n) = line.split_once(' ').unwrap();
        of_keys[key.parse::<usize>().unwrap()].push(n.parse::<usize>().unwrap());
    }
    for (key, numbers) in of_keys.iter().enumerate() {
        assert_eq!(*numbers, (0..25).map(|n| n * 20 + key).collect::<Vec<_>>());
    }
}
