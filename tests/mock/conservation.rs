//! Promise P7, as far as it is a sum: every record that was taken in became something.

use super::stage::Stage;
use crate::support::*;

fn adds_up(keyway: &mut Running) -> serde_json::Value {
    let (status, text) = keyway.get("/v1/verify").expect("it answers");
    assert_eq!(status, 200, "{text}");
    let said: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(said["adds_up"], true, "{text}");
    said["pipelines"][0].clone()
}

#[test]
fn the_records_add_up_while_they_move_and_when_they_rest() {
    let reject = script::always(Reply::status(422));
    let by_key = script::for_key("k1", reject, script::fail_share(3, 0.2, 503));
    let stage = Stage::with(3, Endpoint::builder().script(by_key).start());
    let letters = stage.mock.topic("letters", 1);
    let sent = stage.produce(numbered(3_000, 50));
    let bad = sent.iter().filter(|one| one.key.as_deref() == Some(b"k1")).count();
    let mut keyway = stage.keyway().env("KEYWAY_DEAD_LETTER_TOPIC", &letters).start();
    keyway.wait_ready();
    let mut seen = Vec::new();
    while seen.last() != Some(&serde_json::json!(3_000 - bad)) {
        seen.push(adds_up(&mut keyway)["records"]["delivered"].clone());
    }
    seen.dedup();
    assert!(seen.len() > 2, "it was never asked while records moved: {seen:?}");
    stage.wait_all_committed();
    let rest = adds_up(&mut keyway);
    assert_eq!(rest["missing"], 0);
    let records = &rest["records"];
    let expected = [("received", 3_000), ("dead_lettered", bad), ("returned", 0), ("held", 0)];
    for (name, count) in expected {
        assert_eq!(records[name], count, "{name}: {rest}");
    }
    let api = format!("http://{}", keyway.api());
    let said = Keyway::command(["verify", "--api", &api]).output();
    assert_eq!(said.code, 0, "{said:?}");
    let delivered = 3_000 - bad;
    let line = format!("3,000 received = {},{:03} delivered", delivered / 1_000, delivered % 1_000);
    assert!(said.stdout.contains(&line), "{said:?}");
    keyway.stop();
}

#[test]
fn verify_says_where_nobody_answers() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = format!("http://{}", free.local_addr().expect("it is bound"));
    drop(free);
    let said = Keyway::command(["verify", "--api", &api]).output();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("is Keyway running") && said.stderr.contains(&api), "{said:?}");
}
