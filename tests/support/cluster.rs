//! What the tests do to a Kafka cluster, real or mock: topics, records, transactions, committed
//! offsets. Everything goes through librdkafka clients of its own, never through Keyway's code.
//!
//! A step that a broker refuses for the moment (it is starting, a coordinator is loading) is tried
//! again until [`LIMIT`](super::wait::LIMIT).

mod access;
mod outbox;
mod reading;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

pub use self::access::Access;
pub use self::outbox::Load;
pub use self::reading::Received;
use super::records::{Record, Sent, unique};
use super::wait::{LIMIT, wait_for};

const ONCE: Duration = Duration::from_secs(5);

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub partition: i32,
    /// The next offset to be read; `None` when nothing was committed.
    pub offset: Option<i64>,
    /// The metadata; empty when there is none.
    pub metadata: String,
}

/// The first offset that is there, and the one the next record will get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that is there.
    pub low: i64,
    /// The offset of the next record.
    pub high: i64,
}

/// A cluster, real or mock.
pub trait Cluster {
    /// How to reach it.
    fn access(&self) -> Access;

    /// Makes a topic with one replica, and returns when its partitions can be written.
    fn create_topic(&self, name: &str, partitions: i32);

    /// The `bootstrap.servers` of its plain listener.
    fn brokers(&self) -> String {
        self.access().brokers
    }

    /// Makes a topic of the test's own, and returns its name.
    fn topic(&self, stem: &str, partitions: i32) -> String {
        let name = unique(stem);
        self.create_topic(&name, partitions);
        name
    }

    /// Produces records with `acks=all`, in order, and returns where each landed.
    fn produce(&self, topic: &str, records: Vec<Record>) -> Vec<Sent> {
        let mut outbox = self.access().producer(&[]);
        for record in records {
            outbox.put(topic, record);
        }
        outbox.flush(topic)
    }

    /// Produces records in one transaction, which is committed or else aborted.
    fn produce_in_transaction(&self, topic: &str, records: Vec<Record>, commit: bool) -> Vec<Sent> {
        let name = unique("transaction");
        let settings = [
            ("transactional.id", name.as_str()),
            ("transaction.timeout.ms", "60000"),
            ("message.timeout.ms", "60000"),
            ("enable.idempotence", "true"),
            ("max.in.flight.requests.per.connection", "5"),
        ];
        let mut outbox = self.access().producer(&settings);
        outbox.producer.init_transactions(LIMIT).expect("transactions can be set up");
        outbox.producer.begin_transaction().expect("a transaction can be begun");
        for record in records {
            outbox.put(topic, record);
        }
        // Flushed before the end, so that an aborted record has really been in the log.
        outbox.settle();
        if commit {
            outbox.producer.commit_transaction(LIMIT).expect("the transaction can be committed");
        } else {
            outbox.producer.abort_transaction(LIMIT).expect("the transaction can be aborted");
        }
        outbox.flush(topic)
    }

    /// Starts to produce `per_second` records a second, until the load is stopped. `make` gets the
    /// number of the record, from 0.
    fn load(
        &self,
        topic: &str,
        per_second: u32,
        make: impl FnMut(usize) -> Record + Send + 'static,
    ) -> Load
    where
        Self: Sized,
    {
        Load::start(self.access(), topic.to_owned(), per_second, make)
    }

    /// The numbers of partitions of a topic that the cluster knows.
    fn partitions(&self, topic: &str) -> Vec<i32> {
        partitions(&self.access().consumer(&[]), topic)
    }

    /// What a group has committed, partition by partition. The group is not joined.
    fn committed(&self, group: &str, topic: &str) -> Vec<Committed> {
        let consumer = self.access().consumer(&[("group.id", group)]);
        let mut asked = TopicPartitionList::new();
        for partition in partitions(&consumer, topic) {
            asked.add_partition(topic, partition);
        }
        let answer =
            steady("committed offsets", || consumer.committed_offsets(asked.clone(), ONCE));
        let found = answer.elements().into_iter().map(|element| Committed {
            partition: element.partition(),
            offset: match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            },
            metadata: element.metadata().to_owned(),
        });
        found.collect()
    }

    /// The sum of a group's committed offsets over the partitions of a topic.
    fn committed_total(&self, group: &str, topic: &str) -> i64 {
        self.committed(group, topic).iter().filter_map(|one| one.offset).sum()
    }

    /// Waits until what the group has committed is as `enough` wants it, and returns it.
    fn wait_for_commit(
        &self,
        group: &str,
        topic: &str,
        what: &str,
        enough: impl Fn(&[Committed]) -> bool,
    ) -> Vec<Committed>
    where
        Self: Sized,
    {
        wait_for(&format!("group {group} on {topic} to have committed {what}"), || {
            Some(self.committed(group, topic)).filter(|found| enough(found))
        })
    }

    /// Waits until the group has committed every partition up to its end. Not for topics written
    /// in transactions: a marker stands at their end, which nobody needs to commit.
    fn wait_all_committed(&self, group: &str, topic: &str)
    where
        Self: Sized,
    {
        let ends = self.watermarks(topic);
        self.wait_for_commit(group, topic, &format!("all of {ends:?}"), |found| {
            found.iter().all(|one| {
                let end = ends.get(&one.partition);
                end.is_none_or(|end| end.low == end.high || one.offset >= Some(end.high))
            })
        });
    }

    /// Commits an offset with metadata for a group that has no members, as another program would.
    fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64, metadata: &str) {
        let consumer = self.access().consumer(&[("group.id", group)]);
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(topic, partition);
        element.set_offset(Offset::Offset(offset)).expect("an offset that is not negative");
        element.set_metadata(metadata);
        steady("a commit", || consumer.commit(&list, CommitMode::Sync));
    }

    /// The offsets that are there, by partition.
    fn watermarks(&self, topic: &str) -> BTreeMap<i32, Watermarks> {
        let consumer = self.access().consumer(&[]);
        partitions(&consumer, topic)
            .into_iter()
            .map(|partition| {
                let (low, high) =
                    steady("watermarks", || consumer.fetch_watermarks(topic, partition, ONCE));
                (partition, Watermarks { low, high })
            })
            .collect()
    }

    /// Reads all that is in a topic now, in order of partition and offset; records of aborted
    /// transactions are left out.
    fn read(&self, topic: &str) -> Vec<Received> {
        self.access().read(topic)
    }

    /// All that a topic holds now, as what was sent. After an outage of the mock cluster this is
    /// the truth, rather than the acknowledgements: a record tried again may be there twice.
    fn contents(&self, topic: &str) -> Vec<Sent> {
        let read = self.read(topic).into_iter();
        read.map(|one| Sent { id: one.id, key: one.key, value: one.value }).collect()
    }

    /// Waits until a topic holds at least `count` records, and returns all it holds.
    fn wait_for_records(&self, topic: &str, count: usize) -> Vec<Received> {
        wait_for(&format!("{count} records in {topic}"), || {
            Some(self.read(topic)).filter(|found| found.len() >= count)
        })
    }
}

/// Does `step` until it works.
pub(super) fn steady<T>(what: &str, mut step: impl FnMut() -> KafkaResult<T>) -> T {
    let begun = Instant::now();
    loop {
        match step() {
            Ok(done) => return done,
            Err(error) => assert!(begun.elapsed() < LIMIT, "{what}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The partitions of a topic; waits until it is there and each has a leader.
pub(super) fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    wait_for(&format!("topic {topic} with leaders"), || {
        let metadata = consumer.fetch_metadata(Some(topic), ONCE).ok()?;
        let found = metadata.topics().first()?.partitions();
        let ready =
            !found.is_empty() && found.iter().all(|one| one.leader() >= 0 && one.error().is_none());
        let mut numbers: Vec<i32> =
            found.iter().map(rdkafka::metadata::MetadataPartition::id).collect();
        numbers.sort_unstable();
        ready.then_some(numbers)
    })
}
