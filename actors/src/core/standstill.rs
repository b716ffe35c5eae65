//! Notices that a thread stood still for so long that its member may have been given up (the
//! process was halted, the machine overloaded), and says how long it should rest before it begins
//! anything new.
//!
//! Whoever stood still for longer than the session has lost its partitions to others and does not
//! know yet: what it begins now would come beside and behind what they have done since. The broker
//! tells it with the next heartbeat, within milliseconds as a rule; until then it had better wait.
//! This is no proof: a broker that takes longer to answer is not waited for.

use std::time::Duration;

use super::Moment;

/// Nothing seen of itself for this long: it stood still. Brokers take no session under 6 s unless
/// they are told to; a thread shows itself every second.
const STOOD_STILL: Duration = Duration::from_secs(5);

/// How long to rest then.
const REST: Duration = Duration::from_secs(1);

/// See the head of this file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standstill {
    seen: Moment,
    rests_until: Moment,
}

impl Standstill {
    /// The thread is at it; to be called whenever it begins something, and every second besides.
    /// Says for how long it stood still before, if it did.
    pub fn look(&mut self, now: Moment) -> Option<Duration> {
        let gap = now.since(self.seen);
        self.seen = self.seen.max(now);
        if gap < STOOD_STILL {
            return None;
        }
        self.rests_until = now.after(REST);
        Some(gap)
    }

    /// Until when nothing new should begin; none if it may.
    pub fn rests(&self, now: Moment) -> Option<Moment> {
        (now < self.rests_until).then_some(self.rests_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment(Duration::from_millis(millis))
    }

    #[test]
    fn a_thread_that_shows_itself_every_second_never_rests() {
        let mut standstill = Standstill::default();
        for second in 1..100 {
            assert_eq!(standstill.look(at(second * 1_000)), None);
            assert_eq!(standstill.rests(at(second * 1_000)), None);
        }
    }

    #[test]
    fn after_a_standstill_it_rests_for_a_while_and_goes_on() {
        let mut standstill = Standstill::default();
        assert_eq!(standstill.look(at(1_000)), None);
        assert_eq!(standstill.look(at(8_000)), Some(Duration::from_secs(7)));
        assert_eq!(standstill.look(at(8_001)), None, "it is said once");
        assert_eq!(standstill.rests(at(8_001)), Some(at(9_000)));
        assert_eq!(standstill.rests(at(9_000)), None);
    }
}
