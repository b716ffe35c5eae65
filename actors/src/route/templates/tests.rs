use awc::http::Method;
use proptest::prelude::*;

use super::*;
use crate::route::context::PARSED;
use crate::route::plan::MAX_REQUESTS;
use crate::route::settings::{RequestSettings, RouteSettings};

fn request(url: &str) -> RequestSettings {
    RequestSettings { url: url.to_owned(), ..RequestSettings::default() }
}

fn route(when: Option<&str>, requests: Vec<RequestSettings>) -> RouteSettings {
    RouteSettings { when: when.map(str::to_owned), requests }
}

fn settings(routes: Vec<RouteSettings>) -> RoutesSettings {
    RoutesSettings { routes, ..RoutesSettings::default() }
}

fn one(request: RequestSettings) -> TemplateRoutes {
    TemplateRoutes::new(&settings(vec![route(None, vec![request])])).unwrap()
}

fn plan(routes: &TemplateRoutes, record: &Record) -> Result<Plan, Refusal> {
    routes.plan(record, &PlanContext::new(1, "group"))
}

fn urls(routes: &TemplateRoutes, record: &Record) -> Vec<String> {
    let plan = plan(routes, record).unwrap();
    plan.requests().iter().map(|request| request.target().whole()).collect()
}

fn reason(routes: &TemplateRoutes, record: &Record) -> String {
    match plan(routes, record) {
        Err(Refusal::Rejected(failure)) => {
            assert_eq!(failure.kind, FailureKind::Unsendable);
            failure.reason.into_owned()
        }
        other => panic!("not rejected: {other:?}"),
    }
}

fn errors(settings: &RoutesSettings) -> Vec<String> {
    match TemplateRoutes::new(settings) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn record(value: &str) -> Record {
    Record::builder("orders", 2, 17).key("k").value(value).header("region", "eu").build()
}

#[test]
fn a_plan_comes_with_the_places_of_its_requests() {
    let routes = RoutesSettings {
        mode: MatchMode::All,
        routes: vec![
            route(Some("key == 'other'"), vec![request("http://h/a")]),
            route(Some("key == 'k'"), vec![request("http://h/b"), request("http://h/c")]),
            route(None, vec![request("http://h/d")]),
        ],
        ..RoutesSettings::default()
    };
    let routes = TemplateRoutes::new(&routes).unwrap();
    let (plan, places) =
        routes.plan_with_places(&record("1"), &PlanContext::new(1, "group")).unwrap();
    assert_eq!(plan.requests().len(), 3);
    assert_eq!(places, [(1, 0), (1, 1), (2, 0)]);
    assert_eq!(plan.requests()[2].url(), "http://h/d");
}

#[test]
fn an_order_goes_where_its_route_says() {
    let order = RequestSettings {
        method: Some("PUT".to_owned()),
        url: "https://api.example/orders/{{ value.id }}".to_owned(),
        headers: vec![
            ("X-Region".to_owned(), "{{ headers.region }}".to_owned()),
            ("X-Source".to_owned(), "keyway".to_owned()),
        ],
        body: Some("{{ value.order | tojson }}".to_owned()),
    };
    let when = r#"value.type == "order" and headers["region"] == "eu""#;
    let requests = vec![order, request("https://audit.example/{{ topic }}")];
    let routes = TemplateRoutes::new(&settings(vec![route(Some(when), requests)])).unwrap();
    let order = record(r#"{"type": "order", "id": "a/1", "order": {"z": 1, "a": [2.5, null]}}"#);
    let plan = plan(&routes, &order).unwrap();
    let [first, second] = plan.requests() else { panic!("two requests: {plan:?}") };
    assert_eq!(first.method_used(), Method::PUT);
    assert_eq!(first.target().whole(), "https://api.example/orders/a%2F1");
    let headers: Vec<_> = first
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(headers, [("x-source", "keyway"), ("x-region", "eu")]);
    assert_eq!(first.body_given().unwrap(), r#"{"z":1,"a":[2.5,null]}"#);
    assert_eq!(second.method_used(), Method::POST);
    assert_eq!(second.target().whole(), "https://audit.example/orders");
    assert_eq!(second.body_given(), None);
}

#[test]
fn the_first_match_decides_or_all_do() {
    let mut written = settings(vec![
        route(Some("value.a"), vec![request("http://a/")]),
        route(Some("value.none"), vec![request("http://none/")]),
        route(None, vec![request("http://b/"), request("http://c/")]),
    ]);
    let routes = TemplateRoutes::new(&written).unwrap();
    assert_eq!(urls(&routes, &record(r#"{"a": true}"#)), ["http://a/"]);
    assert_eq!(urls(&routes, &record("{}")), ["http://b/", "http://c/"]);
    written.mode = MatchMode::All;
    let routes = TemplateRoutes::new(&written).unwrap();
    assert_eq!(urls(&routes, &record(r#"{"a": 1}"#)), ["http://a/", "http://b/", "http://c/"]);
}

#[test]
fn what_no_route_matches_is_dealt_with_as_asked() {
    let mut written = settings(vec![route(Some("value.a"), vec![request("http://a/")])]);
    for (unmatched, refusal) in [
        (Unmatched::Filter, None),
        (Unmatched::DeadLetter, Some(Refusal::Unmatched(Unmatched::DeadLetter))),
        (Unmatched::Stop, Some(Refusal::Unmatched(Unmatched::Stop))),
    ] {
        written.unmatched = unmatched;
        let routes = TemplateRoutes::new(&written).unwrap();
        let planned = plan(&routes, &record("{}"));
        assert_eq!(planned.as_ref().err(), refusal.as_ref());
        assert!(planned.is_err() || planned.unwrap().requests().is_empty());
    }
    // A route without requests matches: the record is filtered on purpose.
    written.routes[0] = route(None, Vec::new());
    assert_eq!(urls(&TemplateRoutes::new(&written).unwrap(), &record("{}")), Vec::<String>::new());
}

#[test]
fn nothing_is_parsed_unless_it_is_asked_for() {
    PARSED.set(0);
    let mut plain = request("http://h/a");
    plain.method = Some("PATCH".to_owned());
    plain.headers = vec![("X-A".to_owned(), "b".to_owned())];
    let mut templated = request("http://h/{{ key }}/{{ offset }}");
    templated.headers = vec![("X-A".to_owned(), "{{ headers.region }}".to_owned())];
    let routes = TemplateRoutes::new(&settings(vec![route(
        Some("topic == 'orders' or value.a"),
        vec![plain, templated],
    )]))
    .unwrap();
    assert_eq!(urls(&routes, &record("not JSON")), ["http://h/a", "http://h/k/17"]);
    assert_eq!(PARSED.get(), 0);
    let asks = settings(vec![
        route(Some("value.a == 2"), vec![]),
        route(Some("value.a == 1"), vec![request("http://h/{{ value.a }}/{{ value.b }}")]),
    ]);
    let routes = TemplateRoutes::new(&asks).unwrap();
    assert_eq!(urls(&routes, &record(r#"{"a": 1, "b": 2}"#)), ["http://h/1/2"]);
    assert_eq!(PARSED.get(), 1, "once for all conditions and templates");
}

#[test]
fn a_body_that_is_the_value_is_its_very_bytes() {
    let bytes = "{\"a\":  1.10, \"big\": 123456789012345678901234567890}\n";
    for body in ["{{ value | tojson }}", " {{value|tojson}}\n", "{{ raw }}"] {
        let routes = one(RequestSettings { body: Some(body.to_owned()), ..request("http://h/") });
        assert_eq!(plan(&routes, &record(bytes)).unwrap().requests()[0].body_given(), None);
    }
    let json = one(RequestSettings {
        body: Some("{{ value | tojson }}".to_owned()),
        ..request("http://h/")
    });
    let error = reason(&json, &record("{"));
    assert!(
        error.starts_with("route 1, request 1, body: invalid operation: the record's value is")
    );
}

#[test]
fn a_tombstone_is_an_empty_value_and_null_in_json() {
    let tombstone = Record::builder("t", 0, 0).build();
    for (body, sent) in [
        (None, None),
        (Some("{{ raw }}"), None),
        (Some("{{ value | tojson }}"), Some("null")),
        (Some("[{{ value | tojson }}, {{ raw }}]"), Some("[null, null]")),
    ] {
        let body = body.map(str::to_owned);
        let routes = one(RequestSettings { body: body.clone(), ..request("http://h/") });
        let plan = plan(&routes, &tombstone).unwrap();
        let given = plan.requests()[0].body_given();
        assert_eq!(given.map(|it| &**it), sent.map(str::as_bytes), "{body:?}");
    }
}

#[test]
fn a_body_can_be_the_value_with_more() {
    let body = "{{ value | merge({'offset': offset, 'partition': partition, 'topic': topic, \
                'processed_at': now()}) | tojson }}";
    let routes = one(RequestSettings { body: Some(body.to_owned()), ..request("http://h/") });
    let plan = plan(&routes, &record(r#"{"z": 1, "a": "<>"}"#)).unwrap();
    let body = plan.requests()[0].body_given().unwrap();
    let text = std::str::from_utf8(body).unwrap();
    let start = r#"{"z":1,"a":"<>","offset":17,"partition":2,"topic":"orders","processed_at":"20"#;
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with("Z\"}"), "{text}");
}

#[test]
fn bodies_are_whole_templates_and_constants_are_shared() {
    let body = "{% for item in value.items %}{{ loop.index }}:{{ item.id }};{% endfor %}\n";
    let routes = one(RequestSettings { body: Some(body.to_owned()), ..request("http://h/") });
    let value = record(r#"{"items": [{"id": "a"}, {"id": 5}]}"#);
    assert_eq!(plan(&routes, &value).unwrap().requests()[0].body_given().unwrap(), "1:a;2:5;\n");
    let error = reason(&routes, &record(r#"{"items": [{}]}"#));
    assert_eq!(error, "route 1, request 1, body: undefined value, in line 1");
    let routes = one(RequestSettings { body: Some("{}\n".to_owned()), ..request("http://h/") });
    let bodies: Vec<_> = (0..2)
        .map(|_| plan(&routes, &record("x")).unwrap().requests()[0].body_given().unwrap().clone())
        .collect();
    assert_eq!(bodies[0], "{}\n");
    assert_eq!(bodies[0].as_ptr(), bodies[1].as_ptr());
}

#[test]
fn a_retry_renders_its_request_anew() {
    let body = "{{ attempt }} {{ timestamp }}".to_owned();
    let routes = one(RequestSettings { body: Some(body), ..request("http://h/") });
    let record = Record::builder("t", 0, 0).timestamp(1_700_000_000_000).build();
    let body = |attempt| {
        let plan = routes.plan(&record, &PlanContext::new(attempt, "group")).unwrap();
        plan.requests()[0].body_given().unwrap().clone()
    };
    assert_eq!((&*body(1), &*body(2)), (&b"1 1700000000000"[..], &b"2 1700000000000"[..]));
}

#[test]
fn a_plan_has_a_bounded_size() {
    let body = "{{ 'x' * 900000 }}{{ 'x' * value }}";
    let big = RequestSettings { body: Some(body.to_owned()), ..request("http://h/") };
    let routes =
        TemplateRoutes::new(&settings(vec![route(None, vec![big; MAX_REQUESTS])])).unwrap();
    let error = reason(&routes, &record("900000"));
    assert!(error.ends_with("body: the bodies are longer than 32 MiB"), "{error}");
    assert!(error.starts_with("route 1, request 19"), "{error}");
}

#[test]
fn a_header_takes_nothing_that_ends_it() {
    let routes = one(RequestSettings {
        headers: vec![("X-A".to_owned(), "a {{ key }}".to_owned())],
        ..request("http://h/")
    });
    for bad in ["\r\nX-B: hush", "hush\n", "\0hush", "hush\u{e9}", "hush\t"] {
        let error = reason(&routes, &Record::builder("t", 0, 0).key(bad).build());
        assert!(
            error.starts_with("route 1, request 1, header X-A: the value has the char"),
            "{error}"
        );
        assert!(!error.contains("hush"), "{error}");
    }
    let long = Record::builder("t", 0, 0).key("k".repeat(9000)).build();
    assert_eq!(
        reason(&routes, &long),
        "route 1, request 1, header X-A: the value is longer than 8 KiB"
    );
}

#[test]
fn a_record_that_a_template_cannot_use_is_rejected_with_the_place() {
    let when = TemplateRoutes::new(&settings(vec![
        route(Some("topic == 'x'"), vec![]),
        route(Some("value.a"), vec![]),
    ]))
    .unwrap();
    let error = reason(&when, &record("not JSON"));
    assert!(error.starts_with("route 2, when: invalid operation: the record's value is not JSON"));
    let url = one(request("http://h/{{ value.id }}"));
    assert_eq!(
        reason(&url, &record("{}")),
        "route 1, request 1, url: undefined value, in {{ value.id }}"
    );
    let method = one(RequestSettings {
        method: Some("{{ value.method }}".to_owned()),
        ..request("http://h/")
    });
    assert_eq!(urls(&method, &record(r#"{"method": "DELETE"}"#)), ["http://h/"]);
    let error = reason(&method, &record(r#"{"method": "GET"}"#));
    assert!(error.starts_with("route 1, request 1, method: the method is not one of"), "{error}");
}

#[test]
fn a_tombstone_has_a_value_of_none() {
    let routes = TemplateRoutes::new(&settings(vec![
        route(Some("value is none"), vec![request("http://gone/{{ key }}")]),
        route(None, vec![request("http://there/")]),
    ]))
    .unwrap();
    assert_eq!(urls(&routes, &Record::builder("t", 0, 0).key("k").build()), ["http://gone/k"]);
    assert_eq!(urls(&routes, &record("{}")), ["http://there/"]);
}

#[test]
fn all_that_is_wrong_is_said_at_the_start() {
    let mut bad = request("https://h/{{ value.id | urlencod }}");
    bad.method = Some("GET".to_owned());
    bad.headers = vec![
        ("Keyway-Key".to_owned(), "x".to_owned()),
        ("X-A".to_owned(), "a\nb".to_owned()),
        ("x-a".to_owned(), "c".to_owned()),
        ("X-B".to_owned(), "{{ ofset }}".to_owned()),
    ];
    bad.body = Some("{\n  \"a\": {{ value. }}\n}".to_owned());
    let mut written = settings(vec![
        route(Some("value.type = 1"), vec![bad]),
        route(None, vec![request("http://{{ key }}/")]),
    ]);
    written.allowed_hosts = vec!["*".to_owned()];
    let said = errors(&written);
    let starts = [
        "allowed_hosts 1, line 1, column 1: \"*\" is neither",
        "route 1, when, line 1, column 12: syntax error: ",
        "route 1, request 1, url, line 1, column 25: unknown filter \"urlencod\"",
        "route 1, request 1, method, line 1, column 1: the method is not one of",
        "route 1, request 1, header Keyway-Key, line 1, column 1: the header keyway-key is set by",
        "route 1, request 1, header X-A, line 1, column 1: the value has the character '\\n'",
        "route 1, request 1, header x-a, line 1, column 1: the header is given twice",
        "route 1, request 1, header X-B, line 1, column 4: unknown variable \"ofset\"; there are",
        "route 1, request 1, body, line 2, column 18: syntax error: ",
        "route 2, request 1, url, line 1, column 1: the host comes from a record: allowed_hosts",
    ];
    assert_eq!(said.len(), starts.len(), "{said:#?}");
    for (said, start) in said.iter().zip(starts) {
        assert!(said.starts_with(start), "{said}\nis not\n{start}");
    }
}

#[test]
fn methods_are_refused_in_templates_too() {
    let loops = "{% for k, v in value | items %}{{ loop.cycle('a', 'b') ~ k }}{% endfor %}";
    let mut bodied = request("http://h/{{ value.type.upper() }}");
    bodied.body = Some(loops.replace("value | items", "value.items()"));
    let written = settings(vec![route(None, vec![bodied])]);
    assert_eq!(
        errors(&written),
        [
            "route 1, request 1, url, line 1, column 24: a value has no methods; write | upper \
             instead of .upper(...)",
            "route 1, request 1, body, line 1, column 22: a value has no methods; write | items \
             instead of .items(...)",
        ]
    );
    let routes = one(RequestSettings { body: Some(loops.to_owned()), ..request("http://h/") });
    let plan = plan(&routes, &record(r#"{"x": 1, "y": 2}"#)).unwrap();
    assert_eq!(plan.requests()[0].body_given().unwrap(), "axby");
}

#[test]
fn plans_that_could_be_too_long_are_refused_at_the_start() {
    let half = || route(None, vec![request("http://h/"); MAX_REQUESTS / 2]);
    let more = || route(None, vec![request("http://h/"); MAX_REQUESTS / 2 + 1]);
    let mut written = settings(vec![half(), more()]);
    assert_eq!(errors(&written), Vec::<String>::new());
    written.mode = MatchMode::All;
    let said = errors(&written);
    assert!(said[0].starts_with("route 2, request, line 1, column 1: 65 requests"), "{said:?}");
}

#[test]
fn a_host_from_a_record_is_marked_and_must_be_allowed() {
    let mut written = settings(vec![route(None, vec![request("https://{{ headers.host }}/x")])]);
    written.allowed_hosts = vec!["*.example".to_owned()];
    let routes = TemplateRoutes::new(&written).unwrap();
    let to = |host: &str| Record::builder("t", 0, 0).header("host", host).build();
    let plan = plan(&routes, &to("a.example")).unwrap();
    assert!(plan.requests()[0].host_from_record());
    assert_eq!(plan.requests()[0].origin().as_str(), "https://a.example:443");
    assert_eq!(
        reason(&routes, &to("127.0.0.1")),
        "route 1, request 1, url: the host 127.0.0.1 is not among allowed_hosts"
    );
}

proptest! {
    /// Whatever is written as a route, it is taken or refused.
    #[test]
    fn no_text_of_a_route_brings_the_program_down(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{{", "}}", "{%", "%}", "{#", "#}", "-", "'", "\"", "(", ")", "[", "]", "{", "}", "value",
            ".", "|", "is", "not", "raw", "endraw", "if", "endif", "set", "=", "a", " ", "\n", "1", ":",
            "tojson", "filter", "&", "\u{e9}", "\\", "?", "/", "http://", "for", "in", "~", ",",
        ]), 0..14),
    ) {
        let text = pieces.concat();
        let written = settings(vec![route(Some(&text), vec![RequestSettings {
            method: Some(text.clone()),
            url: format!("http://h/{text}"),
            headers: vec![("X-A".to_owned(), text.clone())],
            body: Some(text.clone()),
        }])]);
        let said = errors(&written);
        prop_assert!(said.iter().all(|error| error.starts_with("route 1, ")), "{:?}", said);
        if let Ok(routes) = TemplateRoutes::new(&written) {
            drop(plan(&routes, &record("{}")));
        }
    }

    /// Whatever the bytes of a record are, what is sent has no control characters in head or URL,
    /// and goes to the host it is meant for.
    #[test]
    fn no_record_reaches_out_of_its_templates(
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop_oneof![
            any::<String>().prop_map(|text| serde_json::json!({ "id": text }).to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..40),
        ],
        header in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let routes = one(RequestSettings {
            headers: vec![("X-A".to_owned(), "{{ headers.h }}".to_owned())],
            body: Some("{{ raw }}{{ key_base64 }}".to_owned()),
            ..request("http://api.example/{{ key }}?id={{ value.id }}")
        });
        let record = Record::builder("t", 0, 0).key(key).value(value).header("h", header).build();
        match plan(&routes, &record) {
            Ok(plan) => {
                let request = &plan.requests()[0];
                prop_assert_eq!(request.origin().as_str(), "http://api.example:80");
                let path = request.target().path.as_str();
                prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(path.split('/').count(), 2);
                prop_assert_eq!(path.split(['?', '&', ';']).count(), 2);
                for (_, value) in request.headers() {
                    prop_assert!(value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)));
                }
            }
            Err(Refusal::Rejected(failure)) => {
                prop_assert!(failure.reason.starts_with("route 1, request 1, "));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn a_condition_cannot_ask_how_often_it_was_tried() {
    let found = errors(&settings(vec![route(Some("attempt <= 3"), vec![request("http://h/")])]));
    assert!(found[0].contains("unknown variable \"attempt\""), "{found:?}");
}

#[test]
fn routes_know_how_many_destinations_they_have() {
    let count = |urls: &[&str]| {
        let requests = urls.iter().map(|url| request(url)).collect();
        let hosts = vec!["*.example".to_owned()];
        let settings =
            RoutesSettings { allowed_hosts: hosts, ..settings(vec![route(None, requests)]) };
        TemplateRoutes::new(&settings).unwrap().destinations()
    };
    assert_eq!(count(&["http://h/a", "http://H:80/{{ key }}"]), Some(1));
    assert_eq!(count(&["http://h/", "https://h/"]), Some(2));
    assert_eq!(count(&["http://h/", "http://{{ key }}.example/"]), None);
}

/// What was filled in for `${NAME}` may be a secret.
#[test]
fn a_text_in_a_template_is_not_shown() {
    let routes = one(request("http://h/?k={{ 'hush' ~ value.t }}"));
    let record = Record::builder("t", 0, 0).value("{}").build();
    let reason = reason(&routes, &record);
    assert!(!reason.contains("hush"), "{reason}");
}
