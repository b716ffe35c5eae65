//! What the parts of the simulated world share: the clock, what is to happen, chance, the broker,
//! the receiver and the check.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use keyway_actors::core::Moment;

use crate::broker::{Broker, Pid};
use crate::check::Check;
use crate::counts::Counts;
use crate::endpoint::Endpoint;
use crate::event::{Event, Said};
use crate::group::Group;
use crate::plan::{Micros, Plan};
use crate::random::Random;
use crate::sabotage::Sabotage;
use crate::trace::Trace;

#[derive(Debug)]
struct Due {
    at: Micros,
    serial: u64,
    event: Event,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

/// The connection of a process with the broker: what goes over it keeps its order.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// Which of its memberships the process is in.
    session: u32,
    up: Micros,
    down: Micros,
}

#[derive(Debug)]
pub struct Env {
    pub plan: Plan,
    pub sabotage: Option<Sabotage>,
    pub now: Micros,
    due: BinaryHeap<Due>,
    serial: u64,
    pub random: Random,
    pub broker: Broker,
    pub group: Group,
    pub endpoint: Endpoint,
    pub check: Check,
    pub counts: Counts,
    pub trace: Trace,
    /// Nothing goes wrong any more.
    pub healed: bool,
    links: Vec<Link>,
    /// Records of keys that are never taken.
    pub produced_poison: u64,
}

impl Env {
    pub fn new(plan: Plan, sabotage: Option<Sabotage>, trace: Trace) -> Self {
        Self {
            sabotage,
            now: 0,
            due: BinaryHeap::new(),
            serial: 0,
            random: Random::new(plan.seed ^ 0x5eed),
            broker: Broker::new(plan.partitions),
            group: Group::new(plan.partitions, plan.eager),
            endpoint: Endpoint::default(),
            check: Check::new(&plan),
            counts: Counts::default(),
            trace,
            healed: false,
            links: Vec::new(),
            produced_poison: 0,
            plan,
        }
    }

    pub fn moment(&self) -> Moment {
        Moment(Duration::from_micros(self.now))
    }

    /// A number that nobody else has.
    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn at(&mut self, at: Micros, event: Event) {
        let serial = self.serial();
        self.due.push(Due { at: at.max(self.now), serial, event });
    }

    pub fn after(&mut self, wait: Micros, event: Event) {
        self.at(self.now + wait, event);
    }

    /// Goes on to what happens next.
    pub fn advance(&mut self) -> Option<Event> {
        let due = self.due.pop()?;
        self.now = due.at;
        Some(due.event)
    }

    pub fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// How long it takes until a part of a member gets round to what it is told.
    pub fn hop(&mut self) -> Micros {
        match self.random.below(32) {
            0 => self.random.below(20_000),
            1..=6 => self.random.below(2_000),
            _ => 5 + self.random.below(100),
        }
    }

    /// How long a message to the broker takes, or one from it.
    pub fn wire(&mut self) -> Micros {
        match self.random.below(32) {
            0 => self.random.below(200_000),
            1..=4 => self.random.below(20_000),
            _ => 200 + self.random.below(2_000),
        }
    }

    fn link(&mut self, pid: Pid) -> &mut Link {
        if self.links.len() <= pid {
            self.links.resize(pid + 1, Link::default());
        }
        &mut self.links[pid]
    }

    pub fn session(&mut self, pid: Pid) -> u32 {
        self.link(pid).session
    }

    /// The process knows that its membership is over.
    pub fn end_session(&mut self, pid: Pid) {
        self.link(pid).session += 1;
    }

    /// A member says something to the broker.
    pub fn say(&mut self, pid: Pid, said: Said) {
        let at = self.now + self.wire();
        let link = self.link(pid);
        let (at, session) = (at.max(link.up + 1), link.session);
        link.up = at;
        self.at(at, Event::Arrives { pid, session, said });
    }

    /// Sends off what the group tells its members.
    pub fn tell(&mut self) {
        for (pid, told) in self.group.told() {
            let at = self.now + self.wire();
            let link = self.link(pid);
            let (at, session) = (at.max(link.down + 1), link.session);
            link.down = at;
            self.at(at, Event::Told { pid, session, told });
        }
    }
}
