//! The plain endpoints: what each answers, in which shape. No broker is there; that records arrive is
//! told in the end-to-end tests.

mod parameters;

use std::path::{Path, PathBuf};

use actix_web::http::{Method, StatusCode, header};
use awc::Client;
use serde_json::{Value, json};

use super::super::guard::Guard;
use super::{Api, LIMITS, PATIENCE, led};
use crate::settings::Sources;
use crate::supervisor::{EndAll, Store, Supervisor};

/// Port 1 has no broker.
const START: &str = "/start-consumer?broker=127.0.0.1:1&topic=orders";

const OK: StatusCode = StatusCode::OK;

/// A listener, and the folder that its consumers write in.
struct Plain {
    api: Api,
    folder: tempfile::TempDir,
    supervisor: actix::Addr<Supervisor>,
}

impl Plain {
    fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), &[])
    }

    /// With more flags, and what is kept in that folder.
    fn with(folder: tempfile::TempDir, flags: &[(&'static str, &str)]) -> Self {
        Self::configured(folder, flags, None)
    }

    fn configured(
        folder: tempfile::TempDir,
        flags: &[(&'static str, &str)],
        config: Option<PathBuf>,
    ) -> Self {
        let mut sources = Sources::none();
        sources.flags.config = config;
        let root = folder.path().join("files");
        std::fs::create_dir_all(&root).unwrap();
        let root = root.to_str().unwrap().to_owned();
        sources.flags.values.insert("--file-root", vec![root]);
        let flags = flags.iter().map(|(flag, value)| (*flag, vec![(*value).to_owned()]));
        sources.flags.values.extend(flags);
        // An empty value takes the flag away.
        sources.flags.values.retain(|_, values| values.iter().all(|value| !value.is_empty()));
        let led = led(sources, Some(Store::open(&folder.path().join("kept")).unwrap()));
        let supervisor = led.supervisor.clone();
        let api = Api::serving(led, LIMITS, |address| Guard::new(None, address), None);
        Self { api, folder, supervisor }
    }

    /// Ends, and begins again with what is kept.
    async fn again(self, flags: &[(&'static str, &str)]) -> Self {
        self.supervisor.send(EndAll).await.unwrap();
        self.api.server.stop().await;
        let Self { folder, supervisor, .. } = self;
        // It holds the folder until it is gone.
        drop(supervisor);
        while Store::open(&folder.path().join("kept")).is_err() {
            actix_rt::task::yield_now().await;
        }
        Self::with(folder, flags)
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let url = format!("http://{}{path}", self.api.address);
        let request = Client::default().request(method, url).timeout(PATIENCE);
        let mut answer = match body {
            Value::Null => request.send().await,
            body => request.send_json(body).await,
        }
        .unwrap_or_else(|error| panic!("{path}: {error}"));
        let text = answer.body().limit(1 << 24).await.unwrap();
        let json = serde_json::from_slice(&text);
        (answer.status(), json.unwrap_or_else(|error| panic!("{path}: {error}: {text:?}")))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, &Value::Null).await
    }

    async fn post(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::POST, path, &Value::Null).await
    }

    /// A consumer of that id writes that file.
    async fn start(&self, id: &str, file: &str) {
        let started = self.post(&format!("{START}&client_id={id}&file_path={file}")).await;
        assert_eq!(started.0, OK, "{}", started.1);
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    async fn list(&self) -> Value {
        let (status, list) = self.get("/list-consumers").await;
        assert_eq!(status, OK);
        list
    }

    /// The ids of those that run.
    async fn running(&self) -> Vec<String> {
        let list = self.list().await;
        let all = list["consumers"].as_array().unwrap().iter();
        let running = all.filter(|consumer| consumer["running"] == true);
        running.map(|consumer| consumer["consumer_id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The text of a refusal, which has nothing else.
fn why((status, answer): &(StatusCode, Value), expected: StatusCode) -> String {
    assert_eq!(*status, expected, "{answer}");
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer["detail"].as_str().unwrap().to_owned()
}

#[actix_rt::test]
async fn a_consumer_is_started_listed_stopped_and_started_again() {
    let plain = Plain::new();
    let (status, started) =
        plain.post(&format!("{START}&client_id=one&file_path=a.txt&group_id=g&more=1")).await;
    assert_eq!(status, OK);
    let message = "Consumer one started";
    let expected = json!({
        "message": message, "consumer_id": "one", "client_id": "one", "group_id": "g",
    });
    assert_eq!(started, expected);
    let mut expected = json!({
        "consumer_id": "one", "client_id": "one", "topic": "orders", "broker": "127.0.0.1:1",
        "group_id": "g", "file_path": "a.txt", "http_url": null, "running": true, "messages": 0,
    });
    assert_eq!(plain.list().await, json!({ "consumers": [expected], "count": 1 }));
    let (status, shown) = plain.get("/consumer-status/one").await;
    assert_eq!(
        (status, &shown["running"], &shown["state"]),
        (OK, &json!(true), &json!("starting"))
    );
    let stopped = plain.post("/stop-consumer/one").await;
    let message = "Consumer one stopped";
    assert_eq!(stopped, (OK, json!({ "message": message, "consumer_id": "one" })));
    expected["running"] = json!(false);
    assert_eq!(plain.list().await, json!({ "consumers": [expected], "count": 1 }));
    let (status, shown) = plain.get("/consumer-status/one").await;
    expected["state"] = json!("stopped");
    expected["last_error"] = Value::Null;
    assert_eq!((status, shown), (OK, expected));
    let again = plain.post(&format!("{START}&client_id=one&file_path=b.txt")).await;
    assert_eq!((again.0, &again.1["group_id"]), (OK, &json!("demo-consumer-group")));
    assert_eq!(plain.list().await["consumers"][0]["file_path"], "b.txt");
    assert_eq!(plain.running().await, ["one"]);
}

#[actix_rt::test]
async fn a_consumer_is_a_pipeline_too() {
    let plain = Plain::new();
    plain.start("one", "a.txt").await;
    let (status, pipeline) = plain.get("/v1/pipelines/one").await;
    assert_eq!((status, &pipeline["origin"]), (OK, &json!("api")));
    let definition = json!({
        "name": "one", "topics": ["orders"], "group_id": "demo-consumer-group",
        "kafka": { "bootstrap.servers": "127.0.0.1:1", "client.id": "one" },
        "file": { "path": "a.txt", "format": "raw" },
    });
    assert_eq!(pipeline["definition"], definition);
    let body = json!({
        "topics": ["a", "b"], "kafka": { "bootstrap.servers": "127.0.0.1:1" },
        "http": { "url": "http://127.0.0.1:1/x?token=hush" },
    });
    let (status, _) = plain.ask(Method::PUT, "/v1/pipelines/two", &body).await;
    assert_eq!(status, StatusCode::CREATED);
    let (_, two) = plain.get("/consumer-status/two").await;
    assert_eq!((&two["topic"], &two["group_id"]), (&json!("a,b"), &Value::Null));
    assert_eq!(two["http_url"], "http://127.0.0.1:1/x?***");
    assert_eq!((&two["client_id"], &two["file_path"]), (&json!("two"), &Value::Null));
    plain.ask(Method::POST, "/v1/pipelines/one/drain", &Value::Null).await;
    plain.post("/stop-consumer/one").await;
    assert_eq!(plain.running().await, ["two"]);
}

#[actix_rt::test]
async fn consumers_without_an_id_get_one_each() {
    let plain = Plain::new();
    let mut ids = Vec::new();
    for file in ["a.txt", "b.txt"] {
        let (status, started) = plain.post(&format!("{START}&file_path={file}")).await;
        assert_eq!((status, &started["client_id"]), (OK, &started["consumer_id"]));
        ids.push(started["consumer_id"].as_str().unwrap().to_owned());
    }
    let digits = |id: &String| id.strip_prefix("consumer-").unwrap().to_owned();
    assert!(ids.iter().map(digits).all(|it| it.len() == 8 && u32::from_str_radix(&it, 16).is_ok()));
    ids.sort();
    assert_eq!(plain.running().await, ids, "two of a topic and a group, side by side");
}

#[actix_rt::test]
async fn what_runs_already_is_not_started_again() {
    let plain = Plain::new();
    plain.start("one", "a.txt").await;
    let twice = plain.post(&format!("{START}&client_id=one&file_path=b.txt")).await;
    let detail = why(&twice, StatusCode::CONFLICT);
    assert!(detail.contains("\"one\" is already running"), "{detail}");
    for file in ["a.txt", "./a.txt"] {
        let same = plain.post(&format!("{START}&client_id=two&file_path={file}")).await;
        let detail = why(&same, StatusCode::CONFLICT);
        assert!(detail.contains("\"one\" writes") && detail.contains("a.txt"), "{detail}");
    }
    assert_eq!(plain.list().await["count"], 1);
    plain.post("/stop-consumer/one").await;
    plain.start("two", "a.txt").await;
}

#[actix_rt::test]
async fn paths_stay_in_their_folder() {
    let plain = Plain::new();
    std::os::unix::fs::symlink(Path::new("/tmp"), plain.root().join("link")).unwrap();
    for path in ["../a", "a/../../b", "/etc/keyway", "link/a", "a/"] {
        let refused = plain.post(&format!("{START}&file_path={path}")).await;
        let detail = why(&refused, StatusCode::BAD_REQUEST);
        assert!(detail.starts_with("file_path: "), "{path}: {detail}");
    }
    assert_eq!(plain.list().await["count"], 0);
    let plain = Plain::with(tempfile::tempdir().unwrap(), &[("--file-root", "")]);
    let refused = plain.post(&format!("{START}&file_path=a.txt")).await;
    let detail = why(&refused, StatusCode::BAD_REQUEST);
    assert!(detail.contains("--file-root"), "{detail}");
}

#[actix_rt::test]
async fn brokers_that_may_not_be_named_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("keyway.toml");
    std::fs::write(&config, "[api]\nallowed_brokers = [\"127.0.0.1:1\"]\n").unwrap();
    let plain = Plain::configured(folder, &[], Some(config));
    let refused = plain.post("/start-consumer?broker=other:1&topic=a&file_path=a").await;
    let detail = why(&refused, StatusCode::BAD_REQUEST);
    assert!(detail.starts_with("broker: ") && detail.contains("allowed_brokers"), "{detail}");
    plain.start("one", "a").await;
}

#[actix_rt::test]
async fn an_unknown_id_is_404() {
    let plain = Plain::new();
    for (method, path) in
        [(Method::POST, "/stop-consumer/nobody"), (Method::GET, "/consumer-status/no%22body")]
    {
        let refused = plain.ask(method, path, &Value::Null).await;
        assert!(why(&refused, StatusCode::NOT_FOUND).contains("no"), "{path}");
    }
}

#[actix_rt::test]
async fn a_pipeline_of_the_configuration_is_no_consumer() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [("--brokers", "127.0.0.1:1"), ("--topic", "a"), ("--url", "http://127.0.0.1:1/")];
    let plain = Plain::with(folder, &flags);
    let (_, pipelines) = plain.get("/v1/pipelines").await;
    assert_eq!(pipelines["pipelines"][0]["name"], "default");
    assert_eq!(plain.list().await["count"], 0);
    let refused = plain.post("/stop-consumer/default").await;
    why(&refused, StatusCode::NOT_FOUND);
    assert_eq!(plain.post("/stop-all").await.1["stopped"], json!([]));
    let taken = plain.post(&format!("{START}&client_id=default&file_path=a")).await;
    assert!(why(&taken, StatusCode::CONFLICT).contains("configuration"));
}

#[actix_rt::test]
async fn all_are_stopped_at_once() {
    let plain = Plain::new();
    for (id, file) in [("one", "1"), ("two", "2"), ("three", "3")] {
        plain.start(id, file).await;
    }
    plain.post("/stop-consumer/two").await;
    let expected = json!({
        "message": "2 consumers stopped", "stopped": ["one", "three"], "stopping": [],
    });
    assert_eq!(plain.post("/stop-all").await, (OK, expected));
    assert_eq!(plain.list().await["count"], 3);
    assert_eq!(plain.running().await, Vec::<String>::new());
}

#[actix_rt::test]
async fn what_is_kept_runs_or_rests_as_before_and_what_cannot_run_says_why() {
    let plain = Plain::new();
    plain.start("runs", "a.txt").await;
    plain.start("rests", "b.txt").await;
    plain.post("/stop-consumer/rests").await;
    let plain = plain.again(&[]).await;
    while plain.list().await["count"] != 2 {}
    assert_eq!(plain.running().await, ["runs"]);
    // Nobody may write files any more.
    let plain = plain.again(&[("--file-root", "")]).await;
    while plain.list().await["count"] != 2 {}
    assert_eq!(plain.running().await, Vec::<String>::new());
    let (status, shown) = plain.get("/consumer-status/runs").await;
    assert_eq!((status, &shown["state"], &shown["running"]), (OK, &json!("failed"), &json!(false)));
    let error = shown["last_error"].as_str().unwrap();
    assert!(error.contains("file.path") && error.contains("--file-root"), "{error}");
    // It is started anew as something that can run.
    let again = plain.post(&format!("{START}&client_id=runs&http_url=http://127.0.0.1:1/")).await;
    assert_eq!(again.0, OK, "{}", again.1);
    assert_eq!(plain.get("/consumer-status/runs").await.1["last_error"], Value::Null);
}

#[actix_rt::test]
async fn another_method_is_405_with_those_that_there_are() {
    let plain = Plain::new();
    for (method, path, allowed) in [
        (Method::GET, "/start-consumer", "POST"),
        (Method::GET, "/stop-consumer/one", "POST"),
        (Method::GET, "/stop-all", "POST"),
        (Method::POST, "/list-consumers", "GET, HEAD"),
        (Method::POST, "/consumer-status/one", "GET, HEAD"),
    ] {
        let url = format!("http://{}{path}", plain.api.address);
        let mut refused = Client::default().request(method, url).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(refused.headers().get(header::ALLOW).unwrap(), allowed, "{path}");
        let body: Value = refused.json().await.unwrap();
        assert_eq!(body, json!({ "detail": "Method Not Allowed" }));
    }
    for path in ["/list-consumers"] {
        assert_eq!(plain.api.ask(Method::HEAD, path).await, (OK, String::new()));
    }
}

#[actix_rt::test]
async fn all_that_is_answered_is_documented() {
    let document = serde_json::to_value(crate::api::plain::document()).unwrap();
    let plain = Plain::new();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 5);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            assert_eq!(operation["tags"], json!(["consumers"]), "{path}");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let asked = path.replace("{consumer_id}", "nobody");
            let (status, _) = plain.ask(method, &asked, &Value::Null).await;
            assert!(operation["responses"][status.as_str()].is_object(), "{path}: {status}");
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
    let text = document.to_string();
    let references = text.split("#/components/schemas/").skip(1);
    for name in references.filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}
