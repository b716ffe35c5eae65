//! What the RouterActor and the SenderActors of an arbiter share: the desk, the idle senders, and
//! what leaves for other actors.
//!
//! All of them run on one thread and borrow it for the length of a call, never across an await. A
//! sender that is done takes its next delivery here, without a message; the router is woken only
//! when a timer is due.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use actix::{Addr, Recipient, WeakRecipient};
use slog::{Logger, debug, warn};
use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot};

use crate::core::desk::{Desk, Effect, Outcomes, Parking};
use crate::core::intake::Rest;
use crate::core::lanes::{Batch as BatchLimit, Delivery, Standing};
use crate::core::outcome::{Failure, FailureKind, Outcome};
use crate::core::retry::RetryPolicy;
use crate::core::standstill::Standstill;
use crate::core::{Epoch, Moment};
use crate::ending::Failures;
use crate::error::PipelineError;
use crate::kafka::bell::Bell;
use crate::message::{Batch, DeadLetter, DeadLettered, Queued, Release, SettledBatch, Which};
use crate::offsets::OffsetActor;
use crate::record::{Record, Settlement};
use crate::sink::ConnectionCounts;
use crate::stats::ArbiterStats;

/// Settled records go to the ledger when there are so many …
const FLUSH_RECORDS: usize = 512;

/// … or when the oldest of them has waited this long. A crash in between sends them again.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// How often the gauges of lanes are brought up to date while something happens.
const GAUGES_EVERY: Duration = Duration::from_millis(250);

/// Shared by the actors of an arbiter.
pub(crate) type Shared = Rc<RefCell<Dispatcher>>;

pub(crate) struct Dispatcher {
    desk: Desk<Record>,
    out: Outgoing,
    senders: Vec<SenderSlot>,
    idle: Vec<usize>,
    /// How many senders there are to be; those beyond it get nothing more.
    limit: usize,
    paused: bool,
    releases: Vec<Release>,
    random: Random,
    started: Instant,
    standstill: Standstill,
    /// When what rests after a standstill goes on.
    goes_on: Option<Moment>,
    /// When the router's timer goes off, and how to change that.
    armed: Option<Moment>,
    ticker: Option<Waker>,
    gauges_due: Option<Moment>,
    intake: Intake,
    /// The router's intake, when it rests because enough lanes are ready.
    resting: Option<Waker>,
    /// The pipeline stops: nothing is taken in any more.
    closed: bool,
    stats: Arc<ArbiterStats>,
}

/// Where records come from.
pub(crate) struct Intake {
    pub(crate) records: mpsc::Receiver<Batch>,
    /// Set when the poll thread waits for room here.
    pub(crate) hungry: Arc<AtomicBool>,
    pub(crate) bell: Arc<Bell>,
}

/// What a sender has in hand.
#[derive(Default)]
struct SenderSlot {
    epochs: SmallVec<[Epoch; 1]>,
    since: Option<Instant>,
    /// There from when the delivery is given, so that one not yet begun can be cancelled too.
    cancel: Option<oneshot::Sender<()>>,
    cancelled: Option<oneshot::Receiver<()>>,
}

/// What leaves the arbiter.
struct Outgoing {
    settled: Vec<Settlement>,
    settled_bytes: u64,
    settled_due: Option<Moment>,
    flush_records: usize,
    flush_bytes: u64,
    /// The wall clock's time at the moment zero, in milliseconds; set anew at each beat, so that a
    /// record's age costs no clock of its own.
    epoch_millis: u64,
    offsets: Addr<OffsetActor>,
    letters: Option<Recipient<DeadLetter>>,
    reply: Option<WeakRecipient<DeadLettered>>,
    failures: Failures,
    stats: Arc<ArbiterStats>,
    log: Logger,
}

/// What an arbiter's dispatcher is made of.
pub(crate) struct Parts {
    pub(crate) policy: RetryPolicy,
    pub(crate) senders: usize,
    /// This arbiter's share of the buffer: records and bytes.
    pub(crate) share: (u64, u64),
    pub(crate) offsets: Addr<OffsetActor>,
    pub(crate) letters: Option<Recipient<DeadLetter>>,
    pub(crate) failures: Failures,
    pub(crate) stats: Arc<ArbiterStats>,
    pub(crate) log: Logger,
}

impl Dispatcher {
    pub(crate) fn new(parts: Parts, intake: Intake) -> Self {
        let (records, bytes) = parts.share;
        let out = Outgoing {
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
            reply: None,
            failures: parts.failures,
            stats: Arc::clone(&parts.stats),
            log: parts.log,
        };
        Self {
            desk: Desk::new(parts.policy, parts.senders, BatchLimit::ONE),
            out,
            senders: Vec::new(),
            idle: Vec::new(),
            limit: parts.senders,
            paused: false,
            releases: Vec::new(),
            random: Random::new(),
            started: Instant::now(),
            standstill: Standstill::default(),
            goes_on: None,
            armed: None,
            ticker: None,
            gauges_due: None,
            intake,
            resting: None,
            closed: false,
            stats: parts.stats,
        }
    }

    /// Where answers of the DeadLetterActor go.
    pub(crate) fn reply_to(&mut self, router: WeakRecipient<DeadLettered>) {
        self.out.reply = Some(router);
    }

    fn now(&self) -> Moment {
        Moment(self.started.elapsed())
    }

    /// Shows that the arbiter makes progress; to be called each
    /// [`BEAT`](crate::pulse::BEAT).
    pub(crate) fn beat(&mut self, connections: Option<ConnectionCounts>) {
        let now = self.now();
        self.stats.pulse.beat();
        self.out.epoch_millis = wall_clock_at(now.0);
        self.look(now);
        if let Some(counts) = connections {
            self.stats.set_connections(counts);
        }
    }

    /// Looks whether this thread stood still, and rests for a while if it did.
    fn look(&mut self, now: Moment) {
        if let Some(gap) = self.standstill.look(now) {
            warn!(self.out.log, "this thread stood still: nothing new is sent until it is known \
                whether the partitions are still this member's"; "for" => ?gap);
            self.goes_on = self.standstill.rests(now);
            self.arm(now);
        }
    }

    /// The arbiter ends.
    pub(crate) fn end(&mut self, connections: Option<ConnectionCounts>) {
        self.beat(connections);
        self.stats.pulse.end();
    }

    /// Registers a new sender, which is idle.
    pub(crate) fn add_sender(&mut self) -> usize {
        self.senders.push(SenderSlot::default());
        self.idle.push(self.senders.len() - 1);
        self.senders.len() - 1
    }

    pub(crate) fn accept(&mut self, batch: Batch) {
        for record in batch {
            if self.closed || self.desk.accept(record).is_err() {
                self.stats.returned.add(1);
            }
        }
        self.gauges_changed();
        self.finish_releases();
    }

    /// The next batch, while more records are wanted.
    pub(crate) fn poll_intake(&mut self, context: &mut Context<'_>) -> Poll<Option<Batch>> {
        if !self.is_hungry() {
            self.resting = Some(context.waker().clone());
            return Poll::Pending;
        }
        let polled = self.intake.records.poll_recv(context);
        if polled.is_ready() && self.intake.hungry.swap(false, Ordering::SeqCst) {
            self.intake.bell.ring();
        }
        polled
    }

    /// Whether more records are wanted: while not enough lanes are ready to keep every sender busy
    /// until the next batch. Holding more ahead only costs cache; lanes that are not ready (hot
    /// keys, retries) do not count, so they never keep others from coming in.
    fn is_hungry(&self) -> bool {
        self.desk.ready() < self.limit * 2
    }

    /// A delivery for an idle sender, if there is both.
    pub(crate) fn next_for_idle(&mut self) -> Option<(usize, Delivery<Record>)> {
        let sender = *self.idle.last()?;
        let delivery = self.next(sender, self.now())?;
        self.idle.pop();
        Some((sender, delivery))
    }

    fn next(&mut self, sender: usize, now: Moment) -> Option<Delivery<Record>> {
        self.look(now);
        if self.goes_on.is_some() {
            return None;
        }
        let delivery = self.desk.dispatch();
        if self.desk.ready() <= self.limit
            && let Some(intake) = self.resting.take()
        {
            intake.wake();
        }
        let delivery = delivery?;
        let slot = &mut self.senders[sender];
        let (cancel, cancelled) = oneshot::channel();
        slot.cancel = Some(cancel);
        slot.cancelled = Some(cancelled);
        slot.epochs.clear();
        for entry in delivery.entries() {
            let epoch = entry.item().assignment().epoch();
            if slot.epochs.last() != Some(&epoch) {
                slot.epochs.push(epoch);
            }
        }
        self.stats.in_flight.set(self.desk.sending());
        Some(delivery)
    }

    /// A sender is done: what became of its delivery, and its next one if there is any.
    pub(crate) fn conclude(
        &mut self,
        sender: usize,
        delivery: Delivery<Record>,
        outcomes: Outcomes,
    ) -> Option<Delivery<Record>> {
        let (now, random) = (self.now(), self.random.next());
        self.count(sender, &outcomes);
        let out = &mut self.out;
        self.desk.conclude(delivery, outcomes, now, random, &mut |effect| out.take(effect, now));
        self.after_delivery(sender, now)
    }

    /// A sender's delivery was cancelled.
    pub(crate) fn abandon(
        &mut self,
        sender: usize,
        delivery: Delivery<Record>,
    ) -> Option<Delivery<Record>> {
        let now = self.now();
        let out = &mut self.out;
        self.desk.abandon(delivery, now, &mut |effect| out.take(effect, now));
        self.after_delivery(sender, now)
    }

    fn count(&self, sender: usize, outcomes: &Outcomes) {
        let took = self.senders[sender].since.map_or(Duration::ZERO, |since| since.elapsed());
        let failure = |outcome: &Outcome| match outcome {
            Outcome::Delivered => None,
            Outcome::Retry { failure, .. } | Outcome::Rejected(failure) => Some(failure.kind),
        };
        let failure = match outcomes {
            Outcomes::All(outcome) => failure(outcome),
            Outcomes::Each(outcomes) => outcomes.iter().find_map(failure),
        };
        self.stats.attempt(failure, took);
    }

    fn after_delivery(&mut self, sender: usize, now: Moment) -> Option<Delivery<Record>> {
        self.senders[sender].epochs.clear();
        self.senders[sender].cancel = None;
        if self.out.is_full() {
            self.out.flush();
        }
        self.gauges_changed();
        self.finish_releases();
        let next = self.next(sender, now);
        if next.is_none() {
            self.idle.push(sender);
            self.stats.in_flight.set(self.desk.sending());
        }
        self.arm(now);
        next
    }

    /// An attempt begins: it can be told to drop what it has in hand.
    pub(crate) fn begin(&mut self, sender: usize) -> Option<oneshot::Receiver<()>> {
        let slot = &mut self.senders[sender];
        slot.since = Some(Instant::now());
        slot.cancelled.take()
    }

    pub(crate) fn dead_lettered(&mut self, answer: DeadLettered) {
        let (now, random) = (self.now(), self.random.next());
        let out = &mut self.out;
        self.desk.dead_letter_done(answer.letter, answer.result, now, random, &mut |effect| {
            out.take(effect, now);
        });
        self.gauges_changed();
        self.finish_releases();
        self.arm(now);
    }

    /// Begins to let go of stays; the reply goes out when nothing of them is left.
    pub(crate) fn release(&mut self, release: Release) {
        if release.queued == Queued::LetGo {
            self.closed |= matches!(release.which, Which::All);
            self.give_up(&release.which);
        }
        self.releases.push(release);
        self.finish_releases();
    }

    /// The deadline has passed: what is under way is cancelled.
    pub(crate) fn cancel(&mut self, which: &Which) {
        self.closed |= matches!(which, Which::All);
        self.give_up(which);
        for slot in &mut self.senders {
            let concerned = match which {
                Which::All => !slot.epochs.is_empty(),
                Which::Some(epochs) => slot.epochs.iter().any(|epoch| epochs.contains(epoch)),
            };
            if concerned && let Some(cancel) = slot.cancel.take() {
                let _ = cancel.send(());
            }
        }
        self.finish_releases();
    }

    fn give_up(&mut self, which: &Which) {
        let now = self.now();
        let epochs = self.epochs(which);
        let out = &mut self.out;
        self.desk.give_up(&epochs, &mut |effect| out.take(effect, now));
        self.gauges_changed();
    }

    fn epochs(&self, which: &Which) -> Vec<Epoch> {
        match which {
            Which::Some(epochs) => epochs.clone(),
            Which::All => self.all_epochs(),
        }
    }

    fn all_epochs(&self) -> Vec<Epoch> {
        let mut epochs = BTreeSet::new();
        for lane in self.desk.lanes() {
            if let Standing::Sending(epoch, _) | Standing::Lettering(epoch) = lane.standing() {
                epochs.insert(epoch);
            }
            epochs.extend(lane.queued().map(|entry| entry.item().assignment().epoch()));
        }
        epochs.into_iter().collect()
    }

    fn finish_releases(&mut self) {
        if self.releases.is_empty() {
            return;
        }
        let desk = &self.desk;
        let nothing_comes = self.closed || self.intake.records.is_empty();
        let is_done = |release: &mut Release| match &release.which {
            Which::All => nothing_comes && desk.sending() == 0 && desk.lanes().next().is_none(),
            Which::Some(epochs) => desk.under_way(epochs) == 0,
        };
        let done: Vec<_> = self.releases.extract_if(.., is_done).collect();
        if !done.is_empty() {
            self.out.flush();
        }
        for release in done {
            // Whoever asked may have gone.
            let _ = release.reply.send(());
        }
    }

    /// The timer went off: what has waited long enough goes on.
    pub(crate) fn tick(&mut self) {
        let now = self.now();
        self.armed = None;
        let out = &mut self.out;
        self.desk.wake(now, &mut |effect| out.take(effect, now));
        if self.out.settled_due.is_some_and(|due| due <= now) {
            self.out.flush();
        }
        self.goes_on = self.goes_on.filter(|&due| now < due);
        if self.gauges_due.is_some_and(|due| due <= now) {
            self.gauges_due = None;
            self.stats.set_lanes(self.desk.counts());
            self.stats.in_flight.set(self.desk.sending());
        }
    }

    /// When the timer is to go off, as an instant; the waker is called when that changes.
    pub(crate) fn arm_ticker(&mut self, waker: Waker) -> Option<Instant> {
        self.ticker = Some(waker);
        self.armed = self.next_due();
        self.armed.map(|due| self.started + due.0)
    }

    fn next_due(&self) -> Option<Moment> {
        let dues = [self.desk.next_wake(), self.out.settled_due, self.gauges_due, self.goes_on];
        dues.into_iter().flatten().min()
    }

    /// Wakes the timer if something is due before it would go off.
    fn arm(&mut self, now: Moment) {
        let Some(due) = self.next_due() else { return };
        if self.armed.is_some_and(|armed| armed <= due.max(now)) {
            return;
        }
        self.armed = Some(due);
        if let Some(ticker) = self.ticker.take() {
            ticker.wake();
        }
    }

    fn gauges_changed(&mut self) {
        if self.gauges_due.is_none() {
            let now = self.now();
            self.gauges_due = Some(now.after(GAUGES_EVERY));
            self.arm(now);
        }
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        self.apply_limit();
    }

    pub(crate) fn resize(&mut self, senders: usize) {
        self.limit = senders;
        self.apply_limit();
    }

    fn apply_limit(&mut self) {
        self.desk.set_limit(if self.paused { 0 } else { self.limit });
        if let Some(intake) = self.resting.take() {
            intake.wake();
        }
    }
}

impl Outgoing {
    fn take(&mut self, effect: Effect<'_, Record>, now: Moment) {
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
                if parking == Parking::Begins {
                    warn!(self.log, "lane parked: its first record is not taken, and is tried \
                        again at the longest delay; other lanes go on"; "record" => ?item,
                        "attempts" => attempts, "wait" => ?wait, "reason" => %failure);
                }
            }
            Effect::DeadLetter(letter) => self.letter(letter),
            Effect::LetterWaits { item, attempts, wait, failure } => {
                warn!(self.log, "dead letter not written; its record is held and it is tried \
                    again"; "record" => ?item, "attempts" => attempts, "wait" => ?wait,
                    "reason" => %failure);
            }
            Effect::Stop { item, failure, .. } => {
                self.failures.fail(PipelineError::Undeliverable {
                    topic: item.topic().to_owned(),
                    partition: item.partition(),
                    offset: item.offset(),
                    reason: failure.to_string(),
                });
            }
            Effect::Returned { item } => {
                self.stats.returned.add(1);
                drop(item);
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

    fn letter(&mut self, letter: crate::core::desk::Letter<Record>) {
        let reply = self.reply.as_ref().and_then(WeakRecipient::upgrade);
        let (Some(letters), Some(reply)) = (&self.letters, reply) else {
            // `PipelineConfig::check` asks for a topic wherever a policy says dead letter.
            let missing = Failure::new(FailureKind::Other, "no dead-letter topic is set");
            self.failures.fail(PipelineError::DeadLetters(missing.to_string()));
            return;
        };
        letters.do_send(DeadLetter { letter, reply });
    }

    fn is_full(&self) -> bool {
        self.settled.len() >= self.flush_records || self.settled_bytes >= self.flush_bytes
    }

    fn flush(&mut self) {
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

/// Random numbers for jitter: `splitmix64` (Steele, Lea and Flood, 2014), seeded by the system.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
