//! A log that is not flooded: the first lines of a kind are let through, the rest are counted, and
//! the next line that is let through says how many there were.
//!
//! It holds no clock and writes nothing; there is one for each kind of line.

use std::time::{Duration, Instant};

/// Lets so many lines of a kind through in every interval.
#[derive(Clone, Debug)]
pub(crate) struct Sparingly {
    most: u32,
    interval: Duration,
    /// When the interval began, and the lines let through in it.
    current: Option<(Instant, u32)>,
    suppressed: u64,
}

impl Sparingly {
    /// At most `most` lines within `interval`, which begins with the first of them.
    pub(crate) const fn new(most: u32, interval: Duration) -> Self {
        Self { most, interval, current: None, suppressed: 0 }
    }

    /// Whether a line is to be written: `Some` of how many were left out since the last that was.
    pub(crate) fn say(&mut self, now: Instant) -> Option<u64> {
        let (began, said) = match self.current {
            Some((began, said)) if now.duration_since(began) < self.interval => (began, said),
            _ => (now, 0),
        };
        if said >= self.most {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.current = Some((began, said + 1));
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(seconds: u64) -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_of_an_interval_are_said_and_the_others_counted() {
        let mut parked = Sparingly::new(10, MINUTE);
        let said: Vec<_> = (0..500).map(|_| parked.say(at(7))).collect();
        assert!(said[..10].iter().all(|it| *it == Some(0)));
        assert!(said[10..].iter().all(Option::is_none));
        assert_eq!(parked.say(at(67)), Some(490));
        assert_eq!(parked.say(at(67)), Some(0), "each is told once");
    }

    #[test]
    fn an_interval_begins_with_its_first_line() {
        let mut line = Sparingly::new(2, MINUTE);
        assert_eq!(line.say(at(100)), Some(0));
        assert_eq!(line.say(at(159)), Some(0));
        assert_eq!(line.say(at(159)), None);
        // Were it to begin with the last one, this would be left out.
        assert_eq!(line.say(at(160)), Some(1));
        assert_eq!(line.say(at(219)), Some(0));
        assert_eq!(line.say(at(219)), None);
    }

    #[test]
    fn what_is_rare_is_all_said() {
        let mut line = Sparingly::new(1, MINUTE);
        assert!((0..50).all(|minute| line.say(at(minute * 60)) == Some(0)));
    }

    #[test]
    fn nothing_is_said_where_nothing_may() {
        let mut line = Sparingly::new(0, MINUTE);
        assert_eq!((line.say(at(0)), line.say(at(90))), (None, None));
    }
}
