//! The broker goes away and comes back: the member waits, goes on and loses nothing.

use super::stage::{Stage, faulty, said};
use crate::support::Kafka;

#[test]
fn a_broker_killed_and_restarted_under_load_costs_nothing() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "killed-broker", 6);
    stage.endpoint.script(faulty(2, 25, 0.03));
    let load = stage.load(300, 60);
    let mut keyway = stage.keyway().start();
    for _ in 0..3 {
        let t = std::time::Instant::now();
        stage.wait_for_more(150);
        println!("more {:?}", t.elapsed());
        let t = std::time::Instant::now();
        kafka.kill();
        kafka.restart();
        println!("restart {:?}", t.elapsed());
    }
    let t = std::time::Instant::now();
    stage.wait_for_more(150);
    println!("more {:?}", t.elapsed());
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    keyway.stop();
    println!("killed broker: {} records, {} sent again", sent.len(), verdict.sent_again.len());
    // The membership outlives the broker, and so does all that the member knows.
    verdict.assert_exact();
}

#[test]
fn a_broker_away_for_longer_than_the_session_is_waited_for() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "broker-away", 6);
    stage.endpoint.script(faulty(2, 25, 0.03));
    let load = stage.load(300, 60);
    let mut keyway = stage.quick().start();
    stage.wait_for_more(150);
    kafka.stop();
    keyway.wait_for_log("partitions lost");
    assert_eq!(keyway.get("/readyz").map(|(status, _)| status), Some(503));
    assert_eq!(keyway.get("/livez").map(|(status, _)| status), Some(200));
    stage.endpoint.wait_until("the requests under way to end", |ledger| ledger.in_flight() == 0);
    stage.endpoint.incident("the partitions were lost");
    kafka.restart();
    keyway.wait_ready();
    stage.wait_for_more(150);
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    keyway.stop();
    println!("broker away: {} records, {} sent again", sent.len(), verdict.sent_again.len());
    verdict.assert_kept();
}

#[test]
fn a_broker_that_halts_is_waited_for() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "halted-broker", 6);
    stage.endpoint.script(faulty(2, 25, 0.03));
    let load = stage.load(300, 60);
    let mut keyway = stage.keyway().kafka("socket.timeout.ms", "1000").start();
    stage.wait_for_more(150);
    kafka.pause();
    // Connections that stay open and answer nothing.
    keyway.wait_for_log("waiting for a broker");
    kafka.resume();
    stage.wait_for_more(150);
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
}

#[test]
fn a_broker_that_is_not_there_yet_is_waited_for() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "no-broker-yet", 2);
    let sent = stage.produce(crate::support::numbered(200, 20));
    kafka.stop();
    let mut keyway = stage.keyway().start();
    keyway.wait_for_log("waiting for a broker");
    assert_eq!(keyway.get("/readyz").map(|(status, _)| status), Some(503));
    kafka.restart();
    keyway.wait_ready();
    let verdict = stage.finish(&sent);
    let noise = said(&keyway, "waiting for a broker");
    assert!(noise < 10, "said {noise} times");
    keyway.stop();
    verdict.assert_exact();
}

#[test]
fn a_member_told_to_stop_while_the_broker_is_away_ends() {
    let kafka = Kafka::start();
    let stage = Stage::on(&kafka, "stop-without-broker", 2);
    stage.endpoint.script(faulty(2, 25, 0.0));
    let sent = stage.produce(crate::support::numbered(200, 20));
    let mut keyway = stage.keyway().env("KEYWAY_COMMIT_INTERVAL", "1h").start();
    stage.endpoint.wait_for_all(&sent);
    kafka.kill();
    let t = std::time::Instant::now();
    keyway.signal(crate::support::Signal::TERM);
    keyway.wait_exit();
    println!("exit {:?} {}", t.elapsed(), keyway.stderr());
    let t = std::time::Instant::now();
    assert_eq!(said(&keyway, "may be sent again"), 1, "it says what could not be committed");
    stage.endpoint.incident("nothing was committed");
    kafka.restart();
    let mut keyway = stage.keyway().start();
    let verdict = stage.finish(&sent);
    println!("rest {:?}", t.elapsed());
    keyway.stop();
    verdict.assert_kept();
    assert_eq!(verdict.sent_again.len(), sent.len());
}
