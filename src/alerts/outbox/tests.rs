//! What is told when.

use super::super::event::{Facts, Turn};
use super::super::tests::at;
use super::*;

const EVERY: Duration = Duration::from_mins(1);

fn event(kind: AlertKind, turn: Turn) -> Event {
    Event { kind, turn, since: at(0), destinations: Vec::new(), facts: Facts::None }
}

fn add(outbox: &mut Outbox, kind: AlertKind, turn: Turn, second: u64) {
    outbox.add(&"a".into(), event(kind, turn), at(second));
}

/// The kind and the count of what is due.
fn next(outbox: &mut Outbox, second: u64) -> Option<(AlertKind, u64)> {
    outbox.next(at(second)).map(|(topic, group)| (topic.kind, group.count))
}

use AlertKind::{BreakerOpened, DeadLettered, Exhausted, Lag, Stopped};

#[test]
fn what_happens_at_once_is_told_at_once_and_the_rest_a_minute_later() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, Exhausted, Turn::Happened(1), 10);
    assert_eq!(next(&mut outbox, 10), None);
    add(&mut outbox, Exhausted, Turn::Happened(30), 11);
    assert_eq!(next(&mut outbox, 11), Some((Exhausted, 31)));
    outbox.arrived(at(12));
    add(&mut outbox, Exhausted, Turn::Happened(5), 12);
    add(&mut outbox, Exhausted, Turn::Happened(6), 60);
    assert_eq!(next(&mut outbox, 71), None);
    assert_eq!(next(&mut outbox, 72), Some((Exhausted, 11)));
}

#[test]
fn kinds_and_pipelines_do_not_wait_for_each_other() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, Exhausted, Turn::Happened(1), 0);
    add(&mut outbox, DeadLettered, Turn::Happened(2), 0);
    outbox.add(&"b".into(), event(Exhausted, Turn::Happened(3)), at(0));
    let mut told = Vec::new();
    while let Some((topic, group)) = outbox.next(at(1)) {
        told.push((topic.kind, topic.pipeline.to_string(), group.count));
        outbox.arrived(at(1));
    }
    told.sort();
    let (a, b) = (|| "a".to_owned(), || "b".to_owned());
    assert_eq!(told, [(Exhausted, a(), 1), (Exhausted, b(), 3), (DeadLettered, a(), 2)]);
}

#[test]
fn one_message_is_under_way_at_a_time() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, Exhausted, Turn::Happened(1), 0);
    add(&mut outbox, Lag, Turn::Happened(1), 0);
    assert!(next(&mut outbox, 5).is_some());
    assert_eq!(next(&mut outbox, 500), None);
    assert!(outbox.last().is_none());
    assert_eq!(outbox.untold(), 2);
}

#[test]
fn what_failed_is_told_with_what_came_after_it() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, Exhausted, Turn::Happened(1), 0);
    assert_eq!(next(&mut outbox, 1), Some((Exhausted, 1)));
    add(&mut outbox, Exhausted, Turn::Happened(2), 2);
    assert_eq!(outbox.failed(None, at(3)), 1);
    assert_eq!(outbox.untold(), 1);
    assert_eq!(next(&mut outbox, 3), None);
    assert_eq!(next(&mut outbox, 4), Some((Exhausted, 3)));
}

#[test]
fn the_pause_after_a_failure_doubles_up_to_a_minute_and_is_as_long_as_asked_for() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, Exhausted, Turn::Happened(1), 0);
    let mut now = 1;
    for (failed, pause) in (1..).zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        assert!(next(&mut outbox, now).is_some());
        assert_eq!(outbox.failed(None, at(now)), failed);
        assert_eq!(next(&mut outbox, now + pause - 1), None, "{failed}");
        now += pause;
    }
    for (asked, pause) in [(100, 100), (7, 60), (100_000, 300)] {
        assert!(next(&mut outbox, now).is_some());
        outbox.failed(Some(Duration::from_secs(asked)), at(now));
        assert_eq!(next(&mut outbox, now + pause - 1), None, "{asked}");
        now += pause;
    }
    assert!(next(&mut outbox, now).is_some());
    assert_eq!(outbox.arrived(at(now)), 11);
    add(&mut outbox, Lag, Turn::Happened(1), now);
    assert!(next(&mut outbox, now + 1).is_some());
    assert_eq!(outbox.failed(None, at(now + 1)), 1, "counted anew");
}

#[test]
fn what_is_known_already_waits_for_news_or_the_reminder() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, BreakerOpened, Turn::Again(1), 100);
    assert_eq!(next(&mut outbox, 3_699), None);
    add(&mut outbox, BreakerOpened, Turn::Again(1), 3_699);
    assert_eq!(next(&mut outbox, 3_700), Some((BreakerOpened, 2)));
    outbox.arrived(at(3_700));
    add(&mut outbox, BreakerOpened, Turn::Again(5), 3_701);
    add(&mut outbox, BreakerOpened, Turn::Happened(2), 3_710);
    assert_eq!(next(&mut outbox, 3_760), Some((BreakerOpened, 7)));
}

#[test]
fn a_breaker_seen_open_is_told_once_it_is_counted() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, BreakerOpened, Turn::Happened(0), 0);
    assert_eq!((next(&mut outbox, 10), outbox.untold()), (None, 0));
    assert!(outbox.last().is_none());
    add(&mut outbox, BreakerOpened, Turn::Again(1), 11);
    assert_eq!(next(&mut outbox, 11), Some((BreakerOpened, 1)));
}

#[test]
fn what_began_and_was_over_before_it_was_told_is_one_message() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, Lag, Turn::Happened(1), 0);
    add(&mut outbox, Lag, Turn::Over, 1);
    let (_, group) = outbox.next(at(1)).unwrap();
    assert_eq!((group.count, group.over), (1, true));
    outbox.arrived(at(1));
    add(&mut outbox, Lag, Turn::Still, 100);
    let (_, group) = outbox.next(at(101)).unwrap();
    assert_eq!((group.count, group.over), (0, false));
}

#[test]
fn at_the_end_all_is_told_a_pipeline_that_stopped_first() {
    let mut outbox = Outbox::new(EVERY);
    add(&mut outbox, Exhausted, Turn::Happened(1), 0);
    assert!(next(&mut outbox, 1).is_some());
    outbox.arrived(at(1));
    add(&mut outbox, Exhausted, Turn::Happened(4), 2);
    add(&mut outbox, BreakerOpened, Turn::Again(1), 3);
    add(&mut outbox, Stopped, Turn::Happened(1), 4);
    let mut told = Vec::new();
    while let Some((topic, group)) = outbox.last() {
        told.push((topic.kind, group.count));
        outbox.arrived(at(4));
    }
    assert_eq!(told, [(Stopped, 1), (Exhausted, 4), (BreakerOpened, 1)]);
    assert_eq!(outbox.untold(), 0);
}
