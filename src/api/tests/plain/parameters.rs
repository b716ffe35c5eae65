//! Parameters: from where they are taken, and what is said of those that are not right.

use actix_web::http::{Method, StatusCode, header};
use awc::Client;
use serde_json::{Value, json};

use super::super::PATIENCE;
use super::{OK, Plain};

/// What is wrong, as the kind and the place of each, and that each says what.
fn faults((status, answer): &(StatusCode, Value)) -> Vec<Value> {
    assert_eq!(*status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let faults = answer["detail"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert!(faults.iter().all(|fault| !fault["msg"].as_str().unwrap().is_empty()), "{answer}");
    let place = |fault: &Value| json!([fault["type"], fault["loc"]]);
    faults.iter().map(place).collect()
}

fn start(plain: &Plain, query: &str, body: &Value) -> impl Future<Output = (StatusCode, Value)> {
    let path = format!("/start-consumer{query}");
    let body = body.clone();
    async move { plain.ask(Method::POST, &path, &body).await }
}

#[actix_rt::test]
async fn what_is_missing_is_named_with_where_it_was_looked_for() {
    let plain = Plain::new();
    let missing = |place: &str, names: &[&str]| -> Vec<Value> {
        names.iter().map(|name| json!(["missing", [place, name]])).collect()
    };
    let all = ["broker", "topic", "file_path"];
    let refused = start(&plain, "", &Value::Null).await;
    assert_eq!(faults(&refused), missing("query", &all));
    let first = json!({ "type": "missing", "loc": ["query", "broker"], "msg": "Field required" });
    assert_eq!(refused.1["detail"][0], first);
    assert_eq!(faults(&start(&plain, "", &json!({})).await), missing("body", &all));
    // Empty is as good as not there.
    let refused = start(&plain, "?broker=a:1&topic=&file_path=a", &Value::Null).await;
    assert_eq!(faults(&refused), missing("query", &["topic"]));
    let body = json!({ "broker": "a:1", "topic": null, "file_path": "" });
    assert_eq!(faults(&start(&plain, "", &body).await), missing("body", &all[1..]));
    assert_eq!(plain.list().await["count"], 0);
}

#[actix_rt::test]
async fn what_is_not_what_it_has_to_be_is_named() {
    let plain = Plain::new();
    let value = |place: &str, name: &str| vec![json!(["value_error", [place, name]])];
    for (parameter, given) in [
        ("broker", "a:b"),
        ("topic", "a%20b"),
        ("group_id", "%20a"),
        ("client_id", "a/b"),
        ("client_id", ".."),
        ("http_url", "ftp://a/"),
    ] {
        let mut query = format!("?{parameter}={given}");
        for (other, given) in [("broker", "a:1"), ("topic", "a"), ("file_path", "a")] {
            if other != parameter && !(other == "file_path" && parameter == "http_url") {
                query = format!("{query}&{other}={given}");
            }
        }
        let refused = start(&plain, &query, &Value::Null).await;
        assert_eq!(faults(&refused), value("query", parameter), "{query}");
        let message = refused.1["detail"][0]["msg"].as_str().unwrap();
        assert!(message.starts_with("Value error, expected "), "{message}");
    }
    let both = "?broker=a:1&topic=a&file_path=a&http_url=http://a/";
    assert_eq!(faults(&start(&plain, both, &Value::Null).await), value("query", "file_path"));
    let body = json!({ "broker": 5, "topic": ["a"], "file_path": "a", "client_id": "a b" });
    let expected = [
        json!(["string_type", ["body", "broker"]]),
        json!(["string_type", ["body", "topic"]]),
        json!(["value_error", ["body", "client_id"]]),
    ];
    assert_eq!(faults(&start(&plain, "", &body).await), expected);
    assert_eq!(plain.list().await["count"], 0);
}

#[actix_rt::test]
async fn parameters_come_from_the_body_too_and_the_query_wins() {
    let plain = Plain::new();
    let body = json!({
        "broker": "127.0.0.1:1", "topic": "a", "http_url": "http://127.0.0.1:1/?a=hush",
        "client_id": "one", "more": 1,
    });
    let (status, answer) = start(&plain, "?topic=b&group_id=a+b%26c", &body).await;
    assert_eq!(status, OK, "{answer}");
    let (_, shown) = plain.get("/consumer-status/one").await;
    assert_eq!((&shown["topic"], &shown["group_id"]), (&json!("b"), &json!("a b&c")));
    assert_eq!(shown["http_url"], "http://127.0.0.1:1/?***");
}

#[actix_rt::test]
async fn a_key_that_a_body_has_twice_is_named() {
    let plain = Plain::new();
    let url = format!("http://{}/start-consumer?broker=a:1&topic=a&file_path=a", plain.api.address);
    for (text, key) in [
        (r#"{"topic": "a", "topic": "b"}"#, "topic"),
        (r#"{"group_id": "a", "topic": null, "group_id": "a"}"#, "group_id"),
        (r#"{"more": {"a": 1, "a": 2}}"#, "more.a"),
    ] {
        let request = Client::default().post(&url).timeout(PATIENCE);
        let request = request.insert_header((header::CONTENT_TYPE, "application/json"));
        let mut refused = request.send_body(text).await.unwrap();
        let answer = (refused.status(), refused.json().await.unwrap());
        assert_eq!(faults(&answer), [json!(["value_error", ["body", key]])], "{text}");
    }
    assert_eq!(plain.list().await["count"], 0);
}

#[actix_rt::test]
async fn a_body_that_is_no_object_of_json_is_refused() {
    let plain = Plain::new();
    let url = format!("http://{}/start-consumer", plain.api.address);
    for (kind, text, expected) in [
        ("application/json", "{", "json_invalid"),
        ("application/json", "[]", "model_attributes_type"),
        ("application/json; charset=utf-8", "5", "model_attributes_type"),
        ("text/plain", "{}", "model_attributes_type"),
    ] {
        let request = Client::default().post(&url).timeout(PATIENCE);
        let request = request.insert_header((header::CONTENT_TYPE, kind));
        let mut refused = request.send_body(text).await.unwrap();
        let answer = (refused.status(), refused.json().await.unwrap());
        assert_eq!(faults(&answer), [json!([expected, ["body"]])], "{kind}: {text}");
    }
    let request = Client::default().post(&url).timeout(PATIENCE);
    let request = request.insert_header((header::CONTENT_TYPE, "application/json"));
    let mut refused = request.send_body(vec![b' '; (1 << 20) + 1]).await.unwrap();
    let answer: Value = refused.json().await.unwrap();
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE, "{answer}");
    assert!(answer["detail"].is_string(), "{answer}");
}
