//! The modelled consumer, as far as the poll thread sees it: the main queue, the partitions' queues,
//! and rebalances that wait for their answer.
//!
//! While a rebalance is unanswered no partition of the member delivers, and what was fetched ahead
//! is thrown away; afterwards they go on where they were.

use std::collections::{BTreeMap, VecDeque};

use keyway_actors::core::Offset;

use crate::broker::{Answer, Stored};
use crate::bus::Bus;
use crate::env::Env;
use crate::event::Event;
use crate::group::Told;

/// What the consumer's callbacks noted while the main queue was polled.
#[derive(Debug)]
pub enum Notice {
    Assign(Vec<usize>),
    Revoke(Vec<usize>),
    Committed(Answer),
}

/// What a partition's queue holds.
#[derive(Clone, Copy, Debug)]
pub enum Fetched {
    Message(Stored),
    /// The log ends here.
    End(Offset),
}

/// Records fetched ahead of the poll thread, at most.
const PREFETCH: usize = 40;

#[derive(Debug)]
pub struct Fetcher {
    slot: usize,
    /// The next offset to be fetched, and the next to be handed to the application.
    position: Offset,
    handed: Offset,
    queue: VecDeque<Fetched>,
    /// The end was told at this offset.
    end_told: Option<Offset>,
    under_way: Option<u64>,
}

impl Fetcher {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[derive(Debug, Default)]
pub struct Client {
    /// What the group told it, in order; one at a time reaches the application.
    told: VecDeque<Told>,
    main: VecDeque<Notice>,
    notices: VecDeque<Notice>,
    /// A rebalance is in the main queue, or was handed over and is not answered.
    rebalancing: bool,
    /// The same, but only once the application was told: no partition delivers.
    silent: bool,
    /// The group went on without it, and it knows.
    pub lost: bool,
    fetchers: BTreeMap<usize, Fetcher>,
}

impl Client {
    /// Notices of the application that it has not looked at.
    pub fn next_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    pub fn holds(&self) -> Vec<usize> {
        self.fetchers.keys().copied().collect()
    }

    pub fn fetcher(&self, partition: usize) -> Option<&Fetcher> {
        self.fetchers.get(&partition)
    }

    pub fn is_silent(&self) -> bool {
        self.silent
    }

    pub fn was_told(&mut self, told: Told, bus: &mut Bus, env: &mut Env) {
        self.told.push_back(told);
        self.pump(bus, env);
    }

    /// It learns that the group went on without it: what it was told before has no meaning.
    pub fn lose(&mut self, bus: &mut Bus, env: &mut Env) {
        self.lost = true;
        self.told.clear();
        let before = self.main.len();
        self.main.retain(|it| matches!(it, Notice::Committed(_)));
        if self.main.len() < before {
            self.rebalancing = false;
        }
        self.pump(bus, env);
    }

    pub fn was_answered(&mut self, answer: Answer, bus: &mut Bus, env: &mut Env) {
        self.main.push_back(Notice::Committed(answer));
        bus.ring_main(env);
    }

    fn pump(&mut self, bus: &mut Bus, env: &mut Env) {
        if self.rebalancing {
            return;
        }
        let notice = if self.lost {
            let held = self.holds();
            if held.is_empty() {
                self.join_again(bus, env);
                return;
            }
            Notice::Revoke(held)
        } else {
            match self.told.pop_front() {
                Some(Told::Assign(partitions)) => Notice::Assign(partitions),
                Some(Told::Revoke(partitions)) => Notice::Revoke(partitions),
                None => return,
            }
        };
        self.rebalancing = true;
        self.main.push_back(notice);
        bus.ring_main(env);
    }

    fn join_again(&mut self, bus: &Bus, env: &mut Env) {
        self.lost = false;
        let wait = 10_000 + env.wire();
        env.after(wait, Event::Join { pid: bus.pid });
    }

    /// Polls the main queue until it is empty.
    pub fn poll_main(&mut self) {
        while let Some(notice) = self.main.pop_front() {
            if !matches!(notice, Notice::Committed(_)) {
                self.silent = true;
                for fetcher in self.fetchers.values_mut() {
                    fetcher.queue.clear();
                    fetcher.position = fetcher.handed;
                    fetcher.end_told = None;
                    fetcher.under_way = None;
                }
            }
            self.notices.push_back(notice);
        }
    }

    /// Answers an assignment; each partition begins at its offset.
    pub fn assign(
        &mut self,
        from: &[(usize, usize, Option<Offset>)],
        bus: &mut Bus,
        env: &mut Env,
    ) {
        for &(partition, slot, committed) in from {
            let log = &env.broker.logs[partition];
            // What is out of range is reset to the earliest.
            let position = committed.filter(|it| *it <= log.end).unwrap_or(0);
            let fetcher = Fetcher {
                slot,
                position,
                handed: position,
                queue: VecDeque::new(),
                end_told: None,
                under_way: None,
            };
            self.fetchers.insert(partition, fetcher);
        }
        self.answered(bus, env);
    }

    pub fn unassign(&mut self, partitions: &[usize], bus: &mut Bus, env: &mut Env) {
        for partition in partitions {
            self.fetchers.remove(partition);
        }
        self.answered(bus, env);
    }

    fn answered(&mut self, bus: &mut Bus, env: &mut Env) {
        self.rebalancing = false;
        self.silent = false;
        for partition in self.holds() {
            self.fetch(partition, bus, env);
        }
        if self.lost && self.fetchers.is_empty() {
            self.join_again(bus, env);
        } else {
            self.pump(bus, env);
        }
    }

    /// Asks for more of a partition, if there may be more and nobody asks already.
    pub fn fetch(&mut self, partition: usize, bus: &Bus, env: &mut Env) {
        let Some(fetcher) = self.fetchers.get_mut(&partition) else { return };
        let end = env.broker.logs[partition].end;
        let is_more =
            fetcher.position < end || (env.plan.ends_known && fetcher.end_told != Some(end));
        if !is_more || fetcher.queue.len() >= PREFETCH || fetcher.under_way.is_some() || self.silent
        {
            return;
        }
        let serial = env.serial();
        fetcher.under_way = Some(serial);
        let wait = env.wire().max(env.broker.down_until.saturating_sub(env.now));
        env.after(wait, Event::Fetch { pid: bus.pid, partition, serial });
    }

    /// A fetch comes back.
    pub fn fetched(&mut self, partition: usize, serial: u64, bus: &mut Bus, env: &mut Env) {
        let silent = self.silent;
        let Some(fetcher) = self.fetchers.get_mut(&partition) else { return };
        if fetcher.under_way != Some(serial) || silent {
            return;
        }
        fetcher.under_way = None;
        let log = &env.broker.logs[partition];
        let was_empty = fetcher.queue.is_empty();
        let many = 1 + env.random.index(PREFETCH - fetcher.queue.len().min(PREFETCH - 1));
        let ahead = log.from(fetcher.position);
        let got = &ahead[..many.min(ahead.len())];
        fetcher.queue.extend(got.iter().map(|it| Fetched::Message(*it)));
        if got.len() == ahead.len() {
            fetcher.position = log.end;
            if env.plan.ends_known && fetcher.end_told != Some(log.end) {
                fetcher.end_told = Some(log.end);
                fetcher.queue.push_back(Fetched::End(log.end));
            }
        } else if let Some(last) = got.last() {
            fetcher.position = last.offset + 1;
        }
        if was_empty && !fetcher.queue.is_empty() {
            let slot = fetcher.slot;
            bus.ring_partition(slot, env);
        }
        self.fetch(partition, bus, env);
    }

    /// The log was cut: what is beyond its end goes on at `from`.
    pub fn was_cut(
        &mut self,
        partition: usize,
        end: Offset,
        from: Offset,
        bus: &Bus,
        env: &mut Env,
    ) {
        if let Some(fetcher) = self.fetchers.get_mut(&partition) {
            fetcher.under_way = None;
            fetcher.end_told = None;
            if fetcher.position > end {
                if fetcher.handed > end {
                    fetcher.handed = from;
                }
                fetcher.position = fetcher.handed;
                fetcher.queue.clear();
            }
        }
        self.fetch(partition, bus, env);
    }

    /// Goes on at another offset.
    pub fn seek(&mut self, partition: usize, offset: Offset, bus: &Bus, env: &mut Env) {
        if let Some(fetcher) = self.fetchers.get_mut(&partition) {
            fetcher.under_way = None;
            fetcher.end_told = None;
            fetcher.queue.clear();
            (fetcher.position, fetcher.handed) = (offset, offset);
        }
        self.fetch(partition, bus, env);
    }

    /// Takes up to `most` out of a partition's queue.
    pub fn take(
        &mut self,
        partition: usize,
        most: usize,
        bus: &Bus,
        env: &mut Env,
    ) -> Vec<Fetched> {
        let silent = self.silent;
        let Some(fetcher) = self.fetchers.get_mut(&partition) else { return Vec::new() };
        if silent {
            return Vec::new();
        }
        let many = most.min(fetcher.queue.len());
        let taken: Vec<_> = fetcher.queue.drain(..many).collect();
        for it in &taken {
            fetcher.handed = match it {
                Fetched::Message(stored) => stored.offset + 1,
                Fetched::End(end) => *end,
            };
        }
        self.fetch(partition, bus, env);
        taken
    }
}
