//! What the HTTP sink is told: where to send and how long to wait. Checked here, once, so that
//! nothing behind it parses or defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use awc::http::Uri;
use awc::http::header::HeaderValue;
use awc::http::uri::{PathAndQuery, Scheme};
use rustls::ClientConfig;

use super::tls::Tls;

/// Where records are sent and how; the factory of the sinks that do it.
///
/// Sinks made of clones share one TLS configuration.
#[derive(Clone)]
pub struct HttpSettings {
    pub(super) target: Target,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) content_type: HeaderValue,
    pub(super) tls: Tls,
}

impl HttpSettings {
    /// Settings for an absolute `http` or `https` URL, with the defaults for everything else.
    ///
    /// # Errors
    /// What is wrong with the URL; the message does not repeat it, for it may hold secrets.
    pub fn new(url: &str) -> Result<Self, HttpSettingsError> {
        Ok(Self {
            target: Target::parse(url)?,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            content_type: HeaderValue::from_static("application/json"),
            tls: Tls::default(),
        })
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

    /// The longest wait for a connection: name, TCP and TLS together; 5 s by default.
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

    /// The URL as it may be shown: without its query, which may hold a secret.
    pub fn shown_url(&self) -> String {
        self.target.to_string()
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

/// A URL, taken apart.
#[derive(Clone)]
pub(super) struct Target {
    /// Whether the scheme is `https`.
    pub(super) secure: bool,
    /// Name or address, an IPv6 address without its brackets.
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    /// What the `Host` header says.
    pub(super) authority: HeaderValue,
    pub(super) path: PathAndQuery,
}

impl Target {
    fn parse(url: &str) -> Result<Self, HttpSettingsError> {
        if url.contains('#') {
            return Err(HttpSettingsError::Fragment);
        }
        if let Some(bad) = url.chars().find(|char| !char.is_ascii_graphic()) {
            return Err(HttpSettingsError::Character(bad));
        }
        let (scheme, rest) = url.split_once("://").ok_or(HttpSettingsError::NotAbsolute)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(HttpSettingsError::Scheme),
        };
        // By hand: `Uri` reads a port out of range as none, and would send to port 80.
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(HttpSettingsError::Credentials);
        }
        let (host, port) = host_and_port(authority, secure)?;
        let uri: Uri = url.parse().map_err(|_| match first_unusual(rest) {
            Some(bad) => HttpSettingsError::Character(bad),
            None => HttpSettingsError::Host,
        })?;
        Ok(Self {
            secure,
            host: host.trim_matches(['[', ']']).into(),
            port,
            authority: host_header(host, port, secure)?,
            path: uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    /// The URL for the client. It always says `http`: the connections that it is given below do
    /// TLS themselves (see `connect`).
    pub(super) fn client_uri(&self) -> Option<Uri> {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(format!("{host}:{}", self.port))
            .path_and_query(self.path.clone())
            .build()
            .ok()
    }
}

/// Shows it without its query.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        let authority = self.authority.to_str().unwrap_or_default();
        let query = if self.path.query().is_some() { "?..." } else { "" };
        write!(f, "{scheme}://{authority}{}{query}", self.path.path())
    }
}

fn host_and_port(authority: &str, secure: bool) -> Result<(&str, u16), HttpSettingsError> {
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of a bare "[::1]" is part of the address.
        Some((_, tail)) if tail.ends_with(']') => (authority, None),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let usable = if let Some(address) = host.strip_prefix('[') {
        address.strip_suffix(']').is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok())
    } else {
        !host.is_empty() && !host.contains([':', '[', ']', '%'])
    };
    if !usable {
        return Err(HttpSettingsError::Host);
    }
    let port = match port {
        None => Some(if secure { 443 } else { 80 }),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok(),
        Some(_) => None,
    };
    port.filter(|port| *port != 0).map(|port| (host, port)).ok_or(HttpSettingsError::Port)
}

fn host_header(host: &str, port: u16, secure: bool) -> Result<HeaderValue, HttpSettingsError> {
    let usual = if secure { 443 } else { 80 };
    let value = if port == usual { host.to_owned() } else { format!("{host}:{port}") };
    HeaderValue::try_from(value).map_err(|_| HttpSettingsError::Host)
}

/// The first character that has no place in a URL as it is.
fn first_unusual(rest: &str) -> Option<char> {
    rest.chars().find(|char| matches!(char, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        match HttpSettings::new(url) {
            Ok(settings) => settings.target,
            Err(error) => panic!("{url}: {error}"),
        }
    }

    fn refused(url: &str) -> HttpSettingsError {
        match HttpSettings::new(url) {
            Ok(settings) => panic!("{url} was taken as {settings:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        let it = target("https://hooks.example/a/b?c=d");
        assert!(it.secure);
        assert_eq!((&*it.host, it.port), ("hooks.example", 443));
        assert_eq!(it.authority, "hooks.example");
        assert_eq!(it.path.as_str(), "/a/b?c=d");
        assert_eq!(it.client_uri().unwrap(), "http://hooks.example:443/a/b?c=d");
    }

    #[test]
    fn the_host_header_has_the_port_unless_it_is_the_schemes_own() {
        assert_eq!(target("http://h").authority, "h");
        assert_eq!(target("http://h:80/").authority, "h");
        assert_eq!(target("http://h:443/").authority, "h:443");
        assert_eq!(target("https://h:80/").authority, "h:80");
        assert_eq!(target("https://h:443/").authority, "h");
        assert_eq!(target("HTTP://h:8080").authority, "h:8080");
    }

    #[test]
    fn an_address_can_be_the_host() {
        let it = target("http://[::1]:8080/x");
        assert_eq!((&*it.host, it.port), ("::1", 8080));
        assert_eq!(it.authority, "[::1]:8080");
        assert_eq!(it.client_uri().unwrap(), "http://[::1]:8080/x");
        assert_eq!(target("http://[::1]").port, 80);
        assert_eq!(&*target("http://127.0.0.1:1").host, "127.0.0.1");
    }

    #[test]
    fn no_path_is_the_root_even_before_a_query() {
        assert_eq!(target("http://h").path.path(), "/");
        let it = target("http://h?a=b");
        assert_eq!((it.path.path(), it.path.query()), ("/", Some("a=b")));
    }

    #[test]
    fn what_is_not_an_absolute_http_url_is_refused() {
        use HttpSettingsError as E;
        for (url, error) in [
            ("", E::NotAbsolute),
            ("orders", E::NotAbsolute),
            ("/orders", E::NotAbsolute),
            ("localhost:8080/orders", E::NotAbsolute),
            ("ftp://h/", E::Scheme),
            ("://h/", E::Scheme),
            ("http://", E::Host),
            ("http:///path", E::Host),
            ("http://:80/", E::Host),
            ("http://::1/", E::Host),
            ("http://[::1/", E::Host),
            ("http://[zz]/", E::Host),
            ("http://h:/", E::Port),
            ("http://h:0/", E::Port),
            ("http://h:65536/", E::Port),
            ("http://h:+80/", E::Port),
            ("http://h:http/", E::Port),
            ("http://me:secret@h/", E::Credentials),
            ("http://me@h/", E::Credentials),
            ("http://h/#top", E::Fragment),
            ("http://h/a b", E::Character(' ')),
            ("http://h/\u{e9}", E::Character('\u{e9}')),
            ("http://h\u{e9}/", E::Character('\u{e9}')),
            ("http://h/\r\nX: y", E::Character('\r')),
            ("http://h/<b>", E::Character('<')),
        ] {
            assert_eq!(refused(url), error, "{url:?}");
        }
    }

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        let settings = HttpSettings::new("https://h:8443/hook?token=hush").unwrap();
        assert_eq!(settings.shown_url(), "https://h:8443/hook?...");
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
