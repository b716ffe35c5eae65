//! How a cluster is reached, and the clients that reach it.

use std::collections::HashSet;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use super::outbox::Outbox;
use super::reading::{Received, read_to_end};
use crate::support::records::{Id, Sent};

/// How to reach a cluster.
#[derive(Debug, Clone)]
pub struct Access {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// Further librdkafka properties (TLS, SASL).
    pub properties: Vec<(String, String)>,
    /// Whether producers of the tests may be idempotent. The mock cluster forgets what a failed
    /// request carried and then takes the second try for a duplicate: the record is lost.
    pub idempotent: bool,
}

impl Access {
    /// A librdkafka configuration that connects.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// Reads all that is in a topic now, in order of partition and offset; records of aborted
    /// transactions are left out.
    pub(super) fn read(&self, topic: &str) -> Vec<Received> {
        let consumer = self.consumer(&[
            ("group.id", "reads-without-a-group"),
            ("enable.partition.eof", "true"),
            ("isolation.level", "read_committed"),
        ]);
        read_to_end(&consumer, topic)
    }

    /// Looks up in the topic where those are whose offset is not known (negative): each in its
    /// partition at the first place that has its key and value and is nobody else's.
    pub fn located(&self, topic: &str, mut sent: Vec<Sent>) -> Vec<Sent> {
        if sent.iter().all(|one| one.id.offset >= 0) {
            return sent;
        }
        let taken: HashSet<Id> = sent.iter().map(|one| one.id.clone()).collect();
        let mut there = self.read(topic);
        there.retain(|one| !taken.contains(&one.id));
        for one in sent.iter_mut().filter(|one| one.id.offset < 0) {
            let place = there.iter().position(|other| {
                other.id.partition == one.id.partition
                    && (&other.key, &other.value) == (&one.key, &one.value)
            });
            one.id = there.remove(place.expect("what was acknowledged is there")).id;
        }
        sent
    }

    pub(super) fn consumer(&self, overrides: &[(&str, &str)]) -> BaseConsumer {
        let mut config = self.config();
        config.set("enable.auto.commit", "false");
        for (name, value) in overrides {
            config.set(*name, *value);
        }
        config.create().expect("a consumer can be made")
    }

    pub(super) fn producer(&self, overrides: &[(&str, &str)]) -> Outbox {
        let mut config = self.config();
        config
            .set("acks", "all")
            .set("linger.ms", "2")
            .set("message.max.bytes", "20000000")
            .set("message.timeout.ms", "300000")
            .set("queue.buffering.max.messages", "200000")
            .set("partitioner", "murmur2_random");
        if self.idempotent {
            config.set("enable.idempotence", "true");
        } else {
            config.set("max.in.flight.requests.per.connection", "1");
        }
        for (name, value) in overrides {
            config.set(*name, *value);
        }
        Outbox::new(self.clone(), &config)
    }
}
