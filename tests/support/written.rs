//! What a file sink wrote as lines of JSON, read back from all the files of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::records::Sent;

/// A record in a file.
#[derive(Debug)]
struct Line {
    partition: i64,
    offset: i64,
    key: Value,
    value: Value,
}

/// How many lines there are.
pub fn lines(folder: &Path) -> usize {
    contents(folder).iter().map(|text| text.matches('\n').count()).sum()
}

/// Every record is there once, as it was sent, on a line of its own, and those of a key are in their
/// order: in each file, and one file after the other.
pub fn assert_exact(folder: &Path, sent: &[Sent]) {
    let files: Vec<Vec<Line>> = contents(folder).iter().map(|text| parse(text)).collect();
    let mut written = BTreeMap::new();
    for line in files.iter().flatten() {
        let before = written.insert((line.partition, line.offset), line);
        assert!(before.is_none(), "twice: {line:?}");
    }
    for sent in sent {
        let place = (i64::from(sent.id.partition), sent.id.offset);
        let line = written.remove(&place).unwrap_or_else(|| panic!("not there: {sent:?}"));
        let value: Value = serde_json::from_slice(sent.value.as_deref().unwrap()).unwrap();
        let key = String::from_utf8(sent.key.clone().unwrap()).unwrap();
        assert_eq!((&line.key, &line.value), (&Value::String(key), &value), "{sent:?}");
    }
    assert!(written.is_empty(), "never sent: {written:?}");
    let mut of_keys = BTreeMap::<_, Vec<Vec<i64>>>::new();
    for file in &files {
        let keys: BTreeSet<_> = file.iter().map(Line::lane).collect();
        for key in keys {
            let of_key = file.iter().filter(|line| line.lane() == key);
            let offsets = of_key.map(|line| line.offset).collect();
            of_keys.entry(key).or_default().push(offsets);
        }
    }
    for (key, mut files) in of_keys {
        files.sort_by_key(|offsets| offsets[0]);
        let offsets = files.concat();
        assert!(offsets.is_sorted(), "{key:?}: {offsets:?}");
    }
}

impl Line {
    fn lane(&self) -> (i64, String) {
        (self.partition, self.key.to_string())
    }
}

fn contents(folder: &Path) -> Vec<String> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        // It may be renamed just now, and is there under its other name the next time.
        fs::read_to_string(entry.ok()?.path()).ok()
    };
    fs::read_dir(folder).into_iter().flatten().filter_map(read).collect()
}

fn parse(text: &str) -> Vec<Line> {
    assert!(text.is_empty() || text.ends_with('\n'), "a torn line");
    let line = |line: &str| {
        let mut line: Value =
            serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        let number = |name: &str| line[name].as_i64().unwrap();
        let (partition, offset) = (number("partition"), number("offset"));
        Line { partition, offset, key: line["key"].take(), value: line["value"].take() }
    };
    text.lines().map(line).collect()
}
