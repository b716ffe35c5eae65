//! The order in which ready lanes are served.
//!
//! Lanes that go on (they had more queued when their delivery ended) and lanes that have just come
//! take turns, each kind oldest first. In one queue a key that makes up a hundredth of all records
//! would wait behind every lane that came during its delivery, though its records are older than
//! theirs: it falls behind, and its backlog is what everybody waits for at the end. Served first, it
//! would keep others waiting for as long as there are such keys. By turns, neither waits for more than
//! twice the lanes of its kind that are before it.
//!
//! A lane whose head is between two of its requests comes before all others. So there are about as many
//! items half done as there are senders, and not as many as there are lanes: each of them begins anew
//! after a crash, and is waited for when its epoch is given up. Nobody starves: what is begun ends.

use std::collections::VecDeque;

use crate::core::LaneId;

#[derive(Debug, Default)]
pub(super) struct Ready {
    came: VecDeque<LaneId>,
    goes_on: VecDeque<LaneId>,
    begun: VecDeque<LaneId>,
    /// Whose turn it is: of those that go on, or of those that came.
    turn_of_goes_on: bool,
}

impl Ready {
    /// A lane has come into being.
    pub(super) fn came(&mut self, id: LaneId) {
        self.came.push_back(id);
    }

    /// A lane that was there is ready again.
    pub(super) fn goes_on(&mut self, id: LaneId) {
        self.goes_on.push_back(id);
    }

    /// A lane is ready again whose head is between two of its requests.
    pub(super) fn is_begun(&mut self, id: LaneId) {
        self.begun.push_back(id);
    }

    /// The lane to be served before all others, if there is one.
    pub(super) fn next_begun(&mut self) -> Option<LaneId> {
        self.begun.pop_front()
    }

    /// The lane to be served next, if none is begun.
    pub(super) fn next(&mut self) -> Option<LaneId> {
        let (first, second) = if self.turn_of_goes_on {
            (&mut self.goes_on, &mut self.came)
        } else {
            (&mut self.came, &mut self.goes_on)
        };
        let id = first.pop_front().or_else(|| second.pop_front())?;
        self.turn_of_goes_on = !self.turn_of_goes_on;
        Some(id)
    }

    /// The same, which stays.
    pub(super) fn peek(&self) -> Option<LaneId> {
        let (first, second) = if self.turn_of_goes_on {
            (&self.goes_on, &self.came)
        } else {
            (&self.came, &self.goes_on)
        };
        first.front().or_else(|| second.front()).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.came.len() + self.goes_on.len() + self.begun.len()
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&LaneId) -> bool) {
        self.came.retain(&mut keep);
        self.goes_on.retain(&mut keep);
        self.begun.retain(keep);
    }

    /// Gives memory back; `room` says how much is kept for so many.
    pub(super) fn shrink(&mut self, room: impl Fn(usize) -> usize) {
        for queue in [&mut self.came, &mut self.goes_on, &mut self.begun] {
            queue.shrink_to(room(queue.len()));
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.came.capacity() + self.goes_on.capacity() + self.begun.capacity()
    }
}
