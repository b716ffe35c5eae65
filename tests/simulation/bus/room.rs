//! How much a member holds, and who is woken when there is room again.

use keyway_actors::core::intake::{Rest, Usage};
use keyway_actors::core::{Epoch, Offset};

use super::{Assignment, Bus, POLL, Taken};
use crate::env::Env;
use crate::sabotage::Sabotage;

impl Bus {
    pub fn stay(&self, epoch: Epoch) -> &Assignment {
        let Some(stay) = self.stays.get(&epoch) else { unreachable!("kept while referred to") };
        stay
    }

    pub fn stay_mut(&mut self, epoch: Epoch) -> &mut Assignment {
        let Some(stay) = self.stays.get_mut(&epoch) else { unreachable!("kept while referred to") };
        stay
    }

    pub fn open(&mut self, epoch: Epoch, partition: usize, slot: usize) {
        let stay = Assignment {
            partition,
            slot,
            held: Usage::default(),
            resting: None,
            woken: false,
            base: None,
            next: None,
            taken: Vec::new(),
            ended: false,
        };
        self.stays.insert(epoch, stay);
    }

    pub fn hold(&mut self, epoch: Epoch, bytes: u64) {
        let add = |held: &mut Usage| {
            held.records += 1;
            held.bytes += bytes;
        };
        add(&mut self.held);
        add(&mut self.stay_mut(epoch).held);
    }

    /// A record's share of the budget goes back.
    pub fn release(&mut self, epoch: Epoch, bytes: u64, env: &mut Env) {
        let remove = |held: &mut Usage| {
            held.records -= 1;
            held.bytes -= bytes;
        };
        remove(&mut self.held);
        let stay = self.stay_mut(epoch);
        remove(&mut stay.held);
        let is_over = stay.ended && stay.held.records == 0;
        self.wake_if_room(epoch, env);
        if self.starving && self.intake.has_slack(self.held) && !env.is(Sabotage::NeverWake) {
            self.starving = false;
            self.bell.room = true;
            self.ring(POLL, env);
        }
        if is_over {
            self.stays.remove(&epoch);
        }
    }

    pub fn set_base(&mut self, epoch: Epoch, base: Offset, env: &mut Env) {
        if self.stay_mut(epoch).base.replace(base) != Some(base) {
            self.wake_if_room(epoch, env);
        }
    }

    /// Wakes a partition; false if it does not rest, or if somebody else has.
    pub fn unrest(&mut self, epoch: Epoch) -> bool {
        let stay = self.stay_mut(epoch);
        let rests = stay.resting.is_some();
        rests && !std::mem::replace(&mut stay.woken, true)
    }

    pub fn end(&mut self, epoch: Epoch) {
        if let Some(stay) = self.stays.get_mut(&epoch) {
            stay.ended = true;
            if stay.held.records == 0 {
                self.stays.remove(&epoch);
            }
        }
    }

    fn wake_if_room(&mut self, epoch: Epoch, env: &mut Env) {
        let stay = self.stay(epoch);
        let by_room = || self.intake.wakes(self.partitions, self.held, stay.held, stay.position());
        let wakes = match stay.resting {
            _ if stay.woken => false,
            None => false,
            // Each record that is settled may be the one that lets the next in, which the poll thread
            // sees: what it has already taken in needs no room in the buffer.
            Some(Rest::Span) => !env.is(Sabotage::StashWakesByRoom) || by_room(),
            Some(Rest::Buffer) => by_room(),
        };
        let slot = stay.slot;
        if wakes && !env.is(Sabotage::NeverWake) && self.unrest(epoch) {
            self.ring_partition(slot, env);
        }
    }

    /// Tells the ledger what was taken in since the last time.
    pub fn note_taken(&mut self, epoch: Epoch, new: Vec<Taken>, env: &Env) {
        let taken = &mut self.stay_mut(epoch).taken;
        for step in new {
            match (taken.last_mut(), step) {
                (Some(Taken::Run(last)), Taken::Run(run)) if last.end == run.start => {
                    last.end = run.end;
                }
                (_, step) => taken.push(step),
            }
        }
        if env.is(Sabotage::EndComesLate) {
            taken.sort_by_key(|step| !matches!(step, Taken::Run(_)));
        }
    }
}
