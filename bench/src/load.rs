//! What is delivered: how records fall on keys, and how they get into a topic.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::Serialize;

/// How records fall on keys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Keys {
    /// Each record has a key of its own.
    Distinct,
    /// So many keys in turn.
    Cycle(usize),
    /// So many keys, by Zipf's law with this exponent.
    Zipf(usize, f64),
    /// Every second record has the same key, the others one of their own.
    Hot,
}

impl Keys {
    /// The key of each of so many records. The same for each call.
    pub fn of(self, records: usize) -> Box<dyn Iterator<Item = usize> + Send> {
        let mut random = SmallRng::seed_from_u64(7);
        match self {
            Self::Distinct => Box::new(0..records),
            Self::Cycle(keys) => Box::new((0..records).map(move |n| n % keys)),
            Self::Zipf(keys, exponent) => match Zipf::new(keys as f64, exponent) {
                Ok(zipf) => Box::new((0..records).map(move |_| random.sample(zipf) as usize - 1)),
                Err(_) => Box::new(std::iter::empty()),
            },
            Self::Hot => Box::new((0..records).map(|n| if n % 2 == 0 { 0 } else { n })),
        }
    }

    /// How many of so many records have the commonest key.
    pub fn commonest(self, records: usize) -> usize {
        let mut counts = vec![0; self.bound(records)];
        self.of(records).for_each(|key| counts[key] += 1);
        counts.into_iter().max().unwrap_or(0)
    }

    /// More than any key of so many records.
    pub fn bound(self, records: usize) -> usize {
        match self {
            Self::Distinct | Self::Hot => records,
            Self::Cycle(keys) | Self::Zipf(keys, _) => keys,
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distinct => f.write_str("distinct"),
            Self::Cycle(keys) => write!(f, "cycle:{keys}"),
            Self::Zipf(keys, exponent) => write!(f, "zipf:{exponent}:{keys}"),
            Self::Hot => f.write_str("hot"),
        }
    }
}

impl FromStr for Keys {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split(':').collect();
        Ok(match parts[..] {
            ["distinct"] => Self::Distinct,
            ["hot"] => Self::Hot,
            ["cycle", keys] => Self::Cycle(keys.parse()?),
            ["zipf", exponent, keys] => Self::Zipf(keys.parse()?, exponent.parse()?),
            _ => bail!("keys are `distinct`, `hot`, `cycle:KEYS` or `zipf:EXPONENT:KEYS`"),
        })
    }
}

/// The body of a record: its key and its place among the records of that key, then filling.
pub fn body(key: usize, sequence: u64, size: usize) -> Vec<u8> {
    let mut body = format!("{key}:{sequence} ").into_bytes();
    body.resize(body.len().max(size), b'x');
    body
}

/// Makes a topic and fills it.
pub fn fill(
    brokers: &str,
    topic: &str,
    partitions: i32,
    keys: Keys,
    records: usize,
    size: usize,
) -> anyhow::Result<()> {
    create(brokers, topic, partitions)?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .set("queue.buffering.max.messages", "200000")
        .set("message.max.bytes", "10000000")
        .create()
        .context("a producer")?;
    let mut sequences = vec![0_u64; keys.bound(records)];
    for key in keys.of(records) {
        let name = key.to_string();
        let body = body(key, sequences[key], size);
        sequences[key] += 1;
        let mut record = BaseRecord::to(topic).key(&name).payload(&body);
        while let Err((error, unsent)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error).context("a record is not taken");
            }
            producer.poll(Duration::from_millis(10));
            record = unsent;
        }
    }
    producer.flush(Duration::from_mins(2)).context("the records are not acknowledged")
}

fn create(brokers: &str, topic: &str, partitions: i32) -> anyhow::Result<()> {
    let admin = admin(brokers)?;
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1))
        .set("max.message.bytes", "10000000");
    for answer in block_on(admin.create_topics(&[topic], &AdminOptions::new()))?? {
        answer.map_err(|(topic, code)| anyhow::anyhow!("{topic} cannot be made: {code}"))?;
    }
    Ok(())
}

/// Removes a topic, so that its records need no room any more.
pub fn remove(brokers: &str, topic: &str) -> anyhow::Result<()> {
    let admin = admin(brokers)?;
    for answer in block_on(admin.delete_topics(&[topic], &AdminOptions::new()))?? {
        answer.map_err(|(topic, code)| anyhow::anyhow!("{topic} cannot be removed: {code}"))?;
    }
    Ok(())
}

fn admin(brokers: &str) -> anyhow::Result<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new().set("bootstrap.servers", brokers).create()?)
}

/// Runs to the end.
pub fn block_on<F: Future>(work: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}
