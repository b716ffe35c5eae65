//! Many first-in first-out queues in one block of memory.
//!
//! A queue is two indices and an entry one slot, linked to the next: a queue of one entry costs no
//! allocation, and entries move between queues' ends at the same price whatever their number.
//! Queues are handed out by value and must be used with the block they belong to.

use std::mem;

/// No slot.
const NONE: u32 = u32::MAX;

/// One queue: its first and its last slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fifo {
    head: u32,
    tail: u32,
}

impl Fifo {
    pub(super) const EMPTY: Self = Self { head: NONE, tail: NONE };

    pub(super) fn is_empty(self) -> bool {
        self.head == NONE
    }
}

/// A place in a queue, to insert behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u32);

impl Place {
    /// Before the first.
    pub(super) const FRONT: Self = Self(NONE);
}

#[derive(Debug)]
enum Slot<E> {
    Free { next: u32 },
    Used { entry: E, next: u32 },
}

/// The entries of all queues.
#[derive(Debug)]
pub(super) struct Block<E> {
    slots: Vec<Slot<E>>,
    free: u32,
    used: usize,
}

impl<E> Block<E> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { slots: Vec::with_capacity(capacity), free: NONE, used: 0 }
    }

    /// How many entries all queues have together.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// How many slots were ever needed at a time.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn push_back(&mut self, fifo: &mut Fifo, entry: E) {
        let slot = self.store(entry, NONE);
        if fifo.is_empty() {
            fifo.head = slot;
        } else {
            self.link(fifo.tail, slot);
        }
        fifo.tail = slot;
    }

    /// Puts `entry` behind `place` and says where it is.
    pub(super) fn insert(&mut self, fifo: &mut Fifo, place: Place, entry: E) -> Place {
        let next = if place.0 == NONE { fifo.head } else { self.next(place.0) };
        let slot = self.store(entry, next);
        if place.0 == NONE {
            fifo.head = slot;
        } else {
            self.link(place.0, slot);
        }
        if next == NONE {
            fifo.tail = slot;
        }
        Place(slot)
    }

    pub(super) fn pop_front(&mut self, fifo: &mut Fifo) -> Option<E> {
        if fifo.is_empty() {
            return None;
        }
        let (entry, next) = self.release(fifo.head);
        fifo.head = next;
        if next == NONE {
            fifo.tail = NONE;
        }
        Some(entry)
    }

    pub(super) fn front(&self, fifo: Fifo) -> Option<&E> {
        self.iter(fifo).next()
    }

    pub(super) fn front_mut(&mut self, fifo: Fifo) -> Option<&mut E> {
        match self.slots.get_mut(fifo.head as usize)? {
            Slot::Used { entry, .. } => Some(entry),
            Slot::Free { .. } => unreachable!("a queue links used slots only"),
        }
    }

    pub(super) fn iter(&self, fifo: Fifo) -> impl Iterator<Item = &E> {
        let mut at = fifo.head;
        std::iter::from_fn(move || match self.slots.get(at as usize)? {
            Slot::Used { entry, next } => {
                at = *next;
                Some(entry)
            }
            Slot::Free { .. } => unreachable!("a queue links used slots only"),
        })
    }

    /// All entries, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Used { entry, .. } => Some(entry),
            Slot::Free { .. } => None,
        })
    }

    /// Takes out what `keep` refuses, the others stay in order. Says whether the first went.
    pub(super) fn retain(
        &mut self,
        fifo: &mut Fifo,
        mut keep: impl FnMut(&E) -> bool,
        mut removed: impl FnMut(E),
    ) -> bool {
        let head = fifo.head;
        let mut rest = mem::replace(fifo, Fifo::EMPTY);
        while let Some(entry) = self.front(rest) {
            if keep(entry) {
                let slot = rest.head;
                rest.head = self.next(slot);
                self.append(fifo, slot);
            } else if let Some(entry) = self.pop_front(&mut rest) {
                removed(entry);
            }
        }
        fifo.head != head
    }

    /// Moves the entries of `fifo` over to another block.
    pub(super) fn move_to(&mut self, fifo: &mut Fifo, other: &mut Self) {
        let mut moved = Fifo::EMPTY;
        while let Some(entry) = self.pop_front(fifo) {
            other.push_back(&mut moved, entry);
        }
        *fifo = moved;
    }

    /// Makes a used slot the last of `fifo`.
    fn append(&mut self, fifo: &mut Fifo, slot: u32) {
        if fifo.is_empty() {
            fifo.head = slot;
        } else {
            self.link(fifo.tail, slot);
        }
        fifo.tail = slot;
        self.link(slot, NONE);
    }

    fn store(&mut self, entry: E, next: u32) -> u32 {
        self.used += 1;
        let used = Slot::Used { entry, next };
        let slot = self.free;
        if let Some(place) = self.slots.get_mut(slot as usize) {
            if let Slot::Free { next } = mem::replace(place, used) {
                self.free = next;
            }
            return slot;
        }
        self.slots.push(used);
        match u32::try_from(self.slots.len() - 1) {
            Ok(slot) if slot != NONE => slot,
            _ => unreachable!("the budget of records stays far below 2^32"),
        }
    }

    fn release(&mut self, slot: u32) -> (E, u32) {
        let free = Slot::Free { next: self.free };
        match mem::replace(&mut self.slots[slot as usize], free) {
            Slot::Used { entry, next } => {
                self.free = slot;
                self.used -= 1;
                (entry, next)
            }
            Slot::Free { .. } => unreachable!("a queue links used slots only"),
        }
    }

    fn next(&self, slot: u32) -> u32 {
        match &self.slots[slot as usize] {
            Slot::Used { next, .. } => *next,
            Slot::Free { .. } => unreachable!("a queue links used slots only"),
        }
    }

    fn link(&mut self, slot: u32, to: u32) {
        match &mut self.slots[slot as usize] {
            Slot::Used { next, .. } => *next = to,
            Slot::Free { .. } => unreachable!("a queue links used slots only"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Push(usize),
        Pop(usize),
        InsertRun(usize, usize),
        Retain(usize, u32),
        Repack,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..3_usize).prop_map(Op::Push),
            4 => (0..3_usize).prop_map(Op::Pop),
            2 => (0..3_usize, 1..4_usize).prop_map(|(fifo, run)| Op::InsertRun(fifo, run)),
            2 => (0..3_usize, 1..4_u32).prop_map(|(fifo, part)| Op::Retain(fifo, part)),
            1 => Just(Op::Repack),
        ]
    }

    proptest! {
           #[test]
           fn queues_in_one_block_are_queues(ops in prop::collection::vec(op(), 0..120)) {
               let mut block = Block::with_capacity(0);
               let mut fifos = [Fifo::EMPTY; 3];
               let mut plain: [VecDeque<u32>; 3] = Default::default();
               let mut most = 0;
               for (number, op) in (0..).map(|at| at * 10).zip(ops) {
                   match op {
                       Op::Push(at) => {
                           block.push_back(&mut fifos[at], number);
                           plain[at].push_back(number);
                       }
                       Op::Pop(at) => {
                           prop_assert_eq!(block.pop_front(&mut fifos[at]), plain[at].pop_front());
                       }
                       Op::InsertRun(at, run) => {
                           let mut place = Place::FRONT;
                           for (index, entry) in (0..run).zip(number..) {
                               place = block.insert(&mut fifos[at], place, entry);
                               plain[at].insert(index, entry);
                           }
                       }
                       Op::Retain(at, part) => {
                           let keep = |entry: &u32| !(entry / 10).is_multiple_of(part);
                           let head = plain[at].front().copied();
                           let mut removed = Vec::new();
                           let went = block.retain(&mut fifos[at], keep, |entry| removed.push(entry));
                           let gone = plain[at].iter().copied().filter(|entry| !keep(entry));
                           prop_assert_eq!(removed, gone.collect::<Vec<_>>());
                           plain[at].retain(keep);
                           prop_assert_eq!(went, plain[at].front().copied() != head);
                       }
                       Op::Repack => {
                           let mut packed = Block::with_capacity(block.len());
                           for fifo in &mut fifos {
    block.move_to(fifo, &mut packed);
    }
                           prop_assert_eq!(block.len(), 0);
                           (block, most) = (packed, 0);
                       }
                   }
                   for (fifo, plain) in fifos.iter().zip(&plain) {
                       prop_assert_eq!(fifo.is_empty(), plain.is_empty());
                       prop_assert_eq!(block.front(*fifo), plain.front());
                       prop_assert!(block.iter(*fifo).eq(plain));
                   }
                   most = most.max(block.len());
                   prop_assert_eq!(block.len(), plain.iter().map(VecDeque::len).sum::<usize>());
                   prop_assert_eq!(block.slots(), most, "freed slots are used again");
               }
           }
       }
}
