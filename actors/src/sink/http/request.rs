//! Makes the request of a record.
//!
//! What is the same for all records of a partition is made once and frozen; the values that change
//! are written one after the other into one buffer, of which the headers are slices.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use awc::error::FreezeRequestError;
use awc::http::Uri;
use awc::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use awc::{ClientRequest, FrozenClientRequest, SendClientRequest};
use bytes::{BufMut, Bytes, BytesMut};

use super::encode::{KEY_LIMIT, put_key, put_text};
use super::passed::Passed;
use super::place::Place;
use super::settings::{HttpSettings, Reuse, Way};
use crate::core::Epoch;
use crate::core::outcome::{Failure, FailureKind};
use crate::record::Record;
use crate::route::Request;

/// Frozen requests kept; far more than an arbiter has partitions at a time. Beyond it all are made
/// again, a microsecond each: what is left of partitions long gone goes with them.
const KEPT: usize = 1024;

/// Room for a number in decimal.
const DIGITS: usize = 20;

static TOPIC: HeaderName = HeaderName::from_static("keyway-topic");
static PARTITION: HeaderName = HeaderName::from_static("keyway-partition");
static OFFSET: HeaderName = HeaderName::from_static("keyway-offset");
static TIMESTAMP: HeaderName = HeaderName::from_static("keyway-timestamp");
static KEY: HeaderName = HeaderName::from_static("keyway-key");
static ATTEMPT: HeaderName = HeaderName::from_static("keyway-attempt");
static TOMBSTONE: HeaderName = HeaderName::from_static("keyway-tombstone");
pub(super) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Makes requests, on one arbiter.
pub(super) struct Requests {
    /// Where all records go, and what the `Host` header says of it; nothing where routes say it.
    one: Option<(Uri, HeaderValue)>,
    content_type: HeaderValue,
    /// Each request says that it is the last of its connection.
    close: bool,
    group: String,
    frozen: RefCell<HashMap<Epoch, Rc<Frozen>>>,
}

/// A request that is not yet sent.
pub(super) struct Draft {
    base: Base,
    /// Over those of the base.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The body is not the record's value.
    pub(super) own_body: bool,
    /// Where the headers name none.
    pub(super) content_type: HeaderValue,
}

enum Base {
    Frozen(Rc<Frozen>),
    Made(Box<ClientRequest>),
}

impl Draft {
    /// Sets headers, in place of those of these names.
    pub(super) fn add(&mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) {
        for (name, value) in headers {
            self.headers.insert(name, value);
        }
    }

    /// The request, ready to be polled.
    pub(super) fn send(self) -> Result<SendClientRequest, Failure> {
        match self.base {
            Base::Frozen(frozen) => {
                let Some(request) = &frozen.request else {
                    return Err(unsendable("no URL is set"));
                };
                Ok(request.extra_headers(self.headers).send_body(self.body))
            }
            Base::Made(mut request) => {
                for (name, value) in self.headers {
                    request.headers_mut().insert(name, value);
                }
                Ok(request.send_body(self.body))
            }
        }
    }
}

/// What the requests of a partition have in common.
struct Frozen {
    topic: Box<str>,
    partition: i32,
    topic_value: HeaderValue,
    /// `group:topic:partition:`
    idempotency: Bytes,
    /// The whole request, where all go to one URL.
    request: Option<FrozenClientRequest>,
}

impl Requests {
    /// `None` if the settings hold a URL that the client does not take, which their check rules out.
    pub(super) fn new(settings: &HttpSettings, group: &str) -> Option<Self> {
        let one = match &settings.way {
            Way::One(target) => Some((target.client_uri()?, target.authority.clone())),
            Way::Routed(_) => None,
        };
        Some(Self {
            one,
            content_type: settings.content_type.clone(),
            close: settings.connections.reuse == Reuse::PerRequest,
            group: group.to_owned(),
            frozen: RefCell::default(),
        })
    }

    /// The consumer group.
    pub(super) fn group(&self) -> &str {
        &self.group
    }

    /// The request of a record, where all go to one URL. `attempt` counts from 1.
    pub(super) fn plain(
        &self,
        place: &Place,
        record: &Record,
        attempt: u32,
    ) -> Result<Draft, Failure> {
        let frozen = self.frozen(place, record)?;
        let mut headers =
            varying(record, attempt, &frozen.idempotency, None).map_err(unsendable)?;
        Passed::of(record).put_into(&mut headers);
        let value = record.value();
        if value.is_none() {
            headers.insert(TOMBSTONE.clone(), HeaderValue::from_static("true"));
        }
        Ok(Draft {
            base: Base::Frozen(frozen),
            headers,
            body: value.unwrap_or_default(),
            own_body: false,
            content_type: self.content_type.clone(),
        })
    }

    /// A request that a record's route made of it; `index` says which, where there are several.
    pub(super) fn planned(
        &self,
        place: &Place,
        planned: &Request,
        record: &Record,
        index: Option<u16>,
        attempt: u32,
    ) -> Result<Draft, Failure> {
        let frozen = self.frozen(place, record)?;
        let mut headers =
            varying(record, attempt, &frozen.idempotency, index).map_err(unsendable)?;
        let mut passed = Passed::of(record);
        if planned.body_given().is_some() {
            passed.forget_content_type();
        }
        passed.put_into(&mut headers);
        let value = record.value();
        if value.is_none() {
            headers.insert(TOMBSTONE.clone(), HeaderValue::from_static("true"));
        }
        for (name, value) in planned.headers() {
            headers.insert(name.clone(), value.clone());
        }
        let target = planned.target();
        let uri = target.client_uri().ok_or_else(|| unsendable("its URL is no URL"))?;
        let request = place.client.request(planned.method_used().clone(), uri);
        Ok(Draft {
            base: Base::Made(Box::new(self.common(request, &target.authority, &frozen))),
            headers,
            own_body: planned.body_given().is_some(),
            body: planned.body_given().cloned().or(value).unwrap_or_default(),
            content_type: self.content_type.clone(),
        })
    }

    fn frozen(&self, place: &Place, record: &Record) -> Result<Rc<Frozen>, Failure> {
        // An epoch belongs to one stay of one partition; compared all the same, because a record
        // built by hand may say what it likes, and a wrong topic in a header is found by nobody.
        let epoch = record.assignment().epoch();
        let mut kept = self.frozen.borrow_mut();
        if let Some(frozen) = kept.get(&epoch).filter(|it| it.is_for(record)) {
            return Ok(Rc::clone(frozen));
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let made = Rc::new(self.freeze(place, record.topic(), record.partition())?);
        kept.insert(epoch, Rc::clone(&made));
        Ok(made)
    }

    fn freeze(&self, place: &Place, topic: &str, partition: i32) -> Result<Frozen, Failure> {
        let mut text = BytesMut::new();
        put_text(topic, &mut text);
        let topic_value =
            HeaderValue::from_maybe_shared(text.split().freeze()).map_err(unsendable)?;
        put_text(&self.group, &mut text);
        text.put_u8(b':');
        text.put_slice(topic_value.as_bytes());
        text.put_u8(b':');
        put_number(partition, &mut text);
        text.put_u8(b':');
        let idempotency = text.freeze();
        let mut frozen =
            Frozen { topic: topic.into(), partition, topic_value, idempotency, request: None };
        if let Some((uri, host)) = &self.one {
            let request = self.common(place.client.post(uri.clone()), host, &frozen).freeze();
            frozen.request = Some(request.map_err(|error: FreezeRequestError| unsendable(error))?);
        }
        Ok(frozen)
    }

    /// Sets the headers that are the same for all records of a partition.
    fn common(&self, request: ClientRequest, host: &HeaderValue, of: &Frozen) -> ClientRequest {
        let request = request
            // Set here because awc would format it for each request, and leave out a port that
            // is the usual one of the other scheme.
            .insert_header((header::HOST, host.clone()))
            .insert_header((header::USER_AGENT, concat!("keyway/", env!("CARGO_PKG_VERSION"))))
            .insert_header((header::CONTENT_TYPE, self.content_type.clone()))
            .insert_header((TOPIC.clone(), of.topic_value.clone()))
            // Of the first attempt; a later one puts its own in its place.
            .insert_header((ATTEMPT.clone(), HeaderValue::from_static("1")))
            .insert_header((PARTITION.clone(), HeaderValue::from(i64::from(of.partition))));
        if self.close { request.force_close() } else { request }
    }
}

impl Frozen {
    fn is_for(&self, record: &Record) -> bool {
        self.partition == record.partition() && *self.topic == *record.topic()
    }
}

/// The headers that differ from record to record.
fn varying(
    record: &Record,
    attempt: u32,
    idempotency: &[u8],
    index: Option<u16>,
) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let key_size = record.key().map_or(0, <[u8]>::len).min(KEY_LIMIT);
    let mut text = BytesMut::with_capacity(idempotency.len() + 3 * DIGITS + key_size);
    text.put_slice(idempotency);
    put_number(record.offset(), &mut text);
    let offset_end = text.len();
    if let Some(index) = index {
        text.put_u8(b':');
        put_number(index, &mut text);
    }
    let identity_end = text.len();
    if let Some(timestamp) = record.timestamp() {
        put_number(timestamp, &mut text);
    }
    let timestamp_end = text.len();
    if let Some(key) = record.key() {
        put_key(key, &mut text);
    }
    let text = text.freeze();
    let value = |from, to| HeaderValue::from_maybe_shared(text.slice(from..to));

    let mut headers = HeaderMap::with_capacity(7);
    headers.insert(IDEMPOTENCY_KEY.clone(), value(0, identity_end)?);
    headers.insert(OFFSET.clone(), value(idempotency.len(), offset_end)?);
    if record.timestamp().is_some() {
        headers.insert(TIMESTAMP.clone(), value(identity_end, timestamp_end)?);
    }
    if record.key().is_some() {
        headers.insert(KEY.clone(), value(timestamp_end, text.len())?);
    }
    if attempt > 1 {
        headers.insert(ATTEMPT.clone(), HeaderValue::from(attempt));
    }
    Ok(headers)
}

fn put_number(number: impl itoa::Integer, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn unsendable(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Unsendable, format!("the request cannot be made: {error}"))
}
