//! The forward proxy that `https` requests go through where connections to the outside have to.
//!
//! Only `https`: the proxy is asked for a tunnel (`CONNECT`, RFC 9110, 9.3.6), and TLS is spoken
//! through it with the target itself, so that the proxy sees neither requests nor their secrets.
//! Requests to `http` URLs never go through a proxy; `HTTP_PROXY` is not read.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

use super::settings::HttpSettingsError;
use super::target::Target;

mod no_proxy;
#[cfg(test)]
mod tests;
mod tunnel;

pub use no_proxy::NoProxy;
pub use tunnel::TunnelError;

/// A forward proxy that is spoken to by plain HTTP. Neither `Debug` nor `Display` nor an error shows
/// its user name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: Arc<str>,
    port: u16,
    /// Host and port.
    shown: Arc<str>,
    /// The value of `Proxy-Authorization`, which is the password in other letters.
    authorization: Option<Arc<str>>,
}

/// What is wrong with a proxy's URL; the message does not repeat it, for it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// A kind of proxy that is not spoken to.
    #[error(
        "it is not the URL of an HTTP proxy, which looks like http://host:port and takes requests \
         for https too; proxies that want TLS (https://) or SOCKS (socks5://) themselves are not \
         supported"
    )]
    Scheme,
    /// No port.
    #[error("it names no port, for which programs assume different ones; write http://host:port")]
    NoPort,
    /// More than a host and a port.
    #[error("it has a path, a query or a fragment, which a proxy has none of")]
    Path,
    /// A user name or a password that RFC 7617 rules out.
    #[error(
        "its user name or password cannot be sent: one has a control character or, \
         percent-decoded, is not UTF-8, or the user name has a colon (RFC 7617)"
    )]
    Credentials,
    /// Host or port.
    #[error("{0}")]
    Url(#[from] HttpSettingsError),
    /// The URL is that of an environment variable.
    #[error("{name}: {error}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        error: Box<ProxyError>,
    },
}

impl Proxy {
    /// The proxy of a URL as `http://host:port`, or `http://user:password@host:port` with what is
    /// special in a URL percent-encoded. Without a scheme it is `http`, as curl and Go have it. The
    /// port is needed: where there is none, curl assumes 1080 and Go 80.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, ProxyError> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyError::Scheme),
            None => url,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !matches!(path, "" | "/") {
            return Err(ProxyError::Path);
        }
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let target = Target::parse(&format!("http://{place}"))?;
        // The last colon of a bare "[::1]" is part of the address.
        if place.rsplit_once(':').is_none_or(|(_, port)| port.ends_with(']')) {
            return Err(ProxyError::NoPort);
        }
        Ok(Self {
            shown: authority_of(&target.host, target.port).into(),
            host: target.host,
            port: target.port,
            authorization: match credentials {
                None | Some("") => None,
                Some(credentials) => Some(basic(credentials)?.into()),
            },
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A proxy, and what does not go through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// What `https` requests go through.
    pub proxy: Proxy,
    /// Where they go without it.
    pub except: NoProxy,
}

impl Proxies {
    /// What the environment says: `https_proxy`, else `HTTPS_PROXY`, and `no_proxy`, else
    /// `NO_PROXY`. The lower-case one wins, and an empty one counts as not set, as in curl. `None`
    /// if there is no proxy.
    ///
    /// # Errors
    /// What is wrong with the proxy's URL, with the variable's name.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ProxyError> {
        let first = |names: [&'static str; 2]| {
            let value = |name| get(name).filter(|value| !value.trim().is_empty());
            names.into_iter().find_map(|name| value(name).map(|value| (name, value)))
        };
        let Some((name, url)) = first(["https_proxy", "HTTPS_PROXY"]) else { return Ok(None) };
        let proxy = Proxy::new(url.trim())
            .map_err(|error| ProxyError::Variable { name, error: Box::new(error) })?;
        let except = first(["no_proxy", "NO_PROXY"]).map(|(_, list)| NoProxy::new(&list));
        Ok(Some(Self { proxy, except: except.unwrap_or_default() }))
    }

    /// Whether connections to this target go through the proxy.
    pub(super) fn apply_to(&self, target: &Target) -> bool {
        target.secure && !self.except.covers(&target.host, target.port)
    }
}

/// Host and port in one, as `CONNECT` has them (RFC 9112, 3.2.3): an IPv6 address in brackets.
fn authority_of(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The credentials of a URL as HTTP Basic has them (RFC 7617).
fn basic(credentials: &str) -> Result<String, ProxyError> {
    let (name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let decoded =
        |text| percent_decode_str(text).decode_utf8().map_err(|_| ProxyError::Credentials);
    let (name, password) = (decoded(name)?, decoded(password)?);
    if name.contains(':') || [&name, &password].iter().any(|it| it.contains(char::is_control)) {
        return Err(ProxyError::Credentials);
    }
    Ok(format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))))
}
