//! One pipeline: its knobs read, its librdkafka properties merged, what contradicts itself refused.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::checks;
use super::kafka::{self, KafkaProperties};
use super::problem::Spot;
use super::reader::{Found, Reader};
use super::retry;
use super::routes::TypedRoutes;
use super::sink;
use super::table::{self, MOST_ARBITERS};
use super::typed::Properties;
use super::types::{DeadLetterSettings, GroupSettings, PipelineSettings};

/// What the caller cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everything that delivery needs.
    Delivery,
    /// The brokers, the topics and the group.
    Group,
}

/// The properties given for a pipeline.
pub struct Kafka<'a> {
    /// Those for consumer and producer, the lowest layer first.
    pub layers: [&'a Properties; 4],
    /// Those for the producer of dead letters alone.
    pub dead_letter: &'a Properties,
}

/// What is given for a pipeline beside plain settings.
pub struct Given<'a> {
    /// The properties.
    pub kafka: Kafka<'a>,
    /// The routes, if there are any.
    pub routes: Option<&'a TypedRoutes>,
    /// The processors of the machine.
    pub cores: usize,
}

/// One pipeline as far as it could be read.
#[derive(Debug)]
pub struct Draft {
    /// Where it begins in the file, if it does.
    pub spot: Option<Spot>,
    /// Its name.
    pub name: Option<Found<String>>,
    /// Its file, where its records go into one.
    pub file: Option<Found<PathBuf>>,
    /// How to reach its group; `None` where that is missing or wrong.
    pub group: Option<GroupSettings>,
    /// All of it; `None` where something is missing or wrong.
    pub pipeline: Option<PipelineSettings>,
}

/// Reads one pipeline. Everything given is checked, whatever the caller needs.
pub fn draft(reader: &mut Reader<'_>, given: &Given<'_>, need: Need) -> Draft {
    let properties = kafka::merge(given.kafka.layers);
    let name = reader.find(&table::NAME);
    if name.is_none() && !reader.alone {
        reader.missing(&table::NAME.row);
    }
    let group = group(reader, &properties);
    let pipeline = deliver(reader, given, &properties, group.as_ref(), need);
    let file = reader.path_to_write(&table::FILE_PATH);
    Draft { spot: reader.spot.cloned(), name, file, group, pipeline }
}

fn group(reader: &mut Reader<'_>, properties: &Properties) -> Option<GroupSettings> {
    let name = reader.get(&table::NAME);
    let group_id = reader.get(&table::GROUP_ID);
    let topics = reader.list(&table::TOPICS);
    let partitions = reader.list(&table::PARTITIONS);
    if topics.is_none() {
        reader.missing(&table::TOPICS.row);
    }
    if !properties.contains_key(kafka::BOOTSTRAP) {
        reader.missing(&table::BROKERS.row);
    }
    checks::group_protocol(properties, reader.problems);
    let topics = topics?;
    checks::topics(&topics, partitions.as_ref(), properties, reader.problems);
    Some(GroupSettings {
        name,
        topics: topics.value,
        partitions: partitions.map(|found| found.value),
        group_id,
        kafka: KafkaProperties::for_consumer(properties),
    })
}

fn deliver(
    reader: &mut Reader<'_>,
    given: &Given<'_>,
    properties: &Properties,
    group: Option<&GroupSettings>,
    need: Need,
) -> Option<PipelineSettings> {
    let (senders, arbiters) = pool(reader, given.cores);
    let revoke_deadline = revoke_deadline(reader, properties);
    let dead_letter = dead_letter(reader, &given.kafka, properties, group);
    let retry = retry::retry(reader);
    let sink = sink::sink(reader, given.routes, need);
    let ordering = reader.get(&table::ORDERING);
    let buffer_bytes = reader.get(&table::BUFFER_BYTES);
    let buffer_records = reader.get(&table::BUFFER_RECORDS);
    let commit_interval = reader.get(&table::COMMIT_INTERVAL);
    let drain_deadline = reader.get(&table::DRAIN_DEADLINE);
    let offset_overflow = reader.get(&table::OFFSET_OVERFLOW);
    let offset_metadata_max_bytes = reader.get(&table::OFFSET_METADATA_MAX_BYTES);
    let GroupSettings { name, topics, partitions, group_id, kafka } = group?.clone();
    Some(PipelineSettings {
        name,
        topics,
        partitions,
        group_id,
        kafka,
        ordering,
        senders,
        arbiters,
        buffer_bytes,
        buffer_records,
        commit_interval,
        revoke_deadline,
        drain_deadline,
        offset_overflow,
        offset_metadata_max_bytes,
        sink: sink?,
        retry,
        dead_letter,
    })
}

/// Senders and the arbiters they are spread over; by default never more arbiters than senders.
fn pool(reader: &mut Reader<'_>, cores: usize) -> (NonZeroUsize, NonZeroUsize) {
    let senders = reader.get(&table::SENDERS);
    let arbiters = reader.find(&table::ARBITERS);
    if let Some(arbiters) = arbiters.as_ref().filter(|_| reader.is_sound(&[&table::SENDERS.row])) {
        checks::pool(senders, arbiters, reader.problems);
    }
    let spare = cores.saturating_sub(1).min(MOST_ARBITERS);
    let spare = NonZeroUsize::new(spare).unwrap_or(NonZeroUsize::MIN);
    (senders, arbiters.map_or(spare.min(senders), |found| found.value))
}

fn revoke_deadline(reader: &mut Reader<'_>, properties: &Properties) -> std::time::Duration {
    let typed = reader.find(&table::REVOKE_DEADLINE);
    let deadline = typed.as_ref().map(|found| found.value);
    let deadline = deadline.unwrap_or_else(|| super::reader::standard(&table::REVOKE_DEADLINE));
    let place = typed.map(|found| found.place);
    if reader.is_sound(&[&table::REVOKE_DEADLINE.row]) {
        checks::revoke_deadline(deadline, place.as_ref(), properties, reader.problems);
    }
    deadline
}

fn dead_letter(
    reader: &mut Reader<'_>,
    kafka: &Kafka<'_>,
    properties: &Properties,
    group: Option<&GroupSettings>,
) -> Option<DeadLetterSettings> {
    let topic = reader.find(&table::DEAD_LETTER_TOPIC);
    if !reader.is_given(&table::DEAD_LETTER_TOPIC.row) {
        checks::no_dead_letter(kafka.dead_letter, reader.problems);
    }
    let topic = topic?;
    let own = kafka::merge([properties, kafka.dead_letter]);
    if let Some(group) = group {
        checks::dead_letter(&topic, &group.topics, properties, &own, reader.problems);
    }
    Some(DeadLetterSettings { topic: topic.value, kafka: KafkaProperties::for_producer(&own) })
}
