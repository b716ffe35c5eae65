//! Something that lasts: when it began, that it still is so, and that it is over.
//!
//! It is over only once it has been for a while. A parked lane is not parked while its retry is
//! under way, and lag that crosses its limit to and fro is one episode, not twenty.

use std::time::Duration;

use keyway_actors::core::Moment;

use super::event::Turn;

/// How long it must have been over: twice the time that an attempt may take by default.
pub(super) const OVER_AFTER: Duration = Duration::from_mins(1);

/// How often it is told of again while it lasts.
pub(super) const REMIND: Duration = Duration::from_hours(1);

/// Something that is so or not.
#[derive(Debug, Default)]
pub(super) struct Condition(Option<Episode>);

#[derive(Debug)]
struct Episode {
    since: Moment,
    told: Moment,
    /// Since when it seems to be over.
    quiet: Option<Moment>,
}

impl Condition {
    /// Takes a look: since when it is so, if it is. What there is to tell, and since when it has
    /// been or was so.
    pub(super) fn look(&mut self, since: Option<Moment>, now: Moment) -> Option<(Turn, Moment)> {
        match (&mut self.0, since) {
            (None, None) => None,
            (None, Some(since)) => {
                self.0 = Some(Episode { since, told: now, quiet: None });
                Some((Turn::Happened(1), since))
            }
            (Some(episode), Some(since)) => {
                episode.quiet = None;
                episode.since = episode.since.min(since);
                if now < episode.told.after(REMIND) {
                    return None;
                }
                episode.told = now;
                Some((Turn::Still, episode.since))
            }
            (Some(episode), None) => {
                let quiet = *episode.quiet.get_or_insert(now);
                if now < quiet.after(OVER_AFTER) {
                    return None;
                }
                let since = episode.since;
                self.0 = None;
                Some((Turn::Over, since))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn it_begins_once_and_is_over_once_it_has_been_for_a_while() {
        let mut it = Condition::default();
        assert_eq!(it.look(None, at(0)), None);
        assert_eq!(it.look(Some(at(1)), at(700)), Some((Turn::Happened(1), at(1))));
        assert_eq!(it.look(Some(at(1)), at(701)), None);
        assert_eq!(it.look(None, at(702)), None);
        assert_eq!(it.look(None, at(761)), None);
        assert_eq!(it.look(None, at(762)), Some((Turn::Over, at(1))));
        assert_eq!(it.look(None, at(900)), None);
        assert_eq!(it.look(Some(at(800)), at(1500)), Some((Turn::Happened(1), at(800))));
    }

    #[test]
    fn a_retry_under_way_does_not_end_it() {
        let mut it = Condition::default();
        it.look(Some(at(1)), at(700));
        for second in 701..1000 {
            let parked = second % 60 < 10;
            assert_eq!(it.look(parked.then_some(at(1)), at(second)), None, "{second}");
        }
    }

    #[test]
    fn it_is_told_of_again_after_an_hour() {
        let mut it = Condition::default();
        it.look(Some(at(0)), at(600));
        assert_eq!(it.look(Some(at(0)), at(4199)), None);
        assert_eq!(it.look(Some(at(0)), at(4200)), Some((Turn::Still, at(0))));
        assert_eq!(it.look(Some(at(0)), at(4201)), None);
    }
}
