//! Against librdkafka's mock cluster: real connections, a group's commits, errors to order.

use std::net::TcpListener;
use std::ops::Range;
use std::time::Instant;

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::*;
use crate::core::codec::{DecodeError, encode};

type Properties = BTreeMap<String, String>;

const TIMEOUT: Duration = Duration::from_secs(20);

fn cluster(topics: &[(&str, i32)]) -> (MockCluster<'static, DefaultProducerContext>, Properties) {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    for (topic, partitions) in topics {
        cluster.create_topic(topic, *partitions, 1).expect("a topic");
    }
    let kafka = properties(&cluster.bootstrap_servers());
    (cluster, kafka)
}

fn properties(brokers: &str) -> Properties {
    BTreeMap::from([("bootstrap.servers".to_owned(), brokers.to_owned())])
}

fn fill(kafka: &Properties, topic: &str, partition: i32, count: u32) {
    let producer: BaseProducer = config::admin(kafka).create().expect("a producer");
    for _ in 0..count {
        let record = BaseRecord::<(), _>::to(topic).partition(partition).payload("x");
        producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    }
    producer.flush(TIMEOUT).expect("the records are written");
}

fn commit(kafka: &Properties, group: &str, commits: &[(&str, i32, i64, &str)]) {
    let consumer: BaseConsumer = config::group(kafka, group).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset, metadata) in commits {
        list.add_partition_offset(topic, *partition, KafkaOffset::Offset(*offset)).expect("added");
        let mut element = list.find_partition(topic, *partition).expect("just added");
        element.set_metadata(metadata);
    }
    consumer.commit(&list, CommitMode::Sync).expect("committed");
}

fn ask_topics(kafka: &Properties, names: &[&str]) -> Vec<Result<Vec<Topic>, AdminError>> {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let answer = topics(kafka, &names, TIMEOUT).expect("the cluster answers");
    let asked: Vec<_> = answer.asked.iter().map(|asked| asked.name.clone()).collect();
    assert_eq!((answer.brokers, asked), (1, names));
    answer.asked.into_iter().map(|asked| asked.found).collect()
}

fn names(found: &Result<Vec<Topic>, AdminError>) -> Vec<&str> {
    found.iter().flatten().map(|topic| &*topic.name).collect()
}

#[test]
fn a_topic_is_there_with_its_partitions_or_is_not() {
    let (_cluster, kafka) = cluster(&[("orders", 3)]);
    for _ in 0..2 {
        // Asking makes no topic, so that the second time it is not there either.
        let found = ask_topics(&kafka, &["orders", "other"]);
        let ids = |topic: &Topic| topic.partitions.iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(found[0].as_ref().map(|found| ids(&found[0])), Ok(vec![0, 1, 2]));
        assert!(found[0].iter().flatten().all(|topic| topic.partitions[0].leader == Some(1)));
        assert_eq!(found[1], Err(AdminError::UnknownTopic("other".to_owned())));
    }
}

#[test]
fn a_pattern_takes_what_a_subscription_would() {
    let (_cluster, mut kafka) =
        cluster(&[("orders-b", 1), ("orders-a", 2), ("orders-dead", 1), ("my-orders-a", 1)]);
    let found = ask_topics(&kafka, &["^orders-", "^orders-d", "^nothing", r"^orders-\d"]);
    assert_eq!(names(&found[0]), ["orders-a", "orders-b", "orders-dead"]);
    assert_eq!(names(&found[1]), ["orders-dead"]);
    assert_eq!(found[2], Ok(vec![]));
    assert!(
        matches!(&found[3], Err(AdminError::Pattern { pattern, .. }) if pattern == r"^orders-\d")
    );
    kafka.insert("topic.blacklist".to_owned(), "-dead$".to_owned());
    assert_eq!(names(&ask_topics(&kafka, &["^orders-"])[0]), ["orders-a", "orders-b"]);
    kafka.insert("group.protocol".to_owned(), "consumer".to_owned());
    let found = ask_topics(&kafka, &["^orders-", "^orders-.*"]);
    assert_eq!((names(&found[0]).len(), names(&found[1]).len()), (0, 2));
}

#[test]
fn a_topic_that_the_user_may_not_see_says_what_to_grant() {
    let (cluster, kafka) = cluster(&[("orders", 1)]);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error("orders", denied).expect("an error can be ordered");
    let found = ask_topics(&kafka, &["orders"]);
    assert!(matches!(&found[0], Err(AdminError::Kafka(why)) if why.contains("grant")), "{found:?}");
}

#[test]
fn brokers_that_are_down_are_named_in_time() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let brokers = free.local_addr().expect("its address").to_string();
    drop(free);
    let timeout = Duration::from_millis(1500);
    let start = Instant::now();
    let error = topics(&properties(&brokers), &["orders".to_owned()], timeout);
    let error = error.expect_err("nobody is there").to_string();
    assert!(error.contains(&brokers) && error.contains("1.5s"), "{error}");
    assert!(error.contains("Connection refused"), "{error}");
    assert!(start.elapsed() < timeout + Duration::from_secs(5));
}

#[test]
fn a_broker_that_says_nothing_is_not_waited_for_longer_than_asked() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let brokers = silent.local_addr().expect("its address").to_string();
    let timeout = Duration::from_millis(500);
    let start = Instant::now();
    let error = group_offsets(&properties(&brokers), "g", &[("t".to_owned(), 0)], timeout);
    let error = error.expect_err("nobody answers");
    assert!(
        matches!(&error, AdminError::NoAnswer { who, .. } if who.contains("group g")),
        "{error}"
    );
    assert!(start.elapsed() < timeout + Duration::from_secs(5));
}

#[test]
fn a_property_that_librdkafka_refuses_is_named() {
    let mut kafka = properties("localhost:9092");
    kafka.insert("client.dns.lookup".to_owned(), "no such".to_owned());
    let error = topics(&kafka, &[], TIMEOUT).expect_err("no such lookup").to_string();
    assert!(error.contains("client.dns.lookup"), "{error}");
}

#[test]
fn properties_that_contradict_each_other_are_found_without_a_broker() {
    let mut pipeline = PipelineConfig::new("localhost:9092", "orders", "g");
    let tried = try_properties(&pipeline).expect("no contradiction");
    assert_eq!(tried.0.len(), 1, "a consumer");
    pipeline.kafka.insert("session.timeout.ms".to_owned(), "400000".to_owned());
    let error = try_properties(&pipeline).expect_err("longer than max.poll.interval.ms");
    assert!(error.to_string().contains("max.poll.interval.ms"), "{error}");
}

fn offsets_of(kafka: &Properties, group: &str, partitions: Range<i32>) -> Vec<PartitionOffsets> {
    let partitions: Vec<_> = partitions.map(|id| ("orders".to_owned(), id)).collect();
    group_offsets(kafka, group, &partitions, TIMEOUT).expect("the group's offsets")
}

fn settled(offsets: &PartitionOffsets) -> (i64, Vec<Range<i64>>, Vec<Range<i64>>) {
    let commit = offsets.committed.clone().expect("readable").expect("committed");
    (commit.offset, commit.settled.clone().expect("decoded"), commit.unsettled())
}

#[test]
fn a_group_says_what_it_has_settled_above_its_commits() {
    let (_cluster, kafka) = cluster(&[("orders", 3)]);
    fill(&kafka, "orders", 0, 20);
    fill(&kafka, "orders", 1, 5);
    let metadata = encode(10, &[12..14, 17..18], 4096).metadata;
    commit(&kafka, "g", &[("orders", 0, 10, &metadata), ("orders", 1, 5, "")]);

    let offsets = offsets_of(&kafka, "g", 0..3);
    assert_eq!(settled(&offsets[0]), (10, vec![12..14, 17..18], vec![10..12, 14..17]));
    assert_eq!((offsets[0].log.clone(), offsets[0].lag()), (Ok(0..20), Some(10)));
    assert_eq!(settled(&offsets[1]), (5, vec![], vec![]));
    assert_eq!(offsets[1].lag(), Some(0));
    assert_eq!((&offsets[2].committed, &offsets[2].log), (&Ok(None), &Ok(0..0)));
    assert_eq!(offsets[2].lag(), None);
}

#[test]
fn metadata_of_another_program_is_shown_as_it_is() {
    let (_cluster, kafka) = cluster(&[("orders", 2)]);
    commit(
        &kafka,
        "g",
        &[("orders", 0, 3, "{\"by\": \"someone else\"}"), ("orders", 1, 3, "bP8=")],
    );
    let offsets = offsets_of(&kafka, "g", 0..2);
    let commit = |at: usize| offsets[at].committed.clone().expect("readable").expect("committed");
    assert_eq!(commit(0).metadata, b"{\"by\": \"someone else\"}");
    assert!(commit(0).settled.is_err_and(DecodeError::is_foreign));
    assert!(commit(1).settled.is_err_and(|error| !error.is_foreign()));
}

#[test]
fn what_is_wrong_with_one_partition_is_not_wrong_with_the_others() {
    let (cluster, kafka) = cluster(&[("orders", 3)]);
    fill(&kafka, "orders", 0, 2);
    cluster.partition_leader("orders", 1, None).expect("a partition without a leader");
    let mut partitions: Vec<_> = (0..4).map(|id| ("orders".to_owned(), id)).collect();
    partitions.push(("other".to_owned(), 0));
    let offsets = group_offsets(&kafka, "g", &partitions, TIMEOUT).expect("the group's offsets");
    assert_eq!(offsets[0].log, Ok(0..2));
    let wrong = |at: usize| offsets[at].log.clone().expect_err("no log").to_string();
    assert!(wrong(1).contains("no leader"), "{}", wrong(1));
    assert_eq!(offsets[2].log, Ok(0..0));
    assert!(wrong(3).contains("no partition 3"), "{}", wrong(3));
    assert_eq!(offsets[4].log, Err(AdminError::UnknownTopic("other".to_owned())));
}

#[test]
fn a_group_that_the_user_may_not_read_says_what_to_grant() {
    let (cluster, kafka) = cluster(&[("orders", 1)]);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::OffsetFetch, &[denied]);
    let error = group_offsets(&kafka, "g", &[("orders".to_owned(), 0)], TIMEOUT);
    let error = error.expect_err("not allowed");
    assert!(matches!(&error, AdminError::Kafka(why) if why.contains("grant")), "{error}");
}

#[test]
fn a_group_that_the_user_may_not_know_of_is_not_waited_for() {
    let (cluster, kafka) = cluster(&[("orders", 1)]);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::FindCoordinator, &[denied; 100]);
    let start = Instant::now();
    let error = group_offsets(&kafka, "g", &[("orders".to_owned(), 0)], TIMEOUT);
    let error = error.expect_err("not allowed");
    assert!(matches!(&error, AdminError::Kafka(why) if why.contains("grant")), "{error}");
    assert!(start.elapsed() < TIMEOUT / 2);
}

#[test]
fn a_cluster_that_does_not_say_whether_it_makes_topics_is_not_guessed() {
    let (_cluster, kafka) = cluster(&[("orders", 1)]);
    assert_eq!(makes_topics(&kafka, TIMEOUT), Ok(None));
}
