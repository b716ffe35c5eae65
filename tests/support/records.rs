//! What the tests put into topics: records, where they landed, and loads made from a seed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A name nobody else uses: a topic, a group, a transactional id.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let millis = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |age| age.as_millis() % 1_000_000_000);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{}-{millis}-{number}", std::process::id())
}

/// A record to be produced.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The key; `None` is Kafka's null.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is Kafka's null (a tombstone).
    pub value: Option<Vec<u8>>,
    /// The partition; `None` lets the key decide.
    pub partition: Option<i32>,
    /// Milliseconds since 1970; `None` is now.
    pub timestamp: Option<i64>,
    /// Headers in order; a value may be null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// A record with a key and a value.
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    /// A record with a null key.
    pub fn keyless(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// A record with a null value.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// The same record for that partition.
    #[must_use]
    pub fn to(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The same record with that timestamp (milliseconds since 1970).
    #[must_use]
    pub fn at(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// The same record with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }
}

/// Where a record is: topic, partition, offset.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

/// A record the broker acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Where it landed.
    pub id: Id,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// `count` records spread evenly over `keys` keys; the value is `{"key":"k3","n":17}`, where `n`
/// counts all records.
pub fn numbered(count: usize, keys: usize) -> Vec<Record> {
    (0..count).map(|n| keyed(n % keys.max(1), n)).collect()
}

/// `count` records whose keys follow Zipf's law with the given exponent: key `k0` is the hottest.
pub fn zipf(count: usize, keys: usize, exponent: f64, seed: u64) -> Vec<Record> {
    let mut total = 0.0;
    let sums: Vec<f64> = (1..=keys.max(1))
        .map(|rank| {
            total += f64::from(u32::try_from(rank).unwrap_or(u32::MAX)).powf(-exponent);
            total
        })
        .collect();
    let mut rng = Rng::new(seed);
    (0..count)
        .map(|n| {
            let point = rng.share() * total;
            let key = sums.partition_point(|&sum| sum < point);
            keyed(key.min(sums.len() - 1), n)
        })
        .collect()
}

fn keyed(key: usize, n: usize) -> Record {
    Record::new(format!("k{key}"), format!("{{\"key\":\"k{key}\",\"n\":{n}}}"))
}

/// Random numbers from a seed (splitmix64): the same seed, the same test.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..below`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.bits() % below.max(1)
    }

    /// A number in `0.0..1.0`.
    pub fn share(&mut self) -> f64 {
        let high = u32::try_from(self.bits() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}
