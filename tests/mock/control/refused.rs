//! What is not right, each with its status and the field that it is about.

use super::*;

fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter_map(|error| error["field"].as_str()).collect()
}

#[test]
fn what_is_wrong_with_a_definition_is_named_by_its_field() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().start();
    let with = |path: &[&str], value: Value| {
        let mut definition = stage.definition("a");
        let (last, before) = path.split_last().expect("a key");
        let place = before.iter().fold(&mut definition, |place, key| &mut place[key]);
        place[last] = value;
        definition
    };
    let letters = |kafka: Value| json!({"topic": "dead", "kafka": kafka});
    let for_both = |kafka: Value, own: Value| {
        let mut definition = with(&["kafka"], kafka);
        definition["dead_letter"] = letters(own);
        definition
    };
    for (definition, field) in [
        (with(&["name"], Value::Null), "name"),
        (with(&["name"], 7.into()), "name"),
        (with(&["name"], "".into()), "name"),
        (with(&["name"], "..".into()), "name"),
        (with(&["name"], "../a".into()), "name"),
        (with(&["name"], "a b".into()), "name"),
        (with(&["name"], "ä".into()), "name"),
        (with(&["name"], "a".repeat(65).into()), "name"),
        (with(&["topics"], json!([])), "topics"),
        (with(&["topics"], json!(["a/b"])), "topics"),
        (with(&["senders"], 0.into()), "senders"),
        (with(&["senders"], json!([1])), "senders"),
        (with(&["sendrs"], 1.into()), "sendrs"),
        (with(&["http", "url"], "ftp://x".into()), "http.url"),
        (with(&["http", "urll"], "x".into()), "http.urll"),
        (with(&["http", "url"], Value::Null), "http.url"),
        (with(&["retry"], json!({"initial": "soon"})), "retry.initial"),
        (with(&["kafka"], json!({"session.timeout.ms": "x"})), "kafka.session.timeout.ms"),
        (with(&["kafka"], json!({"group.id": "x"})), "kafka.group.id"),
        // Each is right by itself, and librdkafka takes no two of them.
        (with(&["kafka"], json!({"session.timeout.ms": 400_000})), "kafka.session.timeout.ms"),
        (with(&["kafka"], json!({"session": {"timeout.ms": 400_000}})), "kafka.session.timeout.ms"),
        (with(&["kafka"], json!({"security.protocol": "ssl", "ssl.ca.pem": "no PEM"})), "kafka"),
        (
            with(&["dead_letter"], letters(json!({"max.in.flight.requests.per.connection": 9}))),
            "dead_letter.kafka.max.in.flight.requests.per.connection",
        ),
        // As it was written, and where.
        (
            with(&["dead_letter"], letters(json!({"max.in.flight": 9}))),
            "dead_letter.kafka.max.in.flight",
        ),
        (for_both(json!({"retries": 0}), json!({})), "kafka.retries"),
        (for_both(json!({"linger.ms": 5}), json!({"retries": 0})), "dead_letter.kafka.retries"),
    ] {
        let refused = problem(&keyway.post(&definition), 400);
        assert!(fields(&refused).contains(&field), "{field}: {refused}");
    }
    // All that is wrong, at once.
    let mut definition = with(&["senders"], 0.into());
    definition["arbiters"] = 65.into();
    let refused = problem(&keyway.put(&definition), 400);
    assert_eq!(fields(&refused), ["senders", "arbiters"], "{refused}");
    assert_eq!(keyway.ask("GET", "/v1/pipelines", "").json()["pipelines"], json!([]));
    keyway.stop();
}

/// Whoever sends a body can change what is in it, and nothing else.
#[test]
fn of_properties_that_do_not_go_together_the_bodys_own_is_named() {
    let stage = Stage::new(1);
    let inherited = [("max.poll.interval.ms", "310000"), ("session.timeout.ms", "400000")];
    for (inherited, own, field) in [
        (&inherited[..1], json!({"session.timeout.ms": 400_000}), "kafka.session.timeout.ms"),
        (&inherited[1..], json!({"max.poll.interval.ms": 310_000}), "kafka.max.poll.interval.ms"),
        (&inherited[..], json!({"client.id": "a"}), "kafka"),
    ] {
        let serve = stage.serve();
        let mut keyway = inherited.iter().fold(serve, |it, (name, to)| it.kafka(name, to)).start();
        let mut definition = stage.definition("a");
        definition["kafka"] = own;
        let refused = problem(&keyway.post(&definition), 400);
        assert_eq!(fields(&refused), [field], "{refused}");
        keyway.stop();
    }
}

#[test]
fn what_is_no_definition_is_refused_as_a_document() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().start();
    for body in ["", "{", "[]", "null", "\"a\"", "{} {}", "\u{0}", "name: a"] {
        problem(&keyway.ask("POST", "/v1/pipelines", body), 400);
        problem(&keyway.ask("PUT", "/v1/pipelines/a", body), 400);
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    problem(&keyway.ask("POST", "/v1/pipelines", &nested), 400);
    let mut large = stage.definition("a");
    large["http"]["content_type"] = "x".repeat(1 << 20).into();
    for (method, path) in [("POST", "/v1/pipelines"), ("PUT", "/v1/pipelines/a")] {
        let refused = problem(&keyway.ask(method, path, &large.to_string()), 413);
        assert!(refused["detail"].to_string().contains("1048576"), "{refused}");
        // Without a length, as it comes.
        let body = large.to_string();
        let chunked = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        problem(&ask_raw(keyway.api(), &chunked).expect("it answers"), 413);
    }
    keyway.stop();
}

/// Nobody can tell which of the two is meant.
#[test]
fn a_key_that_is_given_twice_is_named() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().start();
    let whole = stage.definition("a").to_string();
    let inner = whole.strip_prefix('{').expect("an object");
    for (body, field) in [
        (format!("{{\"name\": \"b\", {inner}"), "name"),
        (whole.replace("\"url\":", "\"url\": \"http://127.0.0.1:1/\", \"url\":"), "http.url"),
        (
            format!("{{\"kafka\": {{\"client.id\": \"a\", \"client.id\": \"b\"}}, {inner}"),
            "kafka.client.id",
        ),
        (
            format!("{{\"route\": [{{\"when\": \"true\", \"when\": \"false\"}}], {inner}"),
            "route 1, when",
        ),
        (format!("{{\"what\": 1, \"what\": 1, {inner}"), "what"),
    ] {
        for answer in [
            keyway.ask("POST", "/v1/pipelines", &body),
            keyway.ask("PUT", "/v1/pipelines/a", &body),
        ] {
            let refused = problem(&answer, 400);
            assert_eq!(fields(&refused), [field], "{refused}");
            assert_eq!(refused["errors"][0]["detail"], "it is given twice");
        }
    }
    assert_eq!(keyway.ask("GET", "/v1/pipelines", "").json()["pipelines"], json!([]));
    keyway.stop();
}

#[test]
fn what_is_not_there_and_what_is_there_already() {
    let stage = Stage::new(1);
    let mut keyway = stage.serve().start();
    for name in ["b", "a%2Fb", "%2e%2e", "..%2f..%2fetc", "a%00", "%ff", "a%20b", "%C3%A4"] {
        let path = format!("/v1/pipelines/{name}");
        problem(&keyway.ask("GET", &path, ""), 404);
        problem(&keyway.ask("DELETE", &path, ""), 404);
        problem(&keyway.ask("POST", &format!("{path}/pause"), ""), 404);
    }
    let body = stage.definition("a").to_string();
    for name in ["b", "%2e%2e", "a%2Fb"] {
        let answer = keyway.ask("PUT", &format!("/v1/pipelines/{name}"), &body);
        assert!([400, 404].contains(&problem(&answer, answer.status)["status"].as_u64().unwrap()));
    }
    assert_eq!(keyway.post(&stage.definition("a")).status, 201);
    problem(&keyway.post(&stage.definition("a")), 409);
    let mut same_group = stage.definition("b");
    same_group["group_id"] = stage.definition("a")["group_id"].clone();
    for answer in [keyway.post(&same_group), keyway.put(&same_group)] {
        let refused = problem(&answer, 409);
        assert!(
            refused["detail"].as_str().is_some_and(|it| it.contains("pipeline \"a\"")),
            "{refused}"
        );
    }
    for (method, path, allowed) in [
        ("PUT", "/v1/pipelines", "GET, HEAD, POST"),
        ("POST", "/v1/pipelines/a", "GET, HEAD, PUT, DELETE"),
        ("GET", "/v1/pipelines/a/pause", "POST"),
    ] {
        let answer = keyway.ask(method, path, "");
        problem(&answer, 405);
        assert_eq!(answer.header("allow"), Some(allowed));
    }
    problem(&keyway.ask("POST", "/v1/pipelines/a/jump", ""), 404);
    keyway.stop();
}
