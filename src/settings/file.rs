//! The configuration file: a tree of keys turned into layers, every key known or refused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{self, Entry, Kind, Node};
use super::environment::Environment;
use super::fill::fill;
use super::kafka;
use super::level::{Level, join, meant};
use super::paths::Paths;
use super::problem::{Origin, Place, Problems, Spot, shown, suggestion};
use super::routes::TypedRoutes;
use super::table::Row;
use super::text_file::read_text;
use super::typed::{Given, Layer, Properties, Text, What};
use crate::alerts::AlertSettings;

mod alerts;
mod routes;

/// What the file gives.
#[derive(Debug)]
pub struct TypedFile {
    /// Relative paths in the file count from here.
    pub folder: PathBuf,
    /// The settings of the process.
    pub process: Layer,
    /// `[kafka]`.
    pub kafka: Properties,
    /// The pipelines, in order.
    pub pipelines: Vec<TypedPipeline>,
    /// Every `[[alert]]`.
    pub alerts: Vec<AlertSettings>,
}

/// What one `[[pipeline]]` gives.
#[derive(Debug)]
pub struct TypedPipeline {
    /// Where it begins.
    pub spot: Spot,
    /// Its settings.
    pub layer: Layer,
    /// `[pipeline.kafka]`.
    pub kafka: Properties,
    /// `[pipeline.dead_letter.kafka]`.
    pub dead_letter_kafka: Properties,
    /// Every `[[pipeline.route]]`.
    pub routes: Option<TypedRoutes>,
}

/// Reads the file. `None` where it cannot be read or is no TOML; `place` is what named it. The
/// variables that its strings use are added to `referenced`.
pub(super) fn read(
    path: &Path,
    place: &Place,
    environment: &Environment,
    referenced: &mut BTreeSet<String>,
    problems: &mut Problems,
) -> Option<TypedFile> {
    const MOST: u64 = 16 << 20;
    let source = match read_text(path, MOST) {
        Ok(source) => source,
        Err(why) => {
            problems.push(place, format!("cannot read {}: {why}", path.display()));
            return None;
        }
    };
    let name: Arc<str> = path.display().to_string().into();
    let entries = match document::parse(&source) {
        Ok(entries) => entries,
        Err(errors) => {
            for (line, what) in errors {
                let origin = Origin::File { name: name.clone(), line, column: None };
                let spot = Spot { origin, pipeline: None, key: String::new() };
                problems.push(&Place::Written(spot), what);
            }
            return None;
        }
    };
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let paths = Paths::From(&folder);
    let (source, pipeline) = (Source::File { name, environment, referenced }, None);
    let mut walk = Walk { source, paths, problems, pipeline };
    let (process, kafka, pipelines, alerts) = walk.top(&entries);
    Some(TypedFile { folder, process, kafka, pipelines, alerts })
}

/// Reads the body of a request: one pipeline. Its texts stand for themselves: the variables of the
/// process are not for whoever asks.
pub(super) fn read_body(
    object: &serde_json::Map<String, serde_json::Value>,
    paths: Paths<'_>,
    problems: &mut Problems,
) -> TypedPipeline {
    let entries = document::of_json(object);
    let pipeline = Some(label(0, &entries));
    Walk { source: Source::Body, paths, problems, pipeline }.found(0, &entries)
}

/// What is walked through.
enum Source<'a> {
    /// A file; the variables that its strings use are noted.
    File { name: Arc<str>, environment: &'a Environment, referenced: &'a mut BTreeSet<String> },
    /// The body of a request.
    Body,
}

struct Walk<'a> {
    source: Source<'a>,
    paths: Paths<'a>,
    problems: &'a mut Problems,
    /// The pipeline that is being walked.
    pipeline: Option<Arc<str>>,
}

/// What a section gives: plain settings, `kafka`, `dead_letter.kafka` and routes.
#[derive(Default)]
struct Found {
    layer: Layer,
    kafka: Properties,
    dead_letter_kafka: Properties,
    routes: Option<TypedRoutes>,
}

impl Walk<'_> {
    fn top(
        &mut self,
        entries: &[Entry],
    ) -> (Layer, Properties, Vec<TypedPipeline>, Vec<AlertSettings>) {
        let mut found = Found::default();
        let (mut pipelines, mut alerts) = (Vec::new(), Vec::new());
        for entry in entries {
            match (&*entry.key, &entry.node.kind) {
                ("pipeline", Kind::List(nodes)) => {
                    let walked = nodes.iter().enumerate();
                    pipelines.extend(walked.filter_map(|(at, node)| self.pipeline(at, node)));
                }
                ("alert", _) => alerts = self.alerts(entry),
                ("pipeline", _) => self.problem(entry.line, "pipeline", "expected [[pipeline]]"),
                _ => self.entry(entry, "", &mut found),
            }
        }
        (found.layer, found.kafka, pipelines, alerts)
    }

    fn pipeline(&mut self, at: usize, node: &Node) -> Option<TypedPipeline> {
        let Kind::Table(entries) = &node.kind else {
            self.problem(node.line, "pipeline", "expected [[pipeline]]");
            return None;
        };
        self.pipeline = Some(label(at, entries));
        let found = self.found(node.line, entries);
        self.pipeline = None;
        Some(found)
    }

    /// What the pipeline that is being walked gives.
    fn found(&mut self, line: usize, entries: &[Entry]) -> TypedPipeline {
        let mut found = Found::default();
        for entry in entries {
            self.entry(entry, "", &mut found);
        }
        let spot = self.spot(line, "");
        let Found { layer, kafka, dead_letter_kafka, routes } = found;
        TypedPipeline { spot, layer, kafka, dead_letter_kafka, routes }
    }

    /// One key: of a setting, of a section with more keys, or unknown.
    fn entry(&mut self, entry: &Entry, section: &str, found: &mut Found) {
        if self.problems.is_full() {
            return;
        }
        let key = join(section, &entry.key);
        if let Some(row) = self.rows().find(|row| row.key == key) {
            let given = self.given(row, entry);
            // As a table's key, and as a quoted one with dots.
            if found.layer.insert(row.key, given).is_some() {
                self.problem(entry.line, &key, "it is given twice");
            }
            return;
        }
        if key == "route" && self.pipeline.is_some() {
            found.routes = Some(self.routes(&entry.node));
            return;
        }
        let kafka = key == "kafka" || (key == "dead_letter.kafka" && self.pipeline.is_some());
        let prefix = format!("{key}.");
        if !kafka && !self.rows().any(|row| row.key.starts_with(&prefix)) {
            let what = format!("unknown key{}", suggestion(meant(&key, self.level()).as_deref()));
            self.problem(entry.line, &key, &what);
            return;
        }
        let Kind::Table(entries) = &entry.node.kind else {
            self.problem(entry.line, &key, "expected a table");
            return;
        };
        if !kafka {
            for entry in entries {
                self.entry(entry, &key, found);
            }
            return;
        }
        let mut properties = Vec::new();
        self.properties(entries, "", &key, &mut properties);
        let properties = kafka::collect(properties, self.paths, self.problems);
        match &*key {
            "kafka" => found.kafka = properties,
            _ => found.dead_letter_kafka = properties,
        }
    }

    /// librdkafka's properties: a quoted key with dots and a nested table are the same.
    fn properties(
        &mut self,
        entries: &[Entry],
        prefix: &str,
        section: &str,
        found: &mut Vec<kafka::Entry>,
    ) {
        for entry in entries {
            if self.problems.is_full() {
                return;
            }
            let name = join(prefix, &entry.key);
            let key = join(section, &name);
            match &entry.node.kind {
                Kind::Table(inner) => self.properties(inner, &name, section, found),
                Kind::List(_) => {
                    self.problem(entry.line, &key, "expected a string, a number or a boolean");
                }
                Kind::Text(_) | Kind::Bare(_)
                    if self.is_body() && kafka::is_of_configuration(&name) =>
                {
                    let what = "it reaches beyond the connection to the brokers (files, libraries, \
                        programs, other servers), and is not taken from requests; set it in the \
                        configuration";
                    self.problem(entry.line, &key, what);
                }
                Kind::Text(_) | Kind::Bare(_) => {
                    let place = Place::Written(self.spot(entry.node.line, &key));
                    found.push((name, self.text(&entry.node, &key), place));
                }
            }
        }
    }

    /// The value of a setting.
    fn given(&mut self, row: &Row, entry: &Entry) -> Given {
        let place = Place::Written(self.spot(entry.node.line, row.key));
        let what = match &entry.node.kind {
            Kind::List(nodes) => {
                let texts: Option<Vec<Text>> =
                    nodes.iter().map(|node| self.text(node, row.key)).collect();
                texts.map(What::Several)
            }
            _ => self.text(&entry.node, row.key).map(What::One),
        };
        Given { what: what.unwrap_or(What::Broken), place }
    }

    fn text(&mut self, node: &Node, key: &str) -> Option<Text> {
        match &node.kind {
            Kind::Bare(text) => Some(Text::plain(text)),
            Kind::Text(written) => match self.fill(written) {
                Ok(text) => {
                    let verbatim = node.verbatim.filter(|_| text.value == text.written);
                    Some(Text { verbatim, ..text })
                }
                Err(why) => {
                    self.problem(node.line, key, &why);
                    None
                }
            },
            Kind::List(_) | Kind::Table(_) => {
                self.problem(node.line, key, "expected a plain value");
                None
            }
        }
    }

    fn fill(&mut self, written: &str) -> Result<Text, String> {
        match &mut self.source {
            Source::File { environment, referenced, .. } => fill(written, environment, referenced),
            Source::Body => Ok(Text::plain(written)),
        }
    }

    fn is_body(&self) -> bool {
        matches!(self.source, Source::Body)
    }

    fn level(&self) -> Level {
        if self.pipeline.is_some() { Level::Pipeline } else { Level::Top }
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row> + use<> {
        self.level().rows()
    }

    fn spot(&self, line: usize, key: &str) -> Spot {
        let origin = match &self.source {
            Source::File { name, .. } => Origin::File { name: name.clone(), line, column: None },
            Source::Body => Origin::Body,
        };
        Spot { origin, pipeline: self.pipeline.clone(), key: key.to_owned() }
    }

    fn problem(&mut self, line: usize, key: &str, what: &str) {
        let place = Place::Written(self.spot(line, key));
        self.problems.push(&place, what);
    }
}

/// How messages name a pipeline: by its name, or by its place among the others.
fn label(at: usize, entries: &[Entry]) -> Arc<str> {
    let name = entries.iter().find(|entry| entry.key == "name").map(|entry| &entry.node.kind);
    match name {
        Some(Kind::Text(name)) => format!("pipeline {}", shown(name)).into(),
        _ => format!("pipeline {}", at + 1).into(),
    }
}
