//! librdkafka's configuration: what the user set, Keyway's own defaults, and what Keyway owns.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::config::PipelineConfig;
use crate::core::intake::SLICE;

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

/// Partitions that a member is taken to have where the group decides it: librdkafka wants to know
/// its limits before there is an assignment, and keeps them.
const PARTITIONS: u64 = 64;

/// What librdkafka reads ahead for a partition, beside the buffer.
///
/// A partition with a queue of its own has its limits to itself (`queued.max.messages.kbytes` of the
/// documentation counts once a consumer only where there are no such queues). As long as its queue
/// is below both it is asked for in the next fetch, with up to `fetch.message.max.bytes` more: what
/// it holds at the most is the two together, as compressed as the batches are that come, and one fetch
/// more if that is decided on while a slice is out of the queue. The fetch queue's back-off bounds
/// nothing, and `fetch.max.bytes` only a single answer; librdkafka derives it itself, at least a
/// megabyte for all partitions of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefetch {
    /// Half of what a partition may hold: the size in bytes from which its queue is full, and the
    /// most that one fetch adds. A single batch that is larger comes all the same.
    bytes: u64,
    /// The number of records from which its queue is full. librdkafka keeps some hundred bytes
    /// beside each, which its count in bytes leaves out.
    records: u64,
}

impl Prefetch {
    /// A quarter of the buffer, shared by the partitions; a partition has from 64 KiB to 2 MiB.
    /// With half a mebibyte, from a broker on the same machine, one partition was read at nine
    /// tenths of the rate it was with two, and 200 kept a third of the memory.
    fn of(config: &PipelineConfig) -> Self {
        let partitions = fixed_partitions(config).unwrap_or(PARTITIONS).max(1);
        let bytes = (config.buffer_bytes / 4 / partitions / 2).clamp(32 << 10, 1 << 20);
        Self { bytes, records: bytes / 128 }
    }

    fn set(self, client: &mut ClientConfig, properties: &BTreeMap<String, String>) {
        client
            .set("queued.max.messages.kbytes", (self.bytes >> 10).to_string())
            .set("queued.min.messages", self.records.to_string());
        // Of a property and its other name, the one set last counts, and which that is, is chance.
        if !properties.contains_key("max.partition.fetch.bytes") {
            client.set("fetch.message.max.bytes", self.bytes.to_string());
        }
    }
}

/// How many partitions there are, where no group decides it.
fn fixed_partitions(config: &PipelineConfig) -> Option<u64> {
    config.partitions.as_ref().map(|fixed| (fixed.len() * config.topics.len()) as u64)
}

/// The consumer's configuration.
pub(crate) fn consumer(config: &PipelineConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("client.id", "keyway")
        .set("auto.offset.reset", "earliest")
        // A queue that was full is looked at again after this long: at librdkafka's own 1000 ms a
        // small prefetch starves, and at 5 ms one partition still lost a tenth.
        .set("fetch.queue.backoff.ms", "2")
        // A fetch that finds nothing is answered after this long, and until then no other is sent to
        // that broker. At librdkafka's own 500 ms a partition with a backlog beside idle ones got two
        // fetches a second. The price is twenty requests a second to each broker while all is idle.
        .set("fetch.wait.max.ms", "50")
        // New partitions are found within this time; 300 s otherwise.
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("socket.keepalive.enable", "true")
        // They tell whether the coordinator is in reach; nothing else does while nothing flows.
        .set("statistics.interval.ms", "5000");
    Prefetch::of(config).set(&mut client, &config.kafka);
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
        // What `PartitionQueue::take` takes out of the queue at a time.
        .set("consume.callback.max.messages", SLICE.to_string())
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
        KafkaError::ClientCreation(reason) => reason.clone(),
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

    /// What librdkafka may hold for a partition, in KiB, and its records.
    fn prefetch(config: &PipelineConfig) -> (u64, u64) {
        let client = consumer(config);
        let number = |name| client.get(name).and_then(|it| it.parse::<u64>().ok()).expect(name);
        let fetch = number("fetch.message.max.bytes");
        (number("queued.max.messages.kbytes") + fetch / 1024, number("queued.min.messages"))
    }

    #[test]
    fn sixty_four_partitions_prefetch_a_quarter_of_the_buffer() {
        let mut config = config(&[]);
        for (mebibytes, kbytes) in [(8, 64), (16, 64), (64, 256), (128, 512), (512, 2048)] {
            config.buffer_bytes = mebibytes << 20;
            let (partition, records) = prefetch(&config);
            assert_eq!((partition, records), (kbytes, kbytes * 4), "{mebibytes} MiB");
            assert!(partition * 64 <= (mebibytes << 10) / 4 || partition == 64, "{mebibytes} MiB");
        }
    }

    #[test]
    fn prefetch_has_a_least_and_a_most() {
        let mut config = config(&[]);
        config.buffer_bytes = 1 << 20;
        assert_eq!(prefetch(&config).0, 64);
        config.buffer_bytes = 1 << 40;
        assert_eq!(prefetch(&config).0, 2048);
    }

    #[test]
    fn fixed_partitions_share_it_by_their_number() {
        let mut config = config(&[]);
        config.partitions = Some((0..128).collect());
        assert_eq!(prefetch(&config).0, 256);
        config.topics.push("u".to_owned());
        assert_eq!(prefetch(&config).0, 128);
        config.partitions = Some(vec![0]);
        assert_eq!(prefetch(&config).0, 2048);
    }

    #[test]
    fn a_prefetch_that_the_user_sets_is_his_under_either_name() {
        let client = consumer(&config(&[
            ("queued.max.messages.kbytes", "7"),
            ("queued.min.messages", "8"),
            ("fetch.message.max.bytes", "9000"),
        ]));
        assert_eq!(client.get("queued.max.messages.kbytes"), Some("7"));
        assert_eq!(client.get("queued.min.messages"), Some("8"));
        assert_eq!(client.get("fetch.message.max.bytes"), Some("9000"));
        let client = consumer(&config(&[("max.partition.fetch.bytes", "9000")]));
        assert_eq!(client.get("fetch.message.max.bytes"), None, "which of two counts, is chance");
        let native = client.create_native_config().expect("a configuration");
        assert_eq!(native.get("fetch.message.max.bytes").as_deref(), Ok("9000"));
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
