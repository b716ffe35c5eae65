//! What a desk says of a lane, and of an item in one, to whoever asks why it waits.
//!
//! Nothing is noted for it beforehand: to ask costs a look at the lane, or at all that is queued.

use std::sync::Arc;

use super::Desk;
use crate::core::destinations::Wait;
use crate::core::lanes::{Delivery, Entry, Item, LaneView, Next, Standing, Trouble};
use crate::core::{LaneId, Moment};

/// What a lane does, or waits for: one of these.
#[derive(Clone, Copy, Debug)]
pub enum Doing<'a> {
    /// It is next when those before it are served.
    Ready,
    /// Its first items are with a sender.
    Sending,
    /// Its first item failed and is sent again.
    Waiting(&'a Trouble),
    /// The same, beyond what ordinary retries were to do.
    Parked(&'a Trouble),
    /// Its first item waits for its destination: the name (none where there is no place for one
    /// more), and for what, if it still would.
    Destination(Option<&'a Arc<str>>, Option<Wait>),
    /// Its first item is being written as a dead letter.
    Lettering,
    /// The dead letter of its first item could not be written, and is written again.
    LetterWaits(&'a Trouble),
    /// The policy stopped it for its first item.
    Stopped(&'a Trouble),
}

/// An item that is queued in a lane.
#[derive(Debug)]
pub struct Queued<'a, T> {
    /// The item, with what was tried so far.
    pub entry: &'a Entry<T>,
    /// Its lane.
    pub lane: LaneView<'a, T>,
    /// How many items of the lane go before it, those under way included.
    pub behind: usize,
}

impl<T: Item> Desk<T> {
    /// What a lane does, or waits for.
    pub fn doing<'a>(&'a self, lane: &LaneView<'a, T>, now: Moment) -> Doing<'a> {
        match lane.standing() {
            Standing::Ready => Doing::Ready,
            Standing::Sending(..) => Doing::Sending,
            Standing::Lettering(_) => Doing::Lettering,
            Standing::Held(trouble) => Doing::Stopped(trouble),
            Standing::Waiting(trouble) => match trouble.next() {
                Next::Park => Doing::Parked(trouble),
                Next::Letter => Doing::LetterWaits(trouble),
                Next::Send | Next::Hold => Doing::Waiting(trouble),
            },
            Standing::Blocked(None) => Doing::Destination(None, None),
            Standing::Blocked(Some(to)) => {
                let wait = self.destinations.wait_of(to, self.pool(), now);
                Doing::Destination(Some(self.destinations.name(to)), wait)
            }
        }
    }

    /// All items that are queued, in no order; not those under way.
    pub fn queued(&self) -> impl Iterator<Item = &Entry<T>> {
        self.lanes.queued()
    }

    /// Where in its lane an item is queued; none if it is not. Visits what is queued before it.
    pub fn position(&self, lane: LaneId, is: impl Fn(&T) -> bool) -> Option<Queued<'_, T>> {
        let lane = self.lane(lane)?;
        let under_way = match lane.standing() {
            Standing::Sending(_, records) => records as usize,
            Standing::Lettering(_) => 1,
            _ => 0,
        };
        let (before, entry) = lane.queued().enumerate().find(|(_, entry)| is(entry.item()))?;
        Some(Queued { entry, lane, behind: under_way + before })
    }

    /// The name of the destination that a delivery is under way to.
    pub fn destination_of(&self, delivery: &Delivery<T>) -> &Arc<str> {
        self.destinations.name(delivery.course.to)
    }
}
