//! Measures Keyway beside other ways of doing the same work: on the same broker, the same topic and
//! the same endpoint, in turn, in one run. `bench/run` is the way to start it.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people: none comes near the 2^53 from which on an f64 is not exact"
)]

mod adaptive;
mod broker;
mod case;
mod ceiling;
mod control;
mod direct;
mod endpoint;
mod file;
mod grid;
mod isolation;
mod lab;
mod load;
mod plot;
mod process;
mod programs;
mod report;
mod suite;
mod workers;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::case::{Arm, Case};
use crate::load::Keys;
use crate::programs::Programs;
use crate::report::Report;
use crate::suite::Suite;

/// As `keyway` has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures Keyway beside other ways of doing the same work.
#[derive(Debug, Parser)]
#[command(name = "keyway-bench")]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Runs the cases and writes report.md, report.json and report.svg.
    Run(RunArguments),
    /// The adaptive limit beside fixed numbers of senders, before an endpoint of known capacity;
    /// writes adaptive.md.
    Adaptive(StoryArguments),
    /// Two destinations, one of which hangs; writes isolation.md.
    Isolation(StoryArguments),
    /// Serves as the endpoint.
    Endpoint {
        #[arg(long, default_value = "127.0.0.1:0")]
        address: SocketAddr,
    },
    /// Sends requests with awc alone.
    Awc {
        #[arg(long)]
        url: String,
        #[arg(long)]
        requests: usize,
        #[arg(long)]
        in_flight: usize,
        #[arg(long, default_value_t = 200)]
        size: usize,
    },
    /// Delivers a topic's records to a sink that settles at once, or to a file, and prints how fast.
    Direct {
        #[arg(long)]
        brokers: String,
        #[arg(long)]
        topic: String,
        #[arg(long)]
        group: String,
        #[arg(long)]
        records: u64,
        #[arg(long, default_value_t = 1)]
        arbiters: usize,
        /// Properties of librdkafka's, as NAME=VALUE.
        #[arg(long = "property", value_parser = property)]
        properties: Vec<(String, String)>,
        /// Writes this file.
        #[arg(long)]
        file: Option<PathBuf>,
        /// With lines of JSON in place of values.
        #[arg(long, requires = "file")]
        ndjson: bool,
        /// When a record in it is settled.
        #[arg(long, default_value = "interval", requires = "file")]
        sync: file::Sync,
    },
    /// Delivers records into a file, in each format and with each way to sync; writes file.md.
    File(StoryArguments),
    /// Makes a topic and fills it.
    Fill {
        #[arg(long)]
        brokers: String,
        #[arg(long)]
        topic: String,
        #[arg(long, default_value_t = 6)]
        partitions: i32,
        #[arg(long, default_value = "distinct")]
        keys: Keys,
        #[arg(long)]
        records: usize,
        #[arg(long, default_value_t = 200)]
        size: usize,
    },
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// A few cases, less than three minutes.
    #[arg(long)]
    quick: bool,
    /// Every load at every delay, size and number of requests at once, a second each.
    #[arg(long, conflicts_with_all = ["quick", "only", "arms"])]
    grid: bool,
    /// Only cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Only these arms.
    #[arg(long, value_delimiter = ',')]
    arms: Vec<Arm>,
    /// How often each arm is measured.
    #[arg(long)]
    rounds: Option<usize>,
    /// The jars of Apache Kafka.
    #[arg(long)]
    kafka: PathBuf,
    /// The jars of the Parallel Consumer arm.
    #[arg(long)]
    parallel_consumer: Option<PathBuf>,
    /// Where the report goes.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
struct StoryArguments {
    /// How often each run is made.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The jars of Apache Kafka.
    #[arg(long)]
    kafka: PathBuf,
    /// Where the report goes.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        What::Run(arguments) => run(&arguments),
        What::Adaptive(StoryArguments { rounds, kafka, out }) => {
            adaptive::run(&kafka, &out, rounds)
        }
        What::Isolation(StoryArguments { rounds, kafka, out }) => {
            isolation::run(&kafka, &out, rounds)
        }
        What::Endpoint { address } => endpoint::serve(address),
        What::Awc { url, requests, in_flight, size } => {
            ceiling::run(&url, requests, in_flight, size)
        }
        What::File(StoryArguments { rounds, kafka, out }) => file::run(&kafka, &out, rounds),
        What::Direct {
            brokers,
            topic,
            group,
            records,
            arbiters,
            properties,
            file,
            ndjson,
            sync,
        } => {
            let file = file.map(|path| file::settings(path, ndjson, sync));
            let seen = direct::run(&brokers, &topic, &group, records, arbiters, &properties, file)?;
            println!("{}", serde_json::to_string(&seen)?);
            Ok(())
        }
        What::Fill { brokers, topic, partitions, keys, records, size } => {
            load::fill(&brokers, &topic, partitions, keys, records, size)
        }
    }
}

fn property(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("a property is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let binaries = std::env::current_exe()?;
    let binaries = binaries.parent().context("this program is in a folder")?.to_owned();
    let parallel_consumer = arguments.parallel_consumer.clone().filter(|it| it.is_dir());
    let mut suite = Suite::start(Programs { binaries, parallel_consumer }, &arguments.kafka)?;
    // The first group makes the broker create its offsets topic, which takes it seconds.
    suite.case(&Case::plain(10_000), 1)?;
    fs::create_dir_all(&arguments.out)?;
    if arguments.grid {
        run_grid(&mut suite, arguments)?;
    } else {
        run_report(&mut suite, arguments)?;
    }
    println!("written to {}", arguments.out.display());
    Ok(())
}

/// Writes each row as it comes.
fn run_grid(suite: &mut Suite, arguments: &RunArguments) -> anyhow::Result<()> {
    let mut file = fs::File::create(arguments.out.join("grid.md"))?;
    println!("{}", grid::HEAD);
    writeln!(file, "{}", grid::HEAD)?;
    let mut outcomes = Vec::new();
    for case in grid::cases() {
        outcomes.push(suite.case(&case, arguments.rounds.unwrap_or(1))?);
        let Some(outcome) = outcomes.last() else { continue };
        let row = grid::row(&outcomes, outcome);
        println!("{row}");
        writeln!(file, "{row}")?;
    }
    Ok(())
}

fn run_report(suite: &mut Suite, arguments: &RunArguments) -> anyhow::Result<()> {
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 2 } else { 3 });
    let mut outcomes = Vec::new();
    for case in cases(arguments) {
        let outcome = suite.case(&case, rounds)?;
        println!("{}", report::of_case(&outcome));
        outcomes.push(outcome);
    }
    let records = if arguments.quick { 500_000 } else { 2_000_000 };
    let report = Report { outcomes, direct: suite.direct(records, rounds)?, idle: suite.idle()? };
    println!("{}", report::of_keyway_alone(&report));
    fs::write(arguments.out.join("report.md"), report::of_all(&report))?;
    fs::write(arguments.out.join("report.json"), serde_json::to_vec_pretty(&report)?)?;
    fs::write(arguments.out.join("report.svg"), plot::svg(&report.outcomes))?;
    Ok(())
}

fn cases(arguments: &RunArguments) -> Vec<Case> {
    let mut cases = if arguments.quick {
        case::quick()
    } else {
        case::goals().into_iter().chain(case::sweeps()).collect()
    };
    if let Some(only) = &arguments.only {
        cases.retain(|case| case.name.contains(only));
    }
    for case in &mut cases {
        case.arms.retain(|arm| arguments.arms.is_empty() || arguments.arms.contains(arm));
    }
    cases
}
