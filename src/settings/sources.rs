//! The sources of settings: flags, variables and the file, gathered as they were typed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::environment::Environment;
use super::file::{self, TypedFile};
use super::kafka;
use super::paths::Paths;
use super::problem::{Place, Problems, nearest, suggestion};
use super::table::{self, Row, rows};
use super::typed::{Given, Layer, Properties, Text, What};

/// What our variables begin with.
const PREFIX: &str = "KEYWAY_";

/// Where settings come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The command line.
    pub flags: Flags,
    /// The environment.
    pub environment: Environment,
    /// The processors of the machine, for the defaults that depend on them.
    pub cores: usize,
}

impl Sources {
    /// Nothing at all.
    #[cfg(test)]
    pub fn none() -> Self {
        Self { flags: Flags::default(), environment: Environment::default(), cores: 2 }
    }

    /// The flags given, with this process's environment and machine.
    pub fn of_process(flags: Flags) -> Self {
        Self {
            flags,
            environment: Environment::of_process(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// What the command line gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// The other flags of the table that were given, by name (`--senders`); one value, or several
    /// of a repeatable flag.
    pub values: BTreeMap<&'static str, Vec<String>>,
}

/// Everything that was typed.
#[derive(Debug)]
pub(super) struct Typed {
    pub flags: Layer,
    pub flag_properties: Properties,
    pub variables: Layer,
    pub variable_properties: Properties,
    pub file: Option<TypedFile>,
    pub cores: usize,
}

impl Typed {
    /// How a path in the file is found.
    pub fn paths(&self) -> Paths<'_> {
        self.file.as_ref().map_or(Paths::AsGiven, |file| Paths::From(&file.folder))
    }
}

/// Reads every source. `None` where the file could not be read at all; why is then in `problems`.
pub(super) fn gather(sources: &Sources, problems: &mut Problems) -> Option<Typed> {
    let environment = &sources.environment;
    let mut referenced = BTreeSet::new();
    let file = match config_path(sources, problems) {
        Some((path, place)) => {
            Some(file::read(&path, &place, environment, &mut referenced, problems)?)
        }
        None => None,
    };
    let (variables, variable_properties) = variables(environment, &referenced, problems);
    let (flags, flag_properties) = flags(&sources.flags, problems);
    Some(Typed {
        flags,
        flag_properties,
        variables,
        variable_properties,
        file,
        cores: sources.cores,
    })
}

fn config_path(sources: &Sources, problems: &mut Problems) -> Option<(PathBuf, Place)> {
    if let Some(path) = &sources.flags.config {
        return Some((path.clone(), Place::Flag("--config")));
    }
    let name = table::CONFIG.row.variable;
    let place = Place::Variable(name.to_owned());
    if !sources.environment.has(name) {
        return None;
    }
    match sources.environment.text(name) {
        Ok("") => None,
        Ok(path) => Some((path.into(), place)),
        Err(why) => {
            problems.push(&place, why);
            None
        }
    }
}

fn flags(flags: &Flags, problems: &mut Problems) -> (Layer, Properties) {
    let mut layer = Layer::new();
    let mut brokers = Vec::new();
    for row in rows() {
        let Some((flag, values)) = row.flag.and_then(|flag| flags.values.get_key_value(flag))
        else {
            continue;
        };
        let place = Place::Flag(flag);
        let mut texts: Vec<Text> = values.iter().map(Text::plain).collect();
        if row.key == table::BROKERS.row.key {
            brokers.extend(texts.into_iter().map(|text| brokers_property(text, place.clone())));
            continue;
        }
        let what = match texts.pop() {
            Some(text) if texts.is_empty() && !row.list => What::One(text),
            last => What::Several(texts.into_iter().chain(last).collect()),
        };
        layer.insert(row.key, Given { what, place });
    }
    (layer, kafka::collect(brokers, Paths::AsGiven, problems))
}

fn variables(
    environment: &Environment,
    referenced: &BTreeSet<String>,
    problems: &mut Problems,
) -> (Layer, Properties) {
    let mut layer = Layer::new();
    let mut properties = Vec::new();
    let ours = environment.names().filter(|name| name.starts_with(PREFIX));
    for name in ours.filter(|name| !is_foreign(name, environment)) {
        let place = Place::Variable(name.clone());
        let row = rows().find(|row| row.variable == name);
        let property = name.strip_prefix("KEYWAY_KAFKA_").filter(|rest| !rest.is_empty());
        if row.is_none() && property.is_none() {
            if !referenced.contains(name) {
                problems.push(&place, unknown_variable(name));
            }
            continue;
        }
        let text = match environment.text(name) {
            Ok("") => continue,
            Ok(text) => text,
            Err(why) => {
                problems.push(&place, why);
                continue;
            }
        };
        match (row, property) {
            (Some(row), _) if row.key == table::BROKERS.row.key => {
                properties.push(brokers_property(Text::plain(text), place));
            }
            (Some(row), _) => {
                layer.insert(row.key, Given { what: split(row, text), place });
            }
            (None, Some(property)) => {
                let name = kafka::property_of_variable(property);
                properties.push((name, Some(Text::plain(text)), place));
            }
            (None, None) => {}
        }
    }
    layer.remove(table::CONFIG.row.key);
    (layer, kafka::collect(properties, Paths::AsGiven, problems))
}

fn brokers_property(text: Text, place: Place) -> kafka::Entry {
    (kafka::BOOTSTRAP.to_owned(), Some(text), place)
}

/// The values in a variable: those of a list are separated by commas, except within braces, where a
/// pattern like `^a{1,2}$` has commas of its own.
fn split(row: &Row, text: &str) -> What {
    if !row.list {
        return What::One(Text::plain(text));
    }
    let mut depth = 0_usize;
    let parts = text.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    What::Several(parts.map(|part| Text::plain(part.trim())).collect())
}

/// Whether a variable starts with our prefix and is none of ours: those of the test suites, and
/// those that Kubernetes sets in every container beside a service whose name starts with `keyway`.
fn is_foreign(name: &str, environment: &Environment) -> bool {
    if name.starts_with("KEYWAY_TEST_") || name.starts_with("KEYWAY_SIM_") {
        return true;
    }
    if name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") {
        return true;
    }
    // KEYWAY_PORT=tcp://10.0.0.1:80, KEYWAY_PORT_80_TCP=..., KEYWAY_PORT_80_TCP_ADDR=...
    if name.ends_with("_PORT") {
        let address = environment.text(name).unwrap_or_default();
        return ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|protocol| address.starts_with(protocol));
    }
    name.split_once("_PORT_").is_some_and(|(_, port)| {
        let mut parts = port.split('_');
        let number = parts.next().is_some_and(|part| part.parse::<u16>().is_ok());
        number && parts.next().is_some_and(|part| matches!(part, "TCP" | "UDP" | "SCTP"))
    })
}

fn unknown_variable(name: &str) -> String {
    // Someone who spells out the rule for a key with a short name means that one.
    let by_rule = rows().find(|row| variable_by_rule(row.key) == name);
    // The prefix is no likeness.
    let ending = |name: &'static str| name.strip_prefix(PREFIX).unwrap_or(name);
    let endings = rows().map(|row| ending(row.variable));
    let near = by_rule
        .map(|row| ending(row.variable))
        .or_else(|| nearest(name.strip_prefix(PREFIX).unwrap_or(name), endings))
        .map(|ending| format!("{PREFIX}{ending}"));
    format!("unknown variable{}", suggestion(near.as_deref()))
}

/// The variable that the rule of the table makes of a key.
pub(super) fn variable_by_rule(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}
