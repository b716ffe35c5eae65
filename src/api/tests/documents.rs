//! The OpenAPI document: whole in itself, and of exactly what is mounted.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::{Method, StatusCode, header};
use awc::Client;
use serde_json::Value;

use super::super::guard::Guard;
use super::super::{LIMITS, openapi};
use super::{Api, PATIENCE};
use schema::{assert_valid, resolve};

#[path = "../../../actors/src/web/tests/schema.rs"]
mod schema;

fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

/// Each operation: its method, its path and itself.
fn operations(document: &Value) -> Vec<(Method, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter().map(move |(method, operation)| {
            (method.to_uppercase().parse().unwrap(), path.as_str(), operation)
        })
    });
    all.collect()
}

/// Every value anywhere in a document that is called so.
fn named<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(name));
            members.values().for_each(|it| named(it, name, found));
        }
        Value::Array(items) => items.iter().for_each(|it| named(it, name, found)),
        _ => {}
    }
}

#[test]
fn the_operations_are_those_that_programs_rely_on() {
    let document = document();
    let found = operations(&document);
    let found: Vec<String> =
        found.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let expected = [
        "GET /consumer-status/{consumer_id}",
        "GET /docs",
        "GET /docs/",
        "GET /docs/{file}",
        "GET /list-consumers",
        "GET /livez",
        "GET /metrics",
        "GET /openapi.json",
        "GET /readyz",
        "POST /start-consumer",
        "POST /stop-all",
        "POST /stop-consumer/{consumer_id}",
        "GET /v1/pipelines",
        "POST /v1/pipelines",
        "DELETE /v1/pipelines/{name}",
        "GET /v1/pipelines/{name}",
        "PUT /v1/pipelines/{name}",
        "POST /v1/pipelines/{name}/drain",
        "GET /v1/pipelines/{name}/explain",
        "GET /v1/pipelines/{name}/lanes",
        "GET /v1/pipelines/{name}/partitions",
        "POST /v1/pipelines/{name}/pause",
        "POST /v1/pipelines/{name}/restart",
        "POST /v1/pipelines/{name}/resume",
        "GET /v1/verify",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_document_is_whole() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["info"]["license"]["identifier"], env!("CARGO_PKG_LICENSE"));
    assert!(!document.to_string().contains("[`"), "it links to what only Rust knows");
    let mut references = Vec::new();
    named(&document, "$ref", &mut references);
    let used: BTreeSet<&str> = references.iter().map(|it| it.as_str().unwrap()).collect();
    for reference in &used {
        assert!(resolve(&document, reference).is_object(), "{reference}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let reference = format!("#/components/schemas/{name}");
        assert!(used.contains(&*reference), "nothing refers to {name}");
        assert!(schema["description"].is_string(), "{name} is not described");
    }
    let tags = document["tags"].as_array().unwrap();
    let names: BTreeSet<&str> = tags.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), tags.len(), "a tag is there twice");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().expect(&at)), "{at}");
        let tags = operation["tags"].as_array().expect(&at);
        assert!(tags.len() == 1 && names.contains(tags[0].as_str().unwrap()), "{at}");
        for text in ["summary", "description"] {
            assert!(operation[text].as_str().is_some_and(|it| it.len() > 6), "{at}: {text}");
        }
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let of_path = parameters.clone().filter(|it| it["in"] == "path").count();
        assert_eq!(of_path, path.matches('{').count(), "{at}: its parameters");
        assert!(parameters.clone().all(|it| it["description"].is_string()), "{at}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            if is_plain(operation) {
                assert!(response["content"].is_object(), "{at} {status}");
                continue;
            }
            check_response(&document, status, response, &format!("{at} {status}"));
        }
    }
}

/// Whether it is one of the plain endpoints, which refuse in a form of their own.
fn is_plain(operation: &Value) -> bool {
    operation["tags"][0] == "consumers"
}

fn check_response(document: &Value, status: &str, response: &Value, at: &str) {
    assert!(response["description"].as_str().is_some_and(|it| it.ends_with('.')), "{at}");
    let Some(content) = response["content"].as_object() else {
        assert!(["204", "308"].contains(&status), "{at}: it has a body");
        return;
    };
    for (kind, body) in content {
        if kind != "image/png" {
            assert_valid(document, &body["schema"], &body["example"]);
        }
        if kind == "application/problem+json" {
            assert_eq!(body["schema"]["$ref"], "#/components/schemas/Problem", "{at}");
            assert_eq!(body["example"]["status"].to_string(), status, "{at}");
        }
        let is_probe = kind == "text/plain" && status == "503";
        assert!(is_probe || kind == "application/problem+json" || status.starts_with('2'), "{at}");
    }
}

/// One that follows nowhere.
fn client() -> Client {
    Client::builder().disable_redirects().timeout(PATIENCE).finish()
}

/// A path with something in the place of each name in it.
fn filled(path: &str) -> String {
    let names = [("{name}", "orders"), ("{file}", "index.css"), ("{consumer_id}", "orders")];
    names.iter().fold(path.to_owned(), |path, (name, with)| path.replace(name, with))
}

#[actix_rt::test]
async fn what_is_documented_is_mounted_with_these_methods_alone() {
    let (api, client, document) = (Api::new(), client(), document());
    let mut methods: BTreeMap<&str, (&str, Vec<Method>)> = BTreeMap::new();
    for (method, path, operation) in operations(&document) {
        let url = format!("http://{}{}", api.address, filled(path));
        let mut answer = client.request(method.clone(), &url).send().await.unwrap();
        let status = answer.status();
        let documented = &operation["responses"][status.as_str()];
        assert!(!documented.is_null(), "{method} {path}: {status} is not documented");
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        let body = answer.body().limit(1 << 20).await.unwrap();
        if status == StatusCode::NOT_FOUND {
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(!text.contains("nothing here"), "{method} {path} is not mounted");
        }
        if let Some(content) = documented["content"].as_object() {
            let found = answer.headers().get(header::CONTENT_TYPE).unwrap().to_str().unwrap();
            let bare = |kind: &str| kind.split(';').next().map(str::to_owned);
            let body_is = content.iter().find(|(kind, _)| bare(kind) == bare(found));
            let (kind, of) = body_is.unwrap_or_else(|| panic!("{path}: {found}"));
            if kind.ends_with("json") && path != "/openapi.json" {
                let shown: Value = serde_json::from_slice(&body).unwrap();
                assert_valid(&document, &of["schema"], &shown);
            }
        }
        let refusal =
            if is_plain(operation) { "application/json" } else { "application/problem+json" };
        let (_, own) = methods.entry(path).or_insert_with(|| (refusal, Vec::new()));
        if method == Method::GET {
            own.push(Method::HEAD);
        }
        own.push(method);
    }
    for (path, (refusal, own)) in methods {
        let url = format!("http://{}{}", api.address, filled(path));
        let others = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
        ];
        for other in others {
            let answer = client.request(other.clone(), &url).send().await.unwrap();
            let refused = answer.status() == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(refused, !own.contains(&other), "{other} {path}");
            if refused {
                let allow = answer.headers().get(header::ALLOW).unwrap().to_str().unwrap();
                let named: BTreeSet<&str> = allow.split(", ").collect();
                assert_eq!(named, own.iter().map(Method::as_str).collect(), "{path}");
                let kind = answer.headers().get(header::CONTENT_TYPE).unwrap();
                assert_eq!(kind, refusal, "{other} {path}");
            }
        }
    }
}

#[actix_rt::test]
async fn the_token_is_asked_for_where_the_document_says() {
    let token = keyway_actors::sink::http::Secret::given("hush");
    let api = Api::guarded(LIMITS, |address| Guard::new(Some(token), address));
    let (client, document) = (client(), document());
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    for (method, path, operation) in operations(&document) {
        let url = format!("http://{}{}", api.address, filled(path));
        let refused = |status: StatusCode| status == StatusCode::UNAUTHORIZED;
        let needed = operation["security"] == serde_json::json!([{"token": []}]);
        assert!(needed || operation["security"] == serde_json::json!([]), "{path}");
        let unknown = client.request(method.clone(), &url).send().await.unwrap().status();
        assert_eq!(refused(unknown), needed, "{method} {path}");
        assert_eq!(operation["responses"]["401"].is_object(), needed, "{method} {path}");
        let known = client.request(method.clone(), &url).bearer_auth("hush");
        assert!(!refused(known.send().await.unwrap().status()), "{method} {path}");
        let elsewhere = client.request(method, &url).insert_header((header::HOST, "a.example"));
        assert_eq!(elsewhere.send().await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
        assert!(operation["responses"]["421"].is_object(), "{path}");
    }
}

#[actix_rt::test]
async fn the_document_that_is_served_is_this_one() {
    let (status, text) = Api::new().get("/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document());
}
