//! The HTTP sink: one `POST` a record, and what its answer means.
//!
//! A 2xx status is a delivery, whatever follows it; 408, 425, 429, 5xx and everything short of an
//! answer is a retry; any other answer is a rejection. Redirects are not followed. It never tries
//! again by itself: an attempt is a request, and whether there is another is for the policy.

use std::rc::Rc;
use std::time::Duration;

use actix_service::fn_service;
use actix_tls::connect::{ConnectError as TcpConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use awc::{Client, Connector};
use slog::debug;

use self::connect::Dialer;
use self::request::Requests;
use self::response::{Limits, conclude, failed};
use self::stream::{HttpStream, Wires};
use super::{ConnectionCounts, Sink, SinkContext, SinkError, SinkFactory};
use crate::core::desk::Outcomes;
use crate::core::lanes::Delivery;
use crate::core::outcome::Outcome;
use crate::record::Record;

mod connect;
mod encode;
mod interim;
mod passed;
mod request;
mod response;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

pub use connect::{ConnectError, probe};
pub use settings::{HttpSettings, HttpSettingsError};

/// How long an idle connection is kept. Node, uvicorn, Apache and actix-web close theirs after 5 s;
/// a request that crosses with the closing is lost and counts as an attempt, so this stays below.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// How long a connection is used at all: so often the name is looked up again, and a load balancer
/// that spreads connections gets to spread them anew.
const LIFETIME: Duration = Duration::from_mins(5);

/// Sends records to one URL, from one arbiter.
pub struct HttpSink {
    requests: Requests,
    limits: Limits,
    wires: Rc<Wires>,
}

impl HttpSink {
    /// Makes one attempt; `attempt` counts from 1.
    ///
    /// Dropped before its end, it closes the connection that it used.
    pub async fn attempt(&self, record: &Record, attempt: u32) -> Outcome {
        let request = match self.requests.make(record, attempt) {
            Ok(request) => request,
            Err(failure) => return Outcome::rejected(failure),
        };
        let answer = request.await;
        let wire = self.wires.last_read();
        match answer {
            Ok(response) => {
                let concluded = conclude(response).await;
                if let Some(wire) = wire.filter(|it| concluded.retire || it.was_cut_short()) {
                    wire.retire();
                }
                concluded.outcome
            }
            Err(error) => failed(error, wire.and_then(|it| it.status()), self.limits),
        }
    }
}

impl Sink for HttpSink {
    async fn deliver(&self, delivery: &Delivery<Record>) -> Outcomes {
        if let [entry] = delivery.entries() {
            return self.attempt(entry.item(), entry.attempts() + 1).await.into();
        }
        let mut outcomes = Vec::with_capacity(delivery.entries().len());
        for entry in delivery.entries() {
            outcomes.push(self.attempt(entry.item(), entry.attempts() + 1).await);
            // What follows may be of the same lane, and must not overtake.
            if outcomes.last() != Some(&Outcome::Delivered) {
                break;
            }
        }
        outcomes.into()
    }

    fn connections(&self) -> Option<ConnectionCounts> {
        Some(self.wires.counts())
    }
}

impl SinkFactory for HttpSettings {
    type Sink = HttpSink;

    fn build(&self, context: &SinkContext) -> Result<HttpSink, SinkError> {
        let wires = Rc::new(Wires::default());
        let client = client(self, context.senders.max(1), &wires)?;
        let requests = Requests::new(client, self, &context.group_id)
            .ok_or_else(|| SinkError(format!("{} cannot be requested", self.shown_url())))?;
        debug!(context.log, "http sink made";
            "url" => self.shown_url(), "connections" => context.senders.max(1));
        let limits = Limits { answer: self.timeout, connect: self.connect_timeout };
        Ok(HttpSink { requests, limits, wires })
    }

    fn describe(&self) -> Option<String> {
        Some(self.shown_url())
    }
}

/// The client of an arbiter, which has room for a connection a sender: with less, a request would
/// wait for another's connection, and that counts against its timeout.
fn client(settings: &HttpSettings, senders: usize, wires: &Rc<Wires>) -> Result<Client, SinkError> {
    let dialer = Dialer::new(settings)?;
    let wires = Rc::clone(wires);
    let connect = fn_service(move |info: ConnectInfo<Uri>| {
        let (dialer, wires) = (dialer.clone(), Rc::clone(&wires));
        async move {
            let failed = |error| TcpConnectError::Io(std::io::Error::other(error));
            let io = dialer.dial().await.map_err(failed)?;
            Ok(Connection::new(info.request().clone(), HttpStream::new(io, wires)))
        }
    });
    let connector = Connector::new()
        .connector(connect)
        .timeout(settings.connect_timeout)
        .conn_keep_alive(KEEP_ALIVE)
        .conn_lifetime(LIFETIME)
        .limit(senders);
    Ok(Client::builder()
        .connector(connector)
        .timeout(settings.timeout)
        .disable_redirects()
        .no_default_headers()
        .finish())
}
