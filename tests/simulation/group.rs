//! The modelled group: who holds which partition, and what members are told.
//!
//! A partition goes to its next holder only when the one before has answered the revoke, or the
//! group has gone on without it. Joins and heartbeats are left out: what counts is what a member is
//! told and in which order.

use std::collections::BTreeMap;

use crate::broker::Pid;
use crate::random::Random;

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Assign(Vec<usize>),
    Revoke(Vec<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    /// Told, and not answered.
    Assigning(Pid),
    Held(Pid),
    /// Asked back, and not answered.
    Revoking(Pid),
}

impl Place {
    fn holder(self) -> Option<Pid> {
        match self {
            Self::Free => None,
            Self::Assigning(pid) | Self::Held(pid) | Self::Revoking(pid) => Some(pid),
        }
    }
}

#[derive(Debug)]
pub struct Group {
    members: Vec<Pid>,
    places: Vec<Place>,
    targets: Vec<Option<Pid>>,
    /// Asked back although it stays where it is.
    bounce: Vec<bool>,
    /// With the eager protocol: everybody gives up everything before anybody gets anything.
    eager: bool,
    round: bool,
    told: Vec<(Pid, Told)>,
    pub rounds: u64,
}

impl Group {
    pub fn new(partitions: usize, eager: bool) -> Self {
        Self {
            members: Vec::new(),
            places: vec![Place::Free; partitions],
            targets: vec![None; partitions],
            bounce: vec![false; partitions],
            eager,
            round: false,
            told: Vec::new(),
            rounds: 0,
        }
    }

    /// What members are told because of all this, in order.
    pub fn told(&mut self) -> Vec<(Pid, Told)> {
        std::mem::take(&mut self.told)
    }

    pub fn is_member(&self, pid: Pid) -> bool {
        self.members.contains(&pid)
    }

    pub fn holder(&self, partition: usize) -> Option<Pid> {
        self.places[partition].holder()
    }

    pub fn join(&mut self, pid: Pid) {
        if !self.is_member(pid) {
            self.members.push(pid);
            self.rebalance();
        }
    }

    /// A member is gone, or the group goes on without it: what it held is free at once.
    pub fn remove(&mut self, pid: Pid) {
        if !self.is_member(pid) {
            return;
        }
        self.members.retain(|it| *it != pid);
        for place in &mut self.places {
            if place.holder() == Some(pid) {
                *place = Place::Free;
            }
        }
        self.rebalance();
    }

    /// A static member is back within its session: it has what it had, and nobody notices.
    pub fn replace(&mut self, old: Pid, new: Pid) {
        for member in self.members.iter_mut().filter(|it| **it == old) {
            *member = new;
        }
        for target in self.targets.iter_mut().filter(|it| **it == Some(old)) {
            *target = Some(new);
        }
        let mut back = Vec::new();
        for (partition, place) in self.places.iter_mut().enumerate() {
            if place.holder() == Some(old) {
                *place = Place::Assigning(new);
                back.push(partition);
            }
        }
        if !back.is_empty() {
            self.told.push((new, Told::Assign(back)));
        }
    }

    /// Gives partitions to members at random.
    pub fn shuffle(&mut self, random: &mut Random) {
        if self.members.is_empty() {
            return;
        }
        for target in &mut self.targets {
            *target = Some(random.pick(&self.members));
        }
        self.settle();
    }

    /// Asks a partition back from whoever holds it, to give it back at once.
    pub fn bounce(&mut self, partition: usize) {
        self.bounce[partition] = true;
        self.settle();
    }

    pub fn assigned(&mut self, pid: Pid, partitions: &[usize]) {
        for &partition in partitions {
            if self.places[partition] == Place::Assigning(pid) {
                self.places[partition] = Place::Held(pid);
            }
        }
        self.settle();
    }

    pub fn given_up(&mut self, pid: Pid, partitions: &[usize]) {
        for &partition in partitions {
            if self.places[partition] == Place::Revoking(pid) {
                self.places[partition] = Place::Free;
            }
        }
        self.settle();
    }

    /// The members changed: spreads the partitions evenly, moving as few as it can.
    fn rebalance(&mut self) {
        for target in &mut self.targets {
            *target = target.filter(|pid| self.members.contains(pid));
        }
        while let Some(partition) = self.targets.iter().position(Option::is_none) {
            let Some((least, _)) = self.loads().min_by_key(|(_, load)| *load) else { break };
            self.targets[partition] = Some(least);
        }
        loop {
            let least = self.loads().min_by_key(|(_, load)| *load);
            let most = self.loads().max_by_key(|(_, load)| *load);
            let (Some((least, low)), Some((most, high))) = (least, most) else { break };
            if high <= low + 1 {
                break;
            }
            if let Some(moved) = self.targets.iter_mut().find(|it| **it == Some(most)) {
                *moved = Some(least);
            }
        }
        self.settle();
    }

    fn loads(&self) -> impl Iterator<Item = (Pid, usize)> {
        let load = |pid| self.targets.iter().filter(|it| **it == Some(pid)).count();
        self.members.iter().map(move |&pid| (pid, load(pid)))
    }

    /// Tells members what follows from where the partitions are and where they are to be.
    fn settle(&mut self) {
        let mut revoked: BTreeMap<Pid, Vec<usize>> = BTreeMap::new();
        let misplaced = |group: &Self, partition: usize| match group.places[partition] {
            Place::Held(pid) => group.bounce[partition] || group.targets[partition] != Some(pid),
            _ => false,
        };
        if self.eager && (0..self.places.len()).any(|it| misplaced(self, it)) {
            self.rounds += u64::from(!self.round);
            self.round = true;
        }
        for partition in 0..self.places.len() {
            if let Place::Held(pid) = self.places[partition]
                && (self.round || misplaced(self, partition))
            {
                self.bounce[partition] = false;
                self.places[partition] = Place::Revoking(pid);
                revoked.entry(pid).or_default().push(partition);
            }
        }
        self.told.extend(revoked.into_iter().map(|(pid, list)| (pid, Told::Revoke(list))));
        if self.round && self.places.iter().any(|it| *it != Place::Free) {
            return;
        }
        self.round = false;
        let mut assigned: BTreeMap<Pid, Vec<usize>> = BTreeMap::new();
        for partition in 0..self.places.len() {
            if let (Place::Free, Some(pid)) = (self.places[partition], self.targets[partition]) {
                self.places[partition] = Place::Assigning(pid);
                assigned.entry(pid).or_default().push(partition);
            }
        }
        self.told.extend(assigned.into_iter().map(|(pid, list)| (pid, Told::Assign(list))));
    }
}
