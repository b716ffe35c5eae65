//! Each bad input, and the message that a user gets for it.

use super::*;

/// The problems of [`FILE`] with one part replaced.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(FILE.contains(from), "{from:?} is not in the file");
    Typed::file(FILE.replace(from, to).leak()).problems()
}

/// The problems of [`FILE`] with lines added to its pipeline.
fn added(lines: &str) -> Vec<String> {
    changed("topics = [\"orders\"]\n", &format!("topics = [\"orders\"]\n{lines}\n"))
}

/// The problems of the least that is needed, with more variables.
fn variables(more: &[(&'static str, &'static str)]) -> Vec<String> {
    let mut typed = Typed::needed();
    typed.variables.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    typed.variables.extend(more);
    typed.problems()
}

#[test]
fn nothing_typed_says_how_to_type_it() {
    assert_eq!(
        Typed::default().problems(),
        [
            "topics: missing; use --topic or KEYWAY_TOPICS, or set it in a file (--config)",
            "kafka.\"bootstrap.servers\": missing; use --brokers or KEYWAY_BROKERS, or set it in a file (--config)",
            "http.url: missing; use --url or KEYWAY_URL, or set it in a file (--config)",
        ]
    );
}

#[test]
fn what_a_file_lacks_is_missing_in_its_pipeline() {
    assert_eq!(
        Typed::file("[[pipeline]]\nname = \"orders\"\n").problems(),
        [
            "keyway.toml:1: pipeline \"orders\": topics: missing; set it there, or use --topic or KEYWAY_TOPICS",
            "keyway.toml:1: pipeline \"orders\": kafka.\"bootstrap.servers\": missing; set it there, or use --brokers or KEYWAY_BROKERS",
            "keyway.toml:1: pipeline \"orders\": http.url: missing; set it there, or use --url or KEYWAY_URL",
        ]
    );
}

#[test]
fn a_number_out_of_range_names_its_source_and_range() {
    let expected = "expected a whole number from 1 to 100000, got";
    assert_eq!(
        Typed::needed().flag("--senders", "0").problems(),
        [format!("--senders: {expected} \"0\"")]
    );
    assert_eq!(
        variables(&[("KEYWAY_SENDERS", "many")]),
        [format!("KEYWAY_SENDERS: {expected} \"many\"")]
    );
    assert_eq!(
        added("senders = 100_001"),
        [format!("keyway.toml:6: pipeline \"orders\": senders: {expected} \"100001\"")]
    );
}

#[test]
fn a_bad_value_is_told_even_where_another_source_wins() {
    let problems =
        Typed::needed().variable("KEYWAY_SENDERS", "many").flag("--senders", "5").problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("KEYWAY_SENDERS: "), "{problems:?}");
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = Typed::file(
        FILE.replace("topics", "topic").replace("name", "senders = \"x\"\nname").leak(),
    )
    .variable("KEYWAY_COMMIT_INTERVALL", "1s")
    .variable("KEYWAY_BUFFER_BYTES", "1GB!")
    .flag("--ordering", "keys")
    .problems();
    assert_eq!(
        problems,
        [
            "keyway.toml:6: pipeline \"orders\": topic: unknown key; did you mean topics?",
            "KEYWAY_COMMIT_INTERVALL: unknown variable; did you mean KEYWAY_COMMIT_INTERVAL?",
            "keyway.toml:3: pipeline \"orders\": topics: missing; set it there, or use --topic or KEYWAY_TOPICS",
            "keyway.toml:4: pipeline \"orders\": senders: expected a whole number from 1 to 100000, got \"x\"",
            "--ordering: expected one of key, partition, unordered, got \"keys\"",
            "KEYWAY_BUFFER_BYTES: expected a size from 1MiB to 1024GiB, like 64MiB, 10MB or 4096, got \"1GB!\"",
        ]
    );
}

#[test]
fn durations_and_sizes_say_how_they_are_written() {
    assert_eq!(
        added("commit_interval = 5"),
        [
            "keyway.toml:6: pipeline \"orders\": commit_interval: expected a duration from 10ms to 24h, like 500ms, 5s, 2m or 1h, got \"5\""
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_BUFFER_BYTES", "1MB")]),
        [
            "KEYWAY_BUFFER_BYTES: expected a size from 1MiB to 1024GiB, like 64MiB, 10MB or 4096, got \"1MB\""
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_LOG_STATS_INTERVAL", "0s")]),
        [
            "KEYWAY_LOG_STATS_INTERVAL: expected a duration from 1s to 24h, like 500ms, 5s, 2m or 1h, or off, got \"0s\""
        ]
    );
}

#[test]
fn a_bad_url_says_what_is_wrong_and_hides_its_secrets() {
    assert_eq!(
        Typed::needed().flag("--url", "localhost:8080/x").problems(),
        [
            "--url: expected a URL like https://host:port/path, got \"localhost:8080/x\": only http and https are known"
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_URL", "http://me:hunter2@host/?token=hunter2")]),
        [
            "KEYWAY_URL: expected a URL like https://host:port/path, got \"http://***@host/?***\": credentials do not belong in it"
        ]
    );
    assert_eq!(
        changed("http://localhost:8080/", "/orders"),
        [
            "keyway.toml:7: pipeline \"orders\": http.url: expected a URL like https://host:port/path, got \"/orders\": relative URL without a base"
        ]
    );
}

#[test]
fn an_unknown_key_names_the_nearest_and_where_it_belongs() {
    let last = |problems: Vec<String>| problems.last().cloned().unwrap_or_default();
    assert_eq!(
        added("sender = 5"),
        ["keyway.toml:6: pipeline \"orders\": sender: unknown key; did you mean senders?"]
    );
    assert_eq!(
        added("timeout = \"5s\""),
        [
            "keyway.toml:6: pipeline \"orders\": timeout: unknown key; did you mean timeout in [pipeline.http]?"
        ]
    );
    assert_eq!(
        changed("[kafka]\n", "senders = 5\n[kafka]\n"),
        ["keyway.toml:1: senders: unknown key; did you mean senders in [[pipeline]]?"]
    );
    assert_eq!(
        changed("[kafka]\n", "[loog]\nlevel = \"info\"\n[kafka]\n"),
        ["keyway.toml:1: loog: unknown key; did you mean log?"]
    );
    assert_eq!(
        changed("url =", "tiemout = \"5s\"\nurl ="),
        ["keyway.toml:7: pipeline \"orders\": http.tiemout: unknown key; did you mean timeout?"]
    );
    assert_eq!(
        last(added("brokers = \"a:1\"")),
        "keyway.toml:6: pipeline \"orders\": brokers: unknown key; did you mean \"bootstrap.servers\" in [kafka]?"
    );
    assert_eq!(
        last(added("flavour = 1")),
        "keyway.toml:6: pipeline \"orders\": flavour: unknown key"
    );
    assert_eq!(
        changed(
            "[kafka]\n",
            "[[alarm]]\nurl = \"http://hook/\"\n[api]\nsecret = \"hunter2\"\n[kafka]\n"
        ),
        [
            "keyway.toml:1: alarm: unknown key; did you mean alert?",
            "keyway.toml:4: api.secret: unknown key",
        ]
    );
}

#[test]
fn an_unknown_variable_is_refused_unless_it_is_someone_elses() {
    assert_eq!(
        variables(&[
            ("KEYWAY_SENDER", "5"),
            ("KEYWAY_HTTP_TIMEOUT", "5s"),
            ("KEYWAY_API_SECRET", "hunter2")
        ]),
        [
            "KEYWAY_API_SECRET: unknown variable",
            "KEYWAY_HTTP_TIMEOUT: unknown variable; did you mean KEYWAY_REQUEST_TIMEOUT?",
            "KEYWAY_SENDER: unknown variable; did you mean KEYWAY_SENDERS?",
        ]
    );
    let theirs = [
        ("KEYWAY_TEST_BROKERS", "a:1"),
        ("KEYWAY_SIM_SCHEDULES", "5"),
        ("KEYWAY_SERVICE_HOST", "10.0.0.1"),
        ("KEYWAY_SERVICE_PORT", "80"),
        ("KEYWAY_API_SERVICE_PORT_HTTP", "80"),
        ("KEYWAY_PORT", "tcp://10.0.0.1:80"),
        ("KEYWAY_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("KEYWAY_KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ("KEYWAY_KAFKA_SERVICE_HOST", "10.0.0.1"),
        ("KEYWAYS", "x"),
    ];
    theirs
        .iter()
        .fold(Typed::needed(), |typed, (name, value)| typed.variable(name, value))
        .settings();
    assert_eq!(variables(&[("KEYWAY_PORT", "8000")]).len(), 1, "someone means --listen");
}

#[test]
fn a_broken_file_names_its_lines() {
    let problems = Typed::file("[kafka]\npassword = hunter2\n[[pipeline]\n").problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].starts_with("keyway.toml:2: ") && problems[1].starts_with("keyway.toml:3: "),
        "{problems:?}"
    );
    assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    let twice = changed("name =", "name = \"a\"\nname =");
    assert!(twice[0].starts_with("keyway.toml:5: duplicate key"), "{twice:?}");
}

#[test]
fn a_file_that_cannot_be_read_names_what_asked_for_it() {
    let flags = Flags { config: Some("/nonexistent/keyway.toml".into()), ..Flags::default() };
    let environment = Environment::default();
    let problems =
        load(&Sources { flags, environment, cores: 1 }).expect_err("there is no such file");
    assert_eq!(
        problems.to_string(),
        "--config: cannot read /nonexistent/keyway.toml: No such file or directory (os error 2)"
    );
    let problems = Typed::needed().variable("KEYWAY_CONFIG", "/").problems();
    assert_eq!(problems, ["KEYWAY_CONFIG: cannot read /: Is a directory (os error 21)"]);
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    assert_eq!(
        added("senders = [1]"),
        ["keyway.toml:6: pipeline \"orders\": senders: expected one value, got a list"]
    );
    assert_eq!(
        added("senders = {}"),
        ["keyway.toml:6: pipeline \"orders\": senders: expected a plain value"]
    );
    assert_eq!(added("retry = 5"), ["keyway.toml:6: pipeline \"orders\": retry: expected a table"]);
    assert_eq!(
        added("partitions = []"),
        [
            "keyway.toml:6: pipeline \"orders\": partitions: expected at least one, got an empty list"
        ]
    );
    assert_eq!(
        changed("[[pipeline]]", "[pipeline]")[0],
        "keyway.toml:3: pipeline: expected [[pipeline]]"
    );
    assert_eq!(
        changed("\"bootstrap.servers\" =", "\"client.id\" = [1]\n\"bootstrap.servers\" ="),
        ["keyway.toml:2: kafka.client.id: expected a string, a number or a boolean"]
    );
}

#[test]
fn only_what_is_near_is_suggested() {
    for (variable, meant) in [
        ("KEYWAY_RATE", "; did you mean KEYWAY_HTTP_RATE?"),
        ("KEYWAY_HTTP_AUTH_USER", "; did you mean KEYWAY_HTTP_AUTH_USERNAME?"),
        ("KEYWAY_HTTP_HEADERS", ""),
    ] {
        let problems = variables(&[(variable, "a")]);
        assert_eq!(problems, [format!("{variable}: unknown variable{meant}")]);
    }
    let key = |line: &str| changed("[pipeline.http]", &format!("[pipeline.http]\n{line}"));
    for (line, meant) in [("auth.user = 'a'", "; did you mean username?"), ("headers = 'a'", "")] {
        let name = line.split(' ').next().unwrap_or_default();
        let problems = key(line);
        let told = format!("http.{name}: unknown key{meant}");
        assert!(problems.iter().any(|line| line.ends_with(&told)), "{problems:?}");
    }
}

#[test]
fn a_variable_in_the_file_must_be_set() {
    assert_eq!(
        changed("http://localhost:8080/", "http://${NOPE}/"),
        ["keyway.toml:7: pipeline \"orders\": http.url: the variable NOPE is not set"]
    );
}

#[test]
fn what_was_filled_in_is_never_shown() {
    let file = FILE
        .replace("http://localhost:8080/", "${PW}")
        .replace("[[pipeline]]", "\"acks\" = 1\n\"debug\" = \"${PW}\"\n[[pipeline]]");
    let problems = Typed::file(file.leak()).variable("PW", "hunter2").problems().join("\n");
    assert!(problems.contains("${PW}") && !problems.contains("hunter2"), "{problems}");
}

#[test]
fn topics_and_patterns_are_checked() {
    let expected = "expected a topic name: 1 to 249 letters, digits, dots, dashes and underscores, or a regular expression that starts with ^, got";
    assert_eq!(
        variables(&[("KEYWAY_TOPICS", "a,,b c")]),
        [format!("KEYWAY_TOPICS: {expected} \"\"")]
    );
    assert_eq!(variables(&[("KEYWAY_TOPICS", "a,b,a")]), ["KEYWAY_TOPICS: \"a\" is given twice"]);
    let broken = variables(&[("KEYWAY_TOPICS", "^a(")]);
    assert!(
        broken[0]
            .starts_with("KEYWAY_TOPICS: expected a regular expression after ^, got \"^a(\": "),
        "{broken:?}"
    );
    assert_eq!(
        variables(&[("KEYWAY_TOPICS", "^a\\d+")]),
        [
            "KEYWAY_TOPICS: got \"^a\\\\d+\": topics are matched by POSIX extended expressions, which lack \\d (write [0-9])"
        ]
    );
    let pipeline = Typed {
        variables: vec![NEEDED[0], NEEDED[2], ("KEYWAY_TOPICS", "^a{1,2}$, b")],
        ..Typed::default()
    }
    .pipeline();
    assert_eq!(pipeline.topics, ["^a{1,2}$", "b"]);
}

#[test]
fn fixed_partitions_need_plain_topics() {
    assert_eq!(
        variables(&[("KEYWAY_TOPICS", "a,^b"), ("KEYWAY_PARTITIONS", "0,1")]),
        ["KEYWAY_PARTITIONS: fixed partitions need plain topic names, and topics has \"^b\""]
    );
    assert_eq!(
        variables(&[("KEYWAY_PARTITIONS", "0,3,0")]),
        ["KEYWAY_PARTITIONS: 0 is given twice"]
    );
    assert_eq!(
        variables(&[("KEYWAY_PARTITIONS", "-1")]),
        ["KEYWAY_PARTITIONS: expected a whole number from 0 to 2147483647, got \"-1\""]
    );
    assert_eq!(
        Typed::needed().variable("KEYWAY_PARTITIONS", "0, 3").pipeline().partitions,
        Some(vec![0, 3])
    );
}

#[test]
fn properties_of_kafka_are_checked_with_their_place() {
    assert_eq!(
        changed(
            "[[pipeline]]",
            "\"enable.auto.commit\" = true\n\"group.id\" = \"x\"\n[[pipeline]]"
        ),
        [
            "keyway.toml:3: kafka.enable.auto.commit: enable.auto.commit is Keyway's to set; it commits what is settled, as often as commit_interval says",
            "keyway.toml:4: kafka.group.id: group.id is Keyway's to set; use group_id, --group-id or KEYWAY_GROUP_ID",
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_KAFKA_SESION_TIMEOUT_MS", "6000")]),
        [
            "KEYWAY_KAFKA_SESION_TIMEOUT_MS: librdkafka knows no property \"sesion.timeout.ms\"; did you mean KEYWAY_KAFKA_SESSION_TIMEOUT_MS?"
        ]
    );
    let secret = variables(&[("KEYWAY_KAFKA_SASL_PASSWORT", "hunter2")]);
    assert_eq!(
        secret,
        [
            "KEYWAY_KAFKA_SASL_PASSWORT: librdkafka knows no property \"sasl.passwort\"; did you mean KEYWAY_KAFKA_SASL_PASSWORD?"
        ]
    );
    let bad = variables(&[("KEYWAY_KAFKA_AUTO_OFFSET_RESET", "first")]);
    assert!(bad[0].starts_with("KEYWAY_KAFKA_AUTO_OFFSET_RESET: got \"first\": "), "{bad:?}");
}

#[test]
fn brokers_are_given_once() {
    assert_eq!(
        variables(&[("KEYWAY_BROKERS", "a:1"), ("KEYWAY_KAFKA_BOOTSTRAP_SERVERS", "b:1")]),
        [
            "KEYWAY_KAFKA_BOOTSTRAP_SERVERS: bootstrap.servers is given twice, and differently: also by KEYWAY_BROKERS"
        ]
    );
    Typed::needed().variable("KEYWAY_KAFKA_BOOTSTRAP_SERVERS", "localhost:9092").settings();
    assert_eq!(
        Typed::needed().flag("--brokers", "http://a:1").problems(),
        ["--brokers: expected brokers as host:port, separated by commas, got \"http://a:1\""]
    );
}

#[test]
fn the_revoke_deadline_leaves_room_to_answer() {
    assert_eq!(
        variables(&[("KEYWAY_REVOKE_DEADLINE", "296s")]),
        [
            "KEYWAY_REVOKE_DEADLINE: revoke_deadline (296s) must stay 5s below max.poll.interval.ms (5m)"
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_KAFKA_MAX_POLL_INTERVAL_MS", "24999")]),
        [
            "KEYWAY_KAFKA_MAX_POLL_INTERVAL_MS: revoke_deadline (20s) must stay 5s below max.poll.interval.ms (24999ms)"
        ]
    );
    Typed::needed().variable("KEYWAY_KAFKA_MAX_POLL_INTERVAL_MS", "25000").settings();
    Typed::needed().variable("KEYWAY_REVOKE_DEADLINE", "295s").settings();
}

#[test]
fn the_new_group_protocol_takes_no_settings_of_the_old() {
    assert_eq!(
        variables(&[
            ("KEYWAY_KAFKA_GROUP_PROTOCOL", "consumer"),
            ("KEYWAY_KAFKA_SESSION_TIMEOUT_MS", "6000"),
            ("KEYWAY_KAFKA_PARTITION_ASSIGNMENT_STRATEGY", "range"),
        ]),
        [
            "KEYWAY_KAFKA_SESSION_TIMEOUT_MS: session.timeout.ms is the broker's to set with group.protocol=consumer; leave it out",
            "KEYWAY_KAFKA_PARTITION_ASSIGNMENT_STRATEGY: partition.assignment.strategy is the broker's to set with group.protocol=consumer; leave it out",
        ]
    );
    Typed::needed().variable("KEYWAY_KAFKA_GROUP_PROTOCOL", "consumer").settings();
}

#[test]
fn dead_letters_need_a_topic_that_nobody_here_consumes() {
    assert_eq!(
        variables(&[("KEYWAY_RETRY_ON_REJECTED", "dead_letter")]),
        [
            "KEYWAY_RETRY_ON_REJECTED: expected drop, retry or stop, got \"dead_letter\": there is no dead-letter topic; set dead_letter.topic or KEYWAY_DEAD_LETTER_TOPIC"
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_DEAD_LETTER_TOPIC", "orders")]),
        [
            "KEYWAY_DEAD_LETTER_TOPIC: \"orders\" is consumed by this pipeline itself, by \"orders\" in topics"
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_TOPICS", "^orders"), ("KEYWAY_DEAD_LETTER_TOPIC", "orders-dead")]),
        [
            "KEYWAY_DEAD_LETTER_TOPIC: \"orders-dead\" is consumed by this pipeline itself, by \"^orders\" in topics"
        ]
    );
    let other_cluster = FILE.replace(
        "[pipeline.http]",
        "[pipeline.dead_letter]\ntopic = \"orders\"\n[pipeline.dead_letter.kafka]\n\"bootstrap.servers\" = \"other:1\"\n[pipeline.http]",
    );
    Typed::file(other_cluster.clone().leak()).settings();
    // The same brokers, written otherwise.
    let problems = Typed::file(other_cluster.replace("other:1", "LOCALHOST").leak()).problems();
    assert_eq!(
        problems,
        [
            "keyway.toml:7: pipeline \"orders\": dead_letter.topic: \"orders\" is consumed by this pipeline itself, by \"orders\" in topics"
        ]
    );
    let problems = Typed::file(other_cluster.replace("topic = \"orders\"\n", "").leak()).problems();
    assert_eq!(
        problems,
        [
            "keyway.toml:8: pipeline \"orders\": dead_letter.kafka.bootstrap.servers: there is no dead-letter topic; set dead_letter.topic"
        ]
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    assert_eq!(
        variables(&[("KEYWAY_ARBITERS", "8"), ("KEYWAY_SENDERS", "4")]),
        ["KEYWAY_ARBITERS: 8 arbiters need as many senders, and there are 4"]
    );
    assert_eq!(
        variables(&[("KEYWAY_RETRY_INITIAL", "1m")]),
        ["KEYWAY_RETRY_INITIAL: retry.initial (1m) is longer than retry.max (30s)"]
    );
    assert_eq!(
        variables(&[("KEYWAY_RETRY_MAX", "100ms")]),
        ["KEYWAY_RETRY_MAX: retry.initial (200ms) is longer than retry.max (100ms)"]
    );
}

/// The other one was compared with the default of what could not be read.
#[test]
fn what_is_given_badly_contradicts_nothing() {
    for (bad, other) in [
        (("KEYWAY_HTTP_BREAKER_OPEN_FOR", "5"), ("KEYWAY_HTTP_BREAKER_MAX_OPEN_FOR", "1s")),
        (("KEYWAY_HTTP_BREAKER_MAX_OPEN_FOR", "5"), ("KEYWAY_HTTP_BREAKER_OPEN_FOR", "2m")),
        (("KEYWAY_RETRY_MAX", "5"), ("KEYWAY_RETRY_INITIAL", "2m")),
        (("KEYWAY_SENDERS", "many"), ("KEYWAY_ARBITERS", "64")),
        (("KEYWAY_REVOKE_DEADLINE", "5"), ("KEYWAY_KAFKA_MAX_POLL_INTERVAL_MS", "20000")),
    ] {
        let problems = variables(&[bad, other]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("{}: expected", bad.0)), "{problems:?}");
    }
}

#[test]
fn a_secret_and_its_twin_contradict_each_other() {
    let file = FILE.replace(
        "[[pipeline]]",
        "\"sasl.password\" = \"hunter2\"\n\"sasl.password_file\" = \"pw\"\n[[pipeline]]",
    );
    let problems = Typed::file(file.leak()).beside("pw", "hunter3\n").problems();
    assert_eq!(
        problems,
        [
            "keyway.toml:4: kafka.sasl.password_file: sasl.password is given twice, and differently: also by keyway.toml:3: kafka.sasl.password"
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let mut variables: Vec<(&str, std::ffi::OsString)> =
        NEEDED.iter().map(|(name, value)| (*name, value.into())).collect();
    variables.push(("KEYWAY_GROUP_ID", std::ffi::OsString::from_vec(vec![0xff])));
    let environment = variables.into_iter().collect::<Environment>();
    let problems = load(&Sources { flags: Flags::default(), environment, cores: 1 })
        .expect_err("it is not UTF-8");
    assert_eq!(problems.to_string(), "KEYWAY_GROUP_ID: the variable KEYWAY_GROUP_ID is not UTF-8");
}

#[test]
fn whatever_the_file_holds_there_are_settings_or_problems() {
    let whole = FILE.replace("name =", "partitions = [0, 1]\nretry.initial = \"1s\"\nname =");
    let cuts = (0..whole.len()).map(|at| whole[..at].to_owned());
    let swaps = (0..whole.len()).flat_map(|at| {
        ["[", "]", "\"", "=", "\n", "1", "$", "${", "\0", "ä"].map(|part| {
            let mut text = whole.clone();
            text.replace_range(at..=at, part);
            text
        })
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("keyway.toml");
    let flags = Flags { config: Some(path.clone()), ..Flags::default() };
    let sources = Sources { flags, environment: Environment::default(), cores: 2 };
    for text in cuts.chain(swaps) {
        fs::write(&path, &text).expect("the file is written");
        if let Err(problems) = load(&sources) {
            assert!(!problems.is_empty(), "refused without a word: {text}");
            assert!(problems.lines().iter().all(|line| !line.contains('\n')), "{problems}");
        }
    }
}
