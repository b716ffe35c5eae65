//! The section `[pipeline.http.auth]`: the kind, and what belongs to that kind alone.

use std::path::PathBuf;

use super::super::reader::{Found, Reader};
use super::super::table::{self, Knob, Row};
use super::super::types::{AuthKind, AuthSettings, SecretSource};
use super::found;

/// What each kind takes.
const FIELDS: [(AuthKind, &str, &[&Row]); 4] = [
    (
        AuthKind::Basic,
        "basic",
        &[&table::AUTH_USERNAME.row, &table::AUTH_PASSWORD.row, &table::AUTH_PASSWORD_FILE.row],
    ),
    (AuthKind::Bearer, "bearer", &[&table::AUTH_TOKEN.row, &table::AUTH_TOKEN_FILE.row]),
    (
        AuthKind::Header,
        "header",
        &[&table::AUTH_NAME.row, &table::AUTH_VALUE.row, &table::AUTH_VALUE_FILE.row],
    ),
    (
        AuthKind::OAuth2,
        "oauth2",
        &[
            &table::AUTH_TOKEN_URL.row,
            &table::AUTH_CLIENT_ID.row,
            &table::AUTH_CLIENT_SECRET.row,
            &table::AUTH_CLIENT_SECRET_FILE.row,
            &table::AUTH_SCOPE.row,
            &table::AUTH_AUDIENCE.row,
        ],
    ),
];

/// Reads the section. Everything given is checked, and refused where it is for another kind.
pub fn auth(reader: &mut Reader<'_>) -> AuthSettings {
    let known = !reader.is_given(&table::AUTH_KIND.row);
    let kind = reader.find(&table::AUTH_KIND).map(|found| found.value);
    let parts = Parts::read(reader);
    let Some(kind) = kind.or(known.then_some(AuthKind::None)) else {
        return AuthSettings::None;
    };
    misplaced(reader, kind);
    parts.put_together(reader, kind).unwrap_or_default()
}

/// What is given for another kind would be ignored without a word.
fn misplaced(reader: &mut Reader<'_>, kind: AuthKind) {
    for (other, name, rows) in FIELDS {
        if other == kind {
            continue;
        }
        for row in rows {
            reader.unwanted(row, &format!("it is for http.auth.kind = \"{name}\" alone"));
        }
    }
}

/// All that can be given.
struct Parts {
    username: Option<String>,
    password: Option<SecretSource>,
    token: Option<SecretSource>,
    name: Option<String>,
    value: Option<SecretSource>,
    token_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretSource>,
    scope: Option<String>,
    audience: Option<String>,
}

impl Parts {
    fn read(reader: &mut Reader<'_>) -> Self {
        let text = |reader: &mut Reader<'_>, knob: &Knob<String>| found(reader.find(knob));
        let secret = |reader: &mut Reader<'_>, knob: &Knob<String>, twin: &Knob<PathBuf>| {
            reader.secret(knob, twin).map(|Found { value, .. }| value)
        };
        Self {
            username: text(reader, &table::AUTH_USERNAME),
            password: secret(reader, &table::AUTH_PASSWORD, &table::AUTH_PASSWORD_FILE),
            token: secret(reader, &table::AUTH_TOKEN, &table::AUTH_TOKEN_FILE),
            name: text(reader, &table::AUTH_NAME),
            value: secret(reader, &table::AUTH_VALUE, &table::AUTH_VALUE_FILE),
            token_url: text(reader, &table::AUTH_TOKEN_URL),
            client_id: text(reader, &table::AUTH_CLIENT_ID),
            client_secret: secret(
                reader,
                &table::AUTH_CLIENT_SECRET,
                &table::AUTH_CLIENT_SECRET_FILE,
            ),
            scope: text(reader, &table::AUTH_SCOPE),
            audience: text(reader, &table::AUTH_AUDIENCE),
        }
    }

    /// `None`, with a problem told, where something is missing.
    fn put_together(self, reader: &mut Reader<'_>, kind: AuthKind) -> Option<AuthSettings> {
        let mut need = |knob: &Knob<String>, twin: Option<&Knob<PathBuf>>, there: bool| {
            if !there && !twin.is_some_and(|twin| reader.is_given(&twin.row)) {
                reader.missing(&knob.row);
            }
        };
        match kind {
            AuthKind::None => Some(AuthSettings::None),
            AuthKind::Basic => {
                need(&table::AUTH_USERNAME, None, self.username.is_some());
                let twin = Some(&table::AUTH_PASSWORD_FILE);
                need(&table::AUTH_PASSWORD, twin, self.password.is_some());
                Some(AuthSettings::Basic { username: self.username?, password: self.password? })
            }
            AuthKind::Bearer => {
                need(&table::AUTH_TOKEN, Some(&table::AUTH_TOKEN_FILE), self.token.is_some());
                Some(AuthSettings::Bearer { token: self.token? })
            }
            AuthKind::Header => {
                need(&table::AUTH_NAME, None, self.name.is_some());
                need(&table::AUTH_VALUE, Some(&table::AUTH_VALUE_FILE), self.value.is_some());
                Some(AuthSettings::Header { name: self.name?, value: self.value? })
            }
            AuthKind::OAuth2 => {
                need(&table::AUTH_TOKEN_URL, None, self.token_url.is_some());
                need(&table::AUTH_CLIENT_ID, None, self.client_id.is_some());
                let twin = Some(&table::AUTH_CLIENT_SECRET_FILE);
                need(&table::AUTH_CLIENT_SECRET, twin, self.client_secret.is_some());
                Some(AuthSettings::OAuth2 {
                    token_url: self.token_url?,
                    client_id: self.client_id?,
                    client_secret: self.client_secret?,
                    scope: self.scope,
                    audience: self.audience,
                })
            }
        }
    }
}
