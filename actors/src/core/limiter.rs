//! A rate limit: how many requests begin per time, however many threads begin them.
//!
//! The rule is the generic cell rate algorithm in its "virtual scheduling" form (ITU-T I.371,
//! annex A; ATM Forum Traffic Management 4.0). One number is kept, the *theoretical arrival time*:
//! when the next request would be due if all came evenly. A request may begin from a *tolerance*
//! before that time on, and moves it by one emission interval. Being one number it fits an
//! `AtomicU64`, which all arbiters of a pipeline share: the rate holds over all of them, without a
//! lock, a clock of its own or tokens that somebody would have to refill.
//!
//! **Lateness costs no rate.** A caller that is told to come back is woken by a timer of 1 ms
//! resolution, and later still on a busy thread. What is missed by being late must be made up for
//! at once, or 5,000 requests per second, 0.2 ms apart, become a few hundred. So the tolerance
//! is never below 3 ms: the millisecond of the timer, and 2 ms for the thread. A wake-up that is
//! late by no more loses nothing, whatever the rate. The price: after a rest, as many requests as
//! fall into 3 ms may begin at once (16 at 5,000/s) even with a burst of 1, and below 333/s two
//! requests may come 3 ms closer to each other than the interval. The rate over time is kept
//! in any case.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Moment;

#[cfg(test)]
mod tests;

/// The least tolerance, in nanoseconds. See the head of this file.
const LATENESS: u64 = 3_000_000;

/// So many requests per time, and how many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// The emission interval: nanoseconds from one request to the next, at least 1.
    interval: u64,
    /// How long before its theoretical time a request may begin, in nanoseconds.
    tolerance: u64,
}

impl Rate {
    /// `requests` in each `per`, of which `burst` may begin at once after a rest.
    ///
    /// The interval between two requests is rounded up to a whole nanosecond, so that the rate is
    /// never exceeded; it stays under the rate by at most one part in a thousand up to a million
    /// requests per second. An interval below 1 ns counts as 1 ns, one beyond 584 years as that.
    pub fn new(requests: NonZeroU32, per: Duration, burst: NonZeroU32) -> Self {
        let interval = per.as_nanos().div_ceil(u128::from(requests.get())).max(1);
        let interval = u64::try_from(interval).unwrap_or(u64::MAX);
        let tolerance = interval.saturating_mul(u64::from(burst.get() - 1)).max(LATENESS);
        Self { interval, tolerance }
    }
}

/// A rate, and how much of it is used. A clone shares the use: together they keep to the rate.
#[derive(Clone, Debug)]
pub struct Limiter {
    rate: Rate,
    /// The theoretical arrival time of the next request, in nanoseconds of [`Moment`].
    arrival: Arc<AtomicU64>,
}

impl Limiter {
    /// A limiter that shares its use with whoever else holds `arrival`; a new one begins at zero,
    /// which is to say rested. Whatever shares it should have the same rate.
    pub fn new(rate: Rate, arrival: Arc<AtomicU64>) -> Self {
        Self { rate, arrival }
    }

    /// The earliest moment a request may begin: `now` if at once. Takes nothing, so that another
    /// thread may still be faster.
    pub fn next(&self, now: Moment) -> Moment {
        // Relaxed, here and below: no other memory depends on this number.
        self.due(self.arrival.load(Ordering::Relaxed)).max(now)
    }

    /// Takes the right to begin one request now.
    ///
    /// # Errors
    /// When that is too early: the moment to come again. Until then nothing was taken.
    pub fn take(&self, now: Moment) -> Result<(), Moment> {
        let taken = self.arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |arrival| {
            let next = arrival.max(nanos(now)).saturating_add(self.rate.interval);
            (self.due(arrival) <= now).then_some(next)
        });
        taken.map(drop).map_err(|arrival| self.due(arrival))
    }

    /// Nothing begins before `until`, on any thread; what the endpoint asked for with
    /// `Retry-After` or `RateLimit`. Never shortens an earlier one.
    ///
    /// Afterwards requests begin at the rate, without a burst: an endpoint that asked for a rest
    /// is not greeted with all that has gathered.
    pub fn hold_until(&self, until: Moment) {
        let arrival = nanos(until).saturating_add(self.rate.tolerance);
        self.arrival.fetch_max(arrival, Ordering::Relaxed);
    }

    /// From when on the request with this theoretical time may begin.
    fn due(&self, arrival: u64) -> Moment {
        Moment(Duration::from_nanos(arrival.saturating_sub(self.rate.tolerance)))
    }
}

/// Nanoseconds since the start of the pipeline; 584 years and more are one.
fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.0.as_nanos()).unwrap_or(u64::MAX)
}
