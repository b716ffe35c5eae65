//! Every example runs with nothing installed, ends cleanly, and says at its end what it did.
#![allow(clippy::expect_used, reason = "a failed step of a test is a panic that names the step")]

use std::path::PathBuf;
use std::process::Command;

/// Where `cargo test` has built an example: beside the folder of this test.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not there: `cargo test` builds it, `cargo test --test …` alone does not; \
         run `cargo build --examples` before",
        path.display()
    );
    path
}

/// Runs an example and gives the last line that it printed.
fn last_line(name: &str) -> String {
    let output = Command::new(built(name)).output().expect("it can be started");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{stdout}\n{stderr}", output.status);
    stdout.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn embed_actix_web_delivers_to_the_application_it_lives_in() {
    assert_eq!(last_line("embed_actix_web"), "the application took 1000 orders");
}

#[test]
fn custom_sink_delivers_to_a_function() {
    let line = last_line("custom_sink");
    let retries = line
        .strip_prefix("delivered 1000 of 1000 records with ")
        .and_then(|rest| rest.strip_suffix(" retries"))
        .and_then(|number| number.parse::<u32>().ok());
    // One call in a hundred fails.
    assert!(retries.is_some_and(|retries| (5..=50).contains(&retries)), "{line}");
}

#[test]
fn wire_the_actors_delivers_through_actors_wired_by_hand() {
    assert_eq!(
        last_line("wire_the_actors"),
        "delivered 500 of 500 records through actors on one arbiter"
    );
}

#[test]
fn custom_route_makes_two_requests_of_some_records_and_none_of_others() {
    let line = last_line("custom_route");
    assert_eq!(line, "900 orders and 100 notes of 1000 records, 100 of them filtered");
}
