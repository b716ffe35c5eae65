//! What is printed of a request, and what is not.

use keyway_actors::Record;
use keyway_actors::route::{PlanContext, RouteSettings, RoutesSettings, TemplateRoutes};

use super::*;

const SECRET: &str = "SECRET/EN v";

fn written(url: &str) -> RequestSettings {
    RequestSettings { url: url.to_owned(), ..RequestSettings::default() }
}

/// The lines of a request, with `${TOKEN}` filled in.
fn shown(written: &RequestSettings, token: &str) -> String {
    let fill = |text: &String| text.replace("${TOKEN}", token);
    let request = RequestSettings {
        method: None,
        url: fill(&written.url),
        headers: written.headers.iter().map(|(name, it)| (name.clone(), fill(it))).collect(),
        body: written.body.as_ref().map(fill),
    };
    let routes = vec![RouteSettings { when: None, requests: vec![request] }];
    let routes = RoutesSettings { routes, ..RoutesSettings::default() };
    let routes = TemplateRoutes::new(&routes).expect("routes");
    let record = Record::builder("t", 0, 7).key("a b").value(r#"{"id": 5, "q": "x?&y"}"#);
    let record = record.header("x", "h").build();
    let (plan, _) = routes.plan_with_places(&record, &PlanContext::new(1, "g")).expect("a plan");
    let mut filled = Filled::default();
    filled.add("TOKEN", token);
    let value = "the record's value";
    Shown { request: &plan.requests()[0], written, filled: &filled, value }.lines(1)
}

/// The URL.
fn url(written_url: &str) -> String {
    let text = shown(&written(written_url), SECRET);
    text["1. POST ".len()..].lines().next().expect("a line").to_owned()
}

#[test]
fn of_a_query_what_the_record_gives_is_shown() {
    for (written, printed) in [
        ("https://h/x?token=hush", "https://h/x?token=..."),
        ("https://h/x?hush", "https://h/x?..."),
        ("https://h/{{ key }}?id={{ value.id }}&t=hush", "https://h/a%20b?id=5&t=..."),
        ("https://h/?q={{ value.q }}&x={{ headers['x'] }}", "https://h/?q=x%3F%26y&x=h"),
        ("https://h/?id={{ value.id }}-{{ offset }}", "https://h/?id=5-7"),
        ("https://h/?id={{ value.id }}hush", "https://h/?id=..."),
        ("https://h/?id={{ value.no | default('hush') }}", "https://h/?id=..."),
        ("https://h/{{ value.q }}?a={{ key }}", "https://h/x%3F%26y?a=a%20b"),
        ("https://h/x", "https://h/x"),
    ] {
        assert_eq!(url(written), printed, "{written}");
    }
}

#[test]
fn a_value_that_code_may_have_changed_is_not_shown() {
    for (written, printed) in [
        ("https://h/{{ '${TOKEN}' }}", "https://h/{{ '${TOKEN}' }}"),
        ("https://h/{{ '${TOKEN}' | upper }}?a=hush", "https://h/{{ '${TOKEN}' | upper }}?..."),
        ("https://h/?a={{ '${TOKEN}' | replace('E', 'x') }}", "https://h/?..."),
    ] {
        assert_eq!(url(written), printed, "{written}");
    }
    let mut request = written("https://h/");
    request.headers = vec![
        ("X-Code".to_owned(), "{{ '${TOKEN}' | replace('E', 'x') }}".to_owned()),
        ("X-Text".to_owned(), "v ${TOKEN}".to_owned()),
        ("X-Api-Key".to_owned(), "hush".to_owned()),
        ("X-Region".to_owned(), "eu".to_owned()),
    ];
    request.body = Some("{{ '${TOKEN}' | tojson }}".to_owned());
    assert_eq!(
        shown(&request, SECRET),
        "1. POST https://h/\n   x-text: v ${TOKEN}\n   x-api-key: (not shown)\n   x-region: eu\n   \
         x-code: (not shown)\n   body: 13 bytes of its own\n"
    );
    // A template in the variable is code too, whatever it leaves of the variable's text.
    request = written("https://h/");
    request.body = Some("${TOKEN}".to_owned());
    let text = shown(&request, "hush{{ key }}");
    assert!(!text.contains("hush"), "{text}");
    let text = shown(&request, "hush-hush\n");
    assert!(text.ends_with("   body:\n     ${TOKEN}\n"), "{text}");
}

#[test]
fn a_url_that_changed_the_value_is_shown_as_it_is_written() {
    let text = shown(&written("https://${TOKEN}/x"), "Hidden.Example");
    assert!(text.starts_with("1. POST https://${TOKEN}/x\n"), "{text}");
    let text = shown(&written("${TOKEN}&id={{ key }}"), "https://h/x?token=hush");
    assert!(text.starts_with("1. POST ${TOKEN}&id=a%20b\n"), "{text}");
}

#[test]
fn a_body_that_is_long_or_no_text_is_told_by_its_size() {
    for (body, printed) in [
        ("a".repeat(4096), format!("body: {}\n", "a".repeat(4096))),
        ("a".repeat(4097), "body: 4097 bytes of its own\n".to_owned()),
        ("a\tb\u{7}".to_owned(), "body: 4 bytes of its own\n".to_owned()),
    ] {
        let request = RequestSettings { body: Some(body), ..written("https://h/") };
        assert!(shown(&request, SECRET).ends_with(&printed), "{printed}");
    }
    // It was told by its size: what one wants to see of a body of JSON is its lines.
    let request =
        RequestSettings { body: Some("{\n  \"a\": 1\n}".to_owned()), ..written("https://h/") };
    let text = shown(&request, SECRET);
    assert!(text.ends_with("   body:\n     {\n       \"a\": 1\n     }\n"), "{text}");
    let value = shown(&written("https://h/"), SECRET);
    assert!(value.ends_with("   body: the record's value\n"), "{value}");
}
