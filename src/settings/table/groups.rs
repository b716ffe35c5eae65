//! All settings in their groups, which is the order of the help page and of the document.

#[cfg(test)]
use super::Knob;
use super::{Entry, Group, api, destination, file, http, retry, rows, security};

macro_rules! groups {
    ($($name:literal: $($module:ident::$knob:ident)*;)*) => {
        /// All settings.
        pub static GROUPS: &[Group] = &[$(Group {
            #[cfg(test)]
            name: $name,
            entries: &[$(Entry {
                row: &$module::$knob.row,
                #[cfg(test)]
                allowed: || allowed(&$module::$knob),
            }),*],
        }),*];
    };
}

groups! {
    "pipeline":
        rows::CONFIG rows::BROKERS rows::TOPICS rows::GROUP_ID rows::NAME rows::PARTITIONS
        rows::ORDERING rows::SENDERS rows::ARBITERS rows::BUFFER_BYTES rows::BUFFER_RECORDS
        rows::COMMIT_INTERVAL rows::REVOKE_DEADLINE rows::DRAIN_DEADLINE rows::OFFSET_OVERFLOW
        rows::OFFSET_METADATA_MAX_BYTES;
    "requests":
        http::URL http::REQUEST_TIMEOUT http::CONTENT_TYPE http::SUCCESS_WHEN http::COMPRESSION
        http::COMPRESSION_MIN_BYTES http::EVENTS_MODE http::EVENTS_SOURCE http::EVENTS_TYPE;
    "routes":
        http::MATCH http::UNMATCHED http::ALLOWED_HOSTS http::ALLOWED_NETWORKS;
    "connections":
        http::CONNECT_TIMEOUT http::CONNECTION http::CONNECTION_IDLE_TIMEOUT
        http::CONNECTION_MAX_AGE http::CONNECTION_MAX_REQUESTS;
    "destinations":
        destination::RATE destination::BURST destination::MAX_IN_FLIGHT destination::CONCURRENCY
        destination::RESPECT_RETRY_AFTER;
    "breaker":
        destination::BREAKER_ENABLED destination::BREAKER_FAILURE_RATIO
        destination::BREAKER_MIN_REQUESTS destination::BREAKER_WINDOW
        destination::BREAKER_OPEN_FOR destination::BREAKER_MAX_OPEN_FOR
        destination::BREAKER_PROBES;
    "auth":
        security::AUTH_KIND security::AUTH_USERNAME security::AUTH_PASSWORD
        security::AUTH_PASSWORD_FILE security::AUTH_TOKEN security::AUTH_TOKEN_FILE
        security::AUTH_NAME security::AUTH_VALUE security::AUTH_VALUE_FILE
        security::AUTH_TOKEN_URL security::AUTH_CLIENT_ID security::AUTH_CLIENT_SECRET
        security::AUTH_CLIENT_SECRET_FILE security::AUTH_SCOPE security::AUTH_AUDIENCE;
    "signature":
        security::SIGNATURE_SECRETS security::SIGNATURE_SECRETS_FILE;
    "tls":
        security::TLS_CA_FILE security::TLS_CERT_FILE security::TLS_KEY_FILE;
    "file":
        file::FILE_PATH file::FILE_FORMAT file::FILE_SYNC file::FILE_SYNC_INTERVAL
        file::FILE_ROTATE_SIZE file::FILE_ROTATE_AGE;
    "retry":
        retry::RETRY_INITIAL retry::RETRY_FACTOR retry::RETRY_MAX retry::RETRY_JITTER
        retry::MAX_ATTEMPTS retry::RETRY_MAX_AGE retry::RETRY_ON retry::REJECT_ON
        retry::RETRY_AFTER_CAP retry::ON_REJECTED retry::ON_EXHAUSTED;
    "dead_letter":
        rows::DEAD_LETTER_TOPIC;
    "process":
        api::LISTEN api::API_TOKEN api::API_TOKEN_FILE api::API_INSECURE
        api::API_TLS_CERT_FILE api::API_TLS_KEY_FILE api::API_STATE_DIR
        api::API_FILE_ROOT api::API_ALLOWED_BROKERS rows::LOG_LEVEL
        rows::LOG_FORMAT rows::LOG_FILE rows::LOG_FILE_MAX_SIZE rows::LOG_FILE_KEEP
        rows::LOG_STATS_INTERVAL;
}

/// What a refusal calls expected: no value begins with a control character.
#[cfg(test)]
fn allowed<T>(knob: &Knob<T>) -> String {
    (knob.parse)("\u{0}").err().map(|refused| refused.expected).unwrap_or_default()
}
