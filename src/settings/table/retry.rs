//! Rows of the section `[pipeline.retry]`.

use std::num::NonZeroU32;
use std::time::Duration;

use keyway_actors::Action;
use keyway_actors::core::retry::{Jitter, Trigger};

use super::super::value::{self, Refused, http};
use super::{Knob, Row};

const MILLISECOND: Duration = Duration::from_millis(1);

/// First wait before a retry.
pub static RETRY_INITIAL: Knob<Duration> =
    Row::tuning("retry.initial", "KEYWAY_RETRY_INITIAL", "first wait before a retry")
        .or("200ms")
        .read(|text| value::duration(text, MILLISECOND));

/// Growth of the wait.
pub static RETRY_FACTOR: Knob<f64> =
    Row::tuning("retry.factor", "KEYWAY_RETRY_FACTOR", "growth of the wait")
        .or("2")
        .read(|text| value::decimal(text, 1.0..=100.0));

/// Longest wait before a retry.
pub static RETRY_MAX: Knob<Duration> =
    Row::tuning("retry.max", "KEYWAY_RETRY_MAX", "longest wait before a retry")
        .or("30s")
        .read(|text| value::duration(text, MILLISECOND));

/// The attempts a record gets.
pub static MAX_ATTEMPTS: Knob<Option<NonZeroU32>> =
    Row::tuning("retry.max_attempts", "KEYWAY_MAX_ATTEMPTS", "attempts a record gets; 0: no limit")
        .or("0")
        .read(value::attempts);

/// What becomes of a record that the endpoint refuses.
pub static ON_REJECTED: Knob<Action> = Row::tuning(
    "retry.on_rejected",
    "KEYWAY_RETRY_ON_REJECTED",
    "refused: dead_letter, drop, retry, stop",
)
.or_as_described("*")
.read(on_failure);

/// What becomes of a record whose attempts are used up.
pub static ON_EXHAUSTED: Knob<Action> = Row::tuning(
    "retry.on_exhausted",
    "KEYWAY_RETRY_ON_EXHAUSTED",
    "out of attempts: the same words",
)
.or_as_described("*")
.read(on_failure);

/// How much of a wait is left to chance.
pub static RETRY_JITTER: Knob<Jitter> =
    Row::tuning("retry.jitter", "KEYWAY_RETRY_JITTER", "how much of a wait is left to chance")
        .or("full")
        .rare()
        .read(|text| {
            value::word(
                text,
                &[("full", Jitter::Full), ("half", Jitter::Half), ("none", Jitter::None)],
            )
        });

/// How old a record may become.
pub static RETRY_MAX_AGE: Knob<Option<Duration>> = Row::tuning(
    "retry.max_age",
    "KEYWAY_RETRY_MAX_AGE",
    "how old a record may be, by its timestamp, to be tried again",
)
.or("off")
.rare()
.read(value::age_or_off);

/// What is tried again all the same.
pub static RETRY_ON: Knob<Trigger> =
    Row::tuning("retry.retry_on", "KEYWAY_RETRY_RETRY_ON", "tried again although it is a refusal")
        .list()
        .rare()
        .read(http::trigger);

/// What is not tried again.
pub static REJECT_ON: Knob<Trigger> = Row::tuning(
    "retry.reject_on",
    "KEYWAY_RETRY_REJECT_ON",
    "taken for a refusal although it could be tried again",
)
.list()
.rare()
.read(http::trigger);

/// The longest wait that a receiver can ask for.
pub static RETRY_AFTER_CAP: Knob<Duration> = Row::tuning(
    "retry.retry_after_cap",
    "KEYWAY_RETRY_RETRY_AFTER_CAP",
    "longest wait that a Retry-After can ask for",
)
.or("5m")
.rare()
.read(|text| value::duration(text, Duration::ZERO));

fn on_failure(text: &str) -> Result<Action, Refused> {
    value::word(
        text,
        &[
            ("dead_letter", Action::DeadLetter),
            ("drop", Action::Drop),
            ("retry", Action::Retry),
            ("stop", Action::Stop),
        ],
    )
}
