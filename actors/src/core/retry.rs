//! What follows an attempt: settle, wait, dead-letter, drop or stop.
//!
//! A policy is a value and [`RetryPolicy::decide`] a function of its arguments: it keeps no state,
//! reads no clock and draws no random number. Waits are drawn with *full jitter*, uniform between
//! nothing and the bound, because records that failed together would otherwise come back together.

use std::time::{Duration, SystemTime};

use super::outcome::Outcome;

/// When a record is tried again, and what becomes of one that is not.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The bound of the wait after the first attempt.
    pub initial: Duration,
    /// What the bound is multiplied with after each further attempt; what is below 1 counts as 1.
    pub factor: f64,
    /// The longest bound, and the wait of a parked record.
    pub max: Duration,
    /// The longest wait a receiver can ask for with `Retry-After`.
    pub retry_after_cap: Duration,
    /// How often a record is attempted at most; 0: without end.
    pub max_attempts: u32,
    /// What becomes of a record that the receiver will never take.
    pub on_rejected: Action,
    /// What becomes of a record whose `max_attempts` are used up.
    pub on_exhausted: Action,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            factor: 2.0,
            max: Duration::from_secs(30),
            retry_after_cap: Duration::from_mins(5),
            max_attempts: 0,
            on_rejected: Action::Retry,
            on_exhausted: Action::Retry,
        }
    }
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
    /// What follows the attempt that ended with `outcome`; `attempts` includes that one.
    ///
    /// A receiver's `Retry-After` is kept to exactly, up to the cap. One of zero says only that the
    /// receiver names no time: the schedule holds, for a lane that came straight back would take
    /// senders from the healthy ones. A parked record waits between half of `max` and `max`, or as
    /// long as the receiver asked for where that is longer.
    pub fn decide(&self, attempts: u32, outcome: &Outcome, random: u64) -> Verdict {
        match outcome {
            Outcome::Delivered => Verdict::Settle,
            Outcome::Rejected(_) => self.end(self.on_rejected, Duration::ZERO, random),
            Outcome::Retry { after, .. } => {
                let asked = after.unwrap_or_default().min(self.retry_after_cap);
                if self.max_attempts > 0 && attempts >= self.max_attempts {
                    self.end(self.on_exhausted, asked, random)
                } else {
                    let wait = if asked.is_zero() { self.backoff(attempts, random) } else { asked };
                    Verdict::Wait { wait, parked: false }
                }
            }
        }
    }

    /// A wait drawn for something that failed `attempts` times in a row: uniform between zero and
    /// `initial * factor^(attempts - 1)`, or `max` where that is less.
    pub fn backoff(&self, attempts: u32, random: u64) -> Duration {
        let further = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let bound = self.initial.as_secs_f64() * self.factor.max(1.0).powi(further);
        // Also where it grew beyond what a duration holds.
        let bound = Duration::try_from_secs_f64(bound).unwrap_or(self.max).min(self.max);
        uniform(bound.as_nanos(), random)
    }

    fn end(&self, action: Action, asked: Duration, random: u64) -> Verdict {
        match action {
            Action::DeadLetter => Verdict::DeadLetter,
            Action::Drop => Verdict::Drop,
            Action::Stop => Verdict::Stop,
            Action::Retry => {
                let half = self.max / 2;
                let wait = half.saturating_add(uniform(half.as_nanos(), random)).max(asked);
                Verdict::Wait { wait, parked: true }
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::outcome::{Failure, FailureKind};

    fn failed() -> Outcome {
        Outcome::retry(Failure::new(FailureKind::Timeout, "timeout"))
    }

    fn asked(after: Duration) -> Outcome {
        let failure = Box::new(Failure::new(FailureKind::Status(503), "503"));
        Outcome::Retry { after: Some(after), failure }
    }

    fn rejected() -> Outcome {
        Outcome::rejected(Failure::new(FailureKind::Status(404), "404"))
    }

    fn waits(wait: Duration) -> Verdict {
        Verdict::Wait { wait, parked: false }
    }

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const SECS: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn the_bound_doubles_from_200_ms_to_30_s() {
        let policy = RetryPolicy::default();
        let bounds = [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000];
        for (attempts, bound) in (1..).zip(bounds) {
            assert_eq!(policy.backoff(attempts, u64::MAX), MS(bound), "after {attempts}");
            assert_eq!(policy.backoff(attempts, u64::MAX / 2 + 1), MS(bound / 2));
            assert_eq!(policy.backoff(attempts, 0), Duration::ZERO);
            assert_eq!(
                policy.decide(attempts, &failed(), u64::MAX),
                waits(MS(bound)),
                "without an end by default"
            );
        }
        assert_eq!(policy.backoff(u32::MAX, u64::MAX), SECS(30));
    }

    #[test]
    fn jitter_is_spread_evenly() {
        let policy = RetryPolicy::default();
        let mut buckets = [0_u32; 10];
        for step in 0..10_000_u64 {
            let wait = policy.backoff(1, step * (u64::MAX / 10_000));
            let bucket = usize::try_from(wait.as_micros() / 20_000).unwrap_or(usize::MAX);
            buckets[bucket.min(9)] += 1;
        }
        assert!(buckets.iter().all(|count| (990..=1_010).contains(count)), "{buckets:?}");
    }

    #[test]
    fn what_the_receiver_asks_for_is_kept_exactly_and_capped() {
        let policy = RetryPolicy::default();
        for random in [0, 1, u64::MAX] {
            assert_eq!(policy.decide(9, &asked(SECS(7)), random), waits(SECS(7)));
            assert_eq!(policy.decide(1, &asked(SECS(300)), random), waits(SECS(300)));
            assert_eq!(policy.decide(1, &asked(SECS(301)), random), waits(SECS(300)));
            assert_eq!(policy.decide(1, &asked(Duration::MAX), random), waits(SECS(300)));
        }
    }

    #[test]
    fn a_receiver_that_asks_for_no_wait_gets_the_schedule() {
        let verdict = RetryPolicy::default().decide(2, &asked(Duration::ZERO), u64::MAX);
        assert_eq!(verdict, waits(MS(400)));
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        let policy =
            RetryPolicy { max_attempts: 3, on_exhausted: Action::DeadLetter, ..Default::default() };
        assert!(matches!(policy.decide(2, &failed(), 1), Verdict::Wait { parked: false, .. }));
        assert_eq!(policy.decide(3, &failed(), 1), Verdict::DeadLetter);
        assert_eq!(policy.decide(4, &asked(SECS(1)), 1), Verdict::DeadLetter);
        assert_eq!(policy.decide(3, &Outcome::Delivered, 1), Verdict::Settle);
    }

    #[test]
    fn rejection_and_exhaustion_have_actions_of_their_own() {
        let ends = [
            (Action::DeadLetter, Verdict::DeadLetter),
            (Action::Drop, Verdict::Drop),
            (Action::Stop, Verdict::Stop),
        ];
        for (action, verdict) in ends {
            let policy = RetryPolicy { on_rejected: action, ..Default::default() };
            assert_eq!(policy.decide(1, &rejected(), 5), verdict);
            assert!(matches!(policy.decide(1, &failed(), 5), Verdict::Wait { .. }));
            let policy =
                RetryPolicy { max_attempts: 1, on_exhausted: action, ..Default::default() };
            assert_eq!(policy.decide(1, &failed(), 5), verdict);
            assert!(matches!(policy.decide(1, &rejected(), 5), Verdict::Wait { .. }));
        }
    }

    #[test]
    fn a_parked_record_waits_the_longest_delay() {
        let policy = RetryPolicy { max_attempts: 1, ..Default::default() };
        let parked = |wait| Verdict::Wait { wait, parked: true };
        for outcome in [rejected(), failed(), asked(SECS(3))] {
            assert_eq!(policy.decide(1, &outcome, u64::MAX), parked(SECS(30)));
            assert_eq!(policy.decide(80, &outcome, 0), parked(SECS(15)));
        }
        assert_eq!(policy.decide(1, &asked(SECS(100)), 0), parked(SECS(100)));
        assert_eq!(policy.decide(1, &asked(SECS(1_000)), 0), parked(SECS(300)));
    }

    proptest! {
        #[test]
        fn no_wait_leaves_its_bounds(
            initial: Duration, max: Duration, cap: Duration, factor in prop::num::f64::ANY, max_attempts in 0_u32..4,
            attempts: u32, random: u64, after: Option<Duration>,
        ) {
            let policy = RetryPolicy {
                initial, factor, max, retry_after_cap: cap, max_attempts, ..Default::default()
            };
            prop_assert!(policy.backoff(attempts, random) <= max);
            prop_assert!(policy.backoff(1, random) <= initial);
            let failure = Box::new(Failure::new(FailureKind::Connect, "refused"));
            let verdict = policy.decide(attempts, &Outcome::Retry { after, failure }, random);
            let Verdict::Wait { wait, parked } = verdict else { panic!("{verdict:?}") };
            prop_assert!(wait <= max.max(cap));
            prop_assert_eq!(parked, max_attempts > 0 && attempts >= max_attempts);
            if parked {
                prop_assert!(wait >= max.min(Duration::from_nanos(u64::MAX)) / 2);
            }
        }

        #[test]
        fn any_text_is_read_without_harm(value in ".{0,40}", secs in 0_u64..u64::MAX / 4) {
            let now = SystemTime::UNIX_EPOCH.checked_add(SECS(secs));
            let _ = parse_retry_after(&value, now.unwrap_or(SystemTime::UNIX_EPOCH));
        }
    }

    /// 1994-11-06 08:49:37 UTC, the date of the examples in RFC 9110.
    fn rfc_date() -> SystemTime {
        SystemTime::UNIX_EPOCH + SECS(784_111_777)
    }

    #[test]
    fn retry_after_is_read_as_seconds() {
        let read = |value| parse_retry_after(value, rfc_date());
        assert_eq!(read("120"), Some(SECS(120)));
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read(" 007\t"), Some(SECS(7)));
        assert_eq!(read("99999999999999999999999"), Some(SECS(u64::MAX)));
    }

    #[test]
    fn retry_after_is_read_as_a_date() {
        let now = rfc_date() - SECS(90);
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse_retry_after(date, now), Some(SECS(90)), "{date}");
            assert_eq!(parse_retry_after(date, rfc_date() + SECS(1)), Some(Duration::ZERO));
        }
    }

    #[test]
    fn what_is_neither_seconds_nor_a_date_is_ignored() {
        for value in ["", " ", "-1", "+5", "1.5", "1e3", "10s", "soon", "1, 2", "Sun, 99 Nov"] {
            assert_eq!(parse_retry_after(value, rfc_date()), None, "{value:?}");
        }
    }
}
