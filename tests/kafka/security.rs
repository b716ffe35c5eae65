//! Listeners that want a login, TLS or both, and users who may not do what they ask for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;

use super::stage::Stage;
use crate::support::{Access, Cluster, GUEST, Kafka, Keyway, Listener, numbered};

/// One broker for these stories.
fn secured() -> &'static Kafka {
    static SECURED: OnceLock<Kafka> = OnceLock::new();
    SECURED.get_or_init(Kafka::start_secured)
}

fn run(stage: &Stage<'_>, access: &Access) -> Keyway {
    Keyway::run_with(access).topic(&stage.topic).group(&stage.group).url(&stage.endpoint.url())
}

fn delivers(listener: Listener) {
    let kafka = secured();
    let stage = Stage::on(kafka, "secured", 2);
    let sent = stage.produce(numbered(100, 10));
    let mut keyway = run(&stage, &kafka.access_by(listener)).start();
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
}

#[test]
fn a_login_by_scram() {
    delivers(Listener::Scram);
}

#[test]
fn tls_with_an_authority_of_ones_own() {
    delivers(Listener::Tls);
}

#[test]
fn a_login_by_scram_over_tls() {
    delivers(Listener::ScramTls);
}

#[test]
fn certificates_on_both_sides() {
    delivers(Listener::MutualTls);
}

#[test]
fn a_wrong_password_is_said_and_not_shown() {
    let kafka = secured();
    let stage = Stage::on(kafka, "wrong-password", 1);
    for listener in [Listener::Scram, Listener::ScramTls] {
        let mut access = kafka.access_by(listener);
        access.properties.retain(|(name, _)| name != "sasl.password");
        access.properties.push(("sasl.password".to_owned(), "hunter2-hunter2".to_owned()));
        let output = run(&stage, &access).output();
        assert_eq!(output.code, 1, "{}", output.stderr);
        let said = format!("{}{}", output.stdout, output.stderr);
        println!("wrong password: {}", output.stderr.lines().last().unwrap_or_default());
        assert!(said.contains("check sasl.username, sasl.password"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_password_may_come_from_a_file() {
    let kafka = secured();
    let stage = Stage::on(kafka, "password-file", 1);
    let sent = stage.produce(numbered(20, 2));
    let mut access = kafka.access_by(Listener::Scram);
    let place = access.properties.iter().position(|(name, _)| name == "sasl.password");
    let (_, password) = access.properties.remove(place.expect("a password"));
    let keyway = run(&stage, &access);
    let path = keyway.write("password", format!("{password}\n"));
    let mut keyway = keyway.env("KEYWAY_KAFKA_SASL_PASSWORD_FILE", path.display()).start();
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
}

#[test]
fn the_authority_of_a_broker_has_to_be_known() {
    let kafka = secured();
    let stage = Stage::on(kafka, "unknown-authority", 1);
    let mut access = kafka.access_by(Listener::Tls);
    access.properties.retain(|(name, _)| name != "ssl.ca.location");
    let mut keyway = run(&stage, &access).start();
    let line = keyway.wait_for_log("certificate verify failed");
    println!("unknown authority: {line}");
    assert_eq!(stage.endpoint.look(crate::support::Ledger::count), 0);
    keyway.stop();
}

/// What a user may be granted READ on.
#[derive(Clone, Copy)]
enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
}

/// Grants the guest READ, by a request of Kafka's own protocol (`CreateAcls`, version 1): librdkafka's
/// call for it is not to be had in Rust, and Kafka's tool not in the jars.
fn grant(kafka: &Kafka, resource: Resource<'_>) {
    let text = |text: &str| {
        let length = i16::try_from(text.len()).expect("a short text");
        [&length.to_be_bytes(), text.as_bytes()].concat()
    };
    let (kind, name) = match resource {
        Resource::Topic(name) => (2_u8, name),
        Resource::Group(name) => (3, name),
    };
    let (literal, read, allow) = (3, 3, 3);
    let principal = format!("User:{}", GUEST.0);
    let request = [
        // The request: its kind, version, number, client and count of grants.
        [0, 30, 0, 1, 0, 0, 0, 7].to_vec(),
        text("test"),
        1_i32.to_be_bytes().to_vec(),
        vec![kind],
        text(name),
        vec![literal],
        text(&principal),
        text("*"),
        vec![read, allow],
    ]
    .concat();
    let mut stream = TcpStream::connect(kafka.brokers()).expect("a connection");
    let length = i32::try_from(request.len()).expect("a short request").to_be_bytes();
    stream.write_all(&[&length[..], &request].concat()).expect("a request");
    // The answer: its length and number, a delay, a count, and an error code of 0.
    let mut answer = [0; 18];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer[4..], [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], "the grant was refused");
}

fn as_guest(kafka: &Kafka) -> Access {
    let mut access = kafka.access_by(Listener::Scram);
    for (name, value) in &mut access.properties {
        match name.as_str() {
            "sasl.username" => GUEST.0.clone_into(value),
            "sasl.password" => GUEST.1.clone_into(value),
            _ => {}
        }
    }
    access
}

#[test]
fn a_group_that_may_not_be_read_is_named() {
    let kafka = secured();
    let stage = Stage::on(kafka, "no-group", 1);
    grant(kafka, Resource::Topic(&stage.topic));
    let output = run(&stage, &as_guest(kafka)).output();
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stderr.contains("grant this user READ on the group"), "{}", output.stderr);
    let last = output.stderr.lines().last().expect("a line");
    println!("no group: {last}");
    assert!(last.contains(&stage.group), "{last}");
}

#[test]
fn a_topic_that_may_not_be_read_is_named() {
    let kafka = secured();
    let stage = Stage::on(kafka, "no-topic", 1);
    grant(kafka, Resource::Group(&stage.group));
    let output = run(&stage, &as_guest(kafka)).output();
    assert_eq!(output.code, 1, "{}", output.stderr);
    let last = output.stderr.lines().last().expect("a line");
    println!("no topic: {last}");
    assert!(last.contains("READ") && last.contains(&stage.topic), "{last}");
}

#[test]
fn a_guest_who_may_read_topic_and_group_is_enough() {
    let kafka = secured();
    let stage = Stage::on(kafka, "guest", 2);
    grant(kafka, Resource::Topic(&stage.topic));
    grant(kafka, Resource::Group(&stage.group));
    let sent = stage.produce(numbered(50, 5));
    let mut keyway = run(&stage, &as_guest(kafka)).start();
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
}
