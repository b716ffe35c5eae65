//! Flag over variable over file over default.

use keyway_actors::core::retry::Jitter;

use super::*;

#[test]
fn the_least_that_is_typed_gives_the_documented_defaults() {
    let settings = Typed::needed().settings();
    assert_eq!(settings.api.listen, Listen::At(([127, 0, 0, 1], 8000).into()));
    assert_eq!(settings.log.level, slog::Level::Info);
    assert_eq!(settings.log.format, LogFormat::Term);
    assert_eq!(format!("{:?}", settings.log), format!("{:?}", LogSettings::default()));
    let pipeline = Typed::needed().pipeline();
    let second = std::time::Duration::from_secs(1);
    assert_eq!(pipeline.name, "default");
    assert_eq!(pipeline.topics, ["orders"]);
    assert_eq!(pipeline.partitions, None);
    assert_eq!(pipeline.group_id, "keyway");
    assert_eq!(
        pipeline.kafka.iter().collect::<Vec<_>>(),
        [("bootstrap.servers", "localhost:9092")]
    );
    assert_eq!(pipeline.ordering, Ordering::Key);
    assert_eq!(pipeline.senders.get(), 256);
    assert_eq!(pipeline.arbiters.get(), 3, "of 4 cores");
    assert_eq!(pipeline.buffer_bytes, 128 << 20);
    assert_eq!(pipeline.buffer_records.get(), 200_000);
    assert_eq!(pipeline.commit_interval, second);
    assert_eq!(pipeline.revoke_deadline, 20 * second);
    assert_eq!(pipeline.drain_deadline, 30 * second);
    assert_eq!(pipeline.offset_overflow, OffsetOverflow::Hold);
    assert_eq!(pipeline.offset_metadata_max_bytes, 4096);
    let http = pipeline.http().expect("requests");
    assert!(matches!(&http.way, Way::One(url) if url == "http://localhost:8080/"));
    assert_eq!(http.timeout, 30 * second);
    assert_eq!(http.content_type, "application/json");
    let retry = RetrySettings {
        initial: second / 5,
        factor: 2.0,
        max: 30 * second,
        jitter: Jitter::Full,
        retry_after_cap: 300 * second,
        max_attempts: None,
        max_age: None,
        retry_on: vec![],
        reject_on: vec![],
        on_rejected: Action::Retry,
        on_exhausted: Action::Retry,
    };
    assert_eq!(pipeline.retry, retry);
    assert!(pipeline.dead_letter.is_none());
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let senders = |typed: Typed| typed.pipeline().senders.get();
    let file = FILE.replace("name =", "senders = 3\nname =").leak();
    assert_eq!(senders(Typed::file(FILE)), 256);
    assert_eq!(senders(Typed::file(file)), 3);
    assert_eq!(senders(Typed::file(file).variable("KEYWAY_SENDERS", "4")), 4);
    assert_eq!(
        senders(Typed::file(file).variable("KEYWAY_SENDERS", "4").flag("--senders", "5")),
        5
    );
    assert_eq!(senders(Typed::file(file).variable("KEYWAY_SENDERS", "")), 3, "empty is not set");
}

#[test]
fn the_brokers_have_the_same_order() {
    let brokers = |typed: Typed| typed.pipeline().kafka.get("bootstrap.servers").map(str::to_owned);
    let file = FILE
        .replace(
            "[pipeline.http]",
            "[pipeline.kafka]\n\"bootstrap.servers\" = \"own:1\"\n[pipeline.http]",
        )
        .leak();
    assert_eq!(brokers(Typed::file(FILE)).as_deref(), Some("localhost:9092"));
    assert_eq!(brokers(Typed::file(file)).as_deref(), Some("own:1"));
    let variable = || Typed::file(file).variable("KEYWAY_KAFKA_BOOTSTRAP_SERVERS", "var:1");
    assert_eq!(brokers(variable()).as_deref(), Some("var:1"));
    assert_eq!(brokers(variable().flag("--brokers", "flag:1")).as_deref(), Some("flag:1"));
}

#[test]
fn the_file_can_come_from_a_variable_and_leave_the_pipeline_to_flags() {
    let settings = Typed::file("[log]\nlevel = \"debug\"\n[kafka]\n\"client.id\" = \"me\"\n")
        .flag("--brokers", "a:1")
        .flag("--topic", "orders")
        .flag("--topic", "^more-.*")
        .flag("--url", "https://host/")
        .settings();
    assert_eq!(settings.log.level, slog::Level::Debug);
    assert_eq!(settings.pipelines[0].topics, ["orders", "^more-.*"]);
    assert_eq!(settings.pipelines[0].kafka.get("client.id"), Some("me"));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("k.toml");
    fs::write(&path, FILE).expect("the file is written");
    let environment = [("KEYWAY_CONFIG", path.as_os_str())].into_iter().collect::<Environment>();
    let settings =
        load(&Sources { flags: Flags::default(), environment, cores: 1 }).expect("it is fine");
    assert_eq!(
        (settings.pipelines[0].name.as_str(), settings.pipelines[0].arbiters.get()),
        ("orders", 1)
    );
}

#[test]
fn arbiters_follow_the_machine_within_their_bounds() {
    let arbiters = |cores, senders: &'static str| {
        let typed = Typed::needed().variable("KEYWAY_SENDERS", senders);
        typed.with(|sources| {
            let sources = Sources { cores, ..sources.clone() };
            load(&sources).expect("it is fine").pipelines[0].arbiters.get()
        })
    };
    assert_eq!(arbiters(1, "256"), 1);
    assert_eq!(arbiters(8, "256"), 7);
    assert_eq!(arbiters(500, "256"), 64);
    assert_eq!(arbiters(8, "2"), 2, "an arbiter without a sender would be idle");
}

#[test]
fn a_dead_letter_topic_changes_what_failures_become() {
    let pipeline = Typed::needed().variable("KEYWAY_DEAD_LETTER_TOPIC", "dead").pipeline();
    assert_eq!(pipeline.retry.on_rejected, Action::DeadLetter);
    assert_eq!(pipeline.retry.on_exhausted, Action::DeadLetter);
    let pipeline = Typed::needed()
        .variable("KEYWAY_DEAD_LETTER_TOPIC", "dead")
        .variable("KEYWAY_RETRY_ON_REJECTED", "drop")
        .pipeline();
    assert_eq!(pipeline.retry.on_rejected, Action::Drop);
    assert_eq!(pipeline.dead_letter.map(|dead| dead.topic).as_deref(), Some("dead"));
}

#[test]
fn properties_merge_and_each_client_gets_its_own() {
    let pipeline = Typed::file(
        r#"[kafka]
bootstrap.servers = "a:1"
"session.timeout.ms" = 6000
"compression.type" = "zstd"
"check.crcs" = true
[[pipeline]]
topics = ["orders"]
http.url = "http://host/"
[pipeline.kafka]
"session.timeout.ms" = 7000
[pipeline.dead_letter]
topic = "dead"
[pipeline.dead_letter.kafka]
"bootstrap.servers" = "b:1"
"linger.ms" = 0.5
"#,
    )
    .variable("KEYWAY_KAFKA_CLIENT_ID", "me")
    .pipeline();
    let consumer: Vec<_> = pipeline.kafka.iter().collect();
    assert_eq!(
        consumer,
        [
            ("bootstrap.servers", "a:1"),
            ("check.crcs", "true"),
            ("client.id", "me"),
            ("session.timeout.ms", "7000")
        ]
    );
    let dead_letter = pipeline.dead_letter.expect("it is set");
    let producer: Vec<_> = dead_letter.kafka.iter().collect();
    assert_eq!(
        producer,
        [
            ("bootstrap.servers", "b:1"),
            ("client.id", "me"),
            ("compression.codec", "zstd"),
            ("queue.buffering.max.ms", "0.5")
        ]
    );
}

#[test]
fn strings_of_the_file_take_the_environment_and_secrets_their_files() {
    let pipeline = Typed::file(
        r#"[kafka]
"bootstrap.servers" = "${HOST}:9092"
"sasl.username" = "${KEYWAY_USER}"
"sasl.password_file" = "password"
[[pipeline]]
topics = ["${TOPIC}-1", "^${TOPIC}-x$"]
senders = "${SENDERS}"
http.url = "http://${HOST}/"
"#,
    )
    .variable("HOST", "example")
    .variable("KEYWAY_USER", "me")
    .variable("TOPIC", "orders")
    .variable("SENDERS", "9")
    .beside("password", "hunter2\n")
    .pipeline();
    assert_eq!(pipeline.kafka.get("bootstrap.servers"), Some("example:9092"));
    assert_eq!(pipeline.kafka.get("sasl.username"), Some("me"));
    assert_eq!(pipeline.kafka.get("sasl.password"), Some("hunter2"));
    assert_eq!(pipeline.topics, ["orders-1", "^orders-x$"]);
    assert_eq!(pipeline.senders.get(), 9);
    assert!(!format!("{pipeline:?}").contains("hunter2"));
}

#[test]
fn relative_paths_in_a_file_count_from_the_file() {
    let typed = Typed::file("[log]\nfile = \"keyway.log\"\n");
    let typed = NEEDED.iter().fold(typed, |typed, (name, value)| typed.variable(name, value));
    typed.with(|sources| {
        let log = load(sources).expect("it is fine").log;
        let folder =
            sources.flags.config.as_ref().and_then(|path| path.parent()).expect("it has a folder");
        assert_eq!(log.file, Some(folder.join("keyway.log")));
    });
    let log = Typed::needed().variable("KEYWAY_LOG_FILE", "keyway.log").settings().log;
    assert_eq!(log.file, Some("keyway.log".into()));
}

#[test]
fn offsets_needs_no_url_but_everything_else() {
    let typed = Typed { variables: NEEDED[..2].to_vec(), ..Typed::default() };
    let (_, groups) = typed.with(|sources| load_groups(sources).expect("no URL is needed"));
    assert_eq!(
        (groups[0].group_id.as_str(), groups[0].topics.as_slice()),
        ("keyway", &["orders".to_owned()][..])
    );
    let problems = Typed { variables: NEEDED[..1].to_vec(), ..Typed::default() }
        .variable("KEYWAY_SENDERS", "none")
        .with(|sources| load_groups(sources).expect_err("no topic, a bad number"));
    assert_eq!(problems.lines().len(), 2, "{problems}");
}
