//! One schedule: what happens, one thing after the other, until everything is final and everybody
//! has left.

mod hearing;
mod logs;

use crate::broker::Pid;
use crate::check::Violation;
use crate::counts::Counts;
use crate::env::Env;
use crate::event::Event;
use crate::faults;
use crate::mail::{ToArbiter, ToLeader};
use crate::member::Member;
use crate::plan::{MILLIS, Micros, PROMPT, Plan, SECOND};
use crate::sabotage::Sabotage;
use crate::trace::{Trace, trace};

pub struct World {
    pub env: Env,
    /// By process; none: it is gone.
    pub members: Vec<Option<Box<Member>>>,
    /// The process that runs in each slot, if any does.
    pub slots: Vec<Option<Pid>>,
    produced: u64,
    healed_at: Micros,
    closing_since: Option<Micros>,
}

/// How a schedule went.
pub struct Outcome {
    pub violation: Option<Violation>,
    pub counts: Counts,
    pub trace: Trace,
}

/// How long everybody may take to leave when nothing is left to do.
const CLOSING: Micros = 60 * SECOND;

pub fn run(seed: u64, sabotage: Option<Sabotage>, trace: Trace) -> Outcome {
    let plan = Plan::of(seed);
    let mut env = Env::new(plan, sabotage, trace);
    trace!(env, "{:?}", env.plan);
    let slots = env.plan.members;
    let mut world = World {
        env,
        members: Vec::new(),
        slots: vec![None; slots],
        produced: 0,
        healed_at: 0,
        closing_since: None,
    };
    world.set_up();
    while world.env.check.violation.is_none()
        && let Some(event) = world.env.advance()
    {
        world.env.counts.steps += 1;
        world.happens(event);
        if world.is_over() {
            break;
        }
    }
    let mut env = world.env;
    env.counts.schedules += 1;
    env.counts.calm_schedules += u64::from(env.plan.calm);
    env.counts.routed += u64::from(env.plan.ways.are_routed());
    env.counts.excused += env.check.excused;
    env.counts.sent_again += env.check.sent_again;
    env.counts.eager_rounds += env.group.rounds;
    Outcome { violation: env.check.violation, counts: env.counts, trace: env.trace }
}

impl World {
    fn set_up(&mut self) {
        let backlog = self.env.plan.backlog;
        self.produce(backlog);
        for slot in 0..self.slots.len() {
            let after = self.env.random.below(500 * MILLIS);
            self.env.after(after, Event::Start { slot, instead: None });
        }
        self.env.after(2 * SECOND, Event::Produce);
        let first = self.env.random.below(2 * SECOND);
        self.env.after(first, Event::Fault);
        self.env.after(2 * SECOND + self.env.plan.trouble, Event::Heal);
        self.env.after(SECOND / 2, Event::Look);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Produce => self.go_on_producing(),
            Event::Refill { partition } => {
                for _ in 0..self.env.random.between(1, 15) {
                    self.produce_one(partition);
                }
                self.wake_fetchers(partition);
            }
            Event::Fault => {
                faults::strike(self);
                if !self.env.healed {
                    let wait = self.env.random.around(self.env.plan.fault_every);
                    self.env.after(wait, Event::Fault);
                }
            }
            Event::Heal => self.heal(),
            Event::Look => self.look(),
            Event::Start { slot, instead } => self.start(slot, instead),
            Event::Expire { pid } => {
                self.env.group.remove(pid);
                self.env.tell();
            }
            Event::Arrives { pid, session, said } => self.arrives(pid, session, said),
            Event::Step { pid, .. }
            | Event::Fetch { pid, .. }
            | Event::Begin { pid, .. }
            | Event::End { pid, .. }
            | Event::Cancelled { pid, .. }
            | Event::Letter { pid, .. }
            | Event::Stop { pid, .. }
            | Event::CommitTick { pid }
            | Event::CommitAnswered { pid, .. }
            | Event::Told { pid, .. }
            | Event::LearnLost { pid }
            | Event::Join { pid }
            | Event::Resume { pid } => self.happens_to(pid, event),
        }
    }

    /// Something happens to a process, if it is still there.
    fn happens_to(&mut self, pid: Pid, event: Event) {
        let Some(mut member) = self.members[pid].take() else { return };
        let (it, env) = (&mut *member, &mut self.env);
        match event {
            Event::Step { part, serial, .. } => {
                if it.bus.takes_step(part, serial, env) {
                    it.step(part, env);
                    it.check_room(env);
                }
            }
            Event::Fetch { partition, serial, .. } => {
                it.client.fetched(partition, serial, &mut it.bus, env);
            }
            Event::Begin { arbiter, sender, serial, .. } => {
                it.arbiters[arbiter].begin(sender, serial, &mut it.bus, env);
            }
            Event::End { arbiter, sender, serial, outcomes, .. } => {
                it.arbiters[arbiter].end(sender, serial, outcomes, &mut it.bus, env);
            }
            Event::Cancelled { arbiter, sender, serial, .. } => {
                it.arbiters[arbiter].cancelled(sender, serial, &mut it.bus, env);
            }
            Event::Letter { arbiter, serial, written, .. } => {
                let lettered = ToArbiter::Lettered { serial, written };
                it.bus.tell_arbiter(arbiter, lettered, env);
            }
            Event::Stop { deliver, .. } => {
                it.bus.tell_leader(ToLeader::Stop { deliver }, env);
            }
            Event::CommitTick { .. } => {
                it.tick(env);
                env.after(env.plan.commit_interval, Event::CommitTick { pid });
            }
            Event::CommitAnswered { answer, .. } => {
                it.client.was_answered(answer, &mut it.bus, env);
            }
            Event::Told { session, told, .. } => {
                if session == env.session(pid) {
                    it.client.was_told(told, &mut it.bus, env);
                }
            }
            Event::LearnLost { .. } => {
                env.end_session(pid);
                it.client.lose(&mut it.bus, env);
            }
            Event::Join { .. } => {
                // Whatever it said before it was a member was not said by one.
                env.end_session(pid);
                env.group.join(pid);
                env.tell();
            }
            Event::Resume { .. } => it.pause(false, env),
            _ => unreachable!("what does not happen to a process is handled before"),
        }
        if it.has_left() {
            self.left(pid);
        } else {
            self.members[pid] = Some(member);
        }
    }

    /// A process ended in order.
    fn left(&mut self, pid: Pid) {
        trace!(self.env, "[{pid}] has left");
        self.env.counts.clean_stops += 1;
        self.env.check.ended(pid);
        self.env.group.remove(pid);
        self.env.tell();
        if let Some(slot) = self.slots.iter().position(|it| *it == Some(pid)) {
            self.slots[slot] = None;
            if self.closing_since.is_none() {
                let wait = self.env.random.below(2 * SECOND);
                self.env.after(wait, Event::Start { slot, instead: None });
            }
        }
    }

    /// A process starts; `instead`: with the static membership of the one before it.
    fn start(&mut self, slot: usize, instead: Option<Pid>) {
        if self.slots[slot].is_some() || self.closing_since.is_some() {
            return;
        }
        let pid = self.members.len();
        trace!(self.env, "[{pid}] starts in slot {slot}, instead of {instead:?}");
        self.slots[slot] = Some(pid);
        let member = Member::new(pid, &mut self.env);
        self.members.push(Some(Box::new(member)));
        let tick = self.env.random.below(self.env.plan.commit_interval);
        self.env.after(tick, Event::CommitTick { pid });
        match instead {
            Some(old) if self.env.group.is_member(old) => {
                self.env.counts.static_restarts += 1;
                self.env.group.replace(old, pid);
                self.env.tell();
            }
            _ => {
                let wait = self.env.wire();
                self.env.after(wait, Event::Join { pid });
            }
        }
    }

    /// Everything that went wrong is right again, but for a broker that is away: it comes back when it
    /// does. Nothing more goes wrong.
    fn heal(&mut self) {
        trace!(self.env, "everything heals");
        self.env.healed = true;
        self.healed_at = self.env.now;
        self.env.endpoint.heal();
        let broker = &mut self.env.broker;
        (broker.trouble_until, broker.letters_down_until) = (0, 0);
        for member in self.members.iter_mut().flatten() {
            let now = self.env.now;
            member.bus.stalled.iter_mut().for_each(|until| *until = (*until).min(now));
            member.pause(false, &mut self.env);
        }
    }
}

/// The end.
impl World {
    fn look(&mut self) {
        for member in self.members.iter_mut().flatten() {
            member.look(&mut self.env);
        }
        let env = &mut self.env;
        if env.plan.calm && !env.healed {
            let late =
                env.check.open().find(|(_, it)| !it.poisoned && it.produced + PROMPT < env.now);
            if let Some((_, late)) = late {
                let late = late.clone();
                env.check.violated("P4", || format!("waits for others: {late:?}"));
            }
        }
        env.after(SECOND / 2, Event::Look);
        if !env.healed {
            return;
        }
        if env.now > self.healed_at + env.plan.patience() {
            let open: Vec<_> = env.check.open().map(|(_, it)| it.clone()).take(3).collect();
            env.check.violated("P1", || format!("still not final: {open:?}"));
        }
        self.close_if_quiet();
    }

    /// Once everything is final and committed, everybody is stopped: nothing may be sent then.
    fn close_if_quiet(&mut self) {
        let env = &mut self.env;
        if let Some(since) = self.closing_since {
            if env.now > since + CLOSING {
                env.check.violated("P6", || "does not stop".into());
            }
            return;
        }
        let quiet_for = 8 * SECOND + 2 * env.plan.commit_interval;
        let all_up = self.slots.iter().all(Option::is_some);
        let is_quiet = self.members.iter().flatten().all(|it| it.is_quiet() && !it.is_stopping());
        if env.check.open().next().is_some()
            || self.produced < env.plan.records
            || env.now < self.healed_at + quiet_for
            || !all_up
            || !is_quiet
        {
            return;
        }
        self.closing_since = Some(env.now);
        env.check.close(&env.broker.logs);
        trace!(env, "everybody is stopped");
        for member in self.members.iter_mut().flatten() {
            let deliver = env.random.percent(50);
            member.bus.tell_leader(ToLeader::Stop { deliver }, env);
        }
    }

    fn is_over(&mut self) -> bool {
        let is_over = self.closing_since.is_some() && self.members.iter().all(Option::is_none);
        if is_over {
            self.env.check.over(&self.env.broker.logs);
        }
        is_over
    }
}
