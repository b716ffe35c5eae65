//! Pipelines that are told things at any moment.

use proptest::prelude::*;

use super::*;

#[test]
fn a_new_definition_ends_the_old_one_first() {
    let mut slot = Slot::new('a', Run::Running);
    assert_eq!(slot.step(), Step::Start);
    slot.started();
    assert_eq!(slot.step(), Step::Rest);
    slot.define('b');
    assert_eq!(slot.step(), Step::End(End::Stop));
    assert_eq!(slot.step(), Step::Rest, "it ends once");
    slot.ended();
    assert_eq!((slot.step(), slot.wanted()), (Step::Start, Some(&'b')));
}

#[test]
fn what_fails_is_not_tried_again_by_itself() {
    let mut slot = Slot::new('a', Run::Running);
    assert_eq!(slot.step(), Step::Start);
    slot.ended();
    assert_eq!(slot.step(), Step::Rest);
    slot.restart();
    assert_eq!(slot.step(), Step::Start);
    slot.started();
    slot.ended();
    assert_eq!(slot.step(), Step::Rest);
    slot.define('b');
    assert_eq!(slot.step(), Step::Start);
}

#[test]
fn what_is_stopped_stays_known_until_it_is_restarted() {
    let mut slot = Slot::new('a', Run::Paused);
    assert_eq!(slot.step(), Step::Start);
    slot.started();
    slot.stop(End::Drain);
    assert_eq!(slot.step(), Step::End(End::Drain));
    slot.ended();
    assert_eq!(slot.step(), Step::Rest);
    slot.pause(false);
    assert_eq!((slot.step(), slot.run()), (Step::Rest, Run::Stopped));
    slot.define('b');
    assert_eq!(slot.step(), Step::Rest, "another definition does not start it");
    slot.restart();
    assert_eq!((slot.step(), slot.run()), (Step::Start, Run::Running));
}

#[test]
fn what_is_asked_for_while_it_starts_or_ends_is_done_after() {
    let mut slot = Slot::new('a', Run::Running);
    assert_eq!(slot.step(), Step::Start);
    slot.forget();
    assert_eq!(slot.step(), Step::Rest);
    slot.started();
    assert_eq!(slot.step(), Step::End(End::Stop));
    slot.define('b');
    assert_eq!(slot.step(), Step::Rest);
    slot.ended();
    assert_eq!((slot.step(), slot.wanted()), (Step::Start, Some(&'b')));
    slot.forget();
    slot.ended();
    assert_eq!(slot.step(), Step::Forget);
}

/// One that drains.
fn draining() -> Slot<char> {
    let mut slot = Slot::new('a', Run::Running);
    assert_eq!(slot.step(), Step::Start);
    slot.started();
    slot.stop(End::Drain);
    assert_eq!(slot.step(), Step::End(End::Drain));
    slot
}

#[test]
fn whoever_stops_what_drains_makes_a_stop_of_the_drain_once() {
    let stops: [fn(&mut Slot<char>); 3] =
        [|slot| slot.stop(End::Stop), Slot::forget, Slot::restart];
    for stop in stops {
        let mut slot = draining();
        stop(&mut slot);
        assert_eq!(slot.step(), Step::End(End::Stop));
        for again in stops {
            again(&mut slot);
            assert_eq!(slot.step(), Step::Rest, "a second stop would cancel its requests");
        }
        slot.stop(End::Drain);
        assert_eq!(slot.step(), Step::Rest, "what was let go is gone");
    }
}

#[test]
fn a_drain_goes_on_where_only_what_it_is_to_be_later_changes() {
    let mut slot = draining();
    slot.define('b');
    assert_eq!(slot.step(), Step::Rest);
    slot.stop(End::Drain);
    slot.pause(true);
    assert_eq!(slot.step(), Step::Rest);
    slot.ended();
    assert_eq!((slot.step(), slot.run()), (Step::Rest, Run::Stopped));
    slot.restart();
    assert_eq!(slot.step(), Step::Start);
    slot.started();
    slot.stop(End::Drain);
    assert_eq!(slot.step(), Step::End(End::Drain), "it was told to stop before it began");
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Define(u8),
    Forget,
    Restart,
    Pause(bool),
    Stop(End),
    /// What was begun gets where it was to get.
    Arrive,
    /// What was begun, or is there, fails.
    Fail,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<u8>().prop_map(Event::Define),
        Just(Event::Forget),
        Just(Event::Restart),
        any::<bool>().prop_map(Event::Pause),
        Just(Event::Stop(End::Stop)),
        Just(Event::Stop(End::Drain)),
        Just(Event::Arrive),
        Just(Event::Arrive),
        Just(Event::Fail),
    ]
}

/// What there is, by what it was told.
#[derive(Debug, Default)]
struct World {
    starting: Option<u8>,
    there: Option<u8>,
    /// How it was told to end, last.
    told: Option<End>,
    /// Whether a stop was asked for since it began.
    stop: bool,
}

impl World {
    fn asks(&mut self, slot: &mut Slot<u8>, event: Event) {
        match event {
            Event::Define(definition) => slot.define(definition),
            Event::Forget => slot.forget(),
            Event::Restart if slot.wanted().is_some() => slot.restart(),
            Event::Restart => return,
            Event::Pause(pause) => slot.pause(pause),
            Event::Stop(end) => slot.stop(end),
            Event::Arrive => self.arrive(slot),
            Event::Fail => {
                if self.starting.take().or(self.there.take()).is_some() {
                    self.told = None;
                    slot.ended();
                }
            }
        }
        self.stop |= match event {
            Event::Define(_) => slot.run() != Run::Stopped,
            Event::Forget | Event::Restart | Event::Stop(End::Stop) => true,
            _ => false,
        };
    }

    fn arrive(&mut self, slot: &mut Slot<u8>) {
        if let Some(begun) = self.starting.take() {
            self.there = Some(begun);
            slot.started();
        } else if self.told.take().is_some() {
            self.there = None;
            slot.ended();
        }
    }

    fn step(&mut self, slot: &mut Slot<u8>) {
        match slot.step() {
            Step::Start => {
                assert!(self.there.is_none() && self.starting.is_none(), "one is there");
                self.starting = slot.wanted().copied();
                self.stop = false;
                assert!(self.starting.is_some() && slot.run() != Run::Stopped);
            }
            Step::End(end) => {
                assert!(self.there.is_some());
                assert!(self.told < Some(end), "it was told so before");
                self.told = Some(end);
            }
            Step::Forget => assert!(self.there.is_none() && slot.wanted().is_none()),
            Step::Rest => {}
        }
        if let Some(told) = self.told {
            assert_eq!(told == End::Stop, self.stop, "it is told what was asked for");
        }
    }
}

proptest! {
    /// Two are never there at a time, each ends as the one says who asked for most, and in the end
    /// there is what was asked for last.
    #[test]
    fn it_becomes_what_was_asked_for_last(events in prop::collection::vec(event(), 0..40)) {
        let (mut slot, mut world) = (Slot::new(0_u8, Run::Running), World::default());
        for event in events {
            world.asks(&mut slot, event);
            world.step(&mut slot);
        }
        // Nothing more is asked for: it gets there in a few steps.
        for _ in 0..6 {
            world.arrive(&mut slot);
            world.step(&mut slot);
        }
        prop_assert!(world.starting.is_none() && world.told.is_none());
        match (slot.wanted(), slot.run()) {
            (None, _) | (_, Run::Stopped) => prop_assert_eq!(world.there, None),
            // What failed stays down until somebody asks.
            (Some(wanted), _) => prop_assert!(
                world.there == Some(*wanted)
                    || (world.there.is_none() && slot.begun == slot.turn)
            ),
        }
    }
}
