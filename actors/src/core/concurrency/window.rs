//! The means of the requests that ended lately, over as many as their scatter asks for.

use super::Sample;

/// A mean is good when its standard error is within this share of it.
const GOOD_ERROR: f64 = 0.08;

/// The least answers a mean is taken of, and the most that are waited for when they scatter.
const FEWEST_ANSWERS: u32 = 16;
const ENOUGH_ANSWERS: u32 = 200;

/// So many refusals in one window, and more than one answer in ten, cut the limit: an endpoint that
/// fails now and then is not one that has too much to do.
const REFUSALS: u32 = 3;
const REFUSED_ONE_IN: u32 = 10;

/// What ended since the last window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// All that ended, and the refused among them.
    ended: u32,
    refused: u32,
    /// Those whose times count.
    answered: u32,
    /// Sums over the answered: requests in flight, seconds, and seconds squared.
    in_flight: f64,
    time: f64,
    squares: f64,
}

/// What a window says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    pub(super) in_flight: f64,
    /// In seconds.
    pub(super) time: f64,
    /// The standard error of the time, as a share of it.
    pub(super) error: f64,
}

impl Window {
    /// A request was refused: whether these are too many.
    pub(super) fn refuse(&mut self) -> bool {
        self.ended = self.ended.saturating_add(1);
        self.refused += 1;
        self.refused >= REFUSALS && self.refused > self.ended / REFUSED_ONE_IN
    }

    /// A request was answered whose time does not count.
    pub(super) fn pass(&mut self) {
        self.ended = self.ended.saturating_add(1);
    }

    /// A request was answered.
    pub(super) fn add(&mut self, sample: Sample) {
        self.pass();
        // Whatever answers in no time took a nanosecond: means are divided by.
        let time = sample.took.as_secs_f64().max(1e-9);
        self.answered += 1;
        self.in_flight += f64::from(sample.in_flight.max(1));
        self.time += time;
        self.squares += time * time;
    }

    /// The means, once there are enough answers: one for each request that `limit` lets out at a
    /// time, and more while they scatter.
    pub(super) fn means(&self, limit: u32) -> Option<Means> {
        if self.answered < FEWEST_ANSWERS.max(limit) {
            return None;
        }
        let count = f64::from(self.answered);
        let time = self.time / count;
        let variance = (self.squares / count - time * time).max(0.0);
        let error = (variance / count).sqrt() / time;
        let enough = error <= GOOD_ERROR || self.answered >= ENOUGH_ANSWERS;
        enough.then_some(Means { in_flight: self.in_flight / count, time, error })
    }
}

impl Means {
    /// Requests per second, by Little's law.
    pub(super) fn rate(self) -> f64 {
        self.in_flight / self.time
    }
}
