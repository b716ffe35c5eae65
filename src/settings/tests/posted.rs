//! Pipelines that come as the body of a request.

use serde_json::{Value, json};

use super::*;

/// A configuration with what holds for all pipelines, credentials among it.
const CONFIGURED: &str = r#"[kafka]
"bootstrap.servers" = "own-1:9092,own-2"
"security.protocol" = "sasl_plaintext"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "keyway"
"sasl.password" = "hush"
"fetch.wait.max.ms" = "50"
"#;

fn body(more: Value) -> Body {
    let mut body = json!({
        "name": "a",
        "topics": ["orders"],
        "http": { "url": "http://localhost:8080/" },
    });
    merge(&mut body, more);
    body.as_object().cloned().expect("an object")
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

impl Typed {
    fn base(&self) -> Base {
        self.with(|sources| match load_with_base(sources, Least::None) {
            Ok((_, base)) => base,
            Err(problems) => panic!("refused:\n{problems}"),
        })
    }

    fn posted(&self, more: Value) -> PipelineSettings {
        let settings = self.base().pipeline(&body(more));
        settings.unwrap_or_else(|problems| panic!("refused:\n{problems}"))
    }

    /// What is wrong with a body: the field, where it is one's, and what.
    fn wrong(&self, more: Value) -> Vec<(Option<String>, String)> {
        let problems = self.base().pipeline(&body(more)).expect_err("nothing is wrong with it");
        problems.iter().map(|problem| (problem.field(), problem.told())).collect()
    }
}

fn configured() -> Typed {
    Typed::file(CONFIGURED)
}

fn field(wrong: &[(Option<String>, String)]) -> &str {
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    wrong[0].0.as_deref().expect("a field")
}

#[test]
fn a_body_is_what_a_pipeline_of_the_file_is() {
    let of_file = Typed::file(FILE).pipeline();
    let of_body = Typed::file("[kafka]\n\"bootstrap.servers\" = \"localhost:9092\"\n");
    let of_body = of_body.posted(json!({ "name": "orders" }));
    assert_eq!(of_body, of_file);
}

#[test]
fn a_body_wins_over_a_flag_over_a_variable_over_the_file() {
    let typed = || {
        configured()
            .variable("KEYWAY_SENDERS", "5")
            .variable("KEYWAY_RETRY_MAX", "7s")
            .flag("--senders", "6")
            .variable("KEYWAY_KAFKA_FETCH_WAIT_MAX_MS", "60")
    };
    let pipeline = typed().posted(json!({}));
    assert_eq!((pipeline.senders.get(), pipeline.retry.max.as_secs()), (6, 7));
    assert_eq!(pipeline.kafka.get("fetch.wait.max.ms"), Some("60"));
    assert_eq!(pipeline.kafka.get("sasl.password"), Some("hush"));
    let pipeline = typed().posted(json!({
        "senders": 9,
        "retry": { "max": "8s" },
        "kafka": { "fetch.wait.max.ms": 70, "sasl.password": "own" },
    }));
    assert_eq!((pipeline.senders.get(), pipeline.retry.max.as_secs()), (9, 8));
    assert_eq!(pipeline.kafka.get("fetch.wait.max.ms"), Some("70"));
    assert_eq!(pipeline.kafka.get("sasl.password"), Some("own"));
}

/// The pipeline that flags and variables describe is another one.
#[test]
fn what_names_one_pipeline_holds_for_no_other() {
    let typed = configured()
        .variable("KEYWAY_GROUP_ID", "other")
        .variable("KEYWAY_TOPICS", "bills")
        .variable("KEYWAY_URL", "http://other/")
        .variable("KEYWAY_HTTP_AUTH_KIND", "bearer")
        .variable("KEYWAY_HTTP_AUTH_TOKEN", "hush");
    let pipeline = typed.posted(json!({}));
    assert_eq!(
        (pipeline.group_id.as_str(), &pipeline.topics[..]),
        ("keyway", &["orders".to_owned()][..])
    );
    let http = pipeline.http().expect("requests");
    assert!(matches!(http.auth, AuthSettings::None), "{http:?}");
    assert!(matches!(&http.way, Way::One(url) if url == "http://localhost:8080/"));
}

#[test]
fn brokers_of_another_cluster_are_told_nothing_of_the_configuration() {
    let kafka = |brokers: &str| {
        configured().posted(json!({ "kafka": { "bootstrap.servers": brokers } })).kafka
    };
    for own in ["own-1:9092", "OWN-2:9092,own-1", " own-2 ", "plaintext://own-1:9092"] {
        assert_eq!(kafka(own).get("sasl.password"), Some("hush"), "{own}");
    }
    for foreign in ["other:9092", "own-1:9093", "own-1:9092,other", "own-1.example:9092"] {
        let kafka = kafka(foreign);
        let told: Vec<&str> = kafka.iter().map(|(name, _)| name).collect();
        assert_eq!(told, ["bootstrap.servers"], "{foreign}");
    }
    // The alias is the same property.
    let alias = configured().posted(json!({ "kafka": { "metadata.broker.list": "other:1" } }));
    assert_eq!(alias.kafka.get("sasl.password"), None);
    // Those that are allowed are trusted as the own ones are.
    let allowed = || configured().variable("KEYWAY_API_ALLOWED_BROKERS", "other,own-1:9092");
    let given = json!({ "kafka": { "bootstrap.servers": "other:9092" } });
    assert_eq!(allowed().posted(given).kafka.get("sasl.password"), Some("hush"));
    let refused = allowed().wrong(json!({ "kafka": { "bootstrap.servers": "own-2:9092" } }));
    assert_eq!(field(&refused), "kafka.bootstrap.servers");
    assert!(refused[0].1.contains("own-2:9092 is none of api.allowed_brokers"), "{refused:?}");
}

#[test]
fn dead_letters_go_to_no_foreign_brokers() {
    let letters = |brokers: &str| json!({ "dead_letter": { "topic": "dead", "kafka": { "bootstrap.servers": brokers } } });
    let refused = configured().wrong(letters("other:9092"));
    assert_eq!(field(&refused), "dead_letter.kafka.bootstrap.servers");
    let own = configured().posted(letters("own-2:9092")).dead_letter.expect("letters");
    assert_eq!(own.kafka.get("bootstrap.servers"), Some("own-2:9092"));
    let allowed = configured().variable("KEYWAY_API_ALLOWED_BROKERS", "own-1,own-2,other");
    assert!(allowed.posted(letters("other:9092")).dead_letter.is_some());
    let refused =
        configured().variable("KEYWAY_API_ALLOWED_BROKERS", "own-1").wrong(letters("own-2:9092"));
    assert!(
        refused
            .iter()
            .all(|(field, _)| { field.as_deref() == Some("dead_letter.kafka.bootstrap.servers") })
    );
}

#[test]
fn a_body_reads_no_variable_and_no_file() {
    let typed = || configured().variable("HOME", "/home/hush");
    let user = json!({ "kind": "basic", "username": "${HOME}", "password": "x" });
    let pipeline = typed().posted(json!({ "http": { "auth": user } }));
    let auth = &pipeline.http().expect("requests").auth;
    assert!(matches!(auth, AuthSettings::Basic { username, .. } if username == "${HOME}"));
    let token = json!({ "http": { "auth": { "kind": "bearer", "token_file": "/etc/hostname" } } });
    let refused = typed().wrong(token);
    assert!(refused.iter().any(|(field, what)| {
        field.as_deref() == Some("http.auth.token_file") && what.contains("not taken from requests")
    }));
    for name in [
        "ssl.ca.location",
        "ssl.providers",
        "ssl.engine.location",
        "ssl.keystore.location",
        "plugin.library.paths",
        "internal.termination.signal",
        "https.ca.location",
        "sasl.kerberos.kinit.cmd",
        "sasl.kerberos.principal",
        "sasl.oauthbearer.token.endpoint.url",
        "sasl.password_file",
    ] {
        let refused = typed().wrong(json!({ "kafka": { name: "x" } }));
        assert_eq!(field(&refused), format!("kafka.{name}"));
    }
}

#[test]
fn a_key_that_is_given_in_two_spellings_is_given_twice() {
    let refused = configured().wrong(json!({ "http.url": "http://other/" }));
    assert_eq!(field(&refused), "http.url");
    assert!(refused[0].1.contains("twice"), "{refused:?}");
}

#[test]
fn who_says_how_to_connect_inherits_no_credentials() {
    let own = configured().posted(json!({}));
    assert_eq!(own.kafka.get("sasl.password"), Some("hush"));
    let changed = configured().posted(json!({ "kafka": { "security.protocol": "plaintext" } }));
    assert_eq!(changed.kafka.get("sasl.password"), None);
    assert!(changed.kafka.get("bootstrap.servers").is_some(), "the rest is inherited");
    let letters = json!({ "topic": "t", "kafka": { "security.protocol": "plaintext" } });
    let refused = configured().wrong(json!({ "dead_letter": letters }));
    assert_eq!(field(&refused), "dead_letter.kafka.security.protocol");
}

#[test]
fn what_is_shown_hides_secrets_and_is_no_definition() {
    let secret = json!({
        "http": {
            "auth": { "kind": "bearer", "token": "hush", "token_file": "path" },
            "url": "http://x/?key=hush",
        },
        "kafka": { "sasl.password": "hush", "ssl": { "key": { "password": "hush" } }, "sasl.username": "u" },
        "dead_letter": { "topic": "t", "kafka": { "sasl.oauthbearer.client.secret": "hush" } },
        "route": [{ "request": { "headers": { "Authorization": "hush", "X-Api-Key": ["hush"], "X": "y" } } }],
    });
    let shown = shown_body(&body(secret));
    let text = Value::Object(shown.clone()).to_string();
    assert!(!text.contains("hush"), "{text}");
    for kept in ["\"path\"", "\"u\"", "\"y\"", "http://x/"] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    let given = json!({
        "http": { "auth": { "kind": "bearer", "token": "***" }, "url": "http://x/?***" },
        "kafka": { "sasl.password": "***" },
    });
    let refused = configured().wrong(given);
    let mut fields: Vec<_> = refused.iter().filter_map(|(field, _)| field.as_deref()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["http.auth.token", "http.url", "kafka.sasl.password"]);
    assert!(refused.iter().all(|(_, what)| what.contains("give the secret itself")));
}
