//! Reading a topic back, as a consumer without a group does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::partitions;
use crate::support::records::Id;
use crate::support::wait::LIMIT;

/// A record read back from a topic.
#[derive(Debug, Clone)]
pub struct Received {
    /// Where it is.
    pub id: Id,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Received {
    /// The value of the first header of that name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(String::from_utf8_lossy(value.as_deref()?).into_owned())
    }
}

/// All that a topic holds now, by partition and offset.
pub(super) fn read_to_end(consumer: &BaseConsumer, topic: &str) -> Vec<Received> {
    let mut rest = partitions(consumer, topic);
    let mut list = TopicPartitionList::new();
    for &partition in &rest {
        let added = list.add_partition_offset(topic, partition, Offset::Beginning);
        added.expect("the beginning is an offset");
    }
    consumer.assign(&list).expect("partitions can be assigned");
    let topic: Arc<str> = topic.into();
    let mut found = Vec::new();
    let begun = Instant::now();
    while !rest.is_empty() {
        assert!(begun.elapsed() < LIMIT, "reading {topic} did not reach its end: {rest:?} left");
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => found.push(received(&topic, &message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => rest.retain(|&one| one != partition),
            // Anything else passes (a connection that comes back), or the limit says so.
            Some(Err(_)) | None => {}
        }
    }
    found.sort_by(|left, right| left.id.cmp(&right.id));
    found
}

fn received(topic: &Arc<str>, message: &BorrowedMessage<'_>) -> Received {
    let headers = message.headers().map(|headers| {
        let owned = headers.iter().map(|one| (one.key.to_owned(), one.value.map(<[u8]>::to_vec)));
        owned.collect()
    });
    Received {
        id: Id { topic: topic.clone(), partition: message.partition(), offset: message.offset() },
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis(),
        headers: headers.unwrap_or_default(),
    }
}
