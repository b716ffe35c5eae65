//! Files with more than one pipeline.

use super::*;

const TWO: &str = r#"[kafka]
"bootstrap.servers" = "localhost:9092"
[[pipeline]]
name = "orders"
topics = ["orders"]
http.url = "http://one/"
[[pipeline]]
name = "bills"
topics = ["bills"]
senders = 5
http.url = "http://two/"
"#;

/// The plain one was told that there are no routes, without its name.
#[test]
fn what_is_for_routes_is_for_the_pipelines_that_have_some() {
    let file = "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n\
                [[pipeline]]\nname = \"a\"\ntopics = [\"a\"]\nhttp.url = \"http://a/\"\n\
                [[pipeline]]\nname = \"b\"\ntopics = [\"b\"]\n[[pipeline.route]]\n";
    let with = |file: &'static str| {
        let typed = Typed::file(file).variable("KEYWAY_MATCH", "all");
        typed.variable("KEYWAY_UNMATCHED", "stop")
    };
    let pipelines = with(file).settings().pipelines;
    let http = pipelines[1].http().expect("requests");
    let Way::Routes(routes) = &http.way else { panic!("it has routes") };
    assert_eq!(routes.settings.mode, keyway_actors::route::MatchMode::All);
    assert_eq!(routes.settings.unmatched, keyway_actors::route::Unmatched::Stop);
    let none = file.replace("[[pipeline.route]]", "http.url = \"http://b/\"");
    let alone = "there are no routes ([[pipeline.route]]) that it is for";
    assert_eq!(
        with(none.leak()).problems(),
        [format!("KEYWAY_MATCH: {alone}"), format!("KEYWAY_UNMATCHED: {alone}")]
    );
}

#[test]
fn tuning_applies_to_every_pipeline() {
    let settings = Typed::file(TWO)
        .flag("--senders", "9")
        .flag("--brokers", "flag:1")
        .variable("KEYWAY_DRAIN_DEADLINE", "5s")
        .settings();
    let names: Vec<&str> =
        settings.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
    assert_eq!(names, ["orders", "bills"]);
    for pipeline in &settings.pipelines {
        assert_eq!((pipeline.senders.get(), pipeline.drain_deadline.as_secs()), (9, 5));
        assert_eq!(pipeline.kafka.get("bootstrap.servers"), Some("flag:1"));
    }
    let senders =
        Typed::file(TWO).settings().pipelines.iter().map(|p| p.senders.get()).collect::<Vec<_>>();
    assert_eq!(senders, [256, 5]);
}

#[test]
fn what_names_one_pipeline_is_ambiguous() {
    let problems = Typed::file(TWO)
        .flag("--topic", "x")
        .flag("--group-id", "x")
        .variable("KEYWAY_URL", "http://x/")
        .variable("KEYWAY_DEAD_LETTER_TOPIC", "x")
        .problems();
    assert_eq!(
        problems,
        [
            "KEYWAY_URL: it can mean only one pipeline, and the file has 2; set http.url there",
            "KEYWAY_DEAD_LETTER_TOPIC: it can mean only one pipeline, and the file has 2; set dead_letter.topic there",
            "--topic: it can mean only one pipeline, and the file has 2; set topics there",
            "--group-id: it can mean only one pipeline, and the file has 2; set group_id there",
        ]
    );
}

#[test]
fn pipelines_need_names_of_their_own() {
    let twice = TWO
        .replace("bills", "orders")
        .replace("topics = [\"orders\"]\nsenders", "topics = [\"x\"]\nsenders");
    assert_eq!(
        Typed::file(twice.leak()).problems(),
        [
            "keyway.toml:8: pipeline \"orders\": name: \"orders\" is the name of another pipeline too: \
          keyway.toml:4: pipeline \"orders\": name"
        ]
    );
    let nameless = TWO.replace("name = \"bills\"\n", "");
    assert_eq!(
        Typed::file(nameless.leak()).problems(),
        ["keyway.toml:7: pipeline 2: name: missing; set it there"]
    );
}

#[test]
fn two_pipelines_must_not_share_a_topic_in_a_group() {
    let same = TWO.replace("[\"bills\"]", "[\"x\", \"orders\"]");
    assert_eq!(
        Typed::file(same.clone().leak()).problems(),
        [
            "keyway.toml:7: pipeline \"bills\": pipeline \"orders\" consumes \"orders\" in group \"keyway\" too: \
          each record would reach only one of them"
        ]
    );
    let apart = same.replace("name = \"bills\"", "name = \"bills\"\ngroup_id = \"other\"");
    Typed::file(apart.leak()).settings();
    let fixed = same
        .replace("http.url = \"http://one/\"", "http.url = \"http://one/\"\npartitions = [0, 1]");
    assert_eq!(Typed::file(fixed.clone().leak()).problems().len(), 1);
    let disjoint = fixed.replace("senders = 5", "partitions = [2]");
    Typed::file(disjoint.leak()).settings();
    let overlapping = fixed.replace("senders = 5", "partitions = [1]");
    assert_eq!(Typed::file(overlapping.leak()).problems().len(), 1);
}

#[test]
fn two_members_of_a_group_cannot_be_one_static_member() {
    let problems = Typed::file(TWO).variable("KEYWAY_KAFKA_GROUP_INSTANCE_ID", "me").problems();
    assert_eq!(
        problems,
        [
            "keyway.toml:7: pipeline \"bills\": pipeline \"orders\" has group.instance.id \"me\" in group \"keyway\" too: \
          the brokers would let only one of them in"
        ]
    );
}

#[test]
fn each_pipeline_tells_its_own_problems() {
    let bad = TWO.replace("http.url = \"http://one/\"\n", "").replace("senders = 5", "senders = 0");
    assert_eq!(
        Typed::file(bad.leak()).problems(),
        [
            "keyway.toml:3: pipeline \"orders\": http.url: missing; set it there",
            "keyway.toml:9: pipeline \"bills\": senders: expected a whole number from 1 to 100000, got \"0\"",
        ]
    );
}
