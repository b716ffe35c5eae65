//! What a destination bears: requests in flight, rates, breakers; and that one delays only its own.

use std::time::Duration;

use super::stage::{Counts, Stage};
use crate::support::*;

/// Records whose value says which of two destinations they are for, `a` for every other.
fn for_two(count: usize, keys: usize) -> Vec<Record> {
    let to = |n: usize| if n.is_multiple_of(2) { "a" } else { "b" };
    let value = |n| format!(r#"{{"to":"{}","n":{n}}}"#, to(n));
    (0..count).map(|n| Record::new(format!("k{}", n % keys), value(n))).collect()
}

/// Routes to two destinations by the value.
fn two(a: &Endpoint, b: &Endpoint, more: &str) -> String {
    format!(
        "{more}\n[[pipeline.route]]\nwhen = \"value.to == 'a'\"\n[[pipeline.route.request]]\n\
         url = \"{}\"\n[[pipeline.route]]\n[[pipeline.route.request]]\nurl = \"{}\"\n",
        a.url(),
        b.url()
    )
}

fn of(sent: &[Sent], parity: usize) -> Vec<Sent> {
    sent.iter().enumerate().filter(|(n, _)| n % 2 == parity).map(|(_, one)| one.clone()).collect()
}

/// Promise P4: one hangs, and the other gets all of its records.
#[test]
fn a_destination_that_hangs_delays_only_its_own() {
    let gate = Gate::closed();
    let a = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::new(4);
    let sent = stage.produce(for_two(2_000, 1_000));
    let mut keyway = stage.keyway_by(&two(&a, &stage.endpoint, "senders = 16")).start();
    stage.endpoint.wait_for_all(&of(&sent, 1));
    // Half of the senders once the other needs none.
    a.wait_until("half of the senders", |ledger| ledger.in_flight() == 8);
    let metrics = keyway.wait_for_metrics("what waits to be said", |metrics| {
        let name = format!("http://{}", a.address());
        metrics.count("destination_held", &[("destination", &name), ("reason", "senders")]) == 1
    });
    assert!(metrics.count("lanes_blocked", &[]) > 0);
    assert_eq!(a.look(Ledger::most_in_flight), 8);
    gate.open();
    a.wait_for_all(&of(&sent, 0));
    stage.wait_all_committed();
    keyway.stop();
    a.verdict(&of(&sent, 0)).assert_exact();
    stage.endpoint.verdict(&of(&sent, 1)).assert_exact();
}

#[test]
fn a_destination_gets_no_more_at_a_time_than_it_may_have() {
    let slow = || script::slow(Duration::from_millis(1), Duration::from_millis(5), 3, script::ok());
    let a = Endpoint::builder().script(slow()).start();
    let stage = Stage::with(4, Endpoint::builder().script(slow()).start());
    let sent = stage.produce(for_two(1_000, 500));
    let more = "senders = 32\narbiters = 2\n[pipeline.http]\nmax_in_flight = 3";
    let mut keyway = stage.keyway_by(&two(&a, &stage.endpoint, more)).start();
    a.wait_for_all(&of(&sent, 0));
    stage.endpoint.wait_for_all(&of(&sent, 1));
    stage.wait_all_committed();
    keyway.stop();
    for endpoint in [&a, &stage.endpoint] {
        assert_eq!(endpoint.look(Ledger::most_in_flight), 3);
    }
    stage.endpoint.verdict(&of(&sent, 1)).assert_exact();
}

#[test]
fn a_rate_is_kept_and_holds_no_sender() {
    let stage = Stage::new(4);
    let sent = stage.produce(numbered(60, 60));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_ARBITERS", 3)
        .env("KEYWAY_HTTP_RATE", "40/s")
        .env("KEYWAY_HTTP_BURST", 1)
        .start();
    keyway.wait_for_metrics("what waits to be said", |metrics| {
        metrics.count("destination_held", &[("reason", "rate")]) >= 1
            && metrics.count("in_flight", &[]) <= 2
    });
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
    let begun = stage
        .endpoint
        .look(|ledger| ledger.requests().iter().map(|one| one.first_byte).collect::<Vec<_>>());
    // By the endpoint's clock, over all threads: 60 requests at 40/s take 59 intervals of 25 ms,
    // less what a late timer is forgiven.
    let took = *begun.last().expect("there were some") - begun[0];
    assert!(took >= Duration::from_millis(59 * 25 - 50), "{took:?}");
}

#[test]
fn retry_after_can_rest_the_whole_destination() {
    let stage = Stage::new(1);
    stage.endpoint.script(|request| match request.number {
        0 => Reply::status(429).header("Retry-After", "1"),
        _ => Reply::ok(),
    });
    let sent = stage.produce(numbered(30, 30));
    let mut keyway = stage
        .keyway()
        .flag("--senders", 1)
        .env("KEYWAY_HTTP_RESPECT_RETRY_AFTER", "destination")
        .start();
    stage.finish(&mut keyway, &sent);
    let (refused, second) = stage.endpoint.look(|ledger| {
        (ledger.requests()[0].last_byte.expect("it ended"), ledger.requests()[1].first_byte)
    });
    assert!(second - refused >= Duration::from_millis(990), "{:?}", second - refused);
}

/// While the breaker is open nothing is sent but probes, one at a time and in order, nothing is
/// dead-lettered, and no attempt is counted.
#[test]
fn a_breaker_leaves_an_ill_destination_alone_and_tries_it_in_order() {
    let stage = Stage::new(2);
    stage.endpoint.script(script::always(Reply::status(500)));
    let sent = stage.produce(numbered(200, 40));
    let mut keyway = stage
        .keyway()
        .flag("--arbiters", 1)
        .flag("--senders", 8)
        .env("KEYWAY_HTTP_BREAKER_ENABLED", "true")
        .env("KEYWAY_HTTP_BREAKER_MIN_REQUESTS", 10)
        .env("KEYWAY_HTTP_BREAKER_OPEN_FOR", "200ms")
        .env("KEYWAY_HTTP_BREAKER_MAX_OPEN_FOR", "400ms")
        .start();
    keyway.wait_for_log("breaker open");
    let metrics = keyway.wait_for_metrics("an open breaker", |metrics| {
        metrics.count("destination_breaker_state", &[]) > 0
            && metrics.count("breakers_opened_total", &[]) >= 3
    });
    // It opened after ten requests, and what was under way then ended; after that came probes.
    let opened = metrics.count("breakers_opened_total", &[]);
    let asked = stage.endpoint.look(Ledger::count);
    assert!(asked <= 10 + 8 + 2 * opened + 2, "{asked} requests, opened {opened} times");
    stage.endpoint.script(script::ok());
    keyway.wait_for_log("breaker closed");
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_kept();
    let most = stage.endpoint.look(|ledger| {
        ledger.requests().iter().filter_map(|one| one.attempt).max().expect("there were some")
    });
    assert!(most <= 8, "{most} attempts at a record, of {asked} requests");
}

#[test]
fn a_refusal_is_no_illness() {
    let stage = Stage::new(1);
    stage.endpoint.script(script::always(Reply::status(404)));
    stage.produce(numbered(100, 100));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_RETRY_ON_REJECTED", "drop")
        .env("KEYWAY_HTTP_BREAKER_ENABLED", "true")
        .env("KEYWAY_HTTP_BREAKER_MIN_REQUESTS", 2)
        .start();
    stage.wait_all_committed();
    let metrics = keyway.metrics();
    assert_eq!(metrics.count("records_dropped_total", &[]), 100);
    assert_eq!(metrics.count("breakers_opened_total", &[]), 0);
    keyway.stop();
}

#[test]
fn an_adaptive_limit_delivers_everything_in_order() {
    let slow = script::slow(Duration::from_millis(5), Duration::from_millis(6), 3, script::ok());
    let stage = Stage::with(4, Endpoint::builder().script(slow).start());
    let sent = stage.produce(numbered(2_000, 500));
    let mut keyway = stage.keyway().env("KEYWAY_HTTP_CONCURRENCY", "adaptive").start();
    keyway.wait_for_metrics("a limit", |it| it.count("destination_limit", &[]) > 4);
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}
