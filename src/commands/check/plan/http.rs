//! What is particular about the requests of a pipeline: only what is not the default has a line.

use std::time::Duration;

use awc::http::Uri;
use keyway_actors::core::breaker::BreakerPolicy;
use keyway_actors::core::destinations::RetryAfter;
use keyway_actors::route::{MatchMode, RequestSettings, RouteSettings, Unmatched};
use keyway_actors::sink::http::{ConnectionPolicy, HttpSettings as Sink, Reuse, TlsFiles};

use super::Line;
use crate::commands::words::{count, size};
use crate::settings::{
    AuthSettings, Coding, DestinationSettings, EventMode, Filled, HttpSettings, Routes,
    SecretSource, Way,
};

/// How long a connection may take by default.
const CONNECT: Duration = Duration::from_secs(5);

/// Where records go, and how.
pub fn lines(http: &HttpSettings) -> Vec<Line> {
    let mut lines = match &http.way {
        Way::One(url) => vec![("url", shown_url(url, &http.filled))],
        Way::Routes(written) => routes(written),
    };
    lines.push(("request", request(http)));
    lines.extend(connections(http).map(|how| ("connections", how)));
    lines.extend(destination(&http.destination));
    if let Some(compression) = http.compression {
        let name = match compression.coding {
            Coding::Gzip => "gzip",
            Coding::Zstd => "zstd",
        };
        lines.push(("compression", format!("{name}, from {}", size(compression.min_bytes))));
    }
    if let Some(condition) = &http.success_when {
        lines
            .push(("success", format!("a 2xx answer for which: {}", one_line(&condition.written))));
    }
    if let Some(events) = &http.cloud_events {
        let mode = match events.mode {
            EventMode::Binary => "attributes in headers",
            EventMode::Structured => "all in one JSON document",
        };
        let source = events.source.as_deref().unwrap_or("keyway:GROUP/TOPIC");
        let kind = events.kind.as_deref().unwrap_or("io.keyway.record");
        lines.push(("CloudEvents", format!("{mode}; source {source}, type {kind}")));
    }
    if !http.signature.is_empty() {
        let secrets: Vec<_> = http.signature.iter().map(SecretSource::shown).collect();
        let number = count(secrets.len(), "secret");
        lines.push(("signed", format!("with {number}: {}", secrets.join(", "))));
    }
    lines.extend(auth(&http.auth).map(|how| ("auth", how)));
    if let Some(proxies) = &http.proxy {
        lines.push(("proxy", format!("{}, for https but for NO_PROXY", proxies.proxy)));
    }
    lines.extend(http.tls.as_ref().map(|files| ("TLS", tls(files))));
    lines
}

/// Without its query, which may hold a secret, and with each `${NAME}` that was filled in.
pub fn shown_url(url: &Uri, filled: &Filled) -> String {
    let sink = Sink::new(&url.to_string());
    let shown =
        sink.map_or_else(|error| error.to_string(), |sink| sink.shown_url().unwrap_or_default());
    filled.hide(&shown)
}

fn routes(routes: &Routes) -> Vec<Line> {
    let settings = &routes.written;
    let mode = match settings.mode {
        MatchMode::First => "the first that matches",
        MatchMode::All => "all that match, one after the other",
    };
    let unmatched = match settings.unmatched {
        Unmatched::Filter => "filtered",
        Unmatched::DeadLetter => "dead-lettered",
        Unmatched::Stop => "a reason to stop",
    };
    let number = count(settings.routes.len(), "route");
    let mut lines = vec![("routes", format!("{number}, {mode}; what none matches is {unmatched}"))];
    for (number, route) in (1..).zip(&settings.routes) {
        lines.extend(route_lines(number, route));
    }
    if !settings.allowed_hosts.is_empty() {
        lines.push(("", format!("hosts from records: {}", settings.allowed_hosts.join(", "))));
    }
    lines
}

fn route_lines(number: usize, route: &RouteSettings) -> impl Iterator<Item = Line> {
    let when = match &route.when {
        Some(when) => format!("when {}", one_line(when)),
        None => "always".to_owned(),
    };
    let head = match route.requests.len() {
        0 => format!("{number}. {when}: filtered"),
        _ => format!("{number}. {when}"),
    };
    let requests = route.requests.iter().map(|request| ("", format!("   {}", shown(request))));
    std::iter::once(("", head)).chain(requests.collect::<Vec<_>>())
}

/// Method, URL without its query, names of headers: values and bodies may hold secrets.
fn shown(request: &RequestSettings) -> String {
    let method = request.method.as_deref().unwrap_or("POST");
    let mut text = format!("{} {}", one_line(method), written_url(&request.url));
    if !request.headers.is_empty() {
        let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        text.push_str(", headers ");
        text.push_str(&names.join(", "));
    }
    if request.body.is_some() {
        text.push_str(", a body of its own");
    }
    text
}

/// A URL of a route as it is written, without its query.
pub fn written_url(url: &str) -> String {
    match url.split_once('?') {
        Some((head, _)) => format!("{}?...", one_line(head)),
        None => one_line(url),
    }
}

fn request(http: &HttpSettings) -> String {
    let method = if matches!(http.way, Way::One(_)) { "POST, " } else { "" };
    format!(
        "{method}at most {:?}; content type {} where the record names none",
        http.timeout, http.content_type
    )
}

fn connections(http: &HttpSettings) -> Option<String> {
    let standard = ConnectionPolicy::default();
    let policy = &http.connections;
    let mut said = Vec::new();
    if policy.reuse == Reuse::PerRequest {
        said.push("one a request".to_owned());
    }
    if policy.idle_timeout != standard.idle_timeout {
        said.push(format!("idle at most {:?}", policy.idle_timeout));
    }
    match policy.max_age {
        _ if policy.max_age == standard.max_age => {}
        Some(age) => said.push(format!("used for at most {age:?}")),
        None => said.push("used however old".to_owned()),
    }
    if policy.max_requests > 0 {
        said.push(format!("at most {}", count(policy.max_requests as usize, "request")));
    }
    if http.connect_timeout != CONNECT {
        said.push(format!("made within {:?}", http.connect_timeout));
    }
    if !http.allowed_networks.is_empty() {
        let networks: Vec<_> = http.allowed_networks.iter().map(ToString::to_string).collect();
        said.push(format!("for hosts from records also to {}", networks.join(", ")));
    }
    (!said.is_empty()).then(|| said.join(", "))
}

fn destination(destination: &DestinationSettings) -> Vec<Line> {
    let mut said = Vec::new();
    if let Some((pace, burst)) = destination.rate {
        said.push(format!("at most {pace}, {burst} at once"));
    }
    if let Some(most) = destination.max_in_flight {
        said.push(format!("at most {} in flight", count(most.get(), "request")));
    }
    if destination.adaptive {
        said.push("the number in flight is found out".to_owned());
    }
    if destination.retry_after == RetryAfter::Destination {
        said.push("all of it waits for a Retry-After".to_owned());
    }
    let mut lines = Vec::new();
    if !said.is_empty() {
        lines.push(("destination", format!("each: {}", said.join("; "))));
    }
    lines.extend(destination.breaker.as_ref().map(|policy| ("breaker", breaker(policy))));
    lines
}

fn breaker(policy: &BreakerPolicy) -> String {
    let BreakerPolicy { failure_ratio, min_requests, window, open_for, max_open_for, probes } =
        policy;
    format!(
        "opens when {failure_ratio} of at least {min_requests} requests in {window:?} failed, for \
         {open_for:?} to {max_open_for:?}; closes after {}",
        count(*probes as usize, "probe")
    )
}

fn auth(auth: &AuthSettings) -> Option<String> {
    Some(match auth {
        AuthSettings::None => return None,
        AuthSettings::Basic { username, password } => {
            format!("basic: user {}, password {}", one_line(username), password.shown())
        }
        AuthSettings::Bearer { token } => format!("bearer: token {}", token.shown()),
        AuthSettings::Header { name, value } => format!("header {name}: {}", value.shown()),
        AuthSettings::OAuth2 { token_url, client_id, client_secret, .. } => {
            let url = token_url.split('?').next().unwrap_or_default();
            let client = one_line(client_id);
            format!("oauth2: tokens of {url} for {client}, secret {}", client_secret.shown())
        }
    })
}

fn tls(files: &TlsFiles) -> String {
    let ca = files.ca.as_ref().map(|path| format!("trusts {}", path.display()));
    let cert = files.cert.as_ref().map(|path| format!("shows {}", path.display()));
    ca.into_iter().chain(cert).collect::<Vec<_>>().join(", ")
}

/// What would end the line is escaped.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_debug()) } else { line.push(c) }
    }
    line
}
