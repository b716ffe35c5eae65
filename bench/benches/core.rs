//! What the core costs without actors, Kafka and HTTP: the lanes, the ledger, the codec.
//!
//! Each figure is given for growing work, and `elem/s` counts records (or offsets, or runs): where
//! it stays, the cost is flat. Keys and orders are drawn from fixed seeds, so two runs do the same.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "figures of a bench: all far below 2^53"
)]

#[path = "core/codec.rs"]
mod codec;
#[path = "core/lanes.rs"]
mod lanes;
#[path = "core/ledger.rs"]
mod ledger;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use keyway_actors::core::Offset;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::index;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    lanes::all(&mut criterion);
    ledger::all(&mut criterion);
    codec::all(&mut criterion);
    criterion.final_summary();
}

/// So many different offsets between 0 (which is none of them) and `span`, in no order.
fn scattered(count: Offset, span: Offset) -> Vec<Offset> {
    let [count, above] = [count, span - 1].map(|it| usize::try_from(it).unwrap_or(0));
    let mut random = SmallRng::seed_from_u64(7);
    index::sample(&mut random, above, count).into_iter().map(|it| it as Offset + 1).collect()
}
