//! A secret appears in nothing that the process writes, whatever happens and at every log level.

use super::trap::Trap;
use crate::stage::Stage;
use crate::support::*;

const SECRET: &str = "hunter2-of-the-broker";

fn assert_silent(what: &str, text: &str) {
    assert!(!text.contains(SECRET), "{what} shows the secret: {text}");
}

/// With a password that no broker asks for: it is in the process all the same.
fn with_password(keyway: Keyway) -> Keyway {
    keyway.kafka("sasl.username", "keyway").kafka("sasl.password", SECRET)
}

#[test]
fn a_run_never_shows_a_password() {
    for level in ["trace", "debug", "info"] {
        let stage = Stage::new(1);
        let sent = stage.produce(numbered(10, 5));
        let mut keyway = with_password(stage.keyway())
            .env("KEYWAY_DEAD_LETTER_TOPIC", unique("dead"))
            .env("KEYWAY_LOG_LEVEL", level)
            .env("KEYWAY_LOG_FILE", "k.log")
            .kafka("debug", "all")
            .start();
        stage.endpoint.wait_for_all(&sent);
        let metrics = keyway.get("/metrics").expect("it answers").1;
        assert_silent("/metrics", &metrics);
        keyway.stop();
        assert_silent(level, &keyway.stderr());
        assert_silent(level, &keyway.stdout());
        assert!(!keyway.stderr().is_empty());
    }
}

#[test]
fn a_run_that_is_not_let_in_never_shows_the_password_either() {
    // The mock cluster knows no SASL: the connection fails over it, again and again.
    let stage = Stage::new(1);
    let mut keyway = with_password(stage.keyway())
        .kafka("security.protocol", "sasl_plaintext")
        .kafka("sasl.mechanism", "PLAIN")
        .env("KEYWAY_LOG_LEVEL", "trace")
        .kafka("debug", "security,broker,conf")
        .start();
    keyway.wait_for_log("kafka: ");
    keyway.kill();
    assert_silent("the log", &keyway.stderr());
    assert_silent("the log", &keyway.stdout());
}

#[test]
fn check_and_refusals_show_neither_passwords_nor_credentials_in_urls() {
    let trap = Trap::new();
    let password = format!("\"sasl.password\" = \"{SECRET}\"\n");
    let files = [
        format!("[kafka]\n{password}"),
        // Refused, each for another reason, near the secret.
        format!("[kafka]\n{password}{password}"),
        format!("[kafka]\n\"sasl.passwort\" = \"{SECRET}\"\n\"ssl.key.pem\" = \"{SECRET}\"\n"),
        format!("[kafka]\n{password}\"sasl.password_file\" = \"other\"\n"),
        format!("[[pipeline]]\nhttp.url = \"http://me:{SECRET}@host/x\"\n"),
        format!("[[pipeline]]\nhttp.url = \"http://host/x y?token={SECRET}\"\n"),
        "[[pipeline]]\nsenders = \"${PASSWORD}\"\n".to_owned(),
        "[kafka]\n\"fetch.min.bytes\" = \"${PASSWORD}\"\n".to_owned(),
    ];
    for file in files {
        for command in ["check", "run"] {
            let valid = command == "run" && file == format!("[kafka]\n{password}");
            if valid {
                continue;
            }
            let keyway = trap.command(command);
            keyway.write("other", "another secret");
            let output = keyway.env("PASSWORD", SECRET).config(&file).output();
            assert_silent(&file, &output.stdout);
            assert_silent(&file, &output.stderr);
        }
    }
    trap.assert_untouched();
}

#[test]
fn a_secret_is_read_from_a_file_of_its_own() {
    let trap = Trap::new();
    let keyway = trap.command("check");
    let path = keyway.write("password", format!("{SECRET}\n"));
    let output = keyway.env("KEYWAY_KAFKA_SASL_PASSWORD_FILE", path.display()).output();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert!(output.stdout.contains("sasl.password"), "{}", output.stdout);
    assert_silent("check", &output.stdout);
}
