//! The decisions of Keyway, as plain state machines.
//!
//! Nothing here knows actix, tokio, rdkafka, a clock or a source of randomness: time and random
//! numbers come in as arguments, decisions go out as values. The actors translate and call; the
//! simulator in `tests/simulation` calls the same code under a virtual clock.

use std::fmt;
use std::time::Duration;

pub mod book;
pub mod breaker;
pub mod codec;
pub mod concurrency;
pub mod desk;
pub mod destinations;
pub mod intake;
pub mod lanes;
pub mod ledger;
pub mod limiter;
pub mod longest;
pub mod outcome;
pub mod retry;
pub mod standstill;
pub mod stopping;

/// The position of a record in its partition, as Kafka counts it.
pub type Offset = i64;

/// Names one assignment of one partition.
///
/// A partition that leaves and comes back gets a new epoch, and two partitions never share one, so
/// an epoch says at once which partition and which stay of it is meant. What belongs to an older
/// epoch cannot touch a newer one: it is not found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Names a lane, the unit of order, as a hash of topic, partition and key.
///
/// Two keys that share a hash share a lane: they are delivered one after the other although they
/// need not be, which costs time once in 2^64 pairs and never costs order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u64);

/// A point in time, counted from the start of the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub Duration);

impl Moment {
    /// The moment `wait` after this one; the far end of time where that overflows.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// How long this moment lies behind `earlier`; zero if it does not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
