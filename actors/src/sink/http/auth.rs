//! What a request shows so that it is let in: nothing, a password (RFC 7617), a token (RFC 6750), a
//! key in a header of its own, or a token that is fetched (`oauth2`).
//!
//! The header is made once and again only when its secret changes; a request costs a comparison.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use awc::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use slog::Logger;

use self::oauth2::Tokens;
use super::proxy::Proxies;
use super::secret::Secret;
use super::watched::News;
use crate::core::outcome::Failure;
use crate::sink::SinkError;

mod oauth2;
#[cfg(test)]
mod tests;

pub use oauth2::OAuth2;

/// How requests are authorized. Checked when it is made; its `Debug` shows no secret.
#[derive(Clone, Debug, Default)]
pub struct Auth(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    None,
    Static(Static),
    OAuth2(Arc<OAuth2>),
}

/// What is wrong with a way to authorize requests; no secret is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A secret that cannot be sent in a header.
    #[error(
        "the {what} cannot be sent in a header: it is empty, begins or ends with a blank, or has a \
         line break, another control character, a character beyond ASCII or (if it is a token) a \
         blank in it"
    )]
    Unsendable {
        /// Which one.
        what: &'static str,
    },
    /// A user name that RFC 7617 rules out.
    #[error("a user name cannot have a colon or a control character in it (RFC 7617)")]
    UserName,
    /// A password that RFC 7617 rules out.
    #[error("a password cannot have a control character in it (RFC 7617); is it one line?")]
    Password,
    /// No header can be called so.
    #[error("{0:?} is no header name")]
    HeaderName(String),
    /// A header that is not for the user to set.
    #[error("the header {0} is set by the request itself")]
    Reserved(HeaderName),
    /// The token endpoint's URL.
    #[error("token_url: {0}")]
    TokenUrl(#[from] super::HttpSettingsError),
}

impl Auth {
    /// No authorization.
    pub fn none() -> Self {
        Self::default()
    }

    /// `Authorization: Basic`, with both in UTF-8 (RFC 7617).
    ///
    /// # Errors
    /// A colon in the name, or a control character in either.
    pub fn basic(username: &str, password: Secret) -> Result<Self, AuthError> {
        if username.contains([':']) || username.contains(char::is_control) {
            return Err(AuthError::UserName);
        }
        Self::with(AUTHORIZATION, Scheme::Basic { username: username.into() }, password)
    }

    /// `Authorization: Bearer` (RFC 6750).
    ///
    /// # Errors
    /// A token that cannot be sent.
    pub fn bearer(token: Secret) -> Result<Self, AuthError> {
        Self::with(AUTHORIZATION, Scheme::Bearer, token)
    }

    /// A header of any name, as `X-Api-Key`, with the secret as its value.
    ///
    /// # Errors
    /// A name that no header can have or that the request needs for itself, or a value that cannot
    /// be sent.
    pub fn header(name: &str, value: Secret) -> Result<Self, AuthError> {
        let name: HeaderName = name.parse().map_err(|_| AuthError::HeaderName(name.to_owned()))?;
        if is_reserved(name.as_str()) {
            return Err(AuthError::Reserved(name));
        }
        Self::with(name, Scheme::Plain, value)
    }

    /// A token that is fetched and renewed (RFC 6749, 4.4).
    pub fn oauth2(oauth2: OAuth2) -> Self {
        Self(Kind::OAuth2(Arc::new(oauth2)))
    }

    fn with(name: HeaderName, scheme: Scheme, secret: Secret) -> Result<Self, AuthError> {
        let given = Static { name, scheme, secret };
        given.value()?;
        Ok(Self(Kind::Static(given)))
    }

    /// Whether requests show nothing.
    pub(super) fn is_none(&self) -> bool {
        matches!(self.0, Kind::None)
    }

    /// With tokens fetched through this proxy, unless their endpoint was given one of its own.
    pub(super) fn through(&self, proxies: Option<&Proxies>) -> Self {
        match (&self.0, proxies) {
            (Kind::OAuth2(oauth2), Some(proxies)) => {
                Self::oauth2(OAuth2::clone(oauth2).through(proxies))
            }
            _ => self.clone(),
        }
    }

    /// What authorizes the requests of one arbiter.
    pub(super) fn authorizer(&self, log: &Logger) -> Result<Authorizer, SinkError> {
        Ok(Authorizer(match &self.0 {
            Kind::None => Way::None,
            Kind::Static(given) => Way::Static(Cached::new(given.clone())?),
            Kind::OAuth2(oauth2) => Way::OAuth2(Tokens::new(oauth2, log)?),
        }))
    }

    /// The latest of what became of its secret's file, for the log; told once, to whichever arbiter
    /// asks first.
    pub fn news(&self) -> Option<News> {
        match &self.0 {
            Kind::None => None,
            Kind::Static(given) => given.news(),
            Kind::OAuth2(oauth2) => oauth2.news(),
        }
    }
}

/// Headers that say what the request is, and would make it another if they were replaced.
fn is_reserved(name: &str) -> bool {
    let ours = ["host", "content-length", "content-type", "content-encoding", "transfer-encoding"];
    let hop = ["connection", "upgrade", "te", "trailer", "expect", "idempotency-key"];
    ours.contains(&name)
        || hop.contains(&name)
        || ["keyway-", "ce-", "webhook-"].iter().any(|it| name.starts_with(it))
}

/// A header that stays until its secret changes.
#[derive(Clone)]
struct Static {
    name: HeaderName,
    scheme: Scheme,
    secret: Secret,
}

#[derive(Clone)]
enum Scheme {
    Basic { username: Box<str> },
    Bearer,
    Plain,
}

impl Static {
    fn value(&self) -> Result<HeaderValue, AuthError> {
        let secret = self.secret.current();
        match &self.scheme {
            Scheme::Basic { .. } if secret.contains(char::is_control) => Err(AuthError::Password),
            Scheme::Basic { username } => basic(username, &secret),
            Scheme::Bearer => bearer(&secret),
            Scheme::Plain => sensitive("value", &secret, ""),
        }
    }

    /// A new secret that was read but cannot be sent is not in use, whatever its file says.
    fn news(&self) -> Option<News> {
        let news = self.secret.news()?;
        match (&news, self.secret.path(), self.value()) {
            (News::Renewed(_), Some(path), Err(error)) => {
                Some(News::Kept(super::watched::FileError::new(path, error.to_string())))
            }
            _ => Some(news),
        }
    }
}

impl fmt::Debug for Static {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.scheme {
            Scheme::Basic { .. } => "Basic",
            Scheme::Bearer => "Bearer",
            Scheme::Plain => "Header",
        };
        f.debug_struct(kind).field("name", &self.name).field("secret", &self.secret).finish()
    }
}

/// `Basic` and the Base64 of `name:password`.
fn basic(name: &str, password: &str) -> Result<HeaderValue, AuthError> {
    sensitive("password", &BASE64_STANDARD.encode(format!("{name}:{password}")), "Basic ")
}

/// `Bearer` and the token. Any visible ASCII goes, more than RFC 6750 has in its grammar: it is the
/// issuer that decides what its tokens look like.
fn bearer(token: &str) -> Result<HeaderValue, AuthError> {
    if token.contains(' ') {
        return Err(AuthError::Unsendable { what: "token" });
    }
    sensitive("token", token, "Bearer ")
}

fn sensitive(what: &'static str, secret: &str, scheme: &str) -> Result<HeaderValue, AuthError> {
    let fits = !secret.is_empty()
        && secret.trim() == secret
        && secret.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !fits {
        return Err(AuthError::Unsendable { what });
    }
    let mut value = HeaderValue::from_str(&format!("{scheme}{secret}"))
        .map_err(|_| AuthError::Unsendable { what })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Authorizes the requests of one arbiter.
pub(super) struct Authorizer(Way);

enum Way {
    None,
    Static(Cached),
    OAuth2(Tokens),
}

impl Authorizer {
    /// The header of a request that is made now. Waits only for a token that is not there yet.
    pub(super) async fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
        match &self.0 {
            Way::None => Ok(None),
            Way::Static(cached) => Ok(Some(cached.header())),
            Way::OAuth2(tokens) => tokens.header().await.map(|it| Some((AUTHORIZATION, it))),
        }
    }

    /// A request with this header was answered with 401. Whether it makes sense to ask for a header
    /// once more and send again: there is another by now, or there will be.
    pub(super) fn rejected(&self, sent: &HeaderMap) -> bool {
        match &self.0 {
            Way::None => false,
            Way::Static(cached) => {
                let (name, value) = cached.header();
                sent.get(name).is_some_and(|sent| *sent != value)
            }
            Way::OAuth2(tokens) => sent.get(AUTHORIZATION).is_some_and(|it| tokens.rejected(it)),
        }
    }
}

/// A header, with the version of the secret that it was last looked at for.
struct Cached {
    given: Static,
    made: RefCell<(u64, HeaderValue)>,
}

impl Cached {
    fn new(given: Static) -> Result<Self, SinkError> {
        let version = given.secret.version();
        let value = given.value().map_err(|error| SinkError(error.to_string()))?;
        Ok(Self { given, made: RefCell::new((version, value)) })
    }

    fn header(&self) -> (HeaderName, HeaderValue) {
        let mut made = self.made.borrow_mut();
        let version = self.given.secret.version();
        if made.0 != version {
            made.0 = version;
            // One that cannot be sent leaves what was; `news` says so.
            if let Ok(value) = self.given.value() {
                made.1 = value;
            }
        }
        (self.given.name.clone(), made.1.clone())
    }
}
