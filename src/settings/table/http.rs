//! Rows of the section `[pipeline.http]`: what a request is, and the connection it goes over.

use std::num::NonZeroU32;
use std::time::Duration;

use awc::http::Uri;
use keyway_actors::route::{MatchMode, Unmatched};
use keyway_actors::sink::http::{Network, Reuse};

use super::super::types::{Coding, EventMode};
use super::super::value::{self, http, names};
use super::{Knob, Row};

const MILLISECOND: Duration = Duration::from_millis(1);
const GIB: u64 = 1 << 30;

/// Where records are posted.
pub static URL: Knob<Uri> = Row::identity("http.url", "KEYWAY_URL", "where records are posted")
    .required()
    .flag("--url")
    .read(http::target);

/// The longest that a request may take.
pub static REQUEST_TIMEOUT: Knob<Duration> =
    Row::tuning("http.timeout", "KEYWAY_REQUEST_TIMEOUT", "longest request")
        .or("30s")
        .read(|text| value::duration(text, MILLISECOND));

/// The content type of records without such a header.
pub static CONTENT_TYPE: Knob<String> =
    Row::tuning("http.content_type", "KEYWAY_HTTP_CONTENT_TYPE", "when the record has none")
        .or("application/json")
        .read(names::media_type);

/// What makes a 2xx answer a success.
pub static SUCCESS_WHEN: Knob<String> = Row::tuning(
    "http.success_when",
    "KEYWAY_HTTP_SUCCESS_WHEN",
    "condition that a 2xx answer meets if it is a success",
)
.rare()
.read(http::success_condition);

/// How bodies are compressed.
pub static COMPRESSION: Knob<Option<Coding>> =
    Row::tuning("http.compression", "KEYWAY_HTTP_COMPRESSION", "how bodies are compressed")
        .or("none")
        .rare()
        .read(|text| {
            value::word(
                text,
                &[("none", None), ("gzip", Some(Coding::Gzip)), ("zstd", Some(Coding::Zstd))],
            )
        });

/// The smallest body that is compressed.
pub static COMPRESSION_MIN_BYTES: Knob<usize> = Row::tuning(
    "http.compression_min_bytes",
    "KEYWAY_HTTP_COMPRESSION_MIN_BYTES",
    "smallest body that is compressed",
)
.or("1KiB")
.rare()
.read(|text| value::memory(text, 0..=GIB));

/// Whether and how records become events.
pub static EVENTS_MODE: Knob<Option<EventMode>> = Row::tuning(
    "http.cloudevents.mode",
    "KEYWAY_HTTP_CLOUDEVENTS_MODE",
    "whether records are sent as CloudEvents, and how",
)
.or("off")
.rare()
.read(|text| {
    value::word(
        text,
        &[
            ("off", None),
            ("binary", Some(EventMode::Binary)),
            ("structured", Some(EventMode::Structured)),
        ],
    )
});

/// The source of events.
pub static EVENTS_SOURCE: Knob<String> = Row::identity(
    "http.cloudevents.source",
    "KEYWAY_HTTP_CLOUDEVENTS_SOURCE",
    "source of the events that are made",
)
.or_as_described("keyway:GROUP/TOPIC")
.rare()
.read(http::event_source);

/// The type of events.
pub static EVENTS_TYPE: Knob<String> = Row::identity(
    "http.cloudevents.type",
    "KEYWAY_HTTP_CLOUDEVENTS_TYPE",
    "type of events whose records do not say it (ce_type)",
)
.or_as_described("io.keyway.record")
.rare()
.read(http::event_type);

/// Which routes count.
pub static MATCH: Knob<MatchMode> =
    Row::tuning("match", "KEYWAY_MATCH", "which of the routes that match a record count")
        .or("first")
        .rare()
        .read(|text| value::word(text, &[("first", MatchMode::First), ("all", MatchMode::All)]));

/// What becomes of a record that no route is for.
pub static UNMATCHED: Knob<Unmatched> =
    Row::tuning("unmatched", "KEYWAY_UNMATCHED", "what becomes of a record that no route matches")
        .or("filter")
        .rare()
        .read(|text| {
            value::word(
                text,
                &[
                    ("filter", Unmatched::Filter),
                    ("dead_letter", Unmatched::DeadLetter),
                    ("stop", Unmatched::Stop),
                ],
            )
        });

/// The hosts that a URL may get from a record.
pub static ALLOWED_HOSTS: Knob<String> = Row::tuning(
    "http.allowed_hosts",
    "KEYWAY_HTTP_ALLOWED_HOSTS",
    "hosts that a route may take from a record",
)
.list()
.rare()
.read(http::host_pattern);

/// The private addresses that such a host may have.
pub static ALLOWED_NETWORKS: Knob<Network> = Row::tuning(
    "http.allowed_networks",
    "KEYWAY_HTTP_ALLOWED_NETWORKS",
    "private networks that such a host may be in",
)
.list()
.rare()
.read(http::network);

/// The longest wait for a connection.
pub static CONNECT_TIMEOUT: Knob<Duration> = Row::tuning(
    "http.connect_timeout",
    "KEYWAY_HTTP_CONNECT_TIMEOUT",
    "longest wait for a connection: name, TCP and TLS",
)
.or("5s")
.rare()
.read(|text| value::duration(text, MILLISECOND));

/// Whether a connection carries more than one request.
pub static CONNECTION: Knob<Reuse> =
    Row::tuning("http.connection", "KEYWAY_HTTP_CONNECTION", "what a connection is used for")
        .or("keep_alive")
        .rare()
        .read(|text| {
            value::word(
                text,
                &[("keep_alive", Reuse::KeepAlive), ("per_request", Reuse::PerRequest)],
            )
        });

/// How long an idle connection is kept.
pub static CONNECTION_IDLE_TIMEOUT: Knob<Duration> = Row::tuning(
    "http.connection_idle_timeout",
    "KEYWAY_HTTP_CONNECTION_IDLE_TIMEOUT",
    "how long an idle connection is kept",
)
.or("4s")
.rare()
.read(|text| value::duration(text, MILLISECOND));

/// How long a connection is used at all.
pub static CONNECTION_MAX_AGE: Knob<Option<Duration>> = Row::tuning(
    "http.connection_max_age",
    "KEYWAY_HTTP_CONNECTION_MAX_AGE",
    "how long a connection is used at all",
)
.or("5m")
.rare()
.read(|text| value::duration_or_off(text, MILLISECOND));

/// How many requests a connection carries.
pub static CONNECTION_MAX_REQUESTS: Knob<Option<NonZeroU32>> = Row::tuning(
    "http.connection_max_requests",
    "KEYWAY_HTTP_CONNECTION_MAX_REQUESTS",
    "requests that a connection carries; 0: no limit",
)
.or("0")
.rare()
.read(value::attempts);
