//! Every variable of the environment does what the help page says of it, as seen from outside.
//!
//! The last story looks through the sources of these tests for a variable that has none.

use crate::stage::{Counts, Stage, quick};
use crate::support::*;

/// An endpoint whose answers wait for the gate.
fn gated() -> (Gate, Endpoint) {
    let gate = Gate::closed();
    let endpoint = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    (gate, endpoint)
}

/// A stage of one partition on which everything fails with that status.
fn failing(status: u16) -> Stage {
    Stage::with(1, Endpoint::builder().script(script::always(Reply::status(status))).start())
}

fn attempts(stage: &Stage, sent: &[Sent]) -> u32 {
    stage.endpoint.look(|ledger| ledger.attempts(&sent[0].id))
}

#[test]
fn one_pipeline_runs_from_variables_alone() {
    let stage = Stage::new(1);
    let other = stage.mock.topic("other", 1);
    let port = HeldPort::take();
    let mut sent = stage.produce(numbered(10, 5));
    sent.extend(stage.mock.produce(&other, numbered(10, 5)));
    let mut keyway = quick(Keyway::command(["run"]))
        .env("KEYWAY_BROKERS", stage.mock.brokers())
        .env("KEYWAY_TOPICS", format!("{}, {other}", stage.topic))
        .env("KEYWAY_GROUP_ID", &stage.group)
        .env("KEYWAY_URL", stage.endpoint.url())
        .env("KEYWAY_NAME", "by-variables")
        .env("KEYWAY_LISTEN", port.address())
        .env("KEYWAY_LOG_FORMAT", "json")
        .start();
    stage.endpoint.wait_for_all(&sent);
    stage.wait_all_committed();
    assert_eq!(keyway.api(), port.address());
    let of_it = [("pipeline", "by-variables")];
    assert_eq!(keyway.metrics().count("records_delivered_total", &of_it), 20);
    keyway.stop();
}

#[test]
fn config_names_the_file() {
    let stage = Stage::new(1);
    let sent = stage.produce(numbered(5, 5));
    let keyway = stage.keyway();
    let path = keyway.write("other.toml", "[[pipeline]]\nname = \"from-the-file\"\n");
    let mut keyway = keyway.env("KEYWAY_CONFIG", path.display()).start();
    stage.endpoint.wait_for_all(&sent);
    let metrics = keyway.metrics();
    assert!(metrics.count("joined", &[("pipeline", "from-the-file")]) == 1);
    keyway.stop();
}

#[test]
fn partitions_are_taken_as_set() {
    let stage = Stage::new(3);
    let sent = stage.produce((0..30).map(|n| Record::new(format!("{n}"), "x").to(n % 3)).collect());
    let mut keyway = stage.keyway().env("KEYWAY_PARTITIONS", "0, 2").start();
    let wanted = |one: &&Sent| one.id.partition != 1;
    stage.endpoint.wait_for_all(&sent.iter().filter(wanted).cloned().collect::<Vec<_>>());
    assert_eq!(keyway.metrics().count("assigned_partitions", &[]), 2);
    keyway.stop();
    assert_eq!(stage.endpoint.look(Ledger::delivered), 20);
}

#[test]
fn ordering_decides_what_waits_for_what() {
    // Two partitions, in each two records of each of two keys: at the gate stand the first of each
    // partition, of each key, or all.
    for (ordering, at_once) in [("partition", 2), ("key", 4), ("unordered", 8)] {
        let (gate, endpoint) = gated();
        let stage = Stage::with(2, endpoint);
        let record = |n: i32| Record::new(format!("k{}", n / 2 % 2), "x").to(n % 2);
        let sent = stage.produce((0..8).map(record).collect());
        let mut keyway = stage.keyway().env("KEYWAY_ORDERING", ordering).start();
        stage.endpoint.wait_until(ordering, |ledger| ledger.in_flight() == at_once);
        keyway.wait_for_metrics("all to be taken in", |metrics| {
            metrics.count("held_records", &[]) == 8 && metrics.count("in_flight", &[]) == at_once
        });
        gate.open();
        stage.finish(&mut keyway, &sent);
        assert_eq!(stage.endpoint.look(Ledger::most_in_flight), at_once, "{ordering}");
    }
}

#[test]
fn senders_are_the_most_requests_in_flight() {
    let (gate, endpoint) = gated();
    let stage = Stage::with(2, endpoint);
    let sent = stage.produce(numbered(60, 60));
    let mut keyway = stage.keyway().env("KEYWAY_SENDERS", 7).start();
    stage.endpoint.wait_until("seven requests", |ledger| ledger.in_flight() == 7);
    keyway.wait_for_metrics("the rest to be held", |metrics| {
        metrics.count("held_records", &[]) == 60
    });
    gate.open();
    stage.finish(&mut keyway, &sent);
    assert_eq!(stage.endpoint.look(Ledger::most_in_flight), 7);
}

#[test]
fn arbiters_are_threads() {
    let threads = |arbiters: usize| {
        let stage = Stage::new(1);
        let sent = stage.produce(numbered(5, 5));
        let mut keyway = stage.keyway().env("KEYWAY_ARBITERS", arbiters).start();
        stage.endpoint.wait_for_all(&sent);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", keyway.id())).expect("its threads");
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        let count = names.filter(|name| name.starts_with("actix-rt")).count();
        keyway.stop();
        count
    };
    assert_eq!(threads(4) - threads(1), 3);
}

#[test]
fn buffer_records_and_buffer_bytes_bound_what_is_held() {
    for (name, value, metric, most) in [
        ("KEYWAY_BUFFER_RECORDS", "50", "held_records", 50),
        ("KEYWAY_BUFFER_BYTES", "1MiB", "held_bytes", (1 << 20) + 11_000),
    ] {
        let (gate, endpoint) = gated();
        let stage = Stage::with(1, endpoint);
        let records = (0..300).map(|n| Record::new(format!("{n}"), vec![b'x'; 10_000]));
        let sent = stage.produce(records.collect());
        // As text once each, for the story at the end.
        let keyway = match name {
            "KEYWAY_BUFFER_RECORDS" => stage.keyway().env("KEYWAY_BUFFER_RECORDS", value),
            _ => stage.keyway().env("KEYWAY_BUFFER_BYTES", value),
        };
        let mut keyway = keyway.start();
        let metrics = keyway.wait_for_metrics("the buffer to be full", |metrics| {
            metrics.count("partition_held", &[("reason", "buffer")]) == 1
        });
        let held = metrics.count(metric, &[]);
        assert!(held > most / 10 * 9 && held <= most, "{name}: {held}");
        gate.open();
        stage.finish(&mut keyway, &sent);
    }
}

#[test]
fn commit_interval_is_how_often_it_commits() {
    let stage = Stage::new(1);
    let sent = stage.produce(numbered(50, 10));
    let mut keyway = stage.keyway().env("KEYWAY_COMMIT_INTERVAL", "1h").start();
    stage.endpoint.wait_for_all(&sent);
    keyway.wait_for_metrics("all to be settled", |metrics| {
        metrics.count("records_delivered_total", &[]) == 50
    });
    assert_eq!(stage.committed()[0].offset, None, "nothing before the hour is over");
    keyway.stop();
    assert_eq!(stage.committed()[0].offset, Some(50), "or it stops");

    let more = stage.produce(numbered(50, 10));
    let mut keyway = stage.keyway().env("KEYWAY_COMMIT_INTERVAL", "10ms").start();
    stage.endpoint.wait_for_all(&more);
    stage.wait_all_committed();
    keyway.kill();
}

#[test]
fn revoke_deadline_ends_the_drain_of_a_revoked_partition() {
    let stage = Stage::with(2, Endpoint::builder().script(script::always(Reply::hang())).start());
    stage.produce((0..2).map(|n| Record::new("k", "x").to(n)).collect());
    let mut first = stage.keyway().env("KEYWAY_REVOKE_DEADLINE", "123ms").start();
    stage.endpoint.wait_until("a request of each", |ledger| ledger.in_flight() == 2);
    let mut second = stage.keyway().start();
    let line = first.wait_for_log("deadline of the drain passed");
    assert_eq!(line["deadline"], "123ms");
    first.kill();
    second.kill();
}

#[test]
fn drain_deadline_ends_the_drain_of_a_stop() {
    let stage = Stage::with(1, Endpoint::builder().script(script::always(Reply::hang())).start());
    stage.produce(numbered(1, 1));
    let mut keyway = stage.keyway().env("KEYWAY_DRAIN_DEADLINE", "123ms").start();
    stage.endpoint.wait_until("a request", |ledger| ledger.in_flight() == 1);
    keyway.stop();
    assert_eq!(keyway.wait_for_log("deadline of the drain passed")["deadline"], "123ms");
}

#[test]
fn request_timeout_ends_a_request_that_hangs() {
    let stage = Stage::new(1);
    stage.endpoint.script(|request| if request.seen == 0 { Reply::hang() } else { Reply::ok() });
    let sent = stage.produce(numbered(3, 3));
    let mut keyway = stage.keyway().env("KEYWAY_REQUEST_TIMEOUT", "300ms").start();
    stage.endpoint.wait_for_all(&sent);
    let metrics = keyway.metrics();
    assert_eq!(metrics.count("retries_total", &[("reason", "timeout")]), 3);
    stage.finish(&mut keyway, &sent);
}

#[test]
fn http_content_type_is_that_of_records_without_one() {
    let stage = Stage::new(1);
    let sent = stage.produce(vec![
        Record::new("a", "x"),
        Record::new("b", "x").header("content-type", "text/csv"),
    ]);
    let mut keyway = stage.keyway().env("KEYWAY_HTTP_CONTENT_TYPE", "application/cbor").start();
    stage.finish(&mut keyway, &sent);
    let types = stage.endpoint.look(|ledger| {
        let of = |one: &Sent| ledger.requests_for(&one.id).next()?.header("content-type");
        sent.iter().map(of).collect::<Vec<_>>()
    });
    assert_eq!(types, [Some("application/cbor".to_owned()), Some("text/csv".to_owned())]);
}

#[test]
fn retry_initial_is_the_first_wait() {
    // Anywhere within a day: not within this story.
    let stage = failing(503);
    let sent = stage.produce(numbered(1, 1));
    let mut keyway =
        stage.keyway().env("KEYWAY_RETRY_INITIAL", "24h").env("KEYWAY_RETRY_MAX", "24h").start();
    stage.endpoint.wait_until("the first failure", |ledger| ledger.answered(503) == 1);
    stage.endpoint.script(script::ok());
    let others = stage.produce((0..50).map(|n| Record::new(format!("other-{n}"), "x")).collect());
    stage.endpoint.wait_for_all(&others);
    keyway.wait_for_metrics("one lane that waits", |metrics| {
        metrics.count("lanes_waiting", &[]) == 1 && metrics.count("lanes", &[]) == 1
    });
    assert_eq!(attempts(&stage, &sent), 1);
    keyway.kill();
    // Within milliseconds: ten attempts with waits from 200 ms on would take minutes.
    let stage = failing(503);
    let sent = stage.produce(numbered(1, 1));
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_INITIAL", "1ms").start();
    stage.endpoint.wait_until("ten attempts", |ledger| ledger.attempts(&sent[0].id) >= 10);
    keyway.kill();
}

#[test]
fn retry_factor_and_retry_max_keep_the_waits_short() {
    // With waits that double from 10 ms to 30 s, 40 attempts take ten minutes.
    let stage = failing(503);
    let sent = stage.produce(numbered(1, 1));
    let enough = |ledger: &Ledger| ledger.attempts(&sent[0].id) >= 40;
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_FACTOR", 1).start();
    stage.endpoint.wait_until("40 attempts", enough);
    keyway.kill();
    let stage = failing(503);
    let sent = stage.produce(numbered(1, 1));
    let enough = |ledger: &Ledger| ledger.attempts(&sent[0].id) >= 40;
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_MAX", "20ms").start();
    stage.endpoint.wait_until("40 attempts", enough);
    keyway.kill();
}

/// How many destinations are held for this reason.
fn held(metrics: &Metrics, reason: &str) -> usize {
    metrics.count("destination_held", &[("reason", reason)])
}

#[test]
fn http_rate_is_kept() {
    let stage = Stage::new(1);
    stage.produce(numbered(5, 5));
    let mut keyway = stage.keyway().env("KEYWAY_HTTP_RATE", "1/h").start();
    keyway.wait_for_metrics("the rate to hold the rest", |metrics| held(metrics, "rate") == 1);
    assert_eq!(stage.endpoint.look(Ledger::count), 1);
    keyway.kill();
}

#[test]
fn http_max_in_flight_is_the_most_for_a_destination() {
    let (gate, endpoint) = gated();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(40, 40));
    let mut keyway = stage.keyway().env("KEYWAY_HTTP_MAX_IN_FLIGHT", 3).start();
    keyway.wait_for_metrics("the destination to be full", |metrics| held(metrics, "full") == 1);
    gate.open();
    stage.finish(&mut keyway, &sent);
    assert_eq!(stage.endpoint.look(Ledger::most_in_flight), 3);
}

#[test]
fn http_concurrency_adaptive_begins_with_few() {
    let (gate, endpoint) = gated();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(numbered(40, 40));
    let mut keyway =
        stage.keyway().env("KEYWAY_ARBITERS", 1).env("KEYWAY_HTTP_CONCURRENCY", "adaptive").start();
    keyway.wait_for_metrics("the destination to be full", |metrics| held(metrics, "full") == 1);
    assert!(stage.endpoint.look(Ledger::in_flight) < 40);
    gate.open();
    stage.finish(&mut keyway, &sent);
}

#[test]
fn http_breaker_enabled_leaves_alone_what_fails() {
    let stage = failing(503);
    stage.produce(numbered(5, 5));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_ARBITERS", 1)
        .env("KEYWAY_HTTP_BREAKER_ENABLED", "true")
        .env("KEYWAY_HTTP_BREAKER_MIN_REQUESTS", 1)
        .env("KEYWAY_HTTP_BREAKER_OPEN_FOR", "1h")
        .env("KEYWAY_HTTP_BREAKER_MAX_OPEN_FOR", "1h")
        .start();
    keyway.wait_for_metrics("the breaker to open", |metrics| held(metrics, "breaker") == 1);
    let attempts = stage.endpoint.look(Ledger::count);
    // Each record was in flight at most once before it opened.
    assert!(attempts <= 5, "{attempts}");
    keyway.kill();
}

#[test]
fn http_auth_kind_authorizes_requests() {
    let stage = Stage::new(1);
    let sent = stage.produce(numbered(1, 1));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_HTTP_AUTH_KIND", "basic")
        .env("KEYWAY_HTTP_AUTH_USERNAME", "Aladdin")
        .env("KEYWAY_HTTP_AUTH_PASSWORD", "open sesame")
        .start();
    stage.finish(&mut keyway, &sent);
    let header = stage.endpoint.look(|ledger| ledger.requests()[0].header("authorization"));
    // The example of RFC 7617, section 2.
    assert_eq!(header.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
}

#[test]
fn max_attempts_and_on_exhausted_end_the_retries() {
    let stage = failing(503);
    let sent = stage.produce(numbered(1, 1));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_MAX_ATTEMPTS", 4)
        .env("KEYWAY_RETRY_ON_EXHAUSTED", "drop")
        .start();
    stage.wait_all_committed();
    assert_eq!(keyway.metrics().count("records_dropped_total", &[]), 1);
    keyway.stop();
    assert_eq!(attempts(&stage, &sent), 4);
}

#[test]
fn on_rejected_decides_about_what_is_refused() {
    let stage = failing(400);
    let sent = stage.produce(numbered(1, 1));
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_ON_REJECTED", "drop").start();
    stage.wait_all_committed();
    keyway.stop();
    assert_eq!(attempts(&stage, &sent), 1);
}

#[test]
fn dead_letter_topic_gets_what_is_refused() {
    let stage = failing(400);
    let dead = stage.mock.topic("dead", 1);
    stage.produce(vec![Record::new("k", "the value")]);
    let mut keyway = stage.keyway().env("KEYWAY_DEAD_LETTER_TOPIC", &dead).start();
    let letters = stage.mock.wait_for_records(&dead, 1);
    assert_eq!(letters[0].value.as_deref(), Some(&b"the value"[..]));
    stage.wait_all_committed();
    keyway.stop();
}

#[test]
fn log_level_and_log_format_shape_the_log() {
    let run = |level: &str, format: &str| {
        let stage = Stage::new(1);
        let sent = stage.produce(numbered(1, 1));
        let mut keyway = Keyway::command(["run", "--listen", "off"])
            .flag("--brokers", stage.mock.brokers())
            .topic(&stage.topic)
            .url(&stage.endpoint.url())
            .env("KEYWAY_LOG_LEVEL", level)
            .env("KEYWAY_LOG_FORMAT", format)
            .start();
        stage.endpoint.wait_for_all(&sent);
        keyway.stop();
        (keyway.log(), keyway.stderr())
    };
    let (lines, _) = run("debug", "json");
    let of_level = |level: &str| lines.iter().any(|line| line["level"] == level);
    assert!(of_level("debug") && of_level("info"), "{lines:?}");
    let (lines, text) = run("error", "json");
    assert_eq!((lines.len(), text.as_str()), (0, ""));
    let (lines, text) = run("info", "term");
    assert!(lines.is_empty() && text.contains("INFO keyway starts"), "{text}");
    assert!(!text.contains('\u{1b}'), "colours only on a terminal: {text:?}");
}

#[test]
fn the_log_file_is_rotated_by_size_and_old_ones_go() {
    let stage = failing(400);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keyway.log");
    stage.produce(numbered(60, 60));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_LOG_FILE", path.display())
        .env("KEYWAY_LOG_FILE_MAX_SIZE", "1KiB")
        .env("KEYWAY_LOG_FILE_KEEP", 2)
        .start();
    keyway.wait_for_logs("lane parked", 10);
    keyway.stop();
    let mut found: Vec<_> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|file| file.expect("a file"))
        .map(|file| (file.file_name().into_string(), file.metadata().map(|it| it.len())))
        .map(|(name, size)| (name.expect("a name"), size.expect("a size")))
        .collect();
    found.sort();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["keyway.log", "keyway.log.1", "keyway.log.2"]);
    assert!(found.iter().all(|(_, size)| (1..=1024).contains(size)), "{found:?}");
    let last = std::fs::read_to_string(&path).expect("the log");
    assert!(last.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{last}");
}

#[test]
fn stats_interval_is_how_often_counts_are_logged() {
    let stage = Stage::new(1);
    let sent = stage.produce(numbered(20, 5));
    let mut keyway = stage.keyway().env("KEYWAY_LOG_STATS_INTERVAL", "1s").start();
    stage.endpoint.wait_for_all(&sent);
    let lines = keyway.wait_for_logs("counts", 2);
    assert_eq!(lines[1]["delivered"], 20);
    assert_eq!(lines[1]["pipeline"], "default");
    keyway.stop();
}

#[test]
fn api_token_is_asked_for_but_for_health() {
    let stage = Stage::new(1);
    let sent = stage.produce(numbered(5, 5));
    let mut keyway = stage.keyway().env("KEYWAY_API_TOKEN", "hush-hush").start();
    keyway.wait_ready();
    stage.endpoint.wait_for_all(&sent);
    for path in ["/metrics", "/v1/verify", "/"] {
        assert_eq!(keyway.get(path).expect("it answers").0, 401, "{path}");
    }
    let api = format!("http://{}", keyway.api());
    let verify = || Keyway::command(["verify", "--api", &api]);
    let refused = verify().output();
    assert_eq!((refused.code, refused.stderr.contains("--token-file")), (1, true), "{refused:?}");
    assert_eq!(verify().env("KEYWAY_API_TOKEN", "hush-hush").output().code, 0);
    let asks = verify();
    let file = asks.write("token", "hush-hush\n");
    assert_eq!(asks.flag("--token-file", file.display()).output().code, 0);
    keyway.stop();
    assert!(!keyway.stderr().contains("hush") && !keyway.stdout().contains("hush"));
}

#[test]
fn api_insecure_is_for_whom_other_machines_may_ask_without_a_token() {
    let check = || {
        Keyway::command(["check"])
            .env("KEYWAY_BROKERS", "localhost:9092")
            .env("KEYWAY_TOPICS", "orders")
            .env("KEYWAY_URL", "http://localhost:8080/")
            .env("KEYWAY_LISTEN", "0.0.0.0:8000")
    };
    let refused = check().output();
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.stderr.contains("KEYWAY_LISTEN: 0.0.0.0:8000 can be reached"), "{refused:?}");
    let output = check().env("KEYWAY_API_INSECURE", "true").output();
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("http://0.0.0.0:8000, to whoever can reach it"), "{output:?}");
}

#[test]
fn file_path_is_where_records_go_in_place_of_a_url() {
    let stage = Stage::new(1);
    stage.produce((0..5).map(|n| Record::new("k", format!("v{n}"))).collect());
    let keyway = quick(Keyway::run(&stage.mock)).topic(&stage.topic).group(&stage.group);
    let path = keyway.write("records", "");
    let mut keyway = keyway.env("KEYWAY_FILE_PATH", path.display()).start();
    stage.wait_all_committed();
    let text = std::fs::read_to_string(path).expect("the file is there");
    assert_eq!(text, "v0\nv1\nv2\nv3\nv4\n");
    keyway.stop();
}

#[test]
fn api_state_dir_keeps_what_is_made_through_the_api() {
    let stage = Stage::new(1);
    let keyway = stage.keyway();
    let kept = keyway.write("one-more.json", "").with_file_name("kept");
    let mut keyway = keyway.env("KEYWAY_API_STATE_DIR", kept.display()).start();
    keyway.wait_for_log("api listening");
    assert!(kept.join("lock").exists(), "it is taken");
    keyway.stop();
}

#[test]
fn api_file_root_is_a_folder_that_is_there() {
    let check = |root: &str| {
        Keyway::command(["check"])
            .env("KEYWAY_BROKERS", "localhost:9092")
            .env("KEYWAY_TOPICS", "orders")
            .env("KEYWAY_URL", "http://localhost:8080/")
            .env("KEYWAY_API_FILE_ROOT", root)
            .output()
    };
    let refused = check("/nowhere/at/all");
    let why = "KEYWAY_API_FILE_ROOT: expected a folder that is there, got /nowhere/at/all";
    assert!(refused.code == 78 && refused.stderr.contains(why), "{refused:?}");
    assert_eq!(check("/").code, 0);
}

#[test]
fn any_property_of_librdkafka_is_passed_through() {
    let stage = Stage::new(1);
    let sent = stage.produce(numbered(5, 5));
    let mut keyway = stage
        .keyway()
        .env("KEYWAY_KAFKA_CLIENT_ID", "named-by-the-user")
        .env("KEYWAY_KAFKA_DEBUG", "cgrp")
        .env("KEYWAY_LOG_LEVEL", "debug")
        .start();
    stage.endpoint.wait_for_all(&sent);
    keyway.wait_for_log("Joining group");
    let named = keyway.log().iter().any(|line| {
        line["msg"].as_str().is_some_and(|msg| msg.contains("named-by-the-user#consumer"))
    });
    assert!(named, "{:?}", keyway.log());
    keyway.stop();
}

#[test]
fn every_variable_of_the_help_page_has_its_story() {
    const STORIES: [&str; 2] = [include_str!("variables.rs"), include_str!("../mock/overflow.rs")];
    let page = Keyway::command(["run", "--help"]).output().stdout;
    let variables = page.lines().filter_map(|line| line.split_whitespace().next());
    let mut count = 0;
    for variable in variables.filter(|word| word.starts_with("KEYWAY_")) {
        let variable = variable.strip_suffix("<PROPERTY>").unwrap_or(variable);
        // The examples of the page set some, too.
        if variable.contains('=') {
            continue;
        }
        count += 1;
        let used = format!(".env(\"{variable}");
        assert!(STORIES.iter().any(|story| story.contains(&used)), "{variable} has no story");
    }
    assert!(count > 30, "{page}");
}
