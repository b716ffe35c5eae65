//! An explanation in sentences, a fact a line. Nothing is cut or escaped here.

use keyway_actors::explain::{
    Explanation, Failing, KeyExplanation, KeyInPartition, Lane, LaneState, Place, Reason,
    RecordExplanation, Rest,
};

use crate::commands::words::{grouped, lasting};

/// What an explanation says.
pub fn sentences(explanation: &Explanation) -> Vec<String> {
    match explanation {
        Explanation::Record(record) => of_record(record),
        Explanation::Key(key) => of_key(key),
    }
}

fn of_record(record: &RecordExplanation) -> Vec<String> {
    let subject = format!("{}/{}@{}", record.topic, record.partition, record.offset);
    let mut lines = vec![format!("{subject}: {}", headline(record))];
    let reason = record.lane.as_ref().and_then(|lane| lane.reason);
    more(&record.place, record.offset, &mut lines);
    if let (Place::Queued { behind: 0 }, Some(reason)) = (&record.place, reason) {
        lines.push(format!("it waits because {}", why(reason)));
    }
    if let Some(seconds) = record.held_seconds {
        lines.push(format!("held for {}: taken in, and not settled", lasting(seconds)));
    }
    if let Some(lane) = &record.lane {
        of_lane(lane, &record.place, &mut lines);
    }
    lines
}

/// Where it is, in a line.
fn headline(record: &RecordExplanation) -> String {
    match &record.place {
        Place::NotAssigned => {
            "this Keyway does not have its partition; ask the member of the group that has it"
                .to_owned()
        }
        Place::NotFetched { log_end: Some(end), .. } if record.offset >= *end => {
            format!("not in the log yet, which ends before offset {end}")
        }
        Place::NotFetched { .. } => "not fetched yet".to_owned(),
        Place::HeldBySpan { .. } => {
            "held by the offset span: its partition goes no further before older records are settled"
                .to_owned()
        }
        Place::InTransit => "on its way from the poll thread to its lane".to_owned(),
        Place::Queued { behind: 0 } => "the first of its lane, and ready to be sent".to_owned(),
        Place::Queued { behind } => format!("queued behind {} of its lane", records(*behind)),
        place => doing(place),
    }
}

/// What a record that is the first of its lane does.
fn doing(place: &Place) -> String {
    match place {
        Place::InFlight { attempt, sending_seconds, url } => {
            let to = url.as_ref().map_or_else(String::new, |url| format!(", to {url}"));
            format!("in flight for {}: attempt {attempt}{to}", lasting(*sending_seconds))
        }
        Place::Retry(failing) => format!("waits for its retry{}", next(failing)),
        Place::Parked(failing) => {
            format!("parked: tried again at the longest delay only{}", next(failing))
        }
        Place::Destination { destination, reason, retry_in_seconds } => {
            let which = match destination {
                Some(name) => format!("waits for its destination, {name}"),
                None => "waits for a place among the destinations".to_owned(),
            };
            let because = reason.map_or_else(
                || "it takes more by now, and others come first".to_owned(),
                |reason| why(reason).to_owned(),
            );
            let more = retry_in_seconds
                .map_or_else(String::new, |it| format!("; more is taken in {}", lasting(it)));
            format!("{which}: {because}{more}")
        }
        Place::DeadLettering(failing) => {
            format!("given up on: its dead letter is being written{}", next(failing))
        }
        Place::Stopped(_) => "the pipeline stops for it, as its policy says".to_owned(),
        Place::Settled { committed: true, .. } => "settled, and committed".to_owned(),
        Place::Settled { .. } => "settled, above the committed offset".to_owned(),
        Place::Queued { .. } => "ready to be sent".to_owned(),
        Place::InTransit => "on its way".to_owned(),
        Place::NotAssigned | Place::NotFetched { .. } | Place::HeldBySpan { .. } => {
            "not here".to_owned()
        }
    }
}

/// What else is known of its place.
fn more(place: &Place, offset: i64, lines: &mut Vec<String>) {
    match place {
        Place::NotFetched { next_offset, intake, .. } => {
            match next_offset {
                Some(next) if offset > *next => lines.push(format!(
                    "its partition takes in offset {next} next, {} before it",
                    offsets(offset.saturating_sub(*next))
                )),
                Some(next) => lines.push(format!("its partition takes in offset {next} next")),
                None => {
                    lines.push("where its partition goes on is not known yet".to_owned());
                }
            }
            if let Some(rest) = intake {
                lines.push(format!("its partition takes in nothing now: {}", resting(*rest)));
            }
        }
        Place::HeldBySpan { base_offset, next_offset } => {
            lines.push(format!("because {}", resting(Rest::OffsetSpan)));
            if let Some(base) = base_offset {
                lines.push(format!(
                    "it waits first for offset {base}, the lowest that is not settled: ask for that"
                ));
            }
            if let Some(next) = next_offset {
                lines.push(format!("its partition goes on at offset {next}"));
            }
        }
        Place::Settled { committed_offset, base_offset, .. } => {
            lines.push(match committed_offset {
                Some(committed) => format!("committed is offset {committed}"),
                None => "nothing of its partition has been committed here".to_owned(),
            });
            if let Some(base) = base_offset {
                lines.push(format!("the lowest offset that is not settled is {base}"));
            }
        }
        place => lines.extend(failed(place)),
    }
}

/// What went wrong so far.
fn failed(place: &Place) -> Option<String> {
    let (Place::Retry(failing)
    | Place::Parked(failing)
    | Place::DeadLettering(failing)
    | Place::Stopped(failing)) = place
    else {
        return None;
    };
    let times = match failing.attempts {
        1 => "1 attempt".to_owned(),
        attempts => format!("{} attempts", grouped(attempts.into())),
    };
    let since = failing
        .failing_seconds
        .map_or_else(String::new, |it| format!(", the first {} ago", lasting(it)));
    let last = failing
        .failure
        .as_ref()
        .map_or_else(String::new, |failure| format!("; the last failed with {failure}"));
    Some(format!("{times} so far{since}{last}"))
}

/// The lane of a record, and what its first record does.
fn of_lane(lane: &Lane, place: &Place, lines: &mut Vec<String>) {
    let key = lane.key.as_ref().map_or_else(|| "null key".to_owned(), |key| format!("key {key}"));
    let Place::Queued { behind: 1.. } = place else {
        return lines.push(match lane.queued {
            0 => format!("{key}; nothing waits behind it"),
            1 => format!("{key}; 1 record waits behind it"),
            queued => format!("{key}; {} records wait behind it", grouped(queued)),
        });
    };
    let head = Place::of_head(lane);
    lines.push(format!("the first of them, offset {} ({key}): {}", lane.head_offset, doing(&head)));
    lines.extend(failed(&head).map(|failed| format!("of it: {failed}")));
    // Elsewhere the reason is part of the place.
    if let (LaneState::Ready, Some(reason)) = (lane.state, lane.reason) {
        lines.push(format!("it waits because {}", why(reason)));
    }
    if let Some(seconds) = lane.waited_seconds {
        lines.push(format!("it has been held for {}", lasting(seconds)));
    }
}

fn of_key(key: &KeyExplanation) -> Vec<String> {
    let subject = format!("{}, key {}", key.topic, key.key);
    if key.partitions.is_empty() {
        return vec![format!(
            "{subject}: nothing is held; what this Keyway has taken in of it is settled"
        )];
    }
    key.partitions.iter().flat_map(|partition| of_partition(&subject, partition)).collect()
}

fn of_partition(subject: &str, here: &KeyInPartition) -> Vec<String> {
    let mut lines = vec![format!(
        "{subject}, partition {}: {} in lanes",
        here.partition,
        records(here.in_lanes)
    )];
    if here.held_by_span > 0 {
        lines.push(format!("{} more held by the offset span", records(here.held_by_span)));
    }
    if here.in_transit > 0 {
        lines.push(format!("{} more on the way to its lane", records(here.in_transit)));
    }
    if here.more_in_transit {
        lines.push("more may be on the way: whose they are is not known yet".to_owned());
    }
    if let Some(first) = &here.first {
        let mut of_first = of_record(first);
        if let Some(headline) = of_first.first_mut() {
            *headline = format!("the first, {headline}");
        }
        lines.extend(of_first);
    }
    lines
}

fn next(failing: &Failing) -> String {
    failing.retry_in_seconds.map_or_else(String::new, |it| format!(", in {}", lasting(it)))
}

fn records(count: u64) -> String {
    format!("{} record{}", grouped(count), if count == 1 { "" } else { "s" })
}

fn offsets(count: i64) -> String {
    let count = count.unsigned_abs();
    format!("{} offset{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// Why a partition takes in nothing.
fn resting(rest: Rest) -> &'static str {
    match rest {
        Rest::Stopping => "the pipeline stops",
        Rest::Paused => "the pipeline is paused",
        Rest::Revoking => "the group has asked for the partition back",
        Rest::Buffer => "the pipeline's buffer, or the partition's share of it, is full",
        Rest::OffsetSpan => {
            "with more, the settled offsets might not fit into the metadata of a commit"
        }
        Rest::BackPressure => "the delivery threads have as much as they can use",
    }
}

/// Why what could be sent is not.
pub fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Paused => "the pipeline is paused",
        Reason::Standstill => {
            "its thread stood still, and first learns whether its partitions are still its own"
        }
        Reason::SendersBusy => "all senders are busy",
        Reason::DestinationFull => "it has as many requests in flight as it may have",
        Reason::DestinationShare => "it has its share of the senders",
        Reason::RetryAfter => "it asked to be left alone (Retry-After)",
        Reason::BreakerOpen => "its breaker is open",
        Reason::BreakerProbe => "its breaker waits for the answer to a probe",
        Reason::Rate => "its rate allows no more for now",
        Reason::TooManyDestinations => "all destinations that can be known at a time are busy",
    }
}
