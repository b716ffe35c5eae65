//! Random histories of items that take several requests: what is sent, what is given up meanwhile, and
//! that all of them leave.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::routes::{Routed, Way, at_most, retry};
use super::*;

const WAYS: [Way; 9] = ["a", "b", "ab", "ba", "abc", "aa", "cabc", "-", "!"];

#[derive(Clone, Copy, Debug)]
enum Op {
    Accept(u64, Way),
    Send,
    End(usize, u8),
    Wake,
    /// The present epoch is given up, and another begins.
    GiveUp,
    /// One of the epochs that were given up is cut off.
    CutOff(u64),
    /// The desk rests, or no longer.
    Rest(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..6_u64, prop::sample::select(&WAYS[..])).prop_map(|(lane, way)| Op::Accept(lane, way)),
        8 => Just(Op::Send),
        8 => (0..20_usize, 0..10_u8).prop_map(|(which, how)| Op::End(which, how)),
        4 => Just(Op::Wake),
        2 => Just(Op::GiveUp),
        1 => any::<u64>().prop_map(Op::CutOff),
        1 => any::<bool>().prop_map(Op::Rest),
    ]
}

/// What is known of an item from what goes in and comes out.
struct Known {
    lane: u64,
    epoch: u64,
    delivered: u16,
    failing: bool,
    is_here: bool,
}

struct World {
    it: Routed,
    most: usize,
    limit: usize,
    rests: bool,
    epoch: u64,
    cut_off: BTreeSet<u64>,
    items: Vec<Known>,
    out: Vec<(Delivery<Rec>, usize, char)>,
}

impl World {
    fn step(&mut self, op: Op) {
        match op {
            Op::Accept(lane, way) => {
                let (number, epoch) = (self.items.len(), self.epoch);
                self.it.ways.push(way);
                let known = Known { lane, epoch, delivered: 0, failing: false, is_here: true };
                self.items.push(known);
                assert_eq!(self.it.desk.accept(Rec { number, lane, epoch }), Ok(()));
            }
            Op::Send => self.send(),
            Op::End(which, how) => self.end(which, how),
            Op::Wake => self.it.wakes(),
            Op::GiveUp => {
                let mut tell = tell(&mut self.it.told, &mut self.it.letters);
                self.it.desk.give_up(&[Epoch(self.epoch)], &mut tell);
                self.epoch += 1;
            }
            Op::CutOff(which) => {
                let Some(epoch) = which.checked_rem(self.epoch) else { return };
                self.cut_off.insert(epoch);
                let mut tell = tell(&mut self.it.told, &mut self.it.letters);
                self.it.desk.cut_off(&[Epoch(epoch)], &mut tell);
            }
            Op::Rest(rests) => {
                self.rests = rests;
                self.it.desk.set_limit(if rests { 0 } else { self.limit });
            }
        }
        self.listen();
    }

    /// Of a lane one at a time, of an item one request after the other, no more at a destination than
    /// it may have, and nothing of what is cut off.
    fn send(&mut self) {
        let Some((delivery, number, to)) = self.it.send() else { return };
        let item = &self.items[number];
        assert_eq!(delivery.entries()[0].request(), item.delivered);
        assert!(!self.cut_off.contains(&item.epoch), "sent after it was cut off");
        assert!(item.epoch == self.epoch || item.delivered > 0, "begun after it was given up");
        assert!(self.out.iter().filter(|(_, _, other)| *other == to).count() < self.most);
        assert!(self.out.iter().all(|(_, other, _)| self.items[*other].lane != item.lane));
        assert!(!self.rests && self.out.len() < self.limit);
        self.out.push((delivery, number, to));
    }

    fn end(&mut self, which: usize, how: u8) {
        let Some(which) = which.checked_rem(self.out.len()) else { return };
        let (delivery, number, _) = self.out.swap_remove(which);
        let mut tell = tell(&mut self.it.told, &mut self.it.letters);
        self.items[number].failing = how > 5;
        let outcome = match how {
            0..=5 => {
                self.items[number].delivered += 1;
                Outcome::Delivered
            }
            6 | 7 => retry(),
            8 => Outcome::rejected(failure()),
            _ => return self.it.desk.abandon(delivery, self.it.now, &mut tell),
        };
        self.it.desk.conclude(delivery, outcome, self.it.now, u64::MAX, &mut tell);
    }

    /// What leaves does so once; what is begun and well is returned only where nothing of it may
    /// begin.
    fn listen(&mut self) {
        for told in std::mem::take(&mut self.it.told) {
            let (Told::Settled(number, ..) | Told::Returned(number)) = told else { continue };
            let item = &mut self.items[number];
            assert!(std::mem::replace(&mut item.is_here, false), "it leaves once");
            let between = item.delivered > 0 && !item.failing;
            let is_returned = matches!(told, Told::Returned(_));
            let may = self.rests || self.cut_off.contains(&item.epoch);
            assert!(!(is_returned && between) || may, "{number} was between two requests");
        }
        let mut here: BTreeMap<u64, usize> = BTreeMap::new();
        for item in self.items.iter().filter(|item| item.is_here) {
            *here.entry(item.epoch).or_default() += 1;
        }
        for epoch in 0..self.epoch {
            let here = here.get(&epoch).copied().unwrap_or(0);
            assert_eq!(self.it.desk.under_way(&[Epoch(epoch)]), here, "of epoch {epoch}");
        }
    }
}

proptest! {
    #[test]
    fn requests_keep_their_order_and_all_of_them_end(
        ops in prop::collection::vec(op(), 0..200), most in 1..3_u32, limit in 1..6_usize,
    ) {
        let mut world = World {
            it: Routed::new(at_most(most), limit, &[]),
            most: most as usize,
            limit,
            rests: false,
            epoch: 0,
            cut_off: BTreeSet::new(),
            items: Vec::new(),
            out: Vec::new(),
        };
        let end = [Op::Wake, Op::Send, Op::End(0, 0)];
        let tail = std::iter::repeat_n(end, 2_000).flatten();
        for op in ops.into_iter().chain([Op::Rest(false)]).chain(tail) {
            world.step(op);
        }
        let World { it, out, items, .. } = world;
        prop_assert!(out.is_empty() && items.iter().all(|item| !item.is_here));
        prop_assert_eq!(it.desk.counts(), Counts::default(), "{:?}", it.desk);
        prop_assert_eq!(it.desk.next_wake(), None);
        prop_assert!(it.desk.leaving.is_empty());
    }
}
