//! What is away to become a dead letter: enough of each record to tell of it.
//!
//! The record itself is with the producer, where nobody can look at it. Its bytes are shared, not
//! copied, and go with the answer; there are never more of these than records held.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::assignment::Assignment;
use crate::core::desk::Letter;
use crate::core::{LaneId, Moment, Offset};
use crate::record::Record;

/// By lane: of each lane at most one record is away.
#[derive(Default)]
pub(super) struct Lettering(BTreeMap<LaneId, Away>);

/// One record that is away.
pub(super) struct Away {
    pub(super) assignment: Arc<Assignment>,
    pub(super) offset: Offset,
    pub(super) key: Option<Bytes>,
    pub(super) attempts: u32,
    pub(super) since: Moment,
    pub(super) reason: Cow<'static, str>,
}

impl Lettering {
    pub(super) fn leaves(&mut self, letter: &Letter<Record>) {
        let record = letter.item();
        let away = Away {
            assignment: Arc::clone(record.assignment()),
            offset: record.offset(),
            key: record.key_bytes(),
            attempts: letter.attempts(),
            since: letter.since(),
            reason: letter.failure().reason.clone(),
        };
        self.0.insert(record.lane_id(), away);
    }

    pub(super) fn came_back(&mut self, lane: LaneId) {
        self.0.remove(&lane);
    }

    pub(super) fn of(&self, lane: LaneId) -> Option<&Away> {
        self.0.get(&lane)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (LaneId, &Away)> {
        self.0.iter().map(|(&lane, away)| (lane, away))
    }
}
