//! Rows of what holds for each destination (scheme, host and port): how much it is given, and when
//! it is left alone.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use keyway_actors::core::destinations::RetryAfter;

use super::super::types::Pace;
use super::super::value::{self, http};
use super::{Knob, Row};

const MILLISECOND: Duration = Duration::from_millis(1);

/// The most requests in a time.
pub static RATE: Knob<Pace> =
    Row::tuning("http.rate", "KEYWAY_HTTP_RATE", "most requests in a time, like 500/s")
        .read(http::pace);

/// How many of them at once.
pub static BURST: Knob<NonZeroU32> =
    Row::tuning("http.burst", "KEYWAY_HTTP_BURST", "how many of them at once after a rest")
        .or_as_described("0.1 s of the rate")
        .rare()
        .read(|text| value::counted(text, 1_000_000));

/// The most requests in flight.
pub static MAX_IN_FLIGHT: Knob<NonZeroUsize> = Row::tuning(
    "http.max_in_flight",
    "KEYWAY_HTTP_MAX_IN_FLIGHT",
    "most in flight per destination",
)
.read(|text| value::positive(text, 100_000));

/// Whether the number in flight is found out.
pub static CONCURRENCY: Knob<bool> =
    Row::tuning("http.concurrency", "KEYWAY_HTTP_CONCURRENCY", "fixed, or adaptive: found out")
        .or("fixed")
        .read(|text| value::word(text, &[("fixed", false), ("adaptive", true)]));

/// Whom a `Retry-After` holds back.
pub static RESPECT_RETRY_AFTER: Knob<RetryAfter> = Row::tuning(
    "http.respect_retry_after",
    "KEYWAY_HTTP_RESPECT_RETRY_AFTER",
    "what waits when an answer has a Retry-After",
)
.or("lane")
.rare()
.read(|text| {
    value::word(text, &[("lane", RetryAfter::Lane), ("destination", RetryAfter::Destination)])
});

/// Whether there is a breaker.
pub static BREAKER_ENABLED: Knob<bool> = Row::tuning(
    "http.breaker.enabled",
    "KEYWAY_HTTP_BREAKER_ENABLED",
    "leave alone what fails: true, false",
)
.or("false")
.read(|text| value::word(text, &[("true", true), ("false", false)]));

/// The share of failures that opens it.
pub static BREAKER_FAILURE_RATIO: Knob<f64> = Row::tuning(
    "http.breaker.failure_ratio",
    "KEYWAY_HTTP_BREAKER_FAILURE_RATIO",
    "share of failures that opens it",
)
.or("0.5")
.rare()
.read(value::share_above_zero);

/// The requests below which it does not open.
pub static BREAKER_MIN_REQUESTS: Knob<NonZeroU32> = Row::tuning(
    "http.breaker.min_requests",
    "KEYWAY_HTTP_BREAKER_MIN_REQUESTS",
    "requests in the window below which it does not open",
)
.or("20")
.rare()
.read(|text| value::counted(text, 1_000_000));

/// What counts.
pub static BREAKER_WINDOW: Knob<Duration> = Row::tuning(
    "http.breaker.window",
    "KEYWAY_HTTP_BREAKER_WINDOW",
    "requests that ended within this time count",
)
.or("10s")
.rare()
.read(|text| value::duration(text, MILLISECOND));

/// How long it is open at first.
pub static BREAKER_OPEN_FOR: Knob<Duration> = Row::tuning(
    "http.breaker.open_for",
    "KEYWAY_HTTP_BREAKER_OPEN_FOR",
    "how long it is open at first",
)
.or("5s")
.rare()
.read(|text| value::duration(text, MILLISECOND));

/// How long at most.
pub static BREAKER_MAX_OPEN_FOR: Knob<Duration> = Row::tuning(
    "http.breaker.max_open_for",
    "KEYWAY_HTTP_BREAKER_MAX_OPEN_FOR",
    "how long at most, after openings in a row",
)
.or("1m")
.rare()
.read(|text| value::duration(text, MILLISECOND));

/// How many probes close it.
pub static BREAKER_PROBES: Knob<NonZeroU32> = Row::tuning(
    "http.breaker.probes",
    "KEYWAY_HTTP_BREAKER_PROBES",
    "probes in a row that have to go well to close it",
)
.or("1")
.rare()
.read(|text| value::counted(text, 1_000));
