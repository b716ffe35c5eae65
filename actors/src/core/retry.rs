//! What follows an attempt: settle, wait, dead-letter, drop or stop.
//!
//! A policy is a value and [`RetryPolicy::decide`] a function of its arguments: it keeps no state,
//! reads no clock and draws no random number. Waits are drawn with jitter, by default *full*: uniform
//! between nothing and the bound, because records that failed together would otherwise come back
//! together.

use std::time::{Duration, SystemTime};

use super::outcome::{Failure, Outcome};

#[cfg(test)]
mod tests;
mod trigger;

pub use trigger::{Trigger, TriggerError};

/// When a record is tried again, and what becomes of one that is not.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The bound of the wait after the first attempt.
    pub initial: Duration,
    /// What the bound is multiplied with after each further attempt; what is below 1 counts as 1.
    pub factor: f64,
    /// The longest bound, and the wait of a parked record.
    pub max: Duration,
    /// How much of a wait is left to chance.
    pub jitter: Jitter,
    /// The longest wait a receiver can ask for with `Retry-After`.
    pub retry_after_cap: Duration,
    /// How often a record is attempted at most; 0: without end.
    pub max_attempts: u32,
    /// How old a record may become by its timestamp and still be tried again. Each gets one attempt,
    /// however old it comes.
    pub max_age: Option<Duration>,
    /// Failures that are to be tried again although a receiver's answer says otherwise.
    pub retry_on: Vec<Trigger>,
    /// Failures that are not to be tried again although they might go through later. What is in both
    /// lists is rejected.
    pub reject_on: Vec<Trigger>,
    /// What becomes of a record that the receiver will never take.
    pub on_rejected: Action,
    /// What becomes of a record whose `max_attempts` or `max_age` is used up.
    pub on_exhausted: Action,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            factor: 2.0,
            max: Duration::from_secs(30),
            jitter: Jitter::default(),
            retry_after_cap: Duration::from_mins(5),
            max_attempts: 0,
            max_age: None,
            retry_on: Vec::new(),
            reject_on: Vec::new(),
            on_rejected: Action::Retry,
            on_exhausted: Action::Retry,
        }
    }
}

/// How much of a wait is left to chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Jitter {
    /// All of it: what failed together comes back spread over the whole bound.
    #[default]
    Full,
    /// The second half of the bound.
    Half,
    /// Nothing: the wait is the bound.
    None,
}

/// What becomes of a record that ordinary retries will not deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It goes to the dead-letter topic, and is settled once the broker has it.
    DeadLetter,
    /// It is given up on, and settled.
    Drop,
    /// It is *parked*: tried again for ever, at the longest delay. Only its lane waits for it.
    Retry,
    /// The pipeline stops, with the record unsettled.
    Stop,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Delivered.
    Settle,
    /// To be tried again.
    Wait {
        /// After this time.
        wait: Duration,
        /// Whether the record is parked, that is, beyond what ordinary retries were to do.
        parked: bool,
    },
    /// To the dead-letter topic.
    DeadLetter,
    /// Given up on.
    Drop,
    /// The pipeline stops.
    Stop,
}

impl RetryPolicy {
    /// What follows the attempt that ended with `outcome`; `attempts` includes that one, and `age` is
    /// how old the record is.
    ///
    /// A receiver's `Retry-After` is kept to exactly, up to the cap. One of zero says only that the
    /// receiver names no time: the schedule holds, for a lane that came straight back would take
    /// senders from the healthy ones. A parked record waits between half of `max` and `max`, or as
    /// long as the receiver asked for where that is longer.
    pub fn decide(&self, attempts: u32, age: Duration, outcome: &Outcome, random: u64) -> Verdict {
        let (rejected, after, failure) = match outcome {
            Outcome::Delivered => return Verdict::Settle,
            Outcome::Rejected(failure) => (true, None, failure),
            Outcome::Retry { after, failure } => (false, *after, failure),
        };
        let asked = after.unwrap_or_default().min(self.retry_after_cap);
        if self.rejects(failure, rejected) {
            self.end(self.on_rejected, Duration::ZERO, random)
        } else if self.is_exhausted(attempts, age) {
            self.end(self.on_exhausted, asked, random)
        } else {
            let wait = if asked.is_zero() { self.backoff(attempts, random) } else { asked };
            Verdict::Wait { wait, parked: false }
        }
    }

    /// Whether a record that was attempted so often, and is so old, is tried no more.
    pub fn is_exhausted(&self, attempts: u32, age: Duration) -> bool {
        (self.max_attempts > 0 && attempts >= self.max_attempts)
            || self.max_age.is_some_and(|most| age >= most)
    }

    /// Whether a failure ends its record; `rejected`: whoever answered says so.
    fn rejects(&self, failure: &Failure, rejected: bool) -> bool {
        let is_in = |list: &[Trigger]| list.iter().any(|trigger| trigger.is_for(failure.kind));
        is_in(&self.reject_on) || (rejected && !is_in(&self.retry_on))
    }

    /// A wait drawn for something that failed `attempts` times in a row: with full jitter uniform
    /// between zero and `initial * factor^(attempts - 1)`, or `max` where that is less.
    pub fn backoff(&self, attempts: u32, random: u64) -> Duration {
        let further = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let bound = self.initial.as_secs_f64() * self.factor.max(1.0).powi(further);
        // Also where it grew beyond what a duration holds.
        let bound = Duration::try_from_secs_f64(bound).unwrap_or(self.max).min(self.max);
        match self.jitter {
            Jitter::Full => uniform(bound.as_nanos(), random),
            Jitter::Half => half_uniform(bound, random),
            Jitter::None => bound,
        }
    }

    /// What follows where no request could be made: as for a rejection, unless `action` says
    /// otherwise.
    pub fn refuse(&self, action: Option<Action>, random: u64) -> Verdict {
        self.end(action.unwrap_or(self.on_rejected), Duration::ZERO, random)
    }

    fn end(&self, action: Action, asked: Duration, random: u64) -> Verdict {
        match action {
            Action::DeadLetter => Verdict::DeadLetter,
            Action::Drop => Verdict::Drop,
            Action::Stop => Verdict::Stop,
            Action::Retry => {
                let wait = half_uniform(self.max, random).max(asked);
                Verdict::Wait { wait, parked: true }
            }
        }
    }
}

/// Between half of `bound` and all of it.
fn half_uniform(bound: Duration, random: u64) -> Duration {
    let half = bound / 2;
    half.saturating_add(uniform(half.as_nanos(), random))
}

/// Spreads `random` evenly over `0..=bound` nanoseconds; a bound beyond 584 years counts as that.
fn uniform(bound: u128, random: u64) -> Duration {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX);
    let (below, choices) = (u128::from(random), u128::from(bound) + 1);
    let nanos = u64::try_from((below * choices) >> 64).unwrap_or(bound);
    Duration::from_nanos(nanos)
}

/// Reads a `Retry-After` header: seconds, or an HTTP date in any of its three forms.
///
/// A date that is past is a wait of zero; what is neither form is `None`. Seconds beyond what a
/// number holds are the longest wait there is, for the policy caps it anyway.
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if value.is_empty() {
        return None;
    }
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}
