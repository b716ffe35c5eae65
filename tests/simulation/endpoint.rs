//! The modelled receiver: what it answers to each request, and when.

use std::time::Duration;

use keyway_actors::core::desk::Outcomes;
use keyway_actors::core::outcome::{Failure, FailureKind, Outcome};

use crate::counts::Counts;
use crate::plan::{MILLIS, Micros, Plan};
use crate::random::Random;

/// A time in which some are not served.
#[derive(Clone, Copy, Debug)]
struct Outage {
    until: Micros,
    /// Keys that leave this rest when divided by this number; everybody if it is 1.
    modulus: u64,
    rest: u64,
    hangs: bool,
}

#[derive(Debug, Default)]
pub struct Endpoint {
    outages: Vec<Outage>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub key: u64,
    pub poisoned: bool,
}

/// How a request goes.
#[derive(Debug)]
pub struct Course {
    pub outcomes: Outcomes,
    pub takes: Micros,
}

impl Endpoint {
    pub fn fail_for(&mut self, now: Micros, random: &mut Random, counts: &mut Counts) {
        let modulus = random.pick(&[1, 1, 2, 3, 7]);
        let (outages, key_outages) = (u64::from(modulus == 1), u64::from(modulus > 1));
        counts.outages += outages;
        counts.key_outages += key_outages;
        self.outages.push(Outage {
            until: now + random.between(100, 4_000) * MILLIS,
            modulus,
            rest: random.below(modulus),
            hangs: random.percent(25),
        });
    }

    pub fn heal(&mut self) {
        self.outages.clear();
    }

    /// Answers a request for one or more records; `healed`: whatever comes is taken.
    pub fn course(
        &mut self,
        asked: &[Asked],
        (now, healed): (Micros, bool),
        plan: &Plan,
        random: &mut Random,
        counts: &mut Counts,
    ) -> Course {
        self.outages.retain(|it| it.until > now);
        counts.requests += 1;
        let alike = asked.len() == 1 || random.percent(50);
        counts.batches += u64::from(asked.len() > 1);
        counts.batches_with_own_outcomes += u64::from(!alike);
        let mut takes = 0;
        let mut one = |asked: &Asked| {
            let (outcome, time) = self.one(*asked, healed, plan, random, counts);
            takes = takes.max(time);
            outcome
        };
        let outcomes = if alike {
            one(&asked[0]).into()
        } else {
            asked.iter().map(one).collect::<Vec<_>>().into()
        };
        Course { outcomes, takes: takes.clamp(10, plan.request_timeout) }
    }

    fn one(
        &self,
        asked: Asked,
        healed: bool,
        plan: &Plan,
        random: &mut Random,
        counts: &mut Counts,
    ) -> (Outcome, Micros) {
        let temper = plan.temper;
        let latency = random.around(temper.latency);
        if healed {
            return (Outcome::Delivered, latency);
        }
        let outage = self.outages.iter().find(|it| asked.key % it.modulus == it.rest);
        let lot = random.below(100);
        let fails = temper.fails;
        let rejects = fails + temper.rejects;
        let hangs = rejects + temper.hangs;
        if outage.is_some_and(|it| it.hangs) || (lot >= rejects && lot < hangs) {
            counts.timed_out += 1;
            return (failed(FailureKind::Timeout, None), plan.request_timeout);
        }
        if outage.is_some() || lot < fails || (asked.poisoned && random.percent(50)) {
            counts.retryable += 1;
            let after = random.percent(temper.asks).then(|| {
                counts.retry_after += 1;
                Duration::from_millis(random.pick(&[0, 50, 500, 2_000, 60_000]))
            });
            return (failed(FailureKind::Status(503), after), latency);
        }
        if lot < rejects || asked.poisoned {
            counts.rejected += 1;
            return (Outcome::rejected(Failure::new(FailureKind::Status(422), "422")), latency);
        }
        if random.percent(temper.breaks) {
            if random.percent(50) {
                counts.broken_unseen += 1;
                return (failed(FailureKind::Connect, None), latency / 4);
            }
            counts.broken_seen += 1;
            return (failed(FailureKind::Disconnected, None), latency);
        }
        (Outcome::Delivered, latency)
    }
}

fn failed(kind: FailureKind, after: Option<Duration>) -> Outcome {
    Outcome::Retry { after, failure: Box::new(Failure::new(kind, kind.label())) }
}
