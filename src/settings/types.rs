//! What the program needs: the settings as typed values, complete and checked.
//!
//! Nothing in here is optional because it was not typed; an `Option` means "none" or "off".

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::alerts::AlertSettings;
use keyway_actors::core::retry::{Jitter, Trigger};
use keyway_actors::{Action, OffsetOverflow, Ordering};

use super::KafkaProperties;

mod file;
mod filled;
mod http;

pub use file::{FileSync, SinkSettings};
pub use filled::Filled;
pub use http::{
    AuthKind, AuthSettings, Coding, CompressionSettings, DestinationSettings, EventMode,
    EventSettings, HttpSettings, Pace, Routes, SecretSource, Way, Written,
};

/// The settings of one process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the process logs.
    pub log: LogSettings,
    /// Where the process answers, and whom.
    pub api: ApiSettings,
    /// Whom something is said to beside the log.
    pub alerts: Vec<AlertSettings>,
    /// What is delivered; at least one.
    pub pipelines: Vec<PipelineSettings>,
}

/// Where the process answers, and whom.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiSettings {
    /// Where it listens.
    pub listen: Listen,
    /// What whoever asks must know, but for health; `None`: it answers whoever can reach it.
    pub token: Option<SecretSource>,
    /// Whether it may answer other machines without a token.
    pub insecure: bool,
    /// The folder that a file has to stay in whose path is given to the API, without symbolic links;
    /// `None`: no such path is taken.
    pub file_root: Option<PathBuf>,
    /// The certificate and the key of the listener, which could be used; `None`: plain HTTP.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where pipelines are kept that came through the API; `None`: they end with the process.
    pub state_dir: Option<PathBuf>,
    /// Which brokers a pipeline that comes through the API may name; `None`: any.
    pub allowed_brokers: Option<Vec<String>>,
}

/// Where the process listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// At this address.
    At(SocketAddr),
}

/// How the process logs.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    /// The least severe level that is written.
    pub level: slog::Level,
    /// How a line looks.
    pub format: LogFormat,
    /// Written besides stderr.
    pub file: Option<PathBuf>,
    /// The size in bytes at which the file is rotated; at least 1 KiB.
    pub file_max_size: u64,
    /// How many rotated files are kept, 0 to 1,000.
    pub file_keep: usize,
    /// How often a line of counts is logged per pipeline; `None`: never.
    pub stats_interval: Option<Duration>,
}

impl Default for LogSettings {
    /// The defaults of the table, for commands that read no settings.
    fn default() -> Self {
        Self {
            level: slog::Level::Info,
            format: LogFormat::Term,
            file: None,
            file_max_size: 64 << 20,
            file_keep: 5,
            stats_interval: Some(Duration::from_secs(10)),
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; with colours on a terminal.
    Term,
    /// One JSON object a line.
    Json,
}

/// One pipeline: topics, a group, and where their records go.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSettings {
    /// Unique in the process; letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Topic names, and regular expressions that start with `^`; no duplicates, at least one.
    pub topics: Vec<String>,
    /// Partitions to take in each topic instead of subscribing; then every topic is a plain name.
    pub partitions: Option<Vec<i32>>,
    /// The consumer group.
    pub group_id: String,
    /// The properties of the consumer as the user set them, `bootstrap.servers` always among them;
    /// without `group.id` and what else Keyway sets itself.
    pub kafka: KafkaProperties,
    /// What must stay in order.
    pub ordering: Ordering,
    /// Most requests in flight, over all arbiters; at least `arbiters`, at most 100,000.
    pub senders: NonZeroUsize,
    /// Delivery threads, 1 to 64.
    pub arbiters: NonZeroUsize,
    /// Most bytes of records held; at least 1 MiB.
    pub buffer_bytes: usize,
    /// Most records held.
    pub buffer_records: NonZeroUsize,
    /// How often offsets are committed; at least 10 ms.
    pub commit_interval: Duration,
    /// How long a revoked partition may take to finish its requests; at least 5 s less than
    /// `max.poll.interval.ms`.
    pub revoke_deadline: Duration,
    /// How long a stopping pipeline may take to finish its requests.
    pub drain_deadline: Duration,
    /// What happens when the commit metadata is full.
    pub offset_overflow: OffsetOverflow,
    /// The broker's `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// Where records go.
    pub sink: SinkSettings,
    /// How failures are retried.
    pub retry: RetrySettings,
    /// Where records go that cannot be delivered.
    pub dead_letter: Option<DeadLetterSettings>,
}

/// How to reach the group of one pipeline; the fields are those of [`PipelineSettings`].
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// The pipeline's name.
    pub name: String,
    /// Topic names and patterns.
    pub topics: Vec<String>,
    /// Fixed partitions, where the pipeline does not subscribe.
    pub partitions: Option<Vec<i32>>,
    /// The consumer group.
    pub group_id: String,
    /// The properties of the consumer.
    pub kafka: KafkaProperties,
}

/// How failed deliveries are tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrySettings {
    /// The first wait; at least 1 ms, at most `max`.
    pub initial: Duration,
    /// What each wait is multiplied with for the next; 1 to 100.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
    /// How much of a wait is left to chance.
    pub jitter: Jitter,
    /// The longest wait that a receiver can ask for.
    pub retry_after_cap: Duration,
    /// Attempts before `on_exhausted`; `None`: for ever.
    pub max_attempts: Option<NonZeroU32>,
    /// The age of a record, by its timestamp, before `on_exhausted`; `None`: no matter.
    pub max_age: Option<Duration>,
    /// Refusals that are tried again all the same.
    pub retry_on: Vec<Trigger>,
    /// Failures that are taken for refusals; none that is in `retry_on` too.
    pub reject_on: Vec<Trigger>,
    /// What becomes of a record that the receiver rejects.
    pub on_rejected: Action,
    /// What becomes of a record whose attempts are used up.
    pub on_exhausted: Action,
}

/// Where undeliverable records go.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetterSettings {
    /// The topic; not one that the pipeline consumes on the same brokers.
    pub topic: String,
    /// The properties of the producer, complete: those of the pipeline that concern a producer, and
    /// over them those of `[pipeline.dead_letter.kafka]`.
    pub kafka: KafkaProperties,
}
