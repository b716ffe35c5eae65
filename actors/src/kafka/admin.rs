//! Asking a cluster things: which topics there are, and how far a group has come in them.
//!
//! Plain functions that connect, ask, and let go again. They block for up to the time they are
//! given, so they belong on a thread that may wait and never on an arbiter. They join no group,
//! commit nothing and make no topic.

use std::collections::BTreeMap;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;

use super::config;
use crate::config::PipelineConfig;

mod client;
mod group;
mod pattern;
#[cfg(test)]
mod tests;
mod topics;

pub use group::{Commit, PartitionOffsets, group_offsets};
pub use topics::{Asked, Partition, Topic, Topics, makes_topics, topics};

/// Why the cluster could not be asked, or what it said instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// librdkafka makes no client of these properties.
    #[error("librdkafka refuses the properties under [kafka]: {0}")]
    Properties(String),
    /// Nobody answered in time.
    #[error("{who} did not answer within {within:?}{}", because(.reason.as_deref()))]
    NoAnswer {
        /// Who was asked, with the brokers by name.
        who: String,
        /// How long it was waited for.
        within: Duration,
        /// What librdkafka last complained about.
        reason: Option<String>,
    },
    /// A broker is there, and does not let us in.
    #[error(
        "{brokers} refused the connection: {reason}; check security.protocol, sasl.* and ssl.* \
         under [kafka]"
    )]
    NotLetIn {
        /// The brokers as configured.
        brokers: String,
        /// What librdkafka says.
        reason: String,
    },
    /// There is no such topic, or it is not this user's to know of.
    #[error("there is no topic {0}")]
    UnknownTopic(String),
    /// A topic pattern may be matched otherwise by a subscription than it would be here.
    #[error("it cannot be told which topics the pattern {pattern} takes: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What cannot be told, and what can.
        reason: String,
    },
    /// What Kafka said, and what to do about it where that is known.
    #[error("{0}")]
    Kafka(String),
    /// The system gave no thread.
    #[error("a thread cannot be started: {0}")]
    Thread(String),
}

/// With nothing to complain about, librdkafka was connected and then not answered, or cut off
/// without a word, as a broker does to those who speak plainly where it wants TLS or a login.
fn because(reason: Option<&str>) -> String {
    let silent = "check the address, and security.protocol under [kafka]";
    reason.map_or_else(|| format!("; {silent}"), |reason| format!(": {reason}"))
}

/// Has librdkafka make the clients of a pipeline, and lets go of them: some properties contradict
/// each other, or name files that are not there, and only then is it said. It connects to nobody.
///
/// # Errors
/// [`AdminError::Properties`].
pub fn try_properties(pipeline: &PipelineConfig) -> Result<Tried, AdminError> {
    let mut tried = Tried(Vec::new());
    tried.make::<BaseConsumer>(config::consumer(pipeline), "")?;
    if let Some(letters) = &pipeline.dead_letter {
        tried.make::<BaseProducer>(config::producer(pipeline, &letters.kafka), "dead_letter: ")?;
    }
    Ok(tried)
}

/// Clients that were made on trial and are being let go of, which takes librdkafka a tenth of a
/// second. Dropping this waits until it is done; a process should not end before.
#[must_use = "dropping it waits"]
#[derive(Debug)]
pub struct Tried(Vec<JoinHandle<()>>);

impl Drop for Tried {
    fn drop(&mut self) {
        for letting_go in self.0.drain(..) {
            let _ = letting_go.join();
        }
    }
}

impl Tried {
    /// Lets go of them without waiting, in a process that goes on.
    pub fn let_go(mut self) {
        self.0.clear();
    }

    fn make<C: FromClientConfig + Send + 'static>(
        &mut self,
        mut config: ClientConfig,
        whose: &str,
    ) -> Result<(), AdminError> {
        // A member looks for its coordinator as soon as it is made.
        config.remove("bootstrap.servers").remove("metadata.broker.list");
        let client = config.create::<C>().map_err(|error| {
            AdminError::Properties(format!("{whose}{}", config::refusal(&error)))
        })?;
        // Where there can be no thread, it is let go of here.
        let thread = thread::Builder::new().name("keyway-letting-go".into());
        self.0.extend(thread.spawn(move || drop(client)));
        Ok(())
    }
}

/// The brokers that the properties name.
fn brokers(kafka: &BTreeMap<String, String>) -> String {
    let named = ["bootstrap.servers", "metadata.broker.list"].map(|name| kafka.get(name));
    named.into_iter().flatten().next().cloned().unwrap_or_else(|| "(no brokers set)".to_owned())
}
