//! Finds how many requests at a time an endpoint bears, from how long they take and what is refused.
//!
//! For an endpoint that works on `c` requests at a time, more of them do not finish sooner: they
//! wait in its queue, and by Little's law (J. D. C. Little, 1961) the time grows with the number in
//! flight. So `in flight x baseline / time` is `c`, where the baseline is the time of a request
//! that does not wait. The limit is kept a little above that, and everything hangs on the baseline:
//!
//! - A smallest time (TCP Vegas, Brakmo and Peterson 1994; BBR, Cardwell et al. 2016; Netflix
//!   `concurrency-limits`, `VegasLimit`) breaks down where times scatter: the luckiest of a thousand
//!   requests says nothing about the ordinary one, and the limit collapses.
//! - A long-term average (Netflix `Gradient2Limit`; Vector's adaptive request concurrency) learns
//!   the queue it made itself: under lasting load the limit drifts up to the maximum.
//! - Envoy's adaptive concurrency filter (`gradient_controller`) measures instead: from time to time
//!   it lets through only a few and takes the same statistic of these.
//!
//! This is Envoy's way with BBR's thrift: a *probe* halves the limit instead of pinning it to 3, and
//! halves again only while the time falls with it, that is, while there still was a queue. What is
//! left when it no longer does is the baseline; mostly that is one window at half the limit. Means
//! are compared with means, over as many answers as their scatter asks for.
//!
//! A probe comes by the clock, and at once where the baseline cannot be true: after cuts that did
//! not help, or answers far faster than it. A change of the endpoint is followed within some
//! thousand answers; the tests say how many, on a modelled endpoint.
//!
//! Refusals cut the limit whatever the times say (the multiplicative decrease of TCP congestion
//! avoidance, RFC 5681).

use std::time::Duration;

use super::Moment;
use window::{Means, Window};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
mod window;

/// Where it begins, within what it is allowed; it doubles from there.
const FIRST_LIMIT: u32 = 4;

/// Requests take longer than the baseline by more than this share, and their mean's standard error
/// on top: they wait. Below it the limit grows.
const TOLERANCE: f64 = 0.2;

/// The limit over what the endpoint works on at a time: a queue this short keeps it busy.
const HEADROOM: f64 = 1.1;

/// Less than this share of the limit in use: the load is the limit, and the times say nothing of it.
const IN_USE: f64 = 0.8;

/// Calm windows after which the limit grows in steps twice as large.
const CALM_WINDOWS: u32 = 4;

/// What is left of the limit when requests were refused.
const AFTER_REFUSAL: f64 = 0.85;

/// Between two probes at least this, and so many times the last one's length: probing costs at most
/// about one request in fifty.
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBE_SHARE: u32 = 30;

/// How a request ended, as far as the limit is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The endpoint did its work: its time counts.
    Answered,
    /// It had too much to do: 429, 503, no answer in time, no connection.
    Refused,
    /// Nothing to be learned: cancelled, or never sent.
    Ignored,
}

/// A request that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// From its beginning to its end.
    pub took: Duration,
    /// Requests of this destination in flight when it ended, itself included.
    pub in_flight: u32,
    /// How it ended.
    pub answer: Answer,
}

/// The limit of one destination. See the head of this file.
#[derive(Clone, Debug)]
pub struct AdaptiveLimit {
    min: u32,
    max: u32,
    limit: u32,
    /// The highest limit since the last probe, or since the times said clearly what fits.
    highest: u32,
    /// They said so since the last probe.
    believed: bool,
    /// The mean time of a request that does not wait, in seconds; none before the first window.
    baseline: Option<f64>,
    /// By how much the limit grows after a calm window, and how many were calm in a row.
    step: u32,
    calm: u32,
    /// Nothing ever was too much: the limit doubles.
    starting: bool,
    /// The highest rate of the windows that were slow in a row, in requests per second.
    slow_rate: f64,
    probe: Option<Probe>,
    probe_due: Moment,
    /// What began before the last cut says nothing against the limit of now.
    cut_at: Moment,
    /// So many more answers belong to the limit of before; their times do not count.
    outdated: u32,
    window: Window,
}

/// A probe under way.
#[derive(Clone, Copy, Debug)]
struct Probe {
    began: Moment,
    /// The window before the last halving.
    before: Means,
    /// The highest rate, of the probe and of the slow windows before it.
    rate: f64,
    /// The last window was slower than the baseline, and fewer requests were no faster.
    surprised: bool,
}

impl AdaptiveLimit {
    /// A limit that stays within `min..=max`; nothing is below 1, and `max` is at least `min`.
    pub fn new(min: u32, max: u32) -> Self {
        let min = min.max(1);
        let max = max.max(min);
        let limit = FIRST_LIMIT.clamp(min, max);
        Self {
            min,
            max,
            limit,
            highest: limit,
            believed: false,
            baseline: None,
            step: 1,
            calm: 0,
            starting: true,
            slow_rate: 0.0,
            probe: None,
            probe_due: Moment::default().after(PROBE_EVERY),
            cut_at: Moment::default(),
            outdated: 0,
            window: Window::default(),
        }
    }

    /// How many requests may be in flight to this destination.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Sets the most that it may be. That is to be what can be in flight at all: of a limit that is
    /// not in use nothing is learned.
    pub fn within(&mut self, max: u32, in_flight: u32) {
        self.max = max.max(self.min);
        if self.limit > self.max {
            self.set(self.max, in_flight);
        }
    }

    /// A request ended.
    pub fn ended(&mut self, sample: Sample, now: Moment) {
        let outdated = self.outdated > 0;
        self.outdated = self.outdated.saturating_sub(1);
        match sample.answer {
            Answer::Ignored => {}
            Answer::Refused => self.refused(sample, now),
            Answer::Answered if outdated => self.window.pass(),
            Answer::Answered => {
                self.window.add(sample);
                if let Some(means) = self.window.means(self.limit) {
                    self.window = Window::default();
                    self.look(means, sample.in_flight, now);
                }
            }
        }
    }

    fn refused(&mut self, sample: Sample, now: Moment) {
        let after_cut = now.0.saturating_sub(sample.took) >= self.cut_at.0;
        if after_cut && self.window.refuse() {
            self.cut_at = now;
            self.probe = None;
            let less = whole(f64::from(self.limit) * AFTER_REFUSAL);
            self.set(less.min(self.limit - 1), sample.in_flight);
            self.restless();
        }
    }

    /// A window is full.
    fn look(&mut self, means: Means, in_flight: u32, now: Moment) {
        if let Some(probe) = self.probe {
            return self.probed(probe, means, in_flight, now);
        }
        let baseline = *self.baseline.get_or_insert(means.time);
        if means.in_flight < f64::from(self.limit) * IN_USE {
            return;
        }
        let slow = self.is_slow(means);
        let fast = means.time < baseline * (1.0 - TOLERANCE - 2.0 * means.error);
        if fast || now >= self.probe_due {
            self.probe(means, in_flight, now);
        } else if slow {
            let fits = whole(means.in_flight * baseline / means.time * HEADROOM);
            self.cut(fits.min(self.limit - 1), means, in_flight, now);
        } else {
            self.slow_rate = 0.0;
            self.grow(in_flight);
        }
    }

    /// Requests wait: there is room for `fits`, if the baseline is true.
    fn cut(&mut self, fits: u32, means: Means, in_flight: u32, now: Moment) {
        self.slow_rate = self.slow_rate.max(means.rate());
        // Once it is believed at its word; if that did not help, or comes again, it is not.
        if fits < self.limit / 2 && !self.believed {
            self.believed = true;
            self.highest = fits;
        }
        let eroded = fits < self.highest / 2;
        // The first baseline is from the first few requests at a time, which may have been too many.
        if self.starting || eroded {
            self.probe(means, in_flight, now);
        } else {
            self.set(fits, in_flight);
        }
        self.restless();
    }

    fn probe(&mut self, means: Means, in_flight: u32, now: Moment) {
        let rate = std::mem::take(&mut self.slow_rate).max(means.rate());
        self.probe = Some(Probe { began: now, before: means, rate, surprised: false });
        self.set(self.limit / 2, in_flight);
    }

    fn grow(&mut self, in_flight: u32) {
        self.calm += 1;
        if self.starting {
            self.step = self.limit;
        } else if self.calm.is_multiple_of(CALM_WINDOWS) {
            self.step = self.step.saturating_mul(2).min(self.limit);
        }
        self.set(self.limit.saturating_add(self.step), in_flight);
        self.highest = self.highest.max(self.limit);
    }

    /// A window of a probe is full: is there still a queue to do away with?
    fn probed(&mut self, mut probe: Probe, means: Means, in_flight: u32, now: Moment) {
        probe.rate = probe.rate.max(means.rate());
        let fewer = means.in_flight / probe.before.in_flight;
        let faster = means.time / probe.before.time;
        // Twice as fast with half of them, or nearly so: all that was gained was a queue.
        let queued = faster < fewer * 4.0 / 3.0;
        // An endpoint that became slower has to show it twice: the window before may have been from
        // before it did.
        let surprising = !probe.surprised && self.is_slow(means);
        if self.limit > self.min && (queued || surprising) {
            probe.before = means;
            probe.surprised = !queued;
            self.probe = Some(probe);
            return self.set(self.limit / 2, in_flight);
        }
        self.baseline = Some(means.time);
        self.probe = None;
        self.probe_due =
            now.after(PROBE_EVERY.max(now.since(probe.began).saturating_mul(PROBE_SHARE)));
        let fits = whole(probe.rate * means.time * HEADROOM);
        self.set(fits, in_flight);
        self.highest = self.limit;
        self.believed = false;
    }

    fn is_slow(&self, means: Means) -> bool {
        self.baseline.is_some_and(|it| means.time > it * (1.0 + TOLERANCE + means.error))
    }

    /// There was too much.
    fn restless(&mut self) {
        self.starting = false;
        self.step = 1 + self.limit / 16;
        self.calm = 0;
    }

    fn set(&mut self, limit: u32, in_flight: u32) {
        let limit = limit.clamp(self.min, self.max);
        if limit != self.limit {
            self.limit = limit;
            // Those of before, and as many again until the new ones have settled in.
            self.outdated = in_flight.saturating_add(self.limit);
        }
        self.window = Window::default();
    }
}

/// The nearest whole number of requests.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn whole(requests: f64) -> u32 {
    requests.round() as u32
}
