//! How a pipeline ends, whatever it is told while it does.
//!
//! A drain delivers what has been taken in, a stop only lets requests under way finish, and a second
//! stop cancels those. Whoever asks later may ask for less to go on, and sooner, but never for more:
//! what was let go for the sake of the one who asked first is gone.

use std::time::Duration;

use super::Moment;

/// How much goes on while it ends; each less than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// What has been taken in is delivered.
    Drain,
    /// Requests under way finish. No record is begun with.
    Stop,
    /// Requests under way are cancelled.
    Cancel,
}

impl Manner {
    /// How it ends when this is asked for too: a stop makes a stop of a drain, and cancels what goes
    /// on after another stop; a drain changes nothing.
    #[must_use]
    pub fn and(self, asked: Self) -> Self {
        if self.min(asked) == Self::Drain { self.max(asked) } else { Self::Cancel }
    }
}

/// The ending of a pipeline, from when it was first asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopping {
    manner: Manner,
    begun: Moment,
    deadline: Duration,
}

impl Stopping {
    /// The first time that it is asked for; requests may take until `deadline` from now.
    pub fn new(asked: Manner, now: Moment, deadline: Duration) -> Self {
        Self { manner: asked, begun: now, deadline }
    }

    /// It is asked for again. What does not ask for less changes nothing; what does may bring the
    /// deadline nearer, and never puts it off.
    #[must_use]
    pub fn asked(self, asked: Manner, now: Moment, deadline: Duration) -> Self {
        let manner = self.manner.and(asked);
        if manner == self.manner {
            return self;
        }
        let deadline = now.since(self.begun).saturating_add(deadline).min(self.deadline);
        Self { manner, deadline, ..self }
    }

    /// How much goes on.
    pub fn manner(self) -> Manner {
        self.manner
    }

    /// How long requests may take, counted from when it was first asked for.
    pub fn deadline(self) -> Duration {
        self.deadline
    }

    /// How long they still may; zero once the deadline has passed.
    pub fn left(self, now: Moment) -> Duration {
        self.begun.after(self.deadline).since(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Manner::{Cancel, Drain, Stop};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn a_stop_makes_a_stop_of_a_drain_and_the_next_one_cancels() {
        let drain = Stopping::new(Drain, at(10), 30 * SECOND);
        assert_eq!((drain.manner(), drain.left(at(10))), (Drain, 30 * SECOND));
        let stop = drain.asked(Stop, at(15), 30 * SECOND);
        assert_eq!((stop.manner(), stop.left(at(15))), (Stop, 25 * SECOND), "what is left of it");
        assert_eq!(stop.asked(Stop, at(16), 30 * SECOND).manner(), Cancel);
    }

    #[test]
    fn a_stop_that_has_less_patience_brings_the_deadline_nearer() {
        let drain = Stopping::new(Drain, at(10), 30 * SECOND);
        let stop = drain.asked(Stop, at(15), 2 * SECOND);
        assert_eq!(
            (stop.manner(), stop.left(at(15)), stop.deadline()),
            (Stop, 2 * SECOND, 7 * SECOND)
        );
        assert_eq!(stop.left(at(20)), Duration::ZERO);
    }

    #[test]
    fn a_drain_neither_brings_back_what_a_stop_let_go_nor_hurries_it() {
        let stop = Stopping::new(Stop, at(10), 60 * SECOND);
        assert_eq!(stop.asked(Drain, at(11), SECOND), stop);
        let drain = Stopping::new(Drain, at(10), 60 * SECOND);
        assert_eq!(drain.asked(Drain, at(11), SECOND), drain);
    }

    #[test]
    fn a_deadline_without_an_end_is_none() {
        let stop = Stopping::new(Drain, at(1), Duration::MAX).asked(Stop, at(2), Duration::MAX);
        assert_eq!((stop.manner(), stop.deadline()), (Stop, Duration::MAX));
    }

    proptest! {
        /// Whatever is asked for, and in whatever order: only how often it was a stop counts.
        #[test]
        fn it_ends_as_the_number_of_stops_says(
            asked in prop::collection::vec((any::<bool>(), 0..20_u64, 0..60_u64), 1..12),
        ) {
            let (mut ending, mut now, mut stops): (Option<Stopping>, _, _) = (None, 0, 0);
            for (is_stop, later, seconds) in asked {
                now += later;
                stops += usize::from(is_stop);
                let (manner, deadline) =
                    (if is_stop { Stop } else { Drain }, Duration::from_secs(seconds));
                let Some(before) = ending else {
                    ending = Some(Stopping::new(manner, at(now), deadline));
                    continue;
                };
                let after = before.asked(manner, at(now), deadline);
                prop_assert_eq!(after.manner(), [Drain, Stop, Cancel][stops.min(2)]);
                prop_assert!(before.manner() <= after.manner());
                // The deadline is the nearest of those that counted.
                let left = before.left(at(now));
                let counted = before.manner() != after.manner();
                let nearest = if counted { left.min(deadline) } else { left };
                prop_assert_eq!(after.left(at(now)), nearest);
                ending = Some(after);
            }
        }
    }
}
