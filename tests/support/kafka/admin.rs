//! What only a real broker can be asked to do: topics with settings, new partitions, records
//! deleted, groups described.

use std::future::Future;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use super::Kafka;
use crate::support::cluster::{Access, Cluster, partitions, steady};
use crate::support::records::{Record, Sent, unique};
use crate::support::wait::wait_for;

/// A member of a group of the classic protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id that the broker gave it.
    pub id: String,
    /// Its `client.id`.
    pub client: String,
    /// What it was assigned: topic and partition, in order.
    pub assigned: Vec<(String, i32)>,
}

impl Kafka {
    /// Makes a topic of the test's own with topic settings (`cleanup.policy`, …).
    pub fn topic_with(&self, stem: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let name = unique(stem);
        create_topic(&self.access(), &name, partitions, settings);
        name
    }

    /// Makes a topic that is compacted within a second of its segment being full or 100 ms old.
    pub fn compacted_topic(&self, stem: &str, partitions: i32) -> String {
        let settings = [
            ("cleanup.policy", "compact"),
            ("segment.ms", "100"),
            ("min.cleanable.dirty.ratio", "0.001"),
            ("max.compaction.lag.ms", "100"),
            ("delete.retention.ms", "0"),
        ];
        self.topic_with(stem, partitions, &settings)
    }

    /// Waits until compaction left at most `most` records in a compacted topic. Adds records with
    /// the key `nudge` to every partition meanwhile: only a closed segment is compacted, and a
    /// segment is closed by the first record after its time is up.
    pub fn wait_until_compacted(&self, topic: &str, most: usize) -> Vec<Sent> {
        let mut nudges = Vec::new();
        wait_for(&format!("at most {most} records in {topic}"), || {
            let partitions = self.partitions(topic).into_iter();
            let nudge = partitions.map(|partition| Record::new("nudge", "nudge").to(partition));
            nudges.extend(self.produce(topic, nudge.collect()));
            (self.read(topic).len() <= most).then_some(())
        });
        nudges
    }

    /// Changes settings of a topic; those that are not named go back to the broker's.
    pub fn set_topic(&self, topic: &str, settings: &[(&str, &str)]) {
        let admin = admin(&self.access());
        steady("a change of settings", || {
            let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
            for (name, value) in settings {
                change = change.set(name, value);
            }
            let done = finish(admin.alter_configs([&change], &AdminOptions::new()))?;
            done.into_iter()
                .try_for_each(|one| one.map(drop).map_err(|(_, code)| KafkaError::AdminOp(code)))
        });
    }

    /// Deletes a topic and waits until it is gone.
    pub fn delete_topic(&self, topic: &str) {
        let admin = admin(&self.access());
        steady("deletion of a topic", || {
            let done = finish(admin.delete_topics(&[topic], &AdminOptions::new()))?;
            one_result(done, RDKafkaErrorCode::UnknownTopicOrPartition)
        });
        wait_for(&format!("{topic} to be gone"), || {
            let metadata =
                admin.inner().fetch_metadata(None, std::time::Duration::from_secs(5)).ok()?;
            metadata.topics().iter().all(|one| one.name() != topic).then_some(())
        });
    }

    /// Grows a topic to `count` partitions.
    pub fn grow_topic(&self, topic: &str, count: usize) {
        let admin = admin(&self.access());
        steady("new partitions", || {
            let wanted = NewPartitions::new(topic, count);
            let done = finish(admin.create_partitions([&wanted], &AdminOptions::new()))?;
            one_result(done, RDKafkaErrorCode::InvalidPartitions)
        });
        wait_for(&format!("{topic} with {count} partitions"), || {
            (self.partitions(topic).len() == count).then_some(())
        });
    }

    /// Deletes the records of a partition below an offset: what retention does.
    pub fn delete_records(&self, topic: &str, partition: i32, below: i64) {
        let admin = admin(&self.access());
        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(topic, partition, Offset::Offset(below));
        added.expect("an offset that is not negative");
        steady("deletion of records", || {
            let done = finish(admin.delete_records(&list, &AdminOptions::new()))?;
            done.elements()
                .iter()
                .try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)
        });
    }

    /// The members of a group of the classic protocol, by id. Empty while it has none; a group of
    /// the newer protocol (KIP-848) always looks empty here.
    pub fn members(&self, group: &str) -> Vec<Member> {
        let consumer: BaseConsumer =
            self.access().config().create().expect("a consumer can be made");
        let list = steady("a group's members", || {
            consumer.fetch_group_list(Some(group), std::time::Duration::from_secs(5))
        });
        let found = list.groups().iter().flat_map(rdkafka::groups::GroupInfo::members);
        let mut members: Vec<Member> = found
            .map(|member| Member {
                id: member.id().to_owned(),
                client: member.client_id().to_owned(),
                assigned: member.assignment().and_then(assigned).unwrap_or_default(),
            })
            .collect();
        members.sort_by(|left, right| left.id.cmp(&right.id));
        members
    }

    /// Waits until a group of the classic protocol has so many members, each with partitions, and
    /// none of `partitions` partitions left without an owner.
    pub fn wait_for_members(&self, group: &str, count: usize, partitions: usize) -> Vec<Member> {
        wait_for(&format!("{count} members of {group} that share {partitions} partitions"), || {
            let members = self.members(group);
            let owned: usize = members.iter().map(|member| member.assigned.len()).sum();
            (members.len() == count && owned == partitions).then_some(members)
        })
    }
}

/// Makes a topic and waits until it has leaders.
pub(super) fn create_topic(access: &Access, name: &str, count: i32, settings: &[(&str, &str)]) {
    let admin = admin(access);
    steady("a new topic", || {
        let mut topic = NewTopic::new(name, count, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let done = finish(admin.create_topics([&topic], &AdminOptions::new()))?;
        // There already: an earlier try worked, but its answer was lost.
        one_result(done, RDKafkaErrorCode::TopicAlreadyExists)
    });
    let consumer: BaseConsumer = access.config().create().expect("a consumer can be made");
    partitions(&consumer, name);
}

fn admin(access: &Access) -> AdminClient<DefaultClientContext> {
    access.config().create().expect("an admin client can be made")
}

fn one_result(
    results: Vec<Result<String, (String, RDKafkaErrorCode)>>,
    as_good: RDKafkaErrorCode,
) -> KafkaResult<()> {
    results.into_iter().try_for_each(|one| match one {
        Ok(_) => Ok(()),
        Err((_, code)) if code == as_good => Ok(()),
        Err((_, code)) => Err(KafkaError::AdminOp(code)),
    })
}

/// Runs an admin request to its end; its answer comes from a thread of librdkafka's.
fn finish<T>(request: impl Future<Output = KafkaResult<T>>) -> KafkaResult<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without a driver").block_on(request)
}

/// Reads an assignment of the classic protocol: a version, then topics with their partitions.
fn assigned(mut bytes: &[u8]) -> Option<Vec<(String, i32)>> {
    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
        let (head, rest) = bytes.split_at_checked(count)?;
        *bytes = rest;
        Some(head)
    }
    fn number(bytes: &mut &[u8]) -> Option<i32> {
        take(bytes, 4)?.try_into().ok().map(i32::from_be_bytes)
    }
    fn length(bytes: &mut &[u8]) -> Option<usize> {
        let two: [u8; 2] = take(bytes, 2)?.try_into().ok()?;
        usize::try_from(i16::from_be_bytes(two)).ok()
    }
    take(&mut bytes, 2)?;
    let mut found = Vec::new();
    for _ in 0..number(&mut bytes)? {
        let count = length(&mut bytes)?;
        let topic = String::from_utf8(take(&mut bytes, count)?.to_vec()).ok()?;
        for _ in 0..number(&mut bytes)? {
            found.push((topic.clone(), number(&mut bytes)?));
        }
    }
    found.sort();
    Some(found)
}
