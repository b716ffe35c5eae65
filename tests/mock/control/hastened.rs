//! Draining, and being told to stop before that is done.

use super::*;

const IN_FLIGHT: usize = 4;

/// A pipeline that drains: some requests are under way, and many more records are taken in. Its
/// deadline is far beyond what any test waits.
struct Draining {
    stage: Stage,
    gate: Gate,
    keyway: Running,
    sent: Vec<Sent>,
}

impl Draining {
    fn begin() -> Self {
        let gate = Gate::closed();
        let script = script::always(Reply::ok().behind(&gate));
        let stage = Stage::with(1, Endpoint::builder().script(script).start());
        let sent = stage.produce(numbered(60, 12));
        let mut keyway =
            stage.serve().flag("--senders", IN_FLIGHT).env("KEYWAY_DRAIN_DEADLINE", "1h").start();
        keyway.post(&stage.definition("a"));
        stage.endpoint.wait_until("requests", |ledger| ledger.in_flight() == IN_FLIGHT);
        wait_held(&mut keyway, sent.len());
        assert_eq!(keyway.lead("a", "drain").status, 202);
        keyway.wait_state("a", "draining");
        Self { stage, gate, keyway, sent }
    }

    /// Waits until it has let go of what is not under way, and lets the requests be answered.
    fn stops(&mut self) {
        wait_held(&mut self.keyway, IN_FLIGHT);
        let requests = |ledger: &Ledger| (ledger.count(), ledger.in_flight());
        assert_eq!(self.stage.endpoint.look(requests), (IN_FLIGHT, IN_FLIGHT));
        self.gate.open();
    }

    /// What was under way was answered, and nothing else was begun.
    fn assert_begun_nothing(&self) {
        let requests = |ledger: &Ledger| (ledger.count(), ledger.delivered());
        assert_eq!(self.stage.endpoint.look(requests), (IN_FLIGHT, IN_FLIGHT));
    }

    /// The next one delivers the rest.
    fn finish(mut self) {
        self.stage.endpoint.wait_for_all(&self.sent);
        self.stage.wait_committed("a");
        self.keyway.stop();
        self.stage.endpoint.verdict(&self.sent).assert_undisturbed();
    }
}

fn wait_held(keyway: &mut Running, records: usize) {
    keyway.wait_for_metrics(&format!("{records} records to be held"), |metrics| {
        metrics.count("held_records", &[]) == records
    });
}

/// It is the first stop for the pipeline, not the second.
#[test]
fn a_signal_makes_a_stop_of_a_drain() {
    let mut it = Draining::begin();
    it.keyway.signal(Signal::TERM);
    it.stops();
    assert_eq!(it.keyway.wait_exit(), 0);
    it.assert_begun_nothing();
    it.keyway = it.stage.serve().start();
    assert_eq!(it.keyway.post(&it.stage.definition("a")).status, 201);
    it.finish();
}

#[test]
fn a_deletion_makes_a_stop_of_a_drain() {
    let mut it = Draining::begin();
    assert_eq!(it.keyway.delete("a").status, 202);
    it.stops();
    it.keyway.wait_gone("a");
    it.assert_begun_nothing();
    assert_eq!(it.keyway.post(&it.stage.definition("a")).status, 201);
    it.finish();
}

/// However often: only a second signal to the process cuts requests off.
#[test]
fn a_restart_makes_a_stop_of_a_drain_and_others_are_no_second_stop() {
    let mut it = Draining::begin();
    assert_eq!(it.keyway.lead("a", "restart").status, 202);
    wait_held(&mut it.keyway, IN_FLIGHT);
    for order in ["drain", "restart", "drain", "restart"] {
        assert_eq!(it.keyway.lead("a", order).status, 202);
    }
    it.stops();
    it.finish();
}

#[test]
fn a_second_signal_ends_at_once_what_drained() {
    let mut it = Draining::begin();
    it.keyway.signal(Signal::TERM);
    wait_held(&mut it.keyway, IN_FLIGHT);
    it.keyway.signal(Signal::TERM);
    assert_eq!(it.keyway.wait_exit(), 1);
    it.keyway.wait_for_log("second signal");
}

/// Another definition does not start what is to be stopped, and so does not hurry it either.
#[test]
fn a_drain_goes_on_while_its_definition_changes() {
    let mut it = Draining::begin();
    let changed = it.stage.definition_of("a", &it.stage.topic, "/later");
    assert_eq!(it.keyway.put(&changed).status, 202);
    it.gate.open();
    it.keyway.wait_state("a", "stopped");
    it.stage.endpoint.look(|ledger| {
        let early = ledger.requests().iter().filter(|one| one.path().as_deref() == Some("/"));
        assert_eq!((early.count(), ledger.delivered()), (it.sent.len(), it.sent.len()));
    });
    it.finish();
}
