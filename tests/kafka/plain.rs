//! The plain endpoints of `keyway serve`: consumers that write files, each started and stopped by a
//! request, while the process and the others go on.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::stage::keyed;
use crate::support::{
    Cluster, Endpoint, Gate, Kafka, Keyway, Record, Reply, Running, unique, wait_for,
};

const PARTITIONS: i32 = 3;
const KEYS: usize = 20;

struct Plain {
    kafka: &'static Kafka,
    group: String,
    keyway: Running,
    folder: tempfile::TempDir,
}

impl Plain {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serve = ["serve", "--log-format", "json", "--listen", "127.0.0.1:0", "--file-root"];
        let keyway = Keyway::command(serve.into_iter().chain([folder.path().to_str().unwrap()]))
            .env("KEYWAY_RETRY_INITIAL", "20ms")
            .env("KEYWAY_RETRY_MAX", "200ms");
        let keyway = keyway.start();
        Self { kafka: Kafka::shared(), group: unique("plain"), keyway, folder }
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask_for_any(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    fn ask_for_any(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("Content-Type", "application/json")];
        let address = self.keyway.api();
        let answer = crate::support::ask(address, method, path, &headers, &body).unwrap();
        (answer.status, answer.json())
    }

    fn post(&mut self, path: &str) -> Value {
        self.ask("POST", path, &Value::Null)
    }

    /// A consumer that writes the file of its id.
    fn start(&mut self, id: &str, topic: &str) {
        let (broker, group) = (self.kafka.brokers(), self.group.clone());
        let started = self.post(&format!(
            "/start-consumer?broker={broker}&topic={topic}&file_path={id}.txt&group_id={group}\
             &client_id={id}"
        ));
        assert_eq!(started["consumer_id"], id, "{started}");
    }

    fn status(&mut self, id: &str) -> Value {
        self.ask("GET", &format!("/consumer-status/{id}"), &Value::Null)
    }

    fn wait_for_status(&mut self, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || Some(self.status(id)).filter(&is))
    }

    fn running(&mut self) -> Vec<String> {
        let list = self.ask("GET", "/list-consumers", &Value::Null);
        let all = list["consumers"].as_array().unwrap().iter();
        let running = all.filter(|consumer| consumer["running"] == true);
        running.map(|consumer| consumer["consumer_id"].as_str().unwrap().to_owned()).collect()
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.path().join(format!("{id}.txt"))
    }

    fn wait_for_lines(&self, id: &str, count: usize) {
        let path = self.file(id);
        wait_for(&format!("{count} lines of {id}"), || (lines(&path) >= count).then_some(()));
    }

    /// The file has the records of these numbers, each once, and those of a key in their order.
    fn assert_exact(&self, id: &str, count: usize) {
        let text = fs::read_to_string(self.file(id)).unwrap();
        let numbers: Vec<usize> = text.lines().map(number).collect();
        for key in 0..KEYS {
            let expected = (0..count).filter(|n| n % KEYS == key);
            let of_key = numbers.iter().copied().filter(|n| n % KEYS == key);
            assert!(of_key.eq(expected), "{id}: key {key} of {numbers:?}");
        }
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.matches('\n').count())
}

fn number(line: &str) -> usize {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    usize::try_from(value["n"].as_u64().unwrap()).unwrap()
}

fn records(numbers: std::ops::Range<usize>) -> Vec<Record> {
    numbers.map(|n| keyed(n % KEYS, n)).collect()
}

/// Both are in one group, as all are that are given none.
#[test]
fn consumers_start_stop_and_resume_each_by_itself() {
    let mut plain = Plain::new();
    let topics = ["one", "two"].map(|stem| plain.kafka.topic(stem, PARTITIONS));
    for topic in &topics {
        plain.kafka.produce(topic, records(0..300));
    }
    plain.start("one", &topics[0]);
    plain.start("two", &topics[1]);
    for id in ["one", "two"] {
        plain.wait_for_lines(id, 300);
        let status = plain.wait_for_status(id, "300 delivered", |it| it["messages"] == 300);
        let shown = ["running", "state", "last_error"].map(|field| status[field].clone());
        assert_eq!(shown, [json!(true), json!("running"), Value::Null], "{status}");
        plain.assert_exact(id, 300);
    }
    assert_eq!(plain.running(), ["one", "two"]);

    let stopped = plain.post("/stop-consumer/one");
    assert_eq!(stopped["message"], "Consumer one stopped");
    // It committed what it wrote before that was answered.
    assert_eq!(plain.kafka.committed_total(&plain.group, &topics[0]), 300);
    for topic in &topics {
        plain.kafka.produce(topic, records(300..500));
    }
    plain.wait_for_lines("two", 500);
    assert_eq!((plain.running(), lines(&plain.file("one"))), (vec!["two".to_owned()], 300));
    assert_eq!(plain.status("one")["state"], "stopped");

    plain.start("one", &topics[0]);
    plain.wait_for_lines("one", 500);
    let all = plain.post("/stop-all");
    assert_eq!((&all["stopped"], &all["stopping"]), (&json!(["one", "two"]), &json!([])));
    assert_eq!(plain.running(), Vec::<String>::new());
    for (id, topic) in ["one", "two"].into_iter().zip(&topics) {
        plain.assert_exact(id, 500);
        assert_eq!(plain.kafka.committed_total(&plain.group, topic), 500);
    }
    assert_eq!(plain.keyway.get("/livez").unwrap().0, 200, "the process goes on");
    plain.keyway.stop();
}

/// One that ended for a reason of its own says that, and which; the others go on.
#[test]
fn a_consumer_that_failed_says_why_and_is_started_anew() {
    let mut plain = Plain::new();
    let topic = plain.kafka.topic("failing", PARTITIONS);
    let other = plain.kafka.topic("going-on", PARTITIONS);
    plain.kafka.produce(&topic, records(0..50));
    let endpoint = Endpoint::start();
    endpoint.script(|_| Reply::status(400));
    let definition = json!({
        "topics": [topic], "group_id": plain.group, "retry": { "on_rejected": "stop" },
        "kafka": { "bootstrap.servers": plain.kafka.brokers() },
        "http": { "url": endpoint.url() },
    });
    plain.ask("PUT", "/v1/pipelines/fails", &definition);
    plain.start("goes-on", &other);
    let failed = plain.wait_for_status("fails", "failed", |it| it["state"] == "failed");
    assert_eq!(failed["running"], false, "{failed}");
    let error = failed["last_error"].as_str().unwrap();
    assert!(error.contains("400"), "{error}");
    plain.kafka.produce(&other, records(0..50));
    plain.wait_for_lines("goes-on", 50);
    assert_eq!(plain.running(), ["goes-on"]);

    plain.start("fails", &topic);
    plain.wait_for_lines("fails", 50);
    assert_eq!(plain.status("fails")["last_error"], Value::Null);
    plain.assert_exact("fails", 50);
    plain.keyway.stop();
}

/// One that posts to this endpoint.
fn posting(plain: &mut Plain, id: &str, topic: &str, endpoint: &Endpoint) -> Value {
    let body = json!({
        "broker": plain.kafka.brokers(), "topic": topic, "http_url": endpoint.url(),
        "client_id": id, "group_id": plain.group,
    });
    plain.ask("POST", "/start-consumer", &body);
    body
}

#[test]
fn a_consumer_that_waits_says_what_went_wrong_last() {
    let mut plain = Plain::new();
    let topic = plain.kafka.topic("waiting", PARTITIONS);
    plain.kafka.produce(&topic, records(0..10));
    let endpoint = Endpoint::start();
    endpoint.script(|_| Reply::status(503));
    posting(&mut plain, "waits", &topic, &endpoint);
    let waits = plain.wait_for_status("waits", "an error", |it| !it["last_error"].is_null());
    let error = waits["last_error"].as_str().unwrap();
    assert!(error.contains("503") && waits["running"] == true, "{waits}");
    endpoint.script(|_| Reply::ok());
    let is_well = |it: &Value| it["messages"] == 10 && it["last_error"].is_null();
    plain.wait_for_status("waits", "no error any more", is_well);
    plain.keyway.stop();
}

/// Who asks is told before the connection is cut off, and what is under way is not cut off with it.
/// One that was deleted is no consumer any more, though it ends as slowly.
#[test]
fn a_stop_that_takes_its_time_is_answered_all_the_same() {
    let mut plain = Plain::new();
    let [topic, other] = ["stopping", "leaving"].map(|stem| plain.kafka.topic(stem, 1));
    for topic in [&topic, &other] {
        plain.kafka.produce(topic, records(0..1));
    }
    let (endpoint, gate) = (Endpoint::start(), Gate::closed());
    let behind = gate.clone();
    endpoint.script(move |_| Reply::ok().behind(&behind));
    let body = posting(&mut plain, "slow", &topic, &endpoint);
    posting(&mut plain, "leaves", &other, &endpoint);
    endpoint.wait_until("both requests", |ledger| ledger.in_flight() == 2);
    plain.ask("DELETE", "/v1/pipelines/leaves", &Value::Null);
    assert_eq!(plain.running(), ["slow"]);
    assert_eq!(plain.ask_for_any("GET", "/consumer-status/leaves", &Value::Null).0, 404);
    let stopping = plain.post("/stop-consumer/slow");
    assert!(stopping["message"].as_str().unwrap().contains("slow is stopping"), "{stopping}");
    let status = plain.status("slow");
    assert_eq!((&status["state"], &status["running"]), (&json!("draining"), &json!(true)));
    let (status, refused) = plain.ask_for_any("POST", "/start-consumer", &body);
    let detail = refused["detail"].as_str().unwrap();
    assert!(status == 409 && detail.contains("still stopping"), "{status} {refused}");
    gate.open();
    let stopped = plain.wait_for_status("slow", "stopped", |it| it["state"] == "stopped");
    assert_eq!((&stopped["messages"], &stopped["running"]), (&json!(1), &json!(false)));
    assert_eq!(plain.kafka.committed_total(&plain.group, &topic), 1);
    plain.keyway.stop();
}
