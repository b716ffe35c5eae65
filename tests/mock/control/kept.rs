//! `--state-dir`: what was made is there again after a crash, as it was.

use std::fs;
use std::path::Path;

use super::*;

fn serve(stage: &Stage, folder: &Path) -> Keyway {
    stage.serve().flag("--state-dir", folder.display())
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|it| it != "lock").collect();
    names.sort();
    names
}

#[test]
fn what_was_made_goes_on_after_a_kill_as_it_was() {
    let (stage, other) = (Stage::new(1), Endpoint::start());
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = |name: &str| {
        let mut definition = stage.definition(name);
        definition["http"]["url"] = other.url_of(&format!("/{name}")).into();
        definition
    };
    let mut keyway = serve(&stage, folder.path()).start();
    assert_eq!(keyway.post(&stage.definition("runs")).status, 201);
    for name in ["rests", "stopped", "deleted"] {
        assert_eq!(keyway.post(&elsewhere(name)).status, 201);
        keyway.wait_state(name, "running");
    }
    for (name, order, state) in [("rests", "pause", "paused"), ("stopped", "drain", "stopped")] {
        assert_eq!(keyway.lead(name, order).status, 202);
        keyway.wait_state(name, state);
    }
    keyway.delete("deleted");
    keyway.wait_gone("deleted");
    let sent = stage.produce(numbered(50, 10));
    stage.endpoint.wait_for_all(&sent);
    stage.wait_committed("runs");
    keyway.kill();
    assert_eq!(files(folder.path()), ["rests.json", "runs.json", "stopped.json"]);
    let more = stage.produce(numbered(50, 10));

    let mut keyway = serve(&stage, folder.path()).start();
    stage.endpoint.wait_for_all(&more);
    stage.wait_committed("runs");
    stage.endpoint.verdict(&[sent, more].concat()).assert_exact();
    for (name, state) in [("rests", "paused"), ("stopped", "stopped"), ("runs", "running")] {
        keyway.wait_state(name, state);
    }
    assert_eq!(keyway.show("rests")["definition"], elsewhere("rests"));
    assert_eq!(keyway.show("deleted"), Value::Null);
    assert_eq!(other.look(Ledger::count), 0);
    assert_eq!(keyway.put(&stage.definition("runs")).status, 200, "it is what it was");
    // What rests goes on where it was, and what was stopped starts.
    keyway.lead("rests", "resume");
    other.wait_for_delivered(100);
    keyway.lead("stopped", "restart");
    other.wait_until("both have delivered all", |ledger| ledger.count() == 200);
    keyway.stop();
    let left = ["rests.json", "runs.json", "stopped.json"];
    assert_eq!(files(folder.path()), left, "the end of the process is no deletion");
}

#[test]
fn what_cannot_be_read_fails_by_itself_and_is_left_as_it_is() {
    let stage = Stage::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let mut keyway = serve(&stage, folder.path()).start();
    keyway.post(&stage.definition("good"));
    keyway.kill();
    let good = fs::read_to_string(folder.path().join("good.json")).expect("it is kept");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("torn.json", &good[..good.len() / 2]);
    write("copied.json", &good);
    write("old.json", &good.replace("good", "old").replace("\"topics\"", "\"topic\""));

    let mut keyway = serve(&stage, folder.path()).start();
    let sent = stage.produce(numbered(5, 5));
    stage.endpoint.wait_for_all(&sent);
    for (name, why) in [("torn", "torn.json"), ("copied", "of another"), ("old", "topic")] {
        keyway.wait_state(name, "failed");
        let failure = keyway.show(name)["failure"].to_string();
        assert!(failure.contains(why), "{name}: {failure}");
        let ready = keyway.ask("GET", "/readyz", "");
        let told = ready.text.contains(&format!("pipeline {name}: has failed"));
        assert!(ready.status == 503 && told, "{ready:?}");
    }
    assert_eq!(keyway.ask("GET", "/livez", "").status, 200, "a restart would not help");
    // Nothing is written over what nobody could read.
    for order in ["drain", "restart"] {
        problem(&keyway.lead("torn", order), 409);
    }
    let torn = fs::read_to_string(folder.path().join("torn.json")).expect("it is left");
    assert_eq!(torn, good[..good.len() / 2]);
    problem(&keyway.lead("old", "restart"), 400);
    // Unless somebody says so.
    assert_eq!(keyway.delete("torn").status, 204);
    assert_eq!(keyway.delete("old").status, 204);
    assert_eq!(keyway.put(&stage.definition("copied")).status, 202);
    keyway.wait_state("copied", "running");
    assert_eq!(files(folder.path()), ["copied.json", "good.json"]);
    assert_eq!(keyway.ask("GET", "/readyz", "").status, 200);
    keyway.stop();
}

/// The configuration has become another: what would take its records fails, and says why.
#[test]
fn what_the_configuration_has_taken_the_place_of_does_not_run_beside_it() {
    let stage = Stage::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let mut definition = stage.definition("kept");
    definition["group_id"] = stage.group.clone().into();
    let mut keyway = serve(&stage, folder.path()).start();
    assert_eq!(keyway.post(&definition).status, 201);
    keyway.kill();
    let run = |name: &str| {
        let keyway = stage.keyway().env("KEYWAY_NAME", name);
        keyway.flag("--state-dir", folder.path().display())
    };
    let mut keyway = run("fixed").start();
    keyway.wait_state("kept", "failed");
    let failure = keyway.show("kept")["failure"].to_string();
    assert!(failure.contains("each record would reach only one"), "{failure}");
    keyway.stop();
    // One of its name: it is not known at all, and kept all the same.
    let mut keyway = run("kept").start();
    keyway.wait_for_log("the configuration has one of its name");
    assert_eq!(keyway.show("kept")["origin"], "configuration");
    keyway.stop();
    assert_eq!(files(folder.path()), ["kept.json"]);
}

#[test]
fn a_second_process_does_not_get_the_folder() {
    let stage = Stage::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let mut keyway = serve(&stage, folder.path()).start();
    keyway.api();
    let second = serve(&stage, folder.path()).output();
    assert_eq!(second.code, 78, "{second:?}");
    assert!(second.stderr.contains("another Keyway keeps its pipelines in"), "{second:?}");
    keyway.stop();
    let mut third = serve(&stage, folder.path()).start();
    third.api();
    third.stop();
}

#[test]
fn what_cannot_be_kept_is_not_done() {
    let stage = Stage::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let mut keyway = serve(&stage, folder.path()).start();
    keyway.wait_ready();
    // Folders stand where the files are to be written.
    for name in ["a", "b"] {
        fs::create_dir(folder.path().join(format!("{name}.json"))).expect("a folder");
    }
    problem(&keyway.post(&stage.definition("a")), 500);
    problem(&keyway.put(&stage.definition("b")), 500);
    assert_eq!(keyway.ask("GET", "/v1/pipelines", "").json()["pipelines"], json!([]));
    assert_eq!(keyway.post(&stage.definition("c")).status, 201);
    keyway.stop();
}

/// Killed while definitions are written one after the other: what is found is whole, and at least as
/// new as what was answered last.
#[test]
fn a_kill_leaves_the_old_definition_or_the_new_one() {
    const KILLS: usize = 12;
    let stage = Stage::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Rng::new(7);
    let mut senders = 1_u64;
    for kill in 0..KILLS {
        let mut keyway = serve(&stage, folder.path()).start();
        let api = keyway.api();
        // What is kept is known then.
        keyway.wait_ready();
        let kept = keyway.show("a");
        if kill == 0 {
            keyway.post(&stage.definition("a"));
            keyway.lead("a", "drain");
        } else {
            let found = kept["definition"]["senders"].as_u64();
            // The one after may have been written, and its answer have been lost.
            assert!(found == Some(senders) || found == Some(senders + 1), "{senders}: {kept}");
            assert_eq!((&kept["to_be"], &kept["failure"]), (&json!("stopped"), &Value::Null));
        }
        let (answered, answers) = std::sync::mpsc::channel();
        let mut definition = stage.definition("a");
        let first = senders + 2;
        let writer = std::thread::spawn(move || {
            for senders in first.. {
                definition["senders"] = senders.into();
                let body = definition.to_string();
                match ask(api, "PUT", "/v1/pipelines/a", &[], &body) {
                    Some(answer) if answer.status < 300 => drop(answered.send(senders)),
                    Some(answer) => panic!("{answer:?}"),
                    None => return,
                }
            }
        });
        let wanted = 1 + random.below(15);
        for _ in 0..wanted {
            senders = answers.recv().expect("it answers");
        }
        keyway.kill();
        writer.join().expect("it was never refused");
        senders = answers.try_iter().last().unwrap_or(senders);
        let names = files(folder.path());
        assert!(names.iter().all(|it| it == "a.json" || it == "a.json~"), "{names:?}");
    }
}

/// Two that post the records of one topic and group share its partitions, before and after.
#[test]
fn consumers_that_share_a_group_do_so_after_a_kill_too() {
    let stage = Stage::new(4);
    let folder = tempfile::tempdir().expect("a folder");
    let ids = ["one", "two"];
    let run = |keyway: &mut Running| ids.iter().for_each(|id| keyway.wait_state(id, "running"));
    let mut keyway = serve(&stage, folder.path()).start();
    for id in ids {
        let started = stage.start_consumer(&mut keyway, id);
        assert_eq!(started.status, 200, "{started:?}");
    }
    run(&mut keyway);
    keyway.kill();

    let mut keyway = serve(&stage, folder.path()).start();
    run(&mut keyway);
    // Nor does a change of what they are to do lose it.
    for order in ["pause", "restart"] {
        assert_eq!(keyway.lead("two", order).status, 202);
    }
    run(&mut keyway);
    // Others are refused as they were before.
    let mut other = stage.definition("other");
    other["group_id"] = stage.group.clone().into();
    let refused = problem(&keyway.post(&other), 409);
    assert!(refused["detail"].to_string().contains("each record would reach"), "{refused}");
    let sent = stage.produce(numbered(40, 20));
    stage.endpoint.wait_for_all(&sent);
    stage.wait_all_committed();
    keyway.stop();
}

/// Only those that were started as consumers share: whoever defines a pipeline means all its records.
#[test]
fn a_consumer_takes_no_records_of_a_pipeline() {
    let stage = Stage::new(1);
    let mut definition = stage.definition("pipeline");
    definition["group_id"] = stage.group.clone().into();
    let mut keyway = stage.serve().start();
    assert_eq!(keyway.post(&definition).status, 201);
    let refused = stage.start_consumer(&mut keyway, "one");
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text.contains("pipeline \\\"pipeline\\\" consumes"), "{refused:?}");
    assert_eq!(keyway.lead("pipeline", "drain").status, 202);
    keyway.wait_state("pipeline", "stopped");
    assert_eq!(stage.start_consumer(&mut keyway, "one").status, 200);
    problem(&keyway.lead("pipeline", "restart"), 409);
    keyway.stop();
}

/// Whether the definition that `PUT` brings is another or not.
#[test]
fn a_consumer_that_is_changed_goes_on_sharing_its_group() {
    let stage = Stage::new(4);
    let folder = tempfile::tempdir().expect("a folder");
    let mut keyway = serve(&stage, folder.path()).start();
    assert_eq!(stage.start_consumer(&mut keyway, "one").status, 200);
    let mut definition = keyway.show("one")["definition"].clone();
    assert_eq!(keyway.put(&definition).status, 200, "it is what it was");
    definition["senders"] = 7.into();
    assert_eq!(keyway.put(&definition).status, 202);
    let second = stage.start_consumer(&mut keyway, "two");
    assert_eq!(second.status, 200, "{second:?}");
    assert_eq!(keyway.put(&definition).status, 200, "beside the other, too");
    keyway.kill();

    let mut keyway = serve(&stage, folder.path()).start();
    for id in ["one", "two"] {
        keyway.wait_state(id, "running");
    }
    // A new one of the same definition is a pipeline, which shares with nobody.
    definition["name"] = "three".into();
    problem(&keyway.put(&definition), 409);
    // And so is one in place of a consumer that was deleted.
    assert_eq!(keyway.delete("two").status, 202);
    keyway.wait_gone("two");
    definition["name"] = "two".into();
    problem(&keyway.put(&definition), 409);
    keyway.stop();
}
