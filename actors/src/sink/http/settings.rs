//! What the HTTP sink is told: where to send, how long to wait and how to use connections. Checked
//! here, once, so that nothing behind it parses or defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use awc::http::header::HeaderValue;
use rustls::ClientConfig;

use super::auth::Auth;
use super::cloudevents::CloudEvents;
use super::compress::Compression;
use super::network::Network;
use super::proxy::{NoProxy, Proxies, Proxy};
use super::signature::Signature;
use super::success::Success;
use super::target::Target;
use super::tls::{Tls, TlsError, TlsFiles};
use crate::route::{ExpressionError, Route};

/// Where records are sent and how; the factory of the sinks that do it.
///
/// Sinks made of clones share one TLS configuration.
#[derive(Clone)]
pub struct HttpSettings {
    pub(super) way: Way,
    pub(super) connections: ConnectionPolicy,
    /// Private addresses that hosts from records may have all the same.
    pub(super) allowed_networks: Vec<Network>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) content_type: HeaderValue,
    pub(super) tls: Tls,
    pub(super) proxies: Option<Proxies>,
    pub(super) auth: Auth,
    pub(super) events: Option<CloudEvents>,
    pub(super) signature: Option<Signature>,
    pub(super) compression: Compression,
    pub(super) success: Option<Success>,
}

/// Where records go.
#[derive(Clone)]
pub(super) enum Way {
    /// All of them here, as they are.
    One(Target),
    /// Each where its route says.
    Routed(Arc<dyn Route>),
}

/// How connections are used. By default they are kept for five minutes at the most, and idle ones
/// for four seconds: Node, uvicorn, Apache and actix-web close theirs after five, and a request that
/// crosses with the closing is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionPolicy {
    /// Whether a connection carries more than one request.
    pub reuse: Reuse,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// How long a connection is used at all: so often the name is looked up again, and a load
    /// balancer that spreads connections gets to spread them anew. `None`: without end.
    pub max_age: Option<Duration>,
    /// How many requests a connection carries; 0: without end.
    pub max_requests: u32,
}

/// Whether a connection carries more than one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reuse {
    /// It does.
    #[default]
    KeepAlive,
    /// Each request has a connection of its own, and says so (`Connection: close`): for balancers
    /// that spread connections, and receivers that are replaced while they run.
    PerRequest,
}

impl Default for ConnectionPolicy {
    fn default() -> Self {
        Self {
            reuse: Reuse::default(),
            idle_timeout: Duration::from_secs(4),
            max_age: Some(Duration::from_mins(5)),
            max_requests: 0,
        }
    }
}

impl HttpSettings {
    /// Settings for an absolute `http` or `https` URL, with the defaults for everything else.
    ///
    /// # Errors
    /// What is wrong with the URL; the message does not repeat it, for it may hold secrets.
    pub fn new(url: &str) -> Result<Self, HttpSettingsError> {
        Target::parse(url).map(|target| Self::of(Way::One(target)))
    }

    /// Settings for records that go where a route says, with the defaults for everything else.
    pub fn routed(route: impl Route) -> Self {
        Self::of(Way::Routed(Arc::new(route)))
    }

    fn of(way: Way) -> Self {
        Self {
            way,
            connections: ConnectionPolicy::default(),
            allowed_networks: Vec::new(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            content_type: HeaderValue::from_static("application/json"),
            tls: Tls::default(),
            proxies: None,
            auth: Auth::none(),
            events: None,
            signature: None,
            compression: Compression::default(),
            success: None,
        }
    }

    /// How connections are used.
    ///
    /// # Errors
    /// An idle timeout or an age of zero.
    pub fn connections(mut self, policy: ConnectionPolicy) -> Result<Self, HttpSettingsError> {
        not_zero(policy.idle_timeout)?;
        not_zero(policy.max_age.unwrap_or(Duration::MAX))?;
        self.connections = policy;
        Ok(self)
    }

    /// Networks whose addresses a host that comes from a record may have although they are private,
    /// loopback, link-local or otherwise not of the public internet. A host that a route names
    /// itself may have any address.
    #[must_use]
    pub fn allowed_networks(mut self, networks: Vec<Network>) -> Self {
        self.allowed_networks = networks;
        self
    }

    /// The longest wait from the start of an attempt, connecting included, to the head of the
    /// response; 30 s by default. The body has a limit of its own.
    ///
    /// # Errors
    /// Zero.
    pub fn timeout(mut self, timeout: Duration) -> Result<Self, HttpSettingsError> {
        self.timeout = not_zero(timeout)?;
        Ok(self)
    }

    /// The longest wait for a connection: name, TCP, a proxy's answer and TLS together; 5 s by default.
    ///
    /// # Errors
    /// Zero.
    pub fn connect_timeout(mut self, timeout: Duration) -> Result<Self, HttpSettingsError> {
        self.connect_timeout = not_zero(timeout)?;
        Ok(self)
    }

    /// The `Content-Type` of records that have none of their own; `application/json` by default.
    ///
    /// # Errors
    /// A value that cannot be a header: empty, or with other than printable ASCII.
    pub fn content_type(mut self, value: &str) -> Result<Self, HttpSettingsError> {
        let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let value = value.trim();
        if !printable || value.is_empty() {
            return Err(HttpSettingsError::ContentType);
        }
        self.content_type =
            HeaderValue::from_str(value).map_err(|_| HttpSettingsError::ContentType)?;
        Ok(self)
    }

    /// The TLS configuration to use in place of one with the system's certificate authorities.
    /// Its ALPN list is replaced: this sink speaks HTTP/1.1.
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Tls::given(config);
        self
    }

    /// Certificate authorities and a client certificate of one's own, from files that are read again
    /// when they change. Blocks while it reads them.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else, or a key that is not the certificate's.
    pub fn tls_files(mut self, files: &TlsFiles) -> Result<Self, TlsError> {
        self.tls = Tls::files(files)?;
        Ok(self)
    }

    /// A forward proxy that requests to `https` URLs go through, those for tokens too, but for the
    /// hosts excepted and this machine; those to `http` URLs never do. None by default: no
    /// environment is read here, see [`Proxies::from_env`].
    ///
    /// A host that comes from a record is looked up and checked here, and the proxy is told the
    /// address that was found.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy, except: NoProxy) -> Self {
        self.proxies = Some(Proxies { proxy, except });
        self
    }

    /// What requests show so that they are let in. Every destination gets it: routes that take hosts
    /// from records should name the hosts that may have it.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sends records as `CloudEvents`; a request that has a body of its own is sent as it is.
    #[must_use]
    pub fn cloud_events(mut self, events: CloudEvents) -> Self {
        self.events = Some(events);
        self
    }

    /// Signs requests as Standard Webhooks.
    #[must_use]
    pub fn signature(mut self, signature: Signature) -> Self {
        self.signature = Some(signature);
        self
    }

    /// Packs bodies; not by default.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// When a 2xx answer is a delivery; always by default. One that is none is tried again.
    ///
    /// The condition reads `status`, `headers` (by their names in lower case), `text` (the body, up
    /// to 64 KiB) and `body` (the same as JSON; undefined where it is none).
    ///
    /// # Errors
    /// What the language says of the condition, with its place.
    pub fn success_when(mut self, condition: &str) -> Result<Self, Vec<ExpressionError>> {
        self.success = Some(Success::when(condition)?);
        Ok(self)
    }

    /// The URL as it may be shown: without its query, which may hold a secret. `None` where records
    /// go where a route says.
    pub fn shown_url(&self) -> Option<String> {
        match &self.way {
            Way::One(target) => Some(target.to_string()),
            Way::Routed(_) => None,
        }
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("url", &self.shown_url())
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

fn not_zero(timeout: Duration) -> Result<Duration, HttpSettingsError> {
    if timeout.is_zero() { Err(HttpSettingsError::ZeroTimeout) } else { Ok(timeout) }
}

/// What is wrong with a setting of the HTTP sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpSettingsError {
    /// Not an absolute URL.
    #[error("not an absolute URL; it is to look like https://host:port/path")]
    NotAbsolute,
    /// A scheme that this sink does not speak.
    #[error("its scheme is neither http nor https")]
    Scheme,
    /// No host, or one that cannot be.
    #[error("it has no usable host")]
    Host,
    /// A port out of range.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// User name or password in the URL.
    #[error("it holds a user name or password, which do not belong in a URL")]
    Credentials,
    /// A fragment, which no server would ever see.
    #[error("it has a fragment (#...), which is never sent; write %23 for a '#' that is meant")]
    Fragment,
    /// A character that a URL cannot hold as it is.
    #[error("it has the character {0:?}, which a URL holds only percent-encoded")]
    Character(char),
    /// A wait that would always be over.
    #[error("a timeout of zero: no request could ever succeed")]
    ZeroTimeout,
    /// A content type that cannot be a header value.
    #[error("a content type is printable ASCII and not empty")]
    ContentType,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> HttpSettingsError {
        match HttpSettings::new(url) {
            Ok(settings) => panic!("{url} was taken as {settings:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        let settings = HttpSettings::new("https://h:8443/hook?token=hush").unwrap();
        assert_eq!(settings.shown_url().as_deref(), Some("https://h:8443/hook?..."));
        assert!(!format!("{settings:?}").contains("hush"));
        assert!(!refused("http://me:hush@h/").to_string().contains("hush"));
    }

    #[test]
    fn timeouts_are_not_zero_and_content_types_are_header_values() {
        use HttpSettingsError as E;
        let new = || HttpSettings::new("http://h").unwrap();
        assert_eq!(new().timeout(Duration::ZERO).err(), Some(E::ZeroTimeout));
        assert_eq!(new().connect_timeout(Duration::ZERO).err(), Some(E::ZeroTimeout));
        for value in ["", " ", "a\r\nb: c", "a\u{e9}", "a\u{0}"] {
            assert_eq!(new().content_type(value).err(), Some(E::ContentType), "{value:?}");
        }
        assert_eq!(new().content_type(" text/csv ").unwrap().content_type, "text/csv");
    }
}
