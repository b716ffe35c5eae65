//! The command line: commands and flags as typed.
//!
//! What a flag means is the settings' to say (exit 78 when it is wrong); here only the shape of the
//! line is checked (exit 64). Nothing here reads the environment.

mod help;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use awc::http::Uri;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use keyway_actors::explain::Question;

use crate::settings::value::{self, Refused, names};
use crate::settings::{Flags, table};

/// The shortest time from one look of `top` to the next: looking costs the Keyway that is asked.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// How the process ends.
pub mod exit {
    /// It did what it was asked to, or stopped cleanly.
    pub const CLEAN: u8 = 0;
    /// It failed while running.
    pub const FAILED: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// The configuration is wrong.
    pub const CONFIGURATION: u8 = 78;
}

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "keyway",
    version,
    about = "Delivers Kafka records to HTTP endpoints: in order per key, in parallel across keys",
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Start with `keyway demo`: it needs nothing installed. \
                  `keyway run --help` lists every setting."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deliver records until told to stop
    ///
    /// Consumes the topics as a member of the group, posts every record to the URL, and commits
    /// what is done. SIGTERM or SIGINT finishes what is in flight and leaves the group; a second
    /// one stops at once.
    #[command(after_help = help::SHORT, after_long_help = help::long(help::RUN_EXAMPLES))]
    Run(PipelineFlags),
    /// Lead pipelines over REST
    ///
    /// Runs the pipelines of the configuration, if there are any, and those that are made through the
    /// API (`--listen`), which `--state-dir` keeps. A pipeline that fails shows that, and the others go
    /// on. SIGHUP reads the configuration again.
    #[command(after_help = help::SHORT, after_long_help = help::long(help::SERVE_EXAMPLES))]
    Serve(PipelineFlags),
    /// Check the configuration, deliver nothing
    #[command(after_help = help::SHORT, after_long_help = help::long(help::CHECK_EXAMPLES))]
    Check(CheckArgs),
    /// Show what a group has done beyond the offsets it committed
    #[command(after_help = help::SHORT, after_long_help = help::long(help::OFFSETS_EXAMPLES))]
    Offsets(PipelineFlags),
    /// Ask a running Keyway whether every record is accounted for
    ///
    /// Counts, at one moment, the records that each pipeline has taken in and what became of them.
    /// Exits with 1 where they do not add up.
    Verify(ApiArgs),
    /// Ask a running Keyway where a record is, and why it waits
    ///
    /// Of one record (`--partition` and `--offset`), or of all that it holds of a key (`--key`). Says
    /// also what the first record of its lane does, which the others wait for.
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Watch a running Keyway: pipelines, partitions, the slowest lanes
    ///
    /// A table on the terminal that is drawn anew at each interval, until `q`. Where the output is no
    /// terminal, one table is written.
    Top(TopArgs),
    /// Show and verify a delivery with a broker and an endpoint built in
    #[command(after_help = help::DEMO)]
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The flags that describe a pipeline, as texts.
#[derive(Args, Clone, Debug, Default)]
pub struct PipelineFlags {
    #[arg(
        long,
        short,
        value_name = "FILE",
        help = "TOML file with settings, for one pipeline or several"
    )]
    config: Option<PathBuf>,
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        help_heading = help::WHAT,
        help = help::flag("Brokers to find the cluster by", &table::BROKERS.row)
    )]
    brokers: Option<String>,
    #[arg(
        long,
        value_name = "TOPIC",
        help_heading = help::WHAT,
        help = "Topic, or a regular expression that starts with ^; repeatable"
    )]
    topic: Vec<String>,
    #[arg(
        long,
        value_name = "GROUP",
        help_heading = help::WHAT,
        help = help::flag("Consumer group", &table::GROUP_ID.row)
    )]
    group_id: Option<String>,
    #[arg(
        long,
        value_name = "URL",
        help_heading = help::WHAT,
        help = help::flag("Where every record is posted", &table::URL.row)
    )]
    url: Option<String>,
    #[arg(
        long,
        value_name = "ORDER",
        help_heading = help::HOW,
        help = help::flag("What stays in order: key, partition, unordered", &table::ORDERING.row)
    )]
    ordering: Option<String>,
    #[arg(
        long,
        value_name = "N",
        help_heading = help::HOW,
        help = help::flag("Most requests in flight", &table::SENDERS.row)
    )]
    senders: Option<String>,
    #[arg(
        long,
        value_name = "N",
        help_heading = help::HOW,
        help = help::flag("Threads that deliver", &table::ARBITERS.row)
    )]
    arbiters: Option<String>,
    #[arg(
        long,
        value_name = "ADDRESS",
        help_heading = help::PROCESS,
        help = help::flag("Address of health, metrics and API, or off", &table::LISTEN.row)
    )]
    listen: Option<String>,
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        default_missing_value = "true",
        help_heading = help::PROCESS,
        help = help::flag("Answer other machines without a token", &table::API_INSECURE.row)
    )]
    insecure: Option<String>,
    #[arg(
        long,
        value_name = "FOLDER",
        help_heading = help::PROCESS,
        help = "Folder that paths of files given to the API have to stay in"
    )]
    file_root: Option<String>,
    #[arg(
        long,
        value_name = "FOLDER",
        help_heading = help::PROCESS,
        help = help::flag("Folder for pipelines made by API", &table::API_STATE_DIR.row)
    )]
    state_dir: Option<String>,
    #[arg(
        long,
        value_name = "LEVEL",
        help_heading = help::PROCESS,
        help = help::flag("trace, debug, info, warn, error", &table::LOG_LEVEL.row)
    )]
    log_level: Option<String>,
    #[arg(
        long,
        value_name = "FORMAT",
        help_heading = help::PROCESS,
        help = help::flag("term, json", &table::LOG_FORMAT.row)
    )]
    log_format: Option<String>,
}

impl PipelineFlags {
    /// What was given, for the settings.
    pub fn given(&self) -> Flags {
        let single = [
            ("--brokers", &self.brokers),
            ("--group-id", &self.group_id),
            ("--url", &self.url),
            ("--ordering", &self.ordering),
            ("--senders", &self.senders),
            ("--arbiters", &self.arbiters),
            ("--listen", &self.listen),
            ("--insecure", &self.insecure),
            ("--state-dir", &self.state_dir),
            ("--file-root", &self.file_root),
            ("--log-level", &self.log_level),
            ("--log-format", &self.log_format),
        ];
        let given =
            single.into_iter().filter_map(|(flag, value)| Some((flag, vec![value.clone()?])));
        let mut values: BTreeMap<_, _> = given.collect();
        if !self.topic.is_empty() {
            values.insert("--topic", self.topic.clone());
        }
        Flags { config: self.config.clone(), values }
    }
}

/// The flags of `check`.
#[derive(Args, Clone, Debug, Default)]
pub struct CheckArgs {
    /// The pipeline, as for `run`.
    #[command(flatten)]
    pub pipeline: PipelineFlags,
    /// Also try the brokers, the topics and the endpoints
    #[arg(long)]
    pub connect: bool,
    /// Print the requests that the record in this JSON file would become, and send nothing
    #[arg(
        long,
        value_name = "FILE",
        long_help = help::RECORD,
        conflicts_with_all = ["connect", "sample"]
    )]
    pub record: Option<PathBuf>,
    /// The same for the last N records of each topic
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "connect",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::commands::check::sample::MOST))
    )]
    pub sample: Option<u32>,
}

/// Where a running Keyway is asked: the flags of `verify`, and of all that asks.
#[derive(Args, Clone, Debug)]
pub struct ApiArgs {
    /// Where the running Keyway listens
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8000",
        value_parser = endpoint
    )]
    pub api: Uri,
    /// File that holds its token; without it the token is that of `KEYWAY_API_TOKEN`
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Authorities to trust in place of the system's, where the URL is https
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// The flags of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Whom to ask.
    #[command(flatten)]
    pub api: ApiArgs,
    /// Pipeline; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// Topic; may be left out where the pipeline has partitions of only one
    #[arg(long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Partition of the record
    #[arg(
        long,
        value_name = "P",
        requires = "offset",
        required_unless_present = "key",
        value_parser = clap::value_parser!(i32).range(0..)
    )]
    pub partition: Option<i32>,
    /// Offset of the record
    #[arg(
        long,
        value_name = "O",
        requires = "partition",
        value_parser = clap::value_parser!(i64).range(0..)
    )]
    pub offset: Option<i64>,
    /// In place of a record, a key: as the header Keyway-Key has it
    #[arg(
        long,
        value_name = "KEY",
        conflicts_with_all = ["partition", "offset"],
        allow_hyphen_values = true,
        value_parser = key
    )]
    pub key: Option<String>,
    /// Print the answer of the API as it is
    #[arg(long)]
    pub json: bool,
}

/// The flags of `top`.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    /// Whom to ask.
    #[command(flatten)]
    pub api: ApiArgs,
    /// From one look to the next
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// Look twice, for the rates, write one table and end
    #[arg(long)]
    pub once: bool,
}

/// The flags of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Records to deliver [default: as many as are delivered in 10 seconds]
    #[arg(long, value_name = "N")]
    pub records: Option<NonZeroU64>,
    /// Keys they are spread over
    #[arg(long, value_name = "N", default_value = "300")]
    pub keys: NonZeroU32,
    /// How long the built-in endpoint takes to answer
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = latency)]
    pub latency: Duration,
    /// Share of the requests that the built-in endpoint fails
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    pub fail: f64,
    /// Post to this endpoint instead of the built-in one
    #[arg(
        long,
        value_name = "URL",
        value_parser = endpoint,
        conflicts_with_all = ["latency", "fail"]
    )]
    pub url: Option<Uri>,
}

/// Reads the command line.
///
/// # Errors
/// The code to exit with, where there is nothing to run: [`exit::CLEAN`] after help and version,
/// [`exit::USAGE`] after a message on stderr.
pub fn parse<I, T>(arguments: I) -> Result<Cli, ExitCode>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    Cli::try_parse_from(arguments).map_err(|error| {
        // Nobody is left to tell when the terminal is gone.
        let _ = error.print();
        ExitCode::from(exit_of(error.kind()))
    })
}

fn exit_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => exit::CLEAN,
        _ => exit::USAGE,
    }
}

/// Writes the completion script for `shell`.
///
/// # Errors
/// What `out` says.
pub fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    // The generator panics where a write fails, as into a pipe that `head` has closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keyway", &mut script);
    out.write_all(&script)
}

fn latency(text: &str) -> Result<Duration, String> {
    value::duration(text, Duration::ZERO).map_err(said)
}

fn share(text: &str) -> Result<f64, String> {
    value::share(text).map_err(said)
}

fn interval(text: &str) -> Result<Duration, String> {
    value::duration(text, LEAST_INTERVAL).map_err(said)
}

/// A key stays as it was written: the API reads it.
fn key(text: &str) -> Result<String, String> {
    Question::parse_key(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn endpoint(text: &str) -> Result<Uri, String> {
    names::endpoint(text).map_err(said)
}

fn said(refused: Refused) -> String {
    let because = refused.because.map_or_else(String::new, |why| format!(" ({why})"));
    format!("expected {}{because}", refused.expected)
}

#[cfg(test)]
mod tests;
