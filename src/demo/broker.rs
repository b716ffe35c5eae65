//! The Kafka of the demo: librdkafka's mock cluster in this process, with real listeners on the
//! loopback, and what a group has on record there.
//!
//! It keeps 5 MiB or 100,000 records a partition and deletes the oldest beyond; the load stays far
//! below that with what is not yet delivered.

use std::ops::Range;
use std::time::Duration;

use keyway_actors::core::codec;
use keyway_actors::kafka::mock_groups_form_at_once;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::ledger::Place;
use super::record::TOPIC;

/// Partitions of the topic.
pub const PARTITIONS: i32 = 12;

/// The group that delivers.
pub const GROUP: &str = "keyway-demo";

const PATIENCE: Duration = Duration::from_secs(10);

/// The broker; it ends when this is dropped.
pub struct Broker {
    /// The client that owns the cluster; nothing is written with it.
    _owner: BaseProducer,
    address: String,
}

impl Broker {
    /// Starts it, with an empty topic.
    ///
    /// # Errors
    /// What librdkafka says.
    pub fn start() -> Result<Self, KafkaError> {
        let owner: BaseProducer = ClientConfig::new().set("test.mock.num.brokers", "1").create()?;
        mock_groups_form_at_once(owner.client());
        let Some(cluster) = owner.client().mock_cluster() else {
            return Err(KafkaError::MockCluster(RDKafkaErrorCode::Fail));
        };
        cluster.create_topic(TOPIC, PARTITIONS, 1)?;
        let address = cluster.bootstrap_servers();
        drop(cluster);
        Ok(Self { _owner: owner, address })
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// What a group has on record in a topic: its commits, and what their metadata says is done above.
#[derive(Debug, Default)]
pub struct OnRecord(Vec<Partition>);

/// A partition of it.
#[derive(Debug, Default)]
struct Partition {
    /// Everything below is done.
    base: i64,
    /// What is done above.
    above: Vec<Range<i64>>,
    /// Where the log ends.
    end: i64,
}

impl OnRecord {
    /// Asks the broker. Blocks until it has answered, for at most 10 s a question.
    ///
    /// # Errors
    /// It did not answer, or what is on record cannot be read.
    pub fn read(address: &str) -> Result<Self, String> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", address)
            .set("group.id", GROUP)
            .create()
            .map_err(said)?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(TOPIC, 0, PARTITIONS - 1);
        let committed = consumer.committed_offsets(asked, PATIENCE).map_err(said)?;
        let read = committed.elements().into_iter().map(|entry| {
            let base = match entry.offset() {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            let above = codec::decode(base, entry.metadata())
                .map_err(|error| format!("partition {}: {error}", entry.partition()))?;
            let (_, end) =
                consumer.fetch_watermarks(TOPIC, entry.partition(), PATIENCE).map_err(said)?;
            Ok((entry.partition(), Partition { base, above, end }))
        });
        let mut read: Vec<_> = read.collect::<Result<_, String>>()?;
        read.sort_by_key(|(number, _)| *number);
        Ok(Self(read.into_iter().map(|(_, partition)| partition).collect()))
    }

    /// For tests: partition 0 alone.
    #[cfg(test)]
    pub fn of_one(base: i64, above: &[Range<i64>], end: i64) -> Self {
        Self(vec![Partition { base, above: above.to_vec(), end }])
    }

    /// Whether the record at `place` is on record as done.
    pub fn has(&self, place: Place) -> bool {
        let partition = usize::try_from(place.partition).ok().and_then(|number| self.0.get(number));
        partition.is_some_and(|partition| {
            place.offset < partition.base
                || partition.above.iter().any(|done| done.contains(&place.offset))
        })
    }

    /// Every record on record as done.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        (0..).zip(&self.0).flat_map(|(partition, found)| {
            let above = found.above.iter().cloned().flatten();
            (0..found.base).chain(above).map(move |offset| Place { partition, offset })
        })
    }

    /// How many that are.
    pub fn count(&self) -> u64 {
        let count = |range: &Range<i64>| u64::try_from(range.end - range.start).unwrap_or(0);
        let of = |one: &Partition| count(&(0..one.base)) + one.above.iter().map(count).sum::<u64>();
        self.0.iter().map(of).sum()
    }

    /// Records in the topic that are not on record as done.
    pub fn open(&self) -> u64 {
        let written: i64 = self.0.iter().map(|one| one.end).sum();
        u64::try_from(written).unwrap_or(0).saturating_sub(self.count())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "a function for `map_err`")]
fn said(error: KafkaError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_what_is_below_the_commit_and_in_its_metadata() {
        let found = OnRecord::of_one(3, &[5..6, 8..10], 12);
        let done: Vec<i64> = found.places().map(|place| place.offset).collect();
        assert_eq!(done, [0, 1, 2, 5, 8, 9]);
        for offset in 0..12 {
            assert_eq!(found.has(Place { partition: 0, offset }), done.contains(&offset));
        }
        assert!(!found.has(Place { partition: 1, offset: 0 }));
        assert_eq!((found.count(), found.open()), (6, 6));
    }
}
