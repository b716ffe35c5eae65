//! Where the records of a pipeline go: into requests or into a file, which its settings say, and what
//! contradicts itself in them.

use std::path::PathBuf;

use keyway_actors::sink::file::{FileSettings, Rotation, SyncPolicy};

use super::http;
use super::pipeline::Need;
use super::problem::Place;
use super::reader::{Found, Reader};
use super::routes::TypedRoutes;
use super::table::{self, Row};
use super::types::{FileSync, SinkSettings};

/// Reads the sections `[pipeline.http]` and `[pipeline.file]`; `None` where nothing says where
/// records go.
pub fn sink(
    reader: &mut Reader<'_>,
    routes: Option<&TypedRoutes>,
    need: Need,
) -> Option<SinkSettings> {
    if !reader.is_given(&table::FILE_PATH.row) {
        for row in table::rows().filter(|row| is_of_file(row)) {
            reader.unwanted(row, "there is no file (file.path) that it is for");
        }
        return http::http(reader, routes, need).map(|it| SinkSettings::Http(Box::new(it)));
    }
    let path = reader.path_to_write(&table::FILE_PATH);
    let file = file(reader, path.as_ref().map(|found| found.value.clone()));
    let given = reader.place_of(&table::FILE_PATH.row);
    let of_routes = routes.and_then(|typed| typed.routes.first());
    let other = reader
        .place_of(&table::URL.row)
        .or_else(|| of_routes.map(|route| Place::Written(route.spot.clone())));
    if let (Some(given), Some(other)) = (given, other) {
        let what = format!(
            "records go into a file or into requests, and {other} says where they are requested; \
             keep the one or the other"
        );
        reader.problems.push(&given, what);
        // What else is given for the one or the other may be right, and is checked all the same.
        http::http(reader, routes, need);
        return None;
    }
    for row in table::rows().filter(|row| is_of_requests(row)) {
        reader.unwanted(row, "records go into a file (file.path), for which it is of no account");
    }
    file.map(SinkSettings::File)
}

/// Whether a row says something of requests alone.
pub fn is_of_requests(row: &Row) -> bool {
    row.key.starts_with("http.") || is_of_routes(row)
}

/// Whether a row says which routes count.
pub fn is_of_routes(row: &Row) -> bool {
    [table::MATCH.row.key, table::UNMATCHED.row.key].contains(&row.key)
}

/// Whether a row says something of a file alone.
pub fn is_of_file(row: &Row) -> bool {
    row.key.starts_with("file.")
}

fn file(reader: &mut Reader<'_>, path: Option<PathBuf>) -> Option<FileSettings> {
    let format = reader.get(&table::FILE_FORMAT);
    let sync = reader.get(&table::FILE_SYNC);
    let interval = reader.find(&table::FILE_SYNC_INTERVAL);
    if let Some(Found { place, .. }) = interval.filter(|_| sync != FileSync::Interval)
        && reader.is_sound(&[&table::FILE_SYNC.row])
    {
        let what = "it is for file.sync = \"interval\", which is not what is set";
        reader.problems.push(&place, what);
    }
    let rotation = Rotation {
        size: reader.get(&table::FILE_ROTATE_SIZE),
        age: reader.get(&table::FILE_ROTATE_AGE),
    };
    let sync = match sync {
        FileSync::Interval => SyncPolicy::Interval(reader.get(&table::FILE_SYNC_INTERVAL)),
        FileSync::Always => SyncPolicy::Always,
        FileSync::None => SyncPolicy::Never,
    };
    Some(FileSettings { format, sync, rotation, ..FileSettings::new(path?) })
}
