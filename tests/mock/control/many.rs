//! Hundreds of pipelines come and go at a time, and nothing of them is left.

use std::collections::BTreeSet;

use super::*;

/// How many clients there are at a time, each with a pipeline of its own.
const CLIENTS: usize = 200;

/// What is left of everything is as much as after one that came and went.
#[test]
fn two_hundred_come_and_go_in_parallel_and_leave_nothing_behind() {
    let stage = Stage::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let keyway = stage.serve().flag("--state-dir", folder.path().display());
    let mut keyway = keyway.flag("--arbiters", 1).flag("--senders", 1).start();
    let api = keyway.api();
    let cycle = |clients: std::ops::Range<usize>| {
        let each = clients.map(|number| {
            let name = format!("p{number}");
            let body = stage.definition(&name).to_string();
            std::thread::spawn(move || {
                let made = ask(api, "POST", "/v1/pipelines", &[], &body).expect("it answers");
                assert_eq!(made.status, 201, "{made:?}");
                let path = format!("/v1/pipelines/{name}");
                let gone = ask(api, "DELETE", &path, &[], "").expect("it answers");
                assert!([202, 204].contains(&gone.status), "{gone:?}");
            })
        });
        let each: Vec<_> = each.collect();
        for client in each {
            client.join().expect("a client");
        }
    };
    let none_left = |keyway: &mut Running| {
        let all = keyway.ask("GET", "/v1/pipelines", "").json();
        (all["pipelines"] == json!([])).then_some(())
    };
    // What a process makes once and keeps, it has made then.
    for _ in 0..2 {
        cycle(0..4);
        wait_for("the first to be gone", || none_left(&mut keyway));
    }
    let settled = |keyway: &Running| {
        // Threads of the runtime for what blocks end by themselves when nothing does.
        let blocking = keyway.threads().iter().filter(|it| *it == "tokio-rt-worker").count();
        (blocking == 0).then(|| (keyway.threads(), keyway.open_files()))
    };
    let before = wait_for("all to rest", || settled(&keyway));
    cycle(4..4 + CLIENTS);
    wait_for("all to be gone", || none_left(&mut keyway));
    wait_for(&format!("threads and files as before: {before:?}"), || {
        (settled(&keyway)? == before).then_some(())
    });
    let names: BTreeSet<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|it| it.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["lock".into()].into());
    assert!(!keyway.metrics().has("keyway_records_delivered_total"));
    assert_eq!(keyway.ask("GET", "/readyz", "").status, 200);
    keyway.stop();
}

/// Most of them wait for their turn to start when the end comes.
#[test]
fn a_signal_while_many_start_ends_them_all() {
    const MANY: usize = 40;
    let stage = Stage::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..MANY {
        let name = format!("p{number}");
        let kept = json!({
            "version": 1, "run": "running", "definition": stage.definition(&name),
        });
        let path = folder.path().join(format!("{name}.json"));
        std::fs::write(path, kept.to_string()).expect("the file is written");
    }
    let keyway = stage.serve().flag("--state-dir", folder.path().display());
    let mut keyway = keyway.flag("--arbiters", 1).start();
    keyway.wait_for_logs("pipeline is kept", MANY);
    keyway.stop();
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, MANY + 1, "they are there the next time");
}
