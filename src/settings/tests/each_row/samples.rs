//! A value for each row that is not its default, and what it needs besides to be taken.

use std::sync::LazyLock;

use keyway_actors::core::breaker::BreakerPolicy;
use keyway_actors::route::RoutesSettings;
use keyway_actors::sink::file::FileSettings;
use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::super::*;
use crate::settings::types::SecretSource;

/// What a row is set to, and where that must show.
pub struct Sample {
    pub variable: &'static str,
    pub typed: &'static str,
    pub shown: fn(&Settings) -> String,
    pub expected: String,
}

macro_rules! samples {
    ($($variable:literal, $typed:expr, $settings:ident => $value:expr, $expected:expr;)*) => {
        [$(Sample {
            variable: $variable,
            typed: $typed,
            shown: |$settings| format!("{:?}", $value),
            expected: $expected.to_string(),
        }),*]
    };
}

/// Files that hold a secret, one to sign with, and a certificate with its key; and each once more.
pub static FILES: LazyLock<[&str; 6]> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let write = |name: &str, content: String| {
        let path = folder.join(name);
        fs::write(&path, content).expect("the file is written");
        &*path.display().to_string().leak()
    };
    [
        write("secret", "hush\n".to_owned()),
        write("signing", format!("{SIGNING}\n")),
        write("tls.pem", cert.pem() + &signing_key.serialize_pem()),
        write("other-secret", "hush\n".to_owned()),
        write("other-signing", format!("{SIGNING}\n")),
        write("other-tls.pem", cert.pem() + &signing_key.serialize_pem()),
    ]
});

/// Folders that are there.
pub static FOLDERS: LazyLock<[&str; 2]> = LazyLock::new(|| {
    [(), ()].map(|()| {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        &*folder.canonicalize().expect("it is there").display().to_string().leak()
    })
});

/// The secret of the example of Standard Webhooks.
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One sample a row, none of them the default; `KEYWAY_CONFIG` has a test of its own.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn samples() -> [Sample; 98] {
    let [secret, signing, pem, ..] = *FILES;
    let folder = FOLDERS[0];
    let from = |path: &str| format!("from {path}");
    samples![
        "KEYWAY_BROKERS", "other:9093", s => s.pipelines[0].kafka.get("bootstrap.servers"), "Some(\"other:9093\")";
        "KEYWAY_TOPICS", "a", s => s.pipelines[0].topics, "[\"a\"]";
        "KEYWAY_GROUP_ID", "g", s => s.pipelines[0].group_id, "\"g\"";
        "KEYWAY_URL", "https://other/x", s => http_of(s).way, "One(https://other/x)";
        "KEYWAY_NAME", "n", s => s.pipelines[0].name, "\"n\"";
        "KEYWAY_PARTITIONS", "7", s => s.pipelines[0].partitions, "Some([7])";
        "KEYWAY_ORDERING", "partition", s => s.pipelines[0].ordering, "Partition";
        "KEYWAY_SENDERS", "17", s => s.pipelines[0].senders, "17";
        "KEYWAY_ARBITERS", "2", s => s.pipelines[0].arbiters, "2";
        "KEYWAY_BUFFER_BYTES", "3MiB", s => s.pipelines[0].buffer_bytes, "3145728";
        "KEYWAY_BUFFER_RECORDS", "18", s => s.pipelines[0].buffer_records, "18";
        "KEYWAY_COMMIT_INTERVAL", "19ms", s => s.pipelines[0].commit_interval, "19ms";
        "KEYWAY_REVOKE_DEADLINE", "21s", s => s.pipelines[0].revoke_deadline, "21s";
        "KEYWAY_DRAIN_DEADLINE", "22s", s => s.pipelines[0].drain_deadline, "22s";
        "KEYWAY_OFFSET_OVERFLOW", "replay", s => s.pipelines[0].offset_overflow, "Replay";
        "KEYWAY_OFFSET_METADATA_MAX_BYTES", "8KiB", s => s.pipelines[0].offset_metadata_max_bytes, "8192";
        "KEYWAY_REQUEST_TIMEOUT", "23s", s => http_of(s).timeout, "23s";
        "KEYWAY_HTTP_CONTENT_TYPE", "text/plain", s => http_of(s).content_type, "\"text/plain\"";
        "KEYWAY_HTTP_SUCCESS_WHEN", "body.ok", s => http_of(s).success_when, "Some(\"body.ok\")";
        "KEYWAY_HTTP_COMPRESSION", "zstd", s => http_of(s).compression.map(|it| it.coding), "Some(Zstd)";
        "KEYWAY_HTTP_COMPRESSION_MIN_BYTES", "2KiB", s => http_of(s).compression.map(|it| it.min_bytes), "Some(2048)";
        "KEYWAY_HTTP_CLOUDEVENTS_MODE", "structured", s => http_of(s).cloud_events.as_ref().map(|it| it.mode), "Some(Structured)";
        "KEYWAY_HTTP_CLOUDEVENTS_SOURCE", "https://shop/", s => http_of(s).cloud_events.as_ref().map(|it| &it.source), "Some(Some(\"https://shop/\"))";
        "KEYWAY_HTTP_CLOUDEVENTS_TYPE", "order", s => http_of(s).cloud_events.as_ref().map(|it| &it.kind), "Some(Some(\"order\"))";
        "KEYWAY_MATCH", "all", s => routes(s).mode, "All";
        "KEYWAY_UNMATCHED", "stop", s => routes(s).unmatched, "Stop";
        "KEYWAY_HTTP_ALLOWED_HOSTS", "*.b.example", s => routes(s).allowed_hosts, "[\"*.b.example\"]";
        "KEYWAY_HTTP_ALLOWED_NETWORKS", "10.0.0.0/8", s => http_of(s).allowed_networks.iter().map(ToString::to_string).collect::<Vec<_>>(), "[\"10.0.0.0/8\"]";
        "KEYWAY_HTTP_CONNECT_TIMEOUT", "28s", s => http_of(s).connect_timeout, "28s";
        "KEYWAY_HTTP_CONNECTION", "per_request", s => http_of(s).connections.reuse, "PerRequest";
        "KEYWAY_HTTP_CONNECTION_IDLE_TIMEOUT", "29s", s => http_of(s).connections.idle_timeout, "29s";
        "KEYWAY_HTTP_CONNECTION_MAX_AGE", "off", s => http_of(s).connections.max_age, "None";
        "KEYWAY_HTTP_CONNECTION_MAX_REQUESTS", "31", s => http_of(s).connections.max_requests, "31";
        "KEYWAY_HTTP_RATE", "500/m", s => http_of(s).destination.rate.map(|(pace, burst)| (pace.to_string(), burst)), "Some((\"500/m\", 1))";
        "KEYWAY_HTTP_BURST", "32", s => http_of(s).destination.rate.map(|it| it.1), "Some(32)";
        "KEYWAY_HTTP_MAX_IN_FLIGHT", "33", s => http_of(s).destination.max_in_flight, "Some(33)";
        "KEYWAY_HTTP_CONCURRENCY", "adaptive", s => http_of(s).destination.adaptive, "true";
        "KEYWAY_HTTP_RESPECT_RETRY_AFTER", "destination", s => http_of(s).destination.retry_after, "Destination";
        "KEYWAY_HTTP_BREAKER_ENABLED", "true", s => http_of(s).destination.breaker.is_some(), "true";
        "KEYWAY_HTTP_BREAKER_FAILURE_RATIO", "75%", s => breaker(s).map(|it| it.failure_ratio), "Some(0.75)";
        "KEYWAY_HTTP_BREAKER_MIN_REQUESTS", "34", s => breaker(s).map(|it| it.min_requests), "Some(34)";
        "KEYWAY_HTTP_BREAKER_WINDOW", "35s", s => breaker(s).map(|it| it.window), "Some(35s)";
        "KEYWAY_HTTP_BREAKER_OPEN_FOR", "36s", s => breaker(s).map(|it| it.open_for), "Some(36s)";
        "KEYWAY_HTTP_BREAKER_MAX_OPEN_FOR", "37s", s => breaker(s).map(|it| it.max_open_for), "Some(37s)";
        "KEYWAY_HTTP_BREAKER_PROBES", "38", s => breaker(s).map(|it| it.probes), "Some(38)";
        "KEYWAY_HTTP_AUTH_KIND", "bearer", s => auth(s), "Bearer { token: *** }";
        "KEYWAY_HTTP_AUTH_USERNAME", "you", s => auth(s), "Basic { username: \"you\", password: *** }";
        "KEYWAY_HTTP_AUTH_PASSWORD", "hush", s => auth(s) == &basic("hush"), "true";
        "KEYWAY_HTTP_AUTH_PASSWORD_FILE", secret, s => auth(s), format!("Basic {{ username: \"me\", password: {} }}", from(secret));
        "KEYWAY_HTTP_AUTH_TOKEN", "hush", s => auth(s) == &AuthSettings::Bearer { token: given("hush") }, "true";
        "KEYWAY_HTTP_AUTH_TOKEN_FILE", secret, s => auth(s), format!("Bearer {{ token: {} }}", from(secret));
        "KEYWAY_HTTP_AUTH_NAME", "X-Key", s => auth(s), "Header { name: \"X-Key\", value: *** }";
        "KEYWAY_HTTP_AUTH_VALUE", "hush", s => auth(s) == &AuthSettings::Header { name: "X-Any".to_owned(), value: given("hush") }, "true";
        "KEYWAY_HTTP_AUTH_VALUE_FILE", secret, s => auth(s), format!("Header {{ name: \"X-Any\", value: {} }}", from(secret));
        "KEYWAY_HTTP_AUTH_TOKEN_URL", "https://id/x", s => oauth2(s).0, "\"https://id/x\"";
        "KEYWAY_HTTP_AUTH_CLIENT_ID", "other", s => oauth2(s).1, "\"other\"";
        "KEYWAY_HTTP_AUTH_CLIENT_SECRET", "hush", s => oauth2(s).2 == &given("hush"), "true";
        "KEYWAY_HTTP_AUTH_CLIENT_SECRET_FILE", secret, s => oauth2(s).2, from(secret);
        "KEYWAY_HTTP_AUTH_SCOPE", "a b", s => oauth2(s).3, "Some(\"a b\")";
        "KEYWAY_HTTP_AUTH_AUDIENCE", "us", s => oauth2(s).4, "Some(\"us\")";
        "KEYWAY_HTTP_SIGNATURE_SECRETS", SIGNING, s => http_of(s).signature == [given(SIGNING)], "true";
        "KEYWAY_HTTP_SIGNATURE_SECRETS_FILE", signing, s => http_of(s).signature, format!("[{}]", from(signing));
        "KEYWAY_HTTP_TLS_CA_FILE", pem, s => http_of(s).tls.as_ref().and_then(|it| it.ca.as_ref()), format!("Some({pem:?})");
        "KEYWAY_HTTP_TLS_CERT_FILE", pem, s => http_of(s).tls.as_ref().and_then(|it| it.cert.as_ref()), format!("Some({pem:?})");
        "KEYWAY_HTTP_TLS_KEY_FILE", pem, s => http_of(s).tls.as_ref().and_then(|it| it.key.as_ref()), format!("Some({pem:?})");
        "KEYWAY_FILE_PATH", "/x/y", s => file_of(s).path, "\"/x/y\"";
        "KEYWAY_FILE_FORMAT", "ndjson", s => file_of(s).format, "Ndjson";
        "KEYWAY_FILE_SYNC", "always", s => file_of(s).sync, "Always";
        "KEYWAY_FILE_SYNC_INTERVAL", "41ms", s => file_of(s).sync, "Interval(41ms)";
        "KEYWAY_FILE_ROTATE_SIZE", "3KiB", s => file_of(s).rotation.size, "Some(3072)";
        "KEYWAY_FILE_ROTATE_AGE", "42h", s => file_of(s).rotation.age, "Some(151200s)";
        "KEYWAY_RETRY_INITIAL", "24ms", s => s.pipelines[0].retry.initial, "24ms";
        "KEYWAY_RETRY_FACTOR", "1.5", s => s.pipelines[0].retry.factor, "1.5";
        "KEYWAY_RETRY_MAX", "25s", s => s.pipelines[0].retry.max, "25s";
        "KEYWAY_RETRY_JITTER", "half", s => s.pipelines[0].retry.jitter, "Half";
        "KEYWAY_MAX_ATTEMPTS", "26", s => s.pipelines[0].retry.max_attempts, "Some(26)";
        "KEYWAY_RETRY_MAX_AGE", "48h", s => s.pipelines[0].retry.max_age, "Some(172800s)";
        "KEYWAY_RETRY_RETRY_ON", "409", s => s.pipelines[0].retry.retry_on, "[Status(409..=409)]";
        "KEYWAY_RETRY_REJECT_ON", "501", s => s.pipelines[0].retry.reject_on, "[Status(501..=501)]";
        "KEYWAY_RETRY_RETRY_AFTER_CAP", "39s", s => s.pipelines[0].retry.retry_after_cap, "39s";
        "KEYWAY_RETRY_ON_REJECTED", "drop", s => s.pipelines[0].retry.on_rejected, "Drop";
        "KEYWAY_RETRY_ON_EXHAUSTED", "stop", s => s.pipelines[0].retry.on_exhausted, "Stop";
        "KEYWAY_DEAD_LETTER_TOPIC", "dead", s => s.pipelines[0].dead_letter.as_ref().map(|d| &d.topic), "Some(\"dead\")";
        "KEYWAY_LISTEN", "off", s => s.api.listen, "Off";
        "KEYWAY_API_TOKEN", "hush", s => s.api.token == Some(given("hush")), "true";
        "KEYWAY_API_TOKEN_FILE", secret, s => s.api.token.as_ref(), format!("Some({})", from(secret));
        "KEYWAY_API_INSECURE", "true", s => s.api.insecure, "true";
        "KEYWAY_API_TLS_CERT_FILE", pem, s => s.api.tls.as_ref().map(|it| &it.0), format!("Some({pem:?})");
        "KEYWAY_API_TLS_KEY_FILE", pem, s => s.api.tls.as_ref().map(|it| &it.1), format!("Some({pem:?})");
        "KEYWAY_API_STATE_DIR", "/x/y", s => s.api.state_dir.as_ref(), "Some(\"/x/y\")";
        "KEYWAY_API_ALLOWED_BROKERS", "a:1", s => s.api.allowed_brokers.as_ref(), "Some([\"a:1\"])";
        "KEYWAY_API_FILE_ROOT", folder, s => s.api.file_root.as_ref(), format!("Some({folder:?})");
        "KEYWAY_LOG_LEVEL", "warn", s => s.log.level, "Warning";
        "KEYWAY_LOG_FORMAT", "json", s => s.log.format, "Json";
        "KEYWAY_LOG_FILE", "/x/y", s => s.log.file, "Some(\"/x/y\")";
        "KEYWAY_LOG_FILE_MAX_SIZE", "2KiB", s => s.log.file_max_size, "2048";
        "KEYWAY_LOG_FILE_KEEP", "27", s => s.log.file_keep, "27";
        "KEYWAY_LOG_STATS_INTERVAL", "off", s => s.log.stats_interval, "None";
    ]
}

/// What a sample needs besides: settings without which it would be refused or mean nothing.
fn beside(variable: &str) -> &'static [(&'static str, &'static str)] {
    match variable {
        _ if is_of_file(variable) => &[("KEYWAY_FILE_PATH", "/any")],
        "KEYWAY_HTTP_COMPRESSION_MIN_BYTES" => &[("KEYWAY_HTTP_COMPRESSION", "gzip")],
        "KEYWAY_HTTP_CLOUDEVENTS_SOURCE" | "KEYWAY_HTTP_CLOUDEVENTS_TYPE" => {
            &[("KEYWAY_HTTP_CLOUDEVENTS_MODE", "binary")]
        }
        "KEYWAY_HTTP_BURST" => &[("KEYWAY_HTTP_RATE", "500/s")],
        "KEYWAY_HTTP_BREAKER_ENABLED" => &[],
        "KEYWAY_HTTP_AUTH_KIND" => &[("KEYWAY_HTTP_AUTH_TOKEN", "any")],
        "KEYWAY_HTTP_AUTH_USERNAME" => {
            &[("KEYWAY_HTTP_AUTH_KIND", "basic"), ("KEYWAY_HTTP_AUTH_PASSWORD", "any")]
        }
        "KEYWAY_HTTP_AUTH_PASSWORD" | "KEYWAY_HTTP_AUTH_PASSWORD_FILE" => {
            &[("KEYWAY_HTTP_AUTH_KIND", "basic"), ("KEYWAY_HTTP_AUTH_USERNAME", "me")]
        }
        "KEYWAY_HTTP_AUTH_TOKEN" | "KEYWAY_HTTP_AUTH_TOKEN_FILE" => {
            &[("KEYWAY_HTTP_AUTH_KIND", "bearer")]
        }
        "KEYWAY_HTTP_AUTH_NAME" => {
            &[("KEYWAY_HTTP_AUTH_KIND", "header"), ("KEYWAY_HTTP_AUTH_VALUE", "any")]
        }
        "KEYWAY_HTTP_AUTH_VALUE" | "KEYWAY_HTTP_AUTH_VALUE_FILE" => {
            &[("KEYWAY_HTTP_AUTH_KIND", "header"), ("KEYWAY_HTTP_AUTH_NAME", "X-Any")]
        }
        "KEYWAY_HTTP_AUTH_CLIENT_SECRET_FILE" => &OAUTH2[..3],
        _ if variable.starts_with("KEYWAY_HTTP_AUTH_") => &OAUTH2,
        _ if variable.starts_with("KEYWAY_HTTP_BREAKER_") => {
            &[("KEYWAY_HTTP_BREAKER_ENABLED", "true")]
        }
        _ => &[],
    }
}

const OAUTH2: [(&str, &str); 4] = [
    ("KEYWAY_HTTP_AUTH_KIND", "oauth2"),
    ("KEYWAY_HTTP_AUTH_TOKEN_URL", "https://any/"),
    ("KEYWAY_HTTP_AUTH_CLIENT_ID", "any"),
    ("KEYWAY_HTTP_AUTH_CLIENT_SECRET", "any"),
];

/// The same where it is known only at run time.
pub fn all_beside(variable: &str) -> Vec<(&'static str, &'static str)> {
    let mut beside = beside(variable).to_vec();
    beside.retain(|(name, _)| *name != variable);
    let pem = FILES[2];
    match variable {
        "KEYWAY_HTTP_TLS_CERT_FILE" => beside.push(("KEYWAY_HTTP_TLS_KEY_FILE", pem)),
        "KEYWAY_API_TLS_CERT_FILE" => beside.push(("KEYWAY_API_TLS_KEY_FILE", pem)),
        "KEYWAY_API_TLS_KEY_FILE" => beside.push(("KEYWAY_API_TLS_CERT_FILE", pem)),
        "KEYWAY_HTTP_TLS_KEY_FILE" => beside.push(("KEYWAY_HTTP_TLS_CERT_FILE", pem)),
        _ => {}
    }
    beside
}

/// Whether a row is for routes, which only a file has.
pub fn is_of_routes(variable: &str) -> bool {
    ["KEYWAY_MATCH", "KEYWAY_UNMATCHED", "KEYWAY_HTTP_ALLOWED_HOSTS"].contains(&variable)
}

/// Whether a row is for a file, beside which there is no URL.
pub fn is_of_file(variable: &str) -> bool {
    variable.starts_with("KEYWAY_FILE_")
}

/// All that a row needs besides itself.
pub fn world(variable: &'static str) -> Typed {
    let mut typed = Typed::needed();
    typed.variables.retain(|(name, _)| *name != variable);
    typed.variables.extend(all_beside(variable));
    if is_of_routes(variable) || is_of_file(variable) {
        typed.variables.retain(|(name, _)| *name != "KEYWAY_URL");
    }
    if is_of_routes(variable) {
        typed.file = Some("[[pipeline]]\n[[pipeline.route]]\nrequest = [{ url = 'http://a/' }]\n");
    }
    typed
}

fn http_of(settings: &Settings) -> &HttpSettings {
    settings.pipelines[0].http().expect("its records go into requests")
}

fn file_of(settings: &Settings) -> &FileSettings {
    settings.pipelines[0].file().expect("its records go into a file")
}

fn routes(settings: &Settings) -> &RoutesSettings {
    match &http_of(settings).way {
        Way::Routes(routes) => &routes.settings,
        Way::One(url) => panic!("no routes, but {url}"),
    }
}

fn breaker(settings: &Settings) -> Option<&BreakerPolicy> {
    http_of(settings).destination.breaker.as_ref()
}

fn auth(settings: &Settings) -> &AuthSettings {
    &http_of(settings).auth
}

fn given(secret: &str) -> SecretSource {
    SecretSource::Given(secret.to_owned())
}

fn basic(password: &str) -> AuthSettings {
    AuthSettings::Basic { username: "me".to_owned(), password: given(password) }
}

type OAuth2<'a> = (&'a str, &'a str, &'a SecretSource, &'a Option<String>, &'a Option<String>);

fn oauth2(settings: &Settings) -> OAuth2<'_> {
    match auth(settings) {
        AuthSettings::OAuth2 { token_url, client_id, client_secret, scope, audience } => {
            (token_url, client_id, client_secret, scope, audience)
        }
        other => panic!("{other:?}"),
    }
}
