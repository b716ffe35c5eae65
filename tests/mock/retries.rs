//! Outcomes that are no delivery (DESIGN §7): when a record comes again, and what becomes of one
//! that the endpoint will not take.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;

use super::settled::Settled;
use super::stage::{Counts, Stage};
use crate::support::*;

/// An endpoint that refuses the records of the key `bad` with 422.
fn refuses_bad() -> Endpoint {
    let refuse = script::always(Reply::status(422).body("cannot be read"));
    Endpoint::builder().script(script::for_key("bad", refuse, script::ok())).start()
}

/// Ten good records, of which the fourth and sixth are of the key `bad`, on one partition.
fn mixed(stage: &Stage) -> Vec<Sent> {
    let key = |n: usize| if n == 3 || n == 5 { "bad".to_owned() } else { format!("good-{n}") };
    stage.produce((0..10).map(|n| Record::new(key(n), format!("{n}")).to(0)).collect())
}

#[test]
fn retry_after_in_seconds_is_waited_for_while_others_go_on() {
    let stage = Stage::new(1);
    stage.endpoint.script(|request| {
        let first = request.key.as_deref() == Some("busy") && request.seen == 0;
        if first { Reply::status(429).header("Retry-After", "1") } else { Reply::ok() }
    });
    let busy = stage.produce(vec![Record::new("busy", "x")]);
    let mut keyway = stage.keyway().start();
    stage.endpoint.wait_until("the first answer", |ledger| ledger.answered(429) == 1);
    let others = stage.produce(numbered(50, 50));
    stage.endpoint.wait_for_all(&others);
    stage.endpoint.wait_for_all(&busy);
    stage.finish(&mut keyway, &[busy.clone(), others].concat());
    let (first, second) = stage.endpoint.look(|ledger| {
        let times: Vec<_> = ledger.requests_for(&busy[0].id).cloned().collect();
        assert_eq!(times.len(), 2);
        (times[0].last_byte.expect("it ended"), times[1].first_byte)
    });
    assert!(second - first >= Duration::from_secs(1), "came again after {:?}", second - first);
}

#[test]
fn retry_after_as_a_date_is_waited_for() {
    const HTTP_DATE: &[time::format_description::BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let stage = Stage::new(1);
    let seen: Arc<Mutex<Vec<SystemTime>>> = Arc::default();
    let noted = seen.clone();
    let begun = OffsetDateTime::now_utc();
    // A date has no fractions of a second: this one is between one and two seconds away.
    let date = begun.replace_nanosecond(0).expect("a whole second") + Duration::from_secs(2);
    let text = date.format(HTTP_DATE).expect("a date");
    stage.endpoint.script(move |request| {
        noted.lock().expect("no panic while held").push(SystemTime::now());
        if request.seen == 0 {
            Reply::status(503).header("Retry-After", &text)
        } else {
            Reply::ok()
        }
    });
    let sent = stage.produce(vec![Record::new("busy", "x")]);
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    let seen = seen.lock().expect("no panic while held");
    assert_eq!(seen.len(), 2);
    // The first request came before the date, or there was nothing to wait for.
    assert!(OffsetDateTime::from(seen[0]) < date, "the process took too long to start");
    assert!(OffsetDateTime::from(seen[1]) + Duration::from_millis(20) >= date, "{seen:?}, {date}");
}

#[test]
fn every_attempt_of_a_record_says_its_number_and_keeps_its_idempotency_key() {
    let endpoint = Endpoint::builder().script(script::fail_times(4, 500)).start();
    let stage = Stage::with(1, endpoint);
    let sent = stage.produce(vec![Record::new("k", "x")]);
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    let attempts: Vec<_> = stage.endpoint.look(|ledger| {
        let all = ledger.requests_for(&sent[0].id);
        all.map(|one| (one.attempt, one.header("idempotency-key"))).collect()
    });
    let key = format!("{}:{}:0:0", stage.group, stage.topic);
    let expected: Vec<_> = (1..=5).map(|n| (Some(n), Some(key.clone()))).collect();
    assert_eq!(attempts, expected);
}

#[test]
fn a_redirect_is_not_followed_and_counts_as_refused() {
    let stage = Stage::new(1);
    let elsewhere = Endpoint::start();
    let url = elsewhere.url_of("/elsewhere");
    stage.endpoint.script(move |_| Reply::status(302).header("Location", &url));
    let sent = stage.produce(numbered(1, 1));
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_ON_REJECTED", "drop").start();
    stage.wait_all_committed();
    assert_eq!(keyway.metrics().count("records_dropped_total", &[]), 1);
    keyway.stop();
    assert_eq!(elsewhere.look(Ledger::count), 0);
    assert_eq!(stage.endpoint.look(|ledger| ledger.attempts(&sent[0].id)), 1);
}

#[test]
fn a_delivery_whose_answer_has_a_bad_body_is_a_delivery() {
    let stage = Stage::new(1);
    stage.endpoint.script(|request| match request.number % 3 {
        0 => Reply::huge(200, 1 << 30),
        1 => Reply::cut(201),
        _ => Reply::ok().body("x".repeat(100_000)),
    });
    let sent = stage.produce(numbered(30, 30));
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    assert_eq!(stage.endpoint.look(Ledger::count), 30, "none came twice");
}

#[test]
fn a_refused_record_parks_its_lane_and_the_others_flow() {
    let stage = Stage::with(1, refuses_bad());
    let sent = mixed(&stage);
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_MAX", "200ms").start();
    stage.endpoint.wait_for_delivered(8);
    // Parked, said once, and tried again and again.
    stage.endpoint.wait_until("three tries", |ledger| ledger.attempts(&sent[3].id) >= 3);
    let metrics = keyway.wait_for_metrics("a parked lane", |it| it.count("lanes_parked", &[]) == 1);
    assert_eq!(metrics.count("held_records", &[]), 2);
    let said = keyway.wait_for_logs("lane parked", 1);
    assert_eq!(said.len(), 1);
    assert!(said[0]["reason"].as_str().is_some_and(|it| it.contains("422")), "{}", said[0]);
    stage.endpoint.wait_until("another try", |ledger| ledger.attempts(&sent[3].id) >= 5);
    assert_eq!(keyway.wait_for_logs("lane parked", 1).len(), 1, "said once");
    let committed = stage.committed()[0].offset;
    assert!(committed.is_none_or(|offset| offset <= 3), "{committed:?}");
    // The receiver was mended.
    stage.endpoint.script(script::ok());
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_refused_record_is_dropped_where_that_is_set() {
    let stage = Stage::with(1, refuses_bad());
    let sent = mixed(&stage);
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_ON_REJECTED", "drop").start();
    stage.wait_all_committed();
    let metrics = keyway.metrics();
    assert_eq!(metrics.count("records_dropped_total", &[]), 2);
    assert_eq!(metrics.count("records_delivered_total", &[]), 8);
    keyway.stop();
    let (lost, attempts) =
        stage.endpoint.look(|ledger| (ledger.lost(&sent), ledger.attempts(&sent[3].id)));
    assert_eq!((lost, attempts), (vec![sent[3].id.clone(), sent[5].id.clone()], 1));
}

#[test]
fn a_refused_record_stops_the_process_where_that_is_set() {
    let stage = Stage::with(1, refuses_bad());
    let sent = mixed(&stage);
    let mut keyway = stage.keyway().env("KEYWAY_RETRY_ON_REJECTED", "stop").start();
    assert_eq!(keyway.wait_exit(), 1);
    let why = keyway.stderr();
    let record = format!("{}/0@3", stage.topic);
    assert!(why.contains(&record) && why.contains("422"), "{why}");
    let committed = stage.committed();
    let settled = Settled::of(&stage.topic, &committed);
    assert!(!settled.has(&sent[3].id) && !settled.has(&sent[5].id), "{committed:?}");
    // What was delivered before is committed, and the next run goes on at the record.
    let delivered: Vec<Id> = stage.endpoint.look(|ledger| {
        let all = sent.iter().map(|one| one.id.clone());
        all.filter(|id| ledger.has_delivered(id)).collect()
    });
    assert!(delivered.iter().all(|id| settled.has(id)), "{delivered:?} {committed:?}");
    stage.endpoint.script(script::ok());
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn attempts_used_up_park_drop_or_stop_as_set() {
    for (set, code) in [("retry", 0), ("drop", 0), ("stop", 1)] {
        let stage = Stage::new(1);
        stage.endpoint.script(script::for_key(
            "bad",
            script::always(Reply::status(503)),
            script::ok(),
        ));
        let sent = mixed(&stage);
        let mut keyway = stage
            .keyway()
            .env("KEYWAY_MAX_ATTEMPTS", 3)
            .env("KEYWAY_RETRY_MAX", "50ms")
            .env("KEYWAY_RETRY_ON_EXHAUSTED", set)
            .start();
        let attempts = || stage.endpoint.look(|ledger| ledger.attempts(&sent[3].id));
        match set {
            "retry" => {
                keyway.wait_for_log("lane parked");
                stage.endpoint.wait_until("more tries", |it| it.attempts(&sent[3].id) > 5);
                keyway.stop();
            }
            "drop" => {
                stage.wait_all_committed();
                assert_eq!(keyway.metrics().count("records_dropped_total", &[]), 2);
                keyway.stop();
                assert_eq!(attempts(), 3);
            }
            _ => {
                assert_eq!(keyway.wait_exit(), code);
                assert!(keyway.stderr().contains(&format!("{}/0@3", stage.topic)));
                assert_eq!(attempts(), 3);
                assert!(stage.committed()[0].offset.is_none_or(|offset| offset <= 3));
            }
        }
    }
}
