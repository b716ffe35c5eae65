//! A sign of life: each thread of a pipeline stores the time as it goes round, and whoever asks
//! sees how long ago that was. Storing is one atomic write; nobody waits for anything.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a thread without work shows that it is alive. A look at it that is not older than
/// some of these says nothing yet.
pub(crate) const BEAT: Duration = Duration::from_secs(1);

/// A part that has ended needs no sign of life.
const ENDED: u64 = u64::MAX;

/// The latest sign of life of one thread.
#[derive(Debug)]
pub struct Pulse {
    made: Instant,
    /// Milliseconds from `made` to the latest beat.
    last: AtomicU64,
}

impl Default for Pulse {
    /// Counts as a beat: a thread that does not get going shows as one that stands still.
    fn default() -> Self {
        Self { made: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// The thread makes progress; to be called at least each second, work or not.
    pub fn beat(&self) {
        self.last.store(self.age(), Ordering::Relaxed);
    }

    /// The thread has done its work; what it does to end is not watched.
    pub fn end(&self) {
        self.last.store(ENDED, Ordering::Relaxed);
    }

    /// Time since the latest beat; none once it has ended.
    pub fn silence(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed);
        (last != ENDED).then(|| Duration::from_millis(self.age().saturating_sub(last)))
    }

    fn age(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(ENDED - 1)
    }
}

/// A thread of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// It serves the group and takes records in.
    PollThread,
    /// It keeps the ledgers, commits, and leads rebalances and the stop.
    Coordinator,
    /// It delivers; they are numbered from 0. A sink that blocks stalls its arbiter.
    Arbiter(usize),
    /// A thread of the sink's own, as the one that writes a file. While a disk is slow it may be
    /// silent for as long as that takes.
    Sink,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PollThread => f.write_str("the poll thread"),
            Self::Coordinator => f.write_str("the coordinating thread"),
            Self::Arbiter(index) => write!(f, "arbiter {index}"),
            Self::Sink => f.write_str("the thread of the sink"),
        }
    }
}

/// When a part of a pipeline last showed that it makes progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which.
    pub part: Part,
    /// How long ago. A part that is well is never silent for much longer than a second, the poll
    /// thread for six while it asks a broker that does not answer for committed offsets.
    pub silence: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_stands_still_grows_silent_and_a_beat_ends_that() {
        let begun = Instant::now();
        let pulse = Pulse::default();
        while pulse.silence() < Some(Duration::from_millis(5)) {
            assert!(begun.elapsed() < Duration::from_secs(10), "the silence does not grow");
            std::thread::yield_now();
        }
        let before = pulse.age();
        pulse.beat();
        let silence = pulse.silence();
        assert!(silence <= Some(Duration::from_millis(pulse.age() - before)), "{silence:?}");
    }

    #[test]
    fn a_thread_that_has_ended_is_not_silent() {
        let pulse = Pulse::default();
        pulse.end();
        assert_eq!(pulse.silence(), None);
    }
}
