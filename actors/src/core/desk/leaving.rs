//! What is left at a desk of the epochs that were given up.

use std::collections::BTreeMap;

use crate::core::Epoch;

/// How much is left of each; an epoch of which nothing is left is not in it.
#[derive(Debug, Default)]
pub(super) struct Leaving(BTreeMap<Epoch, Left>);

#[derive(Debug, Default)]
struct Left {
    records: usize,
    /// No request of it is to begin any more.
    cut_off: bool,
}

impl Leaving {
    /// So many more records of an epoch stay for a while.
    pub(super) fn stay(&mut self, epoch: Epoch, records: usize) {
        self.0.entry(epoch).or_default().records += records;
    }

    /// A record left the desk.
    pub(super) fn left(&mut self, epoch: Epoch) {
        if let Some(left) = self.0.get_mut(&epoch) {
            left.records -= 1;
            if left.records == 0 {
                self.0.remove(&epoch);
            }
        }
    }

    /// How many records are left of an epoch.
    pub(super) fn records(&self, epoch: Epoch) -> usize {
        self.0.get(&epoch).map_or(0, |left| left.records)
    }

    /// From now on no request of these epochs is to begin.
    pub(super) fn cut_off(&mut self, epochs: &[Epoch]) {
        for epoch in epochs {
            if let Some(left) = self.0.get_mut(epoch) {
                left.cut_off = true;
            }
        }
    }

    pub(super) fn is_cut_off(&self, epoch: Epoch) -> bool {
        self.0.get(&epoch).is_some_and(|left| left.cut_off)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
