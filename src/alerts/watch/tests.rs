//! From looks at one pipeline to events.

use super::super::tests::{OPEN, at, destination, partition, status};
use super::*;

const LIMITS: Limits = Limits { parked: Duration::from_mins(10), lag: Duration::from_mins(10) };

/// Kind, turn and destinations of what is new.
fn news(watch: &mut Watch, status: &Status, second: u64) -> Vec<(AlertKind, Turn, Vec<String>)> {
    let events = watch.look(status, LIMITS, at(second));
    let names = |it: &Event| it.destinations.iter().map(ToString::to_string).collect();
    events.iter().map(|it| (it.kind, it.turn, names(it))).collect()
}

#[test]
fn what_was_counted_between_two_looks_happened_since_the_look_before() {
    let (mut watch, mut it) = (Watch::default(), status("a"));
    it.totals.exhausted = 3;
    let first = watch.look(&it, LIMITS, at(5));
    assert_eq!(first, [happened(AlertKind::Exhausted, 3, at(0))], "since the start");
    assert_eq!(watch.look(&it, LIMITS, at(6)), []);
    it.totals.exhausted = 4;
    it.totals.dead_lettered = 9;
    let both =
        [happened(AlertKind::Exhausted, 1, at(6)), happened(AlertKind::DeadLettered, 9, at(6))];
    assert_eq!(watch.look(&it, LIMITS, at(8)), both);
}

#[test]
fn a_breaker_that_opened_and_closed_between_two_looks_counts() {
    let (mut watch, mut it) = (Watch::default(), status("a"));
    it.destinations = vec![destination("x", BreakerState::Closed)];
    assert_eq!(news(&mut watch, &it, 1), []);
    it.totals.breakers_opened = 2;
    let expected = |names| (AlertKind::BreakerOpened, Turn::Happened(2), names);
    assert_eq!(news(&mut watch, &it, 2), [expected(vec!["x".to_owned()])], "there is no other");
    it.destinations.push(destination("y", BreakerState::Closed));
    it.totals.breakers_opened = 4;
    assert_eq!(news(&mut watch, &it, 3), [expected(vec![])]);
}

#[test]
fn a_breaker_that_opens_again_at_each_probe_is_news_once() {
    let (mut watch, mut it) = (Watch::default(), status("a"));
    let opened = |turn, names: &[&str]| {
        (AlertKind::BreakerOpened, turn, names.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    // Seen open before it is counted: the status is put together while records move.
    it.destinations = vec![destination("x", OPEN), destination("y", BreakerState::Closed)];
    assert_eq!(news(&mut watch, &it, 1), [opened(Turn::Happened(0), &["x"])]);
    it.totals.breakers_opened = 1;
    assert_eq!(news(&mut watch, &it, 2), [opened(Turn::Again(1), &["x"])]);
    it.destinations[0].breaker = Some(BreakerState::HalfOpen);
    assert_eq!(news(&mut watch, &it, 3), []);
    it.totals.breakers_opened = 3;
    it.destinations = vec![destination("x", OPEN), destination("y", OPEN)];
    assert_eq!(news(&mut watch, &it, 4), [opened(Turn::Happened(2), &["x", "y"])]);
}

#[test]
fn a_breaker_closes_once_and_says_for_how_long_it_was_not() {
    let (mut watch, mut it) = (Watch::default(), status("a"));
    it.destinations = vec![destination("x", OPEN), destination("y", OPEN)];
    watch.look(&it, LIMITS, at(10));
    watch.look(&it, LIMITS, at(69));
    it.destinations = vec![destination("x", BreakerState::Closed), destination("y", OPEN)];
    let events = watch.look(&it, LIMITS, at(70));
    let closed =
        Event { destinations: vec!["x".into()], ..happened(AlertKind::BreakerClosed, 1, at(10)) };
    assert_eq!(events, [closed]);
    // One that was forgotten did not close.
    it.destinations = vec![destination("x", BreakerState::Closed)];
    assert_eq!(news(&mut watch, &it, 71), []);
}

#[test]
fn a_lane_that_is_parked_for_too_long_is_told_of_and_when_it_is_not_any_more() {
    let (mut watch, mut it) = (Watch::default(), status("a"));
    it.totals.lanes_parked = 2;
    it.parked_for = Some(Duration::from_secs(599));
    assert_eq!(news(&mut watch, &it, 1_000), []);
    it.parked_for = Some(Duration::from_mins(10));
    let facts = Facts::Parked { lanes: 2, longest: Duration::from_mins(10) };
    let parked = lasting(AlertKind::Parked, Turn::Happened(1), at(401), facts);
    assert_eq!(watch.look(&it, LIMITS, at(1_001)), [parked]);
    it.parked_for = None;
    assert_eq!(news(&mut watch, &it, 1_100), []);
    assert_eq!(news(&mut watch, &it, 1_160), [(AlertKind::Parked, Turn::Over, vec![])]);
}

#[test]
fn lag_is_told_of_and_when_it_is_made_up_for() {
    let (mut watch, mut it) = (Watch::default(), status("a"));
    it.partitions = vec![partition(0, 5, 105), partition(1, 0, 0)];
    assert_eq!(news(&mut watch, &it, 100), []);
    let facts = Facts::Lag { records: 100, oldest: Duration::from_mins(10) };
    let late = lasting(AlertKind::Lag, Turn::Happened(1), at(100), facts);
    assert_eq!(watch.look(&it, LIMITS, at(700)), [late]);
    it.partitions = vec![partition(0, 105, 105)];
    assert_eq!(news(&mut watch, &it, 800), []);
    assert_eq!(news(&mut watch, &it, 860), [(AlertKind::Lag, Turn::Over, vec![])]);
}

#[test]
fn what_left_with_its_partition_or_its_pipeline_is_not_over() {
    for (partitions, state) in [(0, State::Running), (1, State::Stopped), (1, State::Failed)] {
        let (mut watch, mut it) = (Watch::default(), status("a"));
        it.parked_for = Some(LIMITS.parked);
        it.partitions = vec![partition(0, 5, 105)];
        watch.look(&it, LIMITS, at(0));
        assert_eq!(news(&mut watch, &it, 600).len(), 1, "lag");
        it.parked_for = None;
        it.partitions = Vec::new();
        (it.partitions_assigned, it.state) = (partitions, state);
        for second in [700, 800, 900] {
            assert_eq!(news(&mut watch, &it, second), []);
        }
    }
}

#[test]
fn a_pipeline_stops_on_an_error_once_and_the_reason_is_in_no_one_elses_words() {
    let (mut watch, mut it) = (Watch::default(), status("a"));
    it.state = State::Failed;
    assert_eq!(news(&mut watch, &it, 1), [], "the reason follows");
    it.failure = Some(PipelineError::Undeliverable {
        topic: "t".to_owned(),
        partition: 3,
        offset: 42,
        reason: "hush".to_owned(),
    });
    let events = watch.look(&it, LIMITS, at(2));
    let [Event { kind: AlertKind::Stopped, facts: Facts::Ended(how), .. }] = events[..] else {
        panic!("{events:?}");
    };
    assert!(how.contains("cannot be delivered") && !how.contains("hush"), "{how}");
    assert_eq!(news(&mut watch, &it, 3), []);
}
