//! Every example runs with nothing installed, ends cleanly, and says at its end what it did.
#![allow(clippy::expect_used, reason = "a failed step of a test is a panic that names the step")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

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

/// An example that goes on serving; it ends with its test.
struct Served {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    fn start(name: &str) -> Self {
        let mut command = Command::new(built(name));
        let mut process =
            command.arg("--serve").stdout(Stdio::piped()).spawn().expect("it can be started");
        let lines = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { process, lines }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).expect("text") > 0, "it has ended");
        line
    }
}

/// What a server answers: its status and its text.
fn ask(address: &str, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    (status, body.to_owned())
}

#[test]
fn embed_actix_web_mounts_what_shows_and_leads_its_pipeline_beside_its_own_routes() {
    let mut example = Served::start("embed_actix_web");
    let urls = example.line();
    let rest = urls.strip_prefix("http://").expect("a URL");
    let address = rest.split('/').next().expect("an address");
    assert_eq!(example.line().trim_end(), "the application took 1000 orders");
    let json = |method, path| {
        let (status, text) = ask(address, method, path);
        let json: Value = serde_json::from_str(&text).expect("JSON");
        (status, json)
    };

    let (status, shown) = json("GET", "/keyway/v1/pipelines");
    let shown = &shown["pipelines"][0];
    assert_eq!((status, &shown["name"]), (200, &"orders".into()));
    assert_eq!(shown["totals"]["delivered"], 1000);
    let (status, shown) = json("GET", "/keyway/v1/pipelines/orders/partitions");
    assert_eq!((status, &shown["pipeline"]), (200, &"orders".into()));
    assert_eq!(json("GET", "/keyway/v1/verify").1["adds_up"], true);
    assert_eq!(ask(address, "GET", "/livez"), (200, "ok\n".to_owned()));
    assert_eq!(ask(address, "GET", "/readyz"), (200, "ok\n".to_owned()));
    let (_, metrics) = ask(address, "GET", "/metrics");
    let delivered = "keyway_records_delivered_total{pipeline=\"orders\"} 1000\n";
    assert!(metrics.contains(delivered), "{metrics}");

    let (status, own) = ask(address, "GET", "/status");
    assert!(status == 200 && own.starts_with("Running: 1000 delivered"), "{own}");
    assert_eq!(ask(address, "POST", "/orders").0, 400, "an order without its key");
    assert_eq!(ask(address, "GET", "/v1/pipelines").0, 404, "nothing is mounted there");

    assert_eq!(json("POST", "/keyway/v1/pipelines/orders/pause").0, 202);
    let mut state = String::new();
    while !state.starts_with("Paused") {
        state = ask(address, "GET", "/status").1;
    }
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
