//! What two looks show: tables, in the order in which they are read, and what is wrong.

mod wrong;

use std::cmp::Ordering;
use std::time::Duration;

use keyway_actors::explain::Lane;
use keyway_actors::web::{Partition, Pipeline, Totals};

use super::look::{Look, Seen};
use crate::commands::explain::told::why;
use crate::commands::words::{grouped, lasting, plain, state};

/// What is not known, or not counted yet.
const UNKNOWN: &str = "-";

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The tables, by importance.
    pub tables: Vec<Table>,
}

/// Rows under headings. Every text is fit for a terminal.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, those first that are to be seen first; each has a cell a column.
    pub rows: Vec<Vec<String>>,
    /// Whether its rows tell of something that is wrong.
    pub wrong: bool,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Above it.
    pub heading: &'static str,
    /// Whether its cells are numbers or times: aligned to the right, and never cut.
    pub number: bool,
}

const fn text(heading: &'static str) -> Column {
    Column { heading, number: false }
}

const fn number(heading: &'static str) -> Column {
    Column { heading, number: true }
}

impl View {
    /// What a look shows, and its difference from the one before.
    pub fn of(before: Option<&Look>, now: &Look) -> Self {
        let tables =
            [pipelines(before, now), wrong::table(before, now), partitions(now), lanes(now)];
        let kept = |index: usize, table: &Table| index == 0 || !table.rows.is_empty();
        let tables = tables.into_iter().enumerate();
        Self { tables: tables.filter(|(i, it)| kept(*i, it)).map(|(_, it)| it).collect() }
    }
}

fn pipelines(before: Option<&Look>, now: &Look) -> Table {
    let row = |seen: &Seen| {
        let Pipeline { name, totals, .. } = &seen.pipeline;
        let was = before.and_then(|before| Some((before.at, before.of(name)?)));
        let rate = |count: fn(&Totals) -> u64| {
            let (at, was) = was?;
            per_second(&was.pipeline.totals, totals, count, now.at.saturating_sub(at))
        };
        vec![
            plain(name),
            state(seen.pipeline.state).to_owned(),
            rate(|it| it.delivered).map_or_else(|| UNKNOWN.to_owned(), shown_rate),
            grouped(totals.in_flight),
            grouped(totals.held_records),
            lag(seen).map_or_else(|| UNKNOWN.to_owned(), grouped),
            rate(retries).map_or_else(|| UNKNOWN.to_owned(), shown_rate),
            grouped(totals.lanes_parked),
        ]
    };
    Table {
        columns: vec![
            text("PIPELINE"),
            text("STATE"),
            number("DELIVERED/S"),
            number("IN FLIGHT"),
            number("HELD"),
            number("LAG"),
            number("RETRIES/S"),
            number("PARKED"),
        ],
        rows: now.pipelines.iter().map(row).collect(),
        wrong: false,
    }
}

/// How much a count has grown a second. None where a pipeline has started anew meanwhile, which
/// counts from nothing: then one of its counts is less than it was.
#[allow(clippy::cast_precision_loss, reason = "it is shown with two or three digits")]
fn per_second(
    was: &Totals,
    is: &Totals,
    count: fn(&Totals) -> u64,
    elapsed: Duration,
) -> Option<f64> {
    let counts: [fn(&Totals) -> u64; 4] = [|it| it.received, |it| it.delivered, requests, retries];
    let anew = counts.into_iter().any(|count| count(is) < count(was));
    let grown = count(is).checked_sub(count(was)).filter(|_| !anew)?;
    (elapsed > Duration::ZERO).then(|| grown as f64 / elapsed.as_secs_f64())
}

fn retries(totals: &Totals) -> u64 {
    totals.retries.values().fold(0, |sum, count| sum.saturating_add(*count))
}

fn requests(totals: &Totals) -> u64 {
    totals.requests.values().fold(0, |sum, count| sum.saturating_add(*count))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is no less than 0 and no more than a count"
)]
fn shown_rate(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 { format!("{rate:.1}") } else { grouped(rate.round() as u64) }
}

/// The lag of its partitions; none where that of none is known.
fn lag(seen: &Seen) -> Option<u64> {
    let known = seen.partitions.iter().filter_map(|it| it.lag);
    known.fold(None, |sum: Option<u64>, lag| Some(sum.unwrap_or_default().saturating_add(lag)))
}

/// Partitions with a lag or something held: in turn the one with most of the one and of the other,
/// so that a few rows have the worst of both.
fn partitions(now: &Look) -> Table {
    let all = now.pipelines.iter();
    let all = all.flat_map(|seen| seen.partitions.iter().map(move |it| (&seen.pipeline, it)));
    let waiting = |it: &Partition| it.lag.is_some_and(|lag| lag > 0) || it.held_records > 0;
    let found: Vec<_> = all.filter(|(_, partition)| waiting(partition)).collect();
    let by_lag = ranks(&found, |(_, one), (_, other)| other.lag.cmp(&one.lag));
    let age = |it: &Partition| it.oldest_unsettled_age_seconds.unwrap_or(-1.0);
    let by_age = ranks(&found, |(_, one), (_, other)| age(other).total_cmp(&age(one)));
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&at| (by_lag[at].min(by_age[at]), by_lag[at]));
    let row = |&at: &usize| {
        let (pipeline, it) = found[at];
        let or_unknown = |known: Option<String>| known.unwrap_or_else(|| UNKNOWN.to_owned());
        vec![
            plain(&format!("{}/{}", it.topic, it.partition)),
            plain(&pipeline.name),
            or_unknown(it.lag.map(grouped)),
            grouped(it.held_records),
            or_unknown(it.oldest_unsettled_age_seconds.map(lasting)),
            or_unknown(it.lowest_unsettled_offset.map(|it| it.to_string())),
            or_unknown(it.committed_offset.map(|it| it.to_string())),
        ]
    };
    Table {
        columns: vec![
            text("PARTITION"),
            text("PIPELINE"),
            number("LAG"),
            number("HELD"),
            number("OLDEST"),
            number("UNSETTLED"),
            number("COMMITTED"),
        ],
        rows: order.iter().map(row).collect(),
        wrong: false,
    }
}

/// At which place each of them is.
fn ranks<T>(found: &[T], compare: impl Fn(&T, &T) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|&one, &other| compare(&found[one], &found[other]));
    let mut ranks = vec![0; found.len()];
    order.into_iter().enumerate().for_each(|(rank, at)| ranks[at] = rank);
    ranks
}

/// The lanes of all pipelines, those first that have waited longest.
fn lanes(now: &Look) -> Table {
    let of = |seen: &'_ Seen| {
        let lanes = seen.lanes.iter().flat_map(|(_, lanes)| lanes.lanes.clone());
        let name = seen.pipeline.name.clone();
        lanes.map(move |lane| (name.clone(), lane)).collect::<Vec<_>>()
    };
    let mut all: Vec<(String, Lane)> = now.pipelines.iter().flat_map(of).collect();
    let waited = |lane: &Lane| lane.waited_seconds.unwrap_or(-1.0);
    all.sort_by(|(_, one), (_, other)| waited(other).total_cmp(&waited(one)));
    let row = |(pipeline, lane): (String, Lane)| {
        vec![
            plain(&format!("{}/{}@{}", lane.topic, lane.partition, lane.head_offset)),
            plain(&pipeline),
            plain(lane.key.as_deref().unwrap_or(UNKNOWN)),
            lane.state.name().replace('_', " "),
            lane.waited_seconds.map_or_else(|| UNKNOWN.to_owned(), lasting),
            grouped(lane.queued),
            grouped(lane.attempts.into()),
            plain(&waits_for(&lane)),
        ]
    };
    Table {
        columns: vec![
            text("LANE'S FIRST"),
            text("PIPELINE"),
            text("KEY"),
            text("STATE"),
            number("HELD FOR"),
            number("BEHIND"),
            number("ATTEMPTS"),
            text("WHY"),
        ],
        rows: all.into_iter().map(row).collect(),
        wrong: false,
    }
}

/// Why a lane waits, as short as can be.
fn waits_for(lane: &Lane) -> String {
    let parts = [
        lane.sending_seconds.map(|it| format!("request for {}", lasting(it))),
        lane.failure.clone(),
        lane.retry_in_seconds.map(|it| format!("again in {}", lasting(it))),
        lane.reason.map(|reason| why(reason).to_owned()),
        lane.destination.clone().filter(|_| lane.reason.is_some()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
