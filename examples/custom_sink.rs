//! Delivers records to a function of one's own in place of HTTP. Run with
//! `cargo run --example custom_sink`; it brings its own broker.
//!
//! The function says what became of each record: delivered, to be tried again, or never to go
//! through. Order, parallelism, retries and exact resume are the pipeline's.

mod embedded;

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyway_actors::sink::sink_fn;
use keyway_actors::{Failure, FailureKind, Outcome, Pipeline, PipelineConfig, Record};

const RECORDS: u32 = 1000;

static CALLS: AtomicU32 = AtomicU32::new(0);

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = embedded::Broker::start("numbers", 3)?;
    broker.fill("numbers", RECORDS, 50)?;

    let sink = sink_fn(|record: &Record| {
        let key = record.key().map(<[u8]>::to_vec);
        async move {
            // A store that is away now and then: the record waits, and its key with it.
            if CALLS.fetch_add(1, Ordering::Relaxed) % 100 == 99 {
                return Outcome::retry(Failure::new(FailureKind::Other, "the store is busy"));
            }
            actix_rt::time::sleep(Duration::from_millis(1)).await;
            drop(key);
            Outcome::Delivered
        }
    });

    let config = PipelineConfig::new(&broker.address(), "numbers", "custom-sink");
    let pipeline = Pipeline::start(config, sink)?;
    while pipeline.status().totals.delivered < u64::from(RECORDS) {
        actix_rt::time::sleep(Duration::from_millis(10)).await;
    }
    pipeline.stop();
    pipeline.wait().await?;
    let totals = pipeline.status().totals;
    println!(
        "delivered {} of {RECORDS} records with {} retries",
        totals.delivered,
        totals.retries.iter().sum::<u64>()
    );
    Ok(())
}
