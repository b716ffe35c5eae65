//! Where the process answers, and whom.

use std::fs;
use std::path::{Path, PathBuf};

use keyway_actors::web::server_tls;
use slog::{Discard, Logger, o};

use super::problem::Place;
use super::reader::{Found, Reader};
use super::side_by_side::real;
use super::table;
use super::types::{ApiSettings, Listen, SecretSource};

/// Reads the settings of the API. What other machines can reach needs a token.
pub fn api(reader: &mut Reader<'_>) -> ApiSettings {
    let listen = reader.find(&table::LISTEN);
    let token = reader.secret(&table::API_TOKEN, &table::API_TOKEN_FILE);
    let insecure = reader.get(&table::API_INSECURE);
    let file_root = file_root(reader);
    let state_dir = reader.path(&table::API_STATE_DIR);
    let tls = tls(reader);
    if let Some(root) = &file_root {
        apart(reader, root, state_dir.as_ref(), token.as_ref(), tls.as_ref());
    }
    let given = [&table::LISTEN.row, &table::API_TOKEN.row, &table::API_TOKEN_FILE.row];
    if let Some(listen) = &listen
        && let Listen::At(address) = listen.value
        && !address.ip().is_loopback()
        && token.is_none()
        && !insecure
        && reader.is_sound(&given)
    {
        let what = format!(
            "{address} can be reached from other machines, and anybody there could ask; set \
             api.token or api.token_file (KEYWAY_API_TOKEN, KEYWAY_API_TOKEN_FILE), or say \
             --insecure"
        );
        reader.problems.push(&listen.place, what);
    }
    let listen = listen.map_or_else(|| super::reader::standard(&table::LISTEN), |it| it.value);
    ApiSettings {
        listen,
        token: token.map(|found| found.value),
        insecure,
        file_root,
        tls,
        state_dir: state_dir.map(|found| found.value),
        allowed_brokers: reader.list(&table::API_ALLOWED_BROKERS).map(|found| found.value),
    }
}

/// Sees to it that what the process lives by is not where whoever may write files through the API can
/// write over it.
fn apart(
    reader: &mut Reader<'_>,
    root: &Path,
    state_dir: Option<&Found<PathBuf>>,
    token: Option<&Found<SecretSource>>,
    tls: Option<&(PathBuf, PathBuf)>,
) {
    let token = token.and_then(|found| match &found.value {
        SecretSource::File(path) => Some(path.as_path()),
        SecretSource::Given(_) => None,
    });
    let tls = tls.into_iter().flat_map(|(cert, key)| [cert.as_path(), key.as_path()]);
    let state = state_dir.map(|found| found.value.as_path());
    let within =
        state.into_iter().chain(token).chain(tls).find(|path| real(path).starts_with(root));
    let above = state.filter(|path| root.starts_with(real(path)));
    if let Some(path) = within.or(above) {
        let what = format!(
            "{} and this must not be one in the other: files that are made through the API could be \
             written over it",
            path.display()
        );
        let place = reader.place_of(&table::API_FILE_ROOT.row);
        let place = place.unwrap_or_else(|| Place::Unset(table::API_FILE_ROOT.row.key.to_owned()));
        reader.problems.push(&place, what);
    }
}

/// A folder that is there, by its real path: what is in it is compared with that.
fn file_root(reader: &mut Reader<'_>) -> Option<PathBuf> {
    let Found { value, place } = reader.path(&table::API_FILE_ROOT)?;
    let found = value.canonicalize().and_then(|real| Ok((fs::metadata(&real)?.is_dir(), real)));
    let why = match found {
        Ok((true, real)) => return Some(real),
        Ok((false, _)) => "it is no folder".to_owned(),
        Err(error) => error.to_string(),
    };
    let what = format!("expected a folder that is there, got {}: {why}", value.display());
    reader.problems.push(&place, what);
    None
}

/// The files of TLS, which are tried; the listener reads them again.
fn tls(reader: &mut Reader<'_>) -> Option<(PathBuf, PathBuf)> {
    let [cert, key] =
        [&table::API_TLS_CERT_FILE, &table::API_TLS_KEY_FILE].map(|knob| reader.path(knob));
    match (cert, key) {
        (Some(cert), Some(key)) => {
            let tried = server_tls(&cert.value, &key.value, &Logger::root(Discard, o!()));
            if let Err(error) = tried {
                let error = error.to_string();
                let place = if error.contains(": key_file ") { &key.place } else { &cert.place };
                reader.problems.push(place, error);
            }
            Some((cert.value, key.value))
        }
        (None, None) => None,
        (Some(alone), None) | (None, Some(alone)) => {
            let what = "api.tls.cert_file and api.tls.key_file belong together: one is missing";
            reader.problems.push(&alone.place, what);
            None
        }
    }
}
