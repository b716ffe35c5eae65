//! What one pipeline is to be and what it is, and the next step from the one to the other.
//!
//! Changes are asked for while a pipeline starts or ends, and asked for again before they are done.
//! So nothing here waits: what is wanted is noted, and whenever the pipeline has got somewhere, the
//! next step is worked out from both. A pipeline that fails is not tried again by itself: each
//! definition, and each restart that is asked for, is one turn, and a turn is begun once.
//!
//! A pipeline that drains may be told to stop, whoever asks: then it stops. One that stops is not
//! told so twice, for that would cancel its requests, and nothing makes a drain of it.

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

/// How a pipeline ends; less goes on with a stop than with a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Requests under way finish, and what has been taken in is delivered.
    Drain,
    /// Requests under way finish.
    Stop,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Start it; [`Slot::started`] or [`Slot::ended`] says what came of it.
    Start,
    /// End it, or, where it drains, stop it; [`Slot::ended`] says when it has ended.
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
    /// It was told to end so.
    Ending(End),
}

/// A pipeline that is to be what `D` says.
#[derive(Debug)]
pub struct Slot<D> {
    /// `None`: it is to be forgotten.
    wanted: Option<D>,
    run: Run,
    /// How what is there is to end, once it is to end: the most that was asked for since it began.
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
            end: End::Drain,
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
    /// be forgotten is to run. One that ends to stay stopped ends as it was told to.
    pub fn define(&mut self, definition: D) {
        if self.wanted.replace(definition).is_none() {
            self.run = Run::Running;
        }
        if self.run != Run::Stopped {
            self.end = End::Stop;
        }
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
        self.end = self.end.max(end);
    }

    /// What to do next. What it says to do is taken for begun.
    pub fn step(&mut self) -> Step {
        let ends = self.wanted.is_none() || self.run == Run::Stopped || self.begun != self.turn;
        match self.actual {
            Actual::Down if self.wanted.is_none() => Step::Forget,
            Actual::Down if self.run != Run::Stopped && self.begun != self.turn => {
                self.begun = self.turn;
                self.end = End::Drain;
                self.actual = Actual::Starting;
                Step::Start
            }
            Actual::Up if ends => self.end(),
            Actual::Ending(told) if told < self.end => self.end(),
            _ => Step::Rest,
        }
    }

    fn end(&mut self) -> Step {
        self.actual = Actual::Ending(self.end);
        Step::End(self.end)
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
mod tests;
