//! What waits for something else than its own turn: destinations, dead letters, the offset span, a
//! pause, an arbiter that has enough; and who does not answer.

use std::sync::{Arc, Condvar, Mutex};

use keyway_actors::explain::{Reason, Rest};
use keyway_actors::sink::sink_fn;
use keyway_actors::{Action, DeadLetterConfig, Outcome};

use super::*;

#[test]
fn a_full_destination_is_named() {
    let stage = Asked::new(1);
    stage.endpoint.script(script::always(Reply::hang()));
    stage.produce(&["a", "b", "b"]);
    let mut config = stage.config();
    config.arbiters = 1.try_into().unwrap();
    config.destinations.max_in_flight = Some(1.try_into().unwrap());
    let pipeline = stage.start(config);
    let waits = stage.wait_for(&pipeline, 1, "held by its destination", |place| {
        matches!(place, Place::Destination { .. })
    });
    let Place::Destination { destination, reason, retry_in_seconds } = &waits.place else {
        unreachable!()
    };
    let name = format!("http://{}", stage.endpoint.address());
    assert_eq!(destination.as_ref(), Some(&name));
    assert_eq!((*reason, *retry_in_seconds), (Some(Reason::DestinationFull), None));
    assert_eq!(lane(&waits).state, LaneState::Destination);
    assert_eq!(stage.record(&pipeline, 2).place, Place::Queued { behind: 1 });
    stage.stop(&pipeline);
}

#[test]
fn a_dead_letter_that_cannot_be_written_is_told() {
    let stage = Asked::new(1);
    stage.endpoint.script(script::always(Reply::status(422)));
    stage.produce(&["a", "a"]);
    let mut config = stage.config();
    config.retry.on_rejected = Action::DeadLetter;
    // Nobody listens there.
    let nowhere = HeldPort::take();
    let brokers = ("bootstrap.servers".to_owned(), nowhere.address().to_string());
    config.dead_letter = Some(DeadLetterConfig { topic: "dead".into(), kafka: [brokers].into() });
    let pipeline = stage.start(config);
    let letter = stage.wait_for(&pipeline, 0, "away as a letter", |place| {
        matches!(place, Place::DeadLettering(_))
    });
    let Place::DeadLettering(failing) = &letter.place else { unreachable!() };
    assert_eq!(
        (failing.attempts, failing.failure.as_deref()),
        (1, Some("422 Unprocessable Entity"))
    );
    assert_eq!((lane(&letter).key.as_deref(), lane(&letter).queued), (Some("a"), 1));
    let behind = stage.record(&pipeline, 1);
    assert_eq!(behind.place, Place::Queued { behind: 1 });
    assert_eq!(lane(&behind).head_offset, 0);
    let lanes = stage.lanes(&pipeline, Some(LaneState::DeadLettering), 5);
    assert_eq!((lanes.matching, lanes.lanes[0].head_offset), (1, 0));
    stage.stop(&pipeline);
}

#[test]
fn what_the_offset_span_holds_is_told_apart_from_what_was_not_taken() {
    let stage = Asked::new(1);
    stage.endpoint.script(|request| {
        let stuck = request.key.as_deref().is_some_and(|key| key.starts_with("stuck"));
        if stuck { busy() } else { Reply::ok() }
    });
    let mut rng = Rng::new(29);
    let mut key = |n| if rng.below(3) == 0 { format!("stuck-{n}") } else { format!("free-{n}") };
    stage.mock.produce(&stage.topic, (0..1_500).map(|n| Record::new(key(n), "x").to(0)).collect());
    let mut config = stage.config();
    config.offset_metadata_max_bytes = 64;
    let pipeline = stage.start(config);
    // Until what can be delivered is, the span holds for a moment and goes on.
    let (stuck, next) = wait_for("the span to hold the last for one that is stuck", || {
        let place = stage.try_record(&pipeline, 0, 1_499).ok()?.place;
        let Place::HeldBySpan { base_offset, next_offset } = place else { return None };
        let base = stage.record(&pipeline, base_offset?);
        matches!(base.place, Place::Retry(_)).then_some((base, next_offset?))
    });
    assert_eq!(lane(&stuck).head_offset, stuck.offset);
    assert!(stuck.offset < next && next < 1_499, "{stuck:?}, {next}");
    stage.wait_for(&pipeline, 1_500, "known not to be there", |place| {
        matches!(place, Place::NotFetched { log_end: Some(1_500), .. })
    });
    stage.stop(&pipeline);
}

#[test]
fn a_pause_is_told() {
    let stage = Asked::new(1);
    let pipeline = stage.start(stage.config());
    stage.produce(&["a"]);
    stage.wait_for(&pipeline, 0, "settled", |it| matches!(it, Place::Settled { .. }));
    pipeline.pause();
    stage.wait_for(&pipeline, 1, "paused", |place| {
        let next_offset = Some(1);
        matches!(place, Place::NotFetched { intake: Some(Rest::Paused), next_offset: next, .. }
            if *next == next_offset)
    });
    stage.stop(&pipeline);
}

#[test]
fn what_is_on_its_way_to_an_arbiter_that_has_enough_is_told() {
    let stage = Asked::new(1);
    stage.endpoint.script(script::always(Reply::hang()));
    let records = (0..20_000).map(|n| Record::new(format!("k{n}"), "x").to(0)).collect();
    stage.mock.produce(&stage.topic, records);
    let mut config = stage.config();
    (config.arbiters, config.senders) = (1.try_into().unwrap(), 1.try_into().unwrap());
    let pipeline = stage.start(config);
    let last = stage.wait_for(&pipeline, 19_999, "left in the log", |place| {
        matches!(place, Place::NotFetched { intake: Some(Rest::BackPressure), .. })
    });
    let Place::NotFetched { next_offset: Some(next), .. } = last.place else { unreachable!() };
    assert_eq!(stage.record(&pipeline, next - 1).place, Place::InTransit);
    let Some(on_its_way) =
        stage.key(&pipeline, &format!("k{}", next - 1)).partitions.into_iter().next()
    else {
        panic!("it is in transit")
    };
    assert_eq!((on_its_way.in_lanes, on_its_way.in_transit), (0, 1));
    assert!(on_its_way.more_in_transit);
    let ready = stage.record(&pipeline, 1);
    assert_eq!(ready.place, Place::Queued { behind: 0 });
    assert_eq!(lane(&ready).reason, Some(Reason::SendersBusy));
    stage.stop(&pipeline);
}

/// A door that a whole thread waits at.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Door {
    fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 = true;
        changed.notify_all();
        drop(changed.wait_while(state, |(_, open)| !*open).unwrap());
    }

    fn wait_for_somebody(&self) {
        let (state, changed) = &*self.0;
        let somebody = changed.wait_timeout_while(state.lock().unwrap(), LIMIT, |it| !it.0);
        assert!(!somebody.unwrap().1.timed_out(), "nobody came to the door");
    }

    fn open(&self) {
        self.0.0.lock().unwrap().1 = true;
        self.0.1.notify_all();
    }
}

#[test]
fn an_arbiter_that_is_stuck_is_named_and_holds_nobody_up() {
    let stage = Asked::new(1);
    let door = Door::default();
    let at_door = door.clone();
    let sink = sink_fn(move |_: &keyway_actors::Record| {
        at_door.pass();
        async { Outcome::Delivered }
    });
    stage.produce(&["a"]);
    let mut config = stage.config();
    config.arbiters = 1.try_into().unwrap();
    let pipeline = stage.start_to(config, sink);
    door.wait_for_somebody();
    let lanes = stage.lanes(&pipeline, None, 10);
    assert_eq!((lanes.unanswered, lanes.lanes.len()), (vec!["arbiter 0".to_owned()], 0));
    let stuck = Err(ExplainError::NoAnswer { parts: vec!["arbiter 0".to_owned()] });
    assert_eq!(stage.try_record(&pipeline, 0, 0), stuck);
    // What can be told without it is.
    assert!(matches!(stage.record(&pipeline, 1).place, Place::NotFetched { .. }));
    door.open();
    stage.wait_for(&pipeline, 0, "settled", |it| matches!(it, Place::Settled { .. }));
    stage.stop(&pipeline);
}
