//! What holds for each destination of a pipeline.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::core::breaker::BreakerPolicy;
use crate::core::limiter::Rate;

/// What holds for each destination. By default nothing does: it takes whatever the senders give.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What the one destination of a pipeline is called whose records all go one way.
    pub only: Arc<str>,
    /// The most requests in flight on this arbiter; at least 1. Without it, a destination may have
    /// all senders where records are not routed; where they are, as many as there are senders idle,
    /// or seven eighths of them while no other is known.
    pub max_in_flight: Option<u32>,
    /// Whether the number in flight is found out by how the destination answers, up to
    /// `max_in_flight` or the number of senders.
    pub adaptive: Option<u32>,
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
    /// Everything for that destination, on this arbiter; what its answers say of a quota
    /// (`RateLimit`) too.
    Destination,
}

/// The rates of a pipeline's destinations, shared by its arbiters: a counter each, by name. The
/// lock is taken when an arbiter meets a destination, not for a request.
#[derive(Clone, Debug, Default)]
pub struct Rates(Arc<Mutex<HashMap<Arc<str>, Weak<AtomicU64>>>>);

impl Rates {
    pub(super) fn of(&self, name: &Arc<str>) -> Arc<AtomicU64> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(name).and_then(Weak::upgrade) {
            return shared;
        }
        // What no arbiter knows any more goes whenever something new comes.
        known.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(AtomicU64::new(0));
        known.insert(Arc::clone(name), Arc::downgrade(&shared));
        shared
    }
}
