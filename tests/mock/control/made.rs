//! Making, changing and deleting.

use super::*;

#[test]
fn what_is_posted_delivers_and_what_is_put_again_goes_on_undisturbed() {
    let stage = Stage::new(2);
    let mut keyway = stage.serve().start();
    assert_eq!(keyway.ask("GET", "/v1/pipelines", "").json()["pipelines"], json!([]));
    let definition = stage.definition("a");
    let made = keyway.post(&definition);
    assert_eq!((made.status, made.header("location")), (201, Some("/v1/pipelines/a")));
    assert_eq!(made.json()["definition"], definition);
    let sent = stage.produce(numbered(50, 10));
    stage.endpoint.wait_for_all(&sent);
    stage.wait_committed("a");
    let rebalances = |keyway: &mut Running| keyway.metrics().count("rebalances_total", &[]);
    let before = rebalances(&mut keyway);

    let again = keyway.put(&definition);
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.json()["totals"]["delivered"], 50, "it did not begin anew");
    let more = stage.produce(numbered(50, 10));
    stage.endpoint.wait_for_all(&more);
    stage.wait_committed("a");
    let shown = keyway.show("a");
    assert_eq!(shown["totals"]["delivered"], 100, "{shown}");
    assert_eq!((&shown["state"], &shown["origin"]), (&json!("running"), &json!("api")));
    assert_eq!(rebalances(&mut keyway), before);
    stage.endpoint.verdict(&[sent, more].concat()).assert_exact();
    keyway.stop();
}

/// Where it goes changes while requests are under way: those finish first.
#[test]
fn what_changes_ends_before_it_starts_anew() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(60, 12));
    let mut keyway = stage.serve().flag("--senders", 4).start();
    assert_eq!(keyway.post(&stage.definition_of("a", &stage.topic, "/old")).status, 201);
    stage.endpoint.wait_until("four requests", |ledger| ledger.in_flight() == 4);

    let changed = stage.definition_of("a", &stage.topic, "/new");
    let answer = keyway.put(&changed);
    assert_eq!((answer.status, &answer.json()["definition"]), (202, &changed));
    keyway.wait_state("a", "draining");
    assert_eq!(keyway.put(&changed).status, 200, "it is to be so already");
    assert_eq!(stage.endpoint.look(Ledger::count), 4);
    gate.open();
    stage.endpoint.wait_for_all(&sent);
    stage.wait_committed("a");
    stage.endpoint.verdict(&sent).assert_exact();
    stage.endpoint.look(|ledger| {
        let of = |path: &str| {
            let all = ledger.requests().iter();
            all.filter(|one| one.path().as_deref() == Some(path)).cloned().collect::<Vec<_>>()
        };
        let (old, new) = (of("/old"), of("/new"));
        assert_eq!((old.len(), new.len()), (4, 56));
        let ended = old.iter().filter_map(|one| one.last_byte).max();
        assert!(ended < new.iter().map(|one| one.first_byte).min(), "they overlap");
    });
    keyway.stop();
}

#[test]
fn what_is_deleted_finishes_its_requests_and_is_gone() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(5, 5));
    let mut keyway = stage.serve().start();
    keyway.post(&stage.definition("a"));
    stage.endpoint.wait_until("five requests", |ledger| ledger.in_flight() == 5);
    let going = keyway.delete("a");
    assert_eq!((going.status, &going.json()["leaving"]), (202, &json!(true)));
    keyway.wait_state("a", "draining");
    // Whoever leaves cannot be led, nor made again beside itself.
    for order in ["pause", "resume", "drain", "restart"] {
        problem(&keyway.lead("a", order), 404);
    }
    problem(&keyway.delete("a"), 404);
    let refused = problem(&keyway.post(&stage.definition("a")), 409);
    assert!(refused["detail"].to_string().contains("still ending"), "{refused}");
    gate.open();
    keyway.wait_gone("a");
    problem(&keyway.delete("a"), 404);
    assert!(!keyway.metrics().has("keyway_records_delivered_total"), "its figures go with it");
    stage.wait_committed("a");
    stage.endpoint.verdict(&sent).assert_exact();
    keyway.stop();
}

/// PUT says what is to be, whatever is there: what leaves comes back.
#[test]
fn what_is_put_while_the_old_one_ends_starts_after_it() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(40, 8));
    let mut keyway = stage.serve().flag("--senders", 2).start();
    keyway.post(&stage.definition("a"));
    stage.endpoint.wait_until("two requests", |ledger| ledger.in_flight() == 2);
    assert_eq!(keyway.delete("a").status, 202);
    let again = keyway.put(&stage.definition("a"));
    assert_eq!((again.status, &again.json()["leaving"]), (201, &json!(false)));
    for path in ["/b", "/c", "/d"] {
        assert_eq!(keyway.put(&stage.definition_of("a", &stage.topic, path)).status, 202);
    }
    assert_eq!(stage.endpoint.look(Ledger::count), 2);
    gate.open();
    stage.endpoint.wait_for_all(&sent);
    stage.wait_committed("a");
    stage.endpoint.verdict(&sent).assert_exact();
    let paths = stage.endpoint.look(|ledger| {
        let paths = ledger.requests().iter().filter_map(Entry::path);
        paths.collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(paths, ["/", "/d"].map(str::to_owned).into(), "those between never started");
    keyway.stop();
}
