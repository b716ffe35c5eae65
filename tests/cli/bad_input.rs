//! Bad input: the exit code, one message that names the setting, its place and what is allowed, and
//! nothing connected.

use super::trap::Trap;
use crate::support::*;

/// Expects `run` and `check` to refuse this as configuration, with exactly these lines, in which
/// `{}` stands for anything (the folder of the file, the system's own words).
fn refused(shape: impl Fn(Keyway) -> Keyway, lines: &[&str]) {
    let trap = Trap::new();
    for command in ["run", "check"] {
        let output = shape(trap.command(command)).output();
        assert_eq!(output.code, 78, "{output:?}");
        assert_eq!(output.stdout, "");
        let found: Vec<&str> = output.stderr.lines().collect();
        assert_eq!(found.len(), lines.len(), "{:#?}", output.stderr);
        for (found, line) in found.iter().zip(lines) {
            assert!(is_like(found, &format!("keyway: {line}")), "{found}\nnot: {line}");
        }
    }
    trap.assert_untouched();
}

/// Whether a line is as the pattern says.
fn is_like(line: &str, pattern: &str) -> bool {
    let (head, rest) = pattern.split_once("{}").unwrap_or((pattern, ""));
    let Some(mut line) = line.strip_prefix(head) else { return false };
    if head == pattern {
        return line.is_empty();
    }
    let mut parts: Vec<&str> = rest.split("{}").collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = line.split_once(part) else { return false };
        line = after;
    }
    line.ends_with(tail)
}

/// The same for a variable.
fn refused_variable(name: &str, value: &str, line: &str) {
    refused(|keyway| keyway.env(name, value), &[&format!("{name}: {line}")]);
}

#[test]
fn numbers_out_of_range_and_things_that_are_no_numbers() {
    let whole =
        |most: &str, got: &str| format!("expected a whole number from 1 to {most}, got {got:?}");
    refused_variable("KEYWAY_SENDERS", "0", &whole("100000", "0"));
    refused_variable("KEYWAY_ARBITERS", "65", &whole("64", "65"));
    refused_variable("KEYWAY_BUFFER_RECORDS", "many", &whole("100000000", "many"));
    refused_variable(
        "KEYWAY_MAX_ATTEMPTS",
        "-1",
        "expected a whole number from 1 to 1000000, or 0 for no limit, got \"-1\"",
    );
    refused_variable("KEYWAY_RETRY_FACTOR", "0.5", "expected a number from 1 to 100, got \"0.5\"");
    refused_variable(
        "KEYWAY_LOG_FILE_KEEP",
        "1001",
        "expected a whole number from 0 to 1000, got \"1001\"",
    );
    refused_variable(
        "KEYWAY_PARTITIONS",
        "0,-2",
        "expected a whole number from 0 to 2147483647, got \"-2\"",
    );
}

#[test]
fn durations_and_sizes() {
    for (name, least) in [
        ("KEYWAY_COMMIT_INTERVAL", "10ms"),
        ("KEYWAY_DRAIN_DEADLINE", "0ms"),
        ("KEYWAY_REQUEST_TIMEOUT", "1ms"),
        ("KEYWAY_RETRY_INITIAL", "1ms"),
        ("KEYWAY_RETRY_MAX", "1ms"),
    ] {
        let line = format!("expected a duration from {least} to 24h, like 500ms, 5s, 2m or 1h");
        refused_variable(name, "5", &format!("{line}, got \"5\""));
        refused_variable(name, "25h", &format!("{line}, got \"25h\""));
    }
    refused_variable(
        "KEYWAY_LOG_STATS_INTERVAL",
        "1ms",
        "expected a duration from 1s to 24h, like 500ms, 5s, 2m or 1h, or off, got \"1ms\"",
    );
    refused_variable(
        "KEYWAY_BUFFER_BYTES",
        "64",
        "expected a size from 1MiB to 1024GiB, like 64MiB, 10MB or 4096, got \"64\"",
    );
    refused_variable(
        "KEYWAY_OFFSET_METADATA_MAX_BYTES",
        "4k",
        "expected a size from 64 to 16MiB, like 64MiB, 10MB or 4096, got \"4k\"",
    );
}

#[test]
fn words_names_and_addresses() {
    refused_variable(
        "KEYWAY_OFFSET_OVERFLOW",
        "wait",
        "expected one of hold, replay, got \"wait\"",
    );
    refused_variable(
        "KEYWAY_RETRY_ON_REJECTED",
        "ignore",
        "expected one of dead_letter, drop, retry, stop, got \"ignore\"",
    );
    refused_variable(
        "KEYWAY_DEAD_LETTER_TOPIC",
        "a b",
        "expected a topic name: 1 to 249 letters, digits, dots, dashes and underscores, got \"a b\"",
    );
    refused_variable(
        "KEYWAY_HTTP_CONTENT_TYPE",
        "json",
        "expected a media type like application/json, got \"json\"",
    );
    refused_variable(
        "KEYWAY_LOG_LEVEL",
        "loud",
        "expected one of trace, debug, info, warn, error, got \"loud\"",
    );
    refused_variable(
        "KEYWAY_NAME",
        "a/b",
        "expected 1 to 64 letters, digits, dots, dashes and underscores, got \"a/b\"",
    );
}

#[test]
fn the_delivery_policy() {
    let rate = "expected a rate from 1/h to 1000000/s, like 500/s, 100/m or 1000/h, got";
    refused_variable("KEYWAY_HTTP_RATE", "500", &format!("{rate} \"500\""));
    refused_variable("KEYWAY_HTTP_RATE", "0/s", &format!("{rate} \"0/s\""));
    refused_variable(
        "KEYWAY_HTTP_CONCURRENCY",
        "auto",
        "expected one of fixed, adaptive, got \"auto\"",
    );
    refused_variable(
        "KEYWAY_HTTP_MAX_IN_FLIGHT",
        "0",
        "expected a whole number from 1 to 100000, got \"0\"",
    );
    refused_variable(
        "KEYWAY_HTTP_BREAKER_FAILURE_RATIO",
        "0",
        "expected a share above 0 and up to 1, like 0.5 or 50%, got \"0\"",
    );
    refused_variable(
        "KEYWAY_HTTP_AUTH_KIND",
        "digest",
        "expected one of none, basic, bearer, header, oauth2, got \"digest\"",
    );
    refused_variable(
        "KEYWAY_HTTP_SUCCESS_WHEN",
        "body.status ==",
        "line 1, column 13: syntax error: unexpected end of input, expected expression",
    );
    refused_variable(
        "KEYWAY_UNMATCHED",
        "stop",
        "there are no routes ([[pipeline.route]]) that it is for",
    );
    refused(
        |keyway| keyway.env("KEYWAY_RETRY_RETRY_ON", "404").env("KEYWAY_RETRY_REJECT_ON", "4xx"),
        &[
            "KEYWAY_RETRY_REJECT_ON: 400-499 is to be rejected, and 404 to be tried again (retry.retry_on): no failure can be in both",
        ],
    );
}

#[test]
fn secrets_and_certificates_that_cannot_be_used() {
    let bearer = |keyway: Keyway| keyway.env("KEYWAY_HTTP_AUTH_KIND", "bearer");
    refused(
        |keyway| bearer(keyway).env("KEYWAY_HTTP_AUTH_TOKEN_FILE", "nowhere"),
        &[
            "KEYWAY_HTTP_AUTH_TOKEN_FILE: cannot read nowhere: No such file or directory (os error 2)",
        ],
    );
    refused(
        bearer,
        &["http.auth.token: missing; use KEYWAY_HTTP_AUTH_TOKEN, or set it in a file (--config)"],
    );
    refused_variable(
        "KEYWAY_HTTP_SIGNATURE_SECRETS",
        "hush",
        "expected whsec_ and the Base64 of 24 to 64 bytes; what was given is not shown",
    );
    refused_variable(
        "KEYWAY_HTTP_TLS_CERT_FILE",
        "cert.pem",
        "a certificate and its key belong together; set http.tls.key_file too",
    );
    refused(
        |keyway| {
            let path = keyway.write("ca.pem", "no certificate");
            keyway.env("KEYWAY_HTTP_TLS_CA_FILE", path.display())
        },
        &["KEYWAY_HTTP_TLS_CA_FILE: {}ca.pem: ca_file holds no certificate{}"],
    );
    refused(
        |keyway| keyway.env("KEYWAY_HTTP_TLS_CA_FILE", "nowhere.pem"),
        &["KEYWAY_HTTP_TLS_CA_FILE: nowhere.pem: ca_file cannot be read{}"],
    );
}

/// `run` and `check` refuse a file with routes with exactly this line.
fn refused_routes(file: &str, line: &str) {
    let trap = Trap::new();
    for command in ["run", "check"] {
        let keyway = Keyway::command([command]).flag("--brokers", trap.address());
        let output = keyway.topic("orders").config(file).output();
        assert_eq!((output.code, output.stdout.as_str()), (78, ""), "{output:?}");
        assert!(is_like(&output.stderr, &format!("keyway: {line}")), "{}", output.stderr);
    }
    trap.assert_untouched();
}

#[test]
fn routes_that_are_wrong_are_told_with_line_and_column() {
    let head = "[[pipeline]]\nname = \"orders\"\n[[pipeline.route]]\n";
    refused_routes(
        &format!("{head}when = 'value.type ='\n"),
        "{}keyway.toml:4:20: pipeline \"orders\": route 1, when: syntax error: {}",
    );
    refused_routes(
        &format!("{head}when = \"value.type == 'x' && value.b == 2\"\n"),
        "{}keyway.toml:4:27: pipeline \"orders\": route 1, when: syntax error: unexpected character",
    );
    refused_routes(
        &format!("{head}[[pipeline.route.request]]\nurl = 'http://h/{{{{ value.id | upprr }}}}'\n"),
        "{}keyway.toml:5:31: pipeline \"orders\": route 1, request 1, url: unknown filter \"upprr\"",
    );
    refused_routes(
        &format!("{head}[[pipeline.route.request]]\nurl = 'https://{{{{ key }}}}/'\n"),
        "{}keyway.toml:5:{}: pipeline \"orders\": route 1, request 1, url: {}allowed_hosts{}",
    );
    refused_routes(
        "[[pipeline]]\nhttp.url = \"http://h/\"\n[[pipeline.route]]\n",
        "{}keyway.toml:2: pipeline 1: http.url: there are routes ([[pipeline.route]]){}",
    );
}

#[test]
fn a_record_that_is_none_is_bad_usage() {
    for (text, why) in [
        ("{\"value\": 1, \"vlaue\": 2}", "unknown key \"vlaue\""),
        ("{}", "value is missing"),
        ("not json", "expected"),
    ] {
        let trap = Trap::new();
        let keyway = trap.command("check");
        let path = keyway.write("record.json", text);
        let output = keyway.flag("--record", path.display()).output();
        assert_eq!((output.code, output.stdout.as_str()), (64, ""), "{output:?}");
        assert!(output.stderr.starts_with("keyway: --record: "), "{}", output.stderr);
        assert!(output.stderr.contains(why), "{}", output.stderr);
    }
    let output = Trap::new().command("check").flag("--record", "nowhere.json").output();
    assert_eq!(output.code, 64);
    assert!(output.stderr.contains("nowhere.json: No such file"), "{}", output.stderr);
}

/// A command of which one flag is wrong.
fn refused_flag(flag: &str, value: &str, line: &str) {
    let trap = Trap::new();
    let given = [
        ("--brokers", trap.address().to_string()),
        ("--topic", "orders".to_owned()),
        ("--url", trap.url()),
    ];
    let mut keyway = Keyway::command(["run"]).flag(flag, value);
    for (name, value) in given.iter().filter(|(name, _)| *name != flag) {
        keyway = keyway.flag(name, value);
    }
    let output = keyway.output();
    assert_eq!(output.code, 78, "{output:?}");
    assert_eq!(output.stderr, format!("keyway: {flag}: {line}"));
    trap.assert_untouched();
}

#[test]
fn flags_are_named_as_they_were_typed() {
    let url = |got: &str, why: &str| {
        format!("expected a URL like https://host:port/path, got {got:?}: {why}")
    };
    refused_flag(
        "--url",
        "localhost:8080",
        &url("localhost:8080", "only http and https are known"),
    );
    refused_flag("--url", "/orders", &url("/orders", "relative URL without a base"));
    refused_flag("--url", "http://h:99999/", &url("http://h:99999/", "invalid port number"));
    refused_flag(
        "--brokers",
        "a:x",
        "expected brokers as host:port, separated by commas, got \"a:x\"",
    );
    refused_flag(
        "--topic",
        "a/b",
        "expected a topic name: 1 to 249 letters, digits, dots, dashes and underscores, or a \
         regular expression that starts with ^, got \"a/b\"",
    );
    refused_flag(
        "--ordering",
        "random",
        "expected one of key, partition, unordered, got \"random\"",
    );
    refused_flag(
        "--listen",
        "8000",
        "expected an address like 127.0.0.1:8000 or [::1]:8000, or off, got \"8000\"",
    );
    refused_flag("--log-format", "xml", "expected one of term, json, got \"xml\"");
}

#[test]
fn what_is_missing_is_said_all_at_once_and_how_to_give_it() {
    for command in ["run", "check"] {
        let output = Keyway::command([command]).output();
        assert_eq!(output.code, 78);
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        for (key, flag, variable) in [
            ("topics", "--topic", "KEYWAY_TOPICS"),
            ("kafka.\"bootstrap.servers\"", "--brokers", "KEYWAY_BROKERS"),
            ("http.url", "--url", "KEYWAY_URL"),
        ] {
            let told = |line: &&str| {
                line.contains(&format!("{key}: missing"))
                    && line.contains(flag)
                    && line.contains(variable)
            };
            assert!(lines.iter().any(told), "{key}: {lines:?}");
        }
    }
}

#[test]
fn a_file_that_is_wrong_is_told_with_its_lines() {
    refused(
        |keyway| keyway.config("[[pipeline]\nname = 1\n"),
        &["{}keyway.toml:1: unclosed array table, expected `]`"],
    );
    refused(
        |keyway| {
            keyway.config(
                "[[pipeline]]\nname = \"orders\"\nsendrs = 3\n[pipeline.http]\ntimeout = 5\n\
                 [pipeline.htpp]\n[log]\nlevel = \"loud\"\n[kafka]\n\"fetch.min.byte\" = 1\n\
                 \"group.id\" = \"x\"\n",
            )
        },
        &[
            "{}keyway.toml:3: pipeline \"orders\": sendrs: unknown key; did you mean senders?",
            "{}keyway.toml:6: pipeline \"orders\": htpp: unknown key; did you mean http?",
            "{}keyway.toml:10: kafka.fetch.min.byte: librdkafka knows no property \"fetch.min.byte\"; did you mean \"fetch.min.bytes\"?",
            "{}keyway.toml:11: kafka.group.id: group.id is Keyway's to set; {}group_id{}",
            "{}keyway.toml:8: log.level: expected one of trace, debug, info, warn, error, got \"loud\"",
            "{}keyway.toml:5: pipeline \"orders\": http.timeout: expected a duration from 1ms to 24h, like 500ms, 5s, 2m or 1h, got \"5\"",
        ],
    );
}

#[test]
fn a_file_that_cannot_be_read() {
    refused(
        |keyway| keyway.flag("--config", "nowhere.toml"),
        &["--config: cannot read nowhere.toml: No such file or directory (os error 2)"],
    );
    refused(|keyway| keyway.flag("--config", "."), &["--config: cannot read .: {}"]);
    refused(
        |keyway| keyway.env("KEYWAY_CONFIG", "nowhere.toml"),
        &["KEYWAY_CONFIG: cannot read nowhere.toml: No such file or directory (os error 2)"],
    );
    refused(
        |keyway| {
            let path = keyway.write("binary.toml", [0xff, 0xfe, 0x00]);
            keyway.flag("--config", path.display())
        },
        &["--config: cannot read {}"],
    );
}

#[test]
fn a_file_and_flags_that_contradict_each_other() {
    let two = "[[pipeline]]\nname = \"a\"\ntopics = [\"a\"]\nhttp.url = \"http://h/a\"\n\
               [[pipeline]]\nname = \"b\"\ntopics = [\"b\"]\nhttp.url = \"http://h/b\"\n";
    refused(
        |keyway| keyway.config(two),
        &[
            "--topic: it can mean only one pipeline, and the file has 2; set topics there",
            "--url: it can mean only one pipeline, and the file has 2; set http.url there",
        ],
    );
    let same = "[[pipeline]]\nname = \"a\"\n[[pipeline]]\nname = \"a\"\n";
    let trap = Trap::new();
    let output = Keyway::command(["run"]).flag("--brokers", trap.address()).config(same).output();
    assert_eq!(output.code, 78);
    assert!(output.stderr.contains("is the name of another pipeline too"), "{}", output.stderr);
    trap.assert_untouched();
}

#[test]
fn settings_that_contradict_each_other() {
    refused(
        |keyway| keyway.flag("--senders", 2).flag("--arbiters", 3),
        &["--arbiters: 3 arbiters need as many senders, and there are 2"],
    );
    refused(
        |keyway| keyway.env("KEYWAY_RETRY_MAX", "50ms"),
        &["KEYWAY_RETRY_MAX: retry.initial (200ms) is longer than retry.max (50ms)"],
    );
    refused(
        |keyway| keyway.kafka("max.poll.interval.ms", "20000").kafka("session.timeout.ms", "6000"),
        &[
            "KEYWAY_KAFKA_MAX_POLL_INTERVAL_MS: revoke_deadline (20s) must stay 5s below max.poll.interval.ms (20s)",
        ],
    );
    refused(
        |keyway| keyway.env("KEYWAY_RETRY_ON_REJECTED", "dead_letter"),
        &[
            "KEYWAY_RETRY_ON_REJECTED: expected drop, retry or stop, got \"dead_letter\": there is no dead-letter topic; set dead_letter.topic or KEYWAY_DEAD_LETTER_TOPIC",
        ],
    );
    refused(
        |keyway| keyway.env("KEYWAY_DEAD_LETTER_TOPIC", "orders"),
        &[
            "KEYWAY_DEAD_LETTER_TOPIC: \"orders\" is consumed by this pipeline itself, by \"orders\" in topics",
        ],
    );
}

/// Each is fine by itself: only a client that is made of them shows that they are not together.
#[test]
fn properties_that_librdkafka_refuses_together() {
    let refusal = |why| {
        format!("pipeline \"default\": librdkafka refuses the properties under [kafka]: {why}")
    };
    refused(
        |keyway| keyway.kafka("session.timeout.ms", "400000"),
        &[&refusal("`max.poll.interval.ms`must be >= `session.timeout.ms`")],
    );
    refused(
        |keyway| keyway.kafka("fetch.max.bytes", "1000"),
        &[&refusal("`fetch.max.bytes` must be >= `message.max.bytes`")],
    );
    refused(
        |keyway| {
            keyway.kafka("security.protocol", "ssl").kafka("ssl.ca.location", "/no/such/file.pem")
        },
        &[&refusal("{}ssl.ca.location{}")],
    );
}

/// The properties of the dead letters' producer, of the second of two pipelines: the first does not
/// start.
#[test]
fn properties_that_librdkafka_refuses_for_dead_letters() {
    let file = "[[pipeline]]\nname = \"a\"\ntopics = [\"a\"]\ngroup_id = \"a\"\nhttp.url = \"URL\"\n\
                [[pipeline]]\nname = \"b\"\ntopics = [\"b\"]\ngroup_id = \"b\"\nhttp.url = \"URL\"\n\
                [pipeline.dead_letter]\ntopic = \"dead\"\n\
                [pipeline.dead_letter.kafka]\n\"max.in.flight\" = 100\n";
    let trap = Trap::new();
    let keyway = Keyway::command(["run"]).flag("--brokers", trap.address()).flag("--listen", "off");
    let output = keyway.config(&file.replace("URL", &trap.url())).output();
    assert_eq!((output.code, output.stdout.as_str()), (78, ""), "{output:?}");
    let line =
        "keyway: pipeline \"b\": librdkafka refuses {}: dead_letter: `max.in.flight` must be{}";
    assert!(is_like(output.stderr.trim_end(), line), "{}", output.stderr);
    trap.assert_untouched();
}

#[test]
fn variables_that_nobody_knows() {
    refused(
        |keyway| keyway.env("KEYWAY_SENDRES", 3),
        &["KEYWAY_SENDRES: unknown variable; did you mean KEYWAY_SENDERS?"],
    );
    refused(
        |keyway| keyway.kafka("enable.auto.commit", "true"),
        &["KEYWAY_KAFKA_ENABLE_AUTO_COMMIT: enable.auto.commit is Keyway's to set{}"],
    );
    refused(
        |keyway| keyway.kafka("fetch.min.bites", "1"),
        &["KEYWAY_KAFKA_FETCH_MIN_BITES: librdkafka knows no property \"fetch.min.bites\"{}"],
    );
}

#[test]
fn a_log_file_that_cannot_be_opened() {
    let trap = Trap::new();
    let output = trap.command("run").env("KEYWAY_LOG_FILE", "no/such/folder/k.log").output();
    assert_eq!(output.code, 78);
    assert!(
        output.stderr.starts_with("keyway: log.file: cannot open no/such/folder/k.log: No such"),
        "{}",
        output.stderr
    );
    trap.assert_untouched();
}

#[test]
fn bad_usage_is_told_apart_from_bad_configuration() {
    for arguments in [
        &[][..],
        &["rnu"],
        &["run", "--nope"],
        &["run", "orders"],
        &["run", "--senders"],
        &["run", "--url", "http://a/", "--url", "http://b/"],
        &["completions"],
        &["completions", "dos"],
        &["demo", "--fail", "2"],
        &["demo", "--latency", "5"],
        &["demo", "--url", "http://h/", "--fail", "1%"],
    ] {
        let output = Keyway::command(arguments.iter().copied()).output();
        assert_eq!(output.code, 64, "{arguments:?}: {output:?}");
        assert_eq!(output.stdout, "", "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
