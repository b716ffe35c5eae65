//! A broker inside the process, so that the examples run with nothing installed: librdkafka's mock
//! cluster, and a producer that fills a topic.

use std::error::Error;
use std::time::Duration;

use keyway_actors::kafka::mock_groups_form_at_once;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// The broker; it ends when this is dropped.
pub struct Broker(BaseProducer);

impl Broker {
    /// Starts a broker with one topic.
    pub fn start(topic: &str, partitions: i32) -> Result<Self, Box<dyn Error>> {
        let producer: BaseProducer =
            ClientConfig::new().set("test.mock.num.brokers", "1").create()?;
        mock_groups_form_at_once(producer.client());
        let cluster = producer.client().mock_cluster().ok_or("no mock cluster")?;
        cluster.create_topic(topic, partitions, 1)?;
        drop(cluster);
        Ok(Self(producer))
    }

    /// What to connect to.
    pub fn address(&self) -> String {
        self.0.client().mock_cluster().map(|it| it.bootstrap_servers()).unwrap_or_default()
    }

    /// Writes `count` records with `keys` different keys.
    pub fn fill(&self, topic: &str, count: u32, keys: u32) -> Result<(), Box<dyn Error>> {
        for number in 0..count {
            let (key, value) =
                (format!("key-{}", number % keys), format!("{{\"number\":{number}}}"));
            let record = BaseRecord::to(topic).key(&key).payload(&value);
            self.0.send(record).map_err(|(error, _)| error)?;
            self.0.poll(Duration::ZERO);
        }
        self.0.flush(Duration::from_secs(10))?;
        Ok(())
    }
}
