//! librdkafka's properties: from several sources to one set, checked one by one against librdkafka
//! itself, with those refused that Keyway sets.
//!
//! A secret (a password, a key) can be kept in a file of its own: `"sasl.password_file"` names it.

mod known;
mod owned;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use super::paths::Paths;
use super::problem::{Place, Problems, nearest, suggestion};
use super::text_file::read_secret;
use super::typed::{Properties, Property, Text};
use super::value::brokers;

/// The brokers.
pub const BOOTSTRAP: &str = "bootstrap.servers";

/// Properties of a consumer or a producer, by name. Of names that mean the same, librdkafka's main
/// one stands here (`sasl.mechanisms`, `message.timeout.ms`), only for the brokers it is
/// `bootstrap.servers`. `Debug` hides the values of secret ones.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    /// The value of a property, where the user set it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All names and values, secrets in clear.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All names and values as they may be shown: `***` in place of a secret.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().map(|(name, value)| (name, if is_secret(name) { "***" } else { value }))
    }

    /// Those of `properties` that concern a consumer.
    pub(super) fn for_consumer(properties: &Properties) -> Self {
        Self::without(properties, known::PRODUCER)
    }

    /// Those of `properties` that concern a producer.
    pub(super) fn for_producer(properties: &Properties) -> Self {
        Self::without(properties, known::CONSUMER)
    }

    fn without(properties: &Properties, others: &[&str]) -> Self {
        let ours = properties.iter().filter(|(name, _)| !others.contains(&name.as_str()));
        Self(ours.map(|(name, property)| (name.clone(), property.text.value.clone())).collect())
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

/// A property as typed: its name, its value unless a problem with that is already told, its place.
pub(super) type Entry = (String, Option<Text>, Place);

/// The properties of one source: checked, under their main names. `paths` says how `_file` twins are
/// found.
pub(super) fn collect(typed: Vec<Entry>, paths: Paths<'_>, problems: &mut Problems) -> Properties {
    let mut found = Properties::new();
    for (name, text, place) in typed {
        if problems.is_full() {
            break;
        }
        let read = text.and_then(|text| from_file(&name, text, &place, paths, problems));
        // What has a problem is kept, so that nobody calls it missing too: with a problem there are
        // no settings, so an empty text goes nowhere.
        let Some((name, text)) = read else {
            found.insert(main_name(&name).to_owned(), Property { text: Text::plain(""), place });
            continue;
        };
        if let Some(instead) = owned::instead_of(name) {
            problems.push(&place, format!("{name} is Keyway's to set; {instead}"));
            continue;
        }
        if let Err(why) = check(name, &text, &place) {
            problems.push(&place, why);
        }
        let main = main_name(name);
        let earlier: Option<&Property> = found.get(main);
        if let Some(earlier) = earlier.filter(|earlier| earlier.text.value != text.value) {
            let what = format!("{main} is given twice, and differently: also by {}", earlier.place);
            problems.push(&place, what);
            continue;
        }
        found.insert(main.to_owned(), Property { text, place });
    }
    found
}

/// Lays properties over each other, the later over the earlier.
pub(super) fn merge<'a>(layers: impl IntoIterator<Item = &'a Properties>) -> Properties {
    let mut merged = Properties::new();
    for layer in layers {
        merged.extend(layer.iter().map(|(name, property)| (name.clone(), property.clone())));
    }
    merged
}

/// The name of a property from a variable, after its prefix: `_` stands for `.`, except where
/// librdkafka's name has an underscore or a secret's `_file` is meant.
pub(super) fn property_of_variable(rest: &str) -> String {
    let dotted = rest.to_ascii_lowercase().replace('_', ".");
    if let Some(name) = known::all().find(|name| name.replace('_', ".") == dotted) {
        return name.to_owned();
    }
    match dotted.strip_suffix(".file").filter(|name| is_secret(name)) {
        Some(secret) => format!("{secret}_file"),
        None => dotted,
    }
}

/// What begins so says whom librdkafka trusts, who it says to be, or makes it open a file, load a
/// library or run a program.
const GUARDED: [&str; 8] =
    ["security.", "ssl.", "sasl.", "https.", "plugin.", "internal.", "enable.ssl.", "enable.sasl."];

/// Of those, what a body may say: it stays within librdkafka's connection to the brokers.
const OF_BODIES: [&str; 14] = [
    "enable.ssl.certificate.verification",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.sigalgs.list",
];

/// Of some properties the one that a message of librdkafka names first, as it is spelled there. It
/// names them by any name, between backticks and sometimes with a value (`a=b`).
pub(super) fn named_in<'a>(message: &str, given: &[&'a str]) -> Option<&'a str> {
    let quoted = message.split('`').skip(1).step_by(2);
    let mut names = quoted.map(|it| main_name(it.split_once('=').map_or(it, |(name, _)| name)));
    names.find_map(|named| given.iter().copied().find(|name| main_name(name) == named))
}

/// Whether a property is for the configuration alone, not for those who can only reach the API:
/// with it librdkafka opens a file (also the one that a `_file` twin names), loads a library, runs a
/// program, takes a signal or asks another server.
pub(super) fn is_of_configuration(name: &str) -> bool {
    let is_twin = name.strip_suffix("_file").is_some_and(is_secret);
    is_twin || (is_guarded(name) && !OF_BODIES.contains(&name))
}

/// Whether a property says whom librdkafka trusts, or who it says to be. Those of one source belong
/// together: one of them replaced, the others could be told to somebody else.
pub(super) fn is_guarded(name: &str) -> bool {
    GUARDED.iter().any(|beginning| name.starts_with(beginning))
}

/// Whether the value of a property is to be kept from logs and messages. Rather too often than not.
pub(super) fn is_secret(name: &str) -> bool {
    const MARKS: [&str; 8] = [
        "password",
        "secret",
        "passphrase",
        "token",
        "key.pem",
        "private.key",
        "jaas",
        "oauthbearer.config",
    ];
    MARKS.iter().any(|mark| name.contains(mark))
}

/// Replaces the twin of a secret by the secret that its file holds.
fn from_file<'a>(
    name: &'a str,
    text: Text,
    place: &Place,
    paths: Paths<'_>,
    problems: &mut Problems,
) -> Option<(&'a str, Text)> {
    let Some(secret) = name.strip_suffix("_file").filter(|secret| is_secret(secret)) else {
        return Some((name, text));
    };
    let read = paths.find(Path::new(&text.value)).and_then(|path| {
        read_secret(&path).map_err(|why| format!("cannot read {}: {why}", path.display()))
    });
    match read {
        Ok(value) => Some((secret, Text { value, ..text })),
        Err(why) => {
            problems.push(place, why);
            None
        }
    }
}

/// The name under which aliases meet.
fn main_name(name: &str) -> &str {
    match name {
        "metadata.broker.list" => BOOTSTRAP,
        "max.in.flight" => "max.in.flight.requests.per.connection",
        "sasl.mechanism" => "sasl.mechanisms",
        "sasl.oauthbearer.client.credentials.client.id" => "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.client.credentials.client.secret" => "sasl.oauthbearer.client.secret",
        "max.partition.fetch.bytes" => "fetch.message.max.bytes",
        "linger.ms" => "queue.buffering.max.ms",
        "retries" => "message.send.max.retries",
        "compression.type" => "compression.codec",
        "delivery.timeout.ms" => "message.timeout.ms",
        other => other,
    }
}

/// Whether librdkafka takes this property, and Keyway its value.
fn check(name: &str, text: &Text, place: &Place) -> Result<(), String> {
    if main_name(name) == BOOTSTRAP {
        return brokers::list(&text.value)
            .map(|_| ())
            .map_err(|refused| format!("expected {}, got {}", refused.expected, text.shown()));
    }
    let mut config = ClientConfig::new();
    config.set(name, &text.value);
    let Err(error) = config.create_native_config() else { return Ok(()) };
    if !known::all().any(|known| known == name) {
        return Err(unknown(name, place));
    }
    if is_secret(name) {
        return Err(format!("librdkafka does not take the value of {name}"));
    }
    let why = match error {
        // Its words hold the value, and what was filled in must not show.
        KafkaError::ClientConfig(_, why, ..) => why.trim().replace(&text.value, &text.written),
        other => other.to_string(),
    };
    Err(format!("got {}: {why}", text.shown()))
}

fn unknown(name: &str, place: &Place) -> String {
    let near = nearest(name, known::all()).map(|near| match place {
        Place::Variable(_) => variable_of_property(near),
        _ => format!("{near:?}"),
    });
    format!("librdkafka knows no property {name:?}{}", suggestion(near.as_deref()))
}

fn variable_of_property(name: &str) -> String {
    format!("KEYWAY_KAFKA_{}", name.replace('.', "_").to_ascii_uppercase())
}

#[cfg(test)]
mod tests;
