//! Every row of the table sets what it names, by its variable, its flag and its key.

use super::*;
use crate::settings::table::{ROWS, Row, Scope, Standard};

/// What a row is set to, and where that must show.
struct Sample {
    variable: &'static str,
    typed: &'static str,
    shown: fn(&Settings) -> String,
    expected: &'static str,
}

macro_rules! samples {
    ($($variable:literal, $typed:literal, $settings:ident => $value:expr, $expected:literal;)*) => {
        [$(Sample {
            variable: $variable,
            typed: $typed,
            shown: |$settings| format!("{:?}", $value),
            expected: $expected,
        }),*]
    };
}

/// One sample a row, none of them the default; `KEYWAY_CONFIG` has a test of its own.
fn samples() -> [Sample; 32] {
    samples![
        "KEYWAY_BROKERS", "other:9093", s => s.pipelines[0].kafka.get("bootstrap.servers"), "Some(\"other:9093\")";
        "KEYWAY_TOPICS", "a", s => s.pipelines[0].topics, "[\"a\"]";
        "KEYWAY_GROUP_ID", "g", s => s.pipelines[0].group_id, "\"g\"";
        "KEYWAY_URL", "https://other/x", s => s.pipelines[0].http.url, "https://other/x";
        "KEYWAY_NAME", "n", s => s.pipelines[0].name, "\"n\"";
        "KEYWAY_PARTITIONS", "7", s => s.pipelines[0].partitions, "Some([7])";
        "KEYWAY_ORDERING", "partition", s => s.pipelines[0].ordering, "Partition";
        "KEYWAY_SENDERS", "17", s => s.pipelines[0].senders, "17";
        "KEYWAY_ARBITERS", "2", s => s.pipelines[0].arbiters, "2";
        "KEYWAY_BUFFER_BYTES", "3MiB", s => s.pipelines[0].buffer_bytes, "3145728";
        "KEYWAY_BUFFER_RECORDS", "18", s => s.pipelines[0].buffer_records, "18";
        "KEYWAY_COMMIT_INTERVAL", "19ms", s => s.pipelines[0].commit_interval, "19ms";
        "KEYWAY_REVOKE_DEADLINE", "21s", s => s.pipelines[0].revoke_deadline, "21s";
        "KEYWAY_DRAIN_DEADLINE", "22s", s => s.pipelines[0].drain_deadline, "22s";
        "KEYWAY_OFFSET_OVERFLOW", "replay", s => s.pipelines[0].offset_overflow, "Replay";
        "KEYWAY_OFFSET_METADATA_MAX_BYTES", "8KiB", s => s.pipelines[0].offset_metadata_max_bytes, "8192";
        "KEYWAY_REQUEST_TIMEOUT", "23s", s => s.pipelines[0].http.timeout, "23s";
        "KEYWAY_HTTP_CONTENT_TYPE", "text/plain", s => s.pipelines[0].http.content_type, "\"text/plain\"";
        "KEYWAY_RETRY_INITIAL", "24ms", s => s.pipelines[0].retry.initial, "24ms";
        "KEYWAY_RETRY_FACTOR", "1.5", s => s.pipelines[0].retry.factor, "1.5";
        "KEYWAY_RETRY_MAX", "25s", s => s.pipelines[0].retry.max, "25s";
        "KEYWAY_MAX_ATTEMPTS", "26", s => s.pipelines[0].retry.max_attempts, "Some(26)";
        "KEYWAY_RETRY_ON_REJECTED", "drop", s => s.pipelines[0].retry.on_rejected, "Drop";
        "KEYWAY_RETRY_ON_EXHAUSTED", "stop", s => s.pipelines[0].retry.on_exhausted, "Stop";
        "KEYWAY_DEAD_LETTER_TOPIC", "dead", s => s.pipelines[0].dead_letter.as_ref().map(|d| &d.topic), "Some(\"dead\")";
        "KEYWAY_LISTEN", "off", s => s.listen, "Off";
        "KEYWAY_LOG_LEVEL", "warn", s => s.log.level, "Warning";
        "KEYWAY_LOG_FORMAT", "json", s => s.log.format, "Json";
        "KEYWAY_LOG_FILE", "/x/y", s => s.log.file, "Some(\"/x/y\")";
        "KEYWAY_LOG_FILE_MAX_SIZE", "2KiB", s => s.log.file_max_size, "2048";
        "KEYWAY_LOG_FILE_KEEP", "27", s => s.log.file_keep, "27";
        "KEYWAY_LOG_STATS_INTERVAL", "off", s => s.log.stats_interval, "None";
    ]
}

fn row_of(sample: &Sample) -> &'static Row {
    ROWS.into_iter().find(|row| row.variable == sample.variable).expect("a row of the table")
}

/// The file that sets one row to its sample and has all that is needed besides.
fn file_with(row: &Row, typed: &str) -> String {
    let value = if row.list { format!("[{typed:?}]") } else { format!("{typed:?}") };
    let line = format!("{} = {value}\n", row.key);
    let top = row.scope == Scope::Process || row.key.starts_with("kafka.");
    let needed =
        |key: &str, line: &str| if row.key == key { String::new() } else { line.to_owned() };
    let brokers =
        needed("kafka.\"bootstrap.servers\"", "kafka.\"bootstrap.servers\" = \"localhost:9092\"\n");
    let topics = needed("topics", "topics = [\"orders\"]\n");
    let url = needed("http.url", "http.url = \"http://localhost:8080/\"\n");
    if top {
        format!("{line}{brokers}[[pipeline]]\n{topics}{url}")
    } else {
        format!("{brokers}[[pipeline]]\n{line}{topics}{url}")
    }
}

#[test]
fn every_row_has_a_sample_and_follows_the_rule_of_names() {
    let sampled: Vec<&str> = samples().iter().map(|sample| sample.variable).collect();
    for row in ROWS.into_iter().filter(|row| row.variable != "KEYWAY_CONFIG") {
        assert!(sampled.contains(&row.variable), "{} has no sample", row.variable);
    }
    let short = [
        "KEYWAY_CONFIG",
        "KEYWAY_BROKERS",
        "KEYWAY_URL",
        "KEYWAY_REQUEST_TIMEOUT",
        "KEYWAY_MAX_ATTEMPTS",
        "KEYWAY_LISTEN",
    ];
    for row in ROWS.into_iter().filter(|row| !short.contains(&row.variable)) {
        assert_eq!(row.variable, sources::variable_by_rule(row.key));
    }
}

#[test]
fn every_variable_changes_the_setting_it_names() {
    let default = Typed::needed().settings();
    for sample in samples() {
        assert_ne!(
            (sample.shown)(&default),
            sample.expected,
            "{} is sampled by its default",
            sample.variable
        );
        let mut typed = Typed::needed();
        typed.variables.retain(|(name, _)| *name != sample.variable);
        let settings = typed.variable(sample.variable, sample.typed).settings();
        assert_eq!((sample.shown)(&settings), sample.expected, "{}", sample.variable);
    }
}

#[test]
fn every_flag_changes_the_setting_it_names() {
    for sample in samples() {
        let Some(flag) = row_of(&sample).flag else { continue };
        let settings = Typed::needed().flag(flag, sample.typed).settings();
        assert_eq!((sample.shown)(&settings), sample.expected, "{flag}");
    }
}

#[test]
fn every_key_changes_the_setting_it_names() {
    for sample in samples() {
        let row = row_of(&sample);
        let settings = Typed::file(file_with(row, sample.typed).leak()).settings();
        assert_eq!((sample.shown)(&settings), sample.expected, "{}", row.key);
    }
}

#[test]
fn for_every_row_the_flag_wins_over_the_variable_over_the_file() {
    for sample in samples() {
        let row = row_of(&sample);
        let lower = match (row.standard, row.variable) {
            (Standard::Text(text), _) => text,
            (_, "KEYWAY_BROKERS") => "lower:1",
            (_, "KEYWAY_URL") => "http://lower/",
            (_, "KEYWAY_PARTITIONS" | "KEYWAY_ARBITERS") => "1",
            (_, "KEYWAY_RETRY_ON_REJECTED" | "KEYWAY_RETRY_ON_EXHAUSTED") => "retry",
            _ => "lower",
        };
        let file = file_with(row, lower).leak();
        let settings = Typed::file(file).variable(row.variable, sample.typed).settings();
        assert_eq!((sample.shown)(&settings), sample.expected, "{}", row.variable);
        let Some(flag) = row.flag else { continue };
        let typed = Typed::file(file).variable(row.variable, lower).flag(flag, sample.typed);
        assert_eq!((sample.shown)(&typed.settings()), sample.expected, "{flag}");
    }
}

#[test]
fn a_bad_value_is_told_with_its_place_whatever_the_source() {
    const BAD: &str = "\u{7f}";
    for row in
        ROWS.into_iter().filter(|row| !["KEYWAY_CONFIG", "KEYWAY_LOG_FILE"].contains(&row.variable))
    {
        let from_variable = Typed::needed().variable(row.variable, BAD).problems();
        assert!(
            from_variable.iter().any(|line| line.starts_with(row.variable)),
            "{from_variable:?}"
        );
        if let Some(flag) = row.flag {
            let from_flag = Typed::needed().flag(flag, BAD).problems();
            assert!(from_flag.iter().any(|line| line.starts_with(flag)), "{from_flag:?}");
        }
        let from_file =
            Typed::file(file_with(row, "\u{1}").replace("\\u{1}", "\\u007f").leak()).problems();
        let key = row.key.replace('"', "");
        assert!(
            from_file[0].starts_with("keyway.toml:") && from_file[0].contains(&key),
            "{from_file:?}"
        );
        assert_eq!(
            (from_variable.len(), from_file.len()),
            (1, 1),
            "{from_variable:?} {from_file:?}"
        );
    }
}

#[test]
fn every_default_can_be_read() {
    for row in ROWS {
        if let Standard::Text(text) = row.standard {
            let mut typed = Typed::needed();
            typed.variables.push((row.variable, text));
            typed.settings();
        }
    }
}
