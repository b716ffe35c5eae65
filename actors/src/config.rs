//! What a pipeline is told: plain values, checked once, when it starts.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::core::breaker::BreakerPolicy;
use crate::core::codec;
use crate::core::destinations::{Rates, RetryAfter, Terms};
use crate::core::intake::{Intake, SpanLimit};
use crate::core::limiter::Rate;
use crate::core::retry::{Action, RetryPolicy};
use crate::error::PipelineError;

/// How far `revoke_deadline` has to stay below `max.poll.interval.ms`: the commit after the drain
/// and the answer take their time too.
pub const REVOKE_MARGIN: Duration = Duration::from_secs(5);

/// What makes two records wait for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ordering {
    /// Records of one topic, partition and key; a record with a null key waits for none.
    #[default]
    Key,
    /// Records of one topic and partition.
    Partition,
    /// None.
    Unordered,
}

/// What happens when a partition has more settled above its committed offset than the metadata of
/// a commit can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OffsetOverflow {
    /// The partition takes in no more until older records are settled: a resume is exact.
    #[default]
    Hold,
    /// It goes on: after a crash, what the metadata could not hold is sent again.
    Replay,
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// The topic; it has to exist, or the broker has to make it.
    pub topic: String,
    /// librdkafka properties of the producer, over those of the pipeline.
    pub kafka: BTreeMap<String, String>,
}

/// What holds for each destination (scheme, host and port) that records go to. By default nothing
/// does: it takes whatever the senders give.
#[derive(Clone, Debug, Default)]
pub struct DestinationConfig {
    /// The most requests in flight. Without it, a destination has all senders where all records go
    /// one way, and half of them where they may not.
    pub max_in_flight: Option<NonZeroUsize>,
    /// Whether the number in flight is found out by how the destination answers, up to what it may
    /// have without that; by each arbiter for itself.
    pub adaptive: bool,
    /// The most requests in a time, of all arbiters together.
    pub rate: Option<Rate>,
    /// When it is left alone because it fails; each arbiter decides for itself.
    pub breaker: Option<BreakerPolicy>,
    /// Whom a `Retry-After` holds back.
    pub retry_after: RetryAfter,
}

impl DestinationConfig {
    /// The terms on arbiter `index` of `arbiters`.
    pub(crate) fn terms(&self, rates: &Rates, (index, arbiters): (usize, usize)) -> Terms {
        let own = |most: NonZeroUsize| share(most.get(), arbiters, index).max(1);
        let max_in_flight = self.max_in_flight.map(own);
        let number = |most: usize| u32::try_from(most).unwrap_or(u32::MAX);
        Terms {
            // Whoever makes the sink knows these.
            only: Arc::default(),
            several: false,
            max_in_flight: max_in_flight.map(number),
            adaptive: self.adaptive,
            rate: self.rate,
            rates: rates.clone(),
            breaker: self.breaker,
            retry_after: self.retry_after,
        }
    }
}

/// A pipeline: topics, group, order and the sizes of everything. The sink comes beside it.
#[derive(Clone, Debug)]
pub struct PipelineConfig {
    /// Names it in logs, threads and metrics.
    pub name: String,
    /// Topics; a name that begins with `^` is a regular expression.
    pub topics: Vec<String>,
    /// Fixed partitions of each topic, in place of what the group assigns. Nobody else takes care
    /// of them, and nobody takes them over.
    pub partitions: Option<Vec<i32>>,
    /// The consumer group.
    pub group_id: String,
    /// librdkafka properties, `bootstrap.servers` among them.
    pub kafka: BTreeMap<String, String>,
    /// What makes two records wait for each other.
    pub ordering: Ordering,
    /// Senders over all arbiters: the most deliveries under way. 256 by default.
    pub senders: NonZeroUsize,
    /// Threads that deliver; never more than senders, nor than requests that a destination may have
    /// in flight. Cores less one by default, at least one.
    pub arbiters: NonZeroUsize,
    /// Records held at the most. 200,000 by default.
    pub buffer_records: u64,
    /// Bytes held at the most, with what it costs to keep them. 128 MiB by default.
    pub buffer_bytes: u64,
    /// How often settled offsets are committed. 1 s by default.
    pub commit_interval: Duration,
    /// How long requests under way may take when partitions are asked back. 20 s by default.
    pub revoke_deadline: Duration,
    /// How long requests under way may take when the pipeline stops. 30 s by default.
    pub drain_deadline: Duration,
    /// What happens when a commit's metadata is full.
    pub offset_overflow: OffsetOverflow,
    /// The broker's `offset.metadata.max.bytes`. 4096 by default, as there.
    pub offset_metadata_max_bytes: usize,
    /// What holds for each destination.
    pub destinations: DestinationConfig,
    /// When a failed record is sent again, and what becomes of it in the end.
    pub retry: RetryPolicy,
    /// Where dead letters go, if anywhere.
    pub dead_letter: Option<DeadLetterConfig>,
}

impl PipelineConfig {
    /// A pipeline from one topic, with defaults for everything else.
    pub fn new(brokers: &str, topic: &str, group_id: &str) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            name: "default".into(),
            topics: vec![topic.into()],
            partitions: None,
            group_id: group_id.into(),
            kafka: BTreeMap::from([("bootstrap.servers".into(), brokers.into())]),
            ordering: Ordering::default(),
            senders: NonZeroUsize::MIN.saturating_add(255),
            arbiters: NonZeroUsize::MIN.saturating_add(cores.saturating_sub(2)),
            buffer_records: 200_000,
            buffer_bytes: 128 << 20,
            commit_interval: Duration::from_secs(1),
            revoke_deadline: Duration::from_secs(20),
            drain_deadline: Duration::from_secs(30),
            offset_overflow: OffsetOverflow::default(),
            offset_metadata_max_bytes: 4096,
            destinations: DestinationConfig::default(),
            retry: RetryPolicy::default(),
            dead_letter: None,
        }
    }

    /// Looks for what cannot work.
    ///
    /// # Errors
    /// [`PipelineError::Config`] names the setting and says what is allowed.
    pub fn check(&self) -> Result<(), PipelineError> {
        let refuse = |reason: String| Err(PipelineError::Config(reason));
        if self.topics.is_empty() {
            return refuse("topics: at least one is needed".into());
        }
        if self.partitions.is_some() && self.topics.iter().any(|topic| topic.starts_with('^')) {
            return refuse("partitions: fixed ones need topics by name, not by pattern".into());
        }
        if self.buffer_records == 0 || self.buffer_bytes == 0 {
            return refuse("buffer_records, buffer_bytes: at least 1".into());
        }
        let letters = [self.retry.on_rejected, self.retry.on_exhausted];
        if self.dead_letter.is_none() && letters.contains(&Action::DeadLetter) {
            return refuse("on_rejected, on_exhausted: dead_letter needs dead_letter.topic".into());
        }
        let longest = self.max_poll_interval()?.saturating_sub(REVOKE_MARGIN);
        if self.revoke_deadline > longest {
            return refuse(format!(
                "revoke_deadline: {:?} is too long; at most {longest:?}, which is \
                 max.poll.interval.ms less {REVOKE_MARGIN:?}",
                self.revoke_deadline
            ));
        }
        Ok(())
    }

    fn max_poll_interval(&self) -> Result<Duration, PipelineError> {
        let Some(value) = self.kafka.get("max.poll.interval.ms") else {
            return Ok(Duration::from_mins(5));
        };
        value.parse().map(Duration::from_millis).map_err(|_| {
            PipelineError::Config(format!(
                "max.poll.interval.ms: {value:?} is not a number of milliseconds"
            ))
        })
    }

    /// Arbiters that get at least one sender each, and at least one request at each destination.
    pub(crate) fn arbiters_used(&self) -> usize {
        let most = self.destinations.max_in_flight.unwrap_or(NonZeroUsize::MAX);
        self.arbiters.min(self.senders).min(most).get()
    }

    pub(crate) fn intake(&self) -> Intake {
        let limit = self.offset_metadata_max_bytes;
        Intake {
            records: self.buffer_records,
            bytes: self.buffer_bytes,
            span: (self.offset_overflow == OffsetOverflow::Hold).then(|| SpanLimit {
                span: codec::guaranteed_span(limit),
                unsettled: codec::guaranteed_unsettled(limit),
            }),
        }
    }
}

/// The share of arbiter `index` when `senders` are spread over `arbiters`.
pub(crate) fn share(senders: usize, arbiters: usize, index: usize) -> usize {
    senders / arbiters + usize::from(index < senders % arbiters)
}
