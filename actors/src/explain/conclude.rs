//! What the answers of the parts come to.
//!
//! They are asked one after the other, along the way of a record: the poll thread, the arbiters, the
//! ledger. So a record that moves on meanwhile is found further on, and none is missed.

use super::parts::{Entered, InPartition};
use super::{Place, Rest};
use crate::core::Offset;
use crate::core::ledger::Whereabouts;

/// What is known of one record.
pub(super) struct Known<'a> {
    pub(super) offset: Offset,
    /// On the poll thread.
    pub(super) here: &'a InPartition,
    /// On an arbiter.
    pub(super) found: Option<Place>,
    /// It is settled, as its arbiter has it.
    pub(super) settled: bool,
    /// In the ledger; none: its stay is over by now.
    pub(super) entered: Option<Entered>,
}

impl Known<'_> {
    /// Whether the partition has taken in what lies at this offset, or passed it.
    pub(super) fn is_taken(here: &InPartition, offset: Offset) -> bool {
        here.next.is_some_and(|next| offset < next)
    }

    /// Where the record is: in one place.
    pub(super) fn place(self) -> Place {
        let Some(entered) = self.entered else { return Place::NotAssigned };
        let taken = Self::is_taken(self.here, self.offset);
        match entered.whereabouts {
            Whereabouts::Settled => settled(self.offset, entered),
            Whereabouts::Pending if self.settled => settled(self.offset, entered),
            Whereabouts::Pending => self.found.unwrap_or(Place::InTransit),
            Whereabouts::ToCome if self.here.held_by_span > 0 => self.held_by_span(entered),
            // It was not in the log, and the ledger learns of that with the records behind it.
            Whereabouts::ToCome if taken => settled(self.offset, entered),
            Whereabouts::ToCome if self.here.intake == Some(Rest::OffsetSpan) && self.exists() => {
                self.held_by_span(entered)
            }
            Whereabouts::ToCome => Place::NotFetched {
                next_offset: self.here.next,
                log_end: self.here.log_end,
                intake: self.here.intake,
            },
        }
    }

    fn held_by_span(&self, entered: Entered) -> Place {
        Place::HeldBySpan { base_offset: entered.base, next_offset: self.here.next }
    }

    /// Whether there is such a record, as far as is known.
    fn exists(&self) -> bool {
        self.here.log_end.is_none_or(|end| self.offset < end)
    }
}

fn settled(offset: Offset, entered: Entered) -> Place {
    Place::Settled {
        committed: entered.committed.is_some_and(|committed| offset < committed),
        committed_offset: entered.committed,
        base_offset: entered.base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Epoch;

    fn here(next: Offset) -> InPartition {
        InPartition {
            partition: 0,
            epoch: Epoch(1),
            lane: None,
            next: Some(next),
            log_end: Some(30),
            intake: None,
            held_by_span: 0,
            in_transit: 0,
        }
    }

    fn known(here: &InPartition, offset: Offset, whereabouts: Whereabouts) -> Known<'_> {
        let entered = Entered { whereabouts, committed: Some(5), base: Some(7) };
        Known { offset, here, found: None, settled: false, entered: Some(entered) }
    }

    fn is_settled(place: &Place, below_commit: bool) -> bool {
        let expected = Place::Settled {
            committed: below_commit,
            committed_offset: Some(5),
            base_offset: Some(7),
        };
        *place == expected
    }

    #[test]
    fn what_lies_below_the_committed_offset_is_told_apart_from_what_is_settled_above_it() {
        let here = here(20);
        assert!(is_settled(&known(&here, 4, Whereabouts::Settled).place(), true));
        assert!(is_settled(&known(&here, 5, Whereabouts::Settled).place(), false));
        assert!(is_settled(&known(&here, 9, Whereabouts::Settled).place(), false));
    }

    #[test]
    fn a_record_that_was_found_is_where_it_was_found_unless_it_is_settled_by_now() {
        let here = here(20);
        let found = |whereabouts| {
            let found = Some(Place::Queued { behind: 3 });
            Known { found, ..known(&here, 9, whereabouts) }.place()
        };
        assert_eq!(found(Whereabouts::Pending), Place::Queued { behind: 3 });
        assert!(is_settled(&found(Whereabouts::Settled), false));
    }

    #[test]
    fn a_record_that_nobody_has_is_on_its_way_or_about_to_be_entered() {
        let here = here(20);
        assert_eq!(known(&here, 9, Whereabouts::Pending).place(), Place::InTransit);
        let settled = Known { settled: true, ..known(&here, 9, Whereabouts::Pending) };
        assert!(is_settled(&settled.place(), false));
    }

    #[test]
    fn what_was_passed_without_a_record_is_a_gap() {
        let here = here(20);
        assert!(is_settled(&known(&here, 19, Whereabouts::ToCome).place(), false));
        let to_come = Place::NotFetched { next_offset: Some(20), log_end: Some(30), intake: None };
        assert_eq!(known(&here, 20, Whereabouts::ToCome).place(), to_come);
    }

    #[test]
    fn the_span_holds_what_is_in_the_log_and_was_not_handed_on() {
        let held = Place::HeldBySpan { base_offset: Some(7), next_offset: Some(20) };
        let stashed = InPartition { held_by_span: 1, ..here(20) };
        assert_eq!(known(&stashed, 15, Whereabouts::ToCome).place(), held);
        let rests = InPartition { intake: Some(Rest::OffsetSpan), ..here(20) };
        assert_eq!(known(&rests, 29, Whereabouts::ToCome).place(), held);
        let beyond = known(&rests, 30, Whereabouts::ToCome).place();
        assert!(matches!(beyond, Place::NotFetched { .. }), "there is no such record");
        let full = InPartition { intake: Some(Rest::Buffer), ..here(20) };
        let to_come = known(&full, 29, Whereabouts::ToCome).place();
        assert!(matches!(to_come, Place::NotFetched { intake: Some(Rest::Buffer), .. }));
    }

    #[test]
    fn a_stay_that_ended_meanwhile_is_not_ours() {
        let here = here(20);
        let gone = Known { entered: None, ..known(&here, 9, Whereabouts::Pending) };
        assert_eq!(gone.place(), Place::NotAssigned);
    }
}
