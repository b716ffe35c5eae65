//! What leaves the arbiter: settled records to the ledger, dead letters to their producer, and what
//! is to be said.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use actix::{Addr, Recipient, WeakRecipient};
use slog::{Logger, debug, info, warn};

use super::Parts;
use super::lettering::Lettering;
use crate::core::breaker::Change;
use crate::core::desk::{Effect, Letter, Parking};
use crate::core::intake::Rest;
use crate::core::outcome::{Failure, FailureKind};
use crate::core::{Epoch, Moment, Offset};
use crate::ending::Failures;
use crate::error::PipelineError;
use crate::message::{DeadLetter, DeadLettered, SettledBatch};
use crate::offsets::OffsetActor;
use crate::record::{Record, Settlement};
use crate::say::Sparingly;
use crate::stats::ArbiterStats;

/// Settled records go to the ledger when there are so many …
const FLUSH_RECORDS: usize = 512;

/// … or when the oldest of them has waited this long. A crash in between sends them again.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// Of lanes that are parked, and of dead letters that wait, so many are said in a row; the gauges
/// tell of all.
const SAY: u32 = 10;
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What leaves the arbiter.
pub(super) struct Outgoing {
    settled: Vec<Settlement>,
    settled_bytes: u64,
    /// When the oldest of them has waited long enough.
    pub(super) settled_due: Option<Moment>,
    flush_records: usize,
    flush_bytes: u64,
    /// The wall clock's time at the moment zero, in milliseconds; looked up at each beat, so that a
    /// record's age costs no clock of its own.
    epoch_millis: u64,
    offsets: Addr<OffsetActor>,
    letters: Option<Recipient<DeadLetter>>,
    /// What is with their producer.
    pub(super) lettering: Lettering,
    /// Where answers of the DeadLetterActor go.
    pub(super) reply: Option<WeakRecipient<DeadLettered>>,
    failures: Failures,
    parked: Sparingly,
    unwritten: Sparingly,
    stats: Arc<ArbiterStats>,
    log: Logger,
}

impl Outgoing {
    pub(super) fn new(parts: Parts) -> Self {
        let (records, bytes) = parts.share;
        Self {
            settled: Vec::new(),
            settled_bytes: 0,
            settled_due: None,
            // Settled records keep their share of the buffer until the ledger has them: with a
            // small buffer they must not wait for many of their kind.
            flush_records: usize::try_from(records / 16)
                .unwrap_or(usize::MAX)
                .clamp(1, FLUSH_RECORDS),
            flush_bytes: bytes / 16,
            epoch_millis: wall_clock_at(Duration::ZERO),
            offsets: parts.offsets,
            letters: parts.letters,
            lettering: Lettering::default(),
            reply: None,
            failures: parts.failures,
            parked: Sparingly::new(SAY, SAY_EVERY),
            unwritten: Sparingly::new(SAY, SAY_EVERY),
            stats: parts.stats,
            log: parts.log,
        }
    }

    /// Looks at the wall clock, which may have been set.
    pub(super) fn look_at_clock(&mut self, now: Moment) {
        self.epoch_millis = wall_clock_at(now.0);
    }

    pub(super) fn take(&mut self, effect: Effect<'_, Record>, now: Moment) {
        match effect {
            Effect::Settled { item, how, failure } => {
                self.stats.settled(how);
                if let Some(failure) = failure {
                    debug!(self.log, "record settled without delivery"; "how" => ?how,
                        "record" => ?item, "reason" => %failure);
                }
                self.settle(item, now);
            }
            Effect::Retry { item, attempts, wait, parking, failure } => {
                self.stats.retry(failure.kind);
                if parking == Parking::Begins
                    && let Some(suppressed) = self.parked.say(Instant::now())
                {
                    warn!(self.log, "lane parked: its first record is not taken, and is tried \
                        again at the longest delay; other lanes go on"; "record" => ?item,
                        "attempts" => attempts, "wait" => ?wait, "reason" => %failure,
                        "suppressed" => suppressed);
                }
            }
            Effect::Exhausted { .. } => self.stats.exhausted.add(1),
            Effect::DeadLetter(letter) => self.letter(letter),
            Effect::LetterWaits { item, attempts, wait, failure } => {
                if let Some(suppressed) = self.unwritten.say(Instant::now()) {
                    warn!(self.log, "dead letter not written; its record is held and it is tried \
                        again"; "record" => ?item, "attempts" => attempts, "wait" => ?wait,
                        "reason" => %failure, "suppressed" => suppressed);
                }
            }
            Effect::Stop { item, failure, .. } => {
                self.failures.fail(PipelineError::Undeliverable {
                    topic: item.topic().to_owned(),
                    partition: item.partition(),
                    offset: item.offset(),
                    reason: failure.to_string(),
                });
            }
            Effect::Breaker { destination, change } => self.breaker(destination, change, now),
            Effect::Returned { item } => {
                self.stats.returned.add(1);
                drop(item);
            }
        }
    }

    fn breaker(&self, destination: &str, change: Change, now: Moment) {
        match change {
            Change::Opened { failures, requests, until } => {
                self.stats.breakers_opened.add(1);
                warn!(self.log, "breaker open: nothing is sent to this destination meanwhile";
                    "destination" => destination, "failed" => failures, "of" => requests,
                    "open_for" => ?until.since(now));
            }
            Change::Closed { open_for } => {
                info!(self.log, "breaker closed: the destination answers again";
                    "destination" => destination, "after" => ?open_for);
            }
        }
    }

    fn settle(&mut self, record: Record, now: Moment) {
        if let Some(timestamp) = record.timestamp().and_then(|it| u64::try_from(it).ok()) {
            // A producer's clock that is ahead makes no negative latency.
            self.stats.latency((self.epoch_millis + millis(now.0)).saturating_sub(timestamp));
        }
        let held_back = record.assignment().resting() == Some(Rest::Span);
        let settlement = record.into_settlement();
        self.settled_bytes += u64::from(settlement.bytes());
        self.settled.push(settlement);
        if held_back {
            // A handful of records may be all that the partition takes in until the ledger knows.
            self.settled_due = Some(now);
        } else if self.settled_due.is_none() {
            self.settled_due = Some(now.after(FLUSH_EVERY));
        }
    }

    fn letter(&mut self, letter: Letter<Record>) {
        let reply = self.reply.as_ref().and_then(WeakRecipient::upgrade);
        let (Some(letters), Some(reply)) = (&self.letters, reply) else {
            // `PipelineConfig::check` asks for a topic wherever a policy says dead letter.
            let missing = Failure::new(FailureKind::Other, "no dead-letter topic is set");
            self.failures.fail(PipelineError::DeadLetters(missing.to_string()));
            return;
        };
        self.lettering.leaves(&letter);
        letters.do_send(DeadLetter { letter, reply });
    }

    /// Whether this record is settled and on its way to the ledger. Visits all that are.
    pub(super) fn has_settled(&self, epoch: Epoch, offset: Offset) -> bool {
        let is = |it: &Settlement| it.offset == offset && it.assignment().epoch() == epoch;
        self.settled.iter().any(is)
    }

    pub(super) fn is_full(&self) -> bool {
        self.settled.len() >= self.flush_records || self.settled_bytes >= self.flush_bytes
    }

    pub(super) fn flush(&mut self) {
        self.settled_due = None;
        self.settled_bytes = 0;
        if !self.settled.is_empty() {
            let capacity = self.settled.len();
            let settled = std::mem::replace(&mut self.settled, Vec::with_capacity(capacity));
            self.offsets.do_send(SettledBatch(settled));
        }
    }
}

/// What the wall clock showed so long ago, in milliseconds since the Unix epoch.
fn wall_clock_at(ago: Duration) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    millis(now.saturating_sub(ago))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
