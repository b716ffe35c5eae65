//! SIGHUP: the file is read again.

use std::fs;
use std::path::PathBuf;

use super::*;

/// One pipeline of a file, from a topic to that path.
fn section(stage: &Stage, name: &str, path: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"{name}\"\ntopics = [\"{}\"]\ngroup_id = \"{}-{name}\"\n\
         http.url = \"{}\"\n",
        stage.topic,
        stage.group,
        stage.endpoint.url_of(path)
    )
}

fn start(stage: &Stage, text: &str) -> (Running, PathBuf) {
    let keyway = stage.serve();
    let path = keyway.write("keyway.toml", text);
    (keyway.flag("--config", path.display()).start(), path)
}

/// Has it read this; gives what it says then, which has come `count` times.
fn reload(keyway: &mut Running, file: &PathBuf, text: &str, says: &str, count: usize) -> Value {
    fs::write(file, text).expect("the file is written");
    keyway.signal(Signal::HUP);
    keyway.wait_for_logs(says, count).remove(count - 1)
}

const READ: &str = "the configuration was read again";

/// Sends the signal, and waits until it is refused for this reason.
fn wait_refused(keyway: &mut Running, why: &str) {
    keyway.signal(Signal::HUP);
    wait_for(why, || {
        let mut lines = keyway.log().into_iter();
        lines.find(|line| {
            let says =
                |key: &str, what: &str| line[key].as_str().is_some_and(|it| it.contains(what));
            says("msg", "nothing changes") && says("problem", why)
        })
    });
}

#[test]
fn what_changed_restarts_and_what_did_not_goes_on_undisturbed() {
    let gate = Gate::closed();
    let behind = gate.clone();
    let script = move |request: &Request| match request.path.as_str() {
        "/stays" => Reply::ok().behind(&behind),
        _ => Reply::ok(),
    };
    let stage = Stage::with(1, Endpoint::builder().script(script).start());
    let of = |name: &str, path: &str| section(&stage, name, path);
    let before = [of("stays", "/stays"), of("changes", "/old"), of("goes", "/goes")].concat();
    let (mut keyway, file) = start(&stage, &before);
    stage.produce(numbered(3, 3));
    let delivered = |path: &'static str, count: usize| {
        stage.endpoint.wait_until(path, move |ledger| {
            let all = ledger.requests().iter().filter(|one| one.path().as_deref() == Some(path));
            all.filter(|one| one.delivered()).count() == count
        });
    };
    delivered("/old", 3);
    delivered("/goes", 3);
    stage.endpoint.wait_until("three to wait", |ledger| ledger.in_flight() == 3);
    let rebalances =
        |keyway: &mut Running| keyway.metrics().count("rebalances_total", &[("pipeline", "stays")]);
    let joined = rebalances(&mut keyway);

    let after = [of("changes", "/new"), of("comes", "/comes"), of("stays", "/stays")].concat();
    let line = reload(&mut keyway, &file, &after, READ, 1);
    let counts = ["gone", "new", "changed"].map(|it| line[it].as_u64());
    assert_eq!(counts, [Some(1), Some(1), Some(1)], "{line}");
    keyway.wait_gone("goes");
    stage.produce(numbered(3, 3));
    delivered("/new", 3);
    delivered("/comes", 6);
    delivered("/goes", 3);
    assert_eq!(stage.endpoint.look(Ledger::in_flight), 3, "they go on");
    assert_eq!(keyway.show("stays")["state"], "running");
    gate.open();
    delivered("/stays", 6);
    assert_eq!(rebalances(&mut keyway), joined);
    let twice = stage.endpoint.look(|ledger| ledger.requests().len());
    assert_eq!(twice, 3 + 3 + 3 + 6 + 6, "none was sent twice");
    // The same file again.
    let line = reload(&mut keyway, &file, &after, READ, 2);
    let counts = ["gone", "new", "changed"].map(|it| line[it].as_u64());
    assert_eq!(counts, [Some(0), Some(0), Some(0)], "{line}");
    keyway.stop();
}

#[test]
fn a_file_that_is_not_right_changes_nothing_and_says_why() {
    let stage = Stage::new(1);
    let good = section(&stage, "a", "/a");
    let (mut keyway, file) = start(&stage, &good);
    keyway.wait_state("a", "running");
    let mut made = stage.definition("made");
    assert_eq!(keyway.post(&made).status, 201);
    keyway.wait_state("made", "running");
    made["name"] = "other".into();
    let takes_its_records = section(&stage, "b", "/b").replace("-b\"", "-made\"");
    let changed = section(&stage, "a", "/changed");
    let takes_them = format!(
        "pipeline \"b\" cannot run beside one that was made through the API: pipeline \"made\" \
         consumes {:?} in group \"{}-made\" too",
        stage.topic, stage.group
    );
    let wrong = [
        ("[[pipeline]\n".to_owned(), "keyway.toml"),
        (format!("{changed}senders = 0\n"), "senders"),
        (format!("{changed}sendrs = 1\n"), "sendrs"),
        (format!("{changed}{changed}"), "name"),
        (format!("{changed}{}", section(&stage, "made", "/x")), "made through the API"),
        (format!("{changed}{takes_its_records}"), &takes_them),
    ];
    for (text, why) in wrong {
        fs::write(&file, text).expect("the file is written");
        wait_refused(&mut keyway, why);
    }
    fs::remove_file(&file).expect("it is there");
    wait_refused(&mut keyway, "cannot read");
    for name in ["a", "made"] {
        assert_eq!(keyway.show(name)["state"], "running", "{name}");
    }
    let sent = stage.produce(numbered(5, 5));
    stage.endpoint.wait_until("both have delivered", |ledger| ledger.count() == 2 * sent.len());
    let paths = stage.endpoint.look(|ledger| {
        let paths = ledger.requests().iter().filter_map(Entry::path);
        paths.collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(paths, ["/", "/a"].map(str::to_owned).into());
    // It is not the file's fault for ever.
    reload(&mut keyway, &file, &good, READ, 1);
    keyway.stop();
}

/// The two are named, and what they would share.
#[test]
fn a_file_that_would_write_what_another_writes_names_both() {
    let stage = Stage::new(1);
    let root = tempfile::tempdir().expect("a folder");
    let keyway = stage.serve().flag("--file-root", root.path().display());
    let file = keyway.write("keyway.toml", "");
    let mut keyway = keyway.flag("--config", file.display()).start();
    let mut made = stage.definition("made");
    made.as_object_mut().expect("an object").remove("http");
    made["file"] = json!({ "path": "out.txt" });
    assert_eq!(keyway.post(&made).status, 201);
    let path = root.path().join("out.txt");
    let text = format!(
        "[[pipeline]]\nname = \"b\"\ntopics = [\"t\"]\ngroup_id = \"g\"\nfile.path = {path:?}\n"
    );
    fs::write(&file, text).expect("the file is written");
    let why = format!(
        "pipeline \"b\" cannot run beside one that was made through the API: pipeline \"made\" \
         writes {} too",
        path.display()
    );
    wait_refused(&mut keyway, &why);
    keyway.stop();
}

/// One that rests stands in nobody's way, until it is to start.
#[test]
fn what_has_taken_the_place_of_one_that_rests_does_not_keep_the_file_from_being_read() {
    let stage = Stage::new(1);
    let file = section(&stage, "a", "/a");
    let (mut keyway, path) = start(&stage, &file);
    keyway.wait_state("a", "running");
    assert_eq!(keyway.lead("a", "drain").status, 202);
    keyway.wait_state("a", "stopped");
    let mut definition = stage.definition("instead");
    definition["group_id"] = stage.definition("a")["group_id"].clone();
    assert_eq!(keyway.post(&definition).status, 201);
    reload(&mut keyway, &path, &format!("{file}senders = 3\n"), READ, 1);
    assert_eq!(keyway.show("a")["state"], "stopped");
    problem(&keyway.lead("a", "restart"), 409);
    keyway.stop();
}

/// It was taken out, and is wanted again before it has ended.
#[test]
fn what_is_put_back_while_it_ends_starts_after_it() {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let stage = Stage::with(1, endpoint);
    let (a, b) = (section(&stage, "a", "/a"), section(&stage, "b", "/b"));
    let (mut keyway, file) = start(&stage, &[a.clone(), b.clone()].concat());
    stage.produce(numbered(1, 1));
    stage.endpoint.wait_until("both requests", |ledger| ledger.in_flight() == 2);
    reload(&mut keyway, &file, &b, READ, 1);
    keyway.wait_state("a", "draining");
    reload(&mut keyway, &file, &[a, b].concat(), READ, 2);
    assert_eq!(keyway.show("a")["leaving"], false);
    gate.open();
    keyway.wait_state("a", "running");
    stage.produce(numbered(1, 1));
    stage.endpoint.wait_until("both go on", |ledger| ledger.count() == 4);
    keyway.stop();
}
