//! Producing, with where each record landed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::{Access, steady};
use crate::support::records::{Id, Record, Sent};
use crate::support::wait::wait_for;

/// Where the broker said that each record landed, by the record's number.
#[derive(Default)]
pub(super) struct Acknowledged {
    landed: Mutex<Vec<(usize, Landed)>>,
}

/// Partition and offset, or why there are none. The offset is negative where the broker had the
/// record already when it came a second time: that is acknowledged without an offset.
type Landed = Result<(i32, i64), String>;

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let landed = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.to_string()),
        };
        self.landed.lock().expect("no panic while held").push((number, landed));
    }
}

/// A producer and what went through it.
pub(super) struct Outbox {
    access: Access,
    pub(super) producer: BaseProducer<Acknowledged>,
    records: Vec<Record>,
}

impl Outbox {
    pub(super) fn new(access: Access, config: &ClientConfig) -> Self {
        let producer = config.create_with_context(Acknowledged::default());
        let producer = producer.expect("a producer can be made");
        Self { access, producer, records: Vec::new() }
    }

    pub(super) fn put(&mut self, topic: &str, record: Record) {
        let number = self.records.len();
        loop {
            let mut draft = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, number);
            draft.key = record.key.as_deref();
            draft.payload = record.value.as_deref();
            draft.partition = record.partition;
            draft.timestamp = record.timestamp;
            draft.headers = headers(&record.headers);
            match self.producer.send(draft) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(Duration::from_millis(10));
                }
                Err((error, _)) => panic!("record {number} cannot be produced to {topic}: {error}"),
            }
        }
        self.records.push(record);
        if number.is_multiple_of(1_000) {
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Waits until every record is acknowledged.
    pub(super) fn settle(&self) {
        steady("acknowledgement of all records", || self.producer.flush(Duration::from_mins(1)));
    }

    /// Waits until every record is acknowledged, and says where each landed.
    pub(super) fn flush(self, topic: &str) -> Vec<Sent> {
        self.settle();
        let name: Arc<str> = topic.into();
        let mut landed = std::mem::take(
            &mut *self.producer.context().landed.lock().expect("no panic while held"),
        );
        landed.sort_by_key(|(number, _)| *number);
        assert_eq!(landed.len(), self.records.len(), "an answer for each record");
        let sent = self.records.into_iter().zip(landed).map(|(record, (number, place))| {
            let (partition, offset) =
                place.unwrap_or_else(|error| panic!("record {number} to {topic}: {error}"));
            Sent {
                id: Id { topic: name.clone(), partition, offset },
                key: record.key,
                value: record.value,
            }
        });
        self.access.located(topic, sent.collect())
    }
}

fn headers(pairs: &[(String, Option<Vec<u8>>)]) -> Option<OwnedHeaders> {
    if pairs.is_empty() {
        return None;
    }
    let start = OwnedHeaders::new_with_capacity(pairs.len());
    let all = pairs.iter().fold(start, |headers, (key, value)| {
        headers.insert(Header { key, value: value.as_deref() })
    });
    Some(all)
}

/// Records being produced on a thread of their own until stopped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Vec<Sent>>>,
}

impl Load {
    pub(super) fn start(
        access: Access,
        topic: String,
        per_second: u32,
        mut make: impl FnMut(usize) -> Record + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let (stopped, counted) = (stop.clone(), count.clone());
        let thread = std::thread::spawn(move || {
            let mut outbox = access.producer(&[]);
            let begun = Instant::now();
            let mut number = 0;
            while !stopped.load(Ordering::Acquire) {
                let due = begun.elapsed().as_micros() * u128::from(per_second) / 1_000_000;
                let due = usize::try_from(due).unwrap_or(usize::MAX);
                while number < due {
                    outbox.put(&topic, make(number));
                    number += 1;
                }
                counted.store(number, Ordering::Release);
                outbox.producer.poll(Duration::from_millis(2));
            }
            outbox.flush(&topic)
        });
        Self { stop, count, thread: Some(thread) }
    }

    /// How many records were handed to the producer so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until so many records were handed to the producer.
    pub fn wait_for(&self, count: usize) {
        wait_for(&format!("{count} records of load"), || (self.count() >= count).then_some(()));
    }

    /// Stops, waits until the broker has all records, and returns where each landed.
    pub fn stop(mut self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().expect("a load is stopped once");
        thread.join().expect("the load was produced")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}
