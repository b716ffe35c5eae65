//! What holds for each destination of a pipeline.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::core::Moment;
use crate::core::breaker::BreakerPolicy;
use crate::core::limiter::Rate;

/// What holds for each destination. By default nothing does: it takes whatever the senders give.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What the one destination of a pipeline is called whose records all go one way.
    pub only: Arc<str>,
    /// Whether records may go more than one way, so that the senders are shared.
    pub several: bool,
    /// The most requests in flight on this arbiter; at least 1. Without it, a destination may have
    /// all senders where all records go one way, and half of them where they may not.
    pub max_in_flight: Option<u32>,
    /// Whether the number in flight is found out by how the destination answers, up to what it may
    /// have without that.
    pub adaptive: bool,
    /// The most requests in a time.
    pub rate: Option<Rate>,
    /// What the arbiters of a pipeline share, so that the rate holds for all of them together.
    pub rates: Rates,
    /// When it is left alone because it fails.
    pub breaker: Option<BreakerPolicy>,
    /// Whom a `Retry-After` holds back.
    pub retry_after: RetryAfter,
}

/// Whom a receiver's `Retry-After` holds back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetryAfter {
    /// The lane of the record that was answered so.
    #[default]
    Lane,
    /// Everything for that destination, on all arbiters; what its answers say of a quota
    /// (`RateLimit`) too.
    Destination,
}

/// What the arbiters of a pipeline know of its destinations together, by name. The lock is taken when
/// an arbiter meets a destination, not for a request.
#[derive(Clone, Debug, Default)]
pub struct Rates(Arc<Mutex<HashMap<Arc<str>, Weak<Shared>>>>);

/// What they know of one.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// When the next request is due, had all come evenly: see the limiter.
    pub(super) arrival: Arc<AtomicU64>,
    /// It asked to be left alone until then; in nanoseconds.
    rests_until: AtomicU64,
}

impl Shared {
    pub(super) fn rests_until(&self) -> Moment {
        // Relaxed: no other memory depends on this number.
        Moment(Duration::from_nanos(self.rests_until.load(Ordering::Relaxed)))
    }

    /// Never shortens an earlier rest.
    pub(super) fn rest_until(&self, until: Moment) {
        let nanos = u64::try_from(until.0.as_nanos()).unwrap_or(u64::MAX);
        self.rests_until.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Rates {
    pub(super) fn of(&self, name: &Arc<str>) -> Arc<Shared> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(name).and_then(Weak::upgrade) {
            return shared;
        }
        // What no arbiter knows any more goes whenever something new comes.
        known.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared::default());
        known.insert(Arc::clone(name), Arc::downgrade(&shared));
        shared
    }
}
