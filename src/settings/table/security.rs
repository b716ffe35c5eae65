//! Rows of what proves who sends and who receives: authorization, signatures, TLS.
//!
//! All but the authorities to trust belong to one pipeline: a variable must not hand one endpoint's
//! secret to another.

use std::path::PathBuf;

use super::super::types::AuthKind;
use super::super::value::{self, http, names};
use super::{Knob, Row};

/// How requests are authorized.
pub static AUTH_KIND: Knob<AuthKind> =
    Row::identity("http.auth.kind", "KEYWAY_HTTP_AUTH_KIND", "none, basic, bearer, header, oauth2")
        .or("none")
        .read(|text| {
            value::word(
                text,
                &[
                    ("none", AuthKind::None),
                    ("basic", AuthKind::Basic),
                    ("bearer", AuthKind::Bearer),
                    ("header", AuthKind::Header),
                    ("oauth2", AuthKind::OAuth2),
                ],
            )
        });

/// The user.
pub static AUTH_USERNAME: Knob<String> =
    Row::identity("http.auth.username", "KEYWAY_HTTP_AUTH_USERNAME", "basic: the user")
        .rare()
        .read(http::user_name);

/// The user's password.
pub static AUTH_PASSWORD: Knob<String> =
    Row::identity("http.auth.password", "KEYWAY_HTTP_AUTH_PASSWORD", "basic: the password")
        .secret()
        .rare()
        .read(http::one_line);

/// Its file.
pub static AUTH_PASSWORD_FILE: Knob<PathBuf> = Row::identity(
    "http.auth.password_file",
    "KEYWAY_HTTP_AUTH_PASSWORD_FILE",
    "basic: file that holds the password",
)
.rare()
.read(names::path);

/// The token.
pub static AUTH_TOKEN: Knob<String> =
    Row::identity("http.auth.token", "KEYWAY_HTTP_AUTH_TOKEN", "bearer: the token")
        .secret()
        .rare()
        .read(http::bearer_token);

/// Its file.
pub static AUTH_TOKEN_FILE: Knob<PathBuf> = Row::identity(
    "http.auth.token_file",
    "KEYWAY_HTTP_AUTH_TOKEN_FILE",
    "bearer: file that holds the token",
)
.rare()
.read(names::path);

/// The header's name.
pub static AUTH_NAME: Knob<String> =
    Row::identity("http.auth.name", "KEYWAY_HTTP_AUTH_NAME", "header: its name, like X-Api-Key")
        .rare()
        .read(http::header_name);

/// The header's value.
pub static AUTH_VALUE: Knob<String> =
    Row::identity("http.auth.value", "KEYWAY_HTTP_AUTH_VALUE", "header: its value")
        .secret()
        .rare()
        .read(http::header_text);

/// Its file.
pub static AUTH_VALUE_FILE: Knob<PathBuf> = Row::identity(
    "http.auth.value_file",
    "KEYWAY_HTTP_AUTH_VALUE_FILE",
    "header: file that holds its value",
)
.rare()
.read(names::path);

/// Where tokens are fetched.
pub static AUTH_TOKEN_URL: Knob<String> = Row::identity(
    "http.auth.token_url",
    "KEYWAY_HTTP_AUTH_TOKEN_URL",
    "oauth2: where tokens are fetched",
)
.rare()
.read(|text| names::endpoint(text).map(|url| url.to_string()));

/// Whose tokens.
pub static AUTH_CLIENT_ID: Knob<String> =
    Row::identity("http.auth.client_id", "KEYWAY_HTTP_AUTH_CLIENT_ID", "oauth2: the client")
        .rare()
        .read(http::one_line);

/// The client's secret.
pub static AUTH_CLIENT_SECRET: Knob<String> = Row::identity(
    "http.auth.client_secret",
    "KEYWAY_HTTP_AUTH_CLIENT_SECRET",
    "oauth2: the client's secret",
)
.secret()
.rare()
.read(http::one_line);

/// Its file.
pub static AUTH_CLIENT_SECRET_FILE: Knob<PathBuf> = Row::identity(
    "http.auth.client_secret_file",
    "KEYWAY_HTTP_AUTH_CLIENT_SECRET_FILE",
    "oauth2: file that holds the client's secret",
)
.rare()
.read(names::path);

/// The scopes to ask for.
pub static AUTH_SCOPE: Knob<String> = Row::identity(
    "http.auth.scope",
    "KEYWAY_HTTP_AUTH_SCOPE",
    "oauth2: scopes to ask for, with spaces between",
)
.rare()
.read(http::one_line);

/// Whom tokens are for.
pub static AUTH_AUDIENCE: Knob<String> =
    Row::identity("http.auth.audience", "KEYWAY_HTTP_AUTH_AUDIENCE", "oauth2: whom tokens are for")
        .rare()
        .read(http::one_line);

/// What requests are signed with.
pub static SIGNATURE_SECRETS: Knob<String> = Row::identity(
    "http.signature.secrets",
    "KEYWAY_HTTP_SIGNATURE_SECRETS",
    "secrets to sign requests with (Standard Webhooks)",
)
.list()
.secret()
.rare()
.read(http::signing_secret);

/// Their files.
pub static SIGNATURE_SECRETS_FILE: Knob<PathBuf> = Row::identity(
    "http.signature.secrets_file",
    "KEYWAY_HTTP_SIGNATURE_SECRETS_FILE",
    "files that hold them, one secret a file",
)
.list()
.rare()
.read(names::path);

/// Whom to trust.
pub static TLS_CA_FILE: Knob<PathBuf> = Row::tuning(
    "http.tls.ca_file",
    "KEYWAY_HTTP_TLS_CA_FILE",
    "authorities to trust in place of the system's (PEM)",
)
.rare()
.read(names::path);

/// The certificate to show.
pub static TLS_CERT_FILE: Knob<PathBuf> = Row::identity(
    "http.tls.cert_file",
    "KEYWAY_HTTP_TLS_CERT_FILE",
    "certificate to show, its chain behind it (PEM)",
)
.rare()
.read(names::path);

/// Its key.
pub static TLS_KEY_FILE: Knob<PathBuf> = Row::identity(
    "http.tls.key_file",
    "KEYWAY_HTTP_TLS_KEY_FILE",
    "its key, without a passphrase (PEM)",
)
.rare()
.read(names::path);
