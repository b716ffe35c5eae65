//! The arms, that is ways of doing the same work, and the cases in which they are compared.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::load::Keys;

/// One way of doing the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
pub enum Arm {
    /// `keyway run`.
    Keyway,
    /// awc alone, without Kafka and without order: the ceiling.
    Awc,
    /// Confluent Parallel Consumer's Vert.x module as its documentation shows it.
    PcStock,
    /// The same with 8 event loops and a buffer of 20,000 records.
    PcTuned,
}

impl Arm {
    /// How many of a case's records it delivers before it is stopped. An arm that is many times
    /// slower does a part of the work, which is to its advantage: it is spared the end, where the
    /// commonest key alone is left.
    pub fn records(self, case: &Case) -> usize {
        match self {
            Self::Keyway | Self::Awc => case.records,
            Self::PcStock | Self::PcTuned => case.records / 10,
        }
    }

    /// Whether it keeps the order of a key.
    pub fn orders(self) -> bool {
        self != Self::Awc
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keyway => "keyway",
            Self::Awc => "awc",
            Self::PcStock => "parallel-consumer",
            Self::PcTuned => "parallel-consumer, tuned",
        })
    }
}

/// One setting, in which all arms are compared.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    pub name: String,
    pub keys: Keys,
    /// The size of a record's value, in bytes.
    pub size: usize,
    /// How long the endpoint takes to answer.
    pub delay: Duration,
    /// The most requests at once.
    pub in_flight: usize,
    pub arbiters: usize,
    pub partitions: i32,
    /// Records that Keyway and awc deliver in a run.
    pub records: usize,
    pub arms: Vec<Arm>,
}

impl Case {
    fn new(name: &str, keys: Keys, delay: u64, in_flight: usize, records: usize) -> Self {
        Self {
            name: name.to_owned(),
            keys,
            size: 200,
            delay: Duration::from_millis(delay),
            in_flight,
            arbiters: 1,
            partitions: 6,
            records,
            arms: vec![Arm::Keyway, Arm::Awc],
        }
    }

    /// So many records of 200 bytes with distinct keys, as most cases have them.
    pub fn plain(records: usize) -> Self {
        Self::new("plain", Keys::Distinct, 0, 100, records)
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn against_all(self) -> Self {
        self.with(|it| it.arms.extend([Arm::PcStock, Arm::PcTuned]))
    }
}

/// A hundred thousand keys, the commonest of which has about a hundredth of the records.
pub const ZIPF_MILD: Keys = Keys::Zipf(100_000, 0.7);
/// Ten thousand keys, the commonest of which has about a tenth of the records.
pub const ZIPF_STEEP: Keys = Keys::Zipf(10_000, 1.0);

/// The rows that there are goals for.
pub fn goals() -> Vec<Case> {
    vec![
        Case::new("0 ms, 100 in flight", Keys::Distinct, 0, 100, 600_000).against_all(),
        Case::new("2 ms, 100 in flight", Keys::Distinct, 2, 100, 80_000),
        Case::new("10 ms, 100 in flight, Zipf 0.7", ZIPF_MILD, 10, 100, 40_000).against_all(),
        Case::new("50 ms, 1,000 in flight", Keys::Distinct, 50, 1000, 100_000).against_all(),
        Case::new("0 ms, 1 in flight", Keys::Distinct, 0, 1, 60_000).against_all(),
        Case::new("50 ms, 4,000 in flight", Keys::Distinct, 50, 4000, 200_000).against_all(),
        Case::new("5 ms, 100 in flight, Zipf 1.0", ZIPF_STEEP, 5, 100, 10_000),
        // The bound of the row before: how fast one request after the other can be.
        Case::new("5 ms, 1 in flight", Keys::Distinct, 5, 1, 1_000)
            .with(|it| it.arms = vec![Arm::Awc]),
        Case::new("0 ms, 64 in flight", Keys::Distinct, 0, 64, 600_000),
        Case::new("10 ms, 100 in flight, one hot key", Keys::Hot, 10, 100, 2_000),
        Case::new("0 ms, 100 in flight, 10 KB", Keys::Distinct, 0, 100, 60_000)
            .with(|it| it.size = 10_000),
        Case::new("0 ms, 100 in flight, two arbiters", Keys::Distinct, 0, 100, 600_000)
            .with(|it| it.arbiters = 2),
    ]
}

/// One axis after the other, from 0 ms with 100 in flight.
pub fn sweeps() -> Vec<Case> {
    let base = |name: String| Case::new(&name, Keys::Distinct, 0, 100, 300_000);
    let lanes = [100, 10_000, 1_000_000].map(|keys| {
        base(format!("{keys} keys")).with(|it| {
            it.keys = Keys::Cycle(keys);
            it.records = it.records.max(keys);
        })
    });
    let partitions =
        [1, 12, 200].map(|n| base(format!("{n} partitions")).with(|it| it.partitions = n));
    let senders =
        [64, 256, 1000, 4000].map(|n| base(format!("{n} senders")).with(|it| it.in_flight = n));
    let sizes =
        [(100, 300_000), (1_000, 300_000), (10_000, 60_000), (100_000, 10_000), (1_000_000, 1_000)]
            .map(|(size, records)| {
                base(format!("{size} bytes")).with(|it| {
                    it.size = size;
                    it.records = records;
                })
            });
    lanes.into_iter().chain(partitions).chain(senders).chain(sizes).collect()
}

/// A small choice for daily use.
pub fn quick() -> Vec<Case> {
    let mut cases = goals();
    cases.truncate(6);
    for case in &mut cases {
        case.records /= 3;
        case.arms.retain(|arm| *arm != Arm::PcStock);
    }
    cases
}
