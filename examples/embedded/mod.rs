//! A broker inside the process, so that the examples run with nothing installed: librdkafka's mock
//! cluster, and a producer that fills a topic.

use std::error::Error;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

/// The broker; it ends when this is dropped.
pub struct Broker(MockCluster<'static, DefaultProducerContext>);

impl Broker {
    /// Starts a broker with one topic.
    pub fn start(topic: &str, partitions: i32) -> Result<Self, Box<dyn Error>> {
        let cluster = MockCluster::new(1)?;
        cluster.create_topic(topic, partitions, 1)?;
        Ok(Self(cluster))
    }

    /// What to connect to.
    pub fn address(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Writes `count` records with `keys` different keys.
    pub fn fill(&self, topic: &str, count: u32, keys: u32) -> Result<(), Box<dyn Error>> {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", self.address()).create()?;
        for number in 0..count {
            let (key, value) =
                (format!("key-{}", number % keys), format!("{{\"number\":{number}}}"));
            let record = BaseRecord::to(topic).key(&key).payload(&value);
            producer.send(record).map_err(|(error, _)| error)?;
            producer.poll(Duration::ZERO);
        }
        producer.flush(Duration::from_secs(10))?;
        Ok(())
    }
}
