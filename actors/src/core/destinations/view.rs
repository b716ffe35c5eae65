//! What destinations are doing, for metrics and for whoever asks why something waits.

use std::sync::Arc;

use super::destination::{Destination, Pool};
use super::{DestinationId, Destinations};
use crate::core::Moment;
use crate::core::breaker::BreakerState;

/// What a request to a destination waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For one of those in flight to end: there may be no more than so many.
    Full(u32),
    /// For a sender: half of them work for this destination, or the last are kept for others.
    Senders,
    /// It asked to be left alone until this moment.
    Asked(Moment),
    /// Its breaker is open until this moment.
    Breaker(Moment),
    /// Its breaker is half open, and waits for the answer to a probe.
    Probe,
    /// Its rate allows the next request at this moment.
    Rate(Moment),
}

impl Wait {
    /// All labels.
    pub const LABELS: [&str; 5] = ["full", "senders", "asked", "breaker", "rate"];

    /// The label of this reason in metrics: one of [`LABELS`](Self::LABELS).
    pub fn label(self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::Senders => "senders",
            Self::Asked(_) => "asked",
            Self::Breaker(_) | Self::Probe => "breaker",
            Self::Rate(_) => "rate",
        }
    }
}

/// One destination, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationView {
    /// Its name: scheme, host and port.
    pub name: Arc<str>,
    /// Requests in flight.
    pub in_flight: u32,
    /// The most that may be in flight, where something says so.
    pub limit: Option<u32>,
    /// Lanes that wait for it.
    pub waiting: usize,
    /// What they wait for, if there are any.
    pub wait: Option<Wait>,
    /// Its breaker, where it has one.
    pub breaker: Option<BreakerState>,
}

impl Destinations {
    /// All that are known, in no order; the one of a pipeline whose records all go one way only
    /// where it is used.
    pub(in crate::core) fn views(
        &self,
        pool: Pool,
        now: Moment,
    ) -> impl Iterator<Item = DestinationView> {
        let used = |id: &&DestinationId| {
            **id != DestinationId::ONLY || self.all[id.index()].used > Moment::default()
        };
        let ids = self.names.values().chain([&DestinationId::ONLY]).filter(used);
        ids.map(move |id| view(&self.all[id.index()], pool, now))
    }
}

impl Destinations {
    /// What a request to a destination would wait for, if it would.
    pub(in crate::core) fn wait_of(
        &self,
        id: DestinationId,
        pool: Pool,
        now: Moment,
    ) -> Option<Wait> {
        self.all[id.index()].wait(pool, now)
    }
}

fn view(it: &Destination, pool: Pool, now: Moment) -> DestinationView {
    DestinationView {
        name: Arc::clone(&it.name),
        in_flight: it.in_flight,
        limit: it.limit(),
        waiting: it.queue.len(),
        wait: if it.queue.is_empty() { None } else { it.wait(pool, now) },
        breaker: it.breaker.as_ref().map(|breaker| breaker.state(now)),
    }
}
