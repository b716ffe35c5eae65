//! How much memory a lag of a million records takes while the endpoint answers nothing.
//!
//! The budget's own count is asserted. Resident memory is a figure, not a test: `bench/memory`
//! prints it.

mod support;

use support::{Cluster, Endpoint, Kafka, Keyway, Record, Reply, unique};

const RECORDS: usize = 1_000_000;
const PARTITIONS: i32 = 6;
const BUDGET_MEBIBYTES: f64 = 128.0;

#[test]
#[ignore = "takes minutes: run it with bench/memory"]
fn a_million_records_of_lag_stay_within_the_budget() {
    let cluster = Kafka::shared();
    let topic = cluster.topic("memory", PARTITIONS);
    let value = vec![b'x'; 700];
    for _ in 0..100 {
        // Fewer keys than senders: what has no lane of its own queues in one. With more, the routers
        // take in no more than keeps the senders busy, and the buffer stays as good as empty.
        let record = |n: usize| Record::new(format!("k{}", n % 100), value.clone());
        cluster.produce(&topic, (0..RECORDS / 100).map(record).collect());
    }
    let endpoint = Endpoint::builder().hashes_only().start();
    endpoint.script(|_| Reply::hang());
    let mut keyway = Keyway::run(cluster)
        .topic(&topic)
        .group(&unique("memory"))
        .url(&endpoint.url())
        .env("KEYWAY_REQUEST_TIMEOUT", "1h")
        .start();
    keyway.wait_for_metrics("an answer", |_| true);
    let idle = keyway.resident_bytes();
    let full = keyway.wait_for_metrics("every partition to rest", |metrics| {
        metrics.sum("keyway_partition_held", &[]) > f64::from(PARTITIONS) - 0.5
    });
    let (records, bytes) =
        (full.sum("keyway_held_records", &[]), full.sum("keyway_held_bytes", &[]));
    println!("held: {records} records, {:.1} MiB of 128 MiB", mebibytes(bytes));
    println!("resident when started: {}", shown(idle));
    println!("resident with a full buffer: {}", shown(keyway.resident_bytes()));
    // The last record taken in may lie across the limit.
    assert!(mebibytes(bytes) <= BUDGET_MEBIBYTES + 1.0, "{bytes}");
    assert!(records <= 200_000.0, "{records}");
    keyway.kill();
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / 1_048_576.0
}

fn shown(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "not known here".to_owned(), |it| format!("{} MiB", it >> 20))
}
