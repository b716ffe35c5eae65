//! `keyway demo` as its user meets it: it delivers, kills, resumes and proves; it fails with a
//! reason; and however it ends, no process of it stays behind.
#![allow(clippy::expect_used, reason = "a failed step of a test is a panic that names the step")]

mod support;

use support::*;

/// The processes that the demo started so far, as it says itself.
fn processes(stdout: &str) -> Vec<u32> {
    let starts = stdout.lines().filter_map(|line| line.split_once("keyway run starts (process "));
    starts.filter_map(|(_, rest)| rest.split_once(')')?.0.parse().ok()).collect()
}

/// Whether there is such a process; one that has ended and waits for its parent is none.
fn is_alive(process: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
    !matches!(state, Some(b'Z' | b'X') | None)
}

/// A demo that goes on for seconds, and the process that it has started.
fn under_way() -> (Running, u32) {
    let demo = Keyway::command(["demo"]).start();
    let process =
        wait_for("the demo to start keyway run", || processes(&demo.stdout()).first().copied());
    assert!(is_alive(process));
    (demo, process)
}

#[track_caller]
fn assert_says(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn the_demo_kills_the_process_halfway_and_proves_that_nothing_is_lost_or_out_of_order() {
    let sizes = ["demo", "--records", "2000", "--keys", "50", "--latency", "2ms"];
    let output = Keyway::command(sizes).output();
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
    assert_says(
        &output.stdout,
        &[
            "2,000 records of 50 keys",
            "kill -9 ",
            "Verdict: lost 0, out of order 0, sent again ",
            "lost 0               2,000 records written, all delivered",
            "out of order 0       50 keys, each in the order written, one at a time",
            "2,000 records on record in Kafka as done: all of them",
            "exited with 0",
            "Every promise was kept.",
        ],
    );
    let started = processes(&output.stdout);
    assert_eq!(started.len(), 2, "one to be killed, one to go on:\n{}", output.stdout);
    assert_ne!(started[0], started[1]);
    assert!(started.into_iter().all(|process| !is_alive(process)));
    let controls = output.stdout.chars().any(|c| c.is_control() && c != '\n');
    assert!(!controls, "no bar and no colours where nobody sees them:\n{}", output.stdout);
    assert_eq!(output.stderr, "");
}

#[test]
fn an_endpoint_of_the_users_gets_every_record_in_order() {
    let endpoint = Endpoint::builder().hashes_only().start();
    let sizes = ["demo", "--records", "3000", "--keys", "40", "--url"];
    let url = endpoint.url();
    let output = Keyway::command(sizes.into_iter().chain([url.as_str()])).output();
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
    assert_says(
        &output.stdout,
        &[
            url.as_str(),
            "Verdict: 3,000 of 3,000 records on record in Kafka as done",
            "Nothing is left open.",
        ],
    );
    // What the demo cannot know, this endpoint does. The kill allows a key to go back, once.
    endpoint.look(|ledger| {
        assert_eq!(ledger.delivered(), 3_000);
        assert!(ledger.overlaps().is_empty(), "{:?}", ledger.overlaps());
        let mut disorder = ledger.out_of_order();
        disorder.retain(|one| one.why.contains("began before"));
        assert!(disorder.is_empty(), "{disorder:?}");
    });
}

#[test]
fn an_interrupted_demo_says_so_and_leaves_no_process_behind() {
    let (mut demo, process) = under_way();
    demo.signal(Signal::INT);
    assert_eq!(demo.wait_exit(), 1);
    assert_says(&demo.stderr(), &["SIGINT", "nothing was verified"]);
    wait_for("keyway run to be gone", || (!is_alive(process)).then_some(()));
}

#[test]
fn a_killed_demo_leaves_no_process_behind() {
    let (mut demo, process) = under_way();
    demo.kill();
    wait_for("keyway run to be gone", || (!is_alive(process)).then_some(()));
}

#[test]
fn a_process_that_cannot_start_fails_the_demo_with_its_own_words() {
    let demo = Keyway::command(["demo", "--records", "10"]);
    let output = demo.env("KEYWAY_COMMIT_INTERVAL", "never").output();
    assert_eq!(output.code, 1);
    assert_says(&output.stderr, &["keyway run ended by itself", "KEYWAY_COMMIT_INTERVAL"]);
}

#[test]
fn the_users_pipeline_is_not_the_demos() {
    let demo = Keyway::command(["demo", "--records", "10"]);
    let demo = demo.env("KEYWAY_CONFIG", "/nowhere.toml").env("KEYWAY_TOPICS", "payments");
    let output = demo.kafka("security.protocol", "ssl").output();
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
}

#[test]
fn a_demo_that_could_never_end_is_refused() {
    for (flag, value) in [("--fail", "100%"), ("--latency", "1m")] {
        let output = Keyway::command(["demo", flag, value]).output();
        assert_eq!(output.code, 64, "{flag}");
        assert_says(&output.stderr, &[flag]);
        assert_eq!(output.stdout, "");
    }
}
