//! A URL, taken apart once, so that nothing behind it parses.

use std::fmt;
use std::sync::Arc;

use awc::http::Uri;
use awc::http::header::HeaderValue;
use awc::http::uri::{PathAndQuery, Scheme};

use super::settings::HttpSettingsError;

/// A URL, taken apart.
#[derive(Clone)]
pub(crate) struct Target {
    /// Whether the scheme is `https`.
    pub(crate) secure: bool,
    /// Name or address, an IPv6 address without its brackets.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// What the `Host` header says.
    pub(crate) authority: HeaderValue,
    pub(crate) path: PathAndQuery,
}

impl Target {
    /// Takes an absolute `http` or `https` URL apart.
    ///
    /// # Errors
    /// What is wrong with it; the message does not repeat it, for it may hold secrets.
    pub(crate) fn parse(url: &str) -> Result<Self, HttpSettingsError> {
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

    /// The same place, another path.
    pub(crate) fn at(&self, path: PathAndQuery) -> Self {
        Self { path, ..self.clone() }
    }

    /// All of it, the query too: for the one who wrote it, never for a log.
    pub(crate) fn whole(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let authority = self.authority.to_str().unwrap_or_default();
        format!("{scheme}://{authority}{}", self.path)
    }

    /// The URL for the client. It always says `http`: the connections that it is given below do
    /// TLS themselves (see `connect`).
    pub(crate) fn client_uri(&self) -> Option<Uri> {
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

/// Shows it without its query, which may hold a secret.
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
        match Target::parse(url) {
            Ok(target) => target,
            Err(error) => panic!("{url}: {error}"),
        }
    }

    fn refused(url: &str) -> HttpSettingsError {
        match Target::parse(url) {
            Ok(target) => panic!("{url} was taken as {target}"),
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
    fn a_url_is_shown_without_its_query_and_whole() {
        let it = target("HTTPS://h:8443/hook?token=hush");
        assert_eq!(it.to_string(), "https://h:8443/hook?...");
        assert_eq!(it.whole(), "https://h:8443/hook?token=hush");
        let other = it.at(PathAndQuery::from_static("/other"));
        assert_eq!(other.whole(), "https://h:8443/other");
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
}
