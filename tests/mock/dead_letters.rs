//! Dead letters (DESIGN §8): a record that the endpoint will not take goes to another topic as it
//! was, with the reason beside it, and is settled only when the broker has it.

use super::settled::Settled;
use super::stage::{Counts, Stage, assert_adds_up};
use crate::support::*;

const BINARY: [u8; 6] = [0, 255, 13, 10, 128, 7];

fn refusing() -> Endpoint {
    let long = "ü".repeat(2_000);
    let refuse = script::always(Reply::status(422).body(long));
    Endpoint::builder().script(script::for_key("bad", refuse, script::ok())).start()
}

#[test]
fn a_refused_record_goes_to_the_dead_letter_topic_as_it_was() {
    let stage = Stage::with(1, refusing());
    let dead = stage.mock.topic("dead", 2);
    let mut bad = Record::new("bad", BINARY)
        .at(1_700_000_000_123)
        .header("trace", "abc")
        .header("binary", BINARY)
        .header("trace", "again")
        .header("empty", "");
    bad.headers.push(("null".to_owned(), None));
    let kept = bad.headers.clone();
    let records =
        vec![Record::new("good", "1"), bad, Record::new("bad", "2"), Record::tombstone("bad")];
    let sent = stage.produce(records);
    let mut keyway = stage.keyway().env("KEYWAY_DEAD_LETTER_TOPIC", &dead).start();
    let mut letters = stage.mock.wait_for_records(&dead, 3);
    stage.wait_all_committed();
    let metrics = keyway.metrics();
    assert_eq!(metrics.count("records_dead_lettered_total", &[]), 3);
    assert_eq!(metrics.count("lanes_parked", &[]), 0);
    assert_adds_up(&metrics);
    keyway.stop();

    letters.sort_by_key(|letter| letter.header("keyway.dead-letter.offset"));
    let [first, second, third] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(
        (first.key.as_deref(), first.value.as_deref()),
        (Some(&b"bad"[..]), Some(&BINARY[..]))
    );
    assert_eq!(first.timestamp, Some(1_700_000_000_123));
    assert_eq!(first.headers[..kept.len()], kept[..], "its own headers come first, in their order");
    assert_eq!(second.value.as_deref(), Some(&b"2"[..]));
    assert_eq!(third.value, None, "a tombstone stays one");

    let told = |name: &str| first.header(&format!("keyway.dead-letter.{name}"));
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(told("status"), text("422"));
    assert_eq!(told("attempts"), text("1"));
    assert_eq!(told("topic"), text(&stage.topic));
    assert_eq!(told("partition"), text("0"));
    assert_eq!(told("offset"), text("1"));
    assert_eq!(told("timestamp"), text("1700000000123"));
    assert_eq!(told("group"), text(&stage.group));
    assert_eq!(told("url"), text(&stage.endpoint.url()));
    assert!(told("reason").is_some_and(|reason| reason.contains("422")), "{first:?}");
    let response = told("response").expect("the beginning of the answer");
    assert!(response.starts_with("üü") && response.len() <= 1024 + 2, "{}", response.len());

    // The lane went on in order, and each was asked once.
    let verdict = stage.endpoint.look(|ledger| (ledger.out_of_order(), ledger.overlaps()));
    assert_eq!(verdict, (vec![], vec![]));
    assert_eq!(stage.endpoint.look(Ledger::count), sent.len());
}

#[test]
fn attempts_used_up_end_in_a_dead_letter() {
    let stage = Stage::new(2);
    let dead = stage.mock.topic("dead", 1);
    stage.endpoint.script(script::for_key(
        "bad",
        script::always(Reply::status(503)),
        script::fail_times(2, 503),
    ));
    let sent = stage.produce(
        (0..30)
            .map(|n| {
                Record::new(
                    if n % 10 == 3 { "bad".to_owned() } else { format!("k{n}") },
                    format!("{n}"),
                )
            })
            .collect(),
    );
    let mut keyway =
        stage.keyway().env("KEYWAY_MAX_ATTEMPTS", 3).env("KEYWAY_DEAD_LETTER_TOPIC", &dead).start();
    let letters = stage.mock.wait_for_records(&dead, 3);
    stage.wait_all_committed();
    keyway.stop();
    let values: Vec<_> = letters.iter().filter_map(|letter| letter.value.clone()).collect();
    assert_eq!(values, [b"3".to_vec(), b"13".to_vec(), b"23".to_vec()], "in the lane's order");
    for letter in &letters {
        assert_eq!(letter.header("keyway.dead-letter.attempts"), Some("3".to_owned()));
        assert_eq!(letter.header("keyway.dead-letter.status"), Some("503".to_owned()));
    }
    let (lost, bad) = stage.endpoint.look(|ledger| {
        let tries = |one: &&Sent| ledger.attempts(&one.id) == 3;
        (ledger.lost(&sent).len(), sent.iter().filter(tries).count())
    });
    assert_eq!((lost, bad), (3, 30), "the others took their third attempt");
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_named_in_the_letter() {
    let stage = Stage::new(1);
    let dead = stage.mock.topic("dead", 1);
    stage.endpoint.down();
    stage.produce(vec![Record::new("k", "v")]);
    let mut keyway =
        stage.keyway().env("KEYWAY_MAX_ATTEMPTS", 2).env("KEYWAY_DEAD_LETTER_TOPIC", &dead).start();
    let letters = stage.mock.wait_for_records(&dead, 1);
    keyway.stop();
    assert_eq!(letters[0].header("keyway.dead-letter.status"), None, "nobody answered");
    let reason = letters[0].header("keyway.dead-letter.reason").expect("a reason");
    assert!(reason.contains("refused"), "{reason}");
}

#[test]
fn while_the_dead_letters_cannot_be_written_the_record_is_held_and_not_lost() {
    let stage = Stage::with(1, refusing());
    let graveyard = Mock::start();
    let dead = graveyard.topic("dead", 1);
    graveyard.down();
    let sent = stage.produce(
        (0..40)
            .map(|n| Record::new(if n == 7 { "bad".to_owned() } else { format!("k{n}") }, "x"))
            .collect(),
    );
    let dead_letter = format!(
        "[[pipeline]]\n[pipeline.dead_letter]\ntopic = \"{dead}\"\n\
         [pipeline.dead_letter.kafka]\n\"bootstrap.servers\" = \"{}\"\n\
         \"reconnect.backoff.max.ms\" = 200\n",
        graveyard.brokers()
    );
    let mut keyway = stage.keyway().config(&dead_letter).start();
    stage.endpoint.wait_for_delivered(39);
    // All the others are settled; the record is not, and shows as held.
    let committed = stage.mock.wait_for_commit(&stage.group, &stage.topic, "the others", |found| {
        let settled = Settled::of(&stage.topic, found);
        sent.iter().all(|one| settled.has(&one.id) == (one.id.offset != 7))
    });
    assert_eq!(committed[0].offset, Some(7));
    let metrics = keyway.metrics();
    assert_eq!(metrics.count("held_records", &[]), 1);
    assert_eq!(metrics.count("records_dead_lettered_total", &[]), 0);
    assert_adds_up(&metrics);

    graveyard.up();
    let letters = graveyard.wait_for_records(&dead, 1);
    assert_eq!(letters[0].header("keyway.dead-letter.offset"), Some("7".to_owned()));
    stage.wait_all_committed();
    keyway.stop();
    assert_eq!(stage.endpoint.look(|ledger| ledger.attempts(&sent[7].id)), 1, "not asked again");
}

#[test]
fn a_kill_while_a_letter_is_held_loses_it_neither() {
    let stage = Stage::with(1, refusing());
    let graveyard = Mock::start();
    let dead = graveyard.topic("dead", 1);
    graveyard.down();
    let sent = stage.produce(vec![Record::new("bad", "first"), Record::new("good", "second")]);
    let run = || {
        let dead_letter = format!(
            "[[pipeline]]\npartitions = [0]\n[pipeline.dead_letter]\ntopic = \"{dead}\"\n\
             [pipeline.dead_letter.kafka]\n\"bootstrap.servers\" = \"{}\"\n",
            graveyard.brokers()
        );
        stage.keyway().config(&dead_letter).start()
    };
    let mut keyway = run();
    stage.endpoint.wait_until("the refusal", |ledger| ledger.answered(422) == 1);
    stage.endpoint.wait_for_delivered(1);
    keyway.kill();
    stage.endpoint.incident("killed");
    graveyard.up();
    let mut keyway = run();
    let letters = graveyard.wait_for_records(&dead, 1);
    assert_eq!(letters[0].value.as_deref(), Some(&b"first"[..]));
    stage.wait_all_committed();
    keyway.stop();
    assert_eq!(sent.len(), 2);
}
