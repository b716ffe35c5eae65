//! How the poll thread sends commits off.

use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use slog::warn;

use super::Poller;
use crate::core::Epoch;
use crate::kafka::native;
use crate::message::{CommitAnswered, CommitEntry};

impl Poller {
    /// Sends a commit off; its answer comes through the main queue.
    pub(super) fn commit(&mut self, entries: &[CommitEntry]) {
        let mut list = TopicPartitionList::new();
        let is_here = |epoch| self.partitions.values().any(|it| it.assignment().epoch() == epoch);
        for entry in still_ours(entries, is_here) {
            let mut element = list.add_partition(&entry.topic, entry.partition);
            element.set_metadata(&entry.metadata);
            if let Err(error) = element.set_offset(KafkaOffset::Offset(entry.offset)) {
                warn!(self.log, "an offset cannot be committed"; "error" => %error,
                    "topic" => &*entry.topic, "offset" => entry.offset);
            }
        }
        if list.count() == 0 {
            // No broker will answer what is not sent, and the next commit waits for an answer.
            self.offsets.do_send(CommitAnswered(Ok(Vec::new())));
            return;
        }
        if let Err(code) = native::commit(&self.consumer, &list) {
            self.offsets.do_send(CommitAnswered(Err(code)));
        }
    }
}

/// The entries of stays that have not ended since: another member may have the partition by now, or
/// the log be another one.
fn still_ours(
    entries: &[CommitEntry],
    is_here: impl Fn(Epoch) -> bool,
) -> impl Iterator<Item = &CommitEntry> {
    entries.iter().filter(move |entry| is_here(entry.epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_that_has_ended_is_not_committed_any_more() {
        let entry = |epoch, partition| CommitEntry {
            epoch: Epoch(epoch),
            topic: "orders".into(),
            partition,
            offset: 7,
            metadata: String::new(),
        };
        let entries = [entry(1, 0), entry(2, 1), entry(3, 0)];
        let sent = still_ours(&entries, |epoch| epoch != Epoch(1));
        let sent: Vec<_> = sent.map(|entry| (entry.epoch, entry.partition)).collect();
        assert_eq!(sent, [(Epoch(2), 1), (Epoch(3), 0)]);
    }
}
