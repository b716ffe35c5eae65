//! The section `[pipeline.retry]`.

use keyway_actors::Action;
use keyway_actors::core::retry::Trigger;

use super::checks;
use super::problem::Problems;
use super::reader::{Found, Reader};
use super::table;
use super::types::RetrySettings;

/// Reads the section.
pub fn retry(reader: &mut Reader<'_>) -> RetrySettings {
    let has_topic = reader.is_given(&table::DEAD_LETTER_TOPIC.row);
    let on_rejected = reader.find(&table::ON_REJECTED);
    let on_exhausted = reader.find(&table::ON_EXHAUSTED);
    if !has_topic {
        for found in [&on_rejected, &on_exhausted].into_iter().flatten() {
            checks::dead_letter_wanted(found, reader.problems);
        }
    }
    let standard = if has_topic { Action::DeadLetter } else { Action::Retry };
    let initial = reader.find(&table::RETRY_INITIAL);
    let max = reader.find(&table::RETRY_MAX);
    let retry_on = reader.list(&table::RETRY_ON);
    let reject_on = reader.list(&table::REJECT_ON);
    if let (Some(retry_on), Some(reject_on)) = (&retry_on, &reject_on) {
        apart(retry_on, reject_on, reader.problems);
    }
    let retry = RetrySettings {
        initial: reader.get(&table::RETRY_INITIAL),
        factor: reader.get(&table::RETRY_FACTOR),
        max: reader.get(&table::RETRY_MAX),
        jitter: reader.get(&table::RETRY_JITTER),
        retry_after_cap: reader.get(&table::RETRY_AFTER_CAP),
        max_attempts: reader.get(&table::MAX_ATTEMPTS),
        max_age: reader.get(&table::RETRY_MAX_AGE),
        retry_on: retry_on.map(|found| found.value).unwrap_or_default(),
        reject_on: reject_on.map(|found| found.value).unwrap_or_default(),
        on_rejected: on_rejected.map_or(standard, |found| found.value),
        on_exhausted: on_exhausted.map_or(standard, |found| found.value),
    };
    let sound = reader.is_sound(&[&table::RETRY_INITIAL.row, &table::RETRY_MAX.row]);
    if let Some(place) = initial.or(max).filter(|_| sound).map(|found| found.place) {
        checks::retry_waits(&retry, &place, reader.problems);
    }
    retry
}

/// The same failure cannot be tried again and not.
fn apart(retry_on: &Found<Vec<Trigger>>, reject_on: &Found<Vec<Trigger>>, problems: &mut Problems) {
    for rejected in &reject_on.value {
        if let Some(retried) = retry_on.value.iter().find(|retried| overlap(retried, rejected)) {
            let what = format!(
                "{rejected} is to be rejected, and {retried} to be tried again (retry.retry_on): \
                 no failure can be in both"
            );
            problems.push(&reject_on.place, what);
        }
    }
}

fn overlap(one: &Trigger, other: &Trigger) -> bool {
    match (one, other) {
        (Trigger::Status(one), Trigger::Status(other)) => {
            one.start() <= other.end() && other.start() <= one.end()
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_overlap_where_one_is_in_both() {
        let overlap = |one: &str, other: &str| {
            let read = |text: &str| text.parse::<Trigger>().expect(text);
            overlap(&read(one), &read(other))
        };
        for (one, other) in
            [("404", "4xx"), ("4xx", "404"), ("500-503", "503-504"), ("timeout", "timeout")]
        {
            assert!(overlap(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("404", "405"),
            ("4xx", "5xx"),
            ("500-502", "503-504"),
            ("timeout", "connect"),
            ("4xx", "connect"),
        ] {
            assert!(!overlap(one, other), "{one} {other}");
        }
    }
}
