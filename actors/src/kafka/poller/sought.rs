//! What is looked for among the records that wait on the poll thread.
//!
//! One look at a record tells whether it is meant and in which partition, however many partitions
//! are asked about: all records are looked at once. Nothing is kept for it while they move.

use std::collections::{HashMap, HashSet};

use crate::core::lanes::BuildUnhashed;
use crate::core::{Epoch, LaneId};
use crate::explain::Question;
use crate::record::Record;

/// A record or the records of a key, in some stays.
pub(super) struct Sought<'a> {
    question: &'a Question,
    /// Each with its place in the order in which they were added.
    stays: HashMap<Epoch, usize>,
    /// Their lanes, if all are known: what is in no other lane is passed by without a look at its
    /// bytes, which nobody may have touched for long.
    lanes: Option<HashSet<LaneId, BuildUnhashed>>,
}

impl<'a> Sought<'a> {
    /// What is asked for, in no stay yet.
    pub(super) fn new(question: &'a Question) -> Self {
        Self { question, stays: HashMap::new(), lanes: Some(HashSet::default()) }
    }

    /// In this stay too, where it is in this lane alone; none: it may be in any.
    pub(super) fn add(&mut self, stay: Epoch, lane: Option<LaneId>) {
        let place = self.stays.len();
        self.stays.entry(stay).or_insert(place);
        self.lanes = self.lanes.take().zip(lane).map(|(mut lanes, lane)| {
            lanes.insert(lane);
            lanes
        });
    }

    /// Whether a record is meant.
    pub(super) fn has(&self, record: &Record) -> bool {
        self.place(record).is_some()
    }

    /// How many records are meant, of each stay in the order in which they were added.
    pub(super) fn count<'r>(&self, records: impl Iterator<Item = &'r Record>) -> Vec<u64> {
        let mut counts = vec![0; self.stays.len()];
        records.filter_map(|record| self.place(record)).for_each(|place| counts[place] += 1);
        counts
    }

    /// Of which stay a record is meant, if it is.
    fn place(&self, record: &Record) -> Option<usize> {
        let in_lane = self.lanes.as_ref().is_none_or(|lanes| lanes.contains(&record.lane_id()));
        let is = in_lane
            && match self.question {
                Question::Record { offset, .. } => record.offset() == *offset,
                Question::Key { key, .. } => record.key() == Some(key),
            };
        if is { self.stays.get(&record.assignment().epoch()).copied() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::sync::mpsc;

    use super::*;
    use crate::assignment::{Assignment, Room};
    use crate::config::Ordering;
    use crate::core::Offset;
    use crate::core::intake::Intake;
    use crate::kafka::lane_names::LaneNames;
    use crate::kafka::outbox::{Outboxes, RouterLink};
    use crate::message::Batch;
    use crate::record::RecordParts;

    /// Partitions there are, each in its second stay, and routers.
    const PARTITIONS: i32 = 4;
    const ROUTERS: usize = 3;

    fn stays() -> Vec<Arc<Assignment>> {
        let room = Room::new(Intake { records: 1, bytes: 1, span: None }, Arc::default());
        let room = Arc::new(room);
        let stay = |epoch: u64| {
            let partition = i32::try_from(epoch).unwrap() % PARTITIONS;
            Assignment::new("t".into(), partition, Epoch(epoch), 0, Arc::clone(&room))
        };
        (0..2 * PARTITIONS).map(|epoch| Arc::new(stay(epoch.unsigned_abs().into()))).collect()
    }

    /// One of some keys, or none.
    fn key() -> impl Strategy<Value = Option<Vec<u8>>> {
        prop::option::weighted(
            0.9,
            prop::sample::select(vec![b"".to_vec(), b"a".to_vec(), b"b".to_vec()]),
        )
    }

    fn ordering() -> impl Strategy<Value = Ordering> {
        prop::sample::select(vec![Ordering::Key, Ordering::Partition, Ordering::Unordered])
    }

    fn question() -> impl Strategy<Value = Question> {
        prop_oneof![
            (0..PARTITIONS, 0..20_i64).prop_map(|(partition, offset)| Question::Record {
                topic: None,
                partition,
                offset
            }),
            key().prop_map(|key| Question::Key { topic: None, key: key.unwrap_or_default() }),
        ]
    }

    proptest! {
        /// What a look through all records for each stay finds.
        #[test]
        fn one_look_at_each_record_counts_as_one_through_all_for_each_stay_does(
            ordering in ordering(),
            question in question(),
            asked in prop::collection::vec(any::<bool>(), 8),
            records in prop::collection::vec((0..8_usize, key(), 0..20_i64, any::<bool>()), 0..120),
        ) {
            let (names, stays) = (LaneNames::new(ordering), stays());
            let (links, mut routers): (Vec<_>, Vec<_>) = (0..ROUTERS)
                .map(|_| {
                    let (records, batches) = mpsc::channel::<Batch>(1);
                    (RouterLink { records, hungry: Arc::default() }, batches)
                })
                .unzip();
            let mut outboxes = Outboxes::new(links);
            let mut model: Vec<(Epoch, Option<Vec<u8>>, Offset)> = Vec::new();
            for (stay, key, offset, ends) in records {
                let stay = &stays[stay];
                let partition = names.of_partition("t", stay.partition());
                let lane = names.lane(partition, key.as_deref(), offset);
                let parts = RecordParts {
                    offset, timestamp: 0, lane, key: key.as_deref(), value: None, headers: &[],
                };
                outboxes.put(parts.into_record(stay));
                model.push((stay.epoch(), key, offset));
                if ends {
                    outboxes.flush();
                }
            }
            // What a router has is not looked at here.
            for record in routers.iter_mut().filter_map(|it| it.try_recv().ok()).flatten() {
                let of_model = (record.assignment().epoch(), record.key().map(<[u8]>::to_vec), record.offset());
                let place = model.iter().position(|it| *it == of_model);
                model.remove(place.unwrap());
            }
            let mut sought = Sought::new(&question);
            let asked: Vec<_> = stays.iter().zip(asked).filter(|it| it.1).map(|it| it.0).collect();
            for stay in &asked {
                let partition = names.of_partition("t", stay.partition());
                let lane = match &question {
                    Question::Key { key, .. } => names.of_key(partition, key),
                    Question::Record { .. } => None,
                };
                sought.add(stay.epoch(), lane);
            }
            let counts = sought.count(outboxes.records());
            prop_assert_eq!(counts.len(), asked.len());
            for (stay, counted) in asked.into_iter().zip(counts) {
                let naive = model.iter().filter(|(epoch, key, offset)| {
                    *epoch == stay.epoch() && match &question {
                        Question::Record { offset: asked, .. } => offset == asked,
                        Question::Key { key: asked, .. } => key.as_ref() == Some(asked),
                    }
                });
                prop_assert_eq!(counted, naive.count() as u64);
            }
        }
    }
}
