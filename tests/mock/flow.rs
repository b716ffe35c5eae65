//! Promise P5: what is held stays within the budget, whatever the lag.

use std::time::Duration;

use super::stage::{Counts, Stage, assert_adds_up};
use crate::support::*;

/// The most of what is held that was ever seen in the metrics.
#[derive(Debug, Default)]
struct Most {
    records: usize,
    bytes: usize,
    in_flight: usize,
}

impl Most {
    fn note(&mut self, metrics: &Metrics) {
        assert_adds_up(metrics);
        let of = |name: &str| metrics.count(name, &[]);
        self.records = self.records.max(of("held_records"));
        self.bytes = self.bytes.max(of("held_bytes"));
        self.in_flight = self.in_flight.max(of("in_flight"));
    }
}

/// Lets a lag build up before an endpoint that hangs, then opens the gate; looks at the metrics all
/// the while.
fn lag(records: Vec<Record>, budget: (&str, &str), full: impl Fn(&Metrics) -> bool) -> Most {
    const SENDERS: usize = 40;
    let gate = Gate::closed();
    let endpoint =
        Endpoint::builder().hashes_only().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(4, endpoint);
    let sent = stage.produce(records);
    let mut keyway = stage.keyway().flag("--senders", SENDERS).env(budget.0, budget.1).start();
    stage.endpoint.wait_until("all senders", |ledger| ledger.in_flight() == SENDERS);
    let mut most = Most::default();
    most.note(&keyway.wait_for_metrics("the buffer to be full", full));
    for _ in 0..5 {
        most.note(&keyway.metrics());
    }
    assert_eq!(stage.endpoint.look(Ledger::count), SENDERS);
    stage.endpoint.script(script::slow(Duration::ZERO, Duration::from_millis(2), 1, script::ok()));
    gate.open();
    while stage.endpoint.look(Ledger::delivered) < sent.len() {
        most.note(&keyway.metrics());
    }
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
    assert!(stage.endpoint.look(Ledger::most_in_flight) <= SENDERS);
    most
}

#[test]
fn held_records_stay_within_the_budget() {
    let records = (0..8_000).map(|n| Record::new(format!("k{}", n % 500), "x")).collect();
    // A partition leaves a share to the others, so that the last of the room is not used.
    let most = lag(records, ("KEYWAY_BUFFER_RECORDS", "600"), |metrics| {
        metrics.count("held_records", &[]) >= 500
            && metrics.count("partition_held", &[("reason", "buffer")]) >= 1
    });
    assert!(most.records <= 600 && most.in_flight <= 40, "{most:?}");
}

#[test]
fn held_bytes_stay_within_the_budget() {
    let value = "x".repeat(4_000);
    let records = (0..2_000).map(|n| Record::new(format!("k{}", n % 500), value.clone())).collect();
    let most = lag(records, ("KEYWAY_BUFFER_BYTES", "1MiB"), |metrics| {
        metrics.count("held_bytes", &[]) >= 900_000
            && metrics.count("partition_held", &[("reason", "buffer")]) >= 1
    });
    // The last record taken in may lie across the limit.
    assert!(most.bytes <= (1 << 20) + 5_000, "{most:?}");
}

#[test]
fn a_hot_key_does_not_fill_the_buffer_of_the_others() {
    // Nine in ten records are of one key, whose requests hang.
    let gate = Gate::closed();
    let stage = Stage::new(4);
    let behind = gate.clone();
    stage.endpoint.script(script::for_key(
        "hot",
        script::always(Reply::ok().behind(&behind)),
        script::ok(),
    ));
    let hot = stage.produce((0..900).map(|_| Record::new("hot", "x").to(0)).collect());
    let cold =
        stage.produce((0..300).map(|n| Record::new(format!("k{n}"), "x").to(1 + n % 3)).collect());
    let mut keyway = stage.keyway().env("KEYWAY_BUFFER_RECORDS", 200).start();
    stage.endpoint.wait_for_all(&cold);
    gate.open();
    let all = [hot, cold].concat();
    stage.finish(&mut keyway, &all);
    stage.endpoint.verdict(&all).assert_exact();
}
