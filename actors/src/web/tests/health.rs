//! What is alive and what is ready, by the status of made-up pipelines.

use std::time::Duration;

use super::super::health::{PATIENCE, not_alive, not_ready};
use super::status;
use crate::{Life, Part, PipelineError, State};

const NONE: [String; 0] = [];

#[test]
fn a_thread_is_stalled_when_it_was_silent_for_too_long() {
    let life = |part, silence| Life { part, silence };
    let mut a = status("a");
    a.lives = vec![life(Part::PollThread, PATIENCE), life(Part::Arbiter(1), PATIENCE)];
    assert_eq!(not_alive(&[a.clone(), status("b")], PATIENCE), NONE);
    a.lives[1].silence += Duration::from_millis(500);
    assert_eq!(
        not_alive(&[status("b"), a], PATIENCE),
        ["pipeline a: arbiter 1 has made no progress for 10.5 s"]
    );
}

#[test]
fn a_disk_may_take_longer_than_a_thread_of_ours() {
    let mut a = status("a");
    a.lives = vec![Life { part: Part::Sink, silence: PATIENCE * 3 }];
    assert_eq!(not_alive(&[a.clone()], PATIENCE), NONE);
    a.lives[0].silence += Duration::from_millis(500);
    assert_eq!(
        not_alive(&[a], PATIENCE),
        ["pipeline a: the thread of the sink has made no progress for 30.5 s"]
    );
}

#[test]
fn a_failed_pipeline_is_neither_alive_nor_ready_and_says_why() {
    let mut a = status("a");
    a.state = State::Failed;
    assert_eq!(not_alive(&[a.clone()], PATIENCE), ["pipeline a: has failed"]);
    a.failure = Some(PipelineError::Died { part: "an arbiter" });
    for wrong in [not_alive(&[a.clone()], PATIENCE), not_ready(&[a])] {
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("pipeline a: has failed: "), "{wrong:?}");
        assert!(wrong[0].contains("an arbiter"), "{wrong:?}");
    }
}

#[test]
fn a_pipeline_that_stops_is_alive_and_not_ready() {
    for (state, why) in [(State::Draining, "is draining"), (State::Stopped, "has stopped")] {
        let mut a = status("a");
        a.state = state;
        assert_eq!(not_alive(&[a.clone()], PATIENCE), NONE);
        assert_eq!(not_ready(&[status("b"), a]), [format!("pipeline a: {why}")]);
    }
}

#[test]
fn ready_is_a_member_that_reaches_its_group_resting_or_not() {
    for state in [State::Running, State::Paused] {
        let mut a = status("a");
        a.state = state;
        assert_eq!(not_ready(&[a.clone()]), NONE);
        a.cut_off = true;
        assert_eq!(not_ready(&[a.clone()]), ["pipeline a: cannot reach its group's coordinator"]);
        a.joined = false;
        assert_eq!(not_ready(&[a]), ["pipeline a: waits to join its group"]);
    }
}

#[test]
fn each_pipeline_that_is_not_ready_is_named() {
    let (mut a, mut c) = (status("a"), status("c"));
    a.state = State::Starting;
    a.joined = false;
    c.cut_off = true;
    let wrong = not_ready(&[a, status("b"), c]);
    assert_eq!(wrong.len(), 2);
    assert!(wrong[0].contains("pipeline a") && wrong[1].contains("pipeline c"), "{wrong:?}");
}
