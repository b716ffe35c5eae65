//! What a message says: one line, in plain words.
//!
//! A message goes to a place that people outside may read, so that there is nothing in it but names
//! of the configuration, hosts and numbers: no key, no URL, nothing that a receiver said.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use keyway_actors::core::Moment;

use super::event::{Facts, Group, NAMED};
use super::kind::AlertKind;
use super::outbox::Topic;
use super::watch::Limits;

/// One message, of a kind and a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: AlertKind,
    pub(super) pipeline: Arc<str>,
    /// The destination, if it is about exactly one.
    pub(super) destination: Option<Arc<str>>,
    /// How often it happened since the last message; 0 where something still lasts, or is over.
    pub(super) count: u64,
    /// Whether it says that something is over.
    pub(super) over: bool,
    /// How long ago it began.
    pub(super) since: Duration,
    pub(super) text: String,
}

impl Message {
    /// Says what a group holds.
    pub(super) fn of(
        topic: &Topic,
        group: &Group,
        limits: Limits,
        host: &str,
        now: Moment,
    ) -> Self {
        let Topic { kind, pipeline } = topic;
        let since = now.0.saturating_sub(group.since.0);
        let what = sentence(*kind, group, since, limits);
        let mut names = group.destinations.iter();
        let only = names.next().filter(|_| names.next().is_none());
        Self {
            kind: *kind,
            pipeline: Arc::clone(pipeline),
            destination: only.cloned(),
            count: group.count,
            over: group.over,
            since,
            text: format!("keyway on {host}, pipeline {pipeline}: {what}"),
        }
    }
}

fn sentence(kind: AlertKind, group: &Group, since: Duration, limits: Limits) -> String {
    let (count, ago) = (group.count, time(since));
    let records = number(count, "record");
    match (kind, group.facts) {
        (AlertKind::Stopped, Facts::Ended(how)) => {
            format!("stopped on an error: {how}; its log says more")
        }
        (AlertKind::Stopped, _) => "stopped on an error; its log says more".to_owned(),
        (AlertKind::Exhausted, _) => {
            format!("{records} used up all attempts in the last {ago}")
        }
        (AlertKind::DeadLettered, _) => format!("{records} dead-lettered in the last {ago}"),
        (AlertKind::BreakerOpened, _) => {
            let times = number(count, "time");
            format!("breaker opened {times} in the last {ago}{}", destinations(group))
        }
        (AlertKind::BreakerClosed, _) => {
            format!("breaker closed, having opened {ago} ago{}", destinations(group))
        }
        (AlertKind::Parked, Facts::Parked { lanes, longest }) if !group.over => format!(
            "{} parked, failing for {} at the longest; the limit is {}{}",
            number(lanes, "lane"),
            time(longest),
            time(limits.parked),
            again(count),
        ),
        (AlertKind::Parked, _) => format!(
            "no lane is parked for longer than {} any more; the first began to fail {ago} ago{}",
            time(limits.parked),
            again(count),
        ),
        (AlertKind::Lag, Facts::Lag { records, oldest }) if !group.over => format!(
            "{} behind, waiting for {} at the longest; the limit is {}{}",
            number(records, "record"),
            time(oldest),
            time(limits.lag),
            again(count),
        ),
        (AlertKind::Lag, _) => format!(
            "no record waits for longer than {} any more; the first began to wait {ago} ago{}",
            time(limits.lag),
            again(count),
        ),
    }
}

fn again(count: u64) -> String {
    if count > 1 { format!(" (it began {count} times)") } else { String::new() }
}

fn number(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn destinations(group: &Group) -> String {
    let all = &group.destinations;
    let mut text = String::new();
    for (index, name) in all.iter().take(NAMED).enumerate() {
        text.push_str(if index == 0 { ": " } else { ", " });
        // Names of destinations are checked URLs, but may come from records.
        text.extend(name.chars().map(|it| if is_plain(it) { it } else { '?' }));
    }
    if let Some(others @ 1..) = all.len().checked_sub(NAMED) {
        // A text takes all that is written to it.
        let _ = write!(text, " and {}", number(others as u64, "other"));
    }
    text
}

/// What means nothing to Slack or JSON.
fn is_plain(it: char) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, '.' | ':' | '/' | '-' | '_' | '[' | ']')
}

/// A duration in its two largest units, rounded down.
fn time(duration: Duration) -> String {
    const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let seconds = duration.as_secs();
    let largest = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let (size, name) = UNITS[largest];
    let mut text = format!("{}{name}", seconds / size);
    if let Some((smaller, name)) = UNITS.get(largest + 1)
        && seconds % size / smaller > 0
    {
        // A text takes all that is written to it.
        let _ = write!(text, " {}{name}", seconds % size / smaller);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, Turn};
    use super::*;

    const LIMITS: Limits = Limits { parked: Duration::from_mins(10), lag: Duration::from_hours(1) };

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn said(kind: AlertKind, turn: Turn, names: &[&str], facts: Facts) -> Message {
        let destinations = names.iter().map(|&name| name.into()).collect();
        let event = Event { kind, turn, since: at(40), destinations, facts };
        let topic = Topic { kind, pipeline: "orders".into() };
        Message::of(&topic, &Group::of(event, at(60)), LIMITS, "h1", at(100))
    }

    #[test]
    fn each_kind_says_what_how_often_and_since_when() {
        use AlertKind as K;
        use Turn::{Happened, Over, Still};
        let parked = Facts::Parked { lanes: 3, longest: Duration::from_secs(851) };
        let lag = Facts::Lag { records: 1, oldest: Duration::from_hours(26) };
        let cases = [
            (
                K::Stopped,
                Happened(1),
                Facts::Ended("kafka"),
                "stopped on an error: kafka; its log says more",
            ),
            (
                K::Exhausted,
                Happened(1),
                Facts::None,
                "1 record used up all attempts in the last 1m",
            ),
            (K::DeadLettered, Happened(7), Facts::None, "7 records dead-lettered in the last 1m"),
            (K::BreakerOpened, Happened(2), Facts::None, "breaker opened 2 times in the last 1m"),
            (K::BreakerClosed, Happened(1), Facts::None, "breaker closed, having opened 1m ago"),
            (
                K::Parked,
                Happened(1),
                parked,
                "3 lanes parked, failing for 14m 11s at the longest; the limit is 10m",
            ),
            (
                K::Parked,
                Over,
                Facts::None,
                "no lane is parked for longer than 10m any more; the first began to fail 1m ago",
            ),
            (
                K::Lag,
                Still,
                lag,
                "1 record behind, waiting for 1d 2h at the longest; the limit is 1h",
            ),
            (
                K::Lag,
                Over,
                Facts::None,
                "no record waits for longer than 1h any more; the first began to wait 1m ago",
            ),
            (
                K::Lag,
                Happened(2),
                lag,
                "1 record behind, waiting for 1d 2h at the longest; the limit is 1h (it began 2 times)",
            ),
        ];
        for (kind, turn, facts, expected) in cases {
            let message = said(kind, turn, &[], facts);
            assert_eq!(message.text, format!("keyway on h1, pipeline orders: {expected}"));
            assert_eq!((message.over, message.since), (turn == Over, Duration::from_mins(1)));
        }
    }

    #[test]
    fn a_few_destinations_are_named_and_the_others_counted() {
        let named =
            |names: &[&str]| said(AlertKind::BreakerOpened, Turn::Happened(9), names, Facts::None);
        let one = named(&["https://a:443"]);
        assert!(one.text.ends_with(" in the last 1m: https://a:443"), "{}", one.text);
        assert_eq!(one.destination.as_deref(), Some("https://a:443"));
        let five = named(&["a", "b", "c", "d", "e"]);
        assert!(five.text.ends_with(": a, b, c and 2 others"), "{}", five.text);
        assert_eq!(five.destination, None);
        assert!(named(&["<!here>\"\n"]).text.ends_with(": ??here???"));
    }

    #[test]
    fn times_have_two_units_at_the_most() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3_600, "1h"),
            (3_659, "1h"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
    }
}
