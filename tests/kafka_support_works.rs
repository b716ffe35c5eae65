//! The test language for a real Apache Kafka broker does what it says.
#![allow(clippy::expect_used, reason = "a failed step of a test is a panic that names the step")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use support::{Access, Cluster, Kafka, Listener, Record, numbered, unique, wait_for};

#[test]
fn records_are_read_back_as_they_were_produced() {
    let kafka = Kafka::shared();
    let topic = kafka.topic("read-back", 2);
    let sent = kafka.produce(
        &topic,
        vec![
            Record::new([0xff, 0x00], [0xfe; 3]).to(0).at(1_234_567),
            Record::keyless("no key").to(0).header("h", "1").header("h", [0xff]),
            Record::tombstone("gone").to(1),
        ],
    );
    let read = kafka.read(&topic);
    assert_eq!(read.len(), 3);
    for (sent, read) in sent.iter().zip(&read) {
        assert_eq!((&sent.id, &sent.key, &sent.value), (&read.id, &read.key, &read.value));
    }
    assert_eq!(read[0].timestamp, Some(1_234_567));
    let twice = [("h".to_owned(), Some(b"1".to_vec())), ("h".to_owned(), Some(vec![0xff]))];
    assert_eq!(read[1].headers, twice);
    assert_eq!(read[2].value, None);
}

#[test]
fn a_planted_commit_is_seen_with_its_metadata() {
    let kafka = Kafka::shared();
    let topic = kafka.topic("planted", 2);
    kafka.produce(&topic, (0..10).map(|n| Record::keyless(format!("{n}")).to(1)).collect());
    let group = unique("planted");
    kafka.commit(&group, &topic, 1, 7, "some text");
    let found = kafka.committed(&group, &topic);
    assert_eq!(found[0].offset, None);
    assert_eq!((found[1].offset, found[1].metadata.as_str()), (Some(7), "some text"));
    assert_eq!(kafka.committed_total(&group, &topic), 7);
}

#[test]
fn aborted_records_are_in_the_log_but_not_read() {
    let kafka = Kafka::shared();
    let topic = kafka.topic("transactions", 1);
    let aborted = kafka.produce_in_transaction(&topic, numbered(3, 1), false);
    let kept = kafka.produce_in_transaction(&topic, numbered(2, 1), true);
    // Three records and their marker come before.
    assert_eq!(aborted[0].id.offset, 0);
    assert_eq!(kept[0].id.offset, 4);
    assert_eq!(kafka.read(&topic).len(), 2);
    assert_eq!(kafka.watermarks(&topic)[&0].high, 7);
}

#[test]
fn a_compacted_topic_loses_what_was_overwritten() {
    let kafka = Kafka::shared();
    let topic = kafka.compacted_topic("compacted", 1);
    kafka.produce(&topic, numbered(1_000, 5));
    kafka.wait_until_compacted(&topic, 500);
    let offsets: Vec<i64> = kafka.read(&topic).iter().map(|one| one.id.offset).collect();
    assert!(offsets.len() < 500, "{} left", offsets.len());
    assert!(kafka.watermarks(&topic)[&0].high > 1_000);
}

#[test]
fn topics_grow_shrink_and_go() {
    let kafka = Kafka::shared();
    let topic = kafka.topic("grows", 1);
    kafka.produce(&topic, numbered(10, 2));
    kafka.delete_records(&topic, 0, 6);
    assert_eq!(kafka.watermarks(&topic)[&0].low, 6);
    kafka.grow_topic(&topic, 3);
    assert_eq!(kafka.partitions(&topic), [0, 1, 2]);
    kafka.delete_topic(&topic);
    kafka.create_topic(&topic, 1);
    assert_eq!(kafka.watermarks(&topic)[&0].high, 0);
}

fn member(kafka: &Kafka, group: &str, topic: &str, more: &[(&str, &str)]) -> BaseConsumer {
    let mut config = kafka.access().config();
    config.set("group.id", group);
    for (name, value) in more {
        config.set(*name, *value);
    }
    let consumer: BaseConsumer = config.create().expect("a consumer");
    consumer.subscribe(&[topic]).expect("a subscription");
    consumer
}

#[test]
fn members_and_their_partitions_are_seen_and_a_short_session_is_allowed() {
    let kafka = Kafka::shared();
    let topic = kafka.topic("members", 4);
    let group = unique("members");
    let consumer = member(kafka, &group, &topic, &[("session.timeout.ms", "1000")]);
    let begun = Instant::now();
    let seen = wait_for("the member", || {
        consumer.poll(Duration::from_millis(10));
        Some(kafka.members(&group)).filter(|found| found.iter().any(|one| one.assigned.len() == 4))
    });
    println!("joined after {:?}", begun.elapsed());
    let expected: Vec<(String, i32)> = (0..4).map(|number| (topic.clone(), number)).collect();
    assert_eq!(seen[0].assigned, expected);
}

#[test]
fn the_newer_group_protocol_works() {
    let kafka = Kafka::shared();
    let topic = kafka.topic("kip-848", 2);
    kafka.produce(&topic, numbered(100, 10));
    let more = [("group.protocol", "consumer"), ("auto.offset.reset", "earliest")];
    let consumer = member(kafka, &unique("kip-848"), &topic, &more);
    let mut seen = BTreeSet::new();
    wait_for("all records", || {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            use rdkafka::Message;
            seen.insert((message.partition(), message.offset()));
        }
        (seen.len() == 100).then_some(())
    });
}

#[test]
fn a_killed_broker_comes_back_on_its_port_with_its_records() {
    let kafka = Kafka::start();
    let brokers = kafka.brokers();
    let topic = kafka.topic("survives", 2);
    let load = kafka.load(&topic, 500, |n| Record::new(format!("k{}", n % 7), format!("{n}")));
    load.wait_for(300);
    kafka.kill();
    let begun = Instant::now();
    kafka.restart();
    println!("restarted after {:?}", begun.elapsed());
    let so_far = load.count();
    load.wait_for(so_far + 300);
    let sent = load.stop();
    assert_eq!(kafka.brokers(), brokers);
    let read: BTreeSet<_> = kafka.read(&topic).into_iter().map(|one| one.id).collect();
    assert_eq!(read, sent.into_iter().map(|one| one.id).collect());
    kafka.pause();
    kafka.resume();
    kafka.stop();
}

#[test]
fn every_listener_lets_the_right_client_in_and_no_other() {
    let kafka = Kafka::start_secured();
    let topic = kafka.topic("secured", 1);
    let meet = |access: &Access| {
        let probe: BaseConsumer = access.config().create().expect("a client");
        probe.fetch_metadata(Some(&topic), Duration::from_secs(2)).is_ok()
    };
    for listener in
        [Listener::Plain, Listener::Scram, Listener::Tls, Listener::ScramTls, Listener::MutualTls]
    {
        let access = kafka.access_by(listener);
        wait_for(&format!("{listener:?} to let the client in"), || meet(&access).then_some(()));
    }
    let mut wrong = kafka.access_by(Listener::Scram);
    wrong.properties.retain(|(name, _)| name != "sasl.password");
    wrong.properties.push(("sasl.password".to_owned(), "wrong".to_owned()));
    assert!(!meet(&wrong), "a wrong password is refused");
    let mut bare = kafka.access_by(Listener::MutualTls);
    bare.properties
        .retain(|(name, _)| !name.starts_with("ssl.certificate") && !name.starts_with("ssl.key"));
    assert!(!meet(&bare), "a client without a certificate is refused");
    let mut stranger = kafka.access_by(Listener::Tls);
    stranger.properties.retain(|(name, _)| name != "ssl.ca.location");
    assert!(!meet(&stranger), "a client that does not know the authority does not connect");
}
