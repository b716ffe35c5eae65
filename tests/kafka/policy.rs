//! The delivery policy on a real broker: plans of several requests through a kill, and destinations
//! that hang or fail beside one that does not.

use super::settled::wait_until_covered;
use super::stage::{Stage, faulty, quick};
use crate::support::*;

/// `keyway run` by routes.
fn routed(stage: &Stage<'_>, routes: &str) -> Keyway {
    quick(Keyway::run(stage.kafka))
        .topic(&stage.topic)
        .group(&stage.group)
        .env("KEYWAY_RETRY_INITIAL", "20ms")
        .env("KEYWAY_RETRY_MAX", "200ms")
        .env("KEYWAY_COMMIT_INTERVAL", "200ms")
        .config(&format!("[[pipeline]]\n{routes}"))
}

fn request(url: &str) -> String {
    format!("[[pipeline.route.request]]\nurl = \"{url}\"\n")
}

/// Two requests a record, both of which fail now and then. After a kill a plan that was not finished
/// is made again from its first request; each endpoint sees every key in order.
#[test]
fn plans_of_several_requests_outlive_kills_in_order() {
    let stage = Stage::new("plans", 6);
    let second = Endpoint::builder().script(faulty(1, 10, 0.1)).start();
    stage.endpoint.script(faulty(1, 10, 0.1));
    let routes =
        format!("[[pipeline.route]]\n{}{}", request(&stage.endpoint.url()), request(&second.url()));
    let load = stage.load(300, 60);
    for kill in 1..=2 {
        let mut keyway = routed(&stage, &routes).start();
        stage.wait_for_more(200);
        let _ = wait_until_covered(&stage);
        stage.wait_for_more(30);
        keyway.kill();
        for endpoint in [&stage.endpoint, &second] {
            endpoint.incident(&format!("kill {kill}"));
        }
    }
    let mut last = routed(&stage, &routes).start();
    let sent = load.stop();
    second.wait_for_all(&sent);
    let first = stage.finish(&sent);
    last.stop();
    first.assert_kept();
    let verdict = second.verdict(&sent);
    verdict.assert_kept();
    let again = (first.sent_again.len(), verdict.sent_again.len());
    println!("plans: {} records, sent again {again:?} by two kills", sent.len());
}

/// Of three destinations one hangs and one fails: the third gets all of its records meanwhile. A
/// clean stop in the middle costs it no request that was finished.
#[test]
fn destinations_that_hang_or_fail_delay_only_their_own() {
    let stage = Stage::new("isolated", 6);
    let gate = Gate::closed();
    let hanging = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let failing = Endpoint::builder().script(script::always(Reply::status(503))).start();
    let to = |name: &str, url: &str| {
        format!("[[pipeline.route]]\nwhen = \"value.to == '{name}'\"\n{}", request(url))
    };
    let routes = format!(
        "senders = 24\ndrain_deadline = \"500ms\"\n[pipeline.http.breaker]\nenabled = true\n\
         min_requests = 5\nopen_for = \"200ms\"\nmax_open_for = \"400ms\"\n{}{}{}",
        to("hanging", &hanging.url()),
        to("failing", &failing.url()),
        to("well", &stage.endpoint.url()),
    );
    let record = |n: usize| {
        let name = ["hanging", "failing", "well"][n % 3];
        Record::new(format!("k{}", n % 300), format!(r#"{{"to":"{name}","n":{n}}}"#))
    };
    let sent = stage.produce((0..3_000).map(record).collect());
    let of = |which: usize| -> Vec<Sent> {
        let all = sent.iter().enumerate().filter(|(n, _)| n % 3 == which);
        all.map(|(_, one)| one.clone()).collect()
    };
    let mut keyway = routed(&stage, &routes).start();
    stage.endpoint.wait_for_all(&of(2));
    keyway.wait_for_log("breaker open");
    let most = hanging.look(Ledger::most_in_flight);
    assert!(most <= 12, "{most} of 24 senders wait for the one that hangs");
    keyway.stop();
    hanging.incident("requests that hung were cancelled by the stop");
    gate.open();
    failing.script(script::ok());
    let mut keyway = routed(&stage, &routes).start();
    hanging.wait_for_all(&of(0));
    failing.wait_for_all(&of(1));
    stage.kafka.wait_all_committed(&stage.group, &stage.topic);
    keyway.stop();
    stage.endpoint.verdict(&of(2)).assert_exact();
    hanging.verdict(&of(0)).assert_kept();
    failing.verdict(&of(1)).assert_kept();
    println!(
        "isolated: {} requests to the one that failed for 1,000 records",
        failing.look(Ledger::count)
    );
}
