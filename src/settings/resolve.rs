//! From what was typed to what the program needs: the process, and its pipelines side by side.

use std::collections::BTreeSet;

use super::file::TypedPipeline;
use super::pipeline::{self, Draft, Kafka, Need};
use super::problem::Problems;
use super::reader::Reader;
use super::side_by_side;
use super::sink::{is_of_file, is_of_requests, is_of_routes};
use super::sources::Typed;
use super::table::{self, Row, Scope};
use super::typed::{Given, Layer, Properties};
use super::types::{GroupSettings, LogSettings, Settings};

/// How many pipelines there have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Least {
    /// None: more may come.
    None,
    /// One, of the file or else of flags and variables.
    One,
}

/// Everything; `None` where something is wrong.
pub(super) fn settings(typed: &Typed, least: Least, problems: &mut Problems) -> Option<Settings> {
    let (log, api) = process(typed, problems, super::api::api);
    let names_topics = |layer: &Layer| layer.contains_key(table::TOPICS.row.key);
    let in_file = typed.file.as_ref().is_some_and(|file| !file.pipelines.is_empty());
    let any = in_file || [&typed.variables, &typed.flags].into_iter().any(names_topics);
    let drafts = if least == Least::None && !any {
        Vec::new()
    } else {
        drafts(typed, Need::Delivery, problems)
    };
    let pipelines = drafts.into_iter().map(|draft| draft.pipeline);
    let alerts = typed.file.as_ref().map_or_else(Vec::new, |file| file.alerts.clone());
    Some(Settings { log, api, alerts, pipelines: pipelines.collect::<Option<_>>()? })
}

/// What `offsets` needs; `None` where something is wrong.
pub(super) fn groups(
    typed: &Typed,
    problems: &mut Problems,
) -> Option<(LogSettings, Vec<GroupSettings>)> {
    let (log, ()) = process(typed, problems, |_| ());
    let drafts = drafts(typed, Need::Group, problems);
    let groups = drafts.into_iter().map(|draft| draft.group);
    Some((log, groups.collect::<Option<_>>()?))
}

/// How the process logs, and what else is read of its settings.
fn process<T>(
    typed: &Typed,
    problems: &mut Problems,
    read: impl FnOnce(&mut Reader<'_>) -> T,
) -> (LogSettings, T) {
    let paths = typed.paths();
    let mut layers: Vec<&Layer> = typed.file.iter().map(|file| &file.process).collect();
    layers.extend([&typed.variables, &typed.flags]);
    let broken = BTreeSet::new();
    let mut reader = Reader { layers, paths, spot: None, alone: true, problems, broken };
    let log = LogSettings {
        level: reader.get(&table::LOG_LEVEL),
        format: reader.get(&table::LOG_FORMAT),
        file: reader.path(&table::LOG_FILE).map(|found| found.value),
        file_max_size: reader.get(&table::LOG_FILE_MAX_SIZE),
        file_keep: reader.get(&table::LOG_FILE_KEEP),
        stats_interval: reader.get(&table::LOG_STATS_INTERVAL),
    };
    (log, read(&mut reader))
}

/// Every pipeline: those of the file, or the one of flags and variables where it has none.
fn drafts(typed: &Typed, need: Need, problems: &mut Problems) -> Vec<Draft> {
    let several = typed.file.as_ref().map_or(0, |file| file.pipelines.len());
    let mut of_all = |layer: &Layer| {
        if several < 2 {
            return layer.clone();
        }
        for_pipelines(layer, |row, given| {
            let what = format!(
                "it can mean only one pipeline, and the file has {several}; set {} there",
                row.key
            );
            problems.push(&given.place, what);
        })
    };
    let (variables, flags) = (of_all(&typed.variables), of_all(&typed.flags));
    let (none, empty) = (Layer::new(), Properties::new());
    let common = typed.file.as_ref().map_or(&empty, |file| &file.kafka);
    let in_file: &[TypedPipeline] = typed.file.as_ref().map_or(&[], |file| &file.pipelines);
    let alone = in_file.len() < 2;
    let kinds: Vec<Kind> = in_file.iter().map(kind).collect();
    let mut draft = |found: Option<&TypedPipeline>| {
        // Where there are several kinds, what is for one is for the pipelines of that.
        let [variables, flags] = [&variables, &flags].map(|layer| match found {
            Some(found) => without(layer, kind(found), &kinds),
            None => layer.clone(),
        });
        let mut reader = Reader {
            layers: vec![found.map_or(&none, |found| &found.layer), &variables, &flags],
            paths: typed.paths(),
            spot: found.map(|found| &found.spot),
            alone,
            problems: &mut *problems,
            broken: BTreeSet::new(),
        };
        let kafka = Kafka {
            layers: [
                common,
                found.map_or(&empty, |found| &found.kafka),
                &typed.variable_properties,
                &typed.flag_properties,
            ],
            dead_letter: found.map_or(&empty, |found| &found.dead_letter_kafka),
        };
        let routes = found.and_then(|found| found.routes.as_ref());
        pipeline::draft(&mut reader, &pipeline::Given { kafka, routes, cores: typed.cores }, need)
    };
    let drafts: Vec<Draft> = match in_file {
        [] => vec![draft(None)],
        several => several.iter().map(|found| draft(Some(found))).collect(),
    };
    side_by_side::check(&drafts, problems);
    drafts
}

/// How a pipeline says where its records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Url,
    Routes,
    File,
}

fn kind(found: &TypedPipeline) -> Kind {
    if found.routes.is_some() {
        Kind::Routes
    } else if found.layer.keys().any(|key| key.starts_with("file.")) {
        Kind::File
    } else {
        Kind::Url
    }
}

/// A layer without what is for pipelines of another kind than this one.
pub(super) fn of_its_kind(layer: &Layer, found: &TypedPipeline) -> Layer {
    without(layer, kind(found), &[Kind::Url, Kind::Routes, Kind::File])
}

/// A layer without what is for pipelines of other kinds alone, of which there are some.
fn without(layer: &Layer, own: Kind, others: &[Kind]) -> Layer {
    let is_for = |row: &Row, kind: Kind| match kind {
        Kind::Url => is_of_requests(row) && !is_of_routes(row),
        Kind::Routes => is_of_requests(row),
        Kind::File => is_of_file(row),
    };
    let mut layer = layer.clone();
    let rows = table::rows().filter(|row| !is_for(row, own));
    for row in rows.filter(|row| others.iter().any(|other| is_for(row, *other))) {
        layer.remove(row.key);
    }
    layer
}

/// A layer of flags or variables without what is ambiguous where there are several pipelines, which
/// is given to `ambiguous`.
pub(super) fn for_pipelines(
    layer: &Layer,
    mut ambiguous: impl FnMut(&'static Row, Given),
) -> Layer {
    let mut layer = layer.clone();
    for row in table::rows().filter(|row| row.scope == Scope::Identity) {
        if let Some(given) = layer.remove(row.key) {
            ambiguous(row, given);
        }
    }
    layer
}
