//! Which records a file holds.
//!
//! Records without a timestamp (written by clients from before Kafka 0.10) are never found: those of a
//! topic that was deleted and made again could not be told from the old ones, and would be lost.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufRead};
use std::sync::Arc;

use serde::Deserialize;

use super::runs::Runs;
use crate::core::Offset;

/// The runs of each partition. There are as many as partitions that wrote; each is bounded.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<Arc<str>, HashMap<i32, Runs>>);

/// A record's place in Kafka.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) offset: Offset,
    pub(super) timestamp: Option<i64>,
}

/// What is read of a line; the rest is skipped.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    partition: i32,
    offset: Offset,
    timestamp: Option<i64>,
}

impl Seen {
    /// Notes a record; says whether it is new.
    pub(super) fn insert(&mut self, place: &Place) -> bool {
        let Some(timestamp) = place.timestamp else { return true };
        self.runs(&place.topic, place.partition).insert(place.offset, timestamp)
    }

    /// Notes that a record is not there after all.
    pub(super) fn remove(&mut self, place: &Place) {
        if place.timestamp.is_none() {
            return;
        }
        self.runs(&place.topic, place.partition).remove(place.offset);
    }

    /// Reads lines to the end; says how many there were, and how many of them named no record.
    pub(super) fn read(&mut self, mut lines: impl BufRead) -> io::Result<(u64, u64)> {
        let (mut read, mut strange) = (0, 0);
        // As long as the longest line.
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            read += 1;
            match serde_json::from_slice::<Line<'_>>(&line) {
                Ok(line) => {
                    if let Some(timestamp) = line.timestamp {
                        self.runs(&line.topic, line.partition).insert(line.offset, timestamp);
                    }
                }
                Err(_) => strange += 1,
            }
            line.clear();
        }
        Ok((read, strange))
    }

    fn runs(&mut self, topic: &str, partition: i32) -> &mut Runs {
        if !self.0.contains_key(topic) {
            self.0.insert(topic.into(), HashMap::new());
        }
        match self.0.get_mut(topic) {
            Some(partitions) => partitions.entry(partition).or_default(),
            None => unreachable!("the topic is there"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::sink::file::Format;
    use crate::sink::file::render::render;

    fn place(topic: &str, partition: i32, offset: Offset, timestamp: i64) -> Place {
        let timestamp = (timestamp >= 0).then_some(timestamp);
        Place { topic: topic.into(), partition, offset, timestamp }
    }

    #[test]
    fn what_was_rendered_is_found_again() {
        let mut text = b"{\"topic\":\"orders\",\"partition\":0}\n\nnothing\n".to_vec();
        let odd = "a \"topic\" with \\ and é";
        for (topic, partition, offset, timestamp) in
            [("orders", 0, 5, 70), ("orders", 1, 6, 0), ("orders", 1, 7, -1), (odd, 0, 7, 80)]
        {
            let record = Record::builder(topic, partition, offset).timestamp(timestamp);
            let record = record.key(b"\xff").header("topic", "x").value("{\"offset\":9}").build();
            render(Format::Ndjson, &record, &mut text);
        }
        let mut seen = Seen::default();
        assert_eq!(seen.read(&text[..]).unwrap(), (7, 3));
        assert!(!seen.insert(&place("orders", 0, 5, 70)));
        assert!(!seen.insert(&place("orders", 1, 6, 0)));
        assert!(seen.insert(&place("orders", 1, 7, -1)), "it has no timestamp");
        assert!(seen.insert(&place("orders", 1, 7, -1)), "and is never found");
        assert!(!seen.insert(&place(odd, 0, 7, 80)));
        assert!(seen.insert(&place("orders", 0, 6, 70)), "of another partition");
        assert!(seen.insert(&place("orders", 1, 5, 70)), "of another partition");
        assert!(seen.insert(&place("other", 0, 5, 70)), "of another topic");
    }

    #[test]
    fn what_is_taken_back_is_new_again() {
        let mut seen = Seen::default();
        let one = place("orders", 0, 5, 70);
        assert!(seen.insert(&one));
        seen.remove(&one);
        assert!(seen.insert(&one));
    }
}
