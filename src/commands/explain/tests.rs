use keyway_actors::State;
use keyway_actors::explain::{
    Failing, KeyExplanation, KeyInPartition, Lane, LaneState, Place, Reason, RecordExplanation,
    Rest,
};
use keyway_actors::web::Pipeline;

use super::told::{sentences, why};
use super::*;

fn failing() -> Failing {
    Failing {
        attempts: 3,
        failing_seconds: Some(7.25),
        retry_in_seconds: Some(1.5),
        failure: Some("503 Service Unavailable".into()),
    }
}

fn lane(state: LaneState) -> Lane {
    let Failing { attempts, failing_seconds, retry_in_seconds, failure } = failing();
    Lane {
        topic: "orders".into(),
        partition: 3,
        key: Some("customer%207".into()),
        state,
        head_offset: 41,
        queued: 2,
        attempts,
        waited_seconds: Some(8.0),
        sending_seconds: None,
        failing_seconds,
        retry_in_seconds,
        failure,
        destination: None,
        url: None,
        reason: None,
    }
}

fn record(place: Place, lane: Option<Lane>) -> RecordExplanation {
    let topic = "orders".into();
    RecordExplanation { topic, partition: 3, offset: 42, place, held_seconds: None, lane }
}

/// What is said of a record at this place.
fn said(place: Place, lane: Option<Lane>) -> String {
    sentences(&Explanation::Record(Box::new(record(place, lane)))).join("\n")
}

#[test]
fn a_record_that_waits_in_its_lane_is_told_with_the_first_of_it() {
    let told = said(Place::Queued { behind: 2 }, Some(lane(LaneState::Waiting)));
    assert_eq!(
        told,
        "orders/3@42: queued behind 2 records of its lane\n\
         the first of them, offset 41 (key customer%207): waits for its retry, in 1.5 s\n\
         of it: 3 attempts so far, the first 7.3 s ago; the last failed with 503 Service \
         Unavailable\n\
         it has been held for 8.0 s"
    );
    let busy = Lane { reason: Some(Reason::SendersBusy), key: None, ..lane(LaneState::Ready) };
    let told = said(Place::Queued { behind: 1 }, Some(busy));
    assert!(told.starts_with("orders/3@42: queued behind 1 record of its lane\n"), "{told}");
    assert!(told.contains("offset 41 (null key): ready to be sent\n"), "{told}");
    assert!(told.contains("it waits because all senders are busy"), "{told}");
}

#[test]
fn every_place_has_its_sentence() {
    let url = Some("http://localhost:8080/orders".to_owned());
    let head = |state| Some(Lane { head_offset: 42, ..lane(state) });
    let not_fetched =
        |log_end, intake| Place::NotFetched { next_offset: Some(40), log_end, intake };
    let settled =
        |committed| Place::Settled { committed, committed_offset: Some(50), base_offset: Some(51) };
    for (place, lane, parts) in [
        (Place::NotAssigned, None, vec!["does not have its partition"]),
        (
            not_fetched(Some(100), Some(Rest::Buffer)),
            None,
            vec!["not fetched yet", "offset 40 next, 2 offsets before it", "buffer, or"],
        ),
        (
            not_fetched(Some(42), None),
            None,
            vec!["not in the log yet, which ends before offset 42"],
        ),
        (
            Place::HeldBySpan { base_offset: Some(7), next_offset: Some(43) },
            None,
            vec!["held by the offset span", "first for offset 7", "goes on at offset 43"],
        ),
        (Place::InTransit, None, vec!["on its way"]),
        (
            Place::Queued { behind: 0 },
            head(LaneState::Ready),
            vec!["the first of its lane", "key customer%207; 2 records wait behind it"],
        ),
        (
            Place::InFlight { attempt: 2, sending_seconds: 200.0, url },
            head(LaneState::Sending),
            vec!["in flight for 3 m 20 s: attempt 2, to http://localhost:8080/orders"],
        ),
        (
            Place::Retry(failing()),
            head(LaneState::Waiting),
            vec![
                "waits for its retry, in 1.5 s",
                "3 attempts so far, the first 7.3 s ago; the last",
            ],
        ),
        (Place::Parked(failing()), head(LaneState::Parked), vec!["parked: ", "503 Service"]),
        (
            Place::Destination {
                destination: Some("http://a:1".into()),
                reason: Some(Reason::BreakerOpen),
                retry_in_seconds: Some(4.0),
            },
            head(LaneState::Destination),
            vec!["its destination, http://a:1: its breaker is open; more is taken in 4.0 s"],
        ),
        (
            Place::Destination { destination: None, reason: None, retry_in_seconds: None },
            None,
            vec!["a place among the destinations: it takes more by now"],
        ),
        (
            Place::DeadLettering(failing()),
            head(LaneState::DeadLettering),
            vec!["its dead letter is being written, in 1.5 s", "3 attempts"],
        ),
        (Place::Stopped(failing()), head(LaneState::Stopped), vec!["stops for it", "3 attempts"]),
        (settled(true), None, vec!["settled, and committed\ncommitted is offset 50\n", "is 51"]),
        (settled(false), None, vec!["settled, above the committed offset"]),
    ] {
        let told = said(place, lane);
        assert!(told.starts_with("orders/3@42: "), "{told}");
        for part in parts {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
    }
}

#[test]
fn every_reason_and_rest_is_told_apart() {
    let reasons = [
        Reason::Paused,
        Reason::Standstill,
        Reason::SendersBusy,
        Reason::DestinationFull,
        Reason::DestinationShare,
        Reason::RetryAfter,
        Reason::BreakerOpen,
        Reason::BreakerProbe,
        Reason::Rate,
        Reason::TooManyDestinations,
    ];
    let waiting = |reason| {
        let lane = Lane { reason: Some(reason), ..lane(LaneState::Ready) };
        said(Place::Queued { behind: 0 }, Some(lane))
    };
    let mut told: Vec<String> = reasons.into_iter().map(waiting).collect();
    assert!(told.iter().zip(reasons).all(|(told, reason)| told.contains(why(reason))));
    let rests = [
        Rest::Stopping,
        Rest::Paused,
        Rest::Revoking,
        Rest::Buffer,
        Rest::OffsetSpan,
        Rest::BackPressure,
    ];
    told.extend(rests.into_iter().map(|rest| {
        let (next_offset, log_end) = (None, None);
        said(Place::NotFetched { next_offset, log_end, intake: Some(rest) }, None)
    }));
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), reasons.len() + rests.len(), "{told:#?}");
}

#[test]
fn a_key_is_told_in_each_of_its_partitions() {
    let here = KeyInPartition {
        partition: 3,
        in_lanes: 2,
        held_by_span: 1,
        in_transit: 4,
        more_in_transit: true,
        first: Some(record(Place::Parked(failing()), Some(lane(LaneState::Parked)))),
    };
    let key = |partitions| KeyExplanation { topic: "orders".into(), key: "k".into(), partitions };
    let told = sentences(&Explanation::Key(key(vec![here])));
    assert_eq!(told[0], "orders, key k, partition 3: 2 records in lanes");
    assert_eq!(told[1], "1 record more held by the offset span");
    assert_eq!(told[2], "4 records more on the way to its lane");
    assert!(told[3].contains("more may be on the way"), "{told:?}");
    assert!(told[4].starts_with("the first, orders/3@42: parked"), "{told:?}");
    let nothing = sentences(&Explanation::Key(key(Vec::new())));
    assert!(nothing.len() == 1 && nothing[0].contains("nothing is held"), "{nothing:?}");
}

fn pipelines(names: &[&str]) -> Pipelines {
    Pipelines { pipelines: names.iter().map(|name| Pipeline::without_counts(name)).collect() }
}

#[test]
fn the_only_pipeline_need_not_be_named() {
    assert_eq!(named(None, &pipelines(&["orders"])).ok(), Some("orders"));
    let two = pipelines(&["orders", "returns"]);
    assert_eq!(named(Some("returns"), &two).ok(), Some("returns"));
    let needed = named(None, &two).unwrap_err();
    assert_eq!(needed.to_string(), "name the pipeline with --pipeline, one of: orders, returns");
    assert_eq!(needed.exit(), exit::USAGE);
    let unknown = named(Some("order"), &two).unwrap_err();
    assert!(unknown.to_string().ends_with("there is: orders, returns"), "{unknown}");
    assert_eq!(unknown.exit(), exit::FAILED);
    assert_eq!(named(None, &pipelines(&[])).unwrap_err().exit(), exit::FAILED);
}

#[test]
fn a_pipeline_that_does_not_run_is_told_from_one_that_is_not_there() {
    let mut known = pipelines(&["orders"]);
    known.pipelines[0].state = State::Failed;
    known.pipelines[0].failure = Some("no broker".into());
    let told = at_rest("orders", &known).unwrap();
    assert_eq!(told.to_string(), "the pipeline \"orders\" is failed, and holds nothing: no broker");
    assert_eq!(told.exit(), exit::FAILED);
    assert!(at_rest("order", &known).is_none());
}

#[test]
fn json_stays_the_same_json_and_steers_no_terminal() {
    let sent = "{\"a\": \"\u{9b}2Jé\u{7f}\"}\n";
    let printed = as_sent(sent);
    assert_eq!(printed, "{\"a\": \"\\u009b2Jé\\u007f\"}\n");
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(&printed), read(sent));
}
