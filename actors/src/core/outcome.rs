//! What became of a delivery attempt, and what became of a record.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// What a sink says of one attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it: final.
    Delivered,
    /// It may go through later: the record waits and is tried again, its lane with it.
    Retry {
        /// What the receiver asked for (`Retry-After`); without it the policy's own schedule holds.
        after: Option<Duration>,
        /// Why.
        failure: Box<Failure>,
    },
    /// It will never go through as it is: `on_rejected` decides what becomes of it.
    Rejected(Box<Failure>),
}

impl Outcome {
    /// A retry on the policy's own schedule.
    pub fn retry(failure: Failure) -> Self {
        Self::Retry { after: None, failure: Box::new(failure) }
    }

    /// A rejection.
    pub fn rejected(failure: Failure) -> Self {
        Self::Rejected(Box::new(failure))
    }

    /// Why the attempt failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Delivered => None,
            Self::Retry { failure, .. } | Self::Rejected(failure) => Some(failure),
        }
    }

    /// The same, to be added to.
    pub fn failure_mut(&mut self) -> Option<&mut Failure> {
        match self {
            Self::Delivered => None,
            Self::Retry { failure, .. } | Self::Rejected(failure) => Some(failure),
        }
    }

    /// The same, and nothing else of it.
    pub fn into_failure(self) -> Option<Box<Failure>> {
        match self {
            Self::Delivered => None,
            Self::Retry { failure, .. } | Self::Rejected(failure) => Some(failure),
        }
    }
}

/// Why an attempt failed, for the log, the metrics and the dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind, from a small fixed set: it labels metrics.
    pub kind: FailureKind,
    /// One line a person understands, without secrets: `503 Service Unavailable`, `connect: refused`.
    pub reason: Cow<'static, str>,
    /// The beginning of the response body, where there was one; at most 1 KiB.
    pub response: Bytes,
    /// Where the request went, without secrets, where not all records go one way.
    pub url: Option<Box<str>>,
}

impl Failure {
    /// A failure without a response body.
    pub fn new(kind: FailureKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, reason: reason.into(), response: Bytes::new(), url: None }
    }

    /// The HTTP status, where the receiver answered with one.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            FailureKind::Status(status) => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The receiver answered with this HTTP status.
    Status(u16),
    /// No connection: refused, unreachable, name not found, or a broken TLS handshake.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke before the answer; the receiver may have seen the request.
    Disconnected,
    /// The request could not be made from this record.
    Unsendable,
    /// What is to authorize the request could not be had: it was not sent.
    Unauthorized,
    /// Whatever a sink of the embedding program calls a failure.
    Other,
}

impl FailureKind {
    /// The label of this kind in metrics: one of twelve fixed words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Status(408) => "status_408",
            Self::Status(425) => "status_425",
            Self::Status(429) => "status_429",
            Self::Status(300..=399) => "status_3xx",
            Self::Status(500..=599) => "status_5xx",
            Self::Status(_) => "status_other",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Disconnected => "disconnected",
            Self::Unsendable => "unsendable",
            Self::Unauthorized => "unauthorized",
            Self::Other => "other",
        }
    }
}

/// How a record came to be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The receiver has it.
    Delivered,
    /// The broker acknowledged its dead letter.
    DeadLettered,
    /// Given up on by an explicit setting.
    Dropped,
    /// No request is to be made for it.
    Filtered,
}
