//! Pausing, resuming, draining and restarting.

use super::*;

#[test]
fn a_pause_takes_nothing_in_until_it_is_over() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().start();
    keyway.post(&stage.definition("a"));
    let sent = stage.produce(numbered(10, 5));
    stage.endpoint.wait_for_all(&sent);
    assert_eq!(keyway.lead("a", "pause").status, 202);
    keyway.wait_state("a", "paused");
    assert_eq!(keyway.lead("a", "pause").status, 202, "twice is as once");
    let more = stage.produce(numbered(10, 5));
    // Another pipeline has read as far: what this one would have sent, it would have sent by now.
    let witness = Endpoint::start();
    let mut definition = stage.definition("witness");
    definition["http"]["url"] = witness.url().into();
    keyway.post(&definition);
    witness.wait_for_delivered(20);
    assert_eq!(stage.endpoint.look(Ledger::delivered), 10);
    assert_eq!(keyway.ask("GET", "/readyz", "").status, 200, "it rests as it was told to");
    assert_eq!(keyway.lead("a", "resume").status, 202);
    stage.endpoint.wait_for_all(&more);
    stage.endpoint.verdict(&[sent, more].concat()).assert_exact();
    keyway.wait_state("a", "running");
    keyway.stop();
}

#[test]
fn a_drain_delivers_what_is_held_and_a_restart_goes_on_after_it() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(30, 3));
    let mut keyway = stage.serve().start();
    keyway.post(&stage.definition("a"));
    stage.endpoint.wait_until("three requests", |ledger| ledger.in_flight() == 3);
    keyway.wait_for_metrics("all to be held", |metrics| metrics.count("held_records", &[]) == 30);
    assert_eq!(keyway.lead("a", "drain").status, 202);
    keyway.wait_state("a", "draining");
    gate.open();
    keyway.wait_state("a", "stopped");
    assert_eq!(stage.endpoint.look(Ledger::delivered), 30);
    stage.wait_committed("a");
    let shown = keyway.show("a");
    assert_eq!((&shown["to_be"], &shown["leaving"]), (&json!("stopped"), &json!(false)));
    assert_eq!(keyway.ask("GET", "/readyz", "").status, 200, "it was told to stop");
    for order in ["pause", "resume"] {
        let refused = problem(&keyway.lead("a", order), 409);
        assert!(refused["detail"].to_string().contains("restart"), "{refused}");
    }
    // What it is to be can be changed meanwhile; that does not start it.
    let mut definition = stage.definition("a");
    definition["senders"] = 7.into();
    assert_eq!(keyway.put(&definition).status, 202);
    assert_eq!(keyway.show("a")["state"], "stopped");
    assert_eq!(keyway.put(&definition).status, 200);

    let more = stage.produce(numbered(30, 3));
    assert_eq!(keyway.lead("a", "restart").status, 202);
    stage.endpoint.wait_for_all(&more);
    stage.wait_committed("a");
    stage.endpoint.verdict(&[sent, more].concat()).assert_exact();
    assert_eq!(keyway.show("a")["totals"]["delivered"], 30, "its figures begin anew");
    keyway.stop();
}

/// What it held was held back by the pause, and goes out all the same.
#[test]
fn what_is_paused_can_be_drained_and_restarted() {
    let stage = Stage::new(1);
    let sent = stage.produce(numbered(10, 5));
    let mut keyway = stage.serve().start();
    keyway.post(&stage.definition("a"));
    stage.endpoint.wait_for_all(&sent);
    keyway.lead("a", "pause");
    keyway.wait_state("a", "paused");
    assert_eq!(keyway.lead("a", "restart").status, 202);
    keyway.wait_state("a", "running");
    keyway.lead("a", "pause");
    keyway.wait_state("a", "paused");
    assert_eq!(keyway.lead("a", "drain").status, 202);
    keyway.wait_state("a", "stopped");
    let late = keyway.log().iter().any(|line| line["msg"].to_string().contains("deadline"));
    assert!(!late, "it waited for what it did not send");
    keyway.stop();
}

/// What a pause held back is delivered by a drain as anything else.
#[test]
fn a_drain_delivers_what_a_pause_held_back() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(30, 3));
    let mut keyway = stage.serve().env("KEYWAY_DRAIN_DEADLINE", "1h").start();
    keyway.post(&stage.definition("a"));
    stage.endpoint.wait_until("three requests", |ledger| ledger.in_flight() == 3);
    keyway.wait_for_metrics("all to be held", |metrics| metrics.count("held_records", &[]) == 30);
    assert_eq!(keyway.lead("a", "pause").status, 202);
    keyway.wait_state("a", "paused");
    gate.open();
    stage.endpoint.wait_for_delivered(3);
    keyway.wait_for_metrics("27 to rest", |metrics| metrics.count("held_records", &[]) == 27);
    assert_eq!(keyway.lead("a", "drain").status, 202);
    keyway.wait_state("a", "stopped");
    stage.wait_committed("a");
    stage.endpoint.verdict(&sent).assert_undisturbed();
    keyway.stop();
}

/// While it stopped, another took what it took.
#[test]
fn what_another_has_taken_the_place_of_is_not_restarted_beside_it() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().start();
    let of = |name: &str| {
        let mut definition = stage.definition(name);
        definition["group_id"] = stage.group.clone().into();
        definition
    };
    keyway.post(&of("a"));
    keyway.lead("a", "drain");
    keyway.wait_state("a", "stopped");
    assert_eq!(keyway.post(&of("b")).status, 201);
    let refused = problem(&keyway.lead("a", "restart"), 409);
    assert!(
        refused["detail"].to_string().contains("each record would reach only one"),
        "{refused}"
    );
    assert_eq!(keyway.show("a")["to_be"], "stopped");
    keyway.delete("b");
    keyway.wait_gone("b");
    assert_eq!(keyway.lead("a", "restart").status, 202);
    keyway.stop();
}

#[test]
fn what_the_configuration_defines_is_led_and_not_changed() {
    let stage = Stage::new(1);
    let mut keyway = stage.keyway().env("KEYWAY_NAME", "fixed").start();
    let sent = stage.produce(numbered(5, 5));
    stage.endpoint.wait_for_all(&sent);
    let shown = keyway.show("fixed");
    assert_eq!((&shown["origin"], &shown["definition"]), (&json!("configuration"), &Value::Null));
    let refused = problem(&keyway.put(&stage.definition("fixed")), 403);
    assert!(refused["detail"].to_string().contains("SIGHUP"), "{refused}");
    problem(&keyway.delete("fixed"), 403);
    problem(&keyway.post(&stage.definition("fixed")), 409);
    for (order, state) in [("pause", "paused"), ("resume", "running"), ("drain", "stopped")] {
        assert_eq!(keyway.lead("fixed", order).status, 202);
        keyway.wait_state("fixed", state);
    }
    assert_eq!(keyway.lead("fixed", "restart").status, 202);
    let more = stage.produce(numbered(5, 5));
    stage.finish(&mut keyway, &more);
    stage.endpoint.verdict(&[sent, more].concat()).assert_exact();
}
