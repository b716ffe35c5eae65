//! The section `[pipeline.http]`: where records go, how they are requested, and what holds for the
//! places they go to.

mod auth;

use std::num::NonZeroU32;
use std::path::PathBuf;

use awc::http::Uri;
use keyway_actors::core::breaker::BreakerPolicy;
use keyway_actors::route::Unmatched;
use keyway_actors::sink::http::{ConnectionPolicy, HttpSettings as Sink, TlsFiles};

use super::overridden;
use super::pipeline::Need;
use super::reader::{Found, Reader};
use super::routes::{self, TypedRoutes};
use super::table::{self, DEAD_LETTER_TOPIC};
use super::typed::Text;
use super::types::{
    CompressionSettings, DestinationSettings, EventSettings, HttpSettings, Way, Written,
};
use super::value::{http, in_words};

/// Reads the section; `None` where nothing says where records go.
pub fn http(
    reader: &mut Reader<'_>,
    typed: Option<&TypedRoutes>,
    need: Need,
) -> Option<HttpSettings> {
    let url = reader.find_written(&table::URL);
    let filled = url.as_ref().map(|it| it.value.1.filled.clone()).unwrap_or_default();
    let url = url.map(|it| it.map(|(url, _)| url));
    let way = way(reader, url, typed, need);
    let timeout = reader.get(&table::REQUEST_TIMEOUT);
    let connect_timeout = reader.get(&table::CONNECT_TIMEOUT);
    let content_type = reader.get(&table::CONTENT_TYPE);
    let connections = connections(reader);
    let allowed_networks = found(reader.list(&table::ALLOWED_NETWORKS)).unwrap_or_default();
    let destination = destination(reader);
    let compression = compression(reader);
    let success_when = found(reader.find_written(&table::SUCCESS_WHEN))
        .map(|(text, Text { written, .. })| Written { text, written });
    let cloud_events = cloud_events(reader);
    let signature = reader.secret_list(&table::SIGNATURE_SECRETS, &table::SIGNATURE_SECRETS_FILE);
    let auth = auth::auth(reader);
    let tls = tls(reader);
    let http = HttpSettings {
        way: way?,
        filled,
        timeout,
        connect_timeout,
        content_type,
        connections,
        allowed_networks,
        destination,
        compression,
        success_when,
        cloud_events,
        signature: found(signature).unwrap_or_default(),
        auth,
        tls,
        // Of the environment, not of a pipeline: `load` has it.
        proxy: None,
    };
    if let Some(typed) = typed {
        overridden::check(typed, &http, reader.problems);
    }
    Some(http)
}

fn found<T>(found: Option<Found<T>>) -> Option<T> {
    found.map(|found| found.value)
}

/// One URL, or routes; not both, and only with routes what is theirs.
fn way(
    reader: &mut Reader<'_>,
    url: Option<Found<Uri>>,
    typed: Option<&TypedRoutes>,
    need: Need,
) -> Option<Way> {
    let mode = reader.find(&table::MATCH);
    let unmatched = reader.find(&table::UNMATCHED);
    let mut hosts = found(reader.list(&table::ALLOWED_HOSTS)).unwrap_or_default();
    if !reader.is_sound(&[&table::ALLOWED_HOSTS.row]) {
        // Some are given: that they are missing would be false.
        hosts = vec!["host.invalid".to_owned()];
    }
    if let Some(asked) = unmatched.as_ref().filter(|it| it.value == Unmatched::DeadLetter)
        && !reader.is_given(&DEAD_LETTER_TOPIC.row)
    {
        let row = &DEAD_LETTER_TOPIC.row;
        let what = format!(
            "expected filter or stop, got \"dead_letter\": there is no dead-letter topic; set {} or \
             {}",
            row.key, row.variable
        );
        reader.problems.push(&asked.place, what);
    }
    let Some(typed) = typed else {
        for place in mode.map(|it| it.place).into_iter().chain(unmatched.map(|it| it.place)) {
            reader.problems.push(&place, "there are no routes ([[pipeline.route]]) that it is for");
        }
        if url.is_none() && need == Need::Delivery {
            reader.missing(&table::URL.row);
        }
        return url.map(|url| Way::One(url.value));
    };
    if let Some(url) = url {
        let what = "there are routes ([[pipeline.route]]), which say themselves where records go; \
                    keep the one or the other";
        reader.problems.push(&url.place, what);
    }
    let mode = found(mode).unwrap_or_default();
    let unmatched = found(unmatched).unwrap_or_default();
    routes::compile(typed, mode, unmatched, &hosts, reader.problems)
        .map(|routes| Way::Routes(Box::new(routes)))
}

fn connections(reader: &mut Reader<'_>) -> ConnectionPolicy {
    ConnectionPolicy {
        reuse: reader.get(&table::CONNECTION),
        idle_timeout: reader.get(&table::CONNECTION_IDLE_TIMEOUT),
        max_age: reader.get(&table::CONNECTION_MAX_AGE),
        max_requests: reader.get(&table::CONNECTION_MAX_REQUESTS).map_or(0, NonZeroU32::get),
    }
}

fn destination(reader: &mut Reader<'_>) -> DestinationSettings {
    let rate = reader.find(&table::RATE);
    let burst = reader.find(&table::BURST);
    if let Some(burst) = burst.as_ref().filter(|_| !reader.is_given(&table::RATE.row)) {
        let what = "there is no rate that it is the burst of; set http.rate or KEYWAY_HTTP_RATE";
        reader.problems.push(&burst.place, what);
    }
    let burst = found(burst);
    let rate = rate.map(|it| (it.value, burst.unwrap_or_else(|| http::burst(it.value))));
    DestinationSettings {
        max_in_flight: found(reader.find(&table::MAX_IN_FLIGHT)),
        adaptive: reader.get(&table::CONCURRENCY),
        rate,
        breaker: breaker(reader),
        retry_after: reader.get(&table::RESPECT_RETRY_AFTER),
    }
}

/// Checked also where it is not enabled, so that to enable it is all there is to do.
fn breaker(reader: &mut Reader<'_>) -> Option<BreakerPolicy> {
    let enabled = reader.get(&table::BREAKER_ENABLED);
    let open_for = reader.find(&table::BREAKER_OPEN_FOR);
    let max_open_for = reader.find(&table::BREAKER_MAX_OPEN_FOR);
    let policy = BreakerPolicy {
        failure_ratio: reader.get(&table::BREAKER_FAILURE_RATIO),
        min_requests: reader.get(&table::BREAKER_MIN_REQUESTS).get(),
        window: reader.get(&table::BREAKER_WINDOW),
        open_for: reader.get(&table::BREAKER_OPEN_FOR),
        max_open_for: reader.get(&table::BREAKER_MAX_OPEN_FOR),
        probes: reader.get(&table::BREAKER_PROBES).get(),
    };
    let sound = reader.is_sound(&[&table::BREAKER_OPEN_FOR.row, &table::BREAKER_MAX_OPEN_FOR.row]);
    if sound
        && policy.open_for > policy.max_open_for
        && let Some(place) = open_for.or(max_open_for).map(|it| it.place)
    {
        let (first, most) = (in_words(policy.open_for), in_words(policy.max_open_for));
        let what = format!(
            "http.breaker.open_for ({first}) is longer than http.breaker.max_open_for ({most})"
        );
        reader.problems.push(&place, what);
    }
    enabled.then_some(policy)
}

fn compression(reader: &mut Reader<'_>) -> Option<CompressionSettings> {
    let coding = reader.get(&table::COMPRESSION);
    let min_bytes = reader.get(&table::COMPRESSION_MIN_BYTES);
    coding.map(|coding| CompressionSettings { coding, min_bytes })
}

fn cloud_events(reader: &mut Reader<'_>) -> Option<EventSettings> {
    let mode = reader.get(&table::EVENTS_MODE);
    let source = found(reader.find(&table::EVENTS_SOURCE));
    let kind = found(reader.find(&table::EVENTS_TYPE));
    mode.map(|mode| EventSettings { mode, source, kind })
}

/// Files that can be used, if there are any; a certificate and its key together.
fn tls(reader: &mut Reader<'_>) -> Option<TlsFiles> {
    let knobs = [&table::TLS_CA_FILE, &table::TLS_CERT_FILE, &table::TLS_KEY_FILE];
    let given = knobs.map(|knob| reader.is_given(&knob.row));
    let [ca, cert, key] = knobs.map(|knob| reader.path(knob));
    for (one, other) in [(&cert, &table::TLS_KEY_FILE), (&key, &table::TLS_CERT_FILE)] {
        if let Some(one) = one.as_ref().filter(|_| !reader.is_given(&other.row)) {
            let key = other.row.key;
            let what = format!("a certificate and its key belong together; set {key} too");
            reader.problems.push(&one.place, what);
            return None;
        }
    }
    // What is given badly is told already.
    if given != [ca.is_some(), cert.is_some(), key.is_some()] || given == [false; 3] {
        return None;
    }
    let path = |found: &Option<Found<PathBuf>>| found.as_ref().map(|it| it.value.clone());
    let files = TlsFiles { ca: path(&ca), cert: path(&cert), key: path(&key) };
    if let Err(error) = try_files(&files) {
        // The sink's words begin with the path, and then with the setting's name.
        let named = [("ca_file", &ca), ("cert_file", &cert), ("key_file", &key)];
        let is_it = |(name, _): &&(&str, _)| error.contains(&format!(": {name} "));
        let found = named.iter().find(is_it).and_then(|(_, found)| found.as_ref());
        let any = [&ca, &cert].into_iter().flatten().next();
        if let Some(found) = found.or(any) {
            reader.problems.push(&found.place, &error);
        }
    }
    Some(files)
}

/// What the sink says of the files. It reads them again when it is made.
fn try_files(files: &TlsFiles) -> Result<(), String> {
    // The URL is of no account.
    let sink = Sink::new("https://host.invalid/").map_err(|error| error.to_string())?;
    sink.tls_files(files).map(drop).map_err(|error| error.to_string())
}
