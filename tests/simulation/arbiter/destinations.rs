//! What an arbiter's destinations bear, watched from outside: requests in flight, rates, breakers.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_actors::core::Moment;
use keyway_actors::core::breaker::Change;
use keyway_actors::core::lanes::Delivery;

use crate::check::Check;
use crate::mail::Record;
use crate::plan::Micros;
use crate::way::{Limit, Ways};

/// What is seen of the destinations of one arbiter.
#[derive(Debug, Default)]
pub struct Destinations {
    in_flight: BTreeMap<u64, u32>,
    /// Nothing is sent before; and then one at a time, until it closes.
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    until: Moment,
    /// Requests that began since, and have not ended.
    probes: u32,
}

impl Destinations {
    pub fn begins(
        &mut self,
        delivery: &Delivery<Record>,
        ways: &Ways,
        now: Moment,
        check: &mut Check,
    ) {
        let to = destination(delivery, ways);
        for entry in delivery.entries() {
            if ways.destination(entry.item(), entry.request()) != to {
                check.violated("P4", || "one delivery goes to several destinations".into());
            }
        }
        let in_flight = self.in_flight.entry(to).or_default();
        *in_flight += 1;
        if let Some(most) = ways.max_in_flight.filter(|most| *in_flight > *most) {
            let in_flight = *in_flight;
            check.violated("P5", || {
                format!("{in_flight} requests to {to} are in flight, not {most}")
            });
        }
        if let Some(open) = self.open.get_mut(&to) {
            open.probes += 1;
            if now < open.until || open.probes > 1 {
                let open = format!("{open:?}");
                check.violated("P4", || format!("sent to {to}, whose breaker is open: {open}"));
            }
        }
    }

    /// Before the desk is told: `probe`, whether it began since the breaker opened.
    pub fn ended(&mut self, delivery: &Delivery<Record>, ways: &Ways, began: Moment) {
        let to = destination(delivery, ways);
        if let Some(in_flight) = self.in_flight.get_mut(&to) {
            *in_flight -= 1;
        }
        if let Some(open) = self.open.get_mut(&to).filter(|open| began >= open.until) {
            open.probes -= 1;
        }
    }

    pub fn turned(&mut self, name: &Arc<str>, change: Change) {
        let to = name.parse().unwrap_or(0);
        match change {
            Change::Opened { until, .. } => {
                self.open.insert(to, Open { until, probes: 0 });
            }
            Change::Closed { .. } => {
                self.open.remove(&to);
            }
        }
    }
}

fn destination(delivery: &Delivery<Record>, ways: &Ways) -> u64 {
    let Some(entry) = delivery.entries().first() else { return 0 };
    ways.destination(entry.item(), entry.request())
}

/// When a member's requests to each destination were due, had they come evenly.
#[derive(Debug, Default)]
pub struct Paces(BTreeMap<u64, Micros>);

impl Paces {
    /// A request begins.
    pub fn begins(&mut self, to: u64, limit: Limit, now: Micros, check: &mut Check) {
        let due = self.0.entry(to).or_default();
        if *due > now + limit.tolerance() {
            let early = *due - now - limit.tolerance();
            check.violated("P4", || format!("sent to {to} {early} us before its rate allows it"));
        }
        *due = (*due).max(now) + limit.interval();
    }
}
