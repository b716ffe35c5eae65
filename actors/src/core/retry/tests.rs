//! What follows what, waits and their bounds, and what receivers ask for.

use proptest::prelude::*;

use super::trigger::Trigger;
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
/// The age of a record that has just been written.
const NEW: Duration = Duration::ZERO;

#[test]
fn the_bound_doubles_from_200_ms_to_30_s() {
    let policy = RetryPolicy::default();
    let bounds = [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000];
    for (attempts, bound) in (1..).zip(bounds) {
        assert_eq!(policy.backoff(attempts, u64::MAX), MS(bound), "after {attempts}");
        assert_eq!(policy.backoff(attempts, u64::MAX / 2 + 1), MS(bound / 2));
        assert_eq!(policy.backoff(attempts, 0), Duration::ZERO);
        assert_eq!(
            policy.decide(attempts, NEW, &failed(), u64::MAX),
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
        assert_eq!(policy.decide(9, NEW, &asked(SECS(7)), random), waits(SECS(7)));
        assert_eq!(policy.decide(1, NEW, &asked(SECS(300)), random), waits(SECS(300)));
        assert_eq!(policy.decide(1, NEW, &asked(SECS(301)), random), waits(SECS(300)));
        assert_eq!(policy.decide(1, NEW, &asked(Duration::MAX), random), waits(SECS(300)));
    }
}

#[test]
fn a_receiver_that_asks_for_no_wait_gets_the_schedule() {
    let verdict = RetryPolicy::default().decide(2, NEW, &asked(Duration::ZERO), u64::MAX);
    assert_eq!(verdict, waits(MS(400)));
}

#[test]
fn the_last_attempt_is_the_last() {
    let policy =
        RetryPolicy { max_attempts: 3, on_exhausted: Action::DeadLetter, ..Default::default() };
    assert!(matches!(policy.decide(2, NEW, &failed(), 1), Verdict::Wait { parked: false, .. }));
    assert_eq!(policy.decide(3, NEW, &failed(), 1), Verdict::DeadLetter);
    assert_eq!(policy.decide(4, NEW, &asked(SECS(1)), 1), Verdict::DeadLetter);
    assert_eq!(policy.decide(3, NEW, &Outcome::Delivered, 1), Verdict::Settle);
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
        assert_eq!(policy.decide(1, NEW, &rejected(), 5), verdict);
        assert!(matches!(policy.decide(1, NEW, &failed(), 5), Verdict::Wait { .. }));
        let policy = RetryPolicy { max_attempts: 1, on_exhausted: action, ..Default::default() };
        assert_eq!(policy.decide(1, NEW, &failed(), 5), verdict);
        assert!(matches!(policy.decide(1, NEW, &rejected(), 5), Verdict::Wait { .. }));
    }
}

#[test]
fn a_parked_record_waits_the_longest_delay() {
    let policy = RetryPolicy { max_attempts: 1, ..Default::default() };
    let parked = |wait| Verdict::Wait { wait, parked: true };
    for outcome in [rejected(), failed(), asked(SECS(3))] {
        assert_eq!(policy.decide(1, NEW, &outcome, u64::MAX), parked(SECS(30)));
        assert_eq!(policy.decide(80, NEW, &outcome, 0), parked(SECS(15)));
    }
    assert_eq!(policy.decide(1, NEW, &asked(SECS(100)), 0), parked(SECS(100)));
    assert_eq!(policy.decide(1, NEW, &asked(SECS(1_000)), 0), parked(SECS(300)));
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
        let verdict = policy.decide(attempts, NEW, &Outcome::Retry { after, failure }, random);
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

fn failed_by(kind: FailureKind) -> Outcome {
    Outcome::retry(Failure::new(kind, kind.label()))
}

fn triggers(texts: &[&str]) -> Vec<Trigger> {
    texts.iter().map(|text| text.parse().expect("a trigger")).collect()
}

#[test]
fn lists_overrule_what_an_answer_means_by_itself() {
    let policy = RetryPolicy {
        retry_on: triggers(&["404", "409-410"]),
        reject_on: triggers(&["501", "timeout"]),
        on_rejected: Action::Drop,
        ..Default::default()
    };
    let rejects = |outcome| policy.decide(1, NEW, &outcome, 0) == Verdict::Drop;
    let status = |status| Failure::new(FailureKind::Status(status), "");
    for retried in [404, 409, 410] {
        assert!(!rejects(Outcome::rejected(status(retried))), "{retried}");
    }
    assert!(rejects(Outcome::rejected(status(411))));
    assert!(rejects(Outcome::retry(status(501))));
    assert!(!rejects(Outcome::retry(status(502))));
    assert!(rejects(failed_by(FailureKind::Timeout)));
    assert!(!rejects(failed_by(FailureKind::Connect)));
}

#[test]
fn a_record_that_is_too_old_is_not_tried_again() {
    let policy = RetryPolicy {
        max_age: Some(SECS(60)),
        on_exhausted: Action::DeadLetter,
        ..Default::default()
    };
    let at = |age| policy.decide(1, age, &failed(), 0);
    assert!(matches!(at(SECS(59)), Verdict::Wait { parked: false, .. }));
    assert_eq!(at(SECS(60)), Verdict::DeadLetter);
    assert_eq!(policy.decide(1, SECS(60), &Outcome::Delivered, 0), Verdict::Settle);
}

#[test]
fn jitter_can_be_half_or_none() {
    let with = |jitter| RetryPolicy { jitter, ..Default::default() };
    let waits = |jitter| [0, u64::MAX].map(|random| with(jitter).backoff(2, random));
    assert_eq!(waits(Jitter::Full), [MS(0), MS(400)]);
    assert_eq!(waits(Jitter::Half), [MS(200), MS(400)]);
    assert_eq!(waits(Jitter::None), [MS(400), MS(400)]);
}

#[test]
fn triggers_are_read_and_written() {
    for (text, shown) in [
        ("404", "404"),
        ("4xx", "400-499"),
        ("500-503", "500-503"),
        ("timeout", "timeout"),
        ("connect", "connect"),
        ("disconnected", "disconnected"),
    ] {
        let trigger: Trigger = text.parse().expect(text);
        assert_eq!(trigger.to_string(), shown);
        assert_eq!(shown.parse(), Ok(trigger));
    }
    for bad in ["", "xx", "2xx", "6xx", "200", "299-300", "600", "503-500", "40x", "+404", "999xx"]
    {
        assert_eq!(bad.parse::<Trigger>(), Err(TriggerError), "{bad:?}");
    }
}
