//! Records into a file: how many a second, in each format and with each way to sync, beside a sink
//! that settles at once. Each run is a process of its own, in turn, round after round.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use keyway_actors::sink::file::{FileSettings, Format, SyncPolicy};

use crate::broker::Broker;
use crate::direct::Direct;
use crate::load::{self, Keys};

/// What is delivered in a run: a second or more of work, and a few hundred megabytes on the disk.
const RECORDS: usize = 2_000_000;
const SIZE: usize = 200;
const PARTITIONS: i32 = 6;

/// When a record in a file is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// On the disk, at the latest a second after it was written.
    Interval,
    /// On the disk, as soon as may be.
    Always,
    /// When it is written.
    None,
}

/// A file as the arguments of a run say.
pub fn settings(path: PathBuf, ndjson: bool, sync: Sync) -> FileSettings {
    let sync = match sync {
        Sync::Interval => SyncPolicy::default(),
        Sync::Always => SyncPolicy::Always,
        Sync::None => SyncPolicy::Never,
    };
    let format = if ndjson { Format::Ndjson } else { Format::Raw };
    FileSettings { format, sync, ..FileSettings::new(path) }
}

/// Measures all of it and writes `file.md`.
pub fn run(jars: &Path, out: &Path, rounds: usize) -> anyhow::Result<()> {
    let broker = Broker::start(jars)?;
    let topic = "bench-file";
    load::fill(broker.address(), topic, PARTITIONS, Keys::Distinct, RECORDS, SIZE)?;
    fs::create_dir_all(out)?;
    let mut text = format!(
        "{RECORDS} records of {SIZE} B, keys of their own, {PARTITIONS} partitions, one arbiter\n\n\
         | | sync | records/s, round by round | records a delivery | of the sink that settles at once |\n\
         |---|---|--:|--:|--:|\n"
    );
    let mut ceiling = None;
    for (name, file) in arms() {
        let mut seen = Vec::new();
        for round in 0..rounds {
            let group =
                format!("{name}-{round}-{file:?}").replace(|c: char| !c.is_alphanumeric(), "-");
            seen.push(one(&broker, topic, &group, file, out)?);
        }
        let mean = |of: fn(&Direct) -> f64| seen.iter().map(of).sum::<f64>() / rounds as f64;
        let throughput = mean(|run| run.throughput);
        let all: Vec<String> = seen.iter().map(|run| format!("{:.0}", run.throughput)).collect();
        let of = throughput / *ceiling.get_or_insert(throughput);
        let (all, together) = (all.join(", "), mean(|run| run.together));
        let sync = file.map_or("-".to_owned(), |(_, sync)| format!("{sync:?}").to_lowercase());
        let row = format!("| {name} | {sync} | {all} | {together:.0} | {of:.2} |");
        println!("{row}");
        let _ = writeln!(text, "{row}");
    }
    fs::write(out.join("file.md"), text)?;
    println!("written to {}", out.display());
    Ok(())
}

/// Each with whether it is JSON and how it is synced, where it is a file; the ceiling is the first.
fn arms() -> Vec<(&'static str, Option<(bool, Sync)>)> {
    let mut arms = vec![("nothing", None)];
    for (name, ndjson) in [("raw", false), ("ndjson", true)] {
        arms.extend(Sync::value_variants().iter().map(|sync| (name, Some((ndjson, *sync)))));
    }
    arms
}

fn one(
    broker: &Broker,
    topic: &str,
    group: &str,
    file: Option<(bool, Sync)>,
    out: &Path,
) -> anyhow::Result<Direct> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["direct", "--brokers", broker.address(), "--topic", topic, "--group", group]);
    command.args(["--records", &RECORDS.to_string()]);
    let path = out.join("written");
    if let Some((ndjson, sync)) = file {
        command.arg("--file").arg(&path);
        command.args(["--sync", &format!("{sync:?}").to_lowercase()]);
        if ndjson {
            command.arg("--ndjson");
        }
    }
    let output = command.output()?;
    let seen = serde_json::from_slice(&output.stdout).context("the run failed")?;
    if file.is_some() {
        let written = fs::read(&path)?;
        let lines = written.split(|byte| *byte == b'\n').count() - 1;
        ensure!(lines == RECORDS, "{lines} lines of {RECORDS} records");
        fs::remove_file(&path)?;
    }
    Ok(seen)
}
