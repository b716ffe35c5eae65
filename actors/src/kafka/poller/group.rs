//! How the poll thread answers its group: partitions that come, are asked back, or are lost.
//!
//! Both answers come after the poll that brought the question: reading the committed offsets
//! blocks, and a drain takes its time. Until they are given the member stays, and is polled.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use slog::{info, warn};

use super::{Poller, kafka};
use crate::assignment::Assignment;
use crate::core::ledger::Start;
use crate::core::{Epoch, codec};
use crate::error::PipelineError;
use crate::kafka::context::{Notice, TopicPartition, is_cooperative};
use crate::kafka::native::{self, PartitionQueue};
use crate::kafka::partition::Partition;
use crate::message::{Closed, Lost, Opened, Revoking};

/// How long the committed offsets of new partitions may take before the thread polls again and
/// tries once more.
const COMMITTED_TIMEOUT: Duration = Duration::from_secs(5);

impl Poller {
    /// Begins the stays of newly assigned partitions: each resumes where its commit says.
    pub(super) fn answer_assign(&mut self) -> Result<(), PipelineError> {
        let Some(partitions) = self.unanswered.take() else { return Ok(()) };
        let wanted = list(&partitions);
        let committed = match self.consumer.committed_offsets(wanted, COMMITTED_TIMEOUT) {
            Ok(committed) => committed,
            Err(error) => {
                self.unanswered = Some(partitions);
                return self.trouble(&error);
            }
        };
        let mut assignment = TopicPartitionList::new();
        if let Some(code) = committed.elements().iter().find_map(unreadable) {
            self.unanswered = Some(partitions);
            return self.trouble(&KafkaError::OffsetFetch(code));
        }
        let metadata = native::metadata(&committed);
        for (entry, metadata) in committed.elements().iter().zip(metadata) {
            let committed = match entry.offset() {
                KafkaOffset::Offset(offset) => Some(offset),
                _ => None,
            };
            let start = self.start(entry.topic(), entry.partition(), committed, &metadata);
            let from = committed.map_or(KafkaOffset::Invalid, KafkaOffset::Offset);
            assignment
                .add_partition_offset(entry.topic(), entry.partition(), from)
                .map_err(|error| kafka("assign", &error))?;
            self.open(entry.topic(), entry.partition(), start)?;
        }
        self.count_partitions();
        let answered = if self.cooperative() {
            self.consumer.incremental_assign(&assignment)
        } else {
            self.consumer.assign(&assignment)
        };
        self.answered("assign", answered)?;
        self.stats.assigned.add(1);
        self.stats.set_joined(true);
        info!(self.log, "partitions assigned"; "partitions" => describe(&partitions));
        Ok(())
    }

    fn start(&self, topic: &str, partition: i32, base: Option<i64>, metadata: &[u8]) -> Start {
        let Some(base) = base else { return Start::Unknown };
        let decoded = match std::str::from_utf8(metadata) {
            Ok(metadata) => codec::decode(base, metadata).map_err(|error| error.to_string()),
            Err(_) => Err("it is not text".to_owned()),
        };
        let settled = decoded.unwrap_or_else(|reason| {
            self.stats.metadata_ignored.add(1);
            warn!(self.log, "commit metadata ignored: records settled above the committed offset \
                are sent again"; "topic" => topic, "partition" => partition, "offset" => base,
                "reason" => reason);
            Vec::new()
        });
        Start::At { base, settled }
    }

    /// Opens a stay: the ledger first, then the queue, then (by the caller) the assignment.
    fn open(&mut self, topic: &str, partition: i32, start: Start) -> Result<(), PipelineError> {
        let slot = self.next_slot;
        let queue =
            PartitionQueue::split(&self.consumer, topic, partition, Arc::clone(&self.bell), slot)
                .ok_or_else(|| PipelineError::Kafka(format!("no queue for {topic}/{partition}")))?;
        self.next_slot += 1;
        let epoch = Epoch(self.next_epoch);
        self.next_epoch += 1;
        let room = Arc::clone(&self.room);
        let assignment = Arc::new(Assignment::new(Arc::from(topic), partition, epoch, slot, room));
        let lanes = self.lanes.of_partition(topic, partition);
        self.partitions.insert(slot, Partition::new(Arc::clone(&assignment), queue, lanes, &start));
        // Of an earlier stay librdkafka may have left something in the queue, which then rings for
        // nothing that comes after it: the bell is for a queue that was empty.
        self.ready.push_back(slot);
        self.offsets.do_send(Opened { assignment, start });
        Ok(())
    }

    /// The group wants partitions back: their drain begins, or, where they are lost already, they
    /// are given up on the spot, without a commit.
    pub(super) fn revoke(&mut self, partitions: &[TopicPartition]) -> Result<(), PipelineError> {
        let slots = self.slots_of(partitions);
        let epochs = self.epochs(&slots);
        let lost = self.consumer.assignment_lost();
        if lost { &self.stats.lost } else { &self.stats.revoked }.add(1);
        self.drop_undelivered(|it| epochs.contains(&it.epoch()));
        if lost {
            warn!(self.log, "partitions lost: what was under way may be delivered again elsewhere";
                "partitions" => describe(partitions));
            self.offsets.do_send(Closed(epochs.clone()));
            self.consumer_actor.do_send(Lost(epochs.clone()));
            self.stats.set_joined(false);
            return self.give_up(&epochs);
        }
        info!(self.log, "partitions are asked back: draining"; "partitions" => describe(partitions));
        for slot in &slots {
            if let Some(partition) = self.partitions.get_mut(slot) {
                partition.draining = true;
            }
        }
        self.consumer_actor.do_send(Revoking(epochs));
        Ok(())
    }

    /// Answers a revoke: exactly the partitions it named, all at once.
    pub(super) fn give_up(&mut self, epochs: &[Epoch]) -> Result<(), PipelineError> {
        let mut list = TopicPartitionList::new();
        self.partitions.retain(|_, partition| {
            let ends = epochs.contains(&partition.assignment().epoch());
            if ends {
                let assignment = partition.assignment();
                list.add_partition(assignment.topic(), assignment.partition());
            }
            !ends
        });
        self.count_partitions();
        if list.count() == 0 || self.fixed {
            return Ok(());
        }
        self.offsets.do_send(Closed(epochs.to_vec()));
        let answered = if self.cooperative() {
            self.consumer.incremental_unassign(&list)
        } else {
            self.consumer.unassign()
        };
        self.answered("unassign", answered)?;
        info!(self.log, "partitions given up"; "count" => list.count());
        Ok(())
    }

    fn answered(&mut self, what: &str, answer: KafkaResult<()>) -> Result<(), PipelineError> {
        let Err(error) = answer else { return Ok(()) };
        // The group moved on meanwhile, which the next notice will say; only what is final ends us.
        warn!(self.log, "kafka: {} was refused", what; "error" => %error);
        self.trouble(&error)
    }

    fn cooperative(&self) -> bool {
        !self.fixed && is_cooperative(&self.consumer)
    }

    pub(super) fn count_partitions(&self) {
        let count = self.partitions.len();
        self.room.partitions.store(count.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        self.stats.set_partitions(count);
    }

    fn slots_of(&self, partitions: &[TopicPartition]) -> Vec<usize> {
        let is_named = |assignment: &Assignment| {
            partitions.iter().any(|(topic, partition)| {
                *topic == assignment.topic() && *partition == assignment.partition()
            })
        };
        self.partitions
            .iter()
            .filter(|(_, partition)| is_named(partition.assignment()))
            .map(|(slot, _)| *slot)
            .collect()
    }

    fn epochs(&self, slots: &[usize]) -> Vec<Epoch> {
        slots.iter().flat_map(|slot| self.partitions[slot].epochs()).collect()
    }

    /// Answers whatever the group still waits for, so that the consumer can close: it would wait
    /// for the answer for ever.
    pub(super) fn answer_everything(&mut self) {
        let context = Arc::clone(&self.consumer);
        let context = context.context();
        context.close();
        let mut assigned = self.unanswered.take().unwrap_or_default();
        let mut revoked: Vec<TopicPartition> = Vec::new();
        for partition in self.partitions.values().filter(|partition| partition.draining) {
            let assignment = partition.assignment();
            revoked.push((assignment.topic().to_owned(), assignment.partition()));
        }
        while let Some(notice) = context.next() {
            match notice {
                Notice::Assign(partitions) => assigned = partitions,
                Notice::Revoke(partitions) => revoked = partitions,
                Notice::Committed(_) => {}
            }
        }
        // The queues first: a consumer with split queues that are still held does not close.
        self.partitions.clear();
        if self.fixed {
            return;
        }
        let cooperative = self.cooperative();
        let (assigned, revoked) = (list(&assigned), list(&revoked));
        let answers = [
            if assigned.count() == 0 {
                Ok(())
            } else if cooperative {
                self.consumer.incremental_assign(&assigned)
            } else {
                self.consumer.assign(&assigned)
            },
            if revoked.count() == 0 {
                Ok(())
            } else if cooperative {
                self.consumer.incremental_unassign(&revoked)
            } else {
                self.consumer.unassign()
            },
        ];
        for error in answers.into_iter().filter_map(Result::err) {
            warn!(self.log, "a rebalance could not be answered while leaving"; "error" => %error);
        }
    }
}

fn list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

/// Why the committed offset of a partition is not known. A partition that is gone has none, which
/// is known; taking any other error for "none" would begin the partition from its start.
fn unreadable(entry: &TopicPartitionListElem<'_>) -> Option<RDKafkaErrorCode> {
    match entry.error().err()?.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown) {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition => None,
        code => Some(code),
    }
}

fn describe(partitions: &[TopicPartition]) -> String {
    let names: Vec<_> =
        partitions.iter().map(|(topic, partition)| format!("{topic}/{partition}")).collect();
    names.join(" ")
}
