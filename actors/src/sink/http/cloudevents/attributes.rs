//! Attributes, and those that a record brings along: headers `ce_...` by the Kafka binding (3.2.3).

use std::fmt::Display;

use super::uri::{is_absolute_uri, is_uri_reference};
use super::{LIMIT, fits};
use crate::record::Record;
use crate::rfc3339::is_rfc3339;

/// The most extension attributes that are passed on; the specification knows a dozen.
const EXTENSIONS: usize = 32;

/// The longest name of one; the specification advises 20.
const NAME_LIMIT: usize = 64;

/// Where a record was, in the events that are made.
pub(super) const ADDED: [&str; 3] = ["kafkatopic", "kafkapartition", "kafkaoffset"];

/// An attribute of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) value: String,
    /// Whether JSON has it as a number.
    pub(super) is_number: bool,
}

pub(super) fn text(name: &str, value: impl Display) -> Attribute {
    Attribute { name: name.to_owned(), value: value.to_string(), is_number: false }
}

impl Attribute {
    pub(super) fn number(name: &str, value: i32) -> Self {
        Self { is_number: true, ..text(name, value) }
    }
}

/// What a record brings along, as far as it is valid; of several of one name the last.
#[derive(Default)]
pub(super) struct Found<'a> {
    version: Option<&'a str>,
    id: Option<&'a str>,
    source: Option<&'a str>,
    kind: Option<&'a str>,
    time: Option<&'a str>,
    subject: Option<&'a str>,
    data_schema: Option<&'a str>,
    extensions: Vec<(&'a str, &'a str)>,
}

impl<'a> Found<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        let mut found = Self::default();
        for (name, value) in record.headers() {
            let Some(name) = name.strip_prefix("ce_") else { continue };
            let value = value.and_then(|it| std::str::from_utf8(it).ok());
            found.take(name, value.filter(|it| fits(it) && is_string(it)));
        }
        match found.version {
            // Of another version, attributes of these names may mean something else.
            Some(version) if version != "1.0" => Self::default(),
            _ => found,
        }
    }

    fn take(&mut self, name: &'a str, value: Option<&'a str>) {
        match name {
            "specversion" => self.version = value.or(Some("")),
            "id" => self.id = value,
            "source" => self.source = value.filter(|it| is_uri_reference(it)),
            "type" => self.kind = value,
            "time" => self.time = value.filter(|it| is_rfc3339(it)),
            "subject" => self.subject = value,
            "dataschema" => self.data_schema = value.filter(|it| is_absolute_uri(it)),
            // The content type of the request and its body say what these would.
            "datacontenttype" | "data" => {}
            _ => self.take_extension(name, value),
        }
    }

    fn take_extension(&mut self, name: &'a str, value: Option<&'a str>) {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !plain || !(1..=NAME_LIMIT).contains(&name.len()) {
            return;
        }
        self.extensions.retain(|(it, _)| *it != name);
        if self.extensions.len() < EXTENSIONS {
            self.extensions.extend(value.map(|value| (name, value)));
        }
    }

    /// Whether the record is an event already: it has all that one needs.
    pub(super) fn is_event(&self) -> bool {
        self.version.is_some() && self.identity().is_some() && self.kind.is_some()
    }

    /// Identifier and source. Only both together: it is the pair that no other event has.
    pub(super) fn identity(&self) -> Option<(&'a str, &'a str)> {
        self.id.zip(self.source)
    }

    pub(super) fn kind(&self) -> Option<&'a str> {
        self.kind
    }

    pub(super) fn time(&self) -> Option<&'a str> {
        self.time
    }

    pub(super) fn subject(&self) -> Option<&'a str> {
        self.subject
    }

    pub(super) fn data_schema(&self) -> Option<&'a str> {
        self.data_schema
    }

    pub(super) fn extensions(&self) -> impl Iterator<Item = Attribute> {
        // Those that are added to an event that is made take the place of what is called the same.
        self.extensions
            .iter()
            .filter(|(name, _)| self.is_event() || !ADDED.contains(name))
            .map(|(name, value)| text(name, value))
    }
}

/// A key as a subject, where it can be one.
pub(super) fn subject(key: &[u8]) -> Option<&str> {
    if key.len() > LIMIT {
        return None;
    }
    std::str::from_utf8(key).ok().filter(|it| fits(it) && is_string(it))
}

/// Whether an attribute may hold these characters: no control characters and no noncharacters
/// (`CloudEvents` 1.0, type system).
pub(super) fn is_string(text: &str) -> bool {
    text.chars().all(|it| {
        let code = u32::from(it);
        !it.is_control() && !(0xFDD0..=0xFDEF).contains(&code) && code & 0xFFFE != 0xFFFE
    })
}
