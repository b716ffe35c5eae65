//! Where the process answers, and whom.

use super::reader::Reader;
use super::table;
use super::types::{ApiSettings, Listen};

/// Reads the settings of the API. What other machines can reach needs a token.
pub fn api(reader: &mut Reader<'_>) -> ApiSettings {
    let listen = reader.find(&table::LISTEN);
    let token = reader.secret(&table::API_TOKEN, &table::API_TOKEN_FILE);
    let insecure = reader.get(&table::API_INSECURE);
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
    ApiSettings { listen, token: token.map(|found| found.value), insecure }
}
