//! A pipeline fails: whom it takes with it.

use super::*;

/// An endpoint that refuses what comes to `/bad`.
fn picky() -> Endpoint {
    let script = |request: &Request| {
        if request.path == "/bad" { Reply::status(400) } else { Reply::ok() }
    };
    Endpoint::builder().script(script).start()
}

/// A pipeline that ends at what is refused.
fn fragile(stage: &Stage) -> Value {
    let mut definition = stage.definition_of("fragile", &stage.topic, "/bad");
    definition["retry"] = json!({ "reject_on": ["400"], "on_rejected": "stop" });
    definition
}

/// The same in a file, beside one that is well.
fn file(stage: &Stage) -> String {
    let (topic, group) = (&stage.topic, &stage.group);
    let (bad, good) = (stage.endpoint.url_of("/bad"), stage.endpoint.url_of("/good"));
    format!(
        "[[pipeline]]\nname = \"good\"\ntopics = [\"{topic}\"]\ngroup_id = \"{group}-good\"\n\
         http.url = \"{good}\"\n\
         [[pipeline]]\nname = \"fragile\"\ntopics = [\"{topic}\"]\ngroup_id = \"{group}-fragile\"\n\
         http.url = \"{bad}\"\nretry.reject_on = [\"400\"]\nretry.on_rejected = \"stop\"\n"
    )
}

fn assert_others_go_on(stage: &Stage, keyway: &mut Running) {
    keyway.wait_state("fragile", "failed");
    let ready = keyway.ask("GET", "/readyz", "");
    let told = ready.text.contains("pipeline fragile: has failed");
    assert!(ready.status == 503 && told, "{ready:?}");
    assert_eq!(keyway.ask("GET", "/livez", "").status, 200);
    let before = stage.endpoint.look(Ledger::delivered);
    stage.produce(numbered(10, 5));
    stage.endpoint.wait_for_delivered(before + 10);
    assert_eq!(keyway.show("good")["state"], "running");
}

#[test]
fn run_ends_with_a_pipeline_of_the_configuration() {
    let stage = Stage::with(1, picky());
    stage.produce(numbered(5, 5));
    let mut keyway = quick(Keyway::run(&stage.mock)).config(&file(&stage)).start();
    assert_eq!(keyway.wait_exit(), 1);
    keyway.wait_for_log("pipeline fragile: ");
}

#[test]
fn serve_goes_on_without_it() {
    let stage = Stage::with(1, picky());
    stage.produce(numbered(5, 5));
    let mut keyway = stage.serve().config(&file(&stage)).start();
    assert_others_go_on(&stage, &mut keyway);
    keyway.stop();
}

#[test]
fn what_the_api_made_fails_alone_in_both() {
    for command in [Keyway::run, Keyway::serve] {
        let stage = Stage::with(1, picky());
        let good = stage.definition_of("good", &stage.topic, "/good");
        let text = format!(
            "[[pipeline]]\nname = \"good\"\ntopics = [\"{}\"]\ngroup_id = {}\nhttp.url = {}\n",
            stage.topic, good["group_id"], good["http"]["url"]
        );
        let mut keyway = quick(command(&stage.mock)).config(&text).start();
        assert_eq!(keyway.post(&fragile(&stage)).status, 201);
        stage.produce(numbered(5, 5));
        assert_others_go_on(&stage, &mut keyway);
        // It is tried again when it is asked for, and not by itself.
        stage.endpoint.script(script::ok());
        assert_eq!(keyway.put(&fragile(&stage)).status, 200);
        assert_eq!(keyway.show("fragile")["state"], "failed");
        assert_eq!(keyway.lead("fragile", "restart").status, 202);
        keyway.wait_state("fragile", "running");
        assert_eq!(keyway.ask("GET", "/readyz", "").status, 200);
        keyway.stop();
    }
}
