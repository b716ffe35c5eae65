//! A member is halted (SIGSTOP) for longer than its session, and goes on later: by then others have
//! its partitions.

use std::time::Duration;

use super::settled::{Cut, Settled, wait_until_covered};
use super::stage::{Stage, wait_until_shared};
use crate::support::{Gate, Keyway, Reply, numbered};

const SENDERS: usize = 16;

fn halted(name: &str, settings: impl Fn(Keyway) -> Keyway) {
    let stage = Stage::new(name, 6);
    let gate = Gate::closed();
    gate.open();
    let behind = gate.clone();
    stage.endpoint.script(move |_| Reply::ok().after(Duration::from_millis(15)).behind(&behind));
    // More than can be delivered meanwhile: the member is halted with a queue.
    let mut sent = stage.produce(numbered(4_000, 60));
    let load = stage.load(50, 60);
    let start = || settings(stage.keyway().flag("--senders", SENDERS)).start();
    let mut member = start();
    stage.wait_for_more(150);
    let covered = wait_until_covered(&stage);
    stage.wait_for_more(20);
    // Halted while all its requests are under way, rather than in the middle of writing one, which
    // it would finish when it goes on.
    gate.close();
    stage.endpoint.wait_until("all requests", |ledger| ledger.in_flight() == SENDERS);
    member.pause();
    gate.open();
    // They are answered; it has not read the answers.
    stage.endpoint.wait_until("answers", |ledger| ledger.in_flight() == 0);
    let cut = Cut::note(&stage, covered, "a member was halted");
    let mut other = start();
    wait_until_shared(&mut [&mut other], 6);
    stage.wait_for_more(200);
    let before = Settled::read(&stage);
    member.resume();
    member.wait_for_log("partitions lost");
    wait_until_shared(&mut [&mut member, &mut other], 6);
    stage.wait_for_more(150);
    let after = Settled::read(&stage);
    sent.extend(load.stop());
    let verdict = stage.finish(&sent);
    member.stop();
    other.stop();
    verdict.assert_kept();
    let (again, open) = stage.endpoint.look(|ledger| cut.check(ledger, None));
    println!("{name}: {again} sent again of {open} not committed");
    // By the other, that is: what the member came back with, it kept to itself.
    assert_eq!(verdict.sent_again.len(), again);
    assert!(verdict.sent_again.iter().all(|one| one.times == 1), "{verdict}");
    assert!(sent.iter().all(|one| !before.contains(&one.id) || after.contains(&one.id)));
}

#[test]
fn a_member_halted_for_longer_than_its_session() {
    halted("halted", |keyway| keyway.kafka("session.timeout.ms", "6000"));
}

#[test]
fn a_member_of_the_newer_protocol_halted_for_longer_than_its_session() {
    halted("halted-newer", |keyway| keyway.kafka("group.protocol", "consumer"));
}
