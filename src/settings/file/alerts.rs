//! `[[alert]]`: where something is said, about what, and how often.

use std::path::Path;
use std::time::Duration;

use super::super::document::{Entry, Kind, Node};
use super::super::problem::Place;
use super::super::text_file::read_secret;
use super::super::value;
use super::Walk;
use crate::alerts::{AlertKind, AlertSettings, Template, WebhookUrl};

/// The keys of an alert.
const KEYS: [&str; 7] =
    ["url", "url_file", "on", "parked_longer_than", "lag_older_than", "every", "template"];

impl Walk<'_> {
    /// Every `[[alert]]`; those that are wrong are left out, with problems told.
    pub(super) fn alerts(&mut self, entry: &Entry) -> Vec<AlertSettings> {
        let Kind::List(nodes) = &entry.node.kind else {
            self.problem(entry.line, "alert", "expected [[alert]]");
            return Vec::new();
        };
        let alerts = nodes.iter().enumerate();
        alerts.filter_map(|(at, node)| self.alert(node, &format!("alert {}", at + 1))).collect()
    }

    fn alert(&mut self, node: &Node, name: &str) -> Option<AlertSettings> {
        let Kind::Table(entries) = &node.kind else {
            self.problem(node.line, name, "expected [[alert]]");
            return None;
        };
        let given = |key: &str| entries.iter().find(|entry| entry.key == key);
        let url = match (given("url"), given("url_file")) {
            (Some(_), Some(file)) => {
                let key = format!("{name}, url_file");
                self.problem(file.line, &key, "url is given too; give one of them");
                None
            }
            (Some(entry), None) => self.webhook(entry, name, false),
            (None, Some(entry)) => self.webhook(entry, name, true),
            (None, None) => {
                self.problem(node.line, &format!("{name}, url"), "missing");
                None
            }
        };
        // Everything given is checked, also where there is no URL.
        let mut alert = url.map(AlertSettings::new);
        for entry in entries {
            let key = format!("{name}, {}", entry.key);
            let alert = alert.as_mut();
            match entry.key.as_str() {
                "url" | "url_file" => {}
                "on" => self.kinds(entry, &key, alert.map(|it| &mut it.on)),
                "parked_longer_than" => {
                    self.time(entry, &key, alert.map(|it| &mut it.parked_longer_than));
                }
                "lag_older_than" => {
                    self.time(entry, &key, alert.map(|it| &mut it.lag_older_than));
                }
                "every" => self.time(entry, &key, alert.map(|it| &mut it.every)),
                "template" => self.message(entry, &key, alert.map(|it| &mut it.template)),
                _ => self.unknown(entry, &key, &KEYS),
            }
        }
        alert
    }

    /// The URL, or the one in a file. It is a secret: what is wrong is said without it.
    fn webhook(&mut self, entry: &Entry, name: &str, in_file: bool) -> Option<WebhookUrl> {
        let key = format!("{name}, {}", entry.key);
        let mut url = self.text(&entry.node, &key)?.value;
        if in_file {
            let found = self.paths.find(Path::new(&url));
            match found.and_then(|path| read_secret(&path)) {
                Ok(secret) => url = secret,
                Err(why) => {
                    // A URL that was put here by mistake is not shown.
                    let file = if url.contains("://") { "a URL as a file" } else { &url };
                    self.problem(entry.line, &key, &format!("cannot read {file}: {why}"));
                    return None;
                }
            }
        }
        let webhook = WebhookUrl::parse(&url);
        if let Err(error) = &webhook {
            self.problem(entry.line, &key, &error.to_string());
        }
        webhook.ok()
    }

    fn kinds(&mut self, entry: &Entry, key: &str, place: Option<&mut Vec<AlertKind>>) {
        let Kind::List(nodes) = &entry.node.kind else {
            self.problem(entry.line, key, "expected a list");
            return;
        };
        let mut kinds = Vec::new();
        for node in nodes {
            let Some(text) = self.text(node, key) else { continue };
            let Some(kind) = AlertKind::named(&text.value) else {
                let names = AlertKind::ALL.map(AlertKind::name).join(", ");
                self.problem(node.line, key, &format!("expected {names}, got {}", text.shown()));
                continue;
            };
            kinds.push(kind);
        }
        if nodes.is_empty() {
            self.problem(entry.line, key, "expected at least one, got an empty list");
        }
        if let Some(place) = place {
            *place = kinds;
        }
    }

    fn time(&mut self, entry: &Entry, key: &str, place: Option<&mut Duration>) {
        let Some(text) = self.text(&entry.node, key) else { return };
        match value::duration(&text.value, Duration::from_secs(1)) {
            Ok(time) => {
                if let Some(place) = place {
                    *place = time;
                }
            }
            Err(refused) => {
                let what = format!("expected {}, got {}", refused.expected, text.shown());
                self.problem(entry.line, key, &what);
            }
        }
    }

    fn message(&mut self, entry: &Entry, key: &str, place: Option<&mut Option<Template>>) {
        let Some(text) = self.text(&entry.node, key) else { return };
        match Template::compile(&text.value) {
            Ok(template) => {
                if let Some(place) = place {
                    *place = Some(template);
                }
            }
            Err(errors) => {
                let place = Place::Written(self.spot(entry.node.line, key));
                for error in errors {
                    let (place, what) = text.locate(&place, &error);
                    self.problems.push(&place, what);
                }
            }
        }
    }
}
