//! Whether every record is accounted for.

use serde::{Deserialize, Serialize};

use super::Totals;

/// The records of a pipeline at one moment, each under what became of it (promise P7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Conservation {
    /// Taken in.
    pub received: u64,
    /// Accepted by the receiver.
    pub delivered: u64,
    /// Whose dead letter the broker has.
    pub dead_lettered: u64,
    /// For which no request was to be made.
    pub filtered: u64,
    /// Given up on by an explicit setting.
    pub dropped: u64,
    /// Let go unsettled, with their partition or at the stop.
    pub returned: u64,
    /// Held, counted by what each of them occupies of the buffer and not by the other numbers.
    pub held: u64,
}

impl Conservation {
    pub(crate) fn of(totals: &Totals) -> Self {
        Self {
            received: totals.received,
            delivered: totals.delivered,
            dead_lettered: totals.dead_lettered,
            filtered: totals.filtered,
            dropped: totals.dropped,
            returned: totals.returned,
            held: totals.held_records,
        }
    }

    /// How many records were taken in of which nobody knows; below zero where more became something
    /// than were taken in. Zero if the numbers add up.
    pub fn missing(&self) -> i128 {
        let known = [
            self.delivered,
            self.dead_lettered,
            self.filtered,
            self.dropped,
            self.returned,
            self.held,
        ];
        i128::from(self.received) - known.map(i128::from).iter().sum::<i128>()
    }

    /// Whether `received = delivered + dead-lettered + filtered + dropped + returned + held`.
    pub fn adds_up(&self) -> bool {
        self.missing() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Conservation = Conservation {
        received: 21,
        delivered: 1,
        dead_lettered: 2,
        filtered: 3,
        dropped: 4,
        returned: 5,
        held: 6,
    };

    #[test]
    fn each_number_counts() {
        assert!(SOUND.adds_up());
        assert_eq!(Conservation { received: 22, ..SOUND }.missing(), 1);
        for more in [
            Conservation { delivered: 2, ..SOUND },
            Conservation { dead_lettered: 3, ..SOUND },
            Conservation { filtered: 4, ..SOUND },
            Conservation { dropped: 5, ..SOUND },
            Conservation { returned: 6, ..SOUND },
            Conservation { held: 7, ..SOUND },
        ] {
            assert_eq!(more.missing(), -1, "{more:?}");
            assert!(!more.adds_up());
        }
    }

    #[test]
    fn the_largest_numbers_do_no_harm() {
        let all = Conservation { delivered: u64::MAX, held: u64::MAX, ..Conservation::default() };
        assert_eq!(all.missing(), -2 * i128::from(u64::MAX));
    }
}
