//! Where and how records are requested, and what holds for the places they go to.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use awc::http::Uri;
use keyway_actors::core::breaker::BreakerPolicy;
use keyway_actors::core::destinations::RetryAfter;
use keyway_actors::route::RoutesSettings;
use keyway_actors::sink::http::{ConnectionPolicy, Network, Proxies, TlsFiles};

use super::Filled;

/// Where and how records are requested.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSettings {
    /// Where.
    pub way: Way,
    /// What stands for each `${NAME}` in the URL, where there is but one.
    pub filled: Filled,
    /// How long a request may take, connecting included; at least 1 ms.
    pub timeout: Duration,
    /// How long a connection may take; at least 1 ms.
    pub connect_timeout: Duration,
    /// `Content-Type` where a record has no such header; a valid header value.
    pub content_type: String,
    /// How connections are used.
    pub connections: ConnectionPolicy,
    /// Private networks that hosts from records may be in.
    pub allowed_networks: Vec<Network>,
    /// What holds for each destination.
    pub destination: DestinationSettings,
    /// How bodies are compressed; `None`: not at all.
    pub compression: Option<CompressionSettings>,
    /// The condition, compiled once already, that a 2xx answer meets if it is a success.
    pub success_when: Option<Written>,
    /// How records become events; `None`: they do not.
    pub cloud_events: Option<EventSettings>,
    /// What requests are signed with; none: they are not.
    pub signature: Vec<SecretSource>,
    /// How requests are authorized.
    pub auth: AuthSettings,
    /// The files of TLS, which could be used; `None`: the system's authorities, and nothing to show.
    pub tls: Option<TlsFiles>,
    /// The forward proxy of `https` requests, if there is one.
    pub proxy: Option<Proxies>,
}

/// Where records go.
#[derive(Clone, PartialEq)]
pub enum Way {
    /// All of them here: absolute, `http` or `https`, without credentials.
    One(Uri),
    /// Each where the first route says, or all routes, that it matches.
    Routes(Box<Routes>),
}

/// Without the URL's query, which may hold a secret.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(url) => {
                let (scheme, authority) = (url.scheme_str(), url.authority());
                let authority = authority.map_or("", |it| it.as_str());
                write!(f, "One({}://{authority}{})", scheme.unwrap_or_default(), url.path())
            }
            Self::Routes(routes) => routes.fmt(f),
        }
    }
}

/// A text of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Written {
    /// With `${NAME}` filled in, maybe with a secret.
    pub text: String,
    /// As the file has it: to be shown.
    pub written: String,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

/// The routes of a pipeline; they have been compiled once without an error.
#[derive(Clone, PartialEq)]
pub struct Routes {
    /// To be compiled.
    pub settings: RoutesSettings,
    /// The same as the file has it, with each `${NAME}`: to be shown.
    pub written: RoutesSettings,
    /// What stands for each `${NAME}`.
    pub filled: Filled,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

/// What holds for each destination (scheme, host and port).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DestinationSettings {
    /// Most requests in flight; `None`: as many as there are senders.
    pub max_in_flight: Option<NonZeroUsize>,
    /// Whether the number in flight is found out, up to that.
    pub adaptive: bool,
    /// The most requests in a time, and how many of them at once.
    pub rate: Option<(Pace, NonZeroU32)>,
    /// When it is left alone; `None`: never.
    pub breaker: Option<BreakerPolicy>,
    /// Whom a `Retry-After` holds back.
    pub retry_after: RetryAfter,
}

/// So many requests in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many.
    pub requests: NonZeroU32,
    /// In a second, a minute or an hour.
    pub per: Duration,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            3_600 => "h",
            60 => "m",
            _ => "s",
        };
        write!(f, "{}/{unit}", self.requests)
    }
}

/// How bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionSettings {
    /// With what.
    pub coding: Coding,
    /// From so many bytes on.
    pub min_bytes: usize,
}

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`.
    Gzip,
    /// `zstd`.
    Zstd,
}

/// How records become events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSettings {
    /// How an event is put into a request.
    pub mode: EventMode,
    /// Its source; `None`: made of group and topic.
    pub source: Option<String>,
    /// Its type; `None`: the default one.
    pub kind: Option<String>,
}

/// How an event is put into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventMode {
    /// Attributes in headers.
    Binary,
    /// All of it in one JSON document.
    Structured,
}

/// A secret, or the file that holds it; the file could be read.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret itself.
    Given(String),
    /// Its file.
    File(PathBuf),
}

impl SecretSource {
    /// Where it comes from, in words that do not show it.
    pub fn shown(&self) -> String {
        match self {
            Self::Given(_) => "***".to_owned(),
            Self::File(path) => format!("from {}", path.display()),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// How requests are authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthKind {
    /// They are not.
    None,
    /// A user name and a password.
    Basic,
    /// A token.
    Bearer,
    /// A header of any name.
    Header,
    /// A token that is fetched.
    OAuth2,
}

/// How requests are authorized, with what that takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthSettings {
    /// They are not.
    #[default]
    None,
    /// A user name and a password (RFC 7617).
    Basic {
        /// Without a colon.
        username: String,
        /// The password.
        password: SecretSource,
    },
    /// A token (RFC 6750).
    Bearer {
        /// The token.
        token: SecretSource,
    },
    /// A header.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretSource,
    },
    /// A token that is fetched and renewed (RFC 6749, 4.4).
    OAuth2 {
        /// Absolute, `http` or `https`.
        token_url: String,
        /// Who asks.
        client_id: String,
        /// What proves it.
        client_secret: SecretSource,
        /// What is asked for.
        scope: Option<String>,
        /// Whom the token is for.
        audience: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let given = SecretSource::Given("hush".to_owned());
        assert_eq!(format!("{given:?}"), "***");
        assert_eq!(format!("{:?}", SecretSource::File("/x/y".into())), "from /x/y");
    }
}
