//! From the settings of the binary to what the library is told.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use keyway_actors::kafka::admin::{self, Tried};
use keyway_actors::sink::http::{HttpSettings, HttpSettingsError};
use keyway_actors::{DeadLetterConfig, DestinationConfig, PipelineConfig, RetryPolicy};

use crate::settings::{
    self, DeadLetterSettings, KafkaProperties, PipelineSettings, RetrySettings, Settings,
};

/// What the library is told of a pipeline.
pub fn pipeline(settings: &PipelineSettings) -> PipelineConfig {
    PipelineConfig {
        name: settings.name.clone(),
        topics: settings.topics.clone(),
        partitions: settings.partitions.clone(),
        group_id: settings.group_id.clone(),
        kafka: kafka(&settings.kafka),
        ordering: settings.ordering,
        senders: settings.senders,
        arbiters: settings.arbiters,
        buffer_records: settings.buffer_records.get() as u64,
        buffer_bytes: settings.buffer_bytes as u64,
        commit_interval: settings.commit_interval,
        revoke_deadline: settings.revoke_deadline,
        drain_deadline: settings.drain_deadline,
        offset_overflow: settings.offset_overflow,
        offset_metadata_max_bytes: settings.offset_metadata_max_bytes,
        destinations: DestinationConfig::default(),
        retry: retry(settings.retry),
        dead_letter: settings.dead_letter.as_ref().map(dead_letter),
    }
}

/// Has librdkafka take the properties of the pipelines, connecting to nobody.
///
/// # Errors
/// What it refuses, one line each: properties that contradict each other, or name a file that it
/// cannot read.
pub fn try_properties(settings: &Settings) -> Result<Vec<Tried>, Vec<String>> {
    let (mut tried, mut refused) = (Vec::new(), Vec::new());
    for settings in &settings.pipelines {
        match admin::try_properties(&pipeline(settings)) {
            Ok(clients) => tried.push(clients),
            Err(error) => refused.push(format!("pipeline {:?}: {error}", settings.name)),
        }
    }
    if refused.is_empty() { Ok(tried) } else { Err(refused) }
}

/// The HTTP sink of a pipeline.
///
/// # Errors
/// What the sink refuses; the settings have checked the same before.
pub fn sink(settings: &settings::HttpSettings) -> Result<HttpSettings, HttpSettingsError> {
    HttpSettings::new(&settings.url.to_string())?
        .timeout(settings.timeout)?
        .content_type(&settings.content_type)
}

/// The properties, as the library takes them.
pub fn kafka(properties: &KafkaProperties) -> BTreeMap<String, String> {
    properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn dead_letter(settings: &DeadLetterSettings) -> DeadLetterConfig {
    DeadLetterConfig { topic: settings.topic.clone(), kafka: kafka(&settings.kafka) }
}

fn retry(settings: RetrySettings) -> RetryPolicy {
    RetryPolicy {
        initial: settings.initial,
        factor: settings.factor,
        max: settings.max,
        max_attempts: settings.max_attempts.map_or(0, NonZeroU32::get),
        on_rejected: settings.on_rejected,
        on_exhausted: settings.on_exhausted,
        ..RetryPolicy::default()
    }
}
