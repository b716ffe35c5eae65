use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rdkafka::Offset as KafkaOffset;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use slog::{Discard, Logger, o};

use super::*;
use crate::config::PipelineConfig;
use crate::core::intake::SLICE;
use crate::kafka::config;

const PATIENCE: Duration = Duration::from_secs(30);

/// The only partition of a topic of a mock cluster, assigned from its beginning.
struct Stage {
    queue: PartitionQueue,
    consumer: Arc<BaseConsumer<Context>>,
    bell: Arc<Bell>,
    kafka: BTreeMap<String, String>,
    _cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Stage {
    fn with(records: usize) -> Self {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        cluster.create_topic("t", 1, 1).expect("a topic");
        let pipeline = PipelineConfig::new(&cluster.bootstrap_servers(), "t", "g");
        let context = Context::new("g", Arc::default(), Logger::root(Discard, o!()));
        let consumer = config::consumer(&pipeline);
        let consumer = BaseConsumer::from_config_and_context(&consumer, context);
        let consumer = Arc::new(consumer.expect("a consumer"));
        let bell = Arc::new(Bell::default());
        let queue = PartitionQueue::split(&consumer, "t", 0, Arc::clone(&bell), 0);
        let queue = queue.expect("the queue of the partition");
        let kafka = pipeline.kafka;
        let stage = Self { queue, consumer, bell, kafka, _cluster: cluster };
        stage.fill(records);
        stage.consumer.assign(&list(KafkaOffset::Offset(0))).expect("assigned");
        stage
    }

    fn fill(&self, records: usize) {
        let producer: BaseProducer = config::admin(&self.kafka).create().expect("a producer");
        for _ in 0..records {
            let record = BaseRecord::<(), _>::to("t").partition(0).payload("x");
            producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
        }
        producer.flush(PATIENCE).expect("the records are written");
    }

    /// As [`PartitionQueue::take`], again and again until something was seen.
    fn take(&mut self, most: usize, mut each: impl FnMut(Seen) -> bool) {
        let mut seen = false;
        while !seen {
            let served = self.queue.take(most, |fetched| {
                seen = true;
                each(Seen::of(&fetched))
            });
            // What is served and not seen is librdkafka's own: barriers between assignments.
            if served == 0 {
                assert!(!self.bell.wait(PATIENCE).partitions.is_empty(), "nothing came");
            }
        }
    }

    /// Takes by so many until the end of the log is seen.
    fn take_all(&mut self, most: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(Seen::End(_))) {
            let before = seen.len();
            self.take(most, |it| {
                seen.push(it);
                true
            });
            assert!(
                seen.len() - before <= most.min(usize::try_from(SLICE).expect("a small number"))
            );
        }
        seen
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Record(Offset),
    End(Offset),
}

impl Seen {
    fn of(fetched: &Fetched<'_>) -> Self {
        match fetched {
            Fetched::Message(message) => Self::Record(message.offset()),
            Fetched::End(offset) => Self::End(*offset),
            Fetched::Error(code) => panic!("{code}"),
        }
    }
}

fn list(offset: KafkaOffset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("t", 0, offset).expect("added");
    list
}

fn records(offsets: Range<Offset>) -> Vec<Seen> {
    offsets.map(Seen::Record).collect()
}

#[test]
fn all_is_taken_in_order_whatever_the_size_of_a_slice() {
    for most in [1, 100, 1000] {
        let mut stage = Stage::with(600);
        let mut expected = records(0..600);
        expected.push(Seen::End(600));
        assert_eq!(stage.take_all(most), expected, "{most} at a time");
        assert_eq!(stage.queue.take(most, |_| true), 0);
    }
}

#[test]
fn what_is_not_wanted_any_more_comes_next_time() {
    let mut stage = Stage::with(10);
    let mut seen = Vec::new();
    for _ in 0..3 {
        stage.take(100, |it| {
            seen.push(it);
            seen.len() % 3 != 0
        });
    }
    assert_eq!(seen, records(0..9));
    assert_eq!(stage.queue.take(0, |_| panic!("nothing was asked for")), 0);
    assert_eq!(stage.take_all(1), [Seen::Record(9), Seen::End(10)]);
}

/// What librdkafka's batches get wrong (its issue 4844).
#[test]
fn the_end_of_the_log_is_no_record() {
    let mut stage = Stage::with(5);
    stage.take_all(100);
    stage.fill(1);
    assert!(!stage.bell.wait(PATIENCE).partitions.is_empty(), "the sixth came");
    // As a rebalance does: what was fetched is fetched again, from the position on.
    let all = list(KafkaOffset::Invalid);
    stage.consumer.pause(&all).expect("paused");
    stage.consumer.resume(&all).expect("resumed");
    assert_eq!(stage.take_all(100), [Seen::Record(5), Seen::End(6)]);
}

#[test]
fn a_panic_gets_through_and_takes_nothing_else_with_it() {
    let mut stage = Stage::with(3);
    let taken = catch_unwind(AssertUnwindSafe(|| {
        stage.take(100, |it| panic!("at {it:?}"));
    }));
    let panic = taken.expect_err("a panic");
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("at Record(0)"));
    assert_eq!(stage.take_all(100), [Seen::Record(1), Seen::Record(2), Seen::End(3)]);
}
