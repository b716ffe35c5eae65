//! The broker goes away and comes back: the member waits, goes on and loses nothing.

use super::stage::{Stage, faulty, said};
use crate::support::{Cluster, Kafka, Running, Signal, numbered, wait_for};

/// Waits until `/readyz` says that nothing can be delivered now.
fn wait_until_cut_off(keyway: &mut Running) {
    wait_for("/readyz to say 503", || {
        keyway.get("/readyz").filter(|(status, _)| *status == 503).map(drop)
    });
}

#[test]
fn a_broker_killed_or_halted_under_load_costs_nothing() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "killed-broker", 6);
    stage.endpoint.script(faulty(2, 25, 0.03));
    let load = stage.load(300, 60);
    let mut keyway = stage.keyway().kafka("socket.timeout.ms", "2000").start();
    for _ in 0..2 {
        stage.wait_for_more(150);
        kafka.kill();
        kafka.restart();
    }
    stage.wait_for_more(150);
    keyway.wait_ready();
    // Now connections that stay open and answer nothing.
    kafka.pause();
    wait_until_cut_off(&mut keyway);
    assert_eq!(keyway.get("/livez").map(|(status, _)| status), Some(200));
    kafka.resume();
    stage.wait_for_more(150);
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    keyway.stop();
    println!("killed broker: {} records, {} sent again", sent.len(), verdict.sent_again.len());
    // The membership outlives the broker, and so does all that the member knows.
    verdict.assert_exact();
}

#[test]
fn a_broker_that_is_away_for_long_is_waited_for() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "broker-away", 6);
    stage.endpoint.script(faulty(2, 25, 0.03));
    let mut sent = stage.produce(numbered(300, 30));
    // Not there yet.
    kafka.stop();
    let mut keyway = stage.quick().start();
    keyway.wait_for_log("waiting for a broker");
    wait_until_cut_off(&mut keyway);
    kafka.restart();
    keyway.wait_ready();
    stage.endpoint.wait_for_all(&sent);
    // Away for longer than the session.
    let load = stage.load(300, 60);
    stage.wait_for_more(150);
    kafka.stop();
    keyway.wait_for_log("partitions lost");
    wait_until_cut_off(&mut keyway);
    assert_eq!(keyway.get("/livez").map(|(status, _)| status), Some(200));
    stage.endpoint.wait_until("the requests under way to end", |ledger| ledger.in_flight() == 0);
    stage.endpoint.incident("the partitions were lost");
    kafka.restart();
    keyway.wait_ready();
    stage.wait_for_more(150);
    sent.extend(load.stop());
    let verdict = stage.finish(&sent);
    let noise = said(&keyway, "waiting for a broker");
    keyway.stop();
    println!("broker away: {} records, {} sent again", sent.len(), verdict.sent_again.len());
    verdict.assert_kept();
    assert!(noise < 20, "said {noise} times");
}

#[test]
fn a_member_told_to_stop_while_the_broker_is_away_ends_and_says_what_it_could_not_do() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "stop-without-broker", 2);
    let sent = stage.produce(numbered(200, 20));
    // The same name each time, so that the next one need not wait for the session of the first.
    let run =
        || stage.keyway().kafka("group.instance.id", "one").env("KEYWAY_COMMIT_INTERVAL", "1h");
    let mut keyway = run().start();
    stage.endpoint.wait_for_all(&sent);
    kafka.kill();
    keyway.signal(Signal::TERM);
    let begun = std::time::Instant::now();
    assert_eq!(keyway.wait_exit(), 0);
    // The session would last for 45 seconds.
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(said(&keyway, "may be sent again"), 1);
    assert_eq!(said(&keyway, "without leaving the group"), 1);
    stage.endpoint.incident("nothing was committed");
    kafka.restart();
    assert_eq!(kafka.committed_total(&stage.group, &stage.topic), 0);
    let mut keyway = run().start();
    stage.endpoint.wait_until("all again", |ledger| ledger.count() == 2 * sent.len());
    keyway.stop();
    kafka.wait_all_committed(&stage.group, &stage.topic);
    stage.endpoint.verdict(&sent).assert_kept();
}
