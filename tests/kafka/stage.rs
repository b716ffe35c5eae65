//! What every story begins with: a topic, a group and an endpoint of its own.

use std::time::Duration;

use crate::support::{
    Cluster, Endpoint, Kafka, Keyway, Load, Record, Running, Sent, Verdict, unique, wait_for,
};

/// A topic, a group, an endpoint, and the broker they are on.
pub struct Stage<'a> {
    pub kafka: &'a Kafka,
    pub topic: String,
    pub group: String,
    pub endpoint: Endpoint,
}

impl Stage<'static> {
    /// On the broker that the stories share.
    pub fn new(stem: &str, partitions: i32) -> Self {
        Self::on(Kafka::shared(), stem, partitions)
    }
}

impl<'a> Stage<'a> {
    /// On a broker of the story's own.
    pub fn on(kafka: &'a Kafka, stem: &str, partitions: i32) -> Self {
        let topic = kafka.topic(stem, partitions);
        Self::of(kafka, stem, topic)
    }

    /// With a topic that is there already.
    pub fn of(kafka: &'a Kafka, stem: &str, topic: String) -> Self {
        Self { kafka, topic, group: unique(stem), endpoint: Endpoint::start() }
    }

    /// `keyway run` on this stage; retries come soon, so that no story waits for them.
    pub fn keyway(&self) -> Keyway {
        Keyway::run(self.kafka)
            .topic(&self.topic)
            .group(&self.group)
            .url(&self.endpoint.url())
            .env("KEYWAY_RETRY_INITIAL", "20ms")
            .env("KEYWAY_RETRY_MAX", "200ms")
            .kafka("topic.metadata.refresh.interval.ms", "500")
    }

    /// The same, as a member whose silence is noticed soon.
    pub fn quick(&self) -> Keyway {
        quick(self.keyway())
    }

    /// Produces `per_second` records a second over `keys` keys.
    pub fn load(&self, per_second: u32, keys: usize) -> Load {
        self.kafka.load(&self.topic, per_second, move |n| keyed(n % keys, n))
    }

    pub fn produce(&self, records: Vec<Record>) -> Vec<Sent> {
        self.kafka.produce(&self.topic, records)
    }

    pub fn delivered(&self) -> usize {
        self.endpoint.look(crate::support::Ledger::delivered)
    }

    /// Waits until so many more records are delivered.
    pub fn wait_for_more(&self, count: usize) {
        self.endpoint.wait_for_delivered(self.delivered() + count);
    }

    /// Waits until all is delivered and committed, and gives the findings.
    pub fn finish(&self, sent: &[Sent]) -> Verdict {
        self.endpoint.wait_for_all(sent);
        self.kafka.wait_all_committed(&self.group, &self.topic);
        self.endpoint.verdict(sent)
    }
}

/// A member whose silence is noticed after some seconds: fewer, and a busy machine is taken for a
/// dead member.
pub fn quick(keyway: Keyway) -> Keyway {
    keyway.kafka("session.timeout.ms", "3000").kafka("heartbeat.interval.ms", "500")
}

/// The record number `n`, of that key.
pub fn keyed(key: usize, n: usize) -> Record {
    Record::new(format!("k{key}"), format!("{{\"n\":{n}}}"))
}

/// `count` records, each with a key of its own.
pub fn distinct(count: usize) -> Vec<Record> {
    (0..count).map(|n| keyed(n, n)).collect()
}

/// How many partitions a member has.
pub fn share(member: &mut Running) -> usize {
    let assigned = member.metrics().sum("keyway_assigned_partitions", &[]);
    // A count of partitions: small and whole.
    format!("{assigned}").parse().expect("a whole number")
}

/// Waits until these members have `partitions` partitions between them, and none has none.
pub fn wait_until_shared(members: &mut [&mut Running], partitions: usize) {
    wait_for(&format!("{} members that share {partitions} partitions", members.len()), || {
        let shares: Vec<usize> = members.iter_mut().map(|member| share(member)).collect();
        (shares.iter().sum::<usize>() == partitions && !shares.contains(&0)).then_some(())
    });
}

/// The same, and each has as many: nothing is on its way from one to another any more.
pub fn wait_until_shared_evenly(members: &mut [&mut Running], partitions: usize) {
    let each = partitions / members.len();
    wait_for(&format!("{} members with {each} partitions each", members.len()), || {
        members.iter_mut().all(|member| share(member) == each).then_some(())
    });
}

/// How often log lines of a member say this.
pub fn said(member: &Running, text: &str) -> usize {
    let says = |line: &serde_json::Value| line["msg"].as_str().is_some_and(|it| it.contains(text));
    member.log().iter().filter(|line| says(line)).count()
}

/// A script: 200 after a time between `low` and `high` milliseconds; a share of all requests fails
/// with 503 instead.
pub fn faulty(low: u64, high: u64, share: f64) -> crate::support::Script {
    use crate::support::script::{fail_share, slow};
    slow(Duration::from_millis(low), Duration::from_millis(high), 5, fail_share(11, share, 503))
}
