//! Pipelines that are made and deleted: their members leave the group, each time.

use serde_json::json;

use super::stage::Stage;
use crate::support::{Cluster, Keyway, ask, wait_for};

const CYCLES: usize = 20;

/// A member that went without a word would stay for its session timeout: it is longer than any wait.
#[test]
fn what_is_deleted_has_left_its_group() {
    let stage = Stage::new("control", 4);
    let keyway = Keyway::serve(stage.kafka).kafka("session.timeout.ms", "300000");
    let mut keyway = keyway.kafka("max.poll.interval.ms", "300000").start();
    let api = keyway.api();
    let body = json!({
        "name": "a",
        "topics": [stage.topic],
        "group_id": stage.group,
        "http": { "url": stage.endpoint.url() },
    });
    let mut sent = Vec::new();
    for cycle in 0..CYCLES {
        let made = ask(api, "POST", "/v1/pipelines", &[], &body.to_string()).expect("it answers");
        assert_eq!(made.status, 201, "{made:?}");
        // Some are deleted while they join.
        if cycle % 4 != 0 {
            sent.extend(stage.produce(super::stage::distinct(10)));
            stage.endpoint.wait_for_all(&sent);
        }
        ask(api, "DELETE", "/v1/pipelines/a", &[], "").expect("it answers");
        wait_for("it to be gone", || {
            let shown = ask(api, "GET", "/v1/pipelines/a", &[], "").expect("it answers");
            (shown.status == 404).then_some(())
        });
        wait_for("its member to be gone", || {
            stage.kafka.members(&stage.group).is_empty().then_some(())
        });
    }
    stage.kafka.wait_all_committed(&stage.group, &stage.topic);
    stage.endpoint.verdict(&sent).assert_exact();
    keyway.stop();
}
