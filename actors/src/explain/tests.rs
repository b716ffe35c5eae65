//! How an answer is written, and that it is read back.

use serde_json::{Value, json};

use super::*;

fn record(place: Place, lane: Option<Lane>) -> Explanation {
    let explanation = RecordExplanation {
        topic: "orders".into(),
        partition: 3,
        offset: 42,
        place,
        held_seconds: lane.is_some().then_some(7.5),
        lane,
    };
    Explanation::Record(explanation.into())
}

fn lane() -> Lane {
    Lane {
        topic: "orders".into(),
        partition: 3,
        key: Some("customer%207".into()),
        state: LaneState::Waiting,
        head_offset: 41,
        queued: 2,
        attempts: 3,
        waited_seconds: Some(7.5),
        sending_seconds: None,
        failing_seconds: Some(7.25),
        retry_in_seconds: Some(1.5),
        failure: Some("503 Service Unavailable".into()),
        destination: None,
        url: Some("https://h/orders".into()),
        reason: None,
    }
}

fn places() -> Vec<(&'static str, Place)> {
    let failing = || Failing { attempts: 3, ..Failing::default() };
    let in_flight =
        Place::InFlight { attempt: 1, sending_seconds: 0.5, url: Some("https://h/".into()) };
    let destination = Place::Destination {
        destination: Some("https://h:443".into()),
        reason: Some(Reason::BreakerOpen),
        retry_in_seconds: Some(2.0),
    };
    let not_fetched =
        Place::NotFetched { next_offset: None, log_end: Some(9), intake: Some(Rest::Paused) };
    let settled =
        Place::Settled { committed: true, committed_offset: Some(50), base_offset: Some(50) };
    vec![
        ("not_assigned", Place::NotAssigned),
        ("not_fetched", not_fetched),
        ("held_by_span", Place::HeldBySpan { base_offset: Some(4), next_offset: Some(9) }),
        ("in_transit", Place::InTransit),
        ("queued", Place::Queued { behind: 1 }),
        ("in_flight", in_flight),
        ("retry", Place::Retry(failing())),
        ("parked", Place::Parked(failing())),
        ("destination", destination),
        ("dead_lettering", Place::DeadLettering(failing())),
        ("stopped", Place::Stopped(failing())),
        ("settled", settled),
    ]
}

#[test]
fn each_place_has_its_word_and_is_read_back() {
    for (word, place) in places() {
        for lane in [None, Some(lane())] {
            let explanation = record(place.clone(), lane);
            let text = serde_json::to_string(&explanation).unwrap();
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&value["about"], &value["state"]), (&json!("record"), &json!(word)));
            assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), explanation);
        }
    }
}

#[test]
fn a_record_is_told_flatly_with_its_lane() {
    let told = serde_json::to_value(record(Place::Queued { behind: 1 }, Some(lane()))).unwrap();
    let expected = json!({
        "about": "record", "topic": "orders", "partition": 3, "offset": 42,
        "state": "queued", "behind": 1, "held_seconds": 7.5,
        "lane": {
            "topic": "orders", "partition": 3, "key": "customer%207", "state": "waiting",
            "head_offset": 41, "queued": 2, "attempts": 3, "waited_seconds": 7.5,
            "failing_seconds": 7.25, "retry_in_seconds": 1.5,
            "failure": "503 Service Unavailable", "url": "https://h/orders",
        },
    });
    assert_eq!(told, expected);
}

#[test]
fn a_key_is_read_back() {
    let Explanation::Record(first) = record(Place::InTransit, Some(lane())) else { unreachable!() };
    let in_partition = KeyInPartition {
        partition: 3,
        in_lanes: 2,
        held_by_span: 0,
        in_transit: 1,
        more_in_transit: false,
        first: Some(*first),
    };
    let explanation = Explanation::Key(KeyExplanation {
        topic: "orders".into(),
        key: "base64:/w==".into(),
        partitions: vec![in_partition],
    });
    let text = serde_json::to_string(&explanation).unwrap();
    assert!(text.starts_with(r#"{"about":"key","topic":"orders","key":"base64:/w==""#), "{text}");
    assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), explanation);
}

#[test]
fn who_asks_is_told_what_to_name() {
    let topics = vec!["a".to_owned(), "b".to_owned()];
    let error = ExplainError::TopicNeeded { topics };
    assert_eq!(error.to_string(), "name the topic, one of: a, b");
    let error = ExplainError::NoAnswer { parts: vec!["arbiter 1".into()] };
    assert!(error.to_string().starts_with("no answer in time from arbiter 1"));
}

#[test]
fn whoever_asks_may_be_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    fn asks(handle: &crate::Handle) {
        is_send(handle.lanes(None, 1));
        let question = Question::Record { topic: None, partition: 0, offset: 0 };
        is_send(handle.explain(question));
    }
    let _ = asks;
}
