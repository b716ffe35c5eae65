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
fn the_same_brokers_written_otherwise_are_one_cluster() {
    let same = TWO.replace("[\"bills\"]", "[\"orders\"]");
    let second = |brokers: &str| {
        let own = format!("name = \"bills\"\nkafka.\"bootstrap.servers\" = \"{brokers}\"");
        Typed::file(same.replace("name = \"bills\"", &own).leak())
    };
    for brokers in ["localhost", "other:1,LOCALHOST:9092", "plaintext://localhost"] {
        let problems = second(brokers).problems();
        assert!(problems.len() == 1 && problems[0].contains("consumes \"orders\""), "{problems:?}");
    }
    for brokers in ["localhost:1", "other:9092"] {
        second(brokers).settings();
    }
}

/// Beside others that came through the API.
#[test]
fn what_two_have_in_common_is_found_among_as_many_as_a_body_has_room_for() {
    // Comparing each with each would take a test many minutes.
    const MANY: i32 = 200_000;
    let settings = Typed::file(TWO).settings();
    let [mut own, mut other] = [0, 1].map(|at: usize| settings.pipelines[at].clone());
    let against = |own: &PipelineSettings, other: &PipelineSettings, may_share: bool| {
        contradiction(own, [(&settings.pipelines[1], true), (other, may_share)])
    };
    own.topics = (0..MANY).map(|n| format!("own-{n}")).collect();
    other.topics = (0..MANY).map(|n| format!("its-{n}")).collect();
    assert_eq!(against(&own, &other, false), None);
    other.topics.push("own-199999".to_owned());
    let refused = "pipeline \"bills\" consumes \"own-199999\" in group \"keyway\" too: \
                   each record would reach only one of them";
    assert_eq!(against(&own, &other, false).as_deref(), Some(refused));
    assert_eq!(against(&other, &own, false).map(|it| it.contains("\"orders\"")), Some(true));
    assert_eq!(against(&own, &other, true), None);
    own.partitions = Some((0..MANY).collect());
    assert_eq!(against(&own, &other, false).as_deref(), Some(refused), "it takes all of them");
    other.partitions = Some((MANY..2 * MANY).collect());
    assert_eq!(against(&own, &other, false), None);
    other.partitions = Some((MANY - 1..2 * MANY).collect());
    assert_eq!(against(&own, &other, false).as_deref(), Some(refused));
}

/// Which topics two patterns have in common depends on what the brokers have.
#[test]
fn patterns_are_compared_as_they_are_written() {
    let two = |one: &str, other: &str| {
        let file = TWO.replace("[\"orders\"]", &format!("[\"{one}\"]"));
        Typed::file(file.replace("[\"bills\"]", &format!("[\"{other}\"]")).leak())
    };
    assert_eq!(two("^orders", "^orders").problems().len(), 1);
    two("^orders", "orders").settings();
    two("^orders", "^orders.*").settings();
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
