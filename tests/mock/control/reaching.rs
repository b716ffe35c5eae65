//! What is said of a pipeline that does not reach its brokers.

use super::*;

/// What the two ways to ask say of a consumer: its state, and what keeps it from its brokers.
fn told(keyway: &mut Running) -> [Value; 3] {
    let status = keyway.ask("GET", "/consumer-status/one", "").json();
    let pipeline = keyway.show("one");
    let [state, last_error] = ["state", "last_error"].map(|it| status[it].clone());
    [state, last_error, pipeline["connection_error"].clone()]
}

fn wait_told(keyway: &mut Running, state: &str, error: Option<&str>) {
    wait_for(&format!("{state} and {error:?}"), || {
        let [is, status, pipeline] = told(keyway);
        let says = match error {
            Some(error) => status.as_str().is_some_and(|it| it.contains(error)),
            None => status.is_null(),
        };
        (is == state && says && status == pipeline).then_some(())
    });
}

#[test]
fn a_broker_that_does_not_answer_is_told_with_why_until_it_does() {
    let stage = Stage::new(1);
    stage.mock.down();
    let mut keyway = stage.serve().start();
    assert_eq!(stage.start_consumer(&mut keyway, "one").status, 200);
    // librdkafka says why, and then, more often, that no broker is left.
    wait_told(&mut keyway, "starting", Some("Connection refused"));
    wait_for("librdkafka to say more", || {
        let log = keyway.log();
        let says = |line: &Value| line["msg"].to_string().contains("AllBrokersDown");
        log.iter().any(says).then_some(())
    });
    wait_told(&mut keyway, "starting", Some("Connection refused"));
    // What has ended wants no connection.
    keyway.ask("POST", "/stop-consumer/one", "");
    wait_told(&mut keyway, "stopped", None);
    assert_eq!(stage.start_consumer(&mut keyway, "one").status, 200);
    wait_told(&mut keyway, "starting", Some("waiting for a broker"));
    stage.mock.up();
    wait_told(&mut keyway, "running", None);
    let sent = stage.produce(numbered(5, 5));
    stage.endpoint.wait_for_all(&sent);
    keyway.stop();
}
