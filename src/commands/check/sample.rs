//! `keyway check --sample N`: the plans of the last records of each topic, and nothing is sent.
//!
//! The consumer that reads them is assigned its partitions: it joins no group, and commits nothing. It
//! only bears the name of the pipeline's group, for which the brokers let it in.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use keyway_actors::Record;
use keyway_actors::kafka::admin::{self, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::requests;
use crate::commands::words::count;
use crate::settings::{PipelineSettings, Settings};
use crate::wiring;

/// The most records of a topic: what a person reads.
pub const MOST: u32 = 1_000;

/// Prints the plans of the last records of each topic. Whether all could be read and none is
/// refused.
pub fn plans(
    settings: &Settings,
    number: u32,
    patience: Duration,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let mut fine = true;
    for pipeline in &settings.pipelines {
        writeln!(out, "pipeline {}", pipeline.name)?;
        fine &= of_pipeline(pipeline, number, patience, out)?;
    }
    Ok(fine)
}

fn of_pipeline(
    pipeline: &PipelineSettings,
    number: u32,
    patience: Duration,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let kafka = wiring::kafka(&pipeline.kafka);
    let asked = match admin::topics(&kafka, &pipeline.topics, patience) {
        Ok(topics) => topics.asked,
        Err(error) => {
            writeln!(out, "  {error}")?;
            return Ok(false);
        }
    };
    let mut fine = true;
    for asked in asked {
        let topics = match asked.found {
            Ok(topics) => topics,
            Err(error) => {
                writeln!(out, "  topic {}: {error}", asked.name)?;
                fine = false;
                continue;
            }
        };
        for topic in topics {
            match last(pipeline, &topic, number, patience) {
                Ok(records) => fine &= print(pipeline, &topic.name, &records, out)?,
                Err(error) => {
                    writeln!(out, "  topic {}: {error}", topic.name)?;
                    fine = false;
                }
            }
        }
    }
    Ok(fine)
}

fn print(
    pipeline: &PipelineSettings,
    topic: &str,
    records: &[Record],
    out: &mut dyn Write,
) -> io::Result<bool> {
    writeln!(out, "  topic {topic}: the last {}", count(records.len(), "record"))?;
    let mut accepted = true;
    for record in records {
        writeln!(out, "  {topic}/{} at {}", record.partition(), record.offset())?;
        accepted &= requests::of_record(pipeline, record, out)?;
    }
    Ok(accepted)
}

/// The last records of a topic by their timestamps, the oldest first.
fn last(
    pipeline: &PipelineSettings,
    topic: &Topic,
    number: u32,
    patience: Duration,
) -> Result<Vec<Record>, String> {
    let refused = |error: KafkaError| error.to_string();
    let deadline = Instant::now() + patience;
    let mut config: ClientConfig =
        pipeline.kafka.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    config.remove("group.instance.id").remove("group.protocol");
    config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("group.id", &pipeline.group_id);
    let consumer: BaseConsumer = config.create().map_err(refused)?;
    let mut places = TopicPartitionList::new();
    let mut open = 0;
    let fixed = |id: i32| pipeline.partitions.as_ref().is_none_or(|fixed| fixed.contains(&id));
    for partition in topic.partitions.iter().filter(|partition| fixed(partition.id)) {
        let left = deadline.saturating_duration_since(Instant::now());
        let (low, high) =
            consumer.fetch_watermarks(&topic.name, partition.id, left).map_err(refused)?;
        if high > low {
            let start = low.max(high - i64::from(number));
            let start = Offset::Offset(start);
            places.add_partition_offset(&topic.name, partition.id, start).map_err(refused)?;
            open += 1;
        }
    }
    consumer.assign(&places).map_err(refused)?;
    let mut records = Vec::new();
    while open > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        match consumer.poll(left) {
            Some(Ok(message)) => records.push(record_of(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(refused(error)),
            None => return Err(format!("not all was read within {patience:?}")),
        }
    }
    records.sort_by_key(Record::timestamp);
    Ok(records.split_off(records.len().saturating_sub(number as usize)))
}

fn record_of(message: &BorrowedMessage<'_>) -> Record {
    let mut record = Record::builder(message.topic(), message.partition(), message.offset());
    if let Some(timestamp) = message.timestamp().to_millis() {
        record = record.timestamp(timestamp);
    }
    if let Some(key) = message.key() {
        record = record.key(key);
    }
    if let Some(value) = message.payload() {
        record = record.value(value);
    }
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        record = match header.value {
            Some(value) => record.header(header.key, value),
            None => record.null_header(header.key),
        };
    }
    record.build()
}
