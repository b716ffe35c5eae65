//! librdkafka's mock cluster in the test process: real listeners on the loopback, groups, commits
//! with metadata, transactions. Quick, and good for stories about the network and the group.
//!
//! It keeps 5 MiB or 100,000 records a partition and drops the oldest beyond; it cannot delete or
//! grow topics, and has no limit on commit metadata. Those need [`Kafka`](super::Kafka).

mod native;

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::cluster::{Access, Cluster};

/// A mock cluster; gone when dropped.
pub struct Mock {
    // The client that owns the cluster; nothing is produced with it.
    owner: BaseProducer,
    brokers: String,
}

impl Mock {
    /// Starts a cluster of one broker.
    pub fn start() -> Self {
        Self::with_brokers(1)
    }

    /// Starts a cluster of so many brokers, numbered from 1.
    pub fn with_brokers(count: u32) -> Self {
        let owner: BaseProducer = ClientConfig::new()
            .set("test.mock.num.brokers", count.to_string())
            .create()
            .expect("a mock cluster can be made");
        native::no_rebalance_delay(&owner);
        let cluster = owner.client().mock_cluster().expect("the client has a mock cluster");
        let brokers = cluster.bootstrap_servers();
        drop(cluster);
        Self { owner, brokers }
    }

    /// Cuts all connections of all brokers and refuses new ones.
    pub fn down(&self) {
        self.cluster().broker_down(-1).expect("all brokers can go down");
    }

    /// Lets all brokers accept connections again.
    pub fn up(&self) {
        self.cluster().broker_up(-1).expect("all brokers can come up");
    }

    /// Adds a delay to every answer of every broker.
    pub fn delay(&self, delay: Duration) {
        self.cluster().broker_round_trip_time(-1, delay).expect("a delay can be set");
    }

    /// Fails the next requests of a kind, one for each error given. The mock's own calls, for
    /// what has no word here: [`Mock::cluster`].
    pub fn fail_next(&self, kind: RDKafkaApiKey, errors: &[RDKafkaRespErr]) {
        self.cluster().request_errors(kind, errors);
    }

    /// Everything else that the mock can do.
    pub fn cluster(&self) -> MockCluster<'_, DefaultProducerContext> {
        self.owner.client().mock_cluster().expect("the client has a mock cluster")
    }
}

impl Cluster for Mock {
    fn access(&self) -> Access {
        Access { brokers: self.brokers.clone(), properties: Vec::new(), idempotent: false }
    }

    fn create_topic(&self, name: &str, partitions: i32) {
        self.cluster().create_topic(name, partitions, 1).expect("the mock makes a topic");
    }
}
