//! The `ConsumerActor` of a member, re-played: leads drains from the source to the sink.

use std::collections::BTreeSet;
use std::time::Duration;

use keyway_actors::core::Epoch;
use keyway_actors::core::stopping::{Manner, Stopping};

use crate::bus::{Bus, LEADER};
use crate::env::Env;
use crate::mail::{Command, ToArbiter, ToLeader, ToOffsets, Which};
use crate::plan::{Micros, SECOND};
use crate::sabotage::Sabotage;
use crate::trace::trace;

const LAST_COMMIT: Micros = 4 * SECOND;
const CANCELLING: Micros = SECOND;

#[derive(Debug, Default)]
pub struct Leader {
    drains: Vec<Drain>,
    /// Once it is told to end.
    stopping: Option<Stopping>,
    /// The deadline, while the poll thread has yet to say that it takes in nothing more.
    intake_until: Option<Micros>,
}

#[derive(Debug)]
struct Drain {
    id: u64,
    /// The stays that are committed in the end.
    epochs: Vec<Epoch>,
    which: Which,
    is_stop: bool,
    stage: Stage,
    /// Arbiters that still have something of it.
    arbiters: BTreeSet<usize>,
    /// Nothing of it was under way any more when its last commit was asked for.
    in_order: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Releasing { until: Micros },
    Cancelling { until: Micros },
    Committing { until: Micros },
}

impl Leader {
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    pub fn step(&mut self, bus: &mut Bus, env: &mut Env) {
        while let Some(message) = bus.to_leader.pop_front() {
            self.handle(message, bus, env);
        }
        self.look_at_intake(bus, env);
        for drain in &mut self.drains {
            drain.look_at_clock(bus, env);
        }
        self.drains.retain_mut(|drain| !drain.is_over(bus, env));
        let due = self.drains.iter().map(|it| match it.stage {
            Stage::Releasing { until }
            | Stage::Cancelling { until }
            | Stage::Committing { until } => until,
        });
        if let Some(due) = due.chain(self.intake_until).min() {
            bus.wake_at(LEADER, due, env);
        }
    }

    fn handle(&mut self, message: ToLeader, bus: &mut Bus, env: &mut Env) {
        match message {
            ToLeader::Revoking(epochs) => self.revoke(epochs, bus, env),
            ToLeader::Lost(epochs) => {
                let_go(&Which::Some(epochs), bus, env);
            }
            ToLeader::Stop { deliver } => self.stop(deliver, bus, env),
            ToLeader::IntakeStopped(epochs) => {
                let Some(stopping) = self.stopping else { return };
                let until = self.intake_until.take().unwrap_or(env.now);
                let deliver = stopping.manner() == Manner::Drain && until > env.now;
                let drain = Drain::begin(epochs, Which::All, deliver, until, bus, env);
                self.drains.push(Drain { is_stop: true, ..drain });
            }
            ToLeader::Released { drain, arbiter } => {
                for it in self.drains.iter_mut().filter(|it| it.id == drain) {
                    it.arbiters.remove(&arbiter);
                    it.look_at_arbiters(bus, env);
                }
            }
            ToLeader::Committed { request, acknowledged } => {
                if bus.waiters.remove(&request) {
                    self.drains.retain(|it| {
                        let is_it = it.id == request;
                        if is_it {
                            it.end(acknowledged, bus, env);
                        }
                        !is_it
                    });
                }
            }
        }
    }

    /// Each time with the same deadline, so that it comes no nearer than it was at first.
    fn stop(&mut self, deliver: bool, bus: &mut Bus, env: &mut Env) {
        let asked = if deliver { Manner::Drain } else { Manner::Stop };
        let (now, deadline) = (env.moment(), Duration::from_micros(env.plan.drain_deadline));
        let Some(before) = self.stopping else {
            self.stopping = Some(Stopping::new(asked, now, deadline));
            self.intake_until = Some(env.now + env.plan.drain_deadline);
            if deliver {
                for arbiter in 0..env.plan.arbiters {
                    bus.tell_arbiter(arbiter, ToArbiter::Pause(false), env);
                }
            } else {
                let_go(&Which::All, bus, env);
            }
            bus.command(Command::StopIntake { deliver }, env);
            return;
        };
        let after = before.asked(asked, now, deadline);
        self.stopping = Some(after);
        match after.manner() {
            manner if manner == before.manner() => {}
            Manner::Drain => {}
            Manner::Stop => {
                env.counts.drains_cut_short += 1;
                bus.command(Command::LetGo, env);
                let_go(&Which::All, bus, env);
                for drain in self.drains.iter_mut().filter(|it| it.is_stop) {
                    if env.is(Sabotage::StopEndsDrain) {
                        drain.arbiters.clear();
                        drain.look_at_arbiters(bus, env);
                    }
                }
            }
            Manner::Cancel => {
                env.counts.stops_cut_short += 1;
                for arbiter in 0..env.plan.arbiters {
                    bus.tell_arbiter(arbiter, ToArbiter::Cancel(Which::All), env);
                }
            }
        }
    }

    /// A poll thread that does not answer keeps nobody from the deadline.
    fn look_at_intake(&mut self, bus: &mut Bus, env: &mut Env) {
        if self.intake_until.is_some_and(|until| until <= env.now) {
            self.intake_until = None;
            env.counts.drains_overdue += 1;
            bus.command(Command::LetGo, env);
            for arbiter in 0..env.plan.arbiters {
                bus.tell_arbiter(arbiter, ToArbiter::Cancel(Which::All), env);
            }
        }
    }

    fn revoke(&mut self, epochs: Vec<Epoch>, bus: &mut Bus, env: &mut Env) {
        if env.is(Sabotage::GiveUpEarly) {
            let give_up =
                Command::GiveUp { epochs: epochs.clone(), in_order: true, acknowledged: false };
            bus.command(give_up, env);
        }
        let until = env.now + env.plan.revoke_deadline;
        let which = Which::Some(epochs.clone());
        self.drains.push(Drain::begin(epochs, which, false, until, bus, env));
    }
}

/// What is queued is let go, and nobody waits for what is under way.
fn let_go(which: &Which, bus: &mut Bus, env: &mut Env) {
    let id = env.serial();
    for arbiter in 0..env.plan.arbiters {
        let release = ToArbiter::Release { drain: id, which: which.clone(), deliver: false };
        bus.tell_arbiter(arbiter, release, env);
    }
}

impl Drain {
    fn begin(
        epochs: Vec<Epoch>,
        which: Which,
        deliver: bool,
        until: Micros,
        bus: &mut Bus,
        env: &mut Env,
    ) -> Self {
        let id = env.serial();
        let arbiters: BTreeSet<usize> = (0..env.plan.arbiters).collect();
        for &arbiter in &arbiters {
            let release = ToArbiter::Release { drain: id, which: which.clone(), deliver };
            bus.tell_arbiter(arbiter, release, env);
        }
        let stage = Stage::Releasing { until };
        Self { id, epochs, which, is_stop: false, stage, arbiters, in_order: false }
    }

    fn look_at_arbiters(&mut self, bus: &mut Bus, env: &mut Env) {
        if self.arbiters.is_empty() && !matches!(self.stage, Stage::Committing { .. }) {
            self.commit(bus, env);
        }
    }

    fn look_at_clock(&mut self, bus: &mut Bus, env: &mut Env) {
        match self.stage {
            Stage::Releasing { until } if until <= env.now => {
                env.counts.drains_overdue += 1;
                trace!(env, "[{}] drain {} is overdue", bus.pid, self.id);
                for arbiter in 0..env.plan.arbiters {
                    bus.tell_arbiter(arbiter, ToArbiter::Cancel(self.which.clone()), env);
                }
                self.stage = Stage::Cancelling { until: env.now + CANCELLING };
            }
            Stage::Cancelling { until } if until <= env.now => self.commit(bus, env),
            _ => {}
        }
    }

    fn commit(&mut self, bus: &mut Bus, env: &mut Env) {
        self.stage = Stage::Committing { until: env.now + LAST_COMMIT };
        self.in_order = self.arbiters.is_empty();
        bus.waiters.insert(self.id);
        let epochs = self.epochs.clone();
        bus.tell_offsets(ToOffsets::CommitNow { request: self.id, epochs }, env);
    }

    /// Whether the last commit took too long; then it ends without.
    fn is_over(&mut self, bus: &mut Bus, env: &mut Env) -> bool {
        let is_over = matches!(self.stage, Stage::Committing { until } if until <= env.now);
        if is_over {
            bus.waiters.remove(&self.id);
            self.end(false, bus, env);
        }
        is_over
    }

    fn end(&self, acknowledged: bool, bus: &mut Bus, env: &mut Env) {
        let in_order = self.in_order;
        env.counts.handed_over_clean += u64::from(in_order && acknowledged);
        trace!(env, "[{}] drain {} ends: {in_order}, {acknowledged}", bus.pid, self.id);
        let command = if self.is_stop {
            Command::Leave { in_order, acknowledged }
        } else {
            Command::GiveUp { epochs: self.epochs.clone(), in_order, acknowledged }
        };
        bus.command(command, env);
    }
}
