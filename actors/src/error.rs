//! Why a pipeline cannot start, or ended.

use crate::sink::SinkError;

/// Why a pipeline cannot start, or ended without being asked to.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A setting is out of its range, or two contradict each other.
    #[error("{0}")]
    Config(String),
    /// librdkafka refused its configuration.
    #[error("kafka configuration: {0}")]
    KafkaConfig(String),
    /// Kafka said something that does not pass by waiting.
    #[error("kafka: {0}")]
    Kafka(String),
    /// The sink could not be made.
    #[error("sink: {0}")]
    Sink(SinkError),
    /// A record met `on_rejected` or `on_exhausted` = `stop`.
    #[error(
        "stopped at {topic}/{partition}@{offset}, as set for what cannot be delivered: {reason}"
    )]
    Undeliverable {
        /// The record's topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset, which is not committed.
        offset: i64,
        /// What the receiver said.
        reason: String,
    },
    /// Dead letters cannot be produced, for good.
    #[error("dead letters: {0}")]
    DeadLetters(String),
    /// A part of the pipeline ended that should not have: it panicked.
    #[error("{part} ended unasked: it panicked (the panic is on standard error)")]
    Died {
        /// Which.
        part: &'static str,
    },
    /// A thread could not be started.
    #[error("thread {name}: {reason}")]
    Thread {
        /// Its name.
        name: String,
        /// What the system said.
        reason: String,
    },
}
