//! The lanes, by way of their desk: a record is accepted, dispatched and concluded.
//!
//! `record`, `new_key`, `accept`, `dispatch` and `conclude` keep so many lanes alive all the time;
//! `zipf` delivers a backlog to its end. Records are as large as the pipeline's. A million lanes do
//! not fit into a cache: what a record costs there beside a few is what memory takes to answer.

use std::cell::LazyCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use keyway_actors::core::desk::{Desk, Effect};
use keyway_actors::core::lanes::{Batch, Delivery, Item};
use keyway_actors::core::outcome::Outcome;
use keyway_actors::core::retry::RetryPolicy;
use keyway_actors::core::{Epoch, LaneId, Moment};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;

const LANES: [u64; 4] = [1, 100, 10_000, 1_000_000];

/// Deliveries under way at once: what one arbiter's senders hold, and enough for the clock's own
/// cost to vanish where a step is timed for itself.
const IN_FLIGHT: usize = 100;

const BACKLOG: usize = 200_000;

struct Record {
    lane: LaneId,
    epoch: Epoch,
    rest: [u64; 8],
}

impl Record {
    fn of(key: u64) -> Self {
        Self { lane: lane(key), epoch: Epoch(1), rest: [key; 8] }
    }
}

impl Item for Record {
    fn lane(&self) -> LaneId {
        self.lane
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// A lane's name is a hash, and the desk's table takes it as one: numbers in a row would not do.
fn lane(key: u64) -> LaneId {
    let mixed = (key ^ (key >> 30)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    LaneId((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9))
}

fn desk() -> Desk<Record> {
    Desk::new(RetryPolicy::default(), IN_FLIGHT, Batch::ONE)
}

/// A desk with so many lanes, of two records each: a lane is not forgotten when one is delivered.
fn desk_of(lanes: u64) -> Desk<Record> {
    let mut desk = desk();
    (0..lanes).chain(0..lanes).for_each(|key| accept(&mut desk, Record::of(key)));
    desk
}

fn accept(desk: &mut Desk<Record>, record: Record) {
    assert!(desk.accept(record).is_ok(), "no epoch was given up");
}

fn conclude(desk: &mut Desk<Record>, delivery: Delivery<Record>) {
    desk.conclude(delivery, Outcome::Delivered, Moment::default(), 0, &mut |effect| {
        assert!(matches!(black_box(effect), Effect::Settled { .. }), "it was delivered");
    });
}

/// Where a record of another round goes: to the lane of the one that it replaces.
fn replace(delivery: &Delivery<Record>) -> Record {
    let Record { lane, epoch, rest } = *delivery.entries()[0].item();
    Record { lane, epoch, rest }
}

pub fn all(criterion: &mut Criterion) {
    record(criterion);
    new_key(criterion);
    steps(criterion);
    zipf(criterion);
}

/// The whole way of a record, its lane one of many that have more to deliver.
fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lanes/record");
    group.throughput(Throughput::Elements(1));
    for lanes in LANES {
        let mut desk = LazyCell::new(|| desk_of(lanes));
        group.bench_function(BenchmarkId::from_parameter(lanes), |bench| {
            let desk = LazyCell::force_mut(&mut desk);
            bench.iter(|| {
                let Some(delivery) = desk.dispatch(Moment::default()) else {
                    unreachable!("a lane is ready")
                };
                let next = replace(&delivery);
                conclude(desk, delivery);
                accept(desk, next);
            });
        });
    }
    group.finish();
}

/// The same where each record has a key of its own: a lane comes and goes with it.
fn new_key(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lanes/new_key");
    group.throughput(Throughput::Elements(1));
    for lanes in LANES {
        let mut keys = lanes..;
        let mut desk = LazyCell::new(|| {
            let mut desk = desk();
            (0..lanes).for_each(|key| accept(&mut desk, Record::of(key)));
            desk
        });
        group.bench_function(BenchmarkId::from_parameter(lanes), |bench| {
            let desk = LazyCell::force_mut(&mut desk);
            bench.iter(|| {
                let Some(delivery) = desk.dispatch(Moment::default()) else {
                    unreachable!("a lane is ready")
                };
                conclude(desk, delivery);
                accept(desk, Record::of(keys.next().unwrap_or(0)));
            });
        });
    }
    group.finish();
}

/// Each step for itself, in rounds of [`IN_FLIGHT`] records. One lane has only one under way, and
/// cannot be timed like this.
fn steps(criterion: &mut Criterion) {
    for (step, name) in ["lanes/accept", "lanes/dispatch", "lanes/conclude"].iter().enumerate() {
        let mut group = criterion.benchmark_group(*name);
        group.throughput(Throughput::Elements(1));
        for &lanes in &LANES[1..] {
            let mut desk = LazyCell::new(|| desk_of(lanes));
            let mut rounds = Rounds::default();
            group.bench_function(BenchmarkId::from_parameter(lanes), |bench| {
                let desk = LazyCell::force_mut(&mut desk);
                bench.iter_custom(|records| rounds.run(desk, records)[step]);
            });
        }
        group.finish();
    }
}

/// Where a round's records lie meanwhile.
#[derive(Default)]
struct Rounds {
    under_way: Vec<Delivery<Record>>,
    next: Vec<Record>,
}

impl Rounds {
    /// Takes at least so many records through the desk; how long accepting, dispatching and
    /// concluding so many took.
    fn run(&mut self, desk: &mut Desk<Record>, records: u64) -> [Duration; 3] {
        let rounds = records.div_ceil(IN_FLIGHT as u64);
        let mut took = [Duration::ZERO; 3];
        for _ in 0..rounds {
            let began = Instant::now();
            while let Some(delivery) = desk.dispatch(Moment::default()) {
                self.under_way.push(delivery);
            }
            let dispatched = Instant::now();
            assert_eq!(self.under_way.len(), IN_FLIGHT);
            self.next.extend(self.under_way.iter().map(replace));
            let replaced = Instant::now();
            self.under_way.drain(..).for_each(|delivery| conclude(desk, delivery));
            let concluded = Instant::now();
            self.next.drain(..).for_each(|record| accept(desk, record));
            took[0] += concluded.elapsed();
            took[1] += dispatched - began;
            took[2] += concluded - replaced;
        }
        // The last round is a whole one: what was done beyond `records` is not counted.
        let share = records as f64 / (rounds * IN_FLIGHT as u64) as f64;
        took.map(|took| took.mul_f64(share))
    }
}

/// A backlog whose keys follow Zipf's law: hot lanes are long and often closed, others short-lived.
fn zipf(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lanes/zipf");
    group.throughput(Throughput::Elements(BACKLOG as u64)).sample_size(10);
    for (keys, exponent) in [(100.0, 1.0), (10_000.0, 1.0), (1_000_000.0, 1.0), (100_000.0, 0.7)] {
        let name = format!("{exponent} over {keys}");
        let Ok(law) = Zipf::new(keys, exponent) else { unreachable!("both are above zero") };
        let random = SmallRng::seed_from_u64(7);
        let keys: Vec<u64> =
            random.sample_iter(law).map(|key: f64| key as u64).take(BACKLOG).collect();
        group.bench_function(name, |bench| {
            let records = || keys.iter().copied().map(Record::of).collect::<Vec<_>>();
            let state = || (desk(), records(), VecDeque::with_capacity(IN_FLIGHT));
            bench.iter_batched_ref(
                state,
                |(desk, records, under_way)| {
                    records.drain(..).for_each(|record| accept(desk, record));
                    deliver_all(desk, under_way);
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Delivers all there is, the oldest delivery first.
fn deliver_all(desk: &mut Desk<Record>, under_way: &mut VecDeque<Delivery<Record>>) {
    loop {
        while let Some(delivery) = desk.dispatch(Moment::default()) {
            under_way.push_back(delivery);
        }
        let Some(oldest) = under_way.pop_front() else {
            break;
        };
        conclude(desk, oldest);
    }
}
