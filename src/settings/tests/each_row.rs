//! Every row of the table sets what it names, by its variable, its flag and its key.

mod samples;

use self::samples::{FILES, FOLDERS, Sample, all_beside, is_of_file, is_of_routes, samples, world};
use super::*;
use crate::settings::table::{Row, Scope, Standard, rows};

fn row_of(sample: &Sample) -> &'static Row {
    rows().find(|row| row.variable == sample.variable).expect("a row of the table")
}

/// The file that sets one row to its sample and has all that is needed besides.
fn file_with(row: &'static Row, typed: &str) -> String {
    let line = |row: &Row, typed: &str| {
        let value = if row.list { format!("[{typed:?}]") } else { format!("{typed:?}") };
        format!("{} = {value}\n", row.key)
    };
    let of = |name: &str| rows().find(|row| row.variable == name).expect("a row of the table");
    let (mut top, mut pipeline) = (String::new(), String::new());
    let needed = [
        ("KEYWAY_BROKERS", "localhost:9092"),
        ("KEYWAY_TOPICS", "orders"),
        ("KEYWAY_URL", "http://localhost:8080/"),
    ];
    let needed = needed
        .into_iter()
        .filter(|(name, _)| *name != row.variable)
        .filter(|(name, _)| {
            *name != "KEYWAY_URL" || !(is_of_routes(row.variable) || is_of_file(row.variable))
        })
        .chain(all_beside(row.variable))
        .map(|(name, typed)| (of(name), typed));
    for (row, typed) in std::iter::once((row, typed)).chain(needed) {
        if row.scope == Scope::Process || row.key.starts_with("kafka.") {
            top.push_str(&line(row, typed));
        } else {
            pipeline.push_str(&line(row, typed));
        }
    }
    if is_of_routes(row.variable) {
        pipeline.push_str("[[pipeline.route]]\nrequest = [{ url = 'http://a/' }]\n");
    }
    format!("{top}[[pipeline]]\n{pipeline}")
}

#[test]
fn every_row_has_a_sample_and_follows_the_rule_of_names() {
    let sampled: Vec<&str> = samples().iter().map(|sample| sample.variable).collect();
    for row in rows().filter(|row| row.variable != "KEYWAY_CONFIG") {
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
    for row in rows().filter(|row| !short.contains(&row.variable)) {
        assert_eq!(row.variable, sources::variable_by_rule(row.key));
    }
}

#[test]
fn every_variable_changes_the_setting_it_names() {
    for sample in samples() {
        let variable = sample.variable;
        let settings = world(variable).variable(variable, sample.typed).settings();
        assert_eq!((sample.shown)(&settings), sample.expected, "{variable}");
        let other = lower(row_of(&sample));
        let other = (sample.shown)(&world(variable).variable(variable, other).settings());
        // Without a kind there is no token that it could do without.
        if variable != "KEYWAY_HTTP_AUTH_KIND" {
            assert_ne!(other, sample.expected, "{variable} shows nothing");
        }
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
        let lower = lower(row);
        let file = file_with(row, lower).leak();
        let settings = Typed::file(file).variable(row.variable, sample.typed).settings();
        assert_eq!((sample.shown)(&settings), sample.expected, "{}", row.variable);
        let Some(flag) = row.flag else { continue };
        let typed = Typed::file(file).variable(row.variable, lower).flag(flag, sample.typed);
        assert_eq!((sample.shown)(&typed.settings()), sample.expected, "{flag}");
    }
}

/// Something else that a row takes.
fn lower(row: &Row) -> &'static str {
    match (row.standard, row.variable) {
        // Without its token a kind that needs none would be given one.
        (_, "KEYWAY_HTTP_AUTH_KIND") => "bearer",
        (Standard::Text(text), _) => text,
        (_, "KEYWAY_BROKERS" | "KEYWAY_API_ALLOWED_BROKERS") => "lower:1",
        (_, "KEYWAY_URL" | "KEYWAY_HTTP_AUTH_TOKEN_URL") => "http://lower/",
        (_, "KEYWAY_RETRY_ON_REJECTED" | "KEYWAY_RETRY_ON_EXHAUSTED") => "retry",
        (_, "KEYWAY_RETRY_RETRY_ON" | "KEYWAY_RETRY_REJECT_ON") => "timeout",
        (_, "KEYWAY_HTTP_ALLOWED_NETWORKS") => "::1",
        (_, "KEYWAY_HTTP_RATE") => "1/s",
        (
            _,
            "KEYWAY_PARTITIONS"
            | "KEYWAY_ARBITERS"
            | "KEYWAY_HTTP_BURST"
            | "KEYWAY_HTTP_MAX_IN_FLIGHT",
        ) => "1",
        (_, "KEYWAY_API_FILE_ROOT") => FOLDERS[1],
        (_, "KEYWAY_HTTP_SUCCESS_WHEN") => "status == 204",
        (_, "KEYWAY_HTTP_SIGNATURE_SECRETS") => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        (_, "KEYWAY_HTTP_SIGNATURE_SECRETS_FILE") => FILES[4],
        (_, name) if name.contains("_TLS_") => FILES[5],
        (_, name) if name.ends_with("_FILE") && name != "KEYWAY_LOG_FILE" => FILES[3],
        _ => "lower",
    }
}

#[test]
fn a_bad_value_is_told_with_its_place_whatever_the_source() {
    const BAD: &str = "\u{7f}";
    for row in rows().filter(|row| {
        !["KEYWAY_CONFIG", "KEYWAY_LOG_FILE", "KEYWAY_FILE_PATH", "KEYWAY_API_STATE_DIR"]
            .contains(&row.variable)
    }) {
        let from_variable = world(row.variable).variable(row.variable, BAD).problems();
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
fn what_is_secret_is_not_repeated_where_it_is_refused() {
    const SECRET: &str = "hush\u{7f}hush";
    let secrets: Vec<&Row> = rows().filter(|row| row.secret).collect();
    assert_eq!(secrets.len(), 6);
    for row in secrets {
        let problems = world(row.variable).variable(row.variable, SECRET).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!problems[0].contains("hush"), "{problems:?}");
    }
}

#[test]
fn every_default_can_be_read() {
    for row in rows() {
        if let Standard::Text(text) = row.standard {
            let mut typed = world(row.variable);
            if row.key == "http.auth.kind" {
                typed.variables.retain(|(name, _)| !name.starts_with("KEYWAY_HTTP_AUTH_"));
            }
            typed.variable(row.variable, text).settings();
        }
    }
}
