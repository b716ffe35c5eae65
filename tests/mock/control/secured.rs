//! Each refusal of the security list, with its status.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::*;

const TOKEN: &str = "hush-hush-token";

/// Every route: the method, the path, and what it says to whoever may ask while pipeline `a` runs.
const ROUTES: [(&str, &str, u16); 17] = [
    ("GET", "/metrics", 200),
    ("GET", "/v1/verify", 200),
    ("GET", "/v1/pipelines", 200),
    ("HEAD", "/v1/pipelines", 200),
    ("POST", "/v1/pipelines", 409),
    ("GET", "/v1/pipelines/a", 200),
    ("HEAD", "/v1/pipelines/a", 200),
    ("PUT", "/v1/pipelines/a", 200),
    ("GET", "/v1/pipelines/a/partitions", 200),
    ("GET", "/v1/pipelines/a/lanes?state=waiting&limit=5", 200),
    ("POST", "/v1/pipelines/a/pause", 202),
    ("POST", "/v1/pipelines/a/resume", 202),
    ("POST", "/v1/pipelines/a/restart", 202),
    ("POST", "/v1/pipelines/a/drain", 202),
    ("DELETE", "/v1/pipelines/a", 204),
    ("GET", "/elsewhere", 404),
    ("GET", "/v1/elsewhere", 404),
];

fn with_token(api: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let value = format!("Bearer {token}");
    ask(api, method, path, &[("Authorization", &value)], body).expect("it answers")
}

#[test]
fn every_route_but_health_asks_for_the_token() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().env("KEYWAY_API_TOKEN", TOKEN).start();
    let api = keyway.api();
    let body = stage.definition("a").to_string();
    for (method, path, _) in ROUTES {
        for headers in [
            &[][..],
            &[("Authorization", "Bearer wrong")],
            &[("Authorization", "Basic aHVzaA==")],
            &[("Authorization", TOKEN)],
        ] {
            let refused = ask(api, method, path, headers, &body).expect("it answers");
            assert_eq!(refused.status, 401, "{method} {path} {headers:?}: {refused:?}");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            assert!(method == "HEAD" || problem(&refused, 401)["detail"].is_string());
        }
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(api, "GET", path, &[], "").expect("it answers").status, 200, "{path}");
    }
    let made = with_token(api, "POST", "/v1/pipelines", TOKEN, &body);
    assert_eq!(made.status, 201, "{made:?}");
    let wait_state = |state: &str| {
        wait_for(state, || {
            let shown = with_token(api, "GET", "/v1/pipelines/a", TOKEN, "");
            (shown.json()["state"] == state).then_some(())
        });
    };
    wait_state("running");
    for (method, path, status) in ROUTES {
        if method == "DELETE" {
            wait_state("stopped");
        }
        let answer = with_token(api, method, path, TOKEN, &body);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        if path.ends_with("restart") {
            wait_state("running");
        }
    }
    // Who changed something, and what.
    for what in ["pipeline is made", "pipeline is led", "pipeline is deleted"] {
        let line = keyway.wait_for_log(what);
        let by = line["by"].as_str().is_some_and(|by| by.starts_with("api.token from 127.0.0.1"));
        assert!(by && line["pipeline"] == "a", "{line}");
    }
    keyway.stop();
    assert!(!(keyway.stderr() + &keyway.stdout()).contains(TOKEN), "the token is in the log");
}

#[test]
fn what_other_machines_can_reach_needs_a_token() {
    let start = |more: &[&str]| {
        let fixed = ["serve", "--listen", "0.0.0.0:0", "--log-format", "json"];
        Keyway::command(fixed.iter().chain(more).copied())
    };
    let refused = start(&[]).output();
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.stderr.contains("api.token"), "{refused:?}");
    for keyway in [start(&["--insecure"]), start(&[]).env("KEYWAY_API_TOKEN", TOKEN)] {
        let mut keyway = keyway.start();
        keyway.api();
        keyway.stop();
    }
}

#[test]
fn another_host_and_a_page_of_another_site_are_refused_and_nobody_is_invited() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().start();
    let api = keyway.api();
    let body = stage.definition("a").to_string();
    let post = |headers: &[(&str, &str)]| {
        ask(api, "POST", "/v1/pipelines", headers, &body).expect("it answers")
    };
    for host in ["keyway.example", "127.0.0.1.example:8000", "192.0.2.1"] {
        problem(&post(&[("Host", host)]), 421);
    }
    for origin in ["https://keyway.example", "http://127.0.0.1:1", "null", "file://"] {
        problem(&post(&[("Origin", origin), ("Content-Type", "text/plain")]), 403);
    }
    assert_eq!(keyway.ask("GET", "/v1/pipelines", "").json()["pipelines"], json!([]));
    let preflight = [
        ("Origin", "https://keyway.example"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let own = format!("http://{api}");
    for answer in [
        ask(api, "OPTIONS", "/v1/pipelines/a", &preflight, "").expect("it answers"),
        post(&[("Origin", &own)]),
        keyway.ask("GET", "/v1/pipelines", ""),
        keyway.ask("GET", "/elsewhere", ""),
    ] {
        let cors = answer.headers.iter().find(|(name, _)| name.starts_with("access-control"));
        assert_eq!(cors, None, "{answer:?}");
    }
    assert!(!keyway.show("a").is_null(), "its own pages may ask");
    keyway.stop();
}

/// Each gets its end, whatever the client does: a read that returns says so.
#[test]
fn who_sends_slowly_is_cut_off() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().start();
    let api = keyway.api();
    let head = "POST /v1/pipelines HTTP/1.1\r\nHost: localhost\r\n";
    let slow = |begin: String, piece: &'static str| {
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(api).expect("it listens");
            stream.write_all(begin.as_bytes()).expect("it reads");
            let mut reader = stream.try_clone().expect("a second one");
            let trickle = std::thread::spawn(move || {
                wait_for("the connection to end", || {
                    stream.write_all(piece.as_bytes()).is_err().then_some(())
                });
            });
            let mut answer = Vec::new();
            // Cut off in the middle, or told so.
            let _ = reader.read_to_end(&mut answer);
            trickle.join().expect("it is cut off");
            String::from_utf8_lossy(&answer).into_owned()
        })
    };
    let clients = [
        slow(format!("{head}X-A: "), "a"),
        slow(format!("{head}Content-Length: 1000000\r\n\r\n"), " "),
        slow(format!("{head}Transfer-Encoding: chunked\r\n\r\n"), "1\r\n \r\n"),
    ];
    for client in clients {
        let answer = client.join().expect("it is cut off");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(keyway.ask("GET", "/livez", "").status, 200);
    keyway.stop();
}

#[test]
fn what_a_body_may_not_reach_is_refused_with_its_field() {
    let stage = Stage::new(1);
    let (root, outside) = (tempfile::tempdir().expect("a"), tempfile::tempdir().expect("b"));
    std::os::unix::fs::symlink(outside.path(), root.path().join("out")).expect("a link");
    let allowed = stage.mock.brokers();
    let serve = || stage.serve().env("KEYWAY_API_ALLOWED_BROKERS", &allowed).env("HOME", "/root");
    let file = |path: &str| {
        let mut definition = stage.definition("a");
        definition.as_object_mut().expect("an object").remove("http");
        definition["file"] = json!({ "path": path });
        definition
    };
    let kafka = |name: &str, value: &str| {
        let mut definition = stage.definition("a");
        definition["kafka"] = json!({ name: value });
        definition
    };
    let errors = |keyway: &mut Running, definition: &Value| {
        let refused = problem(&keyway.post(definition), 400);
        refused["errors"].as_array().expect("errors").clone()
    };
    let mut keyway = serve().flag("--file-root", root.path().display()).start();
    let elsewhere = outside.path().join("x").display().to_string();
    for path in ["../x", "a/../../x", &elsewhere, "/etc/passwd", "out/x", "", "."] {
        let errors = errors(&mut keyway, &file(path));
        assert_eq!(errors[0]["field"], "file.path", "{path}: {errors:?}");
    }
    for key in ["token_file", "password_file"] {
        let mut definition = stage.definition("a");
        definition["http"]["auth"] = json!({ "kind": "bearer", key: "/etc/hostname" });
        let errors = errors(&mut keyway, &definition);
        let field = format!("http.auth.{key}");
        assert!(errors.iter().any(|it| it["field"] == field), "{errors:?}");
    }
    for (name, value) in [
        ("bootstrap.servers", "192.0.2.1:9092"),
        ("metadata.broker.list", "192.0.2.1:9092"),
        ("ssl.ca.location", "/etc/hostname"),
        ("ssl.key.location", "/etc/hostname"),
        ("ssl.keystore.location", "/etc/hostname"),
        ("plugin.library.paths", "x"),
        ("ssl.engine.location", "x"),
        ("sasl.kerberos.kinit.cmd", "x"),
        ("sasl.kerberos.keytab", "/etc/hostname"),
        ("sasl.oauthbearer.assertion.file", "/etc/hostname"),
        ("sasl.password_file", "/etc/hostname"),
    ] {
        for (definition, place) in [(kafka(name, value), "kafka"), {
            let mut definition = stage.definition("a");
            definition["dead_letter"] = json!({ "topic": "t", "kafka": { name: value } });
            (definition, "dead_letter.kafka")
        }] {
            let errors = errors(&mut keyway, &definition);
            let field = format!("{place}.{name}");
            assert!(errors.iter().any(|it| it["field"] == field), "{field}: {errors:?}");
        }
    }
    // What stands for a variable elsewhere is what it is.
    let mut definition = stage.definition("a");
    definition["http"]["auth"] = json!({ "kind": "header", "name": "X-Home", "value": "${HOME}" });
    assert_eq!(keyway.post(&definition).status, 201);
    stage.produce(numbered(1, 1));
    stage.endpoint.wait_for_delivered(1);
    let home = stage.endpoint.look(|ledger| ledger.requests()[0].header("x-home"));
    assert_eq!(home.as_deref(), Some("${HOME}"));
    keyway.stop();
    // Without a folder there is no file at all.
    let mut keyway = serve().start();
    let errors = errors(&mut keyway, &file("x"));
    assert!(errors[0]["detail"].to_string().contains("--file-root"), "{errors:?}");
    keyway.stop();
}

#[test]
fn secrets_are_in_no_answer_and_in_no_log() {
    let seen = |request: &Request| {
        let right = request.text("authorization").as_deref() == Some("Bearer s3cret-a");
        if right { Reply::ok() } else { Reply::status(401) }
    };
    let stage = Stage::with(1, Endpoint::builder().script(seen).start());
    let folder = tempfile::tempdir().expect("a folder");
    let keyway = stage.serve().flag("--state-dir", folder.path().display());
    let mut keyway = keyway.env("KEYWAY_LOG_LEVEL", "debug").start();
    let mut definition = stage.definition("a");
    definition["http"]["auth"] = json!({ "kind": "bearer", "token": "s3cret-a" });
    let signing = ["whsec_czNjcmV0LXdpdGgtZW5vdWdoLWJ5dGVzLTEyMzQ="];
    definition["http"]["signature"] = json!({ "secrets": signing });
    definition["kafka"] = json!({ "ssl.key.password": "s3cret-b" });
    let mut texts = Vec::new();
    let made = keyway.post(&definition);
    assert_eq!(made.status, 201, "{made:?}");
    let sent = stage.produce(numbered(3, 3));
    stage.endpoint.wait_for_all(&sent);
    let shown = made.json();
    assert_eq!(shown["definition"]["http"]["auth"]["token"], "***");
    assert_eq!(shown["definition"]["http"]["signature"]["secrets"], json!(["***"]));
    assert_eq!(shown["definition"]["kafka"]["ssl.key.password"], "***");
    texts.push(made.text);
    texts.push(keyway.put(&definition).text);
    texts.push(keyway.ask("GET", "/v1/pipelines", "").text);
    texts.push(keyway.show("a").to_string());
    // What is shown is no definition: the secret would be lost.
    let refused = keyway.put(&shown["definition"]);
    let fields = problem(&refused, 400)["errors"].to_string();
    assert!(fields.contains("http.auth.token") && fields.contains("ssl.key.password"), "{fields}");
    // Nor is what is refused told back.
    for (key, value) in [("tokn", "s3cret-c"), ("token", "s3cret-d\n")] {
        let mut wrong = definition.clone();
        wrong["http"]["auth"][key] = value.into();
        texts.push(keyway.put(&wrong).text);
    }
    keyway.lead("a", "drain");
    keyway.wait_state("a", "stopped");
    keyway.stop();
    texts.extend([keyway.stderr(), keyway.stdout()]);
    for text in texts {
        assert!(!text.contains("s3cret") && !text.contains("czNjcmV0"), "{text}");
    }
}
