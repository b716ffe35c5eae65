//! The delivery policy's settings that depend on each other: rates, the breaker, failures, secrets,
//! authorization and TLS.

use super::*;
use crate::settings::types::SecretSource;

/// The problems of the least that is needed, with more variables.
fn variables(more: &[(&'static str, &'static str)]) -> Vec<String> {
    with(more).problems()
}

fn with(more: &[(&'static str, &'static str)]) -> Typed {
    more.iter().fold(Typed::needed(), |typed, (name, value)| typed.variable(name, value))
}

/// The problems of [`FILE`] with lines added at its end, and two files beside it.
fn added(lines: &str) -> Vec<String> {
    Typed::file(format!("{FILE}{lines}").leak())
        .beside("secret", "hush\n")
        .beside("broken", "hu\nsh\n")
        .beside("two", "hu sh\n")
        .problems()
}

#[test]
fn a_rate_has_a_unit_and_a_burst_belongs_to_a_rate() {
    let expected = "expected a rate from 1/h to 1000000/s, like 500/s, 100/m or 1000/h, got";
    for bad in ["500", "0/s", "500/d"] {
        let problems = variables(&[("KEYWAY_HTTP_RATE", bad)]);
        assert_eq!(problems, [format!("KEYWAY_HTTP_RATE: {expected} {bad:?}")]);
    }
    assert_eq!(
        variables(&[("KEYWAY_HTTP_BURST", "5")]),
        [
            "KEYWAY_HTTP_BURST: there is no rate that it is the burst of; set http.rate or KEYWAY_HTTP_RATE"
        ]
    );
    let rate = with(&[("KEYWAY_HTTP_RATE", "500/s")]).http().destination.rate;
    assert_eq!(rate.map(|(_, burst)| burst.get()), Some(50));
}

#[test]
fn the_defaults_are_those_of_the_library() {
    let http = Typed::needed().variable("KEYWAY_HTTP_BREAKER_ENABLED", "true").http();
    assert_eq!(http.connections, keyway_actors::sink::http::ConnectionPolicy::default());
    let policy = keyway_actors::core::breaker::BreakerPolicy::default();
    assert_eq!(http.destination.breaker, Some(policy));
    let retry = crate::wiring::pipeline(&Typed::needed().pipeline()).retry;
    assert_eq!(retry, keyway_actors::RetryPolicy::default());
    assert!(Typed::needed().http().destination.breaker.is_none());
}

#[test]
fn a_breaker_is_checked_also_where_it_is_off() {
    assert_eq!(
        variables(&[("KEYWAY_HTTP_BREAKER_OPEN_FOR", "2m")]),
        [
            "KEYWAY_HTTP_BREAKER_OPEN_FOR: http.breaker.open_for (2m) is longer than http.breaker.max_open_for (1m)"
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_HTTP_BREAKER_MAX_OPEN_FOR", "1s")]),
        [
            "KEYWAY_HTTP_BREAKER_MAX_OPEN_FOR: http.breaker.open_for (5s) is longer than http.breaker.max_open_for (1s)"
        ]
    );
}

#[test]
fn no_failure_is_both_tried_again_and_rejected() {
    assert_eq!(
        variables(&[("KEYWAY_RETRY_RETRY_ON", "409,404"), ("KEYWAY_RETRY_REJECT_ON", "501,4xx")]),
        [
            "KEYWAY_RETRY_REJECT_ON: 400-499 is to be rejected, and 409 to be tried again (retry.retry_on): no failure can be in both"
        ]
    );
    with(&[("KEYWAY_RETRY_RETRY_ON", "4xx"), ("KEYWAY_RETRY_REJECT_ON", "500-503, timeout")])
        .settings();
    let bad = variables(&[("KEYWAY_RETRY_RETRY_ON", "200")]);
    assert!(
        bad[0].starts_with("KEYWAY_RETRY_RETRY_ON: expected a status of 300 to 599"),
        "{bad:?}"
    );
}

#[test]
fn a_condition_on_answers_is_compiled_at_the_start() {
    let bad = variables(&[("KEYWAY_HTTP_SUCCESS_WHEN", "body.ok and")]);
    let end = "line 1, column 9: syntax error: unexpected end of input, expected expression";
    assert_eq!(bad, [format!("KEYWAY_HTTP_SUCCESS_WHEN: {end}")]);
}

/// It was shown by `check`, and by the refusal of a condition that cannot be read.
#[test]
fn what_is_filled_into_a_condition_is_shown_by_its_name() {
    let file = |condition: &str| {
        let file = format!("{FILE}success_when = '{condition}'\n");
        Typed::file(file.leak()).variable("TOKEN", "hunter-two")
    };
    let condition = file("text != \"${TOKEN}\"").http().success_when.expect("it is set");
    assert_eq!(condition.text, "text != \"hunter-two\"");
    assert_eq!(condition.written, "text != \"${TOKEN}\"");
    assert!(!format!("{condition:?}").contains("hunter"));
    // Without its quotes the language reads two names, and says that it knows neither.
    for bad in ["text != ${TOKEN}", "text ! \"${TOKEN}\"", "text != \"${TOKEN}\" | ${TOKEN}"] {
        let problems = file(bad).problems().join("\n");
        assert!(problems.contains("line 1, column"), "{problems}");
        assert!(!problems.contains("hunter") && !problems.contains("two\""), "{problems}");
    }
}

#[test]
fn a_kind_of_authorization_takes_what_is_its_own() {
    let missing = |key: &str, variable: &str| {
        format!("{key}: missing; use {variable}, or set it in a file (--config)")
    };
    assert_eq!(
        variables(&[("KEYWAY_HTTP_AUTH_KIND", "basic"), ("KEYWAY_HTTP_AUTH_TOKEN", "hush")]),
        [
            "KEYWAY_HTTP_AUTH_TOKEN: it is for http.auth.kind = \"bearer\" alone".to_owned(),
            missing("http.auth.username", "KEYWAY_HTTP_AUTH_USERNAME"),
            missing("http.auth.password", "KEYWAY_HTTP_AUTH_PASSWORD"),
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_HTTP_AUTH_KIND", "oauth2")]),
        [
            missing("http.auth.token_url", "KEYWAY_HTTP_AUTH_TOKEN_URL"),
            missing("http.auth.client_id", "KEYWAY_HTTP_AUTH_CLIENT_ID"),
            missing("http.auth.client_secret", "KEYWAY_HTTP_AUTH_CLIENT_SECRET"),
        ]
    );
    assert_eq!(
        variables(&[("KEYWAY_HTTP_AUTH_TOKEN", "hush")]),
        ["KEYWAY_HTTP_AUTH_TOKEN: it is for http.auth.kind = \"bearer\" alone"]
    );
    assert_eq!(
        variables(&[("KEYWAY_HTTP_AUTH_KIND", "digest"), ("KEYWAY_HTTP_AUTH_TOKEN", "hush")]),
        [
            "KEYWAY_HTTP_AUTH_KIND: expected one of none, basic, bearer, header, oauth2, got \"digest\""
        ]
    );
    let reserved = variables(&[
        ("KEYWAY_HTTP_AUTH_KIND", "header"),
        ("KEYWAY_HTTP_AUTH_NAME", "Host"),
        ("KEYWAY_HTTP_AUTH_VALUE", "hush"),
    ]);
    assert!(reserved[0].starts_with("KEYWAY_HTTP_AUTH_NAME: expected the name of a header"));
}

#[test]
fn a_secret_comes_from_one_place() {
    let auth = "[pipeline.http.auth]\nkind = \"bearer\"\n";
    assert_eq!(
        added(&format!("{auth}token = \"hush\"\ntoken_file = \"secret\"\n")),
        [
            "keyway.toml:11: pipeline \"orders\": http.auth.token_file: http.auth.token and http.auth.token_file are both given; keep one of them"
        ]
    );
    let missing = added(&format!("{auth}token_file = \"nowhere\"\n"));
    assert_eq!(missing.len(), 1, "{missing:?}");
    let told = "keyway.toml:10: pipeline \"orders\": http.auth.token_file: cannot read nowhere: No such file";
    assert!(missing[0].starts_with(told), "{missing:?}");
    let broken = added(&format!("{auth}token_file = \"broken\"\n"));
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert!(
        broken[0].contains("expected printable ASCII") && !broken[0].contains("hu"),
        "{broken:?}"
    );
}

/// It was refused without its place, by the sender, and not for the real reason.
#[test]
fn a_token_that_cannot_be_sent_is_refused_in_its_place_with_the_reason() {
    let auth = "[pipeline.http.auth]\nkind = \"bearer\"\n";
    let place = "keyway.toml:10: pipeline \"orders\": http.auth.token";
    let expected = "expected printable ASCII without spaces, but";
    let hidden = "what was given is not shown";
    let scheme = "it begins with \"Bearer \", which is sent before it anyway; leave that out";
    for (token, why) in [("Bearer hush", scheme), ("hu sh", "it has a blank in it")] {
        let problems = added(&format!("{auth}token = \"{token}\"\n"));
        assert_eq!(problems, [format!("{place}: {expected} {why}; {hidden}")]);
    }
    let file = added(&format!("{auth}token_file = \"two\"\n"));
    assert_eq!(file.len(), 1);
    assert!(file[0].ends_with(&format!("{expected} it has a blank in it")), "{file:?}");
}

#[test]
fn the_higher_layer_decides_between_a_secret_and_its_file() {
    let file = format!("{FILE}[pipeline.http.auth]\nkind = \"bearer\"\ntoken_file = \"secret\"\n");
    let typed = Typed::file(file.leak()).beside("secret", "hush\n");
    let AuthSettings::Bearer { token: SecretSource::File(path) } = typed.http().auth else {
        panic!("not from the file")
    };
    assert!(path.ends_with("secret") && path.is_absolute(), "{path:?}");
    let typed = typed.variable("KEYWAY_HTTP_AUTH_TOKEN", "other");
    let token = SecretSource::Given("other".to_owned());
    assert_eq!(typed.http().auth, AuthSettings::Bearer { token });

    let file = format!("{FILE}[pipeline.http.auth]\nkind = \"bearer\"\ntoken = \"hush\"\n");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("secret");
    fs::write(&path, "hush\n").expect("the secret is written");
    let path: &str = path.display().to_string().leak();
    let typed = Typed::file(file.leak()).variable("KEYWAY_HTTP_AUTH_TOKEN_FILE", path);
    let token = SecretSource::File(path.into());
    assert_eq!(typed.http().auth, AuthSettings::Bearer { token });
}

#[test]
fn the_forward_proxy_is_that_of_the_environment() {
    let proxy = |typed: Typed| typed.http().proxy.map(|it| it.proxy.to_string());
    assert_eq!(proxy(Typed::needed()), None);
    let typed = with(&[("HTTPS_PROXY", "http://me:hunter2@proxy:3128")]);
    assert!(!format!("{:?}", typed.pipeline()).contains("hunter2"));
    assert_eq!(proxy(typed).as_deref(), Some("proxy:3128"));
    let bad = variables(&[("https_proxy", "socks5://me:hunter2@proxy:1080")]);
    assert_eq!(bad.len(), 1);
    assert!(bad[0].starts_with("https_proxy: it is not the URL of an HTTP proxy"), "{bad:?}");
    assert!(!bad[0].contains("hunter2"), "{bad:?}");
}

#[test]
fn what_proves_one_pipeline_is_not_given_to_another() {
    let two = "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n\
               [[pipeline]]\nname = \"a\"\ntopics = [\"a\"]\nhttp.url = \"http://a/\"\n\
               [[pipeline]]\nname = \"b\"\ntopics = [\"b\"]\nhttp.url = \"http://b/\"\n";
    let problems = Typed::file(two)
        .variable("KEYWAY_HTTP_AUTH_KIND", "bearer")
        .variable("KEYWAY_HTTP_AUTH_TOKEN", "hush")
        .variable("KEYWAY_HTTP_RATE", "5/s")
        .problems();
    let one = "it can mean only one pipeline, and the file has 2; set";
    assert_eq!(
        problems,
        [
            format!("KEYWAY_HTTP_AUTH_KIND: {one} http.auth.kind there"),
            format!("KEYWAY_HTTP_AUTH_TOKEN: {one} http.auth.token there"),
        ]
    );
}

#[test]
fn a_certificate_comes_with_its_key_and_files_hold_what_they_are_for() {
    let tls = "[pipeline.http.tls]\n";
    assert_eq!(
        added(&format!("{tls}cert_file = \"secret\"\n")),
        [
            "keyway.toml:9: pipeline \"orders\": http.tls.cert_file: a certificate and its key belong together; set http.tls.key_file too"
        ]
    );
    assert_eq!(
        added(&format!("{tls}key_file = \"secret\"\n")),
        [
            "keyway.toml:9: pipeline \"orders\": http.tls.key_file: a certificate and its key belong together; set http.tls.cert_file too"
        ]
    );
    assert_eq!(
        added(&format!("{tls}ca_file = \"secret\"\n")),
        [
            "keyway.toml:9: pipeline \"orders\": http.tls.ca_file: secret: ca_file holds no certificate (PEM, -----BEGIN CERTIFICATE-----)"
        ]
    );
    let both = added(&format!("{tls}cert_file = \"secret\"\nkey_file = \"nowhere\"\n"));
    assert_eq!(both.len(), 1, "{both:?}");
    assert!(
        both[0].starts_with("keyway.toml:9: ") && both[0].contains("cert_file holds"),
        "{both:?}"
    );
}

#[test]
fn secrets_are_in_no_debug_text() {
    let pipeline = with(&[
        ("KEYWAY_HTTP_AUTH_KIND", "basic"),
        ("KEYWAY_HTTP_AUTH_USERNAME", "me"),
        ("KEYWAY_HTTP_AUTH_PASSWORD", "hunter2"),
        ("KEYWAY_HTTP_SIGNATURE_SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ])
    .pipeline();
    let shown = format!("{pipeline:?} {:?}", pipeline.http().map(crate::wiring::sink));
    assert!(!shown.contains("hunter2") && !shown.contains("MfKQ9r8G"), "{shown}");
}

#[test]
fn the_query_of_a_url_is_not_shown_by_debug() {
    let typed = Typed::file(
        "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n[[pipeline]]\ntopics = [\"t\"]\n\
         http.url = \"https://h:8443/hook?token=hush\"\n",
    );
    let shown = format!("{:?}", typed.http().way);
    assert_eq!(shown, "One(https://h:8443/hook)");
}
