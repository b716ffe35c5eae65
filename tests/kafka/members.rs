//! Members join and leave in order, under load: nothing is sent twice, no request is cut off, and no
//! lane has two requests at once, over all members.

use super::stage::{Stage, faulty, share, wait_until_shared, wait_until_shared_evenly};
use crate::support::{Kafka, Keyway, Running, numbered, wait_for};

const PARTITIONS: i32 = 12;

fn start(stage: &Stage<'_>, settings: impl Fn(Keyway) -> Keyway) -> Running {
    settings(stage.keyway().env("KEYWAY_SENDERS", 64)).start()
}

/// A member of the classic protocol that soon hears of a rebalance.
fn swift(keyway: Keyway) -> Keyway {
    keyway.kafka("heartbeat.interval.ms", "500")
}

/// Three members come one after the other, leave one after the other, and one comes back.
fn come_and_go(name: &str, settings: impl Fn(Keyway) -> Keyway + Copy) {
    let stage = Stage::new(name, PARTITIONS);
    stage.endpoint.script(faulty(10, 80, 0.03));
    let load = stage.load(300, 150);
    let mut one = start(&stage, settings);
    stage.wait_for_more(100);
    let mut two = start(&stage, settings);
    wait_until_shared(&mut [&mut one, &mut two], 12);
    stage.wait_for_more(100);
    let mut three = start(&stage, settings);
    wait_until_shared(&mut [&mut one, &mut two, &mut three], 12);
    stage.wait_for_more(100);
    one.stop();
    wait_until_shared(&mut [&mut two, &mut three], 12);
    stage.wait_for_more(100);
    let mut four = start(&stage, settings);
    wait_until_shared(&mut [&mut two, &mut three, &mut four], 12);
    two.stop();
    three.stop();
    wait_until_shared(&mut [&mut four], 12);
    stage.wait_for_more(100);
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    four.stop();
    println!("{name}: {} records, {} sent again", sent.len(), verdict.sent_again.len());
    verdict.assert_undisturbed();
}

#[test]
fn members_come_and_go_cooperative_sticky() {
    come_and_go("cooperative", swift);
}

#[test]
fn members_come_and_go_eager() {
    come_and_go("eager", |keyway| swift(keyway).kafka("partition.assignment.strategy", "range"));
}

#[test]
fn members_come_and_go_with_the_newer_group_protocol() {
    come_and_go("newer", |keyway| keyway.kafka("group.protocol", "consumer"));
}

/// One after the other is stopped and started again under the same name, as an upgrade does.
fn rolled(name: &str, settings: impl Fn(Keyway) -> Keyway + Copy) {
    let stage = Stage::new(name, PARTITIONS);
    stage.endpoint.script(faulty(10, 80, 0.03));
    let load = stage.load(300, 150);
    let member = |number: usize| {
        let id = format!("member-{number}");
        start(&stage, |keyway| settings(keyway).kafka("group.instance.id", &id))
    };
    let mut members: Vec<Running> = (0..3).map(member).collect();
    wait_until_shared_evenly(&mut members.iter_mut().collect::<Vec<_>>(), 12);
    let rebalances = |members: &mut [Running]| -> f64 {
        let sum = |it: &mut Running| it.metrics().sum("keyway_rebalances_total", &[]);
        members.iter_mut().map(sum).sum()
    };
    for number in 0..3 {
        stage.wait_for_more(100);
        let mut stopped = members.remove(0);
        let (before, had) = (rebalances(&mut members), share(&mut stopped));
        stopped.stop();
        members.push(member(number));
        wait_until_shared(&mut members.iter_mut().collect::<Vec<_>>(), 12);
        assert_eq!(share(&mut members[2]), had, "it has again what it had");
        let others = rebalances(&mut members[..2]);
        assert!((others - before).abs() < 0.5, "the others were not disturbed");
    }
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    members.iter_mut().for_each(Running::stop);
    println!("{name}: {} records, {} sent again", sent.len(), verdict.sent_again.len());
    verdict.assert_undisturbed();
}

#[test]
fn static_members_are_upgraded_one_by_one_and_nobody_notices() {
    rolled("static", swift);
}

#[test]
fn static_members_of_the_newer_protocol_are_upgraded_one_by_one() {
    rolled("static-newer", |keyway| keyway.kafka("group.protocol", "consumer"));
}

#[test]
fn a_static_member_that_stays_away_is_replaced_after_its_session() {
    let stage = Stage::new("static-gone", PARTITIONS);
    stage.endpoint.script(faulty(10, 80, 0.03));
    let load = stage.load(200, 100);
    let member = |id: &str| {
        let quick = stage.quick().kafka("group.instance.id", id);
        quick.start()
    };
    let (mut leaves, mut stays) = (member("leaves"), member("stays"));
    wait_until_shared(&mut [&mut leaves, &mut stays], 12);
    stage.wait_for_more(100);
    leaves.stop();
    wait_until_shared(&mut [&mut stays], 12);
    stage.wait_for_more(100);
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    stays.stop();
    verdict.assert_undisturbed();
}

/// The broker gives the partitions to the later one at once, and the earlier learns of it by its
/// next heartbeat or commit. Until then both would deliver, so here there is nothing to deliver.
#[test]
fn of_two_members_with_the_same_name_the_earlier_ends_and_says_why() {
    let stage = Stage::new("fenced", PARTITIONS);
    let member = || stage.keyway().kafka("group.instance.id", "the-same").start();
    let mut earlier = member();
    let mut sent = stage.produce(numbered(100, 20));
    stage.finish(&sent).assert_exact();
    let mut later = member();
    assert_eq!(earlier.wait_exit(), 1);
    let last = earlier.log().pop().expect("a line");
    assert!(last["msg"].as_str().is_some_and(|it| it.contains("FencedInstanceId")), "{last}");
    sent.extend(stage.produce(numbered(100, 20)));
    let verdict = stage.finish(&sent);
    later.stop();
    verdict.assert_undisturbed();
}

/// The newer protocol refuses the later one instead.
#[test]
fn of_two_members_with_the_same_name_in_the_newer_protocol_the_later_ends_and_says_why() {
    let stage = Stage::new("unreleased", PARTITIONS);
    let member = || {
        let newer = stage.keyway().kafka("group.protocol", "consumer");
        newer.kafka("group.instance.id", "the-same").start()
    };
    let mut earlier = member();
    let mut sent = stage.produce(numbered(100, 20));
    stage.finish(&sent).assert_exact();
    let mut later = member();
    assert_eq!(later.wait_exit(), 1);
    let last = later.log().pop().expect("a line");
    assert!(last["msg"].as_str().is_some_and(|it| it.contains("UnreleasedInstanceId")), "{last}");
    sent.extend(stage.produce(numbered(100, 20)));
    let verdict = stage.finish(&sent);
    earlier.stop();
    verdict.assert_undisturbed();
}

/// Members are started and stopped again and again, the next before the last has gone.
#[test]
fn members_are_toggled_all_the_time() {
    let stage = Stage::new("churn", PARTITIONS);
    stage.endpoint.script(faulty(140, 160, 0.01));
    let load = stage.load(250, 400);
    // One that went without a word would stay for longer than anything here waits.
    let patient = |keyway| swift(keyway).kafka("session.timeout.ms", "300000");
    let mut members = vec![start(&stage, patient)];
    let mut leaving: Vec<Running> = Vec::new();
    for action in 0..16_usize {
        // Progress, whatever else goes on.
        stage.wait_for_more(120);
        let grows = members.len() < 2 || (members.len() < 4 && action % 3 != 2);
        if grows {
            members.push(start(&stage, patient));
        } else {
            let mut one = members.remove(0);
            one.signal(crate::support::Signal::TERM);
            leaving.push(one);
        }
    }
    let sent = load.stop();
    let verdict = stage.finish(&sent);
    for mut one in leaving {
        assert_eq!(one.wait_exit(), 0, "a member that was stopped in the middle");
    }
    members.iter_mut().for_each(Running::stop);
    println!("churn: {} records, {} sent again", sent.len(), verdict.sent_again.len());
    verdict.assert_undisturbed();
    wait_for("all to have left", || Kafka::shared().members(&stage.group).is_empty().then_some(()));
}
