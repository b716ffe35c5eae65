//! Headers of routes that another setting sets too: the request would have that one's, and the
//! route's would be gone without a word.

use super::problem::{Place, Problems};
use super::routes::{TypedRequest, TypedRoutes};
use super::types::{AuthSettings, EventMode, HttpSettings};

/// Refuses every header of a route that is replaced when its request is sent.
pub fn check(typed: &TypedRoutes, http: &HttpSettings, problems: &mut Problems) {
    for request in typed.routes.iter().flat_map(|route| &route.requests) {
        for (name, text) in &request.headers {
            if let Some(who) = setter(&name.to_ascii_lowercase(), request, http) {
                let what = format!("{who} sets this header; leave out the one or the other");
                problems.push(&Place::Written(text.spot.clone()), what);
            }
        }
    }
}

/// Which setting sets a header, its name in lower case.
fn setter(name: &str, request: &TypedRequest, http: &HttpSettings) -> Option<&'static str> {
    let authorized = match &http.auth {
        AuthSettings::None => None,
        AuthSettings::Basic { .. } => Some(("authorization", "http.auth.kind = \"basic\"")),
        AuthSettings::Bearer { .. } => Some(("authorization", "http.auth.kind = \"bearer\"")),
        AuthSettings::OAuth2 { .. } => Some(("authorization", "http.auth.kind = \"oauth2\"")),
        AuthSettings::Header { name, .. } => Some((name.as_str(), "http.auth.name")),
    };
    if let Some((_, who)) = authorized.filter(|(own, _)| own.eq_ignore_ascii_case(name)) {
        return Some(who);
    }
    // A request with a body of its own is no event. A `Content-Type` is not replaced: it says of an
    // event what its data is.
    let events = http.cloud_events.as_ref().filter(|_| request.body.is_none());
    let is_binary = events.is_some_and(|events| events.mode == EventMode::Binary);
    if is_binary && name.starts_with("ce-") {
        return Some("http.cloudevents.mode = \"binary\"");
    }
    (http.compression.is_some() && name == "content-encoding").then_some("http.compression")
}
