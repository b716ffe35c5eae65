//! The codec: what is settled becomes the metadata of a commit, and the other way round.
//!
//! 100,000 settled offsets in scattered order, from close together to far apart; with the room that
//! a broker gives unless told otherwise (4,096 characters), and with the most that there can be.

use std::hint::black_box;
use std::ops::Range;

use criterion::{BenchmarkId, Criterion, Throughput};
use keyway_actors::core::Offset;
use keyway_actors::core::codec::{self, MAX_METADATA_CHARS};

const LIMITS: [usize; 2] = [4096, MAX_METADATA_CHARS];

const SETTLED: Offset = 100_000;

/// How many offsets the settled ones are scattered over.
const SPANS: [Offset; 4] = [110_000, 200_000, 1_000_000, 10_000_000];

pub fn all(criterion: &mut Criterion) {
    encode(criterion);
    decode(criterion);
}

fn encode(criterion: &mut Criterion) {
    for limit in LIMITS {
        let mut group = criterion.benchmark_group(format!("codec/encode/{limit}"));
        for span in SPANS {
            let ranges = ranges(span);
            group.throughput(Throughput::Elements(ranges.len() as u64));
            group.bench_function(BenchmarkId::from_parameter(span), |bench| {
                bench.iter(|| codec::encode(0, black_box(&ranges), limit));
            });
        }
        group.finish();
    }
}

/// Reads what [`encode`] wrote.
fn decode(criterion: &mut Criterion) {
    for limit in LIMITS {
        let mut group = criterion.benchmark_group(format!("codec/decode/{limit}"));
        for span in SPANS {
            let metadata = codec::encode(0, &ranges(span), limit).metadata;
            let read = codec::decode(0, &metadata).map_or(0, |ranges| ranges.len());
            assert!(read > 0, "what was written is read");
            group.throughput(Throughput::Elements(read as u64));
            group.bench_function(BenchmarkId::from_parameter(span), |bench| {
                bench.iter(|| codec::decode(0, black_box(&metadata)));
            });
        }
        group.finish();
    }
}

/// The settled offsets as the ledger gives them: ascending ranges that do not touch.
fn ranges(span: Offset) -> Vec<Range<Offset>> {
    let mut offsets = super::scattered(SETTLED, span);
    offsets.sort_unstable();
    let joined = offsets.chunk_by(|one, next| one + 1 == *next);
    joined.filter_map(|run| Some(*run.first()?..run.last()? + 1)).collect()
}
