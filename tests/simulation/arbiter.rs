//! One delivery arbiter of a member, re-played around the real [`Desk`]: the router, what it shares
//! with its senders, and the senders.

use std::collections::{BTreeMap, BTreeSet};

use keyway_actors::core::Epoch;
use keyway_actors::core::desk::{Desk, Effect, Letter, Outcomes};
use keyway_actors::core::lanes::{Delivery, Standing};
use keyway_actors::core::outcome::{Failure, FailureKind, Outcome, Settled};
use keyway_actors::core::retry::{Action, RetryPolicy};

use crate::bus::{ARBITERS, Bus, Last, POLL, Record, Settlement, ToArbiter, ToLeader, ToOffsets, Which};
use crate::endpoint::Asked;
use crate::env::{Env, Event, trace};
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
}

#[derive(Debug)]
pub struct Arbiter {
    index: usize,
    desk: Desk<Record>,
    senders: Vec<Sender>,
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
    /// Records that a sabotaged desk was told to forget, and when they are queued anew.
    requeue: Vec<(Micros, Record)>,
    watch: Watch,
}

impl Arbiter {
    pub fn new(index: usize, env: &Env) -> Self {
        let limit = share(env.plan.senders, env.plan.arbiters, index);
        let mut arbiter = Self {
            index,
            desk: Desk::new(env.plan.policy.clone(), limit, env.plan.batch),
            senders: Vec::new(),
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
        }
    }

    /// Looks at its mail, its intake and its timers.
    pub fn step(&mut self, bus: &mut Bus, env: &mut Env) {
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
        match refused {
            Ok(()) => self.watch.queued(lane, epoch, id),
            Err(_) => {
                env.counts.late_arrivals += 1;
                bus.release(epoch, bytes, env);
            }
        }
    }

    fn give_up(&mut self, which: &Which, bus: &mut Bus, env: &mut Env) {
        let epochs: Vec<Epoch> = match which {
            Which::Some(epochs) => epochs.clone(),
            Which::All => {
                self.closed = !env.is(Sabotage::ChannelForgotten);
                self.epochs().into_iter().collect()
            }
        };
        let said = &mut self.said;
        self.desk.give_up(&epochs, &mut |effect| note(said, effect));
        self.let_go.extend(epochs);
        self.act(bus, env);
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
        self.give_up(which, bus, env);
        for (sender, it) in self.senders.iter().enumerate() {
            let (Sender::Given(serial, delivery) | Sender::Sending(serial, delivery)) = it else {
                continue;
            };
            if delivery.entries().iter().any(|entry| which.has(entry.item().epoch)) {
                let serial = *serial;
                let (pid, arbiter) = (bus.pid, self.index);
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
            Which::All => {
                desk.sending() == 0 && desk.lanes().next().is_none() && !is_there_more
            }
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
    fn hand_out(&mut self, bus: &Bus, env: &mut Env) {
        while let Some(&sender) = self.idle.last()
            && let Some(delivery) = self.dispatch(env)
        {
            self.idle.pop();
            let serial = env.serial();
            self.senders[sender] = Sender::Given(serial, delivery);
            let wait = env.random.below(50);
            env.after(wait, Event::Begin { pid: bus.pid, arbiter: self.index, sender, serial });
        }
    }

    fn dispatch(&mut self, env: &mut Env) -> Option<Delivery<Record>> {
        let delivery = self.desk.dispatch()?;
        for entry in delivery.entries() {
            if self.let_go.contains(&entry.item().epoch) {
                let item = entry.item().clone();
                env.check.violated("P2", || format!("handed out after its stay ended: {item:?}"));
            }
        }
        Some(delivery)
    }

    /// What is wrong with the arbiter as it stands after a step.
    fn check(&self, env: &mut Env) {
        let could = self.desk.sending() < self.desk.limit() && !self.idle.is_empty();
        if could && self.desk.ready() > 0 {
            let ready = self.desk.ready();
            env.check.violated("P4", || format!("{ready} lanes are ready and nobody sends them"));
        }
        if self.settled_since.is_some_and(|since| since + FLUSH_EVERY < env.now) {
            env.check.violated("P3", || "settlements are kept from the ledger".into());
        }
    }
}

/// Senders.
impl Arbiter {
    pub fn begin(&mut self, sender: usize, serial: u64, bus: &mut Bus, env: &mut Env) {
        match std::mem::replace(&mut self.senders[sender], Sender::Idle) {
            Sender::Given(given, delivery) if given == serial => {
                self.send(sender, serial, delivery, bus, env);
            }
            Sender::Holding(held) if held == serial => {
                self.idle.push(sender);
                self.hand_out(bus, env);
            }
            other => self.senders[sender] = other,
        }
    }

    fn send(
        &mut self,
        sender: usize,
        serial: u64,
        mut delivery: Delivery<Record>,
        bus: &mut Bus,
        env: &mut Env,
    ) {
        let asked: Vec<Asked> = delivery.entries().iter().map(|entry| asked(entry.item())).collect();
        let mut lane = None;
        for entry in delivery.entries_mut() {
            let attempts = entry.attempts();
            let item = entry.item_mut();
            if attempts != item.tries {
                let item = item.clone();
                env.check.violated("P2", || format!("attempts are {attempts}, not {item:?}"));
            }
            item.tries += 1;
            trace!(env, "[{}] sends {}@{} key {} try {} epoch {}", bus.pid, item.partition,
                item.offset, item.key, item.tries, item.epoch);
            if bus.over.contains(&item.epoch) {
                let item = item.clone();
                env.check.violated("P2", || format!("sent after it was given up: {item:?}"));
            }
            let is_first = lane.replace(item.lane) != Some(item.lane);
            env.check.request(bus.pid, item.epoch, item.id, is_first);
            if env.is(Sabotage::SettleOnSend) && !item.settled_early {
                item.settled_early = true;
                let (epoch, offset, bytes) = (item.epoch, item.offset, item.bytes);
                self.settled.push(Settlement { epoch, offset, bytes });
                self.settled_since.get_or_insert(env.now);
            }
        }
        self.watch.begins(delivery.entries(), &mut env.check);
        let at = (env.now, env.healed);
        let course = env.endpoint.course(&asked, at, &env.plan, &mut env.random, &mut env.counts);
        self.senders[sender] = Sender::Sending(serial, delivery);
        let (pid, arbiter) = (bus.pid, self.index);
        let outcomes = course.outcomes;
        env.after(course.takes, Event::End { pid, arbiter, sender, serial, outcomes });
    }

    pub fn end(
        &mut self,
        sender: usize,
        serial: u64,
        outcomes: Outcomes,
        bus: &mut Bus,
        env: &mut Env,
    ) {
        let Some(mut delivery) = self.take(sender, serial) else { return };
        let mut outcomes = outcomes;
        self.note_outcomes(&mut delivery, &mut outcomes, bus, env);
        self.watch.ended(delivery.entries());
        let random = env.random.next();
        let said = &mut self.said;
        self.desk.conclude(delivery, outcomes, env.moment(), random, &mut |it| note(said, it));
        if env.is(Sabotage::RetryHoldsSender)
            && let Some(due) = self.desk.next_wake()
        {
            let serial = env.serial();
            self.senders[sender] = Sender::Holding(serial);
            let at = u64::try_from(due.0.as_micros()).unwrap_or(u64::MAX);
            env.at(at, Event::Begin { pid: bus.pid, arbiter: self.index, sender, serial });
            self.act(bus, env);
            bus.ring(ARBITERS + self.index, env);
            return;
        }
        self.after_delivery(sender, bus, env);
    }

    pub fn cancelled(&mut self, sender: usize, serial: u64, bus: &mut Bus, env: &mut Env) {
        let delivery = match std::mem::replace(&mut self.senders[sender], Sender::Idle) {
            Sender::Sending(sent, delivery) if sent == serial => delivery,
            Sender::Given(given, mut delivery) if given == serial => {
                // It counts as an attempt although it was none.
                delivery.entries_mut().iter_mut().for_each(|it| it.item_mut().tries += 1);
                delivery
            }
            other => {
                self.senders[sender] = other;
                return;
            }
        };
        env.counts.cancelled += 1;
        self.watch.ended(delivery.entries());
        let said = &mut self.said;
        self.desk.abandon(delivery, env.moment(), &mut |effect| note(said, effect));
        self.after_delivery(sender, bus, env);
    }

    fn take(&mut self, sender: usize, serial: u64) -> Option<Delivery<Record>> {
        match std::mem::replace(&mut self.senders[sender], Sender::Idle) {
            Sender::Sending(sent, delivery) if sent == serial => Some(delivery),
            other => {
                self.senders[sender] = other;
                None
            }
        }
    }

    /// The outcome is final where the receiver said so, whatever the desk makes of it.
    fn note_outcomes(
        &mut self,
        delivery: &mut Delivery<Record>,
        outcomes: &mut Outcomes,
        bus: &Bus,
        env: &mut Env,
    ) {
        let is_cut = env.is(Sabotage::FreeLaneEarly) || env.is(Sabotage::DropRetry);
        let mut each: Vec<Outcome> = match outcomes {
            Outcomes::All(outcome) => vec![outcome.clone(); delivery.entries().len()],
            Outcomes::Each(each) => each.clone(),
        };
        for (entry, outcome) in delivery.entries_mut().iter_mut().zip(&mut each) {
            let item = entry.item_mut();
            item.last = match outcome {
                Outcome::Delivered => Last::Delivered,
                Outcome::Retry { .. } => Last::Failed,
                Outcome::Rejected(_) => Last::Rejected,
            };
            trace!(env, "[{}] {}@{} epoch {}: {:?}", bus.pid, item.partition, item.offset,
                item.epoch, item.last);
            if item.last == Last::Delivered {
                env.counts.delivered += 1;
                env.check.finished((bus.pid, item.epoch), item.id, Settled::Delivered);
            } else if is_cut {
                *outcome = Outcome::Delivered;
            }
        }
        if is_cut {
            *outcomes = Outcomes::Each(each);
        }
    }

    fn after_delivery(&mut self, sender: usize, bus: &mut Bus, env: &mut Env) {
        self.act(bus, env);
        let many = env.plan.intake.records / env.plan.arbiters as u64 / 16;
        let bytes: u64 = self.settled.iter().map(|it| it.bytes).sum();
        if self.settled.len() as u64 >= many.clamp(1, 512)
            || bytes >= env.plan.intake.bytes / env.plan.arbiters as u64 / 16
        {
            self.flush(bus, env);
        }
        self.finish_releases(bus, env);
        match self.dispatch(env) {
            Some(next) => {
                let serial = env.serial();
                self.send(sender, serial, next, bus, env);
            }
            None => self.idle.push(sender),
        }
        // With batches, what one delivery kept closed can be more than its sender takes next.
        self.hand_out(bus, env);
        bus.ring(ARBITERS + self.index, env);
    }

    fn lettered(&mut self, serial: u64, written: bool, bus: &mut Bus, env: &mut Env) {
        let Some(letter) = self.letters.remove(&serial) else { return };
        let refused = || Err(Failure::new(FailureKind::Other, "the broker is away"));
        let result = if written || env.is(Sabotage::LetterUnasked) { Ok(()) } else { refused() };
        let random = env.random.next();
        let said = &mut self.said;
        self.desk.dead_letter_done(letter, result, env.moment(), random, &mut |it| note(said, it));
        self.act(bus, env);
        self.finish_releases(bus, env);
    }
}

/// What follows from what the desk said.
impl Arbiter {
    fn act(&mut self, bus: &mut Bus, env: &mut Env) {
        for said in std::mem::take(&mut self.said) {
            match said {
                Said::Settled(record, how) => self.settle(record, how, bus, env),
                Said::Letter(letter) => self.letter(letter, bus, env),
                Said::Returned(record) => {
                    self.watch.left(&record);
                    if !record.settled_early {
                        bus.release(record.epoch, record.bytes, env);
                    }
                }
                Said::Stop => {
                    env.counts.stops_by_policy += 1;
                    bus.tell_leader(ToLeader::Stop { deliver: false }, env);
                }
            }
        }
    }

    fn settle(&mut self, record: Record, how: Settled, bus: &mut Bus, env: &mut Env) {
        self.watch.left(&record);
        if record.last != Last::Delivered && how == Settled::Delivered {
            self.forget(record, bus, env);
            return;
        }
        if how == Settled::Dropped {
            env.counts.dropped += 1;
            if !may_end(&record, Action::Drop, &env.plan.policy) {
                env.check.violated("P1", || format!("dropped without a reason: {record:?}"));
            }
            env.check.finished((bus.pid, record.epoch), record.id, how);
        }
        env.counts.dead_lettered += u64::from(how == Settled::DeadLettered);
        if !record.settled_early {
            let (epoch, offset, bytes) = (record.epoch, record.offset, record.bytes);
            self.settled.push(Settlement { epoch, offset, bytes });
            self.settled_since.get_or_insert(env.now);
        }
    }

    /// The desk takes a record for delivered that is not: so it was told, or it is wrong.
    fn forget(&mut self, record: Record, bus: &mut Bus, env: &mut Env) {
        if env.is(Sabotage::FreeLaneEarly) {
            let wait = env.random.between(1, 200) * MILLIS;
            self.requeue.push((env.now + wait, record));
        } else if env.is(Sabotage::DropRetry) {
            bus.release(record.epoch, record.bytes, env);
        } else {
            env.check.violated("P1", || format!("settled and not delivered: {record:?}"));
        }
    }

    fn requeue(&mut self, bus: &mut Bus, env: &mut Env) {
        let now = env.now;
        let due: Vec<_> = self.requeue.extract_if(.., |(due, _)| *due <= now).collect();
        for (_, record) in due {
            self.accept(Record { tries: 0, ..record }, bus, env);
            self.hand_out(bus, env);
        }
    }

    fn letter(&mut self, letter: Letter<Record>, bus: &mut Bus, env: &mut Env) {
        let item = letter.item();
        if !may_end(item, Action::DeadLetter, &env.plan.policy) {
            let item = item.clone();
            env.check.violated("P1", || format!("dead-lettered without a reason: {item:?}"));
        }
        env.counts.letters += 1;
        let down = env.broker.letters_down_until > env.now || env.broker.down_until > env.now;
        let written = env.healed || !(down || env.random.percent(5));
        let serial = env.serial();
        if written {
            // The broker has it, whether or not anybody lives to hear so.
            env.check.finished((bus.pid, item.epoch), item.id, Settled::DeadLettered);
        } else {
            env.counts.letters_refused += 1;
        }
        self.letters.insert(serial, letter);
        let wait = env.wire();
        env.after(wait, Event::Letter { pid: bus.pid, arbiter: self.index, serial, written });
    }

    /// Records that are with the receiver.
    pub fn sent(&self) -> impl Iterator<Item = &Record> {
        let sending = self.senders.iter().filter_map(|it| match it {
            Sender::Sending(_, delivery) => Some(delivery),
            Sender::Idle | Sender::Given(..) | Sender::Holding(_) => None,
        });
        sending.flat_map(Delivery::entries).map(|entry| entry.item())
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

fn asked(item: &Record) -> Asked {
    Asked { key: item.key, poisoned: item.poisoned }
}

/// Whether a record may be given up in this way.
fn may_end(record: &Record, action: Action, policy: &RetryPolicy) -> bool {
    let exhausted = policy.max_attempts > 0 && record.tries >= policy.max_attempts;
    (record.last == Last::Rejected && policy.on_rejected == action)
        || (record.last == Last::Failed && exhausted && policy.on_exhausted == action)
}

fn note(said: &mut Vec<Said>, effect: Effect<'_, Record>) {
    match effect {
        Effect::Settled { item, how, .. } => said.push(Said::Settled(item, how)),
        Effect::DeadLetter(letter) => said.push(Said::Letter(letter)),
        Effect::Returned { item } => said.push(Said::Returned(item)),
        Effect::Stop { .. } => said.push(Said::Stop),
        Effect::Retry { .. } | Effect::LetterWaits { .. } => {}
    }
}

fn share(senders: usize, arbiters: usize, index: usize) -> usize {
    (senders / arbiters + usize::from(index < senders % arbiters)).max(1)
}
