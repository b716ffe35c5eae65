//! Kinds of failures, as settings name them.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::core::outcome::FailureKind;

/// Some kinds of failures: `503`, `500-503`, `5xx`, `timeout`, `connect` or `disconnected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Answers with these HTTP statuses; within 300 to 599.
    Status(RangeInclusive<u16>),
    /// No answer in time.
    Timeout,
    /// No connection.
    Connect,
    /// The connection broke before the answer.
    Disconnected,
}

/// What a trigger looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a status of 300 to 599 (404), some of them (4xx, 500-503), timeout, connect or disconnected"
)]
pub struct TriggerError;

impl Trigger {
    /// Whether a failure of this kind is meant.
    pub fn is_for(&self, kind: FailureKind) -> bool {
        match (self, kind) {
            (Self::Status(range), FailureKind::Status(status)) => range.contains(&status),
            (Self::Timeout, FailureKind::Timeout)
            | (Self::Connect, FailureKind::Connect)
            | (Self::Disconnected, FailureKind::Disconnected) => true,
            _ => false,
        }
    }
}

impl FromStr for Trigger {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, TriggerError> {
        match text {
            "timeout" => return Ok(Self::Timeout),
            "connect" => return Ok(Self::Connect),
            "disconnected" => return Ok(Self::Disconnected),
            _ => {}
        }
        let range = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(hundreds), _) => {
                let first = number(hundreds)?.checked_mul(100).ok_or(TriggerError)?;
                first..=first.saturating_add(99)
            }
            (None, Some((first, last))) => number(first)?..=number(last)?,
            (None, None) => number(text)?..=number(text)?,
        };
        let fits = *range.start() >= 300 && *range.end() <= 599 && !range.is_empty();
        if fits { Ok(Self::Status(range)) } else { Err(TriggerError) }
    }
}

fn number(text: &str) -> Result<u16, TriggerError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
        .ok_or(TriggerError)
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(range) if range.start() == range.end() => write!(f, "{}", range.start()),
            Self::Status(range) => write!(f, "{}-{}", range.start(), range.end()),
            Self::Timeout => f.write_str("timeout"),
            Self::Connect => f.write_str("connect"),
            Self::Disconnected => f.write_str("disconnected"),
        }
    }
}
