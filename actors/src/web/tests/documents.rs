//! The OpenAPI documents: whole in themselves, and of exactly what is mounted.

use std::collections::BTreeSet;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{App, test as asked, web};
use serde_json::Value;

use super::super::{openapi, probes, reading, scope};
use super::schema::{assert_valid, resolve};
use super::{end, unreachable};
use crate::handles::Handles;

/// Documents, by what they are of.
fn documents() -> [(&'static str, Value); 3] {
    [("scope", openapi::scope()), ("reading", openapi::reading()), ("probes", openapi::probes())]
        .map(|(of, document)| (of, serde_json::to_value(document).unwrap()))
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
fn the_paths_are_those_that_programs_rely_on() {
    let expected = [
        "GET /v1/pipelines",
        "GET /v1/pipelines/{name}",
        "POST /v1/pipelines/{name}/drain",
        "GET /v1/pipelines/{name}/explain",
        "GET /v1/pipelines/{name}/lanes",
        "GET /v1/pipelines/{name}/partitions",
        "POST /v1/pipelines/{name}/pause",
        "POST /v1/pipelines/{name}/resume",
        "GET /v1/verify",
        "GET /pipelines/{name}/explain",
        "GET /pipelines/{name}/lanes",
        "GET /pipelines/{name}/partitions",
        "GET /verify",
        "GET /livez",
        "GET /metrics",
        "GET /readyz",
    ];
    let documents = documents();
    let found = documents.iter().flat_map(|(_, document)| operations(document));
    let found: Vec<String> = found.map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_document_is_whole() {
    for (of, document) in documents() {
        assert_eq!(document["openapi"], "3.1.0", "{of}");
        assert!(!document.to_string().contains("[`"), "{of}: links to what only Rust knows");
        let mut references = Vec::new();
        named(&document, "$ref", &mut references);
        let used: BTreeSet<&str> = references.iter().map(|it| it.as_str().unwrap()).collect();
        for reference in &used {
            assert!(resolve(&document, reference).is_object(), "{of}: {reference}");
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let reference = format!("#/components/schemas/{name}");
            assert!(used.contains(&*reference), "{of}: nothing refers to {name}");
            assert!(schema["description"].is_string(), "{of}: {name} is not described");
        }
        for tag in document["tags"].as_array().unwrap() {
            assert!(tag["description"].is_string(), "{of}: {tag}");
        }
    }
}

#[test]
fn every_operation_is_described_with_all_its_answers_and_an_example_of_each() {
    for (of, document) in documents() {
        let mut ids = BTreeSet::new();
        for (method, path, operation) in operations(&document) {
            let at = format!("{of}: {method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().expect(&at)), "{at}");
            for text in ["summary", "description"] {
                assert!(operation[text].as_str().is_some_and(|it| it.len() > 6), "{at}: {text}");
            }
            let tags = operation["tags"].as_array().expect(&at);
            assert_eq!(tags.as_slice(), [document["tags"][0]["name"].clone()], "{at}");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let named = parameters.clone().filter(|it| it["in"] == "path").count();
            assert_eq!(named, path.matches('{').count(), "{at}: its parameters");
            assert!(parameters.clone().all(|it| it["description"].is_string()), "{at}");
            let refused = operation["responses"].get("400").is_some();
            assert_eq!(parameters.count() > named, refused, "{at}: what refuses a query");
            for (status, response) in operation["responses"].as_object().unwrap() {
                check_response(&document, status, response, &format!("{at} {status}"));
            }
        }
    }
}

fn check_response(document: &Value, status: &str, response: &Value, at: &str) {
    assert!(response["description"].as_str().is_some_and(|it| it.ends_with('.')), "{at}");
    let content = response["content"].as_object().expect(at);
    assert_eq!(content.len(), 1, "{at}");
    let (kind, body) = content.iter().next().unwrap();
    assert_valid(document, &body["schema"], &body["example"]);
    if kind == "application/problem+json" {
        assert_eq!(body["schema"]["$ref"], "#/components/schemas/Problem", "{at}");
        assert_eq!(body["example"]["status"].to_string(), status, "{at}");
    }
    let is_probe = kind == "text/plain" && status == "503";
    assert!(is_probe || kind == "application/problem+json" || status.starts_with('2'), "{at}");
}

/// Asks for each operation of a document: it is there, with these methods alone.
macro_rules! assert_mounted {
    ($app:expr, $base:expr, $document:expr) => {
        let app = asked::init_service($app).await;
        for (method, path, operation) in operations($document) {
            let url = format!("{}{}", $base, path.replace("{name}", "orders"));
            let ask = |method: Method| {
                let request = asked::TestRequest::default().method(method).uri(&url).to_request();
                asked::call_service(&app, request)
            };
            let answer = ask(method.clone()).await;
            let status = answer.status();
            let documented = &operation["responses"][status.as_str()];
            assert!(!documented.is_null(), "{method} {url}: {status} is not documented");
            assert!(![StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status));
            let (kind, body) = documented["content"].as_object().unwrap().iter().next().unwrap();
            let found = answer.headers().get(header::CONTENT_TYPE).unwrap().to_str().unwrap();
            assert_eq!(found.split(';').next(), kind.split(';').next(), "{url}");
            assert_eq!(answer.headers().get(header::CACHE_CONTROL).unwrap(), "no-store", "{url}");
            if kind == "application/json" {
                let shown: Value = asked::read_body_json(answer).await;
                assert_valid($document, &body["schema"], &shown);
            }
            let allowed: &[Method] =
                if method == Method::GET { &[Method::GET, Method::HEAD] } else { &[Method::POST] };
            for other in [
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::OPTIONS,
            ] {
                let answer = ask(other.clone()).await;
                if allowed.contains(&other) {
                    assert_ne!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{other} {url}");
                    continue;
                }
                assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{other} {url}");
                let allow = answer.headers().get(header::ALLOW).unwrap();
                let named: Vec<&str> = allow.to_str().unwrap().split(", ").collect();
                assert_eq!(named, allowed.iter().map(Method::as_str).collect::<Vec<_>>(), "{url}");
                let problem: Value = asked::read_body_json(answer).await;
                let whole = serde_json::to_value(openapi::scope()).unwrap();
                assert_valid(&whole, &whole["components"]["schemas"]["Problem"], &problem);
                assert_eq!(problem["status"], 405);
            }
        }
    };
}

#[actix_rt::test]
async fn what_is_documented_is_mounted_and_answers_as_documented() {
    let pipeline = unreachable("orders");
    let handles = || Handles::from(pipeline.clone());
    let [(_, whole), (_, details), (_, of_probes)] = documents();
    assert_mounted!(App::new().configure(probes(handles())), "", &of_probes);
    let some = web::scope("/some").configure(reading(handles()));
    assert_mounted!(App::new().service(some), "/some", &details);
    assert_mounted!(App::new().service(scope(handles())), "", &whole);
    end(&pipeline).await;
}
