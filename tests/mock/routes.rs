//! Records that become other requests than the usual one: routes of a file, with conditions and
//! templates.

use super::settled::Settled;
use super::stage::{Counts, Stage};
use crate::support::*;

/// What an endpoint was asked, in order: method, path and body.
fn asked(endpoint: &Endpoint) -> Vec<(String, String)> {
    endpoint.look(|ledger| {
        let all = ledger.requests().iter();
        all.map(|one| {
            let body = one.body.clone().unwrap_or_default();
            (one.path().unwrap_or_default(), String::from_utf8_lossy(&body).into_owned())
        })
        .collect()
    })
}

#[test]
fn a_record_becomes_the_requests_of_the_first_route_that_matches() {
    let stage = Stage::new(1);
    let audit = Endpoint::start();
    let pipeline = format!(
        r#"
        [[pipeline.route]]
        when = 'value.type == "order" and headers["region"] == "eu"'
        [[pipeline.route.request]]
        method = "PUT"
        url = "{}orders/{{{{ value.id }}}}"
        headers = {{ "X-Region" = "{{{{ headers.region }}}}" }}
        body = "{{{{ value.order | tojson }}}}"
        [[pipeline.route.request]]
        url = "{}{{{{ topic }}}}"
        [[pipeline.route]]
        when = 'value.type == "order"'
        [[pipeline.route.request]]
        url = "{}elsewhere?id={{{{ value.id }}}}"
        "#,
        stage.endpoint.url(),
        audit.url(),
        stage.endpoint.url(),
    );
    let order = |id: &str| format!(r#"{{"type":"order","id":"{id}","order":{{"sum":1.50}}}}"#);
    let sent = stage.produce(vec![
        Record::new("k", order("a/b")).header("region", "eu"),
        Record::new("k", order("c d")).header("region", "us"),
        Record::new("k", r#"{"type":"other"}"#),
    ]);
    let mut keyway = stage.keyway_by(&pipeline).start();
    stage.wait_all_committed();
    let metrics = keyway.metrics();
    assert_eq!(metrics.count("records_delivered_total", &[]), 2);
    assert_eq!(metrics.count("records_filtered_total", &[]), 1);
    keyway.stop();
    let pair = |path: &str, body: &str| (path.to_owned(), body.to_owned());
    assert_eq!(
        asked(&stage.endpoint),
        [pair("/orders/a%2Fb", r#"{"sum":1.5}"#), pair("/elsewhere?id=c%20d", &order("c d"))]
    );
    assert_eq!(asked(&audit), [pair(&format!("/{}", stage.topic), &order("a/b"))]);
    let (first, second) = (
        stage.endpoint.look(|ledger| ledger.requests()[0].clone()),
        audit.look(|ledger| ledger.requests()[0].clone()),
    );
    assert_eq!(first.header("x-region").as_deref(), Some("eu"));
    let key = format!("{}:{}:0:{}", stage.group, stage.topic, sent[0].id.offset);
    assert_eq!(first.header("idempotency-key"), Some(format!("{key}:0")));
    assert_eq!(second.header("idempotency-key"), Some(format!("{key}:1")));
}

#[test]
fn a_value_can_be_sent_with_metadata_added() {
    let stage = Stage::new(1);
    let pipeline = format!(
        r#"
        [[pipeline.route]]
        [[pipeline.route.request]]
        url = "{}"
        body = "{{{{ value | merge({{'offset': offset, 'partition': partition, 'topic': topic, 'processed_at': now()}}) | tojson }}}}"
        "#,
        stage.endpoint.url(),
    );
    stage.produce(vec![Record::new("k", r#"{"b":1,"a":9007199254740993}"#)]);
    let mut keyway = stage.keyway_by(&pipeline).start();
    stage.wait_all_committed();
    keyway.stop();
    let [(_, body)] = &asked(&stage.endpoint)[..] else { panic!("one request") };
    let start = format!(
        r#"{{"b":1,"a":9007199254740993,"offset":0,"partition":0,"topic":"{}","processed_at":"20"#,
        stage.topic
    );
    assert!(body.starts_with(&start), "{body}");
}

/// Each record becomes two requests.
fn one_after_the_other(first: &Endpoint, second: &Endpoint) -> String {
    format!(
        r#"
        [[pipeline.route]]
        [[pipeline.route.request]]
        url = "{}"
        [[pipeline.route.request]]
        url = "{}"
        "#,
        first.url(),
        second.url(),
    )
}

/// Two requests a record; the second fails now and then. The order of a key holds over both.
#[test]
fn requests_of_a_record_and_records_of_a_key_follow_each_other() {
    let stage = Stage::new(3);
    let second = Endpoint::builder().script(script::fail_share(7, 0.3, 503)).start();
    let pipeline = one_after_the_other(&stage.endpoint, &second);
    let sent = stage.produce(numbered(600, 20));
    let mut keyway = stage.keyway_by(&pipeline).start();
    second.wait_for_all(&sent);
    stage.finish(&mut keyway, &sent);
    second.verdict(&sent).assert_kept();
    // A retry goes on at the request that failed: the first was not made again.
    stage.endpoint.verdict(&sent).assert_exact();
    let ended = |endpoint: &Endpoint| {
        let all = |ledger: &Ledger| -> Vec<_> {
            let times = sent.iter().map(|one| {
                let mut of = ledger.requests_for(&one.id);
                let first = of.next().expect("each was asked for");
                (first.first_byte, of.last().unwrap_or(first).last_byte.expect("it ended"))
            });
            times.collect()
        };
        endpoint.look(all)
    };
    let (firsts, seconds) = (ended(&stage.endpoint), ended(&second));
    assert_eq!((firsts.len(), seconds.len()), (600, 600));
}

#[test]
fn a_stop_finishes_the_plans_that_are_begun_and_begins_none() {
    let gate = Gate::closed();
    let first = Endpoint::builder().script(script::always(Reply::ok().behind(&gate))).start();
    let (stage, second) = (Stage::with(1, first), Endpoint::start());
    let pipeline = one_after_the_other(&stage.endpoint, &second);
    let sent = stage.produce(numbered(60, 60));
    let keyway = || stage.keyway_by(&pipeline).flag("--senders", 20);
    let mut run = keyway().start();
    // Each of the two destinations has half of the senders.
    stage.endpoint.wait_until("ten requests", |ledger| ledger.in_flight() == 10);
    run.signal(Signal::TERM);
    run.wait_for_log("stopping");
    gate.open();
    assert_eq!(run.wait_exit(), 0);
    let counted = |endpoint: &Endpoint| endpoint.look(Ledger::count);
    assert_eq!((counted(&stage.endpoint), counted(&second)), (10, 10));
    let settled = Settled::of(&stage.topic, &stage.committed());
    assert_eq!(sent.iter().filter(|one| settled.has(&one.id)).count(), 10);
    let mut run = keyway().start();
    stage.wait_all_committed();
    run.stop();
    stage.endpoint.verdict(&sent).assert_exact();
    second.verdict(&sent).assert_exact();
}

#[test]
fn what_cannot_be_rendered_is_rejected_with_its_place_and_nothing_of_it_is_sent() {
    let stage = Stage::new(1);
    let letters = stage.mock.topic("letters", 1);
    let pipeline = format!(
        r#"
        [pipeline.dead_letter]
        topic = "{letters}"
        [[pipeline.route]]
        [[pipeline.route.request]]
        url = "{}first"
        [[pipeline.route.request]]
        url = "{}{{{{ value.id }}}}"
        "#,
        stage.endpoint.url(),
        stage.endpoint.url(),
    );
    stage.produce(vec![Record::new("a", "no JSON"), Record::new("b", "{}")]);
    let mut keyway = stage.keyway_by(&pipeline).start();
    stage.wait_all_committed();
    assert_eq!(keyway.metrics().count("records_dead_lettered_total", &[]), 2);
    keyway.stop();
    assert_eq!(stage.endpoint.look(Ledger::count), 0);
    for letter in stage.mock.read(&letters) {
        let reason = letter.header("keyway.dead-letter.reason").expect("a letter has a reason");
        assert!(reason.contains("route 1, request 2, url"), "{reason}");
    }
}

#[test]
fn what_no_route_is_for_goes_where_unmatched_says() {
    let route = |stage: &Stage, unmatched: &str| {
        format!(
            "unmatched = \"{unmatched}\"\n{}[[pipeline.route]]\nwhen = \"value.go\"\n\
             [[pipeline.route.request]]\nurl = \"{}\"\n",
            if unmatched == "dead_letter" {
                "[pipeline.dead_letter]\ntopic = \"dead\"\n"
            } else {
                ""
            },
            stage.endpoint.url()
        )
    };
    let stage = Stage::new(1);
    stage.mock.create_topic("dead", 1);
    stage.produce(vec![Record::new("k", r#"{"go":0}"#), Record::new("k", r#"{"go":1}"#)]);
    let mut keyway = stage.keyway_by(&route(&stage, "dead_letter")).start();
    stage.wait_all_committed();
    assert_eq!(keyway.metrics().count("records_dead_lettered_total", &[]), 1);
    keyway.stop();
    assert_eq!(stage.endpoint.look(Ledger::count), 1);

    let stage = Stage::new(1);
    let sent =
        stage.produce(vec![Record::new("k", r#"{"go":1}"#), Record::new("k", r#"{"go":0}"#)]);
    let mut keyway = stage.keyway_by(&route(&stage, "stop")).start();
    assert_eq!(keyway.wait_exit(), 1);
    assert!(stage.endpoint.look(|ledger| ledger.has_delivered(&sent[0].id)));
    let settled = Settled::of(&stage.topic, &stage.committed());
    assert_eq!(settled.above(), 0, "the record that stopped it is not settled");
}
