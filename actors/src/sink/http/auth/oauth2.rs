//! Tokens by client credentials (RFC 6749, 4.4): fetched when there is none, renewed in time.
//!
//! On an arbiter there is at most one request for a token at a time, and at most one begun within a
//! second, however many records wait for it or are refused with it. It is renewed before it expires,
//! beside the requests that go on with the one there is.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use awc::Client;
use awc::http::header::HeaderValue;
use slog::{Logger, debug, warn};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::endpoint::{Issued, fetch};
use super::super::place::Place;
use super::super::proxy::Proxies;
use super::super::secret::Secret;
use super::super::settings::HttpSettings;
use super::super::target::Target;
use super::super::watched::News;
use super::AuthError;
use crate::core::outcome::{Failure, FailureKind};
use crate::sink::SinkError;

mod endpoint;

/// The least time between two requests for a token: what the endpoint has to bear from an arbiter
/// when it fails, or when the tokens it issues are refused.
const BACK_OFF: Duration = Duration::from_secs(1);

/// A token is renewed when a fifth of its life is left, but never sooner than this before its end: a
/// renewal takes no longer than the timeout of its request.
const MARGIN: Duration = Duration::from_secs(30);

/// The longest wait for the head of an answer of the token endpoint, and again for its body.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where tokens come from, and what for.
#[derive(Clone)]
pub struct OAuth2 {
    endpoint: HttpSettings,
    target: Target,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
    audience: Option<String>,
    credentials_in_body: bool,
}

impl OAuth2 {
    /// Tokens of this endpoint, for this client.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn new(token_url: &str, client_id: &str, secret: Secret) -> Result<Self, AuthError> {
        Ok(Self {
            endpoint: HttpSettings::new(token_url)?.timeout(TIMEOUT)?,
            target: Target::parse(token_url)?,
            client_id: client_id.to_owned(),
            client_secret: secret,
            scope: None,
            audience: None,
            credentials_in_body: false,
        })
    }

    /// The scopes to ask for, with a blank between them; the endpoint's own choice by default.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }

    /// Whom the token is for, as some issuers want to know (`audience`); not sent by default.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    /// Sends id and secret in the body, for an endpoint that does not take them by HTTP Basic,
    /// which RFC 6749 (2.3.1) asks every endpoint to.
    #[must_use]
    pub fn credentials_in_body(mut self) -> Self {
        self.credentials_in_body = true;
        self
    }

    /// Changes how the endpoint is reached: its TLS settings, its timeouts, and its proxy if that is
    /// not the one of the requests that the tokens are for. What else the settings hold is of no
    /// account for it.
    #[must_use]
    pub fn reach(mut self, change: impl FnOnce(HttpSettings) -> HttpSettings) -> Self {
        self.endpoint = change(self.endpoint);
        self
    }

    pub(super) fn through(mut self, proxies: &Proxies) -> Self {
        self.endpoint.proxies.get_or_insert_with(|| proxies.clone());
        self
    }

    pub(super) fn news(&self) -> Option<News> {
        self.client_secret.news()
    }
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("token_url", &self.target.to_string())
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret)
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .field("credentials_in_body", &self.credentials_in_body)
            .finish_non_exhaustive()
    }
}

/// The token of an arbiter.
pub(super) struct Tokens(Rc<Inner>);

struct Inner {
    oauth2: OAuth2,
    client: Client,
    log: Logger,
    state: RefCell<State>,
    /// Told when a request for a token has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// When the latest request for one began, or failed, and whether it is still under way.
    asked: Option<Instant>,
    under_way: bool,
    /// How the latest one failed; none if it did not.
    failure: Option<Failure>,
}

struct Token {
    header: HeaderValue,
    /// `None` both where the endpoint says nothing of its life: it is used until it is refused.
    renew_at: Option<Instant>,
    expires_at: Option<Instant>,
}

/// What to do about a request that needs a token.
enum Step {
    Use(HeaderValue),
    Fail(Failure),
    Wait,
}

impl Tokens {
    pub(super) fn new(oauth2: &OAuth2, log: &Logger) -> Result<Self, SinkError> {
        // One place in the pool: there is one request at a time.
        let place = Place::new(&oauth2.endpoint, &oauth2.target, false, 1, &Rc::default())?;
        Ok(Self(Rc::new(Inner {
            oauth2: oauth2.clone(),
            client: place.client,
            log: log.clone(),
            state: RefCell::default(),
            ended: Notify::new(),
        })))
    }

    /// The value of `Authorization`. At once while there is a token; else as soon as there is one.
    pub(super) async fn header(&self) -> Result<HeaderValue, Failure> {
        loop {
            // Made before the state is looked at, so that an end in between is not missed.
            let ended = self.0.ended.notified();
            match self.0.step(Instant::now()) {
                Step::Use(header) => return Ok(header),
                Step::Fail(failure) => return Err(failure),
                Step::Wait => ended.await,
            }
        }
    }

    /// This header was refused. If its token is still the one in use it is not used any more: of
    /// many requests that are refused with it, the first brings about the one renewal.
    pub(super) fn rejected(&self, sent: &HeaderValue) -> bool {
        let mut state = self.0.state.borrow_mut();
        if state.token.as_ref().is_some_and(|token| token.header == *sent) {
            state.token = None;
        }
        true
    }
}

impl Inner {
    /// Starts a request for a token where one is due.
    fn step(self: &Rc<Self>, now: Instant) -> Step {
        let mut state = self.state.borrow_mut();
        let may_ask = state.may_ask(now);
        let step = match &state.token {
            Some(token) if token.expires_at.is_none_or(|at| now < at) => {
                let step = Step::Use(token.header.clone());
                if !may_ask || token.renew_at.is_none_or(|at| now < at) {
                    return step;
                }
                step
            }
            _ if state.under_way => return Step::Wait,
            _ if !may_ask => return Step::Fail(self.too_soon(&state)),
            _ => Step::Wait,
        };
        state.asked = Some(now);
        state.under_way = true;
        drop(state);
        // On its own: the request that wants it may be given up while others wait for it too.
        actix_rt::spawn(Asking(Rc::clone(self)).ask(now));
        step
    }

    /// Why there is no token, and none is asked for yet.
    fn too_soon(&self, state: &State) -> Failure {
        state.failure.clone().unwrap_or_else(|| {
            failure(
                &self.oauth2,
                FailureKind::Other,
                "its token was refused as soon as it was used",
            )
        })
    }
}

impl State {
    fn may_ask(&self, now: Instant) -> bool {
        !self.under_way && self.asked.is_none_or(|at| now.duration_since(at) >= BACK_OFF)
    }
}

/// A request for a token. However it ends, whoever waits is told.
struct Asking(Rc<Inner>);

impl Asking {
    async fn ask(self, began: Instant) {
        let inner = &self.0;
        let answer = fetch(&inner.client, &inner.oauth2).await;
        let mut state = inner.state.borrow_mut();
        match answer {
            Ok(issued) => {
                debug!(inner.log, "token fetched";
                    "from" => &*inner.oauth2.target.host,
                    "life_seconds" => issued.life.map(|it| it.as_secs()));
                state.failure = None;
                state.token = Some(Token::new(issued, began));
            }
            Err(failure) => {
                if state.failure.as_ref() != Some(&failure) {
                    warn!(inner.log, "no token"; "reason" => &*failure.reason);
                }
                state.failure = Some(failure);
                // From its end on, or whoever waited for one that took long would find it too old
                // to count, and wait for the next.
                state.asked = Some(Instant::now());
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.state.try_borrow_mut() {
            state.under_way = false;
        }
        self.0.ended.notify_waiters();
    }
}

impl Token {
    /// Its life is counted from before it was asked for, which is sooner than the endpoint does.
    fn new(issued: Issued, began: Instant) -> Self {
        let life = issued.life.map(|life| life.max(BACK_OFF));
        let renew = |life: Duration| (life / 5 * 4).max(life.saturating_sub(MARGIN));
        Self {
            header: issued.header,
            renew_at: life.and_then(|life| began.checked_add(renew(life))),
            expires_at: life.and_then(|life| began.checked_add(life)),
        }
    }
}

/// A failure that names the endpoint and holds nothing of what was sent to it.
fn failure(oauth2: &OAuth2, kind: FailureKind, why: impl fmt::Display) -> Failure {
    Failure::new(kind, format!("oauth2: {}: {why}", oauth2.target.host))
}
