//! A pipeline that comes as the body of a request.
//!
//! The body is what a `[[pipeline]]` of the file is, as JSON, and is checked as that is. What holds
//! for the pipelines of the file holds for it too (`[kafka]`, variables and flags that tune any
//! pipeline), but what the body says wins. Whoever sends one can reach the API and no more: a body
//! reads no variable of the process, opens no file but to write it beneath `api.file_root`, and sets
//! none of librdkafka's properties that reach beyond its connection to the brokers. What is set for
//! the process's own brokers is told to no others; and a body that says itself how to connect
//! securely inherits nothing of that, so that no password goes where somebody else says.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use keyway_actors::sink::http::Proxies;
use serde_json::{Map, Value};

use super::file;
use super::kafka::{self, BOOTSTRAP};
use super::level::{Level, join};
use super::paths::Paths;
use super::pipeline::{self, Given, Kafka, Need};
use super::problem::{Place, Problems, Spot};
use super::reader::Reader;
use super::resolve::{for_pipelines, of_its_kind};
use super::sources::Typed;
use super::table;
use super::typed::{Layer, Properties, Property};
use super::types::{ApiSettings, PipelineSettings, SinkSettings};
use super::value::brokers::{address, addresses};

/// A JSON object.
pub type Body = Map<String, Value>;

/// What is shown in place of a secret.
const HIDDEN: &str = "***";

/// What holds for every pipeline that comes through the API.
#[derive(Debug)]
pub struct Base {
    variables: Layer,
    flags: Layer,
    /// The properties for all pipelines, the lowest layer first.
    kafka: [Properties; 3],
    cores: usize,
    proxy: Option<Arc<Proxies>>,
    file_root: Option<PathBuf>,
    /// Which brokers may be named, as `host:port` in lower case; `None`: any.
    allowed_brokers: Option<Vec<String>>,
}

impl Base {
    /// From what was typed; without problems of its own.
    pub(super) fn new(typed: &Typed, proxy: Option<&Proxies>, api: &ApiSettings) -> Self {
        // A problem with them was told when the settings were read.
        let tuning = |layer| for_pipelines(layer, |_, _| {});
        let in_file = typed.file.as_ref().map(|file| file.kafka.clone());
        Self {
            variables: tuning(&typed.variables),
            flags: tuning(&typed.flags),
            kafka: [
                in_file.unwrap_or_default(),
                typed.variable_properties.clone(),
                typed.flag_properties.clone(),
            ],
            cores: typed.cores,
            proxy: proxy.cloned().map(Arc::new),
            file_root: api.file_root.clone(),
            allowed_brokers: api
                .allowed_brokers
                .as_ref()
                .map(|it| it.iter().map(|broker| address(broker)).collect()),
        }
    }

    /// The settings of the pipeline that a body describes; it has to have a name.
    ///
    /// # Errors
    /// All problems found; the field of each is a key as in the file.
    pub fn pipeline(&self, body: &Body) -> Result<PipelineSettings, Problems> {
        let mut problems = Problems::default();
        let paths = Paths::Within(self.file_root.as_deref());
        let given = file::read_body(body, paths, &mut problems);
        let [brokers, letters] =
            [&given.kafka, &given.dead_letter_kafka].map(|it| it.get(BOOTSTRAP));
        for named in [brokers, letters].into_iter().flatten() {
            if let Some(refused) = self.not_allowed(&named.text.value) {
                problems.push(&named.place, format!("{refused} is none of api.allowed_brokers"));
            }
        }
        let is_foreign = |named: &&Property| self.is_foreign(&named.text.value);
        if let Some(letters) = letters.filter(is_foreign) {
            let what = "it would be sent what the pipeline's brokers are told, passwords too; name \
                it in api.allowed_brokers, or leave it out";
            problems.push(&letters.place, what);
        }
        let is_foreign = brokers.is_some_and(|it| is_foreign(&it));
        for key in hidden(body) {
            let spot = Spot { key, ..given.spot.clone() };
            let what = "*** is what is shown in place of a secret; give the secret itself";
            problems.push(&Place::Written(spot), what);
        }
        let names = given.dead_letter_kafka.iter();
        for (name, property) in names.filter(|(name, _)| kafka::is_guarded(name)) {
            let what = format!("{name} of the pipeline's own brokers holds for dead letters too");
            problems.push(&property.place, what);
        }
        let [variables, flags] = [&self.variables, &self.flags].map(|it| of_its_kind(it, &given));
        let guards_itself = given.kafka.keys().any(|name| kafka::is_guarded(name));
        let [file, variable, flag] = self.kafka.each_ref().map(|layer| {
            let mut layer = if is_foreign { Properties::new() } else { layer.clone() };
            layer.retain(|name, _| !(guards_itself && kafka::is_guarded(name)));
            layer
        });
        let kafka = Kafka {
            layers: [&file, &variable, &flag, &given.kafka],
            dead_letter: &given.dead_letter_kafka,
        };
        let mut reader = Reader {
            layers: vec![&variables, &flags, &given.layer],
            paths,
            spot: Some(&given.spot),
            alone: false,
            problems: &mut problems,
            broken: BTreeSet::new(),
        };
        let given = Given { kafka, routes: given.routes.as_ref(), cores: self.cores };
        match pipeline::draft(&mut reader, &given, Need::Delivery).pipeline {
            Some(mut pipeline) if problems.is_empty() => {
                match &mut pipeline.sink {
                    SinkSettings::Http(http) => http.proxy = self.proxy.as_deref().cloned(),
                    // What was a file when it was given may be a link when it is opened.
                    SinkSettings::File(file) => file.root.clone_from(&self.file_root),
                }
                Ok(pipeline)
            }
            _ => Err(problems),
        }
    }

    /// The first of some brokers that may not be named.
    fn not_allowed(&self, brokers: &str) -> Option<String> {
        let allowed = self.allowed_brokers.as_ref()?;
        addresses(brokers).find(|it| !allowed.contains(it))
    }

    /// Whether brokers belong to another cluster than the process's own, as far as can be told: what
    /// is set for that one, credentials among it, is then not for them.
    fn is_foreign(&self, brokers: &str) -> bool {
        let own = self.kafka.iter().rev().find_map(|layer| layer.get(BOOTSTRAP));
        let own: Vec<String> = own.map_or_else(Vec::new, |it| addresses(&it.text.value).collect());
        let allowed = self.allowed_brokers.as_deref().unwrap_or_default();
        addresses(brokers).any(|it| !own.contains(&it) && !allowed.contains(&it))
    }
}

/// A body as it may be shown: `***` in place of each secret.
pub fn shown(body: &Body) -> Body {
    let mut shown = body.clone();
    each_value(&mut shown, "", &mut |key, value| {
        if let Some(veil) = veiled(key, value) {
            *value = veil;
        }
    });
    shown
}

/// The keys of the secrets of which only what is shown is given.
fn hidden(body: &Body) -> Vec<String> {
    let mut keys = Vec::new();
    each_value(&mut body.clone(), "", &mut |key, value| {
        if veiled(key, value).is_some_and(|veil| veil == *value) {
            keys.push(key.to_owned());
        }
    });
    keys
}

/// Which key of librdkafka's properties in a body a message of librdkafka is about, as the body
/// spells it; `None` where it is about none that the body gives. `letters`: the client for dead
/// letters is meant, for which its own properties hold, and those of the pipeline's.
pub fn refused_property(body: &Body, message: &str, letters: bool) -> Option<String> {
    let mut keys = Vec::new();
    each_value(&mut body.clone(), "", &mut |key, _| keys.push(key.to_owned()));
    let sections = if letters { &["dead_letter.kafka.", "kafka."][..] } else { &["kafka."] };
    sections.iter().find_map(|section| {
        let given: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix(section)).collect();
        Some(format!("{section}{}", kafka::named_in(message, &given)?))
    })
}

/// Calls with each plain value, also those in lists, and its key, dotted.
fn each_value(body: &mut Body, section: &str, visit: &mut impl FnMut(&str, &mut Value)) {
    for (key, value) in body {
        let key = join(section, key);
        let values = match value {
            Value::Array(values) => values.as_mut_slice(),
            value => std::slice::from_mut(value),
        };
        for value in values {
            match value {
                Value::Object(inner) => each_value(inner, &key, visit),
                value => visit(&key, value),
            }
        }
    }
}

/// What is shown in place of the value of a key, where that is a secret or, as the query of a URL,
/// may hold one.
fn veiled(key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Object(_) | Value::Array(_) => None,
        _ if is_secret(key) => Some(HIDDEN.into()),
        Value::String(url)
            if [table::URL.row.key, table::AUTH_TOKEN_URL.row.key].contains(&key) =>
        {
            let (shown, _) = url.split_once('?')?;
            Some(format!("{shown}?{HIDDEN}").into())
        }
        _ => None,
    }
}

/// Whether the value of a key is to be kept from whoever looks: a secret setting, a secret property
/// of librdkafka, a header of a route that authorizes.
fn is_secret(key: &str) -> bool {
    let row = Level::Pipeline.rows().find(|row| row.key == key);
    let property = || ["kafka.", "dead_letter.kafka."].iter().find_map(|it| key.strip_prefix(it));
    let header = || key.strip_prefix("route.request.headers.");
    match (row, property(), header()) {
        (Some(row), _, _) => row.secret,
        (_, Some(property), _) => kafka::is_secret(property) && !property.ends_with("_file"),
        (_, _, Some(header)) => {
            const MARKS: [&str; 5] = ["auth", "token", "key", "secret", "cookie"];
            let header = header.to_ascii_lowercase();
            MARKS.iter().any(|mark| header.contains(mark))
        }
        _ => false,
    }
}
