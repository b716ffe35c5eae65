//! What one pipeline is to be and what it is, and the next step from the one to the other.
//!
//! Changes are asked for while a pipeline starts or ends, and asked for again before they are done.
//! So nothing here waits: what is wanted is noted, and whenever the pipeline has got somewhere, the
//! next step is worked out from both. A pipeline that fails is not tried again by itself: each
//! definition, and each restart that is asked for, is one turn, and a turn is begun once.

use serde::{Deserialize, Serialize};

/// What a pipeline is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// Deliver.
    Running,
    /// Stay in its group and rest.
    Paused,
    /// Be stopped, and known.
    Stopped,
}

/// How a pipeline ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Requests under way finish.
    Stop,
    /// What has been taken in is delivered too.
    Drain,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Start it; [`Slot::started`] or [`Slot::ended`] says what came of it.
    Start,
    /// End it; [`Slot::ended`] says when it has.
    End(End),
    /// Nobody wants it any more, and nothing of it is left.
    Forget,
    /// Nothing.
    Rest,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actual {
    /// Not there: not begun yet, not able to start, or ended.
    Down,
    Starting,
    Up,
    Ending,
}

/// A pipeline that is to be what `D` says.
#[derive(Debug)]
pub struct Slot<D> {
    /// `None`: it is to be forgotten.
    wanted: Option<D>,
    run: Run,
    end: End,
    /// Which turn is wanted.
    turn: u64,
    /// Which turn was begun last; 0 before the first.
    begun: u64,
    actual: Actual,
}

impl<D> Slot<D> {
    /// One that is not there yet.
    pub fn new(definition: D, run: Run) -> Self {
        Self {
            wanted: Some(definition),
            run,
            end: End::Stop,
            turn: 1,
            begun: 0,
            actual: Actual::Down,
        }
    }

    /// What it is to be; `None` if it is to be forgotten.
    pub fn wanted(&self) -> Option<&D> {
        self.wanted.as_ref()
    }

    /// What it is to do.
    pub fn run(&self) -> Run {
        self.run
    }

    /// Whether nothing of it is there.
    pub fn is_down(&self) -> bool {
        self.actual == Actual::Down
    }

    /// Whether it is being started.
    pub fn is_starting(&self) -> bool {
        self.actual == Actual::Starting
    }

    /// It is to be something else: what is there ends first. What it is to do stays, but who was to
    /// be forgotten is to run.
    pub fn define(&mut self, definition: D) {
        if self.wanted.replace(definition).is_none() {
            self.run = Run::Running;
        }
        self.end = End::Stop;
        self.turn += 1;
    }

    /// It is to be forgotten.
    pub fn forget(&mut self) {
        self.wanted = None;
        self.end = End::Stop;
    }

    /// It is to run, and to end and start anew if it is there.
    pub fn restart(&mut self) {
        self.run = Run::Running;
        self.end = End::Stop;
        self.turn += 1;
    }

    /// It is to pause, or to go on. Of no account where it is to be stopped.
    pub fn pause(&mut self, pause: bool) {
        if self.run != Run::Stopped {
            self.run = if pause { Run::Paused } else { Run::Running };
        }
    }

    /// It is to end, and to stay known.
    pub fn stop(&mut self, end: End) {
        self.run = Run::Stopped;
        self.end = end;
    }

    /// What to do next. What it says to do is taken for begun.
    pub fn step(&mut self) -> Step {
        let ends = self.wanted.is_none() || self.run == Run::Stopped || self.begun != self.turn;
        match self.actual {
            Actual::Down if self.wanted.is_none() => Step::Forget,
            Actual::Down if self.run != Run::Stopped && self.begun != self.turn => {
                self.begun = self.turn;
                self.actual = Actual::Starting;
                Step::Start
            }
            Actual::Up if ends => {
                self.actual = Actual::Ending;
                Step::End(self.end)
            }
            _ => Step::Rest,
        }
    }

    /// It has started.
    pub fn started(&mut self) {
        self.actual = Actual::Up;
    }

    /// It has ended, however it did, or could not be started.
    pub fn ended(&mut self) {
        self.actual = Actual::Down;
    }
}

#[cfg(test)]
mod tests {
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

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Define(u8),
        Forget,
        Restart,
        Pause(bool),
        Stop,
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
            Just(Event::Stop),
            Just(Event::Arrive),
            Just(Event::Arrive),
            Just(Event::Fail),
        ]
    }

    proptest! {
        /// Two are never there at a time, and in the end there is what was asked for last.
        #[test]
        fn it_becomes_what_was_asked_for_last(events in prop::collection::vec(event(), 0..40)) {
            let mut slot = Slot::new(0_u8, Run::Running);
            // What there is: the definition it was started with, and whether it is ending.
            let (mut there, mut starting, mut ending) = (None, None, false);
            let arrive = |slot: &mut Slot<u8>,
                          there: &mut Option<u8>,
                          starting: &mut Option<u8>,
                          ending: &mut bool| {
                if let Some(begun) = starting.take() {
                    *there = Some(begun);
                    slot.started();
                } else if *ending {
                    (*there, *ending) = (None, false);
                    slot.ended();
                }
            };
            for event in events {
                match event {
                    Event::Define(definition) => slot.define(definition),
                    Event::Forget => slot.forget(),
                    Event::Restart if slot.wanted().is_some() => slot.restart(),
                    Event::Restart => {}
                    Event::Pause(pause) => slot.pause(pause),
                    Event::Stop => slot.stop(End::Stop),
                    Event::Arrive => arrive(&mut slot, &mut there, &mut starting, &mut ending),
                    Event::Fail => {
                        if starting.take().or(there.take()).is_some() {
                            ending = false;
                            slot.ended();
                        }
                    }
                }
                match slot.step() {
                    Step::Start => {
                        prop_assert!(there.is_none() && starting.is_none(), "one is there");
                        starting = slot.wanted().copied();
                        prop_assert!(starting.is_some() && slot.run() != Run::Stopped);
                            }
                    Step::End(_) => {
                        prop_assert!(there.is_some() && !ending);
                        ending = true;
                    }
                    Step::Forget => {
                        prop_assert!(there.is_none() && slot.wanted().is_none());
                    }
                    Step::Rest => {}
                }
            }
            // Nothing more is asked for: it gets there in a few steps.
            for _ in 0..6 {
                arrive(&mut slot, &mut there, &mut starting, &mut ending);
                match slot.step() {
                    Step::Start => starting = slot.wanted().copied(),
                    Step::End(_) => ending = true,
                    Step::Forget | Step::Rest => {}
                }
            }
            prop_assert!(starting.is_none() && !ending);
            match (slot.wanted(), slot.run()) {
                (None, _) | (_, Run::Stopped) => prop_assert_eq!(there, None),
                // What failed stays down until somebody asks.
                (Some(wanted), _) => prop_assert!(
                    there == Some(*wanted) || (there.is_none() && slot.begun == slot.turn)
                ),
            }
        }
    }
}
