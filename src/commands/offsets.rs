//! `keyway offsets`: what each group has committed, what it has settled above that, and what is
//! left of the log.
//!
//! It only reads. Metadata that is another program's, or broken, is said with the partition, not
//! hidden: what it may stand for is sent again.

mod table;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

use keyway_actors::core::Offset;
use keyway_actors::kafka::admin::{self, AdminError, Commit, PartitionOffsets};

use self::table::{Align, Table};
use super::PATIENCE;
use super::words::{count, first, grouped};
use crate::cli::exit;
use crate::settings::GroupSettings;
use crate::wiring;

/// Ranges shown of each partition.
const SHOWN: usize = 4;

/// Prints a table for each group; gives the code to exit with: failed where something could not be
/// read.
pub fn run(groups: &[GroupSettings]) -> u8 {
    match run_into(groups, &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(true) => exit::CLEAN,
        Ok(false) | Err(_) => exit::FAILED,
    }
}

/// The same, into any writers; whether everything could be read.
pub(super) fn run_into(
    groups: &[GroupSettings],
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<bool> {
    let mut all = true;
    for (at, group) in groups.iter().enumerate() {
        let found = find(group);
        for error in &found.errors {
            writeln!(errors, "keyway: {}: {error}", group.name)?;
        }
        all &= found.errors.is_empty();
        let space = if at == 0 { "" } else { "\n" };
        write!(out, "{space}{}", report(group, &found.offsets))?;
        out.flush()?;
    }
    Ok(all)
}

/// What could be read, and what could not.
#[derive(Default)]
struct Found {
    offsets: Vec<PartitionOffsets>,
    errors: Vec<String>,
}

fn find(group: &GroupSettings) -> Found {
    let mut found = Found::default();
    if let Err(error) = ask(group, &mut found) {
        found.errors.push(error.to_string());
    }
    found
}

fn ask(group: &GroupSettings, found: &mut Found) -> Result<(), AdminError> {
    let kafka = wiring::kafka(&group.kafka);
    let topics = admin::topics(&kafka, &group.topics, PATIENCE)?;
    let mut places = Vec::new();
    for asked in topics.asked {
        match asked.found {
            Err(error) => found.errors.push(error.to_string()),
            Ok(topics) if topics.is_empty() => {
                found.errors.push(format!("the pattern {} matches no topic", asked.name));
            }
            Ok(topics) => {
                for topic in topics {
                    let ids = topic.partitions.iter().map(|partition| partition.id);
                    let ids = group.partitions.clone().unwrap_or_else(|| ids.collect());
                    places.extend(ids.into_iter().map(|id| (topic.name.clone(), id)));
                }
            }
        }
    }
    // Two patterns may match one topic.
    places.sort();
    places.dedup();
    found.offsets = admin::group_offsets(&kafka, &group.group_id, &places, PATIENCE)?;
    for offsets in &found.offsets {
        let place = place(offsets);
        let wrong = [offsets.committed.as_ref().err(), offsets.log.as_ref().err()];
        found.errors.extend(wrong.into_iter().flatten().map(|error| format!("{place}: {error}")));
    }
    Ok(())
}

fn place(offsets: &PartitionOffsets) -> String {
    format!("{}/{}", offsets.topic, offsets.partition)
}

fn report(group: &GroupSettings, offsets: &[PartitionOffsets]) -> String {
    let brokers = group.kafka.get("bootstrap.servers").unwrap_or_default();
    let mut text = format!("{}: group {} at {brokers}\n", group.name, group.group_id);
    if offsets.is_empty() {
        return text;
    }
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("COMMITTED", Align::Right),
        ("SETTLED ABOVE", Align::Left),
        ("UNSETTLED WITHIN", Align::Left),
        ("LOG END", Align::Right),
        ("LAG", Align::Right),
        ("ENCODING", Align::Left),
    ]);
    for offsets in offsets {
        table.row(row(offsets));
    }
    let _ = writeln!(text, "{table}{}", in_all(offsets));
    for note in offsets.iter().flat_map(notes) {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

const NONE: &str = "-";

fn row(offsets: &PartitionOffsets) -> Vec<String> {
    let commit = offsets.committed.as_ref().ok().and_then(Option::as_ref);
    let committed = match &offsets.committed {
        Ok(Some(commit)) => commit.offset.to_string(),
        Ok(None) => "none".to_owned(),
        Err(_) => "?".to_owned(),
    };
    let settled = match commit.map(|commit| &commit.settled) {
        Some(Ok(settled)) => ranges(settled),
        Some(Err(_)) => "?".to_owned(),
        None => NONE.to_owned(),
    };
    let unsettled = match commit {
        Some(commit) if commit.settled.is_err() => "?".to_owned(),
        Some(commit) => ranges(&commit.unsettled()),
        None => NONE.to_owned(),
    };
    let end = offsets.log.as_ref().map_or_else(|_| "?".to_owned(), |log| log.end.to_string());
    let lag = offsets.lag().map_or_else(|| NONE.to_owned(), |lag| lag.to_string());
    vec![
        offsets.topic.clone(),
        offsets.partition.to_string(),
        committed,
        settled,
        unsettled,
        end,
        lag,
        commit.map_or(NONE, encoding).to_owned(),
    ]
}

/// How the metadata is written, or whose it is.
fn encoding(commit: &Commit) -> &'static str {
    match &commit.settled {
        Ok(_) => commit.encoding().unwrap_or(NONE),
        Err(error) if error.is_foreign() => "foreign",
        Err(_) => "broken",
    }
}

/// How many offsets there are in these ranges, and the first of them: `4: 103-105, 110`.
fn ranges(ranges: &[Range<Offset>]) -> String {
    if ranges.is_empty() {
        return NONE.to_owned();
    }
    let one = |range: &Range<Offset>| match range.end - 1 {
        last if last == range.start => last.to_string(),
        last => format!("{}-{last}", range.start),
    };
    format!("{}: {}", grouped(len(ranges)), first(ranges.iter().map(one), SHOWN))
}

fn len(ranges: &[Range<Offset>]) -> u64 {
    ranges.iter().map(|range| range.end.abs_diff(range.start)).sum()
}

fn in_all(offsets: &[PartitionOffsets]) -> String {
    let lag: u64 = offsets.iter().filter_map(PartitionOffsets::lag).sum();
    let commits = offsets.iter().filter_map(|found| found.committed.as_ref().ok()?.as_ref());
    let settled: u64 = commits.filter_map(|it| it.settled.as_ref().ok()).map(|it| len(it)).sum();
    let partitions = count(offsets.len(), "partition");
    format!("{partitions}, lag {}, of which {} settled already", grouped(lag), grouped(settled))
}

/// What a reader of the table has to know of a partition.
fn notes(offsets: &PartitionOffsets) -> Vec<String> {
    let mut notes = Vec::new();
    let Ok(Some(commit)) = &offsets.committed else { return notes };
    let place = place(offsets);
    if let Err(error) = &commit.settled {
        let start: Vec<u8> = commit.metadata.iter().copied().take(32).collect();
        let length = count(commit.metadata.len(), "byte");
        notes.push(format!("{place}: {error} ({length}, beginning {})", start.escape_ascii()));
    }
    let Ok(log) = &offsets.log else { return notes };
    if commit.offset < log.start {
        notes.push(format!(
            "{place}: the log begins at {}, above the committed {}; what lay between is gone",
            log.start, commit.offset
        ));
    }
    if commit.offset > log.end {
        notes.push(format!(
            "{place}: the log ends at {}, below the committed {}; the topic was probably made again",
            log.end, commit.offset
        ));
    }
    notes
}

#[cfg(test)]
mod tests;
