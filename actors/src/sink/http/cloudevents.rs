//! Records as events after `CloudEvents` 1.0: attributes in headers (binary mode) or record and
//! attributes together in JSON (structured mode).
//!
//! A record that is an event already, by the Kafka binding of the same specification, goes on as the
//! event that it is. Of every other one an event is made: identifier, source and type are always
//! valid, whatever the record holds.

use awc::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use self::attributes::{ADDED, Attribute, Found, is_string, text};
use self::uri::{is_absolute_uri, is_uri_reference};
use crate::record::Record;
use crate::rfc3339::rfc3339;

mod attributes;
mod json;
#[cfg(test)]
mod tests;
mod uri;

/// The type of records that do not say what they are.
const TYPE: &str = "io.keyway.record";

/// What the media types of structured events begin with, in whatever format.
const STRUCTURED: &[u8] = b"application/cloudevents";

/// The media type of structured mode.
const JSON: &str = "application/cloudevents+json; charset=UTF-8";

/// The longest attribute. Many servers take no more than 8 KiB of headers in all and refuse every
/// attempt at a record that has more; what is longer is left out, or taken for none.
const LIMIT: usize = 1024;

/// What a header value has percent-encoded, by the HTTP binding (3.1.3.2), beside all that is not
/// ASCII.
const HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// What a part of a URI has percent-encoded: all but the unreserved characters (RFC 3986, 2.3).
const URI: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How an event is put into a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Attributes in `ce-` headers, the record's value as the body, byte for byte.
    #[default]
    Binary,
    /// All of it in one JSON document.
    Structured,
}

/// How records become events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEvents {
    mode: Mode,
    source: Option<Box<str>>,
    kind: Option<Box<str>>,
    data_schema: Option<Box<str>>,
}

/// What is wrong with an attribute that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudEventsError {
    /// The source.
    #[error("source is no URI reference (RFC 3986) of 1 to 1024 characters")]
    Source,
    /// The type.
    #[error("type is empty, longer than 1024 bytes, or has a control character in it")]
    Type,
    /// The schema.
    #[error("data_schema is no absolute URI (RFC 3986) of 1 to 1024 characters")]
    DataSchema,
}

impl CloudEvents {
    /// Events with the defaults for everything: of the type `io.keyway.record`, and of a source
    /// made of group and topic.
    pub fn new(mode: Mode) -> Self {
        Self { mode, source: None, kind: None, data_schema: None }
    }

    /// The source of events that are made; by default `keyway:GROUP/TOPIC`.
    ///
    /// The identifier of an event tells it from all others of the topic; the source tells the
    /// topics of one Kafka cluster from those of another, if it is set for each.
    ///
    /// # Errors
    /// No URI reference, or an empty or overlong one.
    pub fn source(mut self, source: &str) -> Result<Self, CloudEventsError> {
        if !fits(source) || !is_uri_reference(source) {
            return Err(CloudEventsError::Source);
        }
        self.source = Some(source.into());
        Ok(self)
    }

    /// The type of events that are made, where the record does not say (`ce_type`).
    ///
    /// # Errors
    /// Empty, too long, or with characters that no attribute may have.
    pub fn kind(mut self, kind: &str) -> Result<Self, CloudEventsError> {
        if !fits(kind) || !is_string(kind) {
            return Err(CloudEventsError::Type);
        }
        self.kind = Some(kind.into());
        Ok(self)
    }

    /// The schema that the values of records keep to, where the record does not say; none by
    /// default.
    ///
    /// # Errors
    /// No absolute URI, or an empty or overlong one.
    pub fn data_schema(mut self, schema: &str) -> Result<Self, CloudEventsError> {
        if !fits(schema) || !is_absolute_uri(schema) {
            return Err(CloudEventsError::DataSchema);
        }
        self.data_schema = Some(schema.into());
        Ok(self)
    }

    /// What makes the events of a group.
    pub(super) fn encoder(&self, group: &str) -> Encoder {
        // Half the limit is left for the topic, which Kafka keeps below 250 characters.
        let group = utf8_percent_encode(group, URI).to_string();
        let prefix = format!("keyway:{}/", &group[..group.len().min(LIMIT / 2)]);
        // A percent-encoded character that was cut would make the whole invalid.
        let prefix = if is_uri_reference(&prefix) { prefix } else { "keyway:/".to_owned() };
        Encoder { settings: self.clone(), prefix }
    }
}

fn fits(value: &str) -> bool {
    (1..=LIMIT).contains(&value.len())
}

/// Makes events of records.
pub(super) struct Encoder {
    settings: CloudEvents,
    /// What sources begin with.
    prefix: String,
}

/// What an event adds to a request.
#[derive(Debug)]
pub(super) enum Event {
    /// Nothing: the record's value is an event in itself.
    Whole,
    /// These headers.
    Binary(HeaderMap),
    /// This body, and its content type, in the place of the record's.
    Structured(Bytes, HeaderValue),
}

impl Encoder {
    /// The event of a record; `content_type` is what its request would have without one.
    pub(super) fn event(&self, record: &Record, content_type: &HeaderValue) -> Event {
        let own = content_type.as_bytes();
        if own.get(..STRUCTURED.len()).is_some_and(|it| it.eq_ignore_ascii_case(STRUCTURED)) {
            return Event::Whole;
        }
        let attributes = self.attributes(record);
        match self.settings.mode {
            Mode::Binary => Event::Binary(headers(&attributes)),
            Mode::Structured => {
                // A content type is printable ASCII wherever it comes from.
                let own = content_type.to_str().ok();
                let body = json::envelope(&attributes, own, record.value().as_deref());
                Event::Structured(body, HeaderValue::from_static(JSON))
            }
        }
    }

    /// All but the content type, the required ones first.
    fn attributes(&self, record: &Record) -> Vec<Attribute> {
        let found = Found::of(record);
        let is_event = found.is_event();
        let (id, source) = match found.identity() {
            Some((id, source)) => (id.to_owned(), source.to_owned()),
            None => (id_of(record), self.source_of(record)),
        };
        let kind = found.kind().or(self.settings.kind.as_deref()).unwrap_or(TYPE);
        let mut attributes = vec![
            text("specversion", "1.0"),
            text("id", id),
            text("source", source),
            text("type", kind),
        ];
        let mut put = |name, value: Option<String>| {
            attributes.extend(value.map(|value| text(name, value)));
        };
        // Of an event that is whole already, what it leaves out is left out on purpose.
        let made = !is_event;
        let time = || record.timestamp().filter(|_| made).and_then(rfc3339);
        put("time", found.time().map(str::to_owned).or_else(time));
        let subject = || record.key().filter(|_| made).and_then(attributes::subject);
        put("subject", found.subject().or_else(subject).map(str::to_owned));
        let schema = || self.settings.data_schema.as_deref().filter(|_| made);
        put("dataschema", found.data_schema().or_else(schema).map(str::to_owned));
        attributes.extend(found.extensions());
        if made {
            let [topic, partition, offset] = ADDED;
            attributes.push(text(topic, utf8_percent_encode(record.topic(), HEADER)));
            attributes.push(Attribute::number(partition, record.partition()));
            // As text: an integer of an event has 32 bits, an offset has 64.
            attributes.push(text(offset, record.offset()));
        }
        attributes
    }

    fn source_of(&self, record: &Record) -> String {
        match &self.settings.source {
            Some(source) => source.to_string(),
            None => format!("{}{}", self.prefix, utf8_percent_encode(record.topic(), URI)),
        }
    }
}

/// `topic:partition:offset`, which no other record of the cluster has.
fn id_of(record: &Record) -> String {
    let topic = utf8_percent_encode(record.topic(), URI);
    format!("{topic}:{}:{}", record.partition(), record.offset())
}

/// Attributes as headers.
fn headers(attributes: &[Attribute]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(attributes.len());
    for attribute in attributes {
        // Both are of a form that headers take; an attribute that was not would be left out.
        let name = HeaderName::try_from(format!("ce-{}", attribute.name));
        let value = utf8_percent_encode(&attribute.value, HEADER).to_string();
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers
}
