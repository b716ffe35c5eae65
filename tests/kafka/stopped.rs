//! A member is halted (SIGSTOP) for longer than its session, and goes on later: by then others have
//! its partitions.

use super::settled::{Cut, Settled, wait_until_covered};
use super::stage::{Stage, faulty, wait_until_shared};
use crate::support::Keyway;

fn halted(name: &str, settings: impl Fn(Keyway) -> Keyway) {
    let stage = Stage::new(name, 6);
    stage.endpoint.script(faulty(5, 30, 0.03));
    // More than can be delivered meanwhile: the member is halted with a queue.
    let mut sent = stage.produce(crate::support::numbered(8_000, 60));
    let load = stage.load(50, 60);
    let start = || settings(stage.keyway().flag("--senders", 16)).start();
    let mut member = start();
    stage.wait_for_more(150);
    let covered = wait_until_covered(&stage);
    stage.wait_for_more(20);
    member.pause();
    // What it had under way is answered; it has not read the answers.
    stage.endpoint.wait_until("answers", |ledger| ledger.in_flight() == 0);
    let cut = Cut::note(&stage, covered, "a member was halted");
    let mut other = start();
    wait_until_shared(&mut [&mut other], 6);
    stage.wait_for_more(200);
    let before = Settled::read(&stage);
    let resumed = stage.endpoint.look(crate::support::Ledger::now);
    member.resume();
    member.wait_for_log("partitions lost");
    wait_until_shared(&mut [&mut member, &mut other], 6);
    stage.wait_for_more(150);
    let after = Settled::read(&stage);
    sent.extend(load.stop());
    let verdict = stage.finish(&sent);
    member.stop();
    other.stop();
    let (again, open) = stage.endpoint.look(|ledger| cut.check(ledger, Some(resumed)));
    let late = stage.endpoint.look(|ledger| ledger.sent_again_after(resumed));
    println!("{name}: {again} of {open} sent again by the other, {} after it went on", late.len());
    println!("{name}: {verdict}");
    assert!(sent.iter().all(|one| !before.contains(&one.id) || after.contains(&one.id)));
    verdict.assert_kept();
    assert!(late.is_empty(), "the member had lost its partitions: {late:?}");
}

#[test]
fn a_member_halted_for_longer_than_its_session() {
    halted("halted", super::stage::quick);
}

#[test]
fn a_member_of_the_newer_protocol_halted_for_longer_than_its_session() {
    halted("halted-newer", |keyway| keyway.kafka("group.protocol", "consumer"));
}
