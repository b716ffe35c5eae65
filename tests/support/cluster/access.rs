//! How a cluster is reached, and the clients that reach it.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use super::outbox::Outbox;

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
        Outbox::new(&config)
    }
}
