//! The ledger: offsets taken and settled, by way of the book as the pipeline does it, and snapshots.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use keyway_actors::core::book::Book;
use keyway_actors::core::ledger::{Ledger, Start};
use keyway_actors::core::{Epoch, Offset};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// Offsets that are entered and settled at once: a batch of the router, of the settlements.
const BATCH: usize = 500;

const EPOCH: Epoch = Epoch(1);

/// The most metadata that a broker takes unless told otherwise, in characters.
const LIMIT: usize = 4096;

pub fn all(criterion: &mut Criterion) {
    settle(criterion);
    snapshot_of_runs(criterion);
    snapshot_of_settled(criterion);
}

/// Brings offsets that ascend into the order in which they are settled.
type Order = fn(&mut [Offset]);

/// So many offsets are all taken, and then all settled.
fn settle(criterion: &mut Criterion) {
    let orders: [(&str, Order); 3] = [
        ("in_order", |_| {}),
        ("in_reverse", <[Offset]>::reverse),
        ("at_random", |offsets| offsets.shuffle(&mut SmallRng::seed_from_u64(7))),
    ];
    let mut group = criterion.benchmark_group("ledger/settle");
    group.sample_size(10);
    for (name, order) in orders {
        for size in [1_000, 100_000, 1_000_000] {
            let taken: Vec<Offset> = (0..size).collect();
            let mut settled = taken.clone();
            order(&mut settled);
            group.throughput(Throughput::Elements(taken.len() as u64));
            group.bench_function(BenchmarkId::new(name, size), |bench| {
                bench.iter_batched_ref(
                    book,
                    |book| run(book, &taken, &settled),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

fn book() -> Book {
    let mut book = Book::new(LIMIT);
    book.open(EPOCH, Start::At { base: 0, settled: Vec::new() });
    book
}

fn run(book: &mut Book, taken: &[Offset], settled: &[Offset]) {
    for batch in taken.chunks(BATCH) {
        book.take_run(EPOCH, batch.iter().copied(), |offset, taken| {
            black_box((offset, taken));
        });
    }
    for batch in settled.chunks(BATCH) {
        assert_eq!(book.settle_run(EPOCH, batch.iter().copied()), 0, "all were pending");
    }
}

/// A snapshot of 200,000 offsets, half of them settled, in so many runs: it costs what the runs cost.
fn snapshot_of_runs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger/snapshot/of_runs");
    for runs in [10, 100, 1_000, 10_000, 100_000] {
        let length = 200_000 / runs;
        let ledger = ledger(200_000, (0..200_000).filter(|offset| offset % length >= length / 2));
        group.throughput(Throughput::Elements(runs.unsigned_abs()));
        snapshot(&mut group, BenchmarkId::from_parameter(runs), &ledger);
    }
    group.finish();
}

/// A snapshot where so many are settled, in scattered order, of twice as many.
fn snapshot_of_settled(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger/snapshot/of_settled");
    for count in [1_000, 10_000, 100_000] {
        let ledger = ledger(2 * count, super::scattered(count, 2 * count));
        group.throughput(Throughput::Elements(count.unsigned_abs()));
        snapshot(&mut group, BenchmarkId::from_parameter(count), &ledger);
    }
    group.finish();
}

fn snapshot(group: &mut super::Group<'_>, id: BenchmarkId, ledger: &Ledger) {
    group.bench_function(id, |bench| bench.iter(|| black_box(ledger).snapshot(LIMIT)));
}

/// A ledger that has taken so many offsets and settled these; never the first.
fn ledger(taken: Offset, settled: impl IntoIterator<Item = Offset>) -> Ledger {
    let mut ledger = Ledger::new(Start::At { base: 0, settled: Vec::new() });
    (0..taken).for_each(|offset| {
        ledger.take(offset);
    });
    settled.into_iter().for_each(|offset| assert!(ledger.settle(offset), "it was pending"));
    ledger
}
