//! What `/v1` answers, of pipelines that cannot reach a broker.

use std::time::Instant;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{App, test};
use serde_json::Value;

use super::super::{Problem, openapi, scope};
use super::schema::assert_valid;
use super::{PATIENCE, end, unreachable};
use crate::handles::Handles;
use crate::{Handle, State};

/// What a request is answered by a fresh application: the status and the JSON.
async fn ask(handles: &Handles, method: Method, path: &str) -> (StatusCode, Value) {
    let app = test::init_service(App::new().service(scope(handles.clone()))).await;
    let request = test::TestRequest::default().method(method).uri(path).to_request();
    let answer = test::call_service(&app, request).await;
    assert_eq!(answer.headers().get(header::CACHE_CONTROL).unwrap(), "no-store", "{path}");
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).unwrap();
    let is_problem = kind == "application/problem+json";
    assert_eq!(is_problem, !status.is_success(), "{path}: {kind:?}");
    let json: Value = test::read_body_json(answer).await;
    if is_problem {
        let problem: Problem = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(problem.status, status.as_u16());
        assert_eq!(problem.r#type, "about:blank");
    }
    (status, json)
}

pub async fn get(handles: &Handles, path: &str) -> (StatusCode, Value) {
    ask(handles, Method::GET, path).await
}

async fn post(handles: &Handles, path: &str) -> (StatusCode, Value) {
    ask(handles, Method::POST, path).await
}

async fn wait_for(pipeline: &Handle, state: State) {
    let begun = Instant::now();
    while pipeline.status().state != state {
        assert!(begun.elapsed() < PATIENCE, "it is {:?}", pipeline.status().state);
        actix_rt::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn all_pipelines_are_listed_by_name_and_each_is_shown() {
    let (b, a) = (unreachable("b"), unreachable("a"));
    let handles = Handles::from_iter([b.clone(), a.clone()]);
    let (status, list) = get(&handles, "/v1/pipelines").await;
    assert_eq!(status, StatusCode::OK);
    let names: Vec<&Value> =
        list["pipelines"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    let (status, shown) = get(&handles, "/v1/pipelines/b").await;
    assert_eq!((status, &shown), (StatusCode::OK, &list["pipelines"][1]));
    assert_eq!((&shown["state"], &shown["joined"]), (&"starting".into(), &false.into()));
    handles.remove("b");
    assert_eq!(get(&handles, "/v1/pipelines/b").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&handles, "/v1/pipelines").await.1["pipelines"].as_array().unwrap().len(), 1);
    end(&a).await;
    end(&b).await;
}

#[actix_rt::test]
async fn no_pipelines_are_an_empty_list() {
    let none = Handles::default();
    let (status, list) = get(&none, "/v1/pipelines").await;
    assert_eq!((status, list), (StatusCode::OK, serde_json::json!({"pipelines": []})));
    let (status, verified) = get(&none, "/v1/verify").await;
    let nothing = serde_json::json!({"adds_up": true, "pipelines": []});
    assert_eq!((status, verified), (StatusCode::OK, nothing));
}

#[actix_rt::test]
async fn a_pipeline_without_partitions_has_none_to_show_and_adds_up() {
    let pipeline = unreachable("orders");
    let handles = Handles::from(pipeline.clone());
    let (status, shown) = get(&handles, "/v1/pipelines/orders/partitions").await;
    let none = serde_json::json!({"pipeline": "orders", "partitions": []});
    assert_eq!((status, shown), (StatusCode::OK, none));
    let (_, verified) = get(&handles, "/v1/verify").await;
    assert_eq!(verified["adds_up"], true);
    let account = &verified["pipelines"][0];
    assert_eq!((&account["pipeline"], &account["missing"]), (&"orders".into(), &0.into()));
    end(&pipeline).await;
}

#[actix_rt::test]
async fn a_pipeline_is_paused_resumed_and_drained() {
    let pipeline = unreachable("orders");
    let handles = Handles::from(pipeline.clone());
    for (step, state) in
        [("pause", State::Paused), ("resume", State::Starting), ("drain", State::Stopped)]
    {
        let (status, shown) = post(&handles, &format!("/v1/pipelines/orders/{step}")).await;
        assert_eq!((status, &shown["name"]), (StatusCode::ACCEPTED, &"orders".into()), "{step}");
        wait_for(&pipeline, state).await;
    }
    pipeline.wait().await.unwrap();
    for step in ["pause", "resume"] {
        let (status, problem) = post(&handles, &format!("/v1/pipelines/orders/{step}")).await;
        assert_eq!(status, StatusCode::CONFLICT, "{step}");
        assert!(problem["detail"].as_str().unwrap().contains("\"orders\" has stopped"));
    }
    let (status, shown) = post(&handles, "/v1/pipelines/orders/drain").await;
    assert_eq!((status, &shown["state"]), (StatusCode::ACCEPTED, &"stopped".into()));
}

#[actix_rt::test]
async fn what_is_not_there_is_a_problem() {
    let pipeline = unreachable("orders");
    let handles = Handles::from(pipeline.clone());
    for path in [
        "/v1/pipelines/order",
        "/v1/pipelines/order/partitions",
        "/v1/pipelines/Orders",
        "/v1/pipelines/%FF",
    ] {
        let (status, problem) = get(&handles, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("there is no pipeline \""), "{path}: {detail}");
    }
    for step in ["pause", "resume", "drain"] {
        let (status, _) = post(&handles, &format!("/v1/pipelines/order/{step}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{step}");
    }
    for path in ["/v1", "/v1/", "/v1/pipelines/", "/v1/pipelines/orders/elsewhere", "/v1/metrics"] {
        let (status, problem) = get(&handles, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("/v1/pipelines lists"), "{path}");
    }
    assert_eq!(pipeline.status().state, State::Starting, "nobody led it");
    end(&pipeline).await;
}

#[actix_rt::test]
async fn a_name_may_have_any_letters() {
    let name = "a b/c%2F+ü\"";
    let pipeline = unreachable(name);
    let handles = Handles::from(pipeline.clone());
    let (status, shown) = get(&handles, "/v1/pipelines/a%20b%2Fc%252F%2B%C3%BC%22").await;
    assert_eq!((status, &shown["name"]), (StatusCode::OK, &name.into()));
    end(&pipeline).await;
}

#[actix_rt::test]
async fn a_problem_names_each_thing_that_is_wrong() {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "two things are wrong")
        .with("http.url", "is no URL")
        .with("limit", "is above 1000");
    let json = serde_json::to_value(&problem).unwrap();
    let expected = serde_json::json!({
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "two things are wrong",
        "errors": [
            {"field": "http.url", "detail": "is no URL"},
            {"field": "limit", "detail": "is above 1000"},
        ],
    });
    assert_eq!(json, expected);
    let document = serde_json::to_value(openapi::scope()).unwrap();
    assert_valid(&document, &document["components"]["schemas"]["Problem"], &json);
    let answer = problem.response();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let none = serde_json::to_value(Problem::new(StatusCode::NOT_FOUND, "no")).unwrap();
    assert!(none.get("errors").is_none(), "{none}");
}
