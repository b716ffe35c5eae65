//! How the poll thread answers its group, and what it sends to it.

use keyway_actors::core::ledger::Start;
use keyway_actors::core::{Epoch, codec};

use super::{Partition, Poll};
use crate::broker::CommitEntry;
use crate::bus::{Bus, POLL};
use crate::client::Client;
use crate::env::Env;
use crate::event::Said;
use crate::mail::{ToLeader, ToOffsets};
use crate::plan::MILLIS;
use crate::sabotage::Sabotage;
use crate::stay::Stay;
use crate::trace::trace;

impl Poll {
    /// Begins the stays of newly assigned partitions: each resumes where its commit says.
    pub(super) fn answer_assign(&mut self, client: &mut Client, bus: &mut Bus, env: &mut Env) {
        let Some(partitions) = self.unanswered.take() else { return };
        if env.broker.down_until > env.now || (!env.healed && env.random.percent(2)) {
            env.counts.committed_fetch_failed += 1;
            self.unanswered = Some(partitions);
            bus.wake_at(POLL, env.now + 50 * MILLIS, env);
            return;
        }
        let mut from = Vec::new();
        for partition in partitions {
            let slot = self.open(partition, bus, env);
            let committed = env.broker.committed[partition].as_ref().map(|it| it.base);
            from.push((partition, slot, committed));
        }
        bus.partitions = self.partitions.len() as u64;
        env.counts.assigns += 1;
        let partitions: Vec<_> = from.iter().map(|it| it.0).collect();
        trace!(env, "[{}] assigned {partitions:?}", bus.pid);
        client.assign(&from, bus, env);
        env.say(bus.pid, Said::Assigned(partitions));
    }

    fn open(&mut self, partition: usize, bus: &mut Bus, env: &mut Env) -> usize {
        let start = match &env.broker.committed[partition] {
            None => Start::Unknown,
            Some(committed) => {
                let settled = codec::decode(committed.base, &committed.metadata);
                let settled = settled.unwrap_or_default();
                env.counts.resumed_with_metadata += u64::from(!settled.is_empty());
                Start::At { base: committed.base, settled }
            }
        };
        let slot = self.next_slot;
        self.next_slot += 1;
        let epoch = Epoch(self.next_epoch);
        self.next_epoch += 1;
        trace!(env, "[{}] epoch {epoch} of {partition} begins: {start:?}", bus.pid);
        bus.open(epoch, partition, slot);
        let log = &env.broker.logs[partition];
        env.check.opened((bus.pid, epoch), partition, &start, log);
        let start = match start {
            Start::At { base, .. } if env.is(Sabotage::ForgetResumed) => {
                Start::At { base, settled: Vec::new() }
            }
            start => start,
        };
        let stay = Stay::new(epoch, partition, slot, &start, bus);
        self.partitions.insert(slot, Partition { draining: false, stay, former: Vec::new() });
        bus.tell_offsets(ToOffsets::Opened { epoch, partition, start }, env);
        slot
    }

    pub(super) fn revoke(
        &mut self,
        wanted: &[usize],
        client: &mut Client,
        bus: &mut Bus,
        env: &mut Env,
    ) {
        let slots: Vec<usize> = self
            .partitions
            .iter()
            .filter(|(_, it)| wanted.contains(&it.stay.partition))
            .map(|(slot, _)| *slot)
            .collect();
        let epochs: Vec<Epoch> = slots.iter().flat_map(|slot| self.epochs(*slot, bus)).collect();
        self.drop_undelivered(&slots, bus, env);
        trace!(env, "[{}] revoke of {wanted:?}, lost: {}", bus.pid, client.lost);
        if client.lost {
            env.counts.losses += 1;
            bus.lost.extend(epochs.iter().copied());
            bus.tell_offsets(ToOffsets::Closed(epochs.clone()), env);
            bus.tell_leader(ToLeader::Lost(epochs.clone()), env);
            self.give_up(&epochs, client, bus, env);
            return;
        }
        env.counts.revokes += 1;
        for slot in slots {
            if let Some(partition) = self.partitions.get_mut(&slot) {
                partition.draining = true;
            }
        }
        bus.tell_leader(ToLeader::Revoking(epochs), env);
    }

    /// The stays of a partition: the present one, and former ones that still have records here.
    pub(super) fn epochs(&self, slot: usize, bus: &Bus) -> Vec<Epoch> {
        let partition = &self.partitions[&slot];
        let former = partition.former.iter().copied();
        let former = former.filter(|it| bus.stays.contains_key(it) && !self.forgets_former);
        former.chain([partition.stay.epoch]).collect()
    }

    /// Answers a revoke.
    pub(super) fn give_up(
        &mut self,
        epochs: &[Epoch],
        client: &mut Client,
        bus: &mut Bus,
        env: &mut Env,
    ) -> Vec<usize> {
        let mut list = Vec::new();
        self.partitions.retain(|_, partition| {
            let ends = epochs.contains(&partition.stay.epoch);
            if ends {
                list.push(partition.stay.partition);
            }
            !ends
        });
        bus.partitions = self.partitions.len() as u64;
        if list.is_empty() {
            return list;
        }
        trace!(env, "[{}] gives up {list:?}", bus.pid);
        bus.tell_offsets(ToOffsets::Closed(epochs.to_vec()), env);
        client.unassign(&list, bus, env);
        env.say(bus.pid, Said::GivenUp(list.clone()));
        list
    }

    pub(super) fn commit(&mut self, mut entries: Vec<CommitEntry>, bus: &mut Bus, env: &mut Env) {
        if !env.is(Sabotage::CommitEnded) {
            let before = entries.len();
            let is_on = |epoch| self.partitions.values().any(|it| it.stay.epoch == epoch);
            entries.retain(|entry| is_on(entry.epoch));
            env.counts.commits_of_ended_stays += (before - entries.len()) as u64;
        }
        env.counts.commits += 1;
        env.say(bus.pid, Said::Commit(entries));
    }
}
