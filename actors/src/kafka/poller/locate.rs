//! What the poll thread tells whoever asks for a record or a key.

use std::collections::BTreeSet;
use std::time::Instant;

use super::sought::Sought;
use super::{Poller, Taking};
use crate::assignment::Assignment;
use crate::core::LaneId;
use crate::core::intake::{self, Admission};
use crate::explain::{InPartition, Locate, Located, Question, Rest};
use crate::kafka::partition::Partition;

impl Poller {
    /// Answers with the partitions that are meant, and what of it they have.
    ///
    /// Nothing if nobody waits for the answer. Otherwise it costs a look at each partition and, once,
    /// at each record that waits on this thread: for room at a router or for the offset span. Answered
    /// is an entry for each partition that is meant.
    pub(super) fn locate(&self, locate: Locate) {
        if locate.reply.is_closed() {
            return;
        }
        let began = Instant::now();
        let located = match self.topic(&locate.question) {
            Err(topics) => Located::TopicNeeded(topics),
            Ok(topic) => {
                let partitions = self.in_partitions(&topic, &locate.question);
                Located::In { topic, partitions, took: began.elapsed() }
            }
        };
        // Whoever asked may have gone.
        let _ = locate.reply.send(located);
    }

    fn in_partitions(&self, topic: &str, question: &Question) -> Vec<InPartition> {
        let mut sought = Sought::new(question);
        let mut asked = Vec::new();
        for partition in self.partitions.values() {
            let assignment = partition.assignment();
            if assignment.topic() == topic && is_asked(question, assignment.partition()) {
                let lane = self.lane(question, assignment);
                sought.add(assignment.epoch(), lane);
                asked.push((partition, lane));
            }
        }
        let in_transit = sought.count(self.outboxes.records());
        let in_partition = |((partition, lane), in_transit): ((&Partition, _), _)| {
            let assignment = partition.assignment();
            InPartition {
                partition: assignment.partition(),
                epoch: assignment.epoch(),
                lane,
                next: partition.next(),
                log_end: assignment.log_end(),
                intake: self.rest(partition),
                held_by_span: partition.stashed(|record| sought.has(record)) as u64,
                in_transit,
            }
        };
        asked.into_iter().zip(in_transit).map(in_partition).collect()
    }

    /// The lane of all records of a key that is asked for in a partition, where they have one.
    fn lane(&self, question: &Question, assignment: &Assignment) -> Option<LaneId> {
        let Question::Key { key, .. } = question else { return None };
        let names = self.lanes.of_partition(assignment.topic(), assignment.partition());
        self.lanes.of_key(names, key)
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
