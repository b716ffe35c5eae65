//! What goes wrong from outside.

use keyway_actors::core::Offset;

use crate::arbiter::Arbiter;
use crate::broker::Pid;
use crate::env::Env;
use crate::event::Event;
use crate::mail::ToLeader;
use crate::plan::{Fault, MILLIS, SECOND};
use crate::trace::trace;
use crate::world::World;

/// Lets one thing go wrong, of those that this schedule has.
pub fn strike(world: &mut World) {
    let all: u64 = world.env.plan.faults.iter().map(|(_, share)| share).sum();
    if all == 0 || world.env.healed {
        return;
    }
    let mut lot = world.env.random.below(all);
    let chosen = world.env.plan.faults.iter().find(|(_, share)| {
        let is_it = lot < *share;
        lot = lot.saturating_sub(*share);
        is_it
    });
    let Some(&(fault, _)) = chosen else { return };
    trace!(world.env, "fault: {fault:?}");
    let slot = world.env.random.index(world.slots.len());
    let partition = world.env.random.index(world.env.plan.partitions);
    match fault {
        Fault::Crash => crash(world, slot),
        Fault::Stop => {
            let deliver = world.env.random.percent(50);
            on(world, slot, |member, env| {
                member.bus.tell_leader(ToLeader::Stop { deliver }, env);
                if env.random.percent(40) {
                    stop_again(member.pid, env);
                }
            });
        }
        Fault::Rebalance => {
            world.env.group.shuffle(&mut world.env.random);
            world.env.tell();
        }
        Fault::Bounce => bounce(world, partition),
        Fault::Evict => evict(world, slot),
        Fault::Stall => stall(world, slot),
        Fault::BrokerDown => {
            world.env.counts.broker_outages += 1;
            let time = world.env.random.between(100, 4_000) * MILLIS;
            let down = &mut world.env.broker.down_until;
            *down = (*down).max(world.env.now + time);
        }
        Fault::CommitTrouble => {
            let time = world.env.random.between(100, 5_000) * MILLIS;
            world.env.broker.trouble_until = world.env.now + time;
        }
        Fault::Outage => {
            let env = &mut world.env;
            env.endpoint.fail_for(env.now, &mut env.random, &mut env.counts);
        }
        Fault::Resize => {
            world.env.counts.resizes += 1;
            let senders = 1 + world.env.random.index(12);
            on(world, slot, |member, env| member.resize(senders, env));
        }
        Fault::Pause => {
            world.env.counts.pauses += 1;
            on(world, slot, |member, env| {
                member.pause(true, env);
                let wait = env.random.between(50, 3_000) * MILLIS;
                env.after(wait, Event::Resume { pid: member.pid });
            });
        }
        Fault::LettersDown => {
            world.env.counts.letters_outage += 1;
            let time = world.env.random.between(100, 4_000) * MILLIS;
            world.env.broker.letters_down_until = world.env.now + time;
        }
        Fault::Recreate => {
            world.env.counts.recreations += 1;
            world.cut(partition, 0, true);
        }
        Fault::Truncate => truncate(world, partition),
    }
}

fn on(
    world: &mut World,
    slot: usize,
    act: impl FnOnce(&mut crate::member::Member, &mut crate::env::Env),
) {
    let Some(pid) = world.slots[slot] else { return };
    if let Some(member) = world.members[pid].as_deref_mut() {
        act(member, &mut world.env);
    }
}

/// A member that ends already is told to, once or twice.
fn stop_again(pid: Pid, env: &mut Env) {
    for _ in 0..env.random.between(1, 2) {
        let deliver = env.random.percent(25);
        let wait = env.random.below(1_000) * MILLIS;
        env.after(wait, Event::Stop { pid, deliver });
    }
}

/// A member vanishes with all its memory.
fn crash(world: &mut World, slot: usize) {
    let Some(pid) = world.slots[slot].take() else { return };
    let Some(member) = world.members[pid].take() else { return };
    let env = &mut world.env;
    env.counts.crashes += 1;
    let is_sending = member.arbiters.iter().any(Arbiter::is_sending);
    env.counts.crashes_with_requests += u64::from(is_sending);
    trace!(env, "[{pid}] crashes");
    env.check.ended(pid);
    env.after(env.plan.session_timeout, Event::Expire { pid });
    let back = if env.plan.static_members { env.plan.session_timeout } else { 3 * SECOND };
    let wait = env.random.below(back);
    let instead = env.plan.static_members.then_some(pid);
    env.after(wait, Event::Start { slot, instead });
}

/// The group goes on without a member, which hears of it only later.
fn evict(world: &mut World, slot: usize) {
    let Some(pid) = world.slots[slot] else { return };
    let env = &mut world.env;
    if !env.group.is_member(pid) {
        return;
    }
    env.counts.evictions += 1;
    let holds = |partition: &usize| env.group.holder(*partition) == Some(pid);
    let held: Vec<_> = (0..env.plan.partitions).filter(holds).collect();
    if let Some(member) = world.members[pid].as_deref() {
        let mut sent = member.arbiters.iter().flat_map(Arbiter::sent);
        let sends = sent.any(|it| held.contains(&it.partition));
        env.counts.losses_with_requests += u64::from(sends);
    }
    env.group.remove(pid);
    env.tell();
    let wait = env.random.between(10, 3_000) * MILLIS;
    env.after(wait, Event::LearnLost { pid });
}

fn bounce(world: &mut World, partition: usize) {
    let env = &mut world.env;
    env.counts.bounces += 1;
    if let Some(pid) = env.group.holder(partition)
        && let Some(member) = world.members[pid].as_deref()
    {
        let mut sent = member.arbiters.iter().flat_map(Arbiter::sent);
        let sends = sent.any(|it| it.partition == partition);
        env.counts.bounces_with_requests += u64::from(sends);
    }
    env.group.bounce(partition);
    env.tell();
}

/// A thread stands still for a while.
fn stall(world: &mut World, slot: usize) {
    world.env.counts.stalls += 1;
    on(world, slot, |member, env| {
        let part = env.random.index(member.bus.stalled.len());
        member.bus.stalled[part] = env.now + env.random.between(20, 2_500) * MILLIS;
    });
}

/// Cuts off the end of a log: somewhere, or between what is committed and the last that the commit's
/// metadata tells of.
fn truncate(world: &mut World, partition: usize) {
    let env = &mut world.env;
    let end = env.broker.logs[partition].end;
    if end == 0 {
        return;
    }
    env.counts.truncations += 1;
    let base = env.broker.committed[partition].as_ref().map_or(0, |it| it.base);
    let most = if env.random.percent(50) && base + 1 < end { end - base - 1 } else { end };
    let most = u64::try_from(most).unwrap_or(1);
    let back = env.random.between(1, most.min(40));
    world.cut(partition, end - Offset::try_from(back).unwrap_or(1), false);
    // Elections and rebalances come together, so that somebody has only the metadata to go by.
    if world.env.random.percent(50) {
        bounce(world, partition);
    }
    let soon = world.env.random.between(1, 600) * MILLIS;
    world.env.after(soon, Event::Refill { partition });
}
