//! A record of the demo: its key, its number among the records of that key, and when it was written.
//!
//! The body says all of this, so that whoever receives it can tell order and loss without asking
//! Kafka or Keyway.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where records are written.
pub const TOPIC: &str = "orders";

const KEY: &str = "customer-";

/// A record, told by what its writer put into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The number of its key.
    pub key: u32,
    /// The how manieth record of its key, from 0.
    pub number: u32,
    /// When it was written, since the demo began.
    pub written: Duration,
}

#[derive(Deserialize, Serialize)]
struct Body<'a> {
    customer: &'a str,
    order: u32,
    written_us: u64,
}

/// The text of a key.
pub fn key_text(key: u32) -> String {
    format!("{KEY}{key}")
}

impl Record {
    /// The value to be written under `key`, which is this record's [`key_text`].
    pub fn value(&self, key: &str) -> Vec<u8> {
        let written_us = u64::try_from(self.written.as_micros()).unwrap_or(u64::MAX);
        let body = Body { customer: key, order: self.number, written_us };
        // Numbers and plain text: it cannot fail, and an empty value would be seen as altered.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Reads a record back; `None` for what the demo did not write.
    pub fn read(key: &str, value: &[u8]) -> Option<Self> {
        let body: Body<'_> = serde_json::from_slice(value).ok()?;
        if body.customer != key {
            return None;
        }
        let key = key.strip_prefix(KEY)?.parse().ok()?;
        let written = Duration::from_micros(body.written_us);
        Some(Self { key, number: body.order, written })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let record = Record { key: 17, number: 42, written: Duration::from_micros(1_234_567) };
        let key = key_text(record.key);
        assert_eq!(Record::read(&key, &record.value(&key)), Some(record));
    }

    #[test]
    fn a_value_under_another_key_or_cut_short_is_none_of_ours() {
        let record = Record { key: 17, number: 42, written: Duration::ZERO };
        let value = record.value("customer-17");
        assert_eq!(Record::read("customer-18", &value), None);
        assert_eq!(Record::read("customer-17", &value[..value.len() - 1]), None);
        assert_eq!(Record::read("", b""), None);
    }
}
