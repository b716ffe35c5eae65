//! What became of a request: responses and errors as outcomes.
//!
//! Errors of the client are not `Send` and hold what must not be kept: they are turned into plain
//! values at once.

use std::borrow::Cow;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use awc::ClientResponse;
use awc::error::{PayloadError, SendRequestError};
use awc::http::header::{CONTENT_LENGTH, HeaderMap, RETRY_AFTER, TRANSFER_ENCODING};
use awc::http::{StatusCode, Version};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use super::connect::{ConnectError, words};
use super::quota::{is_told, quota};
use super::success::Success;
use crate::core::outcome::{Failure, FailureKind, Outcome};
use crate::core::retry::parse_retry_after;

/// How much of a body is read to keep the connection: a new one costs less than more.
const DRAIN_LIMIT: usize = 64 * 1024;

/// How long a body is read. The outcome is known by then; only the connection is at stake, and the
/// beginning of what a refusal says.
pub(super) const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How much of a refusal's body is kept.
pub(super) const KEPT: usize = 1024;

/// A response that was dealt with.
pub(super) struct Concluded {
    pub(super) outcome: Outcome,
    /// The connection must not carry another request, although the client may think it can.
    pub(super) retire: bool,
    /// The receiver says that it takes nothing more for so long.
    pub(super) exhausted: Option<Duration>,
}

/// Reads the response and says what it means. The head decides, and whatever the body does, the
/// outcome stays; but for a 2xx where a condition says when it is a delivery.
pub(super) async fn conclude<S: Chunks>(
    response: ClientResponse<S>,
    success: Option<&Success>,
) -> Concluded {
    let status = response.status();
    let retire = !is_reusable(response.version(), status, response.headers());
    let after = retry_after(status, response.headers());
    // These have no body, whatever their headers say of its length (304 may tell that of the body
    // it does not send): to wait for one would be to wait for nothing.
    let bodiless = matches!(status.as_u16(), 100..=199 | 204 | 304);
    let headers = response.headers();
    let quota = is_told(headers).then(|| quota(headers, SystemTime::now())).flatten();
    let exhausted = quota.filter(|it| it.remaining == 0).map(|it| it.resets_in);
    let success = success.filter(|_| status.is_success());
    let headers = success.map(|_| response.headers().clone());
    let keep = match (status.is_success(), success) {
        (true, None) => 0,
        (true, Some(_)) => DRAIN_LIMIT,
        (false, _) => KEPT,
    };
    let body = if bodiless { Bytes::new() } else { Body::new(response, keep).drain().await };
    let outcome = match success.zip(headers) {
        Some((success, headers)) => success.judge(status, &headers, &body),
        None => outcome(status, after, body),
    };
    Concluded { outcome, retire, exhausted }
}

/// Whether the client may be right to use the connection again. It is wrong about HTTP/1.0, where a
/// server that does not say otherwise closes, and about a body without a length, which ends with the
/// connection: the client takes that for no body, and what comes of it for the next answer.
fn is_reusable(version: Version, status: StatusCode, headers: &HeaderMap) -> bool {
    let has_length =
        || headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    version == Version::HTTP_11
        && (has_length() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
}

/// A body on its way in.
pub(super) trait Chunks: Stream<Item = Result<Bytes, PayloadError>> + Unpin {}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Chunks for S {}

/// A body that is read to its end so that the connection can be used again. If it is too long or
/// too slow or no HTTP, the rest is left, and the connection closed with it.
struct Body<S> {
    response: ClientResponse<S>,
    keep: usize,
    kept: BytesMut,
    read: usize,
}

impl<S: Chunks> Body<S> {
    fn new(response: ClientResponse<S>, keep: usize) -> Self {
        Self { response, keep, kept: BytesMut::new(), read: 0 }
    }

    /// Returns its beginning.
    async fn drain(mut self) -> Bytes {
        // Most bodies came with the head: no timer for those.
        let is_here = poll_fn(|cx| Poll::Ready(self.poll(cx).is_ready())).await;
        if !is_here {
            self.response = self.response.timeout(DRAIN_TIME);
            poll_fn(|cx| self.poll(cx)).await;
        }
        self.kept.freeze()
    }

    /// Reads what there is; ready when there is no more, or no use in more.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(chunk)) = ready!(Pin::new(&mut self.response).poll_next(cx)) {
            let wanted = self.keep.saturating_sub(self.read).min(chunk.len());
            self.kept.extend_from_slice(&chunk[..wanted]);
            self.read += chunk.len();
            if self.read > DRAIN_LIMIT {
                break;
            }
        }
        Poll::Ready(())
    }
}

fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status.is_success() {
        return None;
    }
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    parse_retry_after(value, SystemTime::now())
}

/// The table: what a status means.
fn outcome(status: StatusCode, after: Option<Duration>, response: Bytes) -> Outcome {
    let failure = |note: &str| {
        let kind = FailureKind::Status(status.as_u16());
        let name = status.canonical_reason().unwrap_or_default();
        let reason = format!("{} {name}", status.as_u16());
        let reason = format!("{}{note}", reason.trim_end());
        Box::new(Failure { response, ..Failure::new(kind, reason) })
    };
    match status.as_u16() {
        200..=299 => Outcome::Delivered,
        300..=399 => Outcome::Rejected(failure(" (redirects are not followed)")),
        408 | 425 | 429 => Outcome::Retry { after, failure: failure("") },
        400..=499 => Outcome::Rejected(failure("")),
        // 101 was never asked for, and what is beyond 599 is to be read as 5xx: neither says that
        // the record is at fault.
        _ => Outcome::Retry { after, failure: failure("") },
    }
}

/// The limits that an error may speak of.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) answer: Duration,
    pub(super) connect: Duration,
}

/// What an error means. `status` is what the connection saw a response begin with, if it did.
pub(super) fn failed(error: SendRequestError, status: Option<u16>, limits: Limits) -> Outcome {
    use SendRequestError as E;
    match error {
        E::Timeout => retry(FailureKind::Timeout, format!("no answer within {:?}", limits.answer)),
        E::Connect(error) => not_connected(error, limits),
        E::Send(error) => retry(
            FailureKind::Disconnected,
            format!("connection lost while sending: {}", words(&error)),
        ),
        E::Response(error) => no_answer(&error, status),
        // The request itself: the same at every attempt.
        E::Url(_) | E::Http(_) | E::TunnelNotSupported => {
            let reason = format!("the request cannot be made: {error}");
            Outcome::rejected(Failure::new(FailureKind::Unsendable, reason))
        }
        // HTTP/2 is not spoken and a body of bytes cannot fail; but what is not understood must
        // not become a rejection.
        other => {
            let reason = format!("connection lost before the answer: {other}");
            retry(FailureKind::Disconnected, reason)
        }
    }
}

fn not_connected(error: awc::error::ConnectError, limits: Limits) -> Outcome {
    use awc::error::ConnectError as E;
    let reason = match error {
        // The name is older than what it is used for: the connection was there, and ended.
        E::Disconnected => {
            return retry(FailureKind::Disconnected, "connection lost before the answer");
        }
        E::Io(error) => match error.get_ref().and_then(|it| it.downcast_ref::<ConnectError>()) {
            // It is the record that names this host.
            Some(ours @ ConnectError::Private { .. }) => {
                let failure = Failure::new(FailureKind::Unsendable, ours.to_string());
                return Outcome::rejected(failure);
            }
            Some(ours) => ours.to_string(),
            None => format!("connect: {}", words(&error)),
        },
        E::Timeout => ConnectError::Timeout(limits.connect).to_string(),
        other => format!("connect: {other}"),
    };
    retry(FailureKind::Connect, reason)
}

/// The head of the response did not arrive whole, or is no HTTP.
fn no_answer(error: &(dyn Error + 'static), status: Option<u16>) -> Outcome {
    if let Some(error) = error.source().and_then(|it| it.downcast_ref::<io::Error>()) {
        let reason = format!("connection lost before the answer: {}", words(error));
        return retry(FailureKind::Disconnected, reason);
    }
    // The server has decided and said so, badly, and would say it again as badly.
    match status.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => outcome(status, None, Bytes::new()),
        None => retry(FailureKind::Disconnected, format!("the answer is no HTTP: {error}")),
    }
}

fn retry(kind: FailureKind, reason: impl Into<Cow<'static, str>>) -> Outcome {
    Outcome::retry(Failure::new(kind, reason))
}
