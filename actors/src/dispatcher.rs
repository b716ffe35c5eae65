//! What the RouterActor and the SenderActors of an arbiter share: the desk, the idle senders, and
//! what leaves for other actors.
//!
//! All of them run on one thread and borrow it for the length of a call, never across an await. A
//! sender that is done takes its next delivery here, without a message; the router is woken only
//! when a timer is due.

mod inspect;
mod lettering;
mod outgoing;
mod random;
mod round;
mod senders;
mod told;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix::{Addr, Recipient, WeakRecipient};
use slog::{Logger, warn};
use tokio::sync::mpsc;

use self::outgoing::Outgoing;
use self::random::Random;
pub(crate) use self::round::Round;
pub(crate) use self::senders::Call;
use self::senders::Senders;
pub(crate) use self::told::Urls;
use crate::core::desk::{Desk, Outcomes, Step};
use crate::core::destinations::Terms;
use crate::core::lanes::{Batch as BatchLimit, Delivery, Entry, Standing};
use crate::core::outcome::Outcome;
use crate::core::retry::RetryPolicy;
use crate::core::standstill::Standstill;
use crate::core::{Epoch, Moment};
use crate::ending::Failures;
use crate::kafka::bell::Bell;
use crate::message::{Batch, DeadLetter, DeadLettered, Queued, Release, Which};
use crate::offsets::OffsetActor;
use crate::record::Record;
use crate::sink::ConnectionCounts;
use crate::stats::ArbiterStats;

/// How often the gauges of lanes are brought up to date while something happens.
const GAUGES_EVERY: Duration = Duration::from_millis(250);

/// Shared by the actors of an arbiter.
pub(crate) type Shared = Rc<RefCell<Dispatcher>>;

/// Says where a record goes next.
pub(crate) type Planner = Box<dyn FnMut(&mut Entry<Record>) -> Step>;

pub(crate) struct Dispatcher {
    desk: Desk<Record>,
    /// None where all records go one way.
    planner: Option<Planner>,
    /// Where requests go, for who asks.
    urls: Urls,
    out: Outgoing,
    senders: Senders,
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
    log: Logger,
}

/// Where records come from.
pub(crate) struct Intake {
    pub(crate) records: mpsc::Receiver<Batch>,
    /// Set when the poll thread waits for room here.
    pub(crate) hungry: Arc<AtomicBool>,
    pub(crate) bell: Arc<Bell>,
}

/// What an arbiter's dispatcher is made of.
pub(crate) struct Parts {
    pub(crate) policy: RetryPolicy,
    /// For each destination, on this arbiter.
    pub(crate) terms: Terms,
    /// The moment zero, the same for all arbiters of a pipeline.
    pub(crate) started: Instant,
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
    /// `batch` is the most that a delivery holds.
    pub(crate) fn new(
        parts: Parts,
        intake: Intake,
        (planner, urls): (Option<Planner>, Urls),
        batch: BatchLimit,
    ) -> Self {
        let (policy, terms) = (parts.policy.clone(), parts.terms.clone());
        Self {
            desk: Desk::with_terms(policy, terms, parts.senders, batch),
            planner,
            urls,
            senders: Senders::default(),
            limit: parts.senders,
            paused: false,
            releases: Vec::new(),
            random: Random::new(),
            started: parts.started,
            standstill: Standstill::default(),
            goes_on: None,
            armed: None,
            ticker: None,
            gauges_due: None,
            intake,
            resting: None,
            closed: false,
            stats: Arc::clone(&parts.stats),
            log: parts.log.clone(),
            out: Outgoing::new(parts),
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
        self.out.look_at_clock(now);
        self.look(now);
        self.desk.sweep(now);
        if let Some(counts) = connections {
            self.stats.set_connections(counts);
        }
    }

    /// Looks whether this thread stood still, and rests for a while if it did.
    fn look(&mut self, now: Moment) {
        if let Some(gap) = self.standstill.look(now) {
            warn!(self.log, "this thread stood still: nothing new is sent until it is known \
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

    /// Registers a new sender, which is idle, and says how it is called on.
    pub(crate) fn add_sender(&mut self) -> (usize, Rc<Call>) {
        self.senders.add()
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
        let sender = self.senders.idle()?;
        let now = self.now();
        let Some(delivery) = self.next(sender, now) else {
            // What is ready may have to wait for its destination, and on what was filtered the
            // ledger waits, and perhaps a drain.
            self.finish_releases();
            self.arm(now);
            return None;
        };
        self.senders.busy();
        Some((sender, delivery))
    }

    fn next(&mut self, sender: usize, now: Moment) -> Option<Delivery<Record>> {
        self.look(now);
        if self.goes_on.is_some() {
            return None;
        }
        let delivery = self.dispatch(now);
        if self.desk.ready() <= self.limit
            && let Some(intake) = self.resting.take()
        {
            intake.wake();
        }
        let delivery = delivery?;
        let epochs = delivery.entries().iter().map(|entry| entry.item().assignment().epoch());
        self.senders.give(sender, now, epochs);
        self.stats.in_flight.set(self.desk.sending());
        Some(delivery)
    }

    fn dispatch(&mut self, now: Moment) -> Option<Delivery<Record>> {
        let Some(planner) = &mut self.planner else { return self.desk.dispatch(now) };
        let (random, out) = (self.random.next(), &mut self.out);
        let delivery =
            self.desk.dispatch_by(now, random, planner, &mut |effect| out.take(effect, now));
        if self.out.is_full() {
            self.out.flush();
        }
        delivery
    }

    /// A sender is done: what became of its delivery, and its next one if there is any.
    pub(crate) fn conclude(
        &mut self,
        sender: usize,
        delivery: Delivery<Record>,
        outcomes: Outcomes,
    ) -> Option<Delivery<Record>> {
        let (now, random) = (self.now(), self.random.next());
        let took = self.senders.done(sender, now);
        self.count(took, &outcomes);
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
        self.senders.done(sender, now);
        let out = &mut self.out;
        self.desk.abandon(delivery, now, &mut |effect| out.take(effect, now));
        self.after_delivery(sender, now)
    }

    fn count(&self, took: Duration, outcomes: &Outcomes) {
        let failure = outcomes.iter().find_map(Outcome::failure);
        self.stats.attempt(failure.map(|failure| failure.kind), took);
    }

    fn after_delivery(&mut self, sender: usize, now: Moment) -> Option<Delivery<Record>> {
        if self.out.is_full() {
            self.out.flush();
        }
        self.gauges_changed();
        let next = self.next(sender, now);
        self.desk.look_again(now);
        self.finish_releases();
        if next.is_none() {
            self.senders.rests(sender);
            self.stats.in_flight.set(self.desk.sending());
        }
        self.arm(now);
        next
    }

    pub(crate) fn dead_lettered(&mut self, answer: DeadLettered) {
        let (now, random) = (self.now(), self.random.next());
        self.out.lettering.came_back(answer.letter.item().lane_id());
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
        let (now, epochs) = (self.now(), self.epochs(which));
        let out = &mut self.out;
        self.desk.cut_off(&epochs, &mut |effect| out.take(effect, now));
        self.gauges_changed();
        self.senders.cancel(which);
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
            self.stats.set_parked_since(self.desk.parked_since());
            self.stats.set_destinations(self.desk.destinations(now).collect());
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
