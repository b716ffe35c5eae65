//! What no single value shows: settings that contradict each other.
//!
//! Each check says what is wrong at the place of one of the settings, and names the other.

use std::collections::HashSet;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::Duration;

use keyway_actors::Action;

use super::kafka::BOOTSTRAP;
use super::problem::{Place, Problems};
use super::reader::Found;
use super::table;
use super::typed::Properties;
use super::types::RetrySettings;
use super::value::brokers::Cluster;
use super::value::{in_words, names};

/// What a revoke must leave of `max.poll.interval.ms`, for the last commit and its answer.
const POLL_MARGIN: Duration = Duration::from_secs(5);

/// Topics once each, patterns that the client can read, and only plain names with fixed partitions.
pub fn topics(
    topics: &Found<Vec<String>>,
    partitions: Option<&Found<Vec<i32>>>,
    properties: &Properties,
    problems: &mut Problems,
) {
    if let Some(twice) = repeated(&topics.value) {
        problems.push(&topics.place, format!("{twice:?} is given twice"));
    }
    for pattern in topics.value.iter().filter(|topic| is_pattern(topic)) {
        if let Some(part) = perl_only(pattern).filter(|_| !is_consumer_protocol(properties)) {
            let what = format!(
                "got {pattern:?}: topics are matched by POSIX extended expressions, \
                 which lack {part}"
            );
            problems.push(&topics.place, what);
        }
    }
    let Some(partitions) = partitions else { return };
    if let Some(twice) = repeated(&partitions.value) {
        problems.push(&partitions.place, format!("{twice} is given twice"));
    }
    if let Some(pattern) = topics.value.iter().find(|topic| is_pattern(topic)) {
        let what = format!("fixed partitions need plain topic names, and topics has {pattern:?}");
        problems.push(&partitions.place, what);
    }
}

fn is_pattern(topic: &str) -> bool {
    topic.starts_with('^')
}

fn repeated<T: Eq + Hash>(values: &[T]) -> Option<&T> {
    let mut seen = HashSet::with_capacity(values.len());
    values.iter().find(|value| !seen.insert(*value))
}

/// What the expression uses that the C library would silently read as something else.
fn perl_only(pattern: &str) -> Option<&'static str> {
    const PERL: [(&str, &str); 6] = [
        (r"\d", r"\d (write [0-9])"),
        (r"\D", r"\D (write [^0-9])"),
        ("(?", "(?...)"),
        ("*?", "*?"),
        ("+?", "+?"),
        ("??", "??"),
    ];
    let plain = pattern.replace(r"\\", "");
    PERL.iter().find(|(mark, _)| plain.contains(mark)).map(|(_, said)| *said)
}

/// What librdkafka refuses with the group protocol of KIP-848.
pub fn group_protocol(properties: &Properties, problems: &mut Problems) {
    if !is_consumer_protocol(properties) {
        return;
    }
    for name in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
        if let Some(property) = properties.get(name) {
            let what =
                format!("{name} is the broker's to set with group.protocol=consumer; leave it out");
            problems.push(&property.place, what);
        }
    }
}

fn is_consumer_protocol(properties: &Properties) -> bool {
    let protocol = properties.get("group.protocol");
    protocol.is_some_and(|property| property.text.value.eq_ignore_ascii_case("consumer"))
}

/// Each arbiter has a sender.
pub fn pool(senders: NonZeroUsize, arbiters: &Found<NonZeroUsize>, problems: &mut Problems) {
    if arbiters.value > senders {
        let what =
            format!("{} arbiters need as many senders, and there are {senders}", arbiters.value);
        problems.push(&arbiters.place, what);
    }
}

/// A revoke ends before the broker takes the member for dead.
pub fn revoke_deadline(
    deadline: Duration,
    place: Option<&Place>,
    properties: &Properties,
    problems: &mut Problems,
) {
    const STANDARD: Duration = Duration::from_mins(5);
    let typed = properties.get("max.poll.interval.ms");
    let given = typed.and_then(|property| property.text.value.trim().parse().ok());
    let interval = given.map_or(STANDARD, Duration::from_millis);
    if deadline.saturating_add(POLL_MARGIN) <= interval {
        return;
    }
    // Both by default cannot be: one of them was typed.
    let Some(place) = place.or(typed.map(|property| &property.place)) else { return };
    let what = format!(
        "revoke_deadline ({}) must stay {} below max.poll.interval.ms ({})",
        in_words(deadline),
        in_words(POLL_MARGIN),
        in_words(interval)
    );
    problems.push(place, what);
}

/// The first wait is no longer than the longest.
pub fn retry_waits(retry: &RetrySettings, place: &Place, problems: &mut Problems) {
    if retry.initial > retry.max {
        let (initial, max) = (in_words(retry.initial), in_words(retry.max));
        problems.push(place, format!("retry.initial ({initial}) is longer than retry.max ({max})"));
    }
}

/// `dead_letter` was asked for, and there is no topic for it.
pub fn dead_letter_wanted(found: &Found<Action>, problems: &mut Problems) {
    if found.value == Action::DeadLetter {
        let row = &table::DEAD_LETTER_TOPIC.row;
        let what = format!(
            "expected drop, retry or stop, got \"dead_letter\": there is no dead-letter topic; \
             set {} or {}",
            row.key, row.variable
        );
        problems.push(&found.place, what);
    }
}

/// Properties for dead letters, and no topic for them.
pub fn no_dead_letter(own: &Properties, problems: &mut Problems) {
    if let Some(property) = own.values().next() {
        let what =
            format!("there is no dead-letter topic; set {}", table::DEAD_LETTER_TOPIC.row.key);
        problems.push(&property.place, what);
    }
}

/// A pipeline must not consume its own dead letters: each would come back for ever.
pub fn dead_letter(
    dead_letter: &Found<String>,
    topics: &[String],
    consumer: &Properties,
    producer: &Properties,
    problems: &mut Problems,
) {
    let [own, its] = [consumer, producer]
        .map(|properties| properties.get(BOOTSTRAP).map_or("", |property| &property.text.value));
    if !Cluster::of(own).has_one_of(its) {
        return;
    }
    let topic = &dead_letter.value;
    let takes_it = |given: &&String| {
        if is_pattern(given) {
            names::pattern(given).is_ok_and(|pattern| pattern.is_match(topic))
        } else {
            *given == topic
        }
    };
    if let Some(given) = topics.iter().find(takes_it) {
        let what = format!("{topic:?} is consumed by this pipeline itself, by {given:?} in topics");
        problems.push(&dead_letter.place, what);
    }
}
