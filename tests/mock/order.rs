//! Promise P2: what is in order stays in order, whatever fails.

use std::time::Duration;

use super::stage::Stage;
use crate::support::*;

#[test]
fn keys_stay_in_order_while_every_fifth_fails_twice() {
    let endpoint = Endpoint::builder()
        .script(script::slow(
            Duration::from_millis(1),
            Duration::from_millis(15),
            7,
            script::fail_keys(7, 0.2, 2, 503),
        ))
        .start();
    let stage = Stage::with(6, endpoint);
    let sent = stage.produce(numbered(3_000, 300));
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    let verdict = stage.endpoint.verdict(&sent);
    verdict.assert_exact();
    let failed = stage.endpoint.look(|ledger| ledger.answered(503));
    assert!(failed > 600, "a fifth of the records failed twice: {failed} failures");
}

#[test]
fn keys_stay_in_order_through_every_kind_of_failure() {
    let endpoint = Endpoint::builder()
        .script(|request| match (request.seen, request.number % 7) {
            (0, 0) => Reply::status(429).header("retry-after", "0"),
            (0, 1) => Reply::close(),
            (0, 2) => Reply::reset(),
            (0, 3) => Reply::raw("not http at all\r\n\r\n"),
            (0, 4) => Reply::status(500).then_close(),
            (0, 5) => Reply::cut(503),
            _ => Reply::ok(),
        })
        .start();
    let stage = Stage::with(3, endpoint);
    let sent = stage.produce(zipf(1_000, 100, 1.0, 11));
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
    let metrics = stage.endpoint.look(Ledger::count);
    assert!(metrics > 1_500, "most records failed once: {metrics} requests");
}

#[test]
fn a_partition_stays_in_order_as_a_whole_with_ordering_partition() {
    let endpoint =
        Endpoint::builder().lanes(Lanes::Partition).script(script::fail_share(3, 0.2, 503)).start();
    let stage = Stage::with(3, endpoint);
    let sent = stage.produce(numbered(300, 50));
    let mut keyway = stage.keyway().flag("--ordering", "partition").start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
    let most = stage.endpoint.look(Ledger::most_in_flight);
    assert!(most <= 3, "one request a partition, and there were {most} at once");
}

#[test]
fn one_sender_sends_one_record_after_the_other() {
    let endpoint = Endpoint::builder()
        .lanes(Lanes::Partition)
        .script(script::slow(Duration::ZERO, Duration::from_millis(4), 5, script::ok()))
        .start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(200, 200));
    let mut keyway = stage.keyway().flag("--senders", 1).start();
    stage.finish(&mut keyway, &sent);
    // Every record has a key of its own: only the single sender puts them into one order.
    stage.endpoint.verdict(&sent).assert_exact();
    assert_eq!(stage.endpoint.look(Ledger::most_in_flight), 1);
}
