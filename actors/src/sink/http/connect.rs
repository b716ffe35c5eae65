//! Opens connections: name, TCP, a proxy's tunnel, TLS. The client is given them through the seam
//! that awc has for TCP connections, so that TLS is done here too and the client speaks plain HTTP
//! over either.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_rt::net::TcpStream;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::network::{Network, is_public};
use super::proxy::{Proxies, TunnelError};
use super::settings::{HttpSettings, Way};
use super::stream::Transport;
use super::target::Target;
use super::tls::Tls;
use crate::route::Origin;
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
    /// The proxy gives no tunnel to the other side.
    #[error("proxy {proxy}: {why}")]
    Proxy {
        /// The proxy's host and port.
        proxy: Arc<str>,
        /// Why.
        why: TunnelError,
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
    /// What connections go through; none where the target is connected to without it.
    proxies: Option<Proxies>,
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
            proxies: settings.proxies.clone().filter(|proxies| proxies.apply_to(target)),
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

    async fn dial_tcp(&self) -> Result<TcpStream, ConnectError> {
        let started = Instant::now();
        let left = || self.timeout.saturating_sub(started.elapsed());
        match &self.proxies {
            None => {
                let addresses = self.resolve().await?;
                in_turn(&addresses, left(), async |address, _| open(address).await).await
            }
            Some(it) if self.guard.is_none() => {
                it.proxy.tunnel(&self.host, self.port, self.timeout).await
            }
            // A proxy that is told the name looks it up itself, and may find an address that was
            // not checked. So it is told an address that was; the certificate is still to be for
            // the name. Where only the proxy can look up names, such hosts are out of reach. And
            // one that leads to this machine does not lead to the proxy's by way of the proxy.
            Some(it) => {
                let addresses = self.resolve().await?;
                let through = async |address: SocketAddr, share| {
                    let (host, port) = (address.ip().to_canonical().to_string(), address.port());
                    if it.except.covers(&host, port) {
                        open(address).await
                    } else {
                        it.proxy.tunnel(&host, port, share).await
                    }
                };
                in_turn(&addresses, left(), through).await
            }
        }
        .map_err(|error| match error {
            // Of all the time there was, not of what was left for this.
            ConnectError::Timeout(_) => ConnectError::Timeout(self.timeout),
            other => other,
        })
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let mut addresses = lookup(&self.host, self.port).await?;
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

/// The addresses of a name; at least one.
pub(super) async fn lookup(host: &Arc<str>, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let failed = |source| ConnectError::Name { host: Arc::clone(host), source };
    let found = tokio::net::lookup_host((&**host, port)).await.map_err(failed)?;
    let addresses: Vec<_> = found.collect();
    if addresses.is_empty() {
        return Err(failed(io::Error::other("it has no address")));
    }
    Ok(addresses)
}

/// Tries one address after the other. Each gets its share of the time, so that one that swallows
/// packets (a broken IPv6 route, a node that is gone) does not use up all of it.
pub(super) async fn in_turn(
    addresses: &[SocketAddr],
    limit: Duration,
    connect: impl AsyncFn(SocketAddr, Duration) -> Result<TcpStream, ConnectError>,
) -> Result<TcpStream, ConnectError> {
    let started = Instant::now();
    let mut error = ConnectError::Timeout(limit);
    for (tried, address) in (0..).zip(addresses) {
        let left = limit.saturating_sub(started.elapsed());
        let untried = u32::try_from(addresses.len()).unwrap_or(u32::MAX) - tried;
        let share = left / untried;
        match timeout(share, connect(*address, share)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(failed)) => error = failed,
            Err(_) => error = ConnectError::Timeout(limit),
        }
    }
    Err(error)
}

/// A TCP connection to an address.
pub(super) async fn open(address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let stream = TcpStream::connect(address).await.map_err(ConnectError::Tcp)?;
    // Without it the end of a body of several segments waits for the server's delayed
    // acknowledgement (40 ms); awc leaves it off.
    stream.set_nodelay(true).map_err(ConnectError::Tcp)?;
    Ok(stream)
}

/// Opens a connection to where the settings point, TLS included, and closes it without sending a
/// request. Where records go where a route says there is nothing to open before one comes.
///
/// # Errors
/// Why there is no connection, within `connect_timeout`.
pub async fn probe(settings: &HttpSettings) -> Result<(), ConnectError> {
    let Way::One(target) = &settings.way else { return Ok(()) };
    probe_target(settings, target).await
}

/// The same to a destination that a route names itself, wherever the settings point.
///
/// # Errors
/// As for [`probe`].
pub async fn probe_destination(
    settings: &HttpSettings,
    origin: &Origin,
) -> Result<(), ConnectError> {
    let target = Target::parse(origin.as_str()).map_err(|error| SinkError(error.to_string()))?;
    probe_target(settings, &target).await
}

async fn probe_target(settings: &HttpSettings, target: &Target) -> Result<(), ConnectError> {
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
