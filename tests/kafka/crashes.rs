//! The process is killed. Nothing is lost, order is kept, and what is sent again was in flight or
//! finished since the last commit.

use super::settled::{Cut, check_cuts, wait_until_covered};
use super::stage::{Stage, faulty, quick, share, wait_until_shared};
use crate::support::Keyway;

const PARTITIONS: i32 = 6;

/// Kills it so many times under load, each time some records after a commit was seen.
fn killed(name: &str, times: usize, settings: impl Fn(Keyway) -> Keyway) {
    let stage = Stage::new(name, PARTITIONS);
    stage.endpoint.script(faulty(2, 25, 0.05));
    let load = stage.load(400, 60);
    let mut cuts = Vec::new();
    for round in 1..=times {
        let mut keyway = settings(stage.keyway()).start();
        stage.wait_for_more(100);
        let covered = wait_until_covered(&stage);
        stage.wait_for_more(30);
        keyway.kill();
        cuts.push(Cut::note(&stage, covered, &format!("kill {round}")));
    }
    let mut last = settings(stage.keyway()).start();
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    last.stop();
    verdict.assert_kept();
    check_cuts(name, &stage, &cuts);
    println!("{name}: {} records, {} sent again", sent.len(), verdict.sent_again.len());
}

#[test]
fn killed_ten_times_and_back_as_the_same_member() {
    killed("killed-static", 10, |keyway| {
        keyway.kafka("group.instance.id", "only").env("KEYWAY_COMMIT_INTERVAL", "300ms")
    });
}

#[test]
fn killed_three_times_and_back_as_a_new_member() {
    killed("killed-dynamic", 3, quick);
}

#[test]
fn killed_twice_and_back_in_the_newer_group_protocol() {
    killed("killed-newer", 2, |keyway| keyway.kafka("group.protocol", "consumer"));
}

#[test]
fn a_survivor_takes_over_from_a_member_that_was_killed() {
    let stage = Stage::new("survivor", PARTITIONS);
    stage.endpoint.script(faulty(2, 25, 0.05));
    let load = stage.load(300, 60);
    let mut survivor = stage.quick().start();
    let mut cuts = Vec::new();
    for round in 1..=3 {
        let mut victim = stage.quick().start();
        wait_until_shared(&mut [&mut survivor, &mut victim], 6);
        stage.wait_for_more(100);
        let covered = wait_until_covered(&stage);
        stage.wait_for_more(30);
        victim.kill();
        // What the survivor goes on with meanwhile is no part of the cut: it is not sent again.
        cuts.push(Cut::note(&stage, covered, &format!("kill {round}")));
        wait_until_shared(&mut [&mut survivor], 6);
        stage.wait_for_more(100);
    }
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    assert_eq!(share(&mut survivor), 6);
    survivor.stop();
    verdict.assert_kept();
    check_cuts("survivor", &stage, &cuts);
}
