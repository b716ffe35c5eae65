//! What watches Keyway: the alert rules and the dashboard ask for nothing that it does not tell,
//! and each alert leads to what to do about it.

mod dashboard;
mod query;
mod rules;

use std::collections::BTreeSet;

use super::stage::{Counts, Stage};
use crate::support::*;

/// A scrape of the binary with everything in it: records came and were delivered, one after a
/// retry, to a destination with a limit and a breaker; offsets were committed.
fn scrape() -> Metrics {
    let stage = Stage::new(2);
    stage.endpoint.script(|request| match request.number {
        0 => Reply::status(503),
        _ => Reply::ok(),
    });
    let sent = stage.produce(numbered(20, 5));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_HTTP_BREAKER_ENABLED", "true")
        .env("KEYWAY_HTTP_MAX_IN_FLIGHT", 8)
        .start();
    stage.endpoint.wait_for_all(&sent);
    stage.wait_all_committed();
    let everywhere = ["committed_offset", "consumer_lag", "connections_total"];
    let of_destinations = ["destination_breaker_state", "destination_limit", "destination_held"];
    let metrics = keyway.wait_for_metrics("every kind of metric", |metrics| {
        let there = |name: &&str| metrics.has(&format!("keyway_{name}"));
        everywhere.iter().chain(&of_destinations).all(there)
            && metrics.count("records_delivered_total", &[]) == sent.len()
            && metrics.count("retries_total", &[("reason", "status_5xx")]) == 1
            && metrics.count("commits_total", &[("result", "ok")]) > 0
    });
    keyway.stop();
    metrics
}

/// What a text puts between `open` and `close`, as `$labels.topic` in the braces of an annotation.
fn named<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let parts = text.split(open).skip(1);
    parts.map(|it| it.split(close).next().expect("there is a first").trim()).collect()
}

/// A metric, a label or a value that a rule or a panel asks for and the binary does not tell fails
/// here; so does a label in a text that the result does not have.
#[test]
fn every_query_asks_for_what_there_is() {
    let scrape = scrape();
    let mut wrong = Vec::new();
    let mut look = |place: &str, query: &str, named: &[&str]| match query::check(query, &scrape) {
        Err(error) => wrong.push(format!("{place}: {error}")),
        Ok(labels) => wrong.extend(
            named
                .iter()
                .filter(|name| !labels.contains(**name))
                .map(|name| format!("{place}: the result of {query} has no {name}")),
        ),
    };
    for rule in rules::all() {
        let texts = rule.annotations.iter().flat_map(|(_, text)| named(text, "{{", "}}"));
        let labels: Vec<&str> = texts.filter_map(|it| it.strip_prefix("$labels.")).collect();
        look(&rule.name, &rule.query, &labels);
    }
    let dashboard = dashboard::read();
    for panel in dashboard::panels(&dashboard) {
        for (query, legend) in &panel.queries {
            look(&panel.title, query, &named(legend, "{{", "}}"));
        }
    }
    for (metric, label) in dashboard::variables(&dashboard) {
        look("a variable", &metric, &[&label]);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A heading as the anchor that links to it: what is neither a letter, a digit nor a dash goes.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.map(|it| if it == ' ' { '-' } else { it.to_ascii_lowercase() }).collect()
}

/// The headings of `docs/operations.md`.
fn headings() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let mut in_code = false;
    let outside = text.lines().filter(move |line| {
        in_code ^= line.starts_with("```");
        !in_code
    });
    let heading =
        |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_owned());
    outside.filter_map(heading).collect()
}

#[test]
fn every_alert_says_how_bad_it_is_and_leads_to_what_to_do() {
    let rules = rules::all();
    let headings = headings();
    let anchors: BTreeSet<String> = headings.iter().map(|it| anchor(it)).collect();
    assert_eq!(anchors.len(), headings.len(), "two headings have one anchor: {headings:?}");
    for rule in &rules {
        let name = &rule.name;
        assert!(["critical", "warning", "info"].contains(&&*rule.severity), "{rule:?}");
        assert!(rule.annotation("summary").ends_with('.'), "{rule:?}");
        assert!(rule.annotation("description").ends_with('.'), "{rule:?}");
        let runbook = rule.annotation("runbook").strip_prefix("docs/operations.md#");
        let place = runbook.unwrap_or_else(|| panic!("{name}: another runbook"));
        assert!(anchors.contains(place), "{name}: docs/operations.md has no #{place}");
        assert!(headings.contains(name), "docs/operations.md does not tell of {name}");
    }
    let alerts: BTreeSet<&String> = rules.iter().map(|it| &it.name).collect();
    assert_eq!(alerts.len(), rules.len(), "two alerts have one name");
    let mut told = headings.iter().filter(|it| it.starts_with("Keyway"));
    let gone = told.find(|it| !alerts.contains(it));
    assert_eq!(gone, None, "docs/operations.md tells of what is no alert");
}

#[test]
fn the_dashboard_is_tidy_and_shows_what_its_reader_picks() {
    let dashboard = dashboard::read();
    let panels = dashboard::panels(&dashboard);
    let ids: BTreeSet<u64> = panels.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    for panel in &panels {
        assert_eq!(panel.datasource, "${datasource}", "{panel:?}");
        assert!(panel.place.x + panel.place.w <= 24, "{panel:?}");
        for (query, _) in &panel.queries {
            // What is of the process has no pipeline.
            let of_process = ["keyway_log_lines_dropped_total", "keyway_build_info"];
            let picks = query.contains("pipeline=~\"$pipeline\"");
            assert!(picks || of_process.iter().any(|it| query.contains(it)), "{query}");
        }
    }
    let places = dashboard::places(&dashboard);
    for (n, one) in places.iter().enumerate() {
        let other = places[..n].iter().find(|it| it.overlaps(*one));
        assert!(other.is_none(), "{one:?} lies on {other:?}");
    }
}
