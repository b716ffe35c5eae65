//! What a pipeline answers when it is asked where a record is and why its lanes wait: each state is
//! brought about for real, in a pipeline inside this process, and asked for.

mod flowing;
mod resting;

use std::time::Duration;

use keyway_actors::explain::{
    ExplainError, Explanation, KeyExplanation, Lane, LaneState, Lanes, Place, Question,
    RecordExplanation,
};
use keyway_actors::sink::SinkFactory;
use keyway_actors::sink::http::HttpSettings;
use keyway_actors::{Handle, Pipeline, PipelineConfig};

use crate::support::*;

/// A cluster with a topic, an endpoint, and a pipeline from one to the other.
struct Asked {
    mock: Mock,
    topic: String,
    endpoint: Endpoint,
    runner: actix_rt::SystemRunner,
}

impl Asked {
    fn new(partitions: i32) -> Self {
        let mock = Mock::start();
        let topic = mock.topic("orders", partitions);
        let runner = actix_rt::System::new();
        Self { mock, topic, endpoint: Endpoint::start(), runner }
    }

    fn config(&self) -> PipelineConfig {
        let mut config = PipelineConfig::new(&self.mock.brokers(), &self.topic, &unique("group"));
        config.arbiters = 2.try_into().unwrap();
        config.commit_interval = Duration::from_millis(50);
        config.drain_deadline = Duration::from_secs(1);
        for (name, value) in [("session.timeout.ms", "2000"), ("heartbeat.interval.ms", "200")] {
            config.kafka.insert(name.into(), value.into());
        }
        config
    }

    /// Starts a pipeline to the endpoint, at a URL with a query that nobody may see.
    fn start(&self, config: PipelineConfig) -> Handle {
        let url = self.endpoint.url_of("/orders?token=hush");
        self.start_to(config, HttpSettings::new(&url).unwrap())
    }

    #[allow(clippy::unused_self, reason = "there is a stage before there is a pipeline on it")]
    fn start_to(&self, config: PipelineConfig, sink: impl SinkFactory) -> Handle {
        Pipeline::start(config, sink).unwrap()
    }

    fn produce(&self, keys: &[&str]) -> Vec<Sent> {
        let record = |key: &&str| Record::new(*key, "x").to(0);
        self.mock.produce(&self.topic, keys.iter().map(record).collect())
    }

    fn lanes(&self, pipeline: &Handle, state: Option<LaneState>, limit: usize) -> Lanes {
        self.runner.block_on(pipeline.lanes(state, limit)).unwrap()
    }

    fn try_record(
        &self,
        pipeline: &Handle,
        partition: i32,
        offset: i64,
    ) -> Result<RecordExplanation, ExplainError> {
        let question = Question::Record { topic: None, partition, offset };
        match self.runner.block_on(pipeline.explain(question))? {
            Explanation::Record(record) => Ok(*record),
            Explanation::Key(key) => panic!("{key:?}"),
        }
    }

    /// Where a record of partition 0 is.
    fn record(&self, pipeline: &Handle, offset: i64) -> RecordExplanation {
        let record = self.try_record(pipeline, 0, offset).unwrap();
        assert_eq!((&record.topic, record.partition), (&self.topic, 0));
        assert_eq!(record.offset, offset);
        record
    }

    /// The same, once it is in such a place.
    fn wait_for(
        &self,
        pipeline: &Handle,
        offset: i64,
        what: &str,
        is: impl Fn(&Place) -> bool,
    ) -> RecordExplanation {
        wait_for(&format!("{offset} to be {what}"), || {
            // Before the group has given partitions out there is none to tell of.
            let record = self.try_record(pipeline, 0, offset).ok()?;
            is(&record.place).then_some(record)
        })
    }

    fn key(&self, pipeline: &Handle, key: &str) -> KeyExplanation {
        let question = Question::Key { topic: Some(self.topic.clone()), key: key.into() };
        match self.runner.block_on(pipeline.explain(question)).unwrap() {
            Explanation::Key(key) => key,
            Explanation::Record(record) => panic!("{record:?}"),
        }
    }

    /// Stops it, whatever it still holds.
    fn stop(&self, pipeline: &Handle) {
        pipeline.stop_within(Duration::ZERO);
        self.runner.block_on(pipeline.wait()).unwrap();
    }
}

fn lane(record: &RecordExplanation) -> &Lane {
    record.lane.as_ref().expect("it is in a lane")
}

/// A reply that is not tried again while a test lasts.
fn busy() -> Reply {
    Reply::status(503).header("Retry-After", "300")
}

/// Hangs, fails, refuses or takes a record, as its key says.
fn by_key(request: &Request) -> Reply {
    match request.key.as_deref() {
        Some("hangs") => Reply::hang(),
        Some("fails") => busy(),
        Some("refused") => Reply::status(422),
        _ => Reply::ok(),
    }
}

#[test]
fn a_record_is_told_wherever_it_is() {
    let stage = Asked::new(2);
    stage.endpoint.script(by_key);
    stage.produce(&["taken", "hangs", "hangs", "hangs", "fails", "fails", "refused", "taken"]);
    let mut config = stage.config();
    config.partitions = Some(vec![0]);
    let pipeline = stage.start(config);

    let shown = stage.endpoint.url_of("/orders?...");
    let hangs =
        stage.wait_for(&pipeline, 1, "in flight", |place| matches!(place, Place::InFlight { .. }));
    let Place::InFlight { attempt, sending_seconds, url } = &hangs.place else { unreachable!() };
    assert_eq!((*attempt, url.as_ref()), (1, Some(&shown)));
    assert!((0.0..90.0).contains(sending_seconds));
    let head = lane(&hangs);
    assert_eq!((head.state, head.head_offset, head.queued), (LaneState::Sending, 1, 2));
    assert_eq!((head.key.as_deref(), head.failure.as_deref()), (Some("hangs"), None));
    let destination = format!("http://{}", stage.endpoint.address());
    assert_eq!(head.destination.as_ref(), Some(&destination));

    for (offset, behind) in [(2, 1), (3, 2)] {
        let queued = stage.record(&pipeline, offset);
        assert_eq!(queued.place, Place::Queued { behind });
        assert_eq!((lane(&queued).head_offset, lane(&queued).state), (1, LaneState::Sending));
    }

    let fails = stage.wait_for(&pipeline, 4, "waiting", |it| matches!(it, Place::Retry(_)));
    let Place::Retry(failing) = &fails.place else { unreachable!() };
    assert_eq!(
        (failing.attempts, failing.failure.as_deref()),
        (1, Some("503 Service Unavailable"))
    );
    assert!(failing.retry_in_seconds.is_some_and(|it| (200.0..=300.0).contains(&it)));
    assert!(failing.failing_seconds.is_some_and(|it| (0.0..90.0).contains(&it)));
    assert_eq!(lane(&fails).url.as_ref(), Some(&shown));
    let behind = stage.record(&pipeline, 5);
    assert_eq!(behind.place, Place::Queued { behind: 1 });
    assert_eq!((lane(&behind).state, lane(&behind).queued), (LaneState::Waiting, 1));

    let parked = stage.wait_for(&pipeline, 6, "parked", |it| matches!(it, Place::Parked(_)));
    let Place::Parked(failing) = &parked.place else { unreachable!() };
    assert_eq!(failing.failure.as_deref(), Some("422 Unprocessable Entity"));
    assert_eq!(lane(&parked).state, LaneState::Parked);

    // One is below the committed offset, the other above it, behind the one that hangs.
    for (offset, is_committed) in [(0, true), (7, false)] {
        let settled = stage.wait_for(&pipeline, offset, "settled", |place| {
            matches!(place, Place::Settled { committed, committed_offset: Some(1), .. }
                if *committed == is_committed)
        });
        assert_eq!((settled.lane, settled.held_seconds), (None, None));
        let Place::Settled { base_offset, .. } = settled.place else { unreachable!() };
        assert_eq!(base_offset, Some(1));
    }

    let Place::NotFetched { next_offset, intake, .. } = stage.record(&pipeline, 8).place else {
        panic!("there is no such record yet")
    };
    assert_eq!((next_offset, intake), (Some(8), None));
    let elsewhere = stage.try_record(&pipeline, 1, 0).unwrap();
    assert_eq!((elsewhere.place, elsewhere.lane), (Place::NotAssigned, None));
    assert!(hangs.held_seconds.is_some_and(|it| (0.0..90.0).contains(&it)));
    assert_eq!(hangs.held_seconds.is_some(), head.waited_seconds.is_some());
    stage.stop(&pipeline);
    assert_eq!(stage.try_record(&pipeline, 0, 0), Err(ExplainError::Gone));
    assert!(stage.runner.block_on(pipeline.lanes(None, 10)).is_err());
}

#[test]
fn a_key_is_told_with_the_first_of_its_records() {
    let stage = Asked::new(1);
    stage.endpoint.script(by_key);
    stage.produce(&["hangs", "taken", "hangs", "fails", "fails", "fails"]);
    let pipeline = stage.start(stage.config());
    stage.wait_for(&pipeline, 0, "in flight", |it| matches!(it, Place::InFlight { .. }));
    stage.wait_for(&pipeline, 3, "waiting", |it| matches!(it, Place::Retry(_)));
    stage.wait_for(&pipeline, 1, "settled", |it| matches!(it, Place::Settled { .. }));
    let told = |key| {
        let told = stage.key(&pipeline, key);
        assert_eq!((&*told.topic, &*told.key), (&*stage.topic, key));
        told.partitions.into_iter().map(|it| (it.partition, it.in_lanes, it.first)).next()
    };
    let Some((0, 2, Some(first))) = told("hangs") else { panic!("two of them are here") };
    assert!(matches!(first.place, Place::InFlight { .. }) && first.offset == 0);
    assert_eq!(lane(&first).queued, 1);
    let Some((0, 3, Some(first))) = told("fails") else { panic!("three of them are here") };
    assert!(matches!(first.place, Place::Retry(_)) && first.offset == 3);
    assert_eq!(told("taken"), None, "nothing of it is held");
    assert_eq!(told("nobody"), None);
    stage.stop(&pipeline);
}

#[test]
fn the_lanes_that_have_waited_longest_come_first() {
    let stage = Asked::new(1);
    stage.endpoint.script(by_key);
    stage.produce(&["fails", "hangs", "refused"]);
    let pipeline = stage.start(stage.config());
    // So that there is a time between what came before and what comes.
    for offset in 0..3 {
        stage.wait_for(&pipeline, offset, "tried", |place| {
            matches!(place, Place::InFlight { .. } | Place::Retry(_) | Place::Parked(_))
        });
    }
    stage.produce(&["fails", "0", "1", "2"]);
    stage.wait_for(&pipeline, 6, "settled", |it| matches!(it, Place::Settled { .. }));
    let all = wait_for("three lanes", || {
        let lanes = stage.lanes(&pipeline, None, 10);
        (lanes.lanes.iter().map(|it| it.state).collect::<Vec<_>>()
            == [LaneState::Waiting, LaneState::Sending, LaneState::Parked])
        .then_some(lanes)
    });
    assert_eq!((all.matching, all.unanswered.len()), (3, 0));
    let keys: Vec<_> = all.lanes.iter().filter_map(|lane| lane.key.as_deref()).collect();
    assert_eq!(keys, ["fails", "hangs", "refused"]);
    assert_eq!((all.lanes[0].queued, all.lanes[1].queued), (1, 0));
    let two = stage.lanes(&pipeline, None, 2);
    assert_eq!((two.lanes.len(), two.matching), (2, 3));
    assert_eq!(two.lanes[0].head_offset, 0);
    for (state, key) in [
        (LaneState::Waiting, "fails"),
        (LaneState::Sending, "hangs"),
        (LaneState::Parked, "refused"),
    ] {
        let of_state = stage.lanes(&pipeline, Some(state), 10);
        let [lane] = &of_state.lanes[..] else { panic!("{of_state:?}") };
        assert_eq!((of_state.matching, lane.key.as_deref()), (1, Some(key)));
    }
    let none = stage.lanes(&pipeline, Some(LaneState::Stopped), 10);
    assert_eq!((none.lanes.len(), none.matching), (0, 0));
    stage.stop(&pipeline);
}
