//! Who is answered: whoever knows the token, and no page of another site.
//!
//! Health is for everybody: a probe has no secrets. A listener on loopback answers only requests
//! that name this machine as their host. A browser that was told that some name of the outside is
//! 127.0.0.1 (DNS rebinding) sends that name, and the page that it came from gets nothing.

use std::net::{IpAddr, SocketAddr};

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use actix_web::http::uri::Authority;
use actix_web::middleware::Next;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use keyway_actors::sink::http::Secret;
use keyway_actors::web::Problem;
use subtle::ConstantTimeEq;

use crate::supervisor::Who;

/// The name of the token, of which there is one.
const TOKEN: &str = "api.token";

/// What is answered without a token.
pub const HEALTH: [&str; 2] = ["/livez", "/readyz"];

/// Says whom a listener answers.
#[derive(Debug)]
pub struct Guard {
    token: Option<Secret>,
    /// It listens on loopback.
    local: bool,
}

impl Guard {
    /// For a listener at this address; without a token it answers whoever can reach it.
    pub fn new(token: Option<Secret>, address: SocketAddr) -> Self {
        Self { token, local: address.ip().is_loopback() }
    }

    /// Why a request is refused.
    fn refusal(&self, path: &str, headers: &HeaderMap) -> Option<HttpResponse> {
        if self.local && names_another(headers) {
            return Some(misdirected().response());
        }
        // A page cannot know the token, and where there is none, only this tells it from a user.
        if self.token.is_none() && comes_from_another_site(headers) {
            let detail = "a page of another site asks, and without api.token none is answered";
            return Some(Problem::new(StatusCode::FORBIDDEN, detail).response());
        }
        let token = self.token.as_ref().filter(|_| !HEALTH.contains(&path))?;
        if given(headers).is_some_and(|given| is_same(given, token.current().as_bytes())) {
            return None;
        }
        let mut refused = unauthorized().response();
        let scheme = HeaderValue::from_static("Bearer");
        refused.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        Some(refused)
    }
}

/// The answer to who asks another machine.
pub fn misdirected() -> Problem {
    let detail = "the Host header names another machine, and this listener is for this one alone; \
        ask for localhost or 127.0.0.1";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
}

/// The answer to who does not know the token.
pub fn unauthorized() -> Problem {
    let detail = "send the token of api.token as `Authorization: Bearer TOKEN`";
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

/// Who sends a request, for the log.
pub fn who(request: &HttpRequest) -> Who {
    let guard = request.app_data::<web::Data<Guard>>();
    let token = guard.and_then(|guard| guard.token.as_ref()).map(|_| TOKEN);
    let from = request.peer_addr().map_or_else(String::new, |address| address.to_string());
    Who { token, from }
}

/// Lets a request through, or refuses it.
pub async fn guard<B: MessageBody>(
    guard: web::Data<Guard>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match guard.refusal(request.path(), request.headers()) {
        None => next.call(request).await.map(ServiceResponse::map_into_left_body),
        Some(refused) => Ok(request.into_response(refused).map_into_right_body()),
    }
}

/// Whether a request names a host that is not this machine. One without a host comes from no browser.
fn names_another(headers: &HeaderMap) -> bool {
    let is_local = |host: &[u8]| {
        let Ok(authority) = Authority::try_from(host) else { return false };
        let host = authority.host();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
    };
    headers.get_all(HOST).any(|host| !is_local(host.as_bytes()))
}

/// Whether a browser says that a page from elsewhere asks. It asks even where the page may not read
/// the answer, and to change something that is enough.
fn comes_from_another_site(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let asked = headers.get(HOST).map(HeaderValue::as_bytes);
    let origin = origin.as_bytes();
    let of_page = [&b"http://"[..], b"https://"].iter().find_map(|it| origin.strip_prefix(*it));
    of_page.is_none() || of_page != asked
}

/// The token that a request brings.
fn given(headers: &HeaderMap) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

/// Takes as long wherever the two differ, so that a token cannot be found out letter by letter. Its
/// length is no secret.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    given.ct_eq(token).into()
}
