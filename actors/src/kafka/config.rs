//! librdkafka's configuration: what the user set, Keyway's own defaults, and what Keyway owns.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::config::PipelineConfig;

/// Properties that Keyway sets itself, each with what to use in its place.
pub const OWNED: &[(&str, &str)] = &[
    ("group.id", "set group_id"),
    ("enable.auto.commit", "Keyway commits what is settled; set commit_interval"),
    ("auto.commit.interval.ms", "Keyway commits what is settled; set commit_interval"),
    ("enable.auto.offset.store", "Keyway commits what is settled"),
    ("enable.partition.eof", "Keyway needs it to know where the log ends"),
    ("consume.callback.max.messages", "Keyway takes records in slices of its own"),
    ("rebalance_cb", "Keyway answers rebalances itself"),
    ("offset_commit_cb", "Keyway reads the answers to its commits itself"),
];

/// Prefetch of a partition, in KiB. librdkafka counts it for each partition that has a queue of its
/// own, so that a member with many partitions takes this many times their number beside its buffer.
const PREFETCH_KBYTES: u64 = 1024;

/// The least number of records that librdkafka tries to keep ready for a partition.
const PREFETCH_RECORDS: u64 = 10_000;

/// The consumer's configuration.
pub(crate) fn consumer(config: &PipelineConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    let prefetch = PREFETCH_KBYTES.min(config.buffer_bytes / 1024 / 4).max(1);
    client
        .set("client.id", "keyway")
        .set("auto.offset.reset", "earliest")
        // A queue that was full is looked at again after this long: at librdkafka's own 1000 ms a
        // small prefetch starves.
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.max.messages.kbytes", prefetch.to_string())
        .set("queued.min.messages", PREFETCH_RECORDS.to_string())
        // New partitions are found within this time; 300 s otherwise.
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("socket.keepalive.enable", "true")
        // They tell whether the coordinator is in reach; nothing else does while nothing flows.
        .set("statistics.interval.ms", "5000");
    let new_protocol =
        config.kafka.get("group.protocol").is_some_and(|protocol| protocol == "consumer");
    if !new_protocol {
        client.set("partition.assignment.strategy", "cooperative-sticky");
    }
    apply(&mut client, &config.kafka);
    client
        .set("group.id", &config.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set_log_level(log_level(&config.kafka));
    client
}

/// The configuration of the dead letters' producer: the pipeline's connection and security, no
/// consumer properties, and an acknowledgement of every replica for each letter, for as long as it
/// takes.
pub(crate) fn producer(config: &PipelineConfig, own: &BTreeMap<String, String>) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", "keyway");
    for (name, value) in &config.kafka {
        if is_common(name) {
            client.set(name, value);
        }
    }
    client.set("queue.buffering.max.ms", "5").set("compression.codec", "lz4");
    apply(&mut client, own);
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set_log_level(log_level(own));
    client
}

/// A client of the same cluster with no group and no topics, to ask things with.
pub(crate) fn admin(kafka: &BTreeMap<String, String>) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", "keyway");
    for (name, value) in kafka {
        if is_common(name) {
            client.set(name, value);
        }
    }
    client.set_log_level(RDKafkaLogLevel::Error);
    client
}

/// What librdkafka hands over for the log: warnings, and everything where `debug` asks for more.
fn log_level(properties: &BTreeMap<String, String>) -> RDKafkaLogLevel {
    if properties.contains_key("debug") { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Warning }
}

/// What librdkafka says of a configuration that it refuses, without the value, which may be secret.
pub(crate) fn refusal(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, property, _) => format!("{property}: {reason}"),
        error => error.to_string(),
    }
}

/// A client that asks about a group without joining it.
pub(crate) fn group(kafka: &BTreeMap<String, String>, group_id: &str) -> ClientConfig {
    let mut client = admin(kafka);
    // It decides where a log ends: before the records of an open transaction, or after.
    if let Some(isolation) = kafka.get("isolation.level") {
        client.set("isolation.level", isolation);
    }
    client.set("group.id", group_id).set("enable.auto.commit", "false");
    client
}

fn apply(client: &mut ClientConfig, properties: &BTreeMap<String, String>) {
    for (name, value) in properties {
        client.set(name, value);
    }
}

/// Whether a property means the same to a producer: the connection and its security.
fn is_common(name: &str) -> bool {
    const COMMON: [&str; 12] = [
        "bootstrap.servers",
        "metadata.broker.list",
        "client.",
        "security.",
        "sasl.",
        "ssl.",
        "socket.",
        "broker.",
        "reconnect.",
        "api.",
        "enable.ssl.",
        "retry.backoff.",
    ];
    COMMON.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(properties: &[(&str, &str)]) -> PipelineConfig {
        let mut config = PipelineConfig::new("here:9092", "t", "g");
        let own = properties.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        config.kafka.extend(own);
        config
    }

    #[test]
    fn the_user_may_change_defaults_but_not_what_keyway_owns() {
        let client = consumer(&config(&[
            ("auto.offset.reset", "latest"),
            ("enable.auto.commit", "true"),
            ("group.id", "other"),
        ]));
        assert_eq!(client.get("auto.offset.reset"), Some("latest"));
        assert_eq!(client.get("enable.auto.commit"), Some("false"));
        assert_eq!(client.get("group.id"), Some("g"));
    }

    #[test]
    fn a_refused_value_is_not_shown() {
        let mut client = consumer(&config(&[]));
        let Err(error) = client.set("max.poll.interval.ms", "hunter2").create_native_config()
        else {
            panic!("librdkafka takes any value");
        };
        let refusal = refusal(&error);
        assert!(refusal.contains("max.poll.interval.ms"), "{refusal}");
        assert!(!refusal.replace("Invalid value", "").contains("hunter2"), "{refusal}");
    }

    #[test]
    fn the_new_group_protocol_gets_no_strategy() {
        let client = consumer(&config(&[("group.protocol", "consumer")]));
        assert_eq!(client.get("partition.assignment.strategy"), None);
        let client = consumer(&config(&[]));
        assert_eq!(client.get("partition.assignment.strategy"), Some("cooperative-sticky"));
    }

    #[test]
    fn dead_letters_use_the_pipelines_security_and_wait_for_every_replica() {
        let config = config(&[("sasl.username", "me"), ("fetch.min.bytes", "1"), ("acks", "1")]);
        let own = BTreeMap::from([("acks".to_owned(), "0".to_owned())]);
        let client = producer(&config, &own);
        assert_eq!(client.get("sasl.username"), Some("me"));
        assert_eq!(client.get("fetch.min.bytes"), None);
        assert_eq!(client.get("acks"), Some("all"));
    }
}
