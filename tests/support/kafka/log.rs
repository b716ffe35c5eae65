//! What happens to the log of a partition on the disk of a broker that is dead.

use std::fs::{File, read, read_dir, remove_file};
use std::path::{Path, PathBuf};

use super::Kafka;

impl Kafka {
    /// Cuts off the end of a partition's log, as an unclean leader election does: whole batches, so
    /// that nothing at or above `most` is left. Says where it ends now. The broker must be dead; it
    /// finds out by itself what is left when it starts.
    pub fn cut_log(&self, topic: &str, partition: i32, most: i64) -> i64 {
        let data = self.home().folder.path().join("data");
        let folder = data.join(format!("{topic}-{partition}"));
        let mut segments = files(&folder, &["log"]);
        assert_eq!(segments.len(), 1, "a log of one segment: {segments:?}");
        let segment = segments.remove(0);
        let (length, end) = batches_below(&read(&segment).expect("a log can be read"), most);
        let file = File::options().write(true).open(&segment).expect("a log can be written");
        file.set_len(length.try_into().expect("a small log")).expect("a log can be cut");
        // What tells of more than there is; the broker makes it again.
        for file in files(&folder, &["index", "timeindex", "txnindex", "snapshot"]) {
            remove_file(&file).expect("a file of the broker can be removed");
        }
        let clean = data.join(".kafka_cleanshutdown");
        assert!(
            !clean.exists(),
            "a broker that was stopped in order does not look for what is left"
        );
        end
    }
}

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let found = read_dir(folder).expect("the folder of a partition").map(|entry| {
        let entry = entry.expect("an entry of a folder");
        entry.path()
    });
    let wanted = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    };
    found.filter(wanted).collect()
}

/// How many bytes the batches take that end at or below an offset, and the offset after them.
fn batches_below(log: &[u8], most: i64) -> (usize, i64) {
    let (mut length, mut end) = (0, 0);
    // Base offset (8 bytes), length of the rest (4), and after 11 more the distance of the last
    // offset (4).
    while let Some(head) = log.get(length..length + 27) {
        let rest = number(&head[8..12]);
        let next = number(&head[..8]) + number(&head[23..27]) + 1;
        if rest == 0 || next > most {
            break;
        }
        length += 12 + usize::try_from(rest).expect("a length");
        end = next;
    }
    (length, end)
}

fn number(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | i64::from(byte))
}
