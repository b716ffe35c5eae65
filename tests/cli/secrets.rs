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

/// The secrets of the delivery over HTTP, each with the variables that give it.
const DELIVERY: [&[(&str, &str)]; 5] = [
    &[
        ("KEYWAY_HTTP_AUTH_KIND", "basic"),
        ("KEYWAY_HTTP_AUTH_USERNAME", "me"),
        ("KEYWAY_HTTP_AUTH_PASSWORD", SECRET),
    ],
    &[("KEYWAY_HTTP_AUTH_KIND", "bearer"), ("KEYWAY_HTTP_AUTH_TOKEN", SECRET)],
    &[
        ("KEYWAY_HTTP_AUTH_KIND", "header"),
        ("KEYWAY_HTTP_AUTH_NAME", "X-Api-Key"),
        ("KEYWAY_HTTP_AUTH_VALUE", SECRET),
    ],
    &[
        ("KEYWAY_HTTP_AUTH_KIND", "oauth2"),
        ("KEYWAY_HTTP_AUTH_TOKEN_URL", "http://127.0.0.1:1/token"),
        ("KEYWAY_HTTP_AUTH_CLIENT_ID", "keyway"),
        ("KEYWAY_HTTP_AUTH_CLIENT_SECRET", SECRET),
    ],
    &[("KEYWAY_HTTP_SIGNATURE_SECRETS", SIGNING)],
];

/// To sign with; what it holds is [`SECRET`] and some more, in Base64.
const SIGNING: &str = "whsec_aHVudGVyMi1vZi10aGUtYnJva2VyIGFuZCBtb3Jl";

fn with_all(keyway: Keyway, variables: &[(&str, &str)]) -> Keyway {
    variables.iter().fold(keyway, |keyway, (name, value)| keyway.env(name, value))
}

fn assert_silent_of_all(what: &str, text: &str) {
    assert_silent(what, text);
    assert!(!text.contains(&SIGNING[6..]), "{what} shows the secret: {text}");
    // As basic authorization sends it, whatever stands before: "me:hunter2...".
    assert!(!text.contains("bWU6aHVudGVy"), "{what} shows the secret: {text}");
}

#[test]
fn a_run_never_shows_the_secrets_of_the_delivery() {
    for variables in DELIVERY {
        let stage =
            Stage::with(1, Endpoint::builder().script(script::always(Reply::status(401))).start());
        stage.produce(numbered(3, 3));
        let mut keyway = with_all(stage.keyway(), variables)
            .env("KEYWAY_LOG_LEVEL", "trace")
            .env("KEYWAY_RETRY_MAX", "20ms")
            .start();
        keyway.wait_for_metrics("a retry", |metrics| {
            metrics.sum("keyway_retries_total", &[]) > 0.0
                || metrics.sum("keyway_lanes_parked", &[]) > 0.0
        });
        let metrics = keyway.get("/metrics").expect("it answers").1;
        assert_silent_of_all("/metrics", &metrics);
        keyway.kill();
        assert_silent_of_all("the log", &keyway.stderr());
        assert_silent_of_all("the log", &keyway.stdout());
    }
}

#[test]
fn check_never_shows_the_secrets_of_the_delivery() {
    for variables in DELIVERY {
        let trap = Trap::new();
        let output = with_all(trap.command("check"), variables).output();
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
        assert!(output.stdout.contains("***"), "{}", output.stdout);
        assert_silent_of_all("check", &output.stdout);
        // Refused, near the secret: a control character in it, and a setting that is missing.
        let (name, value) = variables[variables.len() - 1];
        let broken = format!("{value}\u{7f}");
        let output = with_all(trap.command("check"), variables).env(name, broken).output();
        assert_eq!(output.code, 78, "{output:?}");
        assert_silent_of_all("a refusal", &output.stderr);
        let output = trap.command("check").env(name, value).output();
        assert_silent_of_all("a refusal", &output.stderr);
        trap.assert_untouched();
    }
}

#[test]
fn what_is_filled_into_a_url_and_a_condition_is_shown_by_its_name() {
    let trap = Trap::new();
    let check = |more: &[&str]| {
        let keyway = Keyway::command(["check"].into_iter().chain(more.iter().copied()))
            .flag("--brokers", trap.address())
            .topic("orders")
            .env("TOKEN", SECRET);
        keyway.write("record.json", "{\"value\": 1}");
        let file = "[[pipeline]]\nhttp.url = 'http://h/${TOKEN}?a=${TOKEN}'\n\
                    http.success_when = 'text != \"${TOKEN}\"'\n";
        keyway.config(file).output()
    };
    for more in [&[][..], &["--record", "record.json"]] {
        let output = check(more);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
        assert_silent("check", &output.stdout);
        assert!(output.stdout.contains("http://h/${TOKEN}?..."), "{}", output.stdout);
    }
    assert!(check(&[]).stdout.contains("for which: text != \"${TOKEN}\""));
    trap.assert_untouched();
}

#[test]
fn what_is_filled_into_routes_is_shown_by_its_name() {
    let trap = Trap::new();
    let file = "[[pipeline]]\n[[pipeline.route]]\nwhen = 'key != \"${TOKEN}\"'\n\
                [[pipeline.route.request]]\nurl = 'http://h/?token=${TOKEN}'\n\
                headers = { X-Other = '${TOKEN}', X-Token = '${TOKEN}' }\nbody = '${TOKEN}'\n";
    let check = |file: &str, more: &[&str]| {
        let keyway = Keyway::command(["check"].into_iter().chain(more.iter().copied()))
            .flag("--brokers", trap.address())
            .topic("orders")
            .env("TOKEN", SECRET);
        keyway.write("record.json", "{\"value\": 1}");
        keyway.config(file).output()
    };
    for more in [&[][..], &["--record", "record.json"]] {
        let output = check(file, more);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
        assert_silent("check", &output.stdout);
    }
    assert!(check(file, &["--record", "record.json"]).stdout.contains("token=${TOKEN}"));
    // Changed by a filter, and text of a query that is no variable.
    let changed = file
        .replace("token=${TOKEN}", "{{ \"${TOKEN}\" | upper }}")
        .replace("X-Other = '${TOKEN}'", "X-Other = '{{ \"${TOKEN}\" | upper }}'");
    let literal = file.replace("token=${TOKEN}", &format!("token={SECRET}"));
    for file in [changed, literal] {
        let output = check(&file, &["--record", "record.json"]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
        assert_silent("check", &output.stdout.to_lowercase());
    }
    let output = check(&file.replace("!= ", "!= kye "), &[]);
    assert_eq!(output.code, 78, "{output:?}");
    assert_silent("a refusal", &output.stderr);
    trap.assert_untouched();
}
