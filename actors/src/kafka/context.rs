//! What librdkafka calls back while the poll thread polls: it notes what happened and returns.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use slog::{Logger, debug, error, info, warn};

use crate::core;
use crate::stats::Stats;

/// A topic and a partition of it.
pub(crate) type TopicPartition = (String, i32);

/// What the broker said, in the order it did; the poll thread acts on it when the poll returns.
#[derive(Debug)]
pub(crate) enum Notice {
    /// These partitions are ours now.
    Assign(Vec<TopicPartition>),
    /// These are to be given up.
    Revoke(Vec<TopicPartition>),
    /// The answer to the commit under way.
    Committed(CommitAnswer),
}

/// The broker's answer to a commit: the whole of it failed, or each partition has its own.
pub(crate) type CommitAnswer =
    Result<Vec<(TopicPartition, core::Offset, Result<(), RDKafkaErrorCode>)>, RDKafkaErrorCode>;

/// The consumer's context.
///
/// An assignment is answered when the poll has returned, since reading the committed offsets blocks
/// and a drain takes its time. Not answering would make closing hang, so `close` has to be called
/// before the consumer is dropped.
#[derive(Debug)]
pub(crate) struct Context {
    log: Logger,
    notices: Mutex<VecDeque<Notice>>,
    closing: AtomicBool,
    /// A log line or statistics were served since the last look.
    served: AtomicBool,
    /// The group, for messages.
    group: String,
    /// What librdkafka said of the error that the poll is about to return.
    reason: Mutex<String>,
    stats: Arc<Stats>,
}

impl Context {
    pub(crate) fn new(group: &str, stats: Arc<Stats>, log: Logger) -> Self {
        Self {
            log,
            notices: Mutex::default(),
            closing: AtomicBool::new(false),
            served: AtomicBool::new(false),
            group: group.to_owned(),
            reason: Mutex::default(),
            stats,
        }
    }

    /// What the error is about that the poll has just returned: the group, and librdkafka's own
    /// words, which name the topic or the broker. Empty if it said nothing.
    pub(crate) fn about(&self) -> String {
        let reason =
            std::mem::take(&mut *self.reason.lock().unwrap_or_else(PoisonError::into_inner));
        if reason.is_empty() { reason } else { format!("group {}: {reason}", self.group) }
    }

    /// Whether a log line or statistics were served since the last call: they come through the
    /// main queue, and the poll that serves one says that there is nothing.
    pub(crate) fn has_served(&self) -> bool {
        self.served.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn next(&self) -> Option<Notice> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// From now on every rebalance is answered on the spot.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    fn note(&self, notice: Notice) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push_back(notice);
    }

    fn answer_at_once(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &TopicPartitionList,
    ) {
        let cooperative = is_cooperative(consumer);
        let answered = match (code, cooperative) {
            (RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, true) => {
                consumer.incremental_assign(list)
            }
            (RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, false) => consumer.assign(list),
            (_, true) => consumer.incremental_unassign(list),
            (_, false) => consumer.unassign(),
        };
        if let Err(error) = answered {
            warn!(self.log, "rebalance could not be answered"; "error" => %error);
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.served.store(true, Ordering::Relaxed);
        log_librdkafka(&self.log, level, facility, message);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        // The error itself comes out of the poll, without these words, and is dealt with there.
        reason.clone_into(&mut self.reason.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.served.store(true, Ordering::Relaxed);
        if let Some(state) = coordinator_state(statistics) {
            self.stats.set_cut_off(state != b"up");
        }
    }
}

/// How librdkafka stands to the group's coordinator: `cgrp.state` in its statistics. They are not
/// parsed: they grow with the partitions, and are wanted for this one word. No client or topic name
/// can look like it, for their quotes would be escaped.
fn coordinator_state(statistics: &[u8]) -> Option<&[u8]> {
    const BEFORE: &[u8] = b"\"cgrp\": { \"state\": \"";
    let start = statistics.windows(BEFORE.len()).rposition(|it| it == BEFORE)? + BEFORE.len();
    let state = &statistics[start..];
    Some(&state[..state.iter().position(|&byte| byte == b'"')?])
}

/// Passes a line of librdkafka's own log on.
pub(crate) fn log_librdkafka(log: &Logger, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            error!(log, "librdkafka: {}", message; "facility" => facility);
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            warn!(log, "librdkafka: {}", message; "facility" => facility);
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            info!(log, "librdkafka: {}", message; "facility" => facility);
        }
        RDKafkaLogLevel::Debug => debug!(log, "librdkafka: {}", message; "facility" => facility),
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        // An empty list has nothing to wait for, and holding it back holds the new owner back.
        if list.count() == 0 || self.closing.load(Ordering::SeqCst) {
            self.answer_at_once(consumer, code, list);
            if list.count() == 0 && code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
                // A member for whom no partition is left has joined all the same.
                self.stats.set_joined(true);
            }
            return;
        }
        let partitions = partitions(list);
        self.note(match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Notice::Assign(partitions),
            _ => Notice::Revoke(partitions),
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let answer = match result {
            Err(error) if offsets.count() == 0 => Err(code(&error)),
            _ => Ok(offsets
                .elements()
                .iter()
                .map(|entry| {
                    let offset = match entry.offset() {
                        Offset::Offset(offset) => offset,
                        _ => -1,
                    };
                    let place = (entry.topic().to_owned(), entry.partition());
                    (place, offset, entry.error().and(result.clone()).map_err(|e| code(&e)))
                })
                .collect()),
        };
        self.note(Notice::Committed(answer));
    }
}

/// Whether partitions come and go one by one, rather than all at once.
pub(crate) fn is_cooperative(consumer: &BaseConsumer<Context>) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
}

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements().iter().map(|entry| (entry.topic().to_owned(), entry.partition())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinators_state_is_found_among_the_statistics() {
        let before = r#"{ "name": "x", "brokers":{ "b:1/0": { "state":"UP" } }, "topics":{ } "#;
        let after = r#", "stateage": 1, "join_state": "steady", "rebalance_reason": "a b" } }"#;
        for state in ["up", "wait-broker-transport"] {
            let json = format!("{before}, \"cgrp\": {{ \"state\": \"{state}\"{after}");
            assert_eq!(coordinator_state(json.as_bytes()), Some(state.as_bytes()));
        }
        assert_eq!(coordinator_state(before.as_bytes()), None);
        assert_eq!(coordinator_state(b"\"cgrp\": { \"state\": \"u"), None);
    }
}
