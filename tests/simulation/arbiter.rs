//! One delivery arbiter of a member, re-played around the real [`Desk`]: the router, what it shares
//! with its senders, and the senders.

mod destinations;
mod effects;
mod senders;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keyway_actors::core::breaker::Change;
use keyway_actors::core::desk::{Desk, Effect, Letter, Step};
use keyway_actors::core::destinations::{Rates, Wait};
use keyway_actors::core::lanes::{Delivery, Entry, Standing};
use keyway_actors::core::outcome::Settled;
use keyway_actors::core::{Epoch, Moment};

use self::destinations::Destinations;
pub use self::destinations::Paces;
use self::effects::note;
use crate::bus::{ARBITERS, Bus, POLL};
use crate::env::Env;
use crate::event::Event;
use crate::mail::{Record, Settlement, ToArbiter, ToLeader, ToOffsets, Which};
use crate::plan::{MILLIS, Micros};
use crate::sabotage::Sabotage;
use crate::watch::Watch;

const FLUSH_EVERY: Micros = 100 * MILLIS;

#[derive(Debug)]
enum Sender {
    Idle,
    /// It has a delivery in its mailbox.
    Given(u64, Delivery<Record>),
    Sending(u64, Delivery<Record>),
    /// It waits although it has nothing to send, which it should not.
    Holding(u64),
}

#[derive(Debug)]
struct Release {
    drain: u64,
    which: Which,
    deliver: bool,
}

/// What a desk said becomes of an item, to be acted upon when the call to the desk is over.
#[derive(Debug)]
enum Said {
    Settled(Record, Settled),
    Letter(Letter<Record>),
    Returned(Record),
    Stop,
    Breaker(Arc<str>, Change),
}

#[derive(Debug)]
pub struct Arbiter {
    index: usize,
    desk: Desk<Record>,
    senders: Vec<Sender>,
    /// When each sender was given what it has.
    began: Vec<Moment>,
    destinations: Destinations,
    idle: Vec<usize>,
    limit: usize,
    paused: bool,
    releases: Vec<Release>,
    /// A stop lets go of whatever still comes.
    closed: bool,
    said: Vec<Said>,
    settled: Vec<Settlement>,
    settled_since: Option<Micros>,
    letters: BTreeMap<u64, Letter<Record>>,
    /// Stays that were let go of.
    let_go: BTreeSet<Epoch>,
    /// Stays of which nothing is to be sent any more.
    cancelled: BTreeSet<Epoch>,
    /// Records that a sabotaged desk was told to forget, and when they are queued anew.
    requeue: Vec<(Micros, Record)>,
    watch: Watch,
}

impl Arbiter {
    pub fn new(index: usize, bus: &Bus, env: &Env) -> Self {
        let limit = share(env.plan.senders, env.plan.arbiters, index);
        let policy = env.plan.policy.clone();
        let own = Rates::default();
        let rates = if env.is(Sabotage::RatesApart) { &own } else { &bus.rates };
        let terms = env.plan.ways.terms(rates);
        let mut arbiter = Self {
            index,
            desk: Desk::with_terms(policy, terms, limit, env.plan.batch),
            senders: Vec::new(),
            began: Vec::new(),
            destinations: Destinations::default(),
            idle: Vec::new(),
            limit,
            paused: false,
            releases: Vec::new(),
            closed: false,
            said: Vec::new(),
            settled: Vec::new(),
            settled_since: None,
            letters: BTreeMap::new(),
            let_go: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            requeue: Vec::new(),
            watch: Watch::default(),
        };
        arbiter.grow();
        arbiter
    }

    fn grow(&mut self) {
        while self.senders.len() < self.limit {
            self.idle.push(self.senders.len());
            self.senders.push(Sender::Idle);
            self.began.push(Moment::default());
        }
    }

    /// Looks at its mail, its intake and its timers.
    pub fn step(&mut self, bus: &mut Bus, env: &mut Env) {
        self.desk.sweep(env.moment());
        while let Some(message) = bus.to_arbiters[self.index].pop_front() {
            self.handle(message, bus, env);
            self.hand_out(bus, env);
        }
        while self.desk.ready() < self.limit * 2
            && let Some(batch) = bus.batches[self.index].pop_front()
        {
            if std::mem::take(&mut bus.hungry[self.index]) {
                bus.bell.other = true;
                bus.ring(POLL, env);
            }
            for record in batch {
                self.accept(record, bus, env);
            }
            self.hand_out(bus, env);
        }
        self.requeue(bus, env);
        if self.desk.next_wake().is_some_and(|due| due <= env.moment()) {
            let said = &mut self.said;
            self.desk.wake(env.moment(), &mut |effect| note(said, effect));
            self.act(bus, env);
            self.hand_out(bus, env);
        }
        if self.settled_since.is_some_and(|since| since + FLUSH_EVERY <= env.now) {
            self.flush(bus, env);
        }
        self.finish_releases(bus, env);
        self.set_timer(bus, env);
        self.check(env);
    }

    fn handle(&mut self, message: ToArbiter, bus: &mut Bus, env: &mut Env) {
        match message {
            ToArbiter::Release { drain, which, deliver } => {
                if !deliver {
                    self.give_up(&which, bus, env);
                }
                self.releases.push(Release { drain, which, deliver });
                self.finish_releases(bus, env);
            }
            ToArbiter::Cancel(which) => self.cancel(&which, bus, env),
            ToArbiter::Lettered { serial, written } => self.lettered(serial, written, bus, env),
            ToArbiter::Pause(paused) => {
                self.paused = paused;
                self.desk.set_limit(if paused { 0 } else { self.limit });
            }
            ToArbiter::Resize(senders) => {
                self.limit = share(senders, env.plan.arbiters, self.index);
                self.desk.set_limit(if self.paused { 0 } else { self.limit });
                self.grow();
            }
        }
    }

    fn accept(&mut self, record: Record, bus: &mut Bus, env: &mut Env) {
        let (epoch, bytes, lane, id) = (record.epoch, record.bytes, record.lane, record.id);
        let refused = if self.closed { Err(record) } else { self.desk.accept(record) };
        if refused.is_ok() {
            self.watch.queued(lane, epoch, id);
        } else {
            env.counts.late_arrivals += 1;
            bus.release(epoch, bytes, env);
        }
    }

    fn give_up(&mut self, which: &Which, bus: &mut Bus, env: &mut Env) {
        let epochs = self.named(which, env);
        let mut note = |effect: Effect<'_, Record>| note(&mut self.said, effect);
        if env.is(Sabotage::BegunIsReturned) {
            self.desk.cut_off(&epochs, &mut note);
        } else {
            self.desk.give_up(&epochs, &mut note);
        }
        self.let_go.extend(epochs);
        self.act(bus, env);
    }

    fn named(&mut self, which: &Which, env: &Env) -> Vec<Epoch> {
        match which {
            Which::Some(epochs) => epochs.clone(),
            Which::All => {
                self.closed = !env.is(Sabotage::ChannelForgotten);
                self.epochs().into_iter().collect()
            }
        }
    }

    fn epochs(&self) -> BTreeSet<Epoch> {
        let mut epochs = BTreeSet::new();
        for lane in self.desk.lanes() {
            if let Standing::Sending(epoch, _) | Standing::Lettering(epoch) = lane.standing() {
                epochs.insert(epoch);
            }
            epochs.extend(lane.queued().map(|entry| entry.item().epoch));
        }
        epochs
    }

    fn cancel(&mut self, which: &Which, bus: &mut Bus, env: &mut Env) {
        let epochs = self.named(which, env);
        self.let_go.extend(&epochs);
        self.cancelled.extend(&epochs);
        let said = &mut self.said;
        self.desk.cut_off(&epochs, &mut |effect| note(said, effect));
        self.act(bus, env);
        for (sender, it) in self.senders.iter().enumerate() {
            let Sender::Sending(serial, delivery) = it else { continue };
            if self.is_cancelled(delivery) {
                let (serial, pid, arbiter) = (*serial, bus.pid, self.index);
                let wait = env.random.below(500);
                env.after(wait, Event::Cancelled { pid, arbiter, sender, serial });
            }
        }
        self.finish_releases(bus, env);
    }

    fn finish_releases(&mut self, bus: &mut Bus, env: &mut Env) {
        if self.releases.is_empty() {
            return;
        }
        let is_there_more = !bus.batches[self.index].is_empty()
            && !self.closed
            && !env.is(Sabotage::ChannelForgotten);
        let desk = &self.desk;
        let is_done = |release: &mut Release| match &release.which {
            Which::All => desk.sending() == 0 && desk.lanes().next().is_none() && !is_there_more,
            Which::Some(epochs) => desk.under_way(epochs) == 0,
        };
        let done: Vec<_> = self.releases.extract_if(.., is_done).collect();
        if !done.is_empty() && !env.is(Sabotage::ReplyBeforeFlush) {
            self.flush(bus, env);
        }
        for Release { drain, deliver, .. } in done {
            env.counts.stops_that_deliver += u64::from(deliver);
            bus.tell_leader(ToLeader::Released { drain, arbiter: self.index }, env);
        }
    }

    fn flush(&mut self, bus: &mut Bus, env: &mut Env) {
        self.settled_since = None;
        if !self.settled.is_empty() {
            let settled = std::mem::take(&mut self.settled);
            bus.tell_offsets(ToOffsets::Settled(settled), env);
        }
    }

    fn set_timer(&self, bus: &mut Bus, env: &mut Env) {
        let wake = self.desk.next_wake().and_then(|it| u64::try_from(it.0.as_nanos()).ok());
        let flush = self.settled_since.map(|since| since + FLUSH_EVERY);
        let requeue = self.requeue.iter().map(|(due, _)| *due).min();
        // The desk's times are finer than the clock here: a wake that comes early is no wake.
        let wake = wake.map(|nanos| nanos.div_ceil(1_000));
        if let Some(due) = [wake, flush, requeue].into_iter().flatten().min() {
            bus.wake_at(ARBITERS + self.index, due.max(env.now), env);
        }
    }

    /// Gives idle senders what is ready.
    fn hand_out(&mut self, bus: &mut Bus, env: &mut Env) {
        while let Some(&sender) = self.idle.last()
            && let Some(delivery) = self.dispatch(sender, bus, env)
        {
            self.idle.pop();
            let serial = env.serial();
            self.senders[sender] = Sender::Given(serial, delivery);
            let wait = env.hop();
            env.after(wait, Event::Begin { pid: bus.pid, arbiter: self.index, sender, serial });
        }
    }

    fn dispatch(
        &mut self,
        sender: usize,
        bus: &mut Bus,
        env: &mut Env,
    ) -> Option<Delivery<Record>> {
        let (now, random, said) = (env.moment(), env.random.next(), &mut self.said);
        let (ways, cut) = (&env.plan.ways, env.is(Sabotage::FirstRequestSettles));
        let delivery = if ways.are_routed() {
            let step = |entry: &mut Entry<Record>| match ways.step(entry.item(), entry.request()) {
                Step::Send { to, .. } if cut => Step::Send { to, requests: 1 },
                step => step,
            };
            self.desk.dispatch_by(now, random, step, &mut |effect| note(said, effect))
        } else {
            self.desk.dispatch(now)
        };
        self.act(bus, env);
        let delivery = delivery?;
        self.began[sender] = now;
        self.destinations.begins(&delivery, &env.plan.ways, now, &mut env.check);
        if let Some((limit, entry)) = env.plan.ways.rate.zip(delivery.entries().first()) {
            let to = env.plan.ways.destination(entry.item(), entry.request());
            bus.paces.begins(to, limit, env.now, &mut env.check);
        }
        let (sending, limit) = (self.desk.sending(), if self.paused { 0 } else { self.limit });
        if sending > limit {
            env.check.violated("P5", || format!("{sending} deliveries are under way, not {limit}"));
        }
        for entry in delivery.entries() {
            if !self.let_go.contains(&entry.item().epoch) {
                continue;
            }
            // What is between two of its requests is finished.
            env.counts.finished_while_leaving += u64::from(entry.request() > 0);
            if entry.request() == 0 {
                let item = entry.item().clone();
                env.check.violated("P2", || format!("handed out after its stay ended: {item:?}"));
            }
        }
        Some(delivery)
    }

    /// Lanes wait for a destination for a reason.
    fn check_destinations(&self, could: bool, env: &mut Env) {
        for it in self.desk.destinations(env.moment()).filter(|it| it.waiting > 0) {
            env.counts.blocked += 1;
            match it.wait {
                None if could => {
                    env.check.violated("P4", || format!("nobody sends what waits for {it:?}"));
                }
                None => {}
                Some(Wait::Full(_)) => env.counts.held_full += 1,
                Some(Wait::Senders) => env.counts.held_by_senders += 1,
                Some(Wait::Asked(_)) => env.counts.held_asked += 1,
                Some(Wait::Breaker(_) | Wait::Probe) => env.counts.held_by_breaker += 1,
                Some(Wait::Rate(_)) => env.counts.held_by_rate += 1,
            }
        }
    }

    /// What is wrong with the arbiter as it stands after a step.
    fn check(&self, env: &mut Env) {
        let could = self.desk.sending() < self.desk.limit() && !self.idle.is_empty();
        let goes_on = self.desk.next_wake().is_some_and(|due| due <= env.moment());
        let ready = self.desk.counts().ready;
        if could && ready > 0 && !goes_on {
            env.check.violated("P4", || format!("{ready} lanes are ready and nobody sends them"));
        }
        self.check_destinations(could && !goes_on, env);
        if self.settled_since.is_some_and(|since| since + FLUSH_EVERY < env.now) {
            env.check.violated("P3", || "settlements are kept from the ledger".into());
        }
    }
}

/// What it is doing, for the check.
impl Arbiter {
    /// Records that are with the receiver.
    pub fn sent(&self) -> impl Iterator<Item = &Record> {
        let sending = self.senders.iter().filter_map(|it| match it {
            Sender::Sending(_, delivery) => Some(delivery),
            Sender::Idle | Sender::Given(..) | Sender::Holding(_) => None,
        });
        sending.flat_map(Delivery::entries).map(Entry::item)
    }

    /// Records whose dead letters are being written.
    pub fn lettered_now(&self) -> impl Iterator<Item = &Record> {
        self.letters.values().map(Letter::item)
    }

    pub fn is_sending(&self) -> bool {
        self.desk.sending() > 0
    }

    /// Records that are here: queued, under way, or settled and not handed on.
    pub fn records(&self) -> usize {
        let counts = self.desk.counts();
        counts.queued + counts.under_way + self.settled.len() + self.requeue.len()
    }

    pub fn parked(&self) -> usize {
        self.desk.counts().parked
    }
}

fn share(senders: usize, arbiters: usize, index: usize) -> usize {
    (senders / arbiters + usize::from(index < senders % arbiters)).max(1)
}
