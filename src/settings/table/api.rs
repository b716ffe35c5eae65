//! Where the process answers, and whom.

use std::path::PathBuf;

use super::super::types::Listen;
use super::super::value::{self, brokers, http, names};
use super::{Knob, Row};

/// Where health, metrics and the API are served.
pub static LISTEN: Knob<Listen> =
    Row::process("api.listen", "KEYWAY_LISTEN", "health, metrics and API, or off")
        .or("127.0.0.1:8000")
        .flag("--listen")
        .read(names::listen);

/// What whoever asks must know.
pub static API_TOKEN: Knob<String> =
    Row::process("api.token", "KEYWAY_API_TOKEN", "token asked for, but for health")
        .secret()
        .read(http::bearer_token);

/// Its file.
pub static API_TOKEN_FILE: Knob<PathBuf> =
    Row::process("api.token_file", "KEYWAY_API_TOKEN_FILE", "file that holds the token")
        .rare()
        .read(names::path);

/// Where the files of pipelines may be that are made over the API.
pub static API_FILE_ROOT: Knob<PathBuf> = Row::process(
    "api.file_root",
    "KEYWAY_API_FILE_ROOT",
    "folder that paths given to the API stay in",
)
.flag("--file-root")
.read(names::path);

/// What the listener shows.
pub static API_TLS_CERT_FILE: Knob<PathBuf> =
    Row::process("api.tls.cert_file", "KEYWAY_API_TLS_CERT_FILE", "certificate of the listener")
        .rare()
        .read(names::path);

/// Its key.
pub static API_TLS_KEY_FILE: Knob<PathBuf> =
    Row::process("api.tls.key_file", "KEYWAY_API_TLS_KEY_FILE", "the certificate's key")
        .rare()
        .read(names::path);

/// Where pipelines made through the API are kept.
pub static API_STATE_DIR: Knob<PathBuf> =
    Row::process("api.state_dir", "KEYWAY_API_STATE_DIR", "folder for pipelines made by API")
        .flag("--state-dir")
        .read(names::path);

/// Which brokers a pipeline made through the API may name.
pub static API_ALLOWED_BROKERS: Knob<String> = Row::process(
    "api.allowed_brokers",
    "KEYWAY_API_ALLOWED_BROKERS",
    "brokers that may be named to the API",
)
.list()
.rare()
.read(brokers::one);

/// Whether other machines may ask without one.
pub static API_INSECURE: Knob<bool> =
    Row::process("api.insecure", "KEYWAY_API_INSECURE", "answer anybody without a token")
        .or("false")
        .flag("--insecure")
        .read(|text| value::word(text, &[("true", true), ("false", false)]));
