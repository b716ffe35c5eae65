//! The commands against librdkafka's mock cluster and an endpoint that takes connections.

use std::net::TcpListener;
use std::time::Duration;

use keyway_actors::core::codec::encode;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{check, offsets};
use crate::settings::{self, Flags, Sources};

const LONG: Option<Duration> = Some(Duration::from_secs(20));

struct World {
    cluster: MockCluster<'static, DefaultProducerContext>,
    endpoint: TcpListener,
}

impl World {
    fn with(topics: &[(&str, i32)]) -> Self {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).expect("a topic");
        }
        Self { cluster, endpoint: TcpListener::bind("127.0.0.1:0").expect("a port") }
    }

    /// Settings of one pipeline in this world; `more` may replace what is there.
    fn sources(&self, more: &[(&str, &str)]) -> Sources {
        let url =
            format!("http://{}/in?token=hush", self.endpoint.local_addr().expect("an address"));
        let brokers = self.cluster.bootstrap_servers();
        let given =
            [("KEYWAY_BROKERS", &*brokers), ("KEYWAY_TOPICS", "orders"), ("KEYWAY_URL", &*url)];
        let mut variables: std::collections::BTreeMap<_, _> = given.into_iter().collect();
        variables.extend(more.iter().copied());
        let environment = variables.into_iter().collect();
        Sources { flags: Flags::default(), environment, cores: 4 }
    }

    fn check(&self, patience: Option<Duration>, more: &[(&str, &str)]) -> (bool, String) {
        let settings = match settings::load(&self.sources(more)) {
            Ok(settings) => settings,
            Err(problems) => panic!("{:?}", problems.lines()),
        };
        let mut out = Vec::new();
        let ok = check::run_into(&settings, patience, &mut out).expect("a vector takes all");
        (ok, String::from_utf8(out).expect("text"))
    }

    fn sample(&self, number: u32, file: &str) -> (bool, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keyway.toml");
        let brokers = self.cluster.bootstrap_servers();
        let head = format!("[kafka]\n\"bootstrap.servers\" = \"{brokers}\"\n[[pipeline]]\n");
        std::fs::write(&path, head + file).expect("the file is written");
        let flags = Flags { config: Some(path), ..Flags::default() };
        let environment = std::iter::empty::<(&str, &str)>().collect();
        let settings = match settings::load(&Sources { flags, environment, cores: 4 }) {
            Ok(settings) => settings,
            Err(problems) => panic!("{:?}", problems.lines()),
        };
        let mut out = Vec::new();
        let ok = check::sample::plans(&settings, number, Duration::from_secs(20), &mut out)
            .expect("a vector takes all");
        (ok, String::from_utf8(out).expect("text"))
    }

    fn offsets(&self, more: &[(&str, &str)]) -> (bool, String, String) {
        let groups = match settings::load_groups(&self.sources(more)) {
            Ok((_, groups)) => groups,
            Err(problems) => panic!("{:?}", problems.lines()),
        };
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let ok = offsets::run_into(&groups, &mut out, &mut errors).expect("a vector takes all");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (ok, text(out), text(errors))
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.cluster.bootstrap_servers());
        config
    }

    fn fill(&self, topic: &str, partition: i32, count: usize) {
        let producer: BaseProducer = self.config().create().expect("a producer");
        for _ in 0..count {
            let record = BaseRecord::<(), _>::to(topic).partition(partition).payload("x");
            producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
        }
        producer.flush(Duration::from_secs(10)).expect("the records are written");
    }

    fn commit(&self, partition: i32, offset: i64, metadata: &str) {
        let mut config = self.config();
        config.set("group.id", "keyway").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("orders", partition, Offset::Offset(offset)).expect("added");
        list.find_partition("orders", partition).expect("just added").set_metadata(metadata);
        consumer.commit(&list, CommitMode::Sync).expect("committed");
    }
}

fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn the_plan_tells_what_runs_and_no_secret() {
    let world = World::with(&[]);
    let (ok, text) = world.check(
        None,
        &[
            ("KEYWAY_KAFKA_SASL_PASSWORD", "hunter2"),
            ("KEYWAY_KAFKA_SASL_USERNAME", "me"),
            ("KEYWAY_PARTITIONS", "0,2"),
            ("KEYWAY_MAX_ATTEMPTS", "3"),
        ],
    );
    assert!(ok);
    for told in [
        "orders; only partitions 0, 2",
        "/in?...",
        "at most 256 requests, on 3 threads",
        "200,000 records and 128 MiB",
        "3 attempts",
        "librdkafka   sasl.password = ***",
        "sasl.username = me",
    ] {
        assert!(text.contains(told), "{told:?} is missing:\n{text}");
    }
    assert!(!text.contains("hunter2") && !text.contains("hush"), "{text}");
}

#[test]
fn what_answers_is_ok() {
    let world = World::with(&[("orders", 3), ("orders-dead", 1)]);
    let (ok, text) = world.check(LONG, &[("KEYWAY_DEAD_LETTER_TOPIC", "orders-dead")]);
    assert!(ok, "{text}");
    let said = lines(&text, "ok");
    for what in
        ["1 broker", "topic orders: 3 partitions", "group keyway", "orders-dead", "endpoint"]
    {
        assert_eq!(said.iter().filter(|line| line.contains(what)).count(), 1, "{what}: {text}");
    }
}

#[test]
fn what_is_missing_fails_and_says_what_to_do() {
    let world = World::with(&[("orders", 2)]);
    let (ok, text) = world.check(
        LONG,
        &[
            ("KEYWAY_TOPICS", "orders,other"),
            ("KEYWAY_PARTITIONS", "1,7"),
            ("KEYWAY_DEAD_LETTER_TOPIC", "orders-dead"),
            ("KEYWAY_URL", "http://127.0.0.1:1/"),
        ],
    );
    assert!(!ok, "{text}");
    let failed = lines(&text, "FAILED");
    let says = |what: &str| failed.iter().any(|line| line.contains(what));
    assert!(says("no topic other") && says("no partition 7") && says("endpoint"), "{text}");
    assert_eq!(failed.len(), 3, "{text}");
    // The mock cluster does not say whether it makes topics.
    assert!(lines(&text, "note").iter().any(|line| line.contains("orders-dead")), "{text}");
}

/// A run may well take its topics: librdkafka reads `\w` as its C library does.
#[test]
fn a_pattern_of_which_it_cannot_be_told_what_it_takes_is_no_failure() {
    let world = World::with(&[("orders-1", 1)]);
    let (ok, text) = world.check(LONG, &[("KEYWAY_TOPICS", r"^orders-\w")]);
    assert!(ok && lines(&text, "FAILED").is_empty(), "{text}");
    let note = r"it cannot be told which topics the pattern ^orders-\w takes";
    assert!(lines(&text, "note").iter().any(|line| line.contains(note)), "{text}");
}

#[test]
fn a_pattern_fails_where_it_matches_nothing() {
    let world = World::with(&[("orders-1", 1)]);
    let (ok, text) = world.check(LONG, &[("KEYWAY_TOPICS", "^orders-[2-9]")]);
    assert!(!ok && lines(&text, "FAILED")[0].contains("matches no topic"), "{text}");
    let (ok, text) = world.check(LONG, &[("KEYWAY_TOPICS", "^orders-[0-9]")]);
    assert!(ok && text.contains("matches 1 topic: orders-1"), "{text}");
}

#[test]
fn a_cluster_that_is_away_fails_once_and_the_endpoint_is_tried_all_the_same() {
    let world = World::with(&[]);
    let (ok, text) =
        world.check(Some(Duration::from_secs(2)), &[("KEYWAY_BROKERS", "127.0.0.1:1")]);
    assert!(!ok, "{text}");
    let failed = lines(&text, "FAILED");
    assert!(failed.len() == 1 && failed[0].contains("127.0.0.1:1"), "{text}");
    assert!(lines(&text, "ok").iter().any(|line| line.contains("endpoint")), "{text}");
}

#[test]
fn offsets_shows_what_is_settled_above_a_commit() {
    let world = World::with(&[("orders", 3)]);
    world.fill("orders", 0, 20);
    world.commit(0, 10, &encode(10, &[12..14, 17..18], 4096).metadata);
    world.commit(1, 0, "someone else's");
    let (ok, text, errors) = world.offsets(&[]);
    assert!(ok && errors.is_empty(), "{errors}");
    let rows: Vec<Vec<_>> = lines(&text, "orders")
        .iter()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(
        rows[0],
        ["orders", "0", "10", "3: 12-13, 17", "5: 10-11, 14-16", "20", "10", "BitSet"]
    );
    assert_eq!(rows[1][2..], ["0", "?", "?", "0", "0", "foreign"]);
    assert_eq!(rows[2][2], "none");
    assert!(text.contains("3 partitions, lag 10, of which 3 settled already"), "{text}");
    assert!(lines(&text, "note")[0].contains("someone else"), "{text}");
}

#[test]
fn offsets_fails_for_what_cannot_be_read_and_shows_the_rest() {
    let world = World::with(&[("orders", 1)]);
    let (ok, text, errors) = world.offsets(&[("KEYWAY_TOPICS", "orders,other")]);
    assert!(!ok && errors.contains("no topic other"), "{errors}");
    assert_eq!(lines(&text, "orders").len(), 1, "{text}");
}

#[test]
fn a_sample_is_the_last_records_of_each_topic_and_commits_nothing() {
    let world = World::with(&[("orders", 2), ("empty", 1)]);
    world.fill("orders", 0, 5);
    world.fill("orders", 1, 1);
    let file = "topics = [\"orders\", \"empty\"]\nunmatched = \"stop\"\n[[pipeline.route]]\n\
                when = 'raw == \"x\"'\nrequest = [{ url = 'http://h/{{ partition }}/{{ offset }}' }]\n";
    let (ok, text) = world.sample(3, file);
    assert!(ok, "{text}");
    let urls: Vec<_> = lines(&text, "  1. POST");
    assert_eq!(urls.len(), 3, "{text}");
    assert!(text.contains("topic empty: the last 0 records"), "{text}");
    let (_, text) = world.sample(100, file);
    assert_eq!(lines(&text, "  1. POST").len(), 6, "{text}");
    for place in ["http://h/0/0", "http://h/0/4", "http://h/1/0"] {
        assert!(text.contains(place), "{place}: {text}");
    }
    let (ok, offsets, _) = world.offsets(&[]);
    assert!(ok && offsets.contains("none"), "{offsets}");

    let (ok, text) = world.sample(1, &file.replace("\"x\"'", "\"y\"'"));
    assert!(!ok && text.contains("no route matches: the pipeline stops"), "{text}");
    let (ok, text) = world.sample(1, "topics = [\"other\"]\nhttp.url = \"http://h/\"\n");
    assert!(!ok && text.contains("no topic other"), "{text}");
}
