//! Rows of the section `[pipeline.file]`: the file that records are appended to, in place of requests.

use std::path::PathBuf;
use std::time::Duration;

use keyway_actors::sink::file::Format;

use super::super::types::FileSync;
use super::super::value::{self, names};
use super::{Knob, Row};

const MILLISECOND: Duration = Duration::from_millis(1);

/// The file.
pub static FILE_PATH: Knob<PathBuf> =
    Row::identity("file.path", "KEYWAY_FILE_PATH", "file to append records to, in place of a URL")
        .read(names::file);

/// What a record looks like in it.
pub static FILE_FORMAT: Knob<Format> = Row::tuning(
    "file.format",
    "KEYWAY_FILE_FORMAT",
    "a record's value and a newline, or all of it as a line of JSON",
)
.or("raw")
.rare()
.read(|text| value::word(text, &[("raw", Format::Raw), ("ndjson", Format::Ndjson)]));

/// When a record that is written counts as delivered.
pub static FILE_SYNC: Knob<FileSync> = Row::tuning(
    "file.sync",
    "KEYWAY_FILE_SYNC",
    "delivered when on the disk (interval, always), or when written (none)",
)
.or("interval")
.rare()
.read(|text| {
    value::word(
        text,
        &[("interval", FileSync::Interval), ("always", FileSync::Always), ("none", FileSync::None)],
    )
});

/// The longest that what is written waits for the disk.
pub static FILE_SYNC_INTERVAL: Knob<Duration> = Row::tuning(
    "file.sync_interval",
    "KEYWAY_FILE_SYNC_INTERVAL",
    "longest that what is written waits to be put on the disk",
)
.or("1s")
.rare()
.read(|text| value::duration(text, MILLISECOND));

/// The size at which a new file is begun.
pub static FILE_ROTATE_SIZE: Knob<Option<u64>> = Row::tuning(
    "file.rotate_size",
    "KEYWAY_FILE_ROTATE_SIZE",
    "size at which the file is put aside and a new one begun",
)
.or("off")
.rare()
.read(value::rotation_size_or_off);

/// The age at which a new file is begun.
pub static FILE_ROTATE_AGE: Knob<Option<Duration>> =
    Row::tuning("file.rotate_age", "KEYWAY_FILE_ROTATE_AGE", "age at which the same is done")
        .or("off")
        .rare()
        .read(value::rotation_age_or_off);
