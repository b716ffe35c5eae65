//! Opens connections: name, TCP, TLS. The client is given them through the seam that awc has for
//! TCP connections, so that TLS is done here too and the client speaks plain HTTP over either.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_rt::net::TcpStream;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::network::{Network, is_public};
use super::settings::{HttpSettings, Way};
use super::stream::Transport;
use super::target::Target;
use super::tls::Tls;
use crate::sink::SinkError;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address, or nobody could be asked.
    #[error("connect: cannot resolve {host}: {}", words(source))]
    Name {
        /// The name.
        host: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// Nobody took the connection.
    #[error("connect: {}", words(.0))]
    Tcp(#[source] io::Error),
    /// The other side does not speak TLS, or is not trusted.
    #[error("tls: {}", words(.0))]
    Tls(#[source] io::Error),
    /// The host came from a record and has no address that such a host may have.
    #[error(
        "connect: {host} has only addresses that a host from a record may not have; see allowed_networks"
    )]
    Private {
        /// The name.
        host: Arc<str>,
    },
    /// It took too long.
    #[error("connect: no connection within {0:?}")]
    Timeout(Duration),
    /// The settings do not allow one to be tried.
    #[error("{0}")]
    Setup(#[from] SinkError),
}

/// Knows how to connect to one place.
#[derive(Clone)]
pub(super) struct Dialer {
    host: Arc<str>,
    port: u16,
    tls: Option<(Tls, ServerName<'static>)>,
    timeout: Duration,
    /// Addresses that are not of the public internet are refused, unless they are in these networks.
    guard: Option<Arc<[Network]>>,
}

impl Dialer {
    pub(super) fn new(
        settings: &HttpSettings,
        target: &Target,
        host_from_record: bool,
    ) -> Result<Self, SinkError> {
        let tls = if target.secure {
            let name = ServerName::try_from(target.host.to_string())
                .map_err(|_| SinkError(format!("no certificate can be for {}", target.host)))?;
            // Asked for at each connection, for its files may change; and here, to say at the start
            // what is wrong.
            settings.tls.config()?;
            Some((settings.tls.clone(), name))
        } else {
            None
        };
        Ok(Self {
            host: Arc::clone(&target.host),
            port: target.port,
            tls,
            timeout: settings.connect_timeout,
            guard: host_from_record.then(|| settings.allowed_networks.as_slice().into()),
        })
    }

    /// Opens a connection. The caller limits the time for all of it.
    pub(super) async fn dial(&self) -> Result<Transport, ConnectError> {
        let tcp = self.dial_tcp().await?;
        match &self.tls {
            None => Ok(Transport::Plain(tcp)),
            Some((tls, name)) => {
                let connector = TlsConnector::from(tls.config()?);
                let connected = connector.connect(name.clone(), tcp).await;
                let stream = connected.map_err(ConnectError::Tls)?;
                Ok(Transport::Tls(Box::new(stream)))
            }
        }
    }

    /// Tries one address after the other. Each gets its share of the time, so that one that
    /// swallows packets (a broken IPv6 route, a node that is gone) does not use up all of it.
    async fn dial_tcp(&self) -> Result<TcpStream, ConnectError> {
        let started = Instant::now();
        let addresses = self.resolve().await?;
        let mut error = ConnectError::Timeout(self.timeout);
        for (tried, address) in (0..).zip(&addresses) {
            let left = self.timeout.saturating_sub(started.elapsed());
            let untried = u32::try_from(addresses.len()).unwrap_or(u32::MAX) - tried;
            match timeout(left / untried, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Without it the end of a body of several segments waits for the server's
                    // delayed acknowledgement (40 ms); awc leaves it off.
                    stream.set_nodelay(true).map_err(ConnectError::Tcp)?;
                    return Ok(stream);
                }
                Ok(Err(refused)) => error = ConnectError::Tcp(refused),
                Err(_) => error = ConnectError::Timeout(self.timeout),
            }
        }
        Err(error)
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let failed = |source| ConnectError::Name { host: Arc::clone(&self.host), source };
        let found = tokio::net::lookup_host((&*self.host, self.port)).await.map_err(failed)?;
        let mut addresses: Vec<_> = found.collect();
        if addresses.is_empty() {
            return Err(failed(io::Error::other("it has no address")));
        }
        // Looked at here, of the very addresses that are connected to: a name that was looked up
        // before to be checked may mean another address by now.
        if let Some(allowed) = &self.guard {
            let is_allowed = |address| allowed.iter().any(|network| network.contains(address));
            addresses.retain(|it| is_public(it.ip()) || is_allowed(it.ip()));
            if addresses.is_empty() {
                return Err(ConnectError::Private { host: Arc::clone(&self.host) });
            }
        }
        Ok(addresses)
    }
}

/// Opens a connection to where the settings point, TLS included, and closes it without sending a
/// request. Where records go where a route says there is nothing to open before one comes.
///
/// # Errors
/// Why there is no connection, within `connect_timeout`.
pub async fn probe(settings: &HttpSettings) -> Result<(), ConnectError> {
    let Way::One(target) = &settings.way else { return Ok(()) };
    let dialer = Dialer::new(settings, target, false)?;
    match timeout(dialer.timeout, dialer.dial()).await {
        Ok(connected) => connected.map(drop),
        Err(_) => Err(ConnectError::Timeout(dialer.timeout)),
    }
}

/// An I/O error in a few words, without numbers where the words are known.
pub(super) fn words(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    let known = match error.kind() {
        Kind::ConnectionRefused => "connection refused",
        Kind::ConnectionReset => "connection reset",
        Kind::ConnectionAborted => "connection aborted",
        Kind::BrokenPipe => "connection closed by the server",
        Kind::HostUnreachable => "host unreachable",
        Kind::NetworkUnreachable => "network unreachable",
        Kind::AddrNotAvailable => "no local address or port left",
        Kind::UnexpectedEof => "connection closed by the server in the middle",
        _ => {
            let text = error.to_string();
            let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
            return text.to_owned();
        }
    };
    known.to_owned()
}
