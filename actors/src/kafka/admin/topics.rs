//! Which topics there are.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::types::RDKafkaErrorCode;

use super::AdminError;
use super::client::{Client, advice, ask};
use super::pattern::{Dialect, Pattern, blacklist};
use crate::kafka::config;

/// What a cluster says about the topics it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Brokers in the cluster.
    pub brokers: usize,
    /// What was asked for, in that order.
    pub asked: Vec<Asked>,
}

/// A name or a pattern, and what there is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name, or the pattern with its `^`.
    pub name: String,
    /// The topic of that name; or those that the pattern matches, by name, perhaps none.
    pub found: Result<Vec<Topic>, AdminError>,
}

/// A topic that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions, in order; never none.
    pub partitions: Vec<Partition>,
}

/// A partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub id: i32,
    /// The broker that leads it; `None`: none does at the moment, and it can be neither read nor
    /// written.
    pub leader: Option<i32>,
}

/// Asks which of the topics exist. A name that begins with `^` is a pattern, matched as a
/// subscription would be: by librdkafka, that is as a POSIX extended regular expression found
/// anywhere in the topic's name, and without what `topic.blacklist` hides; or by the broker, where
/// `group.protocol` is `consumer`, as one that is the whole of the name. A pattern that these may
/// read otherwise than it would be here is an [`AdminError::Pattern`].
///
/// # Errors
/// Why the cluster could not be asked. What is wrong with one topic is said with that topic.
pub fn topics(
    kafka: &BTreeMap<String, String>,
    names: &[String],
    timeout: Duration,
) -> Result<Topics, AdminError> {
    ask(kafka, &config::admin(kafka), timeout, |client| {
        let patterns = names.iter().any(|name| name.starts_with('^'));
        let every = if patterns || names.is_empty() { Some(metadata(client, None)?) } else { None };
        let mut brokers = every.as_ref().map_or(0, |every| every.brokers().len());
        let mut asked = Vec::with_capacity(names.len());
        for name in names {
            let found = match &every {
                Some(every) if name.starts_with('^') => matching(kafka, name, every),
                _ => {
                    let one = metadata(client, Some(name))?;
                    brokers = brokers.max(one.brokers().len());
                    named(name, &one).map(|topic| vec![topic])
                }
            };
            asked.push(Asked { name: name.clone(), found });
        }
        Ok(Topics { brokers, asked })
    })
}

/// Whether the cluster makes a topic by itself when something is written to it
/// (`auto.create.topics.enable`). `None`: it does not say, or not to this user.
///
/// # Errors
/// Why the cluster could not be asked.
pub fn makes_topics(
    kafka: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Option<bool>, AdminError> {
    let plain = config::admin(kafka);
    ask(kafka, &plain, timeout, |client| {
        let found = metadata(client, None)?;
        let Some(broker) = found.brokers().first() else { return Ok(None) };
        let made = plain.create::<AdminClient<DefaultClientContext>>();
        let admin = made.map_err(|error| AdminError::Properties(config::refusal(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| AdminError::Thread(error.to_string()))?;
        let options = AdminOptions::new().request_timeout(Some(client.left()));
        let asked = [ResourceSpecifier::Broker(broker.id())];
        let answer = admin.describe_configs(&asked, &options);
        let configs = runtime.block_on(answer).unwrap_or_default();
        let setting = configs.iter().flatten().find_map(|it| it.get("auto.create.topics.enable"));
        let value = setting.and_then(|setting| setting.value.as_deref());
        Ok(value.and_then(|value| value.parse().ok()))
    })
}

/// What the cluster knows of one topic, or of all that this user may see.
pub(super) fn metadata(client: &Client<'_>, topic: Option<&str>) -> Result<Metadata, AdminError> {
    let who = client.any_broker();
    client.request(&who, |consumer, timeout| consumer.fetch_metadata(topic, timeout))
}

/// The topic of this name.
pub(super) fn named(name: &str, metadata: &Metadata) -> Result<Topic, AdminError> {
    let unknown = || AdminError::UnknownTopic(name.to_owned());
    let topic = metadata.topics().iter().find(|topic| topic.name() == name);
    let topic = topic.ok_or_else(unknown)?;
    match topic.error().map(RDKafkaErrorCode::from) {
        None if topic.partitions().is_empty() => Err(unknown()),
        None => Ok(there(topic)),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            Err(unknown())
        }
        Some(code) => Err(AdminError::Kafka(advice(&KafkaError::MetadataFetch(code)))),
    }
}

/// The topics that a pattern matches.
fn matching(
    kafka: &BTreeMap<String, String>,
    text: &str,
    every: &Metadata,
) -> Result<Vec<Topic>, AdminError> {
    let refused = |reason| AdminError::Pattern { pattern: text.to_owned(), reason };
    let new_protocol = kafka.get("group.protocol").is_some_and(|protocol| protocol == "consumer");
    let dialect = if new_protocol { Dialect::Broker } else { Dialect::Posix };
    let pattern = Pattern::new(text, dialect).map_err(refused)?;
    let hidden = kafka.get("topic.blacklist").map(|list| blacklist(list)).transpose();
    let hidden = hidden.map_err(refused)?.unwrap_or_default();
    let mut found: Vec<_> = every
        .topics()
        .iter()
        .filter(|topic| !topic.partitions().is_empty())
        .filter(|topic| pattern.matches(topic.name()))
        .filter(|topic| !hidden.iter().any(|pattern| pattern.matches(topic.name())))
        .map(there)
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn there(topic: &MetadataTopic) -> Topic {
    let mut partitions: Vec<_> = topic
        .partitions()
        .iter()
        .map(|it| Partition { id: it.id(), leader: Some(it.leader()).filter(|&id| id >= 0) })
        .collect();
    partitions.sort_by_key(|partition| partition.id);
    Topic { name: topic.name().to_owned(), partitions }
}
