//! The rows of a pipeline itself, of its dead letters and of the process.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use keyway_actors::{OffsetOverflow, Ordering};
use slog::Level;

use super::super::types::LogFormat;
use super::super::value::{self, brokers, names};
use super::{Knob, Row};

/// The brokers: one of librdkafka's properties, read with those, listed here for its names.
pub static BROKERS: Knob<String> =
    Row::tuning("kafka.\"bootstrap.servers\"", "KEYWAY_BROKERS", "brokers as host:port,host:port")
        .required()
        .flag("--brokers")
        .read(brokers::list);

/// The path of the file itself.
pub static CONFIG: Knob<PathBuf> =
    Row::process("", "KEYWAY_CONFIG", "TOML file").flag("--config").read(names::path);

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// The pipeline's name.
pub static NAME: Knob<String> =
    Row::identity("name", "KEYWAY_NAME", "the pipeline's name").or("default").read(names::pipeline);

/// The topics.
pub static TOPICS: Knob<String> =
    Row::identity("topics", "KEYWAY_TOPICS", "topic,topic; ^ starts a pattern")
        .required()
        .flag("--topic")
        .list()
        .read(names::topic_or_pattern);

/// Fixed partitions, instead of the group's.
pub static PARTITIONS: Knob<i32> =
    Row::identity("partitions", "KEYWAY_PARTITIONS", "fixed partitions, instead of the group's")
        .list()
        .read(names::partition);

/// Consumer group.
pub static GROUP_ID: Knob<String> = Row::identity("group_id", "KEYWAY_GROUP_ID", "consumer group")
    .or("keyway")
    .flag("--group-id")
    .read(names::group);

/// What stays in order.
pub static ORDERING: Knob<Ordering> =
    Row::tuning("ordering", "KEYWAY_ORDERING", "key, partition or unordered")
        .or("key")
        .flag("--ordering")
        .read(|text| {
            value::word(
                text,
                &[
                    ("key", Ordering::Key),
                    ("partition", Ordering::Partition),
                    ("unordered", Ordering::Unordered),
                ],
            )
        });

/// Most requests in flight, 1 to 100000.
pub static SENDERS: Knob<NonZeroUsize> =
    Row::tuning("senders", "KEYWAY_SENDERS", "most requests in flight, 1 to 100000")
        .or("256")
        .flag("--senders")
        .read(|text| value::positive(text, 100_000));

/// Delivery threads, 1 to 64.
pub static ARBITERS: Knob<NonZeroUsize> =
    Row::tuning("arbiters", "KEYWAY_ARBITERS", "delivery threads, 1 to 64")
        .or_as_described("cores - 1")
        .flag("--arbiters")
        .read(|text| value::positive(text, MOST_ARBITERS));

/// Most bytes of records held.
pub static BUFFER_BYTES: Knob<usize> =
    Row::tuning("buffer_bytes", "KEYWAY_BUFFER_BYTES", "most bytes of records held")
        .or("128MiB")
        .read(|text| value::memory(text, MIB..=TIB));

/// Most records held.
pub static BUFFER_RECORDS: Knob<NonZeroUsize> =
    Row::tuning("buffer_records", "KEYWAY_BUFFER_RECORDS", "most records held")
        .or("200000")
        .read(|text| value::positive(text, 100_000_000));

/// How often offsets are committed.
pub static COMMIT_INTERVAL: Knob<Duration> =
    Row::tuning("commit_interval", "KEYWAY_COMMIT_INTERVAL", "how often offsets are committed")
        .or("1s")
        .read(|text| value::duration(text, Duration::from_millis(10)));

/// Longest drain of a revoked partition.
pub static REVOKE_DEADLINE: Knob<Duration> = Row::tuning(
    "revoke_deadline",
    "KEYWAY_REVOKE_DEADLINE",
    "longest drain of a revoked partition",
)
.or("20s")
.read(|text| value::duration(text, Duration::ZERO));

/// Longest drain when stopping.
pub static DRAIN_DEADLINE: Knob<Duration> =
    Row::tuning("drain_deadline", "KEYWAY_DRAIN_DEADLINE", "longest drain when stopping")
        .or("30s")
        .read(|text| value::duration(text, Duration::ZERO));

/// What happens when the commit metadata is full.
pub static OFFSET_OVERFLOW: Knob<OffsetOverflow> = Row::tuning(
    "offset_overflow",
    "KEYWAY_OFFSET_OVERFLOW",
    "commit metadata full: hold or replay",
)
.or("hold")
.read(|text| {
    value::word(text, &[("hold", OffsetOverflow::Hold), ("replay", OffsetOverflow::Replay)])
});

/// The broker's `offset.metadata.max.bytes`.
pub static OFFSET_METADATA_MAX_BYTES: Knob<usize> = Row::tuning(
    "offset_metadata_max_bytes",
    "KEYWAY_OFFSET_METADATA_MAX_BYTES",
    "broker's offset.metadata.max.bytes",
)
.or("4096")
.rare()
.read(|text| value::memory(text, 64..=16 * MIB));

/// Topic for what cannot be delivered.
pub static DEAD_LETTER_TOPIC: Knob<String> = Row::identity(
    "dead_letter.topic",
    "KEYWAY_DEAD_LETTER_TOPIC",
    "topic for what cannot be delivered",
)
.read(names::topic);

/// The least severe level that is logged.
pub static LOG_LEVEL: Knob<Level> =
    Row::process("log.level", "KEYWAY_LOG_LEVEL", "trace, debug, info, warn, error")
        .or("info")
        .flag("--log-level")
        .read(|text| {
            value::word(
                text,
                &[
                    ("trace", Level::Trace),
                    ("debug", Level::Debug),
                    ("info", Level::Info),
                    ("warn", Level::Warning),
                    ("error", Level::Error),
                ],
            )
        });

/// How log lines look.
pub static LOG_FORMAT: Knob<LogFormat> =
    Row::process("log.format", "KEYWAY_LOG_FORMAT", "term or json")
        .or("term")
        .flag("--log-format")
        .read(|text| value::word(text, &[("term", LogFormat::Term), ("json", LogFormat::Json)]));

/// File to log to as well.
pub static LOG_FILE: Knob<PathBuf> =
    Row::process("log.file", "KEYWAY_LOG_FILE", "file to log to as well").read(names::path);

/// Size at which it is rotated.
pub static LOG_FILE_MAX_SIZE: Knob<u64> =
    Row::process("log.file_max_size", "KEYWAY_LOG_FILE_MAX_SIZE", "size at which it is rotated")
        .or("64MiB")
        .rare()
        .read(|text| value::size(text, KIB..=TIB));

/// Rotated files kept.
pub static LOG_FILE_KEEP: Knob<usize> =
    Row::process("log.file_keep", "KEYWAY_LOG_FILE_KEEP", "rotated files kept")
        .or("5")
        .rare()
        .read(|text| value::whole(text, 0..=1_000));

/// How often counts are logged.
pub static LOG_STATS_INTERVAL: Knob<Option<Duration>> = Row::process(
    "log.stats_interval",
    "KEYWAY_LOG_STATS_INTERVAL",
    "how often counts are logged, or off",
)
.or("10s")
.read(|text| value::duration_or_off(text, SECOND));

/// The most delivery threads of a pipeline.
pub const MOST_ARBITERS: usize = 64;
