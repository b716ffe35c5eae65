//! What is wrong, a line each: what has ended or is cut off first, then what stands still.

use std::collections::BTreeMap;

use keyway_actors::web::{Breaker, PartitionHold};

use super::{Look, Seen, Table, text};
use crate::commands::words::{count, first, grouped, lasting, plain, state};

/// The most partitions that a line names.
const MOST_NAMED: usize = 5;

/// What is wrong with the pipelines.
pub fn table(before: Option<&Look>, now: &Look) -> Table {
    let of = |seen: &Seen| {
        let was = before.and_then(|before| before.of(&seen.pipeline.name));
        let said = [
            ended(seen),
            destinations(seen),
            commits(was, seen),
            parked(seen),
            held(seen),
            parts(seen),
        ];
        let row = |line: String| vec![plain(&seen.pipeline.name), plain(&line)];
        said.into_iter().flatten().map(row).collect::<Vec<_>>()
    };
    Table {
        columns: vec![text("WRONG WITH"), text("WHAT")],
        rows: now.pipelines.iter().flat_map(of).collect(),
        wrong: true,
    }
}

/// It has failed, or the group is out of reach.
fn ended(seen: &Seen) -> Vec<String> {
    let pipeline = &seen.pipeline;
    let failed = pipeline.failure.as_ref().map(|why| format!("{}: {why}", state(pipeline.state)));
    let cut_off = pipeline.cut_off.then(|| "the group's coordinator is out of reach".to_owned());
    failed.into_iter().chain(cut_off).collect()
}

/// Breakers that are not closed.
fn destinations(seen: &Seen) -> Vec<String> {
    let all = seen.pipeline.destinations.iter();
    all.filter_map(|it| {
        let breaker = match it.breaker? {
            Breaker::Closed => return None,
            Breaker::HalfOpen => "is half open",
            Breaker::Open => "is open",
        };
        let lanes = match usize::try_from(it.lanes_blocked).unwrap_or(usize::MAX) {
            0 => "no lane waits".to_owned(),
            lanes => format!("{} blocked", count(lanes, "lane")),
        };
        Some(format!("the breaker of {} {breaker}, {lanes}", it.name))
    })
    .collect()
}

/// Commits that failed since the look before.
fn commits(was: Option<&Seen>, is: &Seen) -> Vec<String> {
    let failed = |seen: &Seen| seen.pipeline.totals.commits.failed;
    let since = was.and_then(|was| failed(is).checked_sub(failed(was))).filter(|since| *since > 0);
    since
        .map(|since| format!("commits failed: {} since the last look", grouped(since)))
        .into_iter()
        .collect()
}

fn parked(seen: &Seen) -> Vec<String> {
    let lanes = usize::try_from(seen.pipeline.totals.lanes_parked).unwrap_or(usize::MAX);
    let since = seen
        .pipeline
        .parked_for_seconds
        .map_or_else(String::new, |it| format!(", failing for up to {}", lasting(it)));
    let said = || format!("{} parked: refused{since}", count(lanes, "lane"));
    (lanes > 0).then(said).into_iter().collect()
}

/// Partitions that take in nothing, by why.
fn held(seen: &Seen) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for it in &seen.partitions {
        let why = match it.held {
            Some(PartitionHold::Buffer) => "the buffer, or their share of it, is full",
            Some(PartitionHold::OffsetSpan) => "more settled offsets might not fit into a commit",
            None => continue,
        };
        by_reason.entry(why).or_default().push(format!("{}/{}", it.topic, it.partition));
    }
    by_reason
        .into_iter()
        .map(|(why, partitions)| {
            let number = count(partitions.len(), "partition");
            format!("{number} held, {why}: {}", first(partitions.into_iter(), MOST_NAMED))
        })
        .collect()
}

/// Parts that do not say what their lanes do.
fn parts(seen: &Seen) -> Vec<String> {
    let unanswered = seen.lanes.as_ref().map(|(_, lanes)| &lanes.unanswered);
    let unanswered = unanswered.filter(|parts| !parts.is_empty());
    let said = |parts: &Vec<String>| {
        format!("no answer of its lanes from {}", first(parts.iter().cloned(), MOST_NAMED))
    };
    unanswered.map(said).into_iter().collect()
}
