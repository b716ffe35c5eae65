//! Flag over variable over file over default.

use super::trap::Trap;
use crate::stage::{Counts, Stage};
use crate::support::*;

const FILE: &str = "[[pipeline]]\nname = \"orders\"\nsenders = 3\n";

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let trap = Trap::new();
    let senders = |shape: &dyn Fn(Keyway) -> Keyway| {
        let output = shape(trap.command("check")).output();
        assert_eq!(output.code, 0, "{output:?}");
        let line = output.stdout.lines().find(|line| line.contains("in flight")).map(str::to_owned);
        line.expect("a line about requests in flight")
    };
    assert!(senders(&|keyway| keyway).contains("at most 256 "));
    let file = |keyway: Keyway| keyway.config(FILE);
    assert!(senders(&file).contains("at most 3 "));
    let variable = |keyway: Keyway| file(keyway).env("KEYWAY_SENDERS", 5);
    assert!(senders(&variable).contains("at most 5 "));
    let flag = |keyway: Keyway| variable(keyway).flag("--senders", 7);
    assert!(senders(&flag).contains("at most 7 "));
    // An empty variable is none.
    assert!(senders(&|keyway| file(keyway).env("KEYWAY_SENDERS", "")).contains("at most 3 "));
}

#[test]
fn what_wins_is_what_runs() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(40, 40));
    let mut keyway =
        stage.keyway().config(FILE).env("KEYWAY_SENDERS", 5).flag("--senders", 7).start();
    stage.endpoint.wait_until("seven requests", |ledger| ledger.in_flight() == 7);
    keyway.wait_for_metrics("the rest to be held", |metrics| {
        metrics.count("held_records", &[("pipeline", "orders")]) == 40
    });
    gate.open();
    stage.finish(&mut keyway, &sent);
    assert_eq!(stage.endpoint.look(Ledger::most_in_flight), 7);
}

#[test]
fn a_layer_that_loses_is_checked_all_the_same() {
    let trap = Trap::new();
    let output = trap.command("check").env("KEYWAY_SENDERS", "many").flag("--senders", 7).output();
    assert_eq!(output.code, 78);
    assert!(output.stderr.starts_with("keyway: KEYWAY_SENDERS: "), "{}", output.stderr);
}

#[test]
fn a_file_takes_names_from_the_environment() {
    let trap = Trap::new();
    let file = "[[pipeline]]\ngroup_id = \"${TEAM}-http\"\n";
    let output = trap.command("check").config(file).env("TEAM", "billing").output();
    assert!(output.stdout.contains("billing-http"), "{output:?}");
    let output = trap.command("check").config(file).output();
    assert_eq!(output.code, 78);
    assert!(output.stderr.contains("the variable TEAM is not set"), "{}", output.stderr);
}
