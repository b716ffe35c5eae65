use super::*;

fn collected(properties: &[(&str, &str)]) -> (Properties, Problems) {
    let mut problems = Problems::default();
    let typed = properties.iter().map(|(name, value)| {
        let place = Place::Unset(format!("kafka.{name}"));
        ((*name).to_owned(), Some(Text::plain(*value)), place)
    });
    (collect(typed.collect(), Paths::AsGiven, &mut problems), problems)
}

fn problem_with(name: &str, value: &str) -> String {
    let (_, problems) = collected(&[(name, value)]);
    problems.to_string()
}

#[test]
fn librdkafka_itself_says_what_it_takes() {
    let (_, problems) = collected(&[
        ("security.protocol", "sasl_ssl"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "me"),
        ("sasl.password", "hunter2"),
        ("group.instance.id", "a"),
        ("debug", "cgrp"),
        ("log_level", "7"),
        ("compression.type", "zstd"),
    ]);
    assert_eq!(problems.to_string(), "");
    let range = problem_with("session.timeout.ms", "0");
    assert!(
        range.starts_with("kafka.session.timeout.ms: got \"0\": ") && range.contains('1'),
        "{range}"
    );
    let word = problem_with("auto.offset.reset", "first");
    assert!(word.contains("got \"first\""), "{word}");
    assert!(!problem_with("client.id", "a\0b").is_empty());
}

#[test]
fn every_name_we_suggest_is_one_that_librdkafka_knows() {
    let config = ClientConfig::new().create_native_config().expect("an empty configuration");
    // `get` knows unset properties of the topic level only by the default topic configuration,
    // which an empty configuration lacks; setting nonsense tells unknown from invalid.
    for name in known::all() {
        let mut nonsense = ClientConfig::new();
        nonsense.set(name, "\u{1}nonsense");
        if let Err(KafkaError::ClientConfig(_, why, ..)) = nonsense.create_native_config() {
            assert!(!why.contains("No such configuration property"), "{name}: {why}");
        }
    }
    assert!(config.get("sasl.passwort").is_err());
}

#[test]
fn an_unknown_property_names_the_nearest() {
    assert_eq!(
        problem_with("sesion.timeout.ms", "6000"),
        r#"kafka.sesion.timeout.ms: librdkafka knows no property "sesion.timeout.ms"; did you mean "session.timeout.ms"?"#
    );
}

#[test]
fn a_bad_value_of_a_secret_is_not_repeated() {
    let text = problem_with("ssl.key.pem", "hunter2");
    assert!(!text.contains("hunter2"), "{text}");
    let text = problem_with("sasl.jaas.config", "password=\"hunter2\"");
    assert!(text.contains("knows no property") && !text.contains("hunter2"), "{text}");
}

#[test]
fn properties_that_carry_a_promise_are_refused() {
    for name in [
        "group.id",
        "enable.auto.commit",
        "auto.commit.interval.ms",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "acks",
        "enable.idempotence",
        "transactional.id",
    ] {
        let text = problem_with(name, "1");
        assert!(text.contains("is Keyway's to set"), "{name}: {text}");
    }
    assert!(problem_with("group.id", "x").contains("KEYWAY_GROUP_ID"));
}

#[test]
fn aliases_meet_under_one_name() {
    let (found, problems) =
        collected(&[("sasl.mechanism", "PLAIN"), ("metadata.broker.list", "a:1")]);
    assert!(problems.is_empty());
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["bootstrap.servers", "sasl.mechanisms"]);
    let (_, problems) = collected(&[("sasl.mechanism", "PLAIN"), ("sasl.mechanisms", "GSSAPI")]);
    assert!(problems.to_string().contains("given twice, and differently"), "{problems}");
}

#[test]
fn what_a_message_names_is_found_as_it_was_typed() {
    let given = ["session.timeout.ms", "linger.ms", "sasl.oauthbearer.method"];
    for (message, named) in [
        ("`max.poll.interval.ms`must be >= `session.timeout.ms`", Some("session.timeout.ms")),
        ("`linger.ms` and `session.timeout.ms`", Some("linger.ms")),
        ("`session.timeout.ms` and `linger.ms`", Some("session.timeout.ms")),
        ("`queue.buffering.max.ms` must be", Some("linger.ms")),
        (
            "`a` is mandatory when `sasl.oauthbearer.method=oidc` is set",
            Some("sasl.oauthbearer.method"),
        ),
        ("session.timeout.ms, ` linger.ms", None),
        ("", None),
    ] {
        assert_eq!(named_in(message, &given), named, "{message}");
    }
}

#[test]
fn variables_spell_properties_with_underscores() {
    assert_eq!(property_of_variable("SASL_PASSWORD"), "sasl.password");
    assert_eq!(property_of_variable("SASL_PASSWORD_FILE"), "sasl.password_file");
    assert_eq!(property_of_variable("LOG_LEVEL"), "log_level");
    assert_eq!(
        property_of_variable("SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE"),
        "sasl.oauthbearer.assertion.private.key.file"
    );
    for name in known::all() {
        let variable = variable_of_property(name);
        assert_eq!(property_of_variable(&variable["KEYWAY_KAFKA_".len()..]), name);
    }
}

#[test]
fn debug_hides_secrets_and_the_consumer_gets_only_its_own() {
    let (found, _) = collected(&[
        ("sasl.password", "hunter2"),
        ("compression.type", "zstd"),
        ("client.id", "me"),
        ("session.timeout.ms", "6000"),
    ]);
    let consumer = KafkaProperties::for_consumer(&found);
    let shown = format!("{consumer:?}");
    assert!(!shown.contains("hunter2") && shown.contains(r#""client.id": "me""#), "{shown}");
    assert_eq!(consumer.get("sasl.password"), Some("hunter2"));
    assert_eq!(consumer.get("compression.codec"), None);
    let producer = KafkaProperties::for_producer(&found);
    assert_eq!(producer.get("compression.codec"), Some("zstd"));
    assert_eq!(producer.get("session.timeout.ms"), None);
}

#[test]
fn a_secret_comes_from_its_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("pw"), "hunter2\n").expect("the secret is written");
    let mut problems = Problems::default();
    let entry = |path: &str| {
        vec![("sasl.password_file".to_owned(), Some(Text::plain(path)), Place::Flag("here"))]
    };
    let found = collect(entry("pw"), Paths::From(folder.path()), &mut problems);
    assert!(problems.is_empty(), "{problems}");
    assert_eq!(KafkaProperties::for_consumer(&found).get("sasl.password"), Some("hunter2"));
    collect(entry("nope"), Paths::From(folder.path()), &mut problems);
    let text = problems.to_string();
    assert!(
        text.contains("cannot read") && text.contains("nope") && text.contains("No such file"),
        "{text}"
    );
}
