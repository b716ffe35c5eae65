//! `keyway explain` and `keyway top`: a running Keyway is asked by another process, and people read
//! what it says.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::stage::{Counts, Stage};
use crate::support::*;

/// A Keyway with a record in flight, one behind it, one that waits for its retry, and one settled.
fn started() -> (Stage, Running, String) {
    let stage = Stage::new(1);
    stage.endpoint.script(|request| match request.key.as_deref() {
        Some("hangs") => Reply::hang(),
        Some("fails%207") => Reply::status(503).header("Retry-After", "300"),
        _ => Reply::ok(),
    });
    let keys = ["taken", "hangs", "hangs", "fails 7", "fails 7", "taken"];
    stage.produce(keys.map(|key| Record::new(key, "x").to(0)).to_vec());
    let mut keyway = stage.keyway().env("KEYWAY_DRAIN_DEADLINE", "100ms").start();
    keyway.wait_for_metrics("all to be where they are to be", |metrics| {
        metrics.count("records_delivered_total", &[]) == 2
            && metrics.count("in_flight", &[]) == 1
            && metrics.count("lanes_waiting", &[]) == 1
            && metrics.count("consumer_lag", &[]) == 5
    });
    let api = format!("http://{}", keyway.api());
    (stage, keyway, api)
}

fn explain(api: &str, arguments: &[&str]) -> Output {
    let fixed = ["explain", "--api", api].into_iter().chain(arguments.iter().copied());
    Keyway::command(fixed).output()
}

#[track_caller]
fn says(api: &str, arguments: &[&str], parts: &[&str]) {
    let said = explain(api, arguments);
    assert_eq!((said.code, &*said.stderr), (0, ""), "{said:?}");
    for part in parts {
        assert!(said.stdout.contains(part), "{part:?} is not in {}", said.stdout);
    }
}

#[test]
fn explain_says_where_a_record_is_and_why() {
    let (stage, mut keyway, api) = started();
    let (topic, url) = (&stage.topic, stage.endpoint.url());
    let of = |offset| ["--partition", "0", "--offset", offset];
    let subject = |offset| format!("{topic}/0@{offset}: ");

    let in_flight = format!("attempt 1, to {url}");
    says(&api, &of("1"), &[&subject("1"), "in flight for ", &in_flight, "key hangs; 1 record"]);
    let head = "the first of them, offset 1 (key hangs): in flight for ";
    says(&api, &of("2"), &[&subject("2"), "queued behind 1 record of its lane", head]);
    let failed = "1 attempt so far, the first ";
    let retry = [subject("3"), "waits for its retry, in ".into(), failed.into()];
    says(&api, &of("3"), &retry.each_ref().map(String::as_str));
    says(&api, &of("3"), &["; the last failed with 503 Service Unavailable", "key fails%207; 1"]);
    says(&api, &of("5"), &[&subject("5"), "settled"]);
    says(&api, &of("6"), &[&subject("6"), "not in the log yet"]);

    let key = format!("{topic}, key fails%207, partition 0: 2 records in lanes");
    says(&api, &["--key", "fails 7"], &[&key, "the first, ", "waits for its retry"]);
    says(&api, &["--topic", topic, "--key", "fails%207"], &[&key]);
    says(&api, &["--key", "taken"], &["nothing is held"]);

    let json = explain(&api, &[&of("2")[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    let told = (&json["about"], &json["state"], &json["behind"], &json["lane"]["head_offset"]);
    assert_eq!(told, (&"record".into(), &"queued".into(), &1.into(), &1.into()), "{json}");

    let unknown = explain(&api, &["--pipeline", "none", "--key", "k"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""), "{unknown:?}");
    assert!(unknown.stderr.contains("there is no pipeline \"none\"; there is: "), "{unknown:?}");
    keyway.stop();
}

#[test]
fn top_shows_the_pipeline_and_its_slowest_lane() {
    let (stage, mut keyway, api) = started();
    let once = ["top", "--once", "--interval", "100ms", "--api", &api];
    let said = Keyway::command(once).output();
    assert_eq!((said.code, &*said.stderr), (0, ""), "{said:?}");
    let lines: Vec<Vec<&str>> =
        said.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let below = |heading: &str| {
        let at = lines.iter().position(|line| line.first() == Some(&heading));
        &lines[at.unwrap_or_else(|| panic!("no {heading}: {}", said.stdout)) + 1..]
    };
    // Name, state, delivered a second, in flight, held, lag, retries a second, parked.
    let pipeline = &below("PIPELINE")[0];
    assert_eq!(pipeline[1..], ["running", "0", "1", "4", "5", "0", "0"], "{}", said.stdout);
    let name = pipeline[0];
    let partition = &below("PARTITION")[0];
    assert_eq!(partition[..2], [&*format!("{}/0", stage.topic), name], "{}", said.stdout);
    let lane = |offset: &str| {
        let first = format!("{}/0@{offset}", stage.topic);
        let lane = below("LANE'S").iter().find(|line| line.first() == Some(&first.as_str()));
        lane.unwrap_or_else(|| panic!("no {first}: {}", said.stdout))[1..].join(" ")
    };
    assert!(lane("1").starts_with(&format!("{name} hangs sending ")), "{}", said.stdout);
    assert!(lane("1").contains("request for "), "{}", said.stdout);
    assert!(lane("3").starts_with(&format!("{name} fails%207 waiting ")), "{}", said.stdout);
    assert!(lane("3").contains("503 Service Unavailable, again in "), "{}", said.stdout);
    assert!(!said.stdout.contains('\u{1b}'), "no terminal, no escapes: {said:?}");
    keyway.stop();
}

#[test]
fn both_say_where_nobody_answers_and_what_is_missing() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = format!("http://{}", free.local_addr().expect("it is bound"));
    drop(free);
    let top = Keyway::command(["top", "--once", "--api", &api]).output();
    for said in [explain(&api, &["--key", "k"]), top] {
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said:?}");
        assert!(
            said.stderr.contains("is Keyway running") && said.stderr.contains(&api),
            "{said:?}"
        );
    }
    for arguments in [
        &[][..],
        &["--partition", "0"],
        &["--offset", "0"],
        &["--partition", "-1", "--offset", "0"],
        &["--key", "k", "--partition", "0", "--offset", "0"],
        &["--key", "base64:*"],
    ] {
        assert_eq!(explain(&api, arguments).code, 64, "{arguments:?}");
    }
}

/// Something that answers each GET of a path so, for as long as the test lasts.
fn stranger(answer: fn(&str) -> (u16, &'static str)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = format!("http://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut room = [0; 1024];
            while !head.ends_with(b"\r\n\r\n") {
                match client.read(&mut room) {
                    Ok(count @ 1..) => head.extend_from_slice(&room[..count]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let (status, body) = answer(head.split_whitespace().nth(1).unwrap_or_default());
            let length = body.len();
            let close = "Connection: close";
            let _ = write!(
                client,
                "HTTP/1.1 {status} Said\r\n{close}\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        }
    });
    api
}

#[test]
fn what_is_no_keyway_is_said_to_be_none() {
    let api = stranger(|_| (404, "not found"));
    let said = explain(&api, &["--key", "k"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said:?}");
    assert!(said.stderr.contains("answered 404 Not Found, so it is no Keyway"), "{said:?}");
    let api = stranger(|_| (200, "[]"));
    let said = explain(&api, &["--key", "k"]);
    assert!(said.code == 1 && said.stderr.contains("is not to be understood"), "{said:?}");
}

#[test]
fn what_it_says_does_not_steer_the_terminal() {
    fn answer(path: &str) -> (u16, &'static str) {
        if path == "/v1/pipelines" {
            return (200, pipelines());
        }
        let detail = r#"{"type": "about:blank", "title": "Bad Request", "status": 400,
            "detail": "name \u001b[2Jone"}"#;
        (400, detail)
    }
    fn pipelines() -> &'static str {
        let totals = serde_json::to_string(&keyway_actors::web::Totals::default());
        let all = format!(
            r#"{{"pipelines": [{{"name": "o\u001b[2J", "state": "failed", "joined": false, "cut_off": false,
            "partitions_assigned": 0, "totals": {}, "destinations": [],
            "parked_for_seconds": null, "failure": "\u009b2J"}}]}}"#,
            totals.expect("JSON")
        );
        all.leak()
    }
    let api = stranger(answer);
    let refused = explain(&api, &["--key", "k"]);
    assert_eq!(refused.code, 64, "another line may be answered: {refused:?}");
    assert!(refused.stderr.contains("name \\u{1b}[2Jone"), "{refused:?}");
    let top = Keyway::command(["top", "--once", "--interval", "100ms", "--api", &api]).output();
    assert_eq!(top.code, 0, "{top:?}");
    assert!(
        top.stdout.contains("o\\u{1b}[2J") && top.stdout.contains("failed: \\u{9b}2J"),
        "{top:?}"
    );
    for said in [refused, top] {
        let all = said.stdout + &said.stderr;
        assert!(!all.chars().any(|c| c.is_control() && c != '\n'), "{all:?}");
    }
}
