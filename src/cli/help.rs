//! The longer texts of `--help`. Names and defaults come from the table of settings.

use std::fmt::Write;

use clap::builder::styling::Style;

use crate::settings::table::{Row, Standard, rows};

/// Headings of the flags.
pub const WHAT: &str = "What to deliver";
/// Headings of the flags.
pub const HOW: &str = "How";
/// Headings of the flags.
pub const PROCESS: &str = "The process";

/// Below the short help.
pub const SHORT: &str =
    "`--help` adds examples, exit codes and the most used variables of the environment.";

/// Below the help of `demo`.
pub const DEMO: &str = "\
Runs a broker, an endpoint and a load in this process, kills the delivering process in the middle, starts \
it again, and has an independent check say what was lost, out of order or sent again. Exits with \
1 when a promise broke.";

/// Below the help of `explain`.
pub const EXPLAIN: &str = "\
A key is written as the header Keyway-Key has it: percent-encoded UTF-8, or base64: and Base64; a \
plain word is itself. Exits with 1 where nobody answers or there is no such pipeline, with 64 where \
a flag is wrong or missing.";

/// Of `check --record`.
pub const RECORD: &str = "\
Print the requests that the record in this JSON file would become, and send nothing.

The file is an object of topic, partition, offset, timestamp, key or key_base64, headers, and value \
(any JSON; a string is the text in it) or value_base64; all but the value may be left out.";

/// Lines of a command with what they do.
type Examples = &'static [(&'static str, &'static str)];

/// Of `run`.
pub const RUN_EXAMPLES: Examples = &[
    (
        "One topic to one endpoint:",
        "keyway run --brokers localhost:9092 --topic orders --url http://localhost:8080/orders",
    ),
    (
        "All topics of a kind, 1,000 requests at a time:",
        "keyway run --brokers kafka:9092 --topic '^orders-' --url http://web/orders --senders 1000",
    ),
    (
        "From a file, with one setting changed:",
        "KEYWAY_COMMIT_INTERVAL=5s keyway run --config keyway.toml",
    ),
    (
        "With a password that is in no command line:",
        "KEYWAY_KAFKA_SASL_PASSWORD_FILE=/run/secrets/kafka keyway run --config keyway.toml",
    ),
];

/// Of `serve`.
pub const SERVE_EXAMPLES: Examples = &[
    ("Pipelines made over REST, kept in a folder:", "keyway serve --state-dir /var/lib/keyway"),
    (
        "Make one:",
        "curl localhost:8000/v1/pipelines --json '{\"name\": \"orders\", \"topics\": [\"orders\"], \
         \"kafka\": {\"bootstrap.servers\": \"localhost:9092\"}, \
         \"http\": {\"url\": \"http://localhost:8080/orders\"}}'",
    ),
];

/// Of `check`.
pub const CHECK_EXAMPLES: Examples = &[
    ("Say everything that is wrong with a file:", "keyway check --config keyway.toml"),
    (
        "Try the brokers, topics and endpoints as well:",
        "keyway check --connect --config keyway.toml",
    ),
    (
        "Say which requests a record would become:",
        "keyway check --record record.json --config keyway.toml",
    ),
];

/// Of `offsets`.
pub const OFFSETS_EXAMPLES: Examples = &[(
    "What a group has done beyond its commits:",
    "keyway offsets --brokers localhost:9092 --topic orders --group-id keyway",
)];

/// The text of a flag, with its default from the table.
pub fn flag(about: &str, row: &Row) -> String {
    match row.standard {
        Standard::Text(text) | Standard::Described(text) => format!("{about} [default: {text}]"),
        Standard::Required | Standard::Nothing => about.to_owned(),
    }
}

/// Examples, exit codes and the most used variables.
pub fn long(examples: Examples) -> String {
    let mut text = heading("Examples");
    for (what, line) in examples {
        let _ = write!(text, "  {what}\n    {line}\n");
    }
    text.push('\n');
    text.push_str(&heading("Exit codes"));
    text.push_str(EXIT_CODES);
    text.push('\n');
    text.push_str(&heading("Variables"));
    text.push_str(&variables());
    text.push_str(RULES);
    text
}

const EXIT_CODES: &str = "  0   stopped cleanly
  1   failed while running
  64  bad usage
  78  bad configuration
";

const RULES: &str = "
  * retry at the longest wait, or dead_letter where there is a dead-letter topic

Every setting, with what it may be, is in docs/configuration.md: connections, the breaker, \
authorization, signatures, TLS, compression, events, routes.

A flag wins over its variable, a variable over the file, the file over the default in brackets. An \
empty variable counts as not set; an unknown KEYWAY_ variable is refused. Durations are written \
500ms, 5s, 2m or 1h, sizes 64MiB, 10MB or in bytes.

In the file the process has [api] and [log], a pipeline has [[pipeline]] with [pipeline.http], \
[pipeline.retry], [pipeline.dead_letter] and more below them, and librdkafka's properties are in \
[kafka] and [pipeline.kafka]. A key is called as its variable ends: KEYWAY_RETRY_INITIAL is initial \
in [pipeline.retry]. Only KEYWAY_URL is url and KEYWAY_REQUEST_TIMEOUT timeout in [pipeline.http], \
KEYWAY_MAX_ATTEMPTS max_attempts in [pipeline.retry], KEYWAY_LISTEN listen in [api]. ${NAME} in a \
string is taken from the environment.";

fn heading(text: &str) -> String {
    let style = Style::new().bold().underline();
    format!("{style}{text}:{style:#}\n")
}

/// The settings that the page has: more than these nobody reads there.
pub fn shown() -> impl Iterator<Item = &'static Row> + Clone {
    rows().filter(|row| !row.rare)
}

/// One line a variable: its name, what it sets, its default.
pub fn variables() -> String {
    let kafka = ("KEYWAY_KAFKA_<PROPERTY>", "any property of librdkafka, _ for .".to_owned());
    let lines = shown().map(|row| {
        let about = match row.standard {
            Standard::Nothing => row.about.to_owned(),
            standard => format!("{} [{}]", row.about, standard.shown()),
        };
        (row.variable, about)
    });
    let width = shown().map(|row| row.variable.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, about) in lines.chain([kafka]) {
        let _ = writeln!(text, "  {name:width$}  {about}");
    }
    text
}
