//! The commands other than `run`, and the help pages.

use super::trap::Trap;
use crate::stage::Stage;
use crate::support::*;

fn clean(arguments: &[&str]) -> String {
    let output = Keyway::command(arguments.iter().copied()).output();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{arguments:?}");
    output.stdout
}

#[test]
fn every_command_has_a_short_help_and_a_page() {
    let all = clean(&["--help"]);
    for command in ["run", "check", "offsets", "verify", "explain", "top", "demo", "completions"] {
        assert!(all.contains(command), "{all}");
        let (short, long) = (clean(&[command, "-h"]), clean(&[command, "--help"]));
        assert!(short.lines().count() > 5 && short.contains("Usage:"), "{short}");
        assert!(long.len() >= short.len() && long.contains("Usage:"), "{long}");
        assert_eq!(long, clean(&["help", command]));
    }
    let page = clean(&["run", "--help"]);
    for part in ["Examples:", "Exit codes:", "Variables:", "KEYWAY_SENDERS", "[default: 256]"] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(clean(&["--version"]), format!("keyway {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_know_the_commands_and_the_flags() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = clean(&["completions", shell]);
        // fish leaves the dashes to itself.
        for word in ["offsets", "explain", "group-id", "log-format", "interval"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn check_prints_what_would_be_run_and_connects_to_nothing() {
    let trap = Trap::new();
    let output = trap
        .command("check")
        .group("shop")
        .env("KEYWAY_SENDERS", 12)
        .env("KEYWAY_COMMIT_INTERVAL", "5s")
        .output();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let plan = output.stdout;
    assert!(plan.starts_with("the configuration is valid: 1 pipeline"), "{plan}");
    for part in ["orders", "shop", &trap.url(), "at most 12 requests", "every 5s"] {
        assert!(plan.contains(part), "{part} is not in\n{plan}");
    }
    trap.assert_untouched();
}

/// Routes that send orders two ways, filter heartbeats and let the pipeline stop for the rest.
const ROUTES: &str = r#"
[[pipeline]]
name = "shop"
unmatched = "stop"
[[pipeline.route]]
when = 'value.type == "order"'
[[pipeline.route.request]]
method = "PUT"
url = "http://h/orders/{{ value.id }}?via=keyway"
headers = { "X-Region" = "{{ headers.region }}" }
[[pipeline.route.request]]
url = "http://h/audit/{{ topic }}/{{ partition }}/{{ offset }}"
body = "{{ key }}"
[[pipeline.route]]
when = 'value.type == "heartbeat"'
"#;

fn routed(trap: &Trap, more: &[&str], record: &str) -> Output {
    let keyway = Keyway::command(["check"].into_iter().chain(more.iter().copied()))
        .flag("--brokers", trap.address())
        .topic("orders");
    keyway.write("record.json", record);
    keyway.config(ROUTES).output()
}

#[test]
fn check_prints_the_routes() {
    let trap = Trap::new();
    let output = routed(&trap, &[], "");
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    for part in [
        "2 routes, the first that matches; what none matches is a reason to stop",
        "1. when value.type == \"order\"",
        "PUT http://h/orders/{{ value.id }}?..., headers X-Region",
        "POST http://h/audit/{{ topic }}/{{ partition }}/{{ offset }}, a body of its own",
        "2. when value.type == \"heartbeat\": filtered",
    ] {
        assert!(output.stdout.contains(part), "{part} is not in\n{}", output.stdout);
    }
    trap.assert_untouched();
}

#[test]
fn check_record_prints_the_plan_and_sends_nothing() {
    let trap = Trap::new();
    let plan = |record: &str| routed(&trap, &["--record", "record.json"], record);
    let order = r#"{"topic": "t", "partition": 2, "offset": 7, "key": "k", "headers": {"region": "eu"},
                    "value": {"type": "order", "id": "a b"}}"#;
    let output = plan(order);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert_eq!(
        output.stdout,
        "pipeline shop\n  1. PUT http://h/orders/a%20b?via=...\n     x-region: eu\n     \
         body: the record's value\n  2. POST http://h/audit/t/2/7\n     body: k"
    );
    let output = plan(r#"{"value": {"type": "heartbeat"}}"#);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("filtered"), "{}", output.stdout);

    for (record, why) in [
        (r#"{"value": {"type": "other"}}"#, "no route matches: the pipeline stops"),
        (r#"{"value": {"type": "order"}}"#, "rejected: route 1, request 1, url"),
        (r#"{"value": "no json"}"#, "rejected: route 1, when"),
    ] {
        let output = plan(record);
        assert_eq!((output.code, output.stderr.as_str()), (1, ""), "{output:?}");
        assert!(output.stdout.contains(why), "{why} is not in\n{}", output.stdout);
    }
    let keyway = trap.command("check");
    keyway.write("record.json", order);
    let output = keyway.flag("--record", "record.json").output();
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains(&format!("1. POST {}", trap.url())), "{}", output.stdout);
    trap.assert_untouched();
}

/// It printed "the record's value", and an envelope was sent.
#[test]
fn check_record_says_that_a_record_is_sent_as_an_event() {
    let trap = Trap::new();
    let plan = |mode: &str, record: &str| {
        let keyway = trap.command("check").env("KEYWAY_HTTP_CLOUDEVENTS_MODE", mode);
        keyway.write("record.json", record);
        let output = keyway.flag("--record", "record.json").output();
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
        output.stdout
    };
    let (simple, event) = (
        r#"{"value": 1}"#,
        r#"{"value": {}, "headers": {"Content-Type": "Application/CloudEvents+json"}}"#,
    );
    for (mode, record, body) in [
        ("off", event, "body: the record's value"),
        ("binary", simple, "body: the record's value, with what it is as an event in ce- headers"),
        (
            "structured",
            simple,
            "body: the record as an event: a JSON document with its value in it",
        ),
        ("structured", event, "body: the record's value, which is an event in itself"),
    ] {
        let printed = plan(mode, record);
        assert!(printed.trim_end().ends_with(body), "{body} is not in\n{printed}");
    }
    trap.assert_untouched();
}

#[test]
fn check_sample_prints_the_plans_of_the_last_records() {
    let stage = Stage::new(1);
    stage.produce(numbered(5, 5));
    let output = Keyway::command(["check", "--sample", "2", "--brokers", &stage.mock.brokers()])
        .topic(&stage.topic)
        .group(&stage.group)
        .url(&stage.endpoint.url())
        .output();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    for place in [format!("{}/0 at 3", stage.topic), format!("{}/0 at 4", stage.topic)] {
        assert!(output.stdout.contains(&place), "{}", output.stdout);
    }
    assert_eq!(output.stdout.matches("1. POST").count(), 2, "{}", output.stdout);
    assert_eq!(stage.endpoint.look(Ledger::count), 0, "nothing was sent");
    assert_eq!(stage.committed()[0].offset, None);
}

#[test]
fn check_connect_tries_the_brokers_the_topic_and_the_endpoint() {
    let stage = Stage::new(2);
    let check = |topic: &str, url: &str| {
        Keyway::command(["check", "--connect", "--brokers", &stage.mock.brokers()])
            .topic(topic)
            .group(&stage.group)
            .url(url)
            .output()
    };
    let output = check(&stage.topic, &stage.endpoint.url());
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert!(output.stdout.ends_with("everything answers"), "{}", output.stdout);
    assert_eq!(stage.endpoint.look(Ledger::count), 0, "nothing was sent");

    let output = check("no-such-topic", &stage.endpoint.url());
    assert_eq!(output.code, 1);
    let failed = |line: &&str| line.starts_with("FAILED") && line.contains("no-such-topic");
    assert!(output.stdout.lines().any(|line| failed(&line)), "{}", output.stdout);

    stage.endpoint.down();
    let output = check(&stage.topic, &stage.endpoint.url());
    assert_eq!(output.code, 1);
    assert!(output.stdout.contains("connection refused"), "{}", output.stdout);
    assert!(output.stdout.ends_with("1 check failed"), "{}", output.stdout);
}

#[test]
fn check_connect_tries_each_destination_that_a_route_names_once() {
    let stage = Stage::new(1);
    let other = Endpoint::start();
    let routes = format!(
        "[[pipeline]]\nname = \"shop\"\nhttp.allowed_hosts = [\"*.example\"]\n\
         [[pipeline.route]]\nwhen = 'value.vip'\n\
         [[pipeline.route.request]]\nurl = \"{}/{{{{ key }}}}\"\n\
         [[pipeline.route.request]]\nurl = \"{}\"\n\
         [[pipeline.route]]\n[[pipeline.route.request]]\nurl = \"{}?token=hush\"\n\
         [[pipeline.route.request]]\nurl = \"http://{{{{ key }}}}.example/\"\n",
        stage.endpoint.url_of("/a"),
        other.url(),
        stage.endpoint.url_of("/b"),
    );
    let check = || {
        Keyway::command(["check", "--connect", "--brokers", &stage.mock.brokers()])
            .topic(&stage.topic)
            .group(&stage.group)
            .config(&routes)
            .output()
    };
    let (one, two) = (stage.endpoint.address(), other.address());
    let output = check();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    let (_, tried) = output.stdout.split_once("\n\n").expect("a plan before it");
    for place in [one, two] {
        let line = format!("ok      shop: endpoint http://{place}: takes connections\n");
        assert_eq!(tried.matches(&line).count(), 1, "{tried}");
    }
    assert!(tried.contains("note    shop: endpoints whose host a record says: not tried\n"));
    assert_eq!(tried.matches("endpoint").count(), 3, "{tried}");
    for endpoint in [&stage.endpoint, &other] {
        endpoint.wait_until("one connection", |ledger| ledger.connections() == 1);
        assert_eq!(endpoint.look(Ledger::count), 0, "nothing was sent");
    }

    other.down();
    let output = check();
    assert_eq!(output.code, 1);
    let failed = format!(
        "FAILED  shop: endpoint http://{two}: connect: connection refused; start it, or correct \
         its route's `url`\n"
    );
    assert!(output.stdout.contains(&failed), "{}", output.stdout);
    assert!(output.stdout.ends_with("1 check failed"), "{}", output.stdout);
}

#[test]
fn offsets_tells_what_a_group_has_done_beyond_its_commits() {
    let stage = Stage::new(1);
    stage.produce(numbered(100, 10));
    // Up to 40 everything, then 42 and 45: a bitset of six offsets.
    stage.mock.commit(&stage.group, &stage.topic, 0, 40, "bAAGJAA=");
    let output = Keyway::command(["offsets", "--brokers", &stage.mock.brokers()])
        .topic(&stage.topic)
        .group(&stage.group)
        .output();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    for part in [&stage.topic, &stage.group, "40", "100", "42", "45"] {
        assert!(output.stdout.contains(part), "{part} is not in\n{}", output.stdout);
    }
    // It asks and joins nothing: the commit is as it was.
    let committed = stage.committed();
    assert_eq!((committed[0].offset, committed[0].metadata.as_str()), (Some(40), "bAAGJAA="));
}

#[test]
fn a_short_demo_keeps_its_promises() {
    let output =
        Keyway::command(["demo", "--records", "300", "--keys", "20", "--latency", "2ms"]).output();
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("lost 0, out of order 0"), "{}", output.stdout);
    assert!(!output.stdout.contains('\u{1b}'), "no colours and no bar where it is piped");
}

#[test]
fn check_shows_a_file_tries_it_and_prints_the_line_of_a_record() {
    let stage = Stage::new(1);
    let check = |more: &[&str]| {
        let keyway = Keyway::command(["check"].iter().chain(more).copied())
            .env("KEYWAY_BROKERS", stage.mock.brokers())
            .env("KEYWAY_TOPICS", &stage.topic)
            .env("KEYWAY_FILE_PATH", "records")
            .env("KEYWAY_FILE_FORMAT", "ndjson")
            .env("KEYWAY_FILE_ROTATE_SIZE", "1GiB");
        keyway.write("record.json", r#"{"topic": "t", "key": "k", "value": {"a": 1}}"#);
        keyway.write("records", "torn");
        let output = keyway.output();
        assert_eq!(output.code, 0, "{output:?}");
        output.stdout
    };
    let plan = check(&[]);
    for told in
        ["file         records\n", "ndjson: ", "at the latest 1s after", "1 GiB", "256 writes"]
    {
        assert!(plan.contains(told), "{told} is not in\n{plan}");
    }
    assert!(check(&["--connect"]).contains("file records: can be appended to"));
    let line = check(&["--record", "record.json"]);
    let expected = r#"{"topic":"t","partition":0,"offset":0,"timestamp":null,"key":"k","headers":[],"value":{"a": 1}}"#;
    assert!(line.contains("appended to records:\n") && line.contains(expected), "{line}");
}
