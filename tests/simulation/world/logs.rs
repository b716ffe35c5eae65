//! What is produced, and what becomes of the logs.

use keyway_actors::core::{LaneId, Offset};

use super::World;
use crate::broker::{Produced, Stored};
use crate::event::Event;
use crate::plan::{OVERHEAD, Ordering};
use crate::random::mix;
use crate::trace::trace;

impl World {
    pub(super) fn go_on_producing(&mut self) {
        let left = self.env.plan.records - self.produced.min(self.env.plan.records);
        if left == 0 {
            return;
        }
        let many = self.env.random.between(1, 10.min(left));
        self.produce(many);
        // Spread over the time of trouble.
        let trouble = self.env.plan.trouble;
        let wait = self.env.random.around(trouble * many / self.env.plan.records.max(1));
        self.env.after(wait, Event::Produce);
    }

    pub(super) fn produce(&mut self, many: u64) {
        let mut touched = Vec::new();
        for _ in 0..many {
            let partition = self.env.random.index(self.env.plan.partitions);
            self.produce_one(partition);
            if !touched.contains(&partition) {
                touched.push(partition);
            }
        }
        self.produced += many;
        for partition in touched {
            self.wake_fetchers(partition);
        }
    }

    pub(super) fn produce_one(&mut self, partition: usize) {
        let env = &mut self.env;
        let (plan, random) = (&env.plan, &mut env.random);
        let log = &mut env.broker.logs[partition];
        let is_first = log.version > 0 && log.records.is_empty();
        if random.percent(plan.gaps) && !is_first {
            env.counts.gaps += 1;
            log.end += i64::try_from(random.between(1, plan.longest_gap)).unwrap_or(1);
        }
        let offset = log.end;
        let key = if plan.zipf {
            // The harmonic series, roughly: half of the records have one of the first few keys.
            plan.keys / random.between(1, plan.keys) - 1
        } else {
            random.below(plan.keys)
        };
        // In a calm schedule two keys are never taken, of which there are not too many, or one
        // partition, however much there is of it.
        let is_chosen = if plan.poison_partition { partition == 0 } else { key < 2 };
        let poisoned = plan.calm && is_chosen && env.produced_poison < plan.poison;
        let key = if plan.calm && key < 2 && !poisoned { 2 + key } else { key };
        env.produced_poison += u64::from(poisoned);
        let lane_of =
            |part: u64, tag: u64| LaneId(mix(mix(partition as u64 + 1) ^ part ^ (tag << 60)));
        let is_null = random.percent(plan.null_keys);
        let own = lane_of(u64::try_from(offset).unwrap_or(0), 1);
        let (lane, ordered) = match plan.ordering {
            Ordering::Partition => (lane_of(0, 2), true),
            Ordering::Unordered => (own, false),
            Ordering::Key if is_null => (own, false),
            Ordering::Key => (lane_of(key, 3), true),
        };
        let size = random.around(plan.record_bytes).min(4 * plan.record_bytes);
        let produced = Produced { key, lane, bytes: OVERHEAD + size, poisoned };
        let at = (partition, offset);
        let id = env.check.produced(at, ordered.then_some(lane), poisoned, env.now);
        env.broker.produced.push(produced);
        log.records.push(Stored { id, offset });
        log.end = offset + 1;
        env.counts.records += 1;
        trace!(env, "produced {partition}@{offset} key {key} poisoned {poisoned}");
    }

    pub fn wake_fetchers(&mut self, partition: usize) {
        for member in self.members.iter_mut().flatten() {
            member.client.fetch(partition, &member.bus, &mut self.env);
        }
    }

    /// The end of a log is cut off, or the whole of it is made again.
    pub fn cut(&mut self, partition: usize, end: Offset, made_again: bool) {
        let log = &mut self.env.broker.logs[partition];
        log.version += 1;
        let keep = log.records.partition_point(|it| it.offset < end);
        let gone: Vec<usize> = log.records.drain(keep..).map(|it| it.id).collect();
        log.end = end;
        trace!(self.env, "log of {partition} cut at {end}, made again: {made_again}");
        if made_again {
            self.env.broker.committed[partition] = None;
        }
        self.env.check.cut(partition, end, &gone, made_again);
        // From where a consumer that was beyond the end goes on: it may find out where the logs
        // parted, or be sent to the earliest.
        let from = if self.env.random.percent(50) { end } else { 0 };
        for member in self.members.iter_mut().flatten() {
            member.client.was_cut(partition, end, from, &member.bus, &mut self.env);
        }
    }
}
