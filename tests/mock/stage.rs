//! What a story has of its own: a cluster with a topic, a group, an endpoint, and `keyway run`
//! between them.

use crate::support::*;

/// The parts of a story.
pub struct Stage {
    pub mock: Mock,
    pub topic: String,
    pub group: String,
    pub endpoint: Endpoint,
}

impl Stage {
    /// A topic with so many partitions, and an endpoint that takes everything.
    pub fn new(partitions: i32) -> Self {
        Self::with(partitions, Endpoint::start())
    }

    /// The same with that endpoint.
    pub fn with(partitions: i32, endpoint: Endpoint) -> Self {
        let mock = Mock::start();
        let topic = mock.topic("orders", partitions);
        Self { mock, topic, group: unique("group"), endpoint }
    }

    /// `keyway run` from the topic to the endpoint. What waits by default for the sake of a busy
    /// world waits less: commits, heartbeats, reconnects, the first retry.
    pub fn keyway(&self) -> Keyway {
        self.keyway_to(&self.endpoint.url())
    }

    /// The same, to another URL.
    pub fn keyway_to(&self, url: &str) -> Keyway {
        quick(Keyway::run(&self.mock)).topic(&self.topic).group(&self.group).url(url)
    }

    /// The same, where a file says where records go.
    pub fn keyway_by(&self, pipeline: &str) -> Keyway {
        let keyway = quick(Keyway::run(&self.mock)).topic(&self.topic).group(&self.group);
        keyway.config(&format!("[[pipeline]]\n{pipeline}"))
    }

    /// Produces into the topic.
    pub fn produce(&self, records: Vec<Record>) -> Vec<Sent> {
        self.mock.produce(&self.topic, records)
    }

    /// What the group has committed.
    pub fn committed(&self) -> Vec<Committed> {
        self.mock.committed(&self.group, &self.topic)
    }

    /// Waits until all of the topic is committed.
    pub fn wait_all_committed(&self) {
        self.mock.wait_all_committed(&self.group, &self.topic);
    }

    /// Waits until all these records were delivered and committed, and stops it cleanly.
    pub fn finish(&self, keyway: &mut Running, sent: &[Sent]) {
        self.endpoint.wait_for_all(sent);
        self.wait_all_committed();
        assert_adds_up(&keyway.metrics());
        keyway.stop();
    }
}

/// Shorter waits, so that a story is told in seconds. The mock cluster lets a rebalance take the
/// session timeout less a second, also for a member that joins after another has left.
pub fn quick(keyway: Keyway) -> Keyway {
    keyway
        .env("KEYWAY_COMMIT_INTERVAL", "100ms")
        .env("KEYWAY_RETRY_INITIAL", "10ms")
        .kafka("session.timeout.ms", "2000")
        .kafka("heartbeat.interval.ms", "200")
        .kafka("reconnect.backoff.ms", "50")
        .kafka("reconnect.backoff.max.ms", "200")
        .kafka("topic.metadata.refresh.interval.ms", "300")
}

/// Promise P7: everything that was received is accounted for, at any moment.
pub fn assert_adds_up(metrics: &Metrics) {
    let out = ["delivered", "dead_lettered", "filtered", "dropped", "returned"]
        .map(|how| metrics.count(&format!("records_{how}_total"), &[]));
    let held = metrics.count("held_records", &[]);
    let received = metrics.count("records_received_total", &[]);
    assert_eq!(received, out.iter().sum::<usize>() + held, "{out:?}, {held} held, {metrics:?}");
}

/// Metrics as the whole numbers that counts are.
pub trait Counts {
    /// The sum of all samples of `keyway_` and this name that have these labels.
    fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize;
}

impl Counts for Metrics {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and small"
    )]
    fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        let sum = self.sum(&format!("keyway_{name}"), labels);
        assert!(
            (0.0..1e15).contains(&sum) && sum.fract().abs() < 1e-9,
            "{name} is no count: {sum}"
        );
        sum as usize
    }
}
