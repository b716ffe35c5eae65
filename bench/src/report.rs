//! The report: a table a case, as Markdown, and everything as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::case::Arm;
use crate::direct::Direct;
use crate::suite::{Outcome, Run};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    pub outcomes: Vec<Outcome>,
    /// Before a sink that settles at once.
    pub direct: Vec<Direct>,
    /// Resident with nothing to do, in bytes.
    pub idle: u64,
}

/// The whole report as Markdown.
pub fn of_all(report: &Report) -> String {
    let mut parts: Vec<String> = report.outcomes.iter().map(of_case).collect();
    parts.push(of_keyway_alone(report));
    parts.join("\n")
}

/// What is measured of Keyway alone.
pub fn of_keyway_alone(report: &Report) -> String {
    let mut text = "### Without HTTP\n\n\
        All four actors, one arbiter, before a sink that settles at once:\n\n\
        | records/s | first record settled |\n|--:|--:|\n"
        .to_owned();
    for run in &report.direct {
        let _ = writeln!(text, "| {:.0} | {:.0} ms |", run.throughput, run.started_in * 1e3);
    }
    let _ = writeln!(text, "\nResident with nothing to do: {:.0} MB.", report.idle as f64 / 1e6);
    text
}

/// What the runs of an arm come to: medians, except where it says otherwise.
pub struct Summary {
    pub arm: Arm,
    pub throughput: f64,
    pub cpu: f64,
    /// The most of all runs, in bytes.
    pub peak_memory: u64,
    pub started_in: f64,
    /// The mean number of requests at once as a part of what was allowed.
    pub filled: f64,
    /// Of all runs.
    pub duplicates: u64,
    pub disordered: u64,
}

/// The arms of a case, in the order of their measurement.
pub fn summaries(outcome: &Outcome) -> Vec<Summary> {
    let arms = outcome.case.arms.iter();
    arms.filter_map(|&arm| summary(outcome, arm)).collect()
}

/// What the runs of an arm came to; none if it has none.
pub fn summary(outcome: &Outcome, arm: Arm) -> Option<Summary> {
    let runs: Vec<&Run> = outcome.runs.iter().filter(|run| run.arm == arm).collect();
    let median = |of: fn(&Run) -> f64| {
        let [_, median, _] = spread(runs.iter().map(|run| of(run)))?;
        Some(median)
    };
    Some(Summary {
        arm,
        throughput: median(|run| run.throughput)?,
        cpu: median(|run| run.cpu)?,
        peak_memory: runs.iter().map(|run| run.peak_memory).max().unwrap_or(0),
        started_in: median(|run| run.started_in)?,
        filled: median(|run| run.endpoint.mean)? / outcome.case.in_flight as f64,
        duplicates: runs.iter().map(|run| run.endpoint.duplicates).sum(),
        disordered: runs.iter().map(|run| run.endpoint.disordered).sum(),
    })
}

/// Throughput of Keyway divided by another arm's in the same round: the least, median and most.
pub fn paired(outcome: &Outcome, other: Arm) -> Option<[f64; 3]> {
    let of = |arm, round| outcome.runs.iter().find(|run| run.arm == arm && run.round == round);
    let of_keyway = outcome.runs.iter().filter(|run| run.arm == Arm::Keyway);
    spread(of_keyway.filter_map(|run| Some(run.throughput / of(other, run.round)?.throughput)))
}

/// The least, median and most of some values; none of none.
fn spread(values: impl Iterator<Item = f64>) -> Option<[f64; 3]> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    let median = f64::midpoint(values[below], values[above]);
    Some([*values.first()?, median, *values.last()?])
}

/// A case as a Markdown table.
pub fn of_case(outcome: &Outcome) -> String {
    let case = &outcome.case;
    let mut text = format!(
        "### {}\n\n{} records of {} B, keys {}, {} partitions, {} arbiter(s)\n\n\
        | arm | requests/s | of awc | CPU a record | of awc | peak memory | in flight | first request | duplicates | disordered |\n\
        |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        case.name, case.records, case.size, case.keys, case.partitions, case.arbiters,
    );
    let all = summaries(outcome);
    let ceiling = all.iter().find(|it| it.arm == Arm::Awc);
    for it in &all {
        let of = |mine: f64, its: fn(&Summary) -> f64| {
            ceiling.map_or_else(|| "-".to_owned(), |awc| format!("{:.2}", mine / its(awc)))
        };
        let checked = |count: u64| {
            if it.arm.orders() { count.to_string() } else { "-".to_owned() }
        };
        // An endpoint of one thread that answers at once sees one request at a time.
        let filled =
            if case.delay.is_zero() { "-".to_owned() } else { format!("{:.2}", it.filled) };
        let _ = writeln!(
            text,
            "| {} | {:.0} | {} | {:.1} µs | {} | {:.0} MB | {} | {:.0} ms | {} | {} |",
            it.arm,
            it.throughput,
            of(it.throughput, |awc| awc.throughput),
            it.cpu,
            of(it.cpu, |awc| awc.cpu),
            it.peak_memory as f64 / 1e6,
            filled,
            it.started_in * 1e3,
            checked(it.duplicates),
            checked(it.disordered),
        );
    }
    for &arm in case.arms.iter().filter(|arm| **arm != Arm::Keyway) {
        if let Some([least, median, most]) = paired(outcome, arm) {
            let _ = writeln!(
                text,
                "\nkeyway ÷ {arm}, round by round: {least:.2} … **{median:.2}** … {most:.2}"
            );
        }
    }
    for (arm, why) in &outcome.left_out {
        let _ = writeln!(text, "\nLeft out: {arm}: {why}.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_two_rounds_lies_between_them() {
        assert_eq!(spread([3.0, 1.0].into_iter()), Some([1.0, 2.0, 3.0]));
        assert_eq!(spread([5.0, 1.0, 2.0].into_iter()), Some([1.0, 2.0, 5.0]));
        assert_eq!(spread([4.0].into_iter()), Some([4.0, 4.0, 4.0]));
        assert_eq!(spread(std::iter::empty()), None);
    }
}
