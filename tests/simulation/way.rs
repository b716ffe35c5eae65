//! Which requests a record becomes in a schedule, and what its destinations bear.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use keyway_actors::core::breaker::BreakerPolicy;
use keyway_actors::core::desk::Step;
use keyway_actors::core::destinations::{Rates, RetryAfter, Terms};
use keyway_actors::core::limiter::Rate;

use crate::mail::Record;
use crate::plan::{MILLIS, Micros, SECOND};
use crate::random::Random;

/// Where records go.
#[derive(Clone, Debug)]
pub struct Ways {
    /// 0: all to one, without a route.
    pub destinations: u64,
    /// The most requests of a record.
    pub requests: u64,
    /// Records that are filtered, in per cent.
    pub filtered: u64,
    pub max_in_flight: Option<u32>,
    pub adaptive: bool,
    pub rate: Option<Limit>,
    pub breaker: Option<BreakerPolicy>,
    pub retry_after: RetryAfter,
}

/// A rate, in numbers that the check can reckon with.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub per_second: u32,
    pub burst: u32,
}

impl Limit {
    /// From one request to the next.
    pub fn interval(self) -> Micros {
        SECOND.div_ceil(u64::from(self.per_second))
    }

    /// How much sooner one may begin: the burst, or what a late timer is forgiven.
    pub fn tolerance(self) -> Micros {
        (self.interval() * u64::from(self.burst - 1)).max(3 * MILLIS)
    }
}

impl Ways {
    pub const PLAIN: Self = Self {
        destinations: 0,
        requests: 1,
        filtered: 0,
        max_in_flight: None,
        adaptive: false,
        rate: None,
        breaker: None,
        retry_after: RetryAfter::Lane,
    };

    /// Drawn from numbers of its own, so that the rest of a schedule is what it was without it.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x3a7);
        let random = &mut random;
        if random.percent(40) {
            return Self::PLAIN;
        }
        Self {
            destinations: random.pick(&[0, 1, 2, 2, 3, 4]),
            requests: random.pick(&[1, 2, 3, 4]),
            filtered: random.pick(&[0, 0, 10, 50]),
            max_in_flight: random.pick(&[None, None, Some(1), Some(2), Some(5)]),
            adaptive: random.percent(20),
            rate: random.percent(35).then(|| Limit {
                per_second: random.pick(&[50, 500]),
                burst: random.pick(&[1, 5]),
            }),
            breaker: random.percent(50).then(|| BreakerPolicy {
                min_requests: random.pick(&[2, 5]),
                window: Duration::from_secs(1),
                open_for: Duration::from_millis(random.pick(&[100, 400])),
                max_open_for: Duration::from_secs(1),
                probes: random.pick(&[1, 2]),
                ..BreakerPolicy::default()
            }),
            retry_after: random.pick(&[
                RetryAfter::Lane,
                RetryAfter::Lane,
                RetryAfter::Destination,
            ]),
        }
    }

    /// Whether records are asked where they go.
    pub fn are_routed(&self) -> bool {
        self.destinations > 0
    }

    pub fn is_filtered(&self, record: &Record) -> bool {
        self.are_routed() && mix(record.id as u64) % 100 < self.filtered
    }

    /// How many requests a record takes.
    pub fn requests(&self, record: &Record) -> u16 {
        let requests =
            if self.are_routed() { 1 + mix(record.id as u64 + 7) % self.requests } else { 1 };
        u16::try_from(requests).unwrap_or(1)
    }

    /// Where a record's request of this index goes.
    pub fn destination(&self, record: &Record, request: u16) -> u64 {
        mix(record.key + 31 * u64::from(request)) % self.destinations.max(1)
    }

    /// What a route says of the record.
    pub fn step(&self, record: &Record, request: u16) -> Step {
        if !self.are_routed() {
            return Step::Send { to: None, requests: 1 };
        }
        if self.is_filtered(record) {
            return Step::Filter;
        }
        let to = self.destination(record, request).to_string();
        Step::Send { to: Some(Arc::from(to)), requests: self.requests(record) }
    }

    /// What the desk of an arbiter is told.
    pub fn terms(&self, rates: &Rates) -> Terms {
        let number = |of: u32| NonZeroU32::new(of).unwrap_or(NonZeroU32::MIN);
        Terms {
            several: self.destinations > 1,
            max_in_flight: self.max_in_flight,
            adaptive: self.adaptive,
            rate: self.rate.map(|limit| {
                Rate::new(number(limit.per_second), Duration::from_secs(1), number(limit.burst))
            }),
            rates: rates.clone(),
            breaker: self.breaker,
            retry_after: self.retry_after,
            ..Terms::default()
        }
    }

    /// How long so many records can take for what their destinations bear.
    pub fn patience(&self, records: u64) -> Micros {
        let requests = records * self.requests;
        let paced = self.rate.map_or(0, |limit| requests * limit.interval());
        let open = self.breaker.map_or(0, |it| it.max_open_for.as_micros());
        let broken = u64::try_from(open).unwrap_or(u64::MAX);
        2 * paced + 4 * broken
    }
}

/// Spreads a number (`splitmix64`).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
