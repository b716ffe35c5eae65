//! The HTTP sink: one `POST` a record, or the requests that a route makes of it, and what their
//! answers mean.
//!
//! A 2xx status is a delivery, whatever follows it; 408, 425, 429, 5xx and everything short of an
//! answer is a retry; any other answer is a rejection. Redirects are not followed. It never tries
//! again by itself: an attempt is a request, and whether there is another is for the policy.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use awc::http::StatusCode;
use slog::debug;

use self::dress::Dress;
use self::place::{Place, Places};
use self::request::{Draft, Requests};
use self::response::{Limits, conclude, failed};
use self::settings::Way;
use self::stream::{Wire, Wires};
use self::success::Success;
use super::{ConnectionCounts, Sink, SinkContext, SinkError, SinkFactory};
use crate::core::desk::{Outcomes, Step};
use crate::core::lanes::{Delivery, Entry};
use crate::core::outcome::{Failure, FailureKind, Outcome};
use crate::core::retry::Action;
use crate::record::Record;
use crate::route::{Origin, Plan, PlanContext, Refusal, Route, Unmatched};

mod auth;
mod cloudevents;
mod compress;
mod connect;
mod dress;
mod encode;
mod interim;
mod network;
mod passed;
mod place;
mod post;
mod proxy;
mod quota;
mod request;
mod response;
mod secret;
mod settings;
mod signature;
mod stream;
mod success;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod watched;

pub use auth::{Auth, AuthError, OAuth2};
pub use cloudevents::{CloudEvents, CloudEventsError, Mode};
pub use compress::{Coding, Compression};
pub use connect::{ConnectError, probe, probe_destination};
pub(crate) use encode::key_text;
pub use network::{Network, NetworkError};
pub use post::post_once;
pub use proxy::{NoProxy, Proxies, Proxy, ProxyError, TunnelError};
pub use secret::Secret;
pub use settings::{ConnectionPolicy, HttpSettings, HttpSettingsError, Reuse};
pub use signature::{Signature, SignatureError};
pub(crate) use target::Target;
#[cfg(feature = "web")]
pub(crate) use tls::Identity;
pub use tls::{TlsError, TlsFiles};
pub use watched::{FileError, News};

/// Sends records over HTTP, from one arbiter.
pub struct HttpSink {
    course: Course,
    /// Where all records go, as it may be shown; nothing where routes say it.
    url: Option<String>,
    requests: Requests,
    dress: Dress,
    success: Option<Success>,
    limits: Limits,
    wires: Rc<Wires>,
}

/// Where records go.
enum Course {
    /// All of them to one place.
    One(Origin, Place),
    /// Each where its route says.
    Routed(Arc<dyn Route>, Box<Places>),
}

impl HttpSink {
    /// Makes one attempt at a record's first request; `attempt` counts from 1.
    ///
    /// Dropped before its end, it closes the connection that it used.
    pub async fn attempt(&self, record: &Record, attempt: u32) -> Outcome {
        self.attempt_at(record, 0, attempt).await.outcome
    }

    /// The same for the request of this index.
    async fn attempt_at(&self, record: &Record, request: u16, attempt: u32) -> Answer {
        let (mut fresh, mut renewed) = (false, false);
        loop {
            let mut draft = match self.draft(record, request, attempt) {
                Ok(draft) => draft,
                Err(failure) => return not_made(failure).into(),
            };
            let mut shown = None;
            if !self.dress.is_plain() {
                shown = match self.dress.put_on(&mut draft, record).await {
                    Ok(shown) => shown,
                    Err(failure) => return not_made(failure).into(),
                };
            }
            let sent = match draft.send() {
                Ok(sent) => sent,
                Err(failure) => return Outcome::rejected(failure).into(),
            };
            let answer = sent.await;
            let wire = self.wires.last_read();
            match answer {
                Ok(response) => {
                    let is_401 = response.status() == StatusCode::UNAUTHORIZED;
                    let concluded = conclude(response, self.success.as_ref()).await;
                    let retire = |wire: &Rc<Wire>| {
                        concluded.retire || wire.was_cut_short() || wire.is_used_up()
                    };
                    if let Some(wire) = wire.filter(retire) {
                        wire.retire();
                    }
                    // What let the request in may have expired a moment ago.
                    let another = |shown| !renewed && self.dress.rejected(shown);
                    if is_401 && shown.as_ref().is_some_and(another) {
                        renewed = true;
                        continue;
                    }
                    return Answer { outcome: concluded.outcome, exhausted: concluded.exhausted };
                }
                // The server closed a connection that had been idle while the request was on its
                // way to it, as servers do, and is no worse for it. Once only: one that breaks its
                // connections at every such record is to be asked by the policy's schedule.
                Err(error) if !fresh && wire.as_ref().is_some_and(|it| it.closed_idle(&error)) => {
                    fresh = true;
                }
                Err(error) => {
                    return failed(error, wire.and_then(|it| it.status()), self.limits).into();
                }
            }
        }
    }

    /// Makes the attempt that is next.
    async fn ask(&self, entry: &Entry<Record>) -> Answer {
        let (record, request) = (entry.item(), entry.request());
        let mut answer = self.attempt_at(record, request, entry.attempts().saturating_add(1)).await;
        if let Some(failure) = answer.outcome.failure_mut() {
            failure.url = Self::url_of(record, request);
        }
        answer
    }

    /// Where a record's request goes, as it may be shown, where its route says it.
    fn url_of(record: &Record, request: u16) -> Option<Box<str>> {
        let request = record.plan()?.requests().get(usize::from(request))?;
        Some(request.target().to_string().into())
    }

    fn draft(&self, record: &Record, request: u16, attempt: u32) -> Result<Draft, Failure> {
        match &self.course {
            Course::One(_, place) => self.requests.plain(place, record, attempt),
            Course::Routed(_, places) => {
                let of = record.plan().map_or(&[][..], Plan::requests);
                let planned = of.get(usize::from(request)).ok_or_else(no_plan)?;
                let place = places.of(planned).map_err(|error| not_reached(&error))?;
                let index = (of.len() > 1).then_some(request);
                self.requests.planned(&place, planned, record, index, attempt)
            }
        }
    }
}

impl Sink for HttpSink {
    async fn deliver(&self, delivery: &Delivery<Record>) -> Outcomes {
        if let [entry] = delivery.entries() {
            let answer = self.ask(entry).await;
            return Outcomes::from(answer.outcome).exhausted_for(answer.exhausted);
        }
        let mut outcomes = Vec::with_capacity(delivery.entries().len());
        let mut exhausted = None;
        for entry in delivery.entries() {
            let answer = self.ask(entry).await;
            outcomes.push(answer.outcome);
            exhausted = exhausted.max(answer.exhausted);
            // What follows may be of the same lane, and must not overtake.
            if outcomes.last() != Some(&Outcome::Delivered) {
                break;
            }
        }
        Outcomes::from(outcomes).exhausted_for(exhausted)
    }

    fn is_routed(&self) -> bool {
        matches!(self.course, Course::Routed(..))
    }

    fn step(&self, record: &mut Record, request: u16, attempt: u32) -> Step {
        let Course::Routed(route, _) = &self.course else {
            return Step::Send { to: None, requests: 1 };
        };
        if record.plan().is_none() {
            let context = PlanContext::new(attempt, self.requests.group());
            match route.plan(record, &context) {
                Ok(plan) => record.keep_plan(plan),
                Err(Refusal::Unmatched(Unmatched::Filter)) => record.keep_plan(Plan::filtered()),
                Err(refusal) => return refused(refusal),
            }
        }
        let of = record.plan().map_or(&[][..], Plan::requests);
        match of.get(usize::from(request)) {
            Some(next) => Step::Send {
                to: Some(Arc::clone(next.origin().shared())),
                requests: u16::try_from(of.len()).unwrap_or(u16::MAX),
            },
            // Of a record that was attempted before there was a request: that there is none now is no
            // reason to take it for settled.
            None if request == 0 && attempt == 1 => Step::Filter,
            None => refused(no_plan().into()),
        }
    }

    fn destinations(&self) -> Option<usize> {
        match &self.course {
            Course::One(..) => Some(1),
            Course::Routed(route, _) => route.destinations(),
        }
    }

    fn destination(&self) -> Arc<str> {
        match &self.course {
            Course::One(origin, _) => Arc::clone(origin.shared()),
            Course::Routed(..) => "unknown".into(),
        }
    }

    fn url(&self, record: &Record, request: u16) -> Option<String> {
        self.url.clone().or_else(|| Self::url_of(record, request).map(String::from))
    }

    fn connections(&self) -> Option<ConnectionCounts> {
        self.dress.tell();
        if let Course::Routed(_, places) = &self.course {
            places.sweep();
        }
        Some(self.wires.counts())
    }
}

/// What became of an attempt.
struct Answer {
    outcome: Outcome,
    /// The receiver takes nothing more for so long.
    exhausted: Option<Duration>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, exhausted: None }
    }
}

/// What it means that a request could not be made: the record is at fault only where it is what
/// cannot be sent. What this machine lacks (a token, certificate authorities) may come.
fn not_made(failure: Failure) -> Outcome {
    match failure.kind {
        FailureKind::Unsendable => Outcome::rejected(failure),
        _ => Outcome::retry(failure),
    }
}

fn not_reached(error: &SinkError) -> Failure {
    Failure::new(FailureKind::Connect, error.to_string())
}

/// What a route's refusal means.
fn refused(refusal: Refusal) -> Step {
    let (failure, action) = match refusal {
        Refusal::Rejected(failure) => (failure, None),
        Refusal::Unmatched(unmatched) => (
            unmatched.failure(),
            match unmatched {
                Unmatched::Filter => None,
                Unmatched::DeadLetter => Some(Action::DeadLetter),
                Unmatched::Stop => Some(Action::Stop),
            },
        ),
    };
    Step::Refuse { failure: Box::new(failure), action }
}

fn no_plan() -> Failure {
    let what = "its route gave fewer requests than when it was first asked of this record";
    Failure::new(FailureKind::Unsendable, what)
}

impl SinkFactory for HttpSettings {
    type Sink = HttpSink;

    fn build(&self, context: &SinkContext) -> Result<HttpSink, SinkError> {
        let (wires, senders) = (Rc::new(Wires::default()), context.senders.max(1));
        let course = match &self.way {
            Way::One(target) => {
                let place = Place::new(self, target, false, senders, &wires)?;
                Course::One(Origin::of(target), place)
            }
            Way::Routed(route) => {
                Course::Routed(Arc::clone(route), Box::new(Places::new(self, senders, &wires)))
            }
        };
        let requests = Requests::new(self, &context.group_id).ok_or_else(|| {
            SinkError(format!("{} cannot be requested", self.shown_url().unwrap_or_default()))
        })?;
        debug!(context.log, "http sink made";
            "url" => self.shown_url(), "connections" => senders);
        let dress = Dress::new(self, &context.group_id, &context.log)?;
        let success = self.success.clone();
        let limits = Limits { answer: self.timeout, connect: self.connect_timeout };
        let url = self.shown_url();
        Ok(HttpSink { course, url, requests, dress, success, limits, wires })
    }

    fn describe(&self) -> Option<String> {
        self.shown_url()
    }
}
