//! Listeners that want a login, TLS or both.

use std::sync::OnceLock;

use super::stage::Stage;
use crate::support::{Access, Kafka, Keyway, Listener, numbered};

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
