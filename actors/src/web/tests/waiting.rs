//! What is answered of lanes, records and keys.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::pipelines::Broker;
use super::resources::get;
use super::schema::assert_valid;
use super::{end, unreachable};
use crate::explain::{Explanation, Failing, Lane, LaneState, MOST_LANES, Place, Reason, Rest};
use crate::explain::{KeyExplanation, KeyInPartition, RecordExplanation};
use crate::handles::Handles;
use crate::sink::sink_fn;
use crate::web::openapi;
use crate::{Outcome, Pipeline, Record};

const OK: StatusCode = StatusCode::OK;
const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;

#[actix_rt::test]
async fn lanes_records_and_keys_are_explained_by_the_pipeline_itself() {
    let broker = Broker::start();
    broker.fill(8);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let waits = Arc::clone(&gate);
    let sink = sink_fn(move |_: &Record| {
        let gate = Arc::clone(&waits);
        async move {
            let _passed = gate.acquire().await;
            Outcome::Delivered
        }
    });
    let pipeline = Pipeline::start(broker.fixed(), sink).unwrap();
    let handles = Handles::from(pipeline.clone());
    let ask = async |path: &str| get(&handles, &format!("/v1/pipelines/orders{path}")).await;
    // Eight records of seven keys.
    while pipeline.status().totals.in_flight < 7 {
        actix_rt::task::yield_now().await;
    }

    let (status, all) = ask("/lanes").await;
    assert_eq!((status, &all["matching"]), (OK, &json!(7)), "{all}");
    assert_eq!(all["lanes"].as_array().unwrap().len(), 7);
    let (_, two) = ask("/lanes?state=sending&limit=2").await;
    assert_eq!((two["lanes"].as_array().unwrap().len(), &two["matching"]), (2, &json!(7)));
    let (_, none) = ask("/lanes?state=parked").await;
    assert_eq!(none, json!({"lanes": [], "matching": 0, "unanswered": []}));

    let (status, record) = ask("/explain?partition=0&offset=7").await;
    assert_eq!((status, &record["state"], &record["behind"]), (OK, &json!("queued"), &json!(1)));
    assert_eq!((&record["about"], &record["lane"]["head_offset"]), (&json!("record"), &json!(0)));
    let (_, record) = ask("/explain?partition=1&offset=7&topic=orders").await;
    assert_eq!(record["state"], "not_assigned");
    let (status, key) = ask("/explain?key=key%2D0").await;
    assert_eq!((status, &key["about"], &key["key"]), (OK, &json!("key"), &json!("key-0")));
    assert_eq!(key["partitions"][0]["in_lanes"], 2);
    let document = serde_json::to_value(openapi::scope()).unwrap();
    let schemas = &document["components"]["schemas"];
    assert_valid(&document, &schemas["Lanes"], &all);
    assert_valid(&document, &schemas["Explanation"], &record);
    assert_valid(&document, &schemas["Explanation"], &key);

    gate.add_permits(8);
    end(&pipeline).await;
    for path in ["/lanes", "/explain?partition=0&offset=7"] {
        let (status, problem) = ask(path).await;
        assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    }
}

#[actix_rt::test]
async fn what_is_wrong_with_a_query_is_told_by_the_parameters_name() {
    let pipeline = unreachable("orders");
    let handles = Handles::from(pipeline.clone());
    let most = MOST_LANES + 1;
    for (query, wrong) in [
        ("lanes?state=asleep", &["state"][..]),
        ("lanes?limit=0", &["limit"]),
        ("lanes?limit=many", &["limit"]),
        (&format!("lanes?limit={most}"), &["limit"]),
        ("lanes?state=ready&state=ready", &["state"]),
        ("lanes?states=ready&state=no&limit=-1", &["states", "state", "limit"]),
        ("explain", &["partition", "offset"]),
        ("explain?topic=orders", &["partition", "offset"]),
        ("explain?partition=0", &["offset"]),
        ("explain?offset=0", &["partition"]),
        ("explain?partition=-1&offset=x", &["partition", "offset"]),
        ("explain?key=a&offset=1", &["offset"]),
        ("explain?key=base64:*", &["key"]),
        ("explain?key=sha256:00&partition=1", &["key", "partition"]),
    ] {
        let (status, problem) = get(&handles, &format!("/v1/pipelines/orders/{query}")).await;
        assert_eq!(status, BAD_REQUEST, "{query}");
        let errors = problem["errors"].as_array().unwrap();
        let fields: Vec<&Value> = errors.iter().map(|it| &it["field"]).collect();
        assert_eq!(fields, wrong, "{query}: {problem}");
        assert!(errors.iter().all(|it| it["detail"].as_str().unwrap().len() > 10), "{problem}");
    }
    let largest = format!("/v1/pipelines/orders/lanes?limit={MOST_LANES}&state=ready");
    assert_eq!(get(&handles, &largest).await.0, OK);
    end(&pipeline).await;
}

#[actix_rt::test]
async fn a_topic_that_is_needed_is_asked_for() {
    let mut config = crate::PipelineConfig::new("127.0.0.1:1", "orders", "group");
    config.topics.push("returns".to_owned());
    let deliver = |_: &Record| async { Outcome::Delivered };
    let pipeline = Pipeline::start(config, sink_fn(deliver)).unwrap();
    let handles = Handles::from(pipeline.clone());
    let path = format!("/v1/pipelines/{}/explain?partition=0&offset=0", pipeline.name());
    let (status, problem) = get(&handles, &path).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (BAD_REQUEST, &json!("topic")));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("orders, returns"), "{detail}");
    let (status, explained) = get(&handles, &format!("{path}&topic=orders")).await;
    assert_eq!((status, &explained["state"]), (OK, &json!("not_assigned")));
    end(&pipeline).await;
}

fn lane() -> Lane {
    Lane {
        topic: "orders".into(),
        partition: 3,
        key: None,
        state: LaneState::Destination,
        head_offset: 41,
        queued: 2,
        attempts: 3,
        waited_seconds: Some(7.5),
        sending_seconds: Some(0.5),
        failing_seconds: Some(7.25),
        retry_in_seconds: Some(1.5),
        failure: Some("503".into()),
        destination: Some("https://h:443".into()),
        url: Some("https://h/orders".into()),
        reason: Some(Reason::Rate),
    }
}

#[test]
fn every_place_is_shown_as_documented() {
    let failing = || Failing { attempts: 3, failure: Some("503".into()), ..Failing::default() };
    let document = serde_json::to_value(openapi::scope()).unwrap();
    let schema = &document["components"]["schemas"]["Explanation"];
    let record = |place: Place| RecordExplanation {
        topic: "orders".into(),
        partition: 3,
        offset: 42,
        place,
        held_seconds: Some(7.5),
        lane: Some(lane()),
    };
    for place in [
        Place::NotAssigned,
        Place::NotFetched { next_offset: None, log_end: Some(9), intake: Some(Rest::BackPressure) },
        Place::HeldBySpan { base_offset: Some(4), next_offset: Some(9) },
        Place::InTransit,
        Place::Queued { behind: 1 },
        Place::InFlight { attempt: 1, sending_seconds: 0.5, url: None },
        Place::Retry(failing()),
        Place::Parked(failing()),
        Place::Destination {
            destination: Some("https://h:443".into()),
            reason: Some(Reason::BreakerOpen),
            retry_in_seconds: Some(2.0),
        },
        Place::DeadLettering(failing()),
        Place::Stopped(failing()),
        Place::Settled { committed: true, committed_offset: Some(50), base_offset: Some(50) },
    ] {
        let json = serde_json::to_value(Explanation::Record(record(place).into())).unwrap();
        assert_valid(&document, schema, &json);
    }
    let key = KeyExplanation {
        topic: "orders".into(),
        key: "a".into(),
        partitions: vec![KeyInPartition {
            partition: 3,
            in_lanes: 1,
            held_by_span: 2,
            in_transit: 3,
            more_in_transit: true,
            first: Some(record(Place::InTransit)),
        }],
    };
    let json = serde_json::to_value(Explanation::Key(key)).unwrap();
    assert_valid(&document, schema, &json);
}
