//! The places that a sink sends to: for each destination a client with connections of its own.
//!
//! A client of its own, because awc never gives up idle connections to a place that is not asked for
//! again: with the place its client is dropped, and the connections with it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_service::fn_service;
use actix_tls::connect::{ConnectError as TcpConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use awc::{Client, Connector};

use super::connect::Dialer;
use super::settings::{HttpSettings, Reuse};
use super::stream::{HttpStream, Wires};
use super::target::Target;
use crate::core::destinations::MOST;
use crate::route::{Origin, Request};
use crate::sink::SinkError;

/// A destination as the client sees it.
pub(super) struct Place {
    pub(super) client: Client,
    used: Cell<Instant>,
}

/// All places of a routed sink; as many as there are destinations, and forgotten as they are.
pub(super) struct Places {
    settings: HttpSettings,
    senders: usize,
    wires: Rc<Wires>,
    /// Apart by whether the host came from a record: such a request must not go over a connection
    /// that was opened without the check of its address.
    open: RefCell<HashMap<(Origin, bool), Rc<Place>>>,
}

impl Place {
    /// A place with room for a connection a sender: with less, a request would wait for another's
    /// connection, and that counts against its timeout.
    pub(super) fn new(
        settings: &HttpSettings,
        target: &Target,
        host_from_record: bool,
        senders: usize,
        wires: &Rc<Wires>,
    ) -> Result<Self, SinkError> {
        let dialer = Dialer::new(settings, target, host_from_record)?;
        let (wires, policy) = (Rc::clone(wires), &settings.connections);
        let most = match policy.reuse {
            Reuse::KeepAlive => policy.max_requests,
            Reuse::PerRequest => 1,
        };
        let connect = fn_service(move |info: ConnectInfo<Uri>| {
            let (dialer, wires) = (dialer.clone(), Rc::clone(&wires));
            async move {
                let failed = |error| TcpConnectError::Io(std::io::Error::other(error));
                let io = dialer.dial().await.map_err(failed)?;
                Ok(Connection::new(info.request().clone(), HttpStream::new(io, wires, most)))
            }
        });
        let connector = Connector::new()
            .connector(connect)
            .timeout(settings.connect_timeout)
            .conn_keep_alive(policy.idle_timeout)
            .conn_lifetime(policy.max_age.unwrap_or(Duration::MAX))
            .limit(senders);
        let client = Client::builder()
            .connector(connector)
            .timeout(settings.timeout)
            .disable_redirects()
            .no_default_headers()
            .finish();
        Ok(Self { client, used: Cell::new(Instant::now()) })
    }
}

impl Places {
    pub(super) fn new(settings: &HttpSettings, senders: usize, wires: &Rc<Wires>) -> Self {
        let (settings, wires) = (settings.clone(), Rc::clone(wires));
        Self { settings, senders, wires, open: RefCell::default() }
    }

    /// The place that a request goes to.
    pub(super) fn of(&self, request: &Request) -> Result<Rc<Place>, SinkError> {
        let key = (request.origin().clone(), request.host_from_record());
        let mut open = self.open.borrow_mut();
        if let Some(place) = open.get(&key) {
            place.used.set(Instant::now());
            return Ok(Rc::clone(place));
        }
        if open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, place)| place.used.get());
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|key| open.remove(&key));
        }
        let target = request.target();
        let place = Place::new(&self.settings, target, key.1, self.senders, &self.wires)?;
        let place = Rc::new(place);
        open.insert(key, Rc::clone(&place));
        Ok(place)
    }

    /// Forgets places whose connections are all past their time, and closes those. A request that is
    /// under way keeps its own.
    pub(super) fn sweep(&self) {
        let HttpSettings { timeout, connections, .. } = &self.settings;
        let kept = timeout.saturating_add(connections.idle_timeout);
        self.open.borrow_mut().retain(|_, place| place.used.get().elapsed() <= kept);
    }
}
