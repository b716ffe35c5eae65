//! What the poll thread tells whoever asks for a record or a key.

use std::collections::BTreeSet;

use super::{Poller, Taking};
use crate::core::intake::{self, Admission};
use crate::explain::{InPartition, Locate, Located, Question, Rest};
use crate::kafka::partition::Partition;
use crate::record::Record;

impl Poller {
    /// Answers with the partitions that are meant, and what of it they have.
    pub(super) fn locate(&self, locate: Locate) {
        let located = match (&locate.question, self.topic(&locate.question)) {
            (_, Err(topics)) => Located::TopicNeeded(topics),
            (question, Ok(topic)) => {
                let of_topic = self.partitions.values().filter(|it| {
                    let assignment = it.assignment();
                    assignment.topic() == topic && is_asked(question, assignment.partition())
                });
                let partitions = of_topic.map(|it| self.in_partition(it, question)).collect();
                Located::In { topic, partitions }
            }
        };
        // Whoever asked may have gone.
        let _ = locate.reply.send(located);
    }

    /// The topic that is meant; those that may be where that is not clear.
    fn topic(&self, question: &Question) -> Result<String, Vec<String>> {
        let (Question::Record { topic, .. } | Question::Key { topic, .. }) = question;
        if let Some(topic) = topic {
            return Ok(topic.clone());
        }
        let assigned = self.partitions.values().map(|it| it.assignment().topic());
        let topics: BTreeSet<&str> = assigned.collect();
        let topics: Vec<String> = topics.into_iter().map(str::to_owned).collect();
        match <[String; 1]>::try_from(topics) {
            Ok([only]) => Ok(only),
            Err(topics) => Err(topics),
        }
    }

    fn in_partition(&self, partition: &Partition, question: &Question) -> InPartition {
        let assignment = partition.assignment();
        let epoch = assignment.epoch();
        let is = |record: &Record| {
            record.assignment().epoch() == epoch
                && match question {
                    Question::Record { offset, .. } => record.offset() == *offset,
                    Question::Key { key, .. } => record.key() == Some(key),
                }
        };
        let lane = match question {
            Question::Record { .. } => None,
            Question::Key { key, .. } => {
                let names = self.lanes.of_partition(assignment.topic(), assignment.partition());
                self.lanes.of_key(names, key)
            }
        };
        InPartition {
            partition: assignment.partition(),
            epoch,
            lane,
            next: partition.next(),
            log_end: assignment.log_end(),
            intake: self.rest(partition),
            held_by_span: partition.stashed(is) as u64,
            in_transit: self.outboxes.count(is) as u64,
        }
    }

    /// Why a partition takes in nothing, if it does not.
    fn rest(&self, partition: &Partition) -> Option<Rest> {
        match self.taking {
            Taking::Stopped => return Some(Rest::Stopping),
            Taking::Paused => return Some(Rest::Paused),
            Taking::Open => {}
        }
        if partition.draining {
            return Some(Rest::Revoking);
        }
        match partition.outlook() {
            Admission::Rest(intake::Rest::Buffer) => Some(Rest::Buffer),
            Admission::Rest(intake::Rest::Span) => Some(Rest::OffsetSpan),
            Admission::Take(_) => self.outboxes.all_wait().then_some(Rest::BackPressure),
        }
    }
}

/// Whether a question is about this partition too.
fn is_asked(question: &Question, partition: i32) -> bool {
    match question {
        Question::Record { partition: asked, .. } => *asked == partition,
        Question::Key { .. } => true,
    }
}
