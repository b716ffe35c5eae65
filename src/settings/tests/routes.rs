//! Routes: what the file has becomes what the library compiles, and what is wrong is told with its
//! place in the file.

use keyway_actors::route::{MatchMode, RouteSettings, Unmatched};

use super::*;

/// A pipeline without a URL; routes go at its end.
const HEAD: &str =
    "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n[[pipeline]]\ntopics = [\"orders\"]\n";

/// The lines of [`HEAD`].
const LINES: usize = 4;

fn typed(routes: &str) -> Typed {
    Typed::file(format!("{HEAD}{routes}").leak())
}

fn problems(routes: &str) -> Vec<String> {
    typed(routes).problems()
}

fn routes(typed: &Typed) -> Routes {
    match typed.http().way {
        Way::Routes(routes) => *routes,
        Way::One(url) => panic!("no routes, but {url}"),
    }
}

/// The place of a line below [`HEAD`].
fn at(line: usize) -> String {
    format!("keyway.toml:{}", LINES + line)
}

#[test]
fn routes_are_read_as_they_are_written() {
    let typed = typed(
        "match = 'all'\nunmatched = 'stop'\nhttp.allowed_hosts = ['*.b.example']\n\
         [[pipeline.route]]\nwhen = 'value.a == 1'\n\
         [[pipeline.route.request]]\nmethod = 'PUT'\nurl = 'http://h/{{ key }}'\nbody = '{{ raw }}'\n\
         headers = { X-B = '{{ topic }}', X-A = 'a' }\n\
         [[pipeline.route.request]]\nurl = 'http://${HOST}/'\n\
         [[pipeline.route]]\n",
    )
    .variable("HOST", "from-the-environment");
    let routes = routes(&typed);
    let settings = &routes.settings;
    assert_eq!((settings.mode, settings.unmatched), (MatchMode::All, Unmatched::Stop));
    assert_eq!(settings.allowed_hosts, ["*.b.example"]);
    assert_eq!(settings.routes.len(), 2);
    let RouteSettings { when, requests } = &settings.routes[0];
    assert_eq!(when.as_deref(), Some("value.a == 1"));
    assert_eq!(requests[0].method.as_deref(), Some("PUT"));
    assert_eq!(requests[0].url, "http://h/{{ key }}");
    assert_eq!(requests[0].body.as_deref(), Some("{{ raw }}"));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(requests[0].headers, [header("X-B", "{{ topic }}"), header("X-A", "a")]);
    assert_eq!(requests[1].url, "http://from-the-environment/");
    assert_eq!(routes.written.routes[0].requests[1].url, "http://${HOST}/");
    assert_eq!(settings.routes[1], RouteSettings::default());
    assert!(!format!("{routes:?}").contains("from-the-environment"));
}

#[test]
fn a_url_and_routes_are_one_too_many_and_neither_is_too_few() {
    let route = "[[pipeline.route]]\n";
    let twice = "there are routes ([[pipeline.route]]), which say themselves where records go; keep the one or the other";
    assert_eq!(
        problems(&format!("http.url = 'http://h/'\n{route}")),
        [format!("{}: pipeline 1: http.url: {twice}", at(1))]
    );
    assert_eq!(
        typed(route).variable("KEYWAY_URL", "http://h/").problems(),
        [format!("KEYWAY_URL: {twice}")]
    );
    let missing = problems("");
    assert_eq!(missing.len(), 1);
    assert!(missing[0].contains("http.url: missing"), "{missing:?}");
}

#[test]
fn what_is_for_routes_needs_some() {
    let alone = "there are no routes ([[pipeline.route]]) that it is for";
    assert_eq!(
        Typed::needed()
            .variable("KEYWAY_MATCH", "all")
            .variable("KEYWAY_UNMATCHED", "stop")
            .problems(),
        [format!("KEYWAY_MATCH: {alone}"), format!("KEYWAY_UNMATCHED: {alone}")]
    );
    let dead = "unmatched = 'dead_letter'\n[[pipeline.route]]\n";
    assert_eq!(
        problems(dead),
        [format!(
            "{}: pipeline 1: unmatched: expected filter or stop, got \"dead_letter\": there is no \
             dead-letter topic; set dead_letter.topic or KEYWAY_DEAD_LETTER_TOPIC",
            at(1)
        )]
    );
    typed(dead).variable("KEYWAY_DEAD_LETTER_TOPIC", "dead").settings();
}

#[test]
fn a_bad_template_is_told_with_its_line_and_column_in_the_file() {
    let url = "[[pipeline.route]]\n[[pipeline.route.request]]\n";
    let place = |line: usize, column: usize, what: &str| {
        format!("{}:{column}: pipeline 1: {what}", at(line))
    };
    let unknown = "unknown variable \"kye\"; there are attempt, group, headers, key, key_base64, offset, partition, raw, timestamp, topic, value";
    assert_eq!(
        problems(&format!("{url}  url = 'http://h/{{{{ kye }}}}'\n")),
        [format!("{}: {unknown}", place(3, 22, "route 1, request 1, url"))]
    );
    assert_eq!(
        problems(&format!(
            "{url}url = 'http://h/'\nbody = '''\nok {{{{ key }}}}\n  {{{{ kye }}}}'''\n"
        )),
        [format!("{}: {unknown}", place(6, 6, "route 1, request 1, body"))]
    );
    assert_eq!(
        problems(&format!("{url}url = 'http://h/'\nheaders = {{ X-Key = \"{{{{ kye }}}}\" }}\n")),
        [format!("{}: {unknown}", place(4, 25, "route 1, request 1, header X-Key"))]
    );
    let when = problems("[[pipeline.route]]\n[[pipeline.route]]\nwhen = \"key ==\"\n");
    let syntax = "syntax error: unexpected end of input, expected expression";
    assert_eq!(when, [format!("{}: {syntax}", place(3, 13, "route 2, when"))]);
}

#[test]
fn where_the_text_is_not_as_it_stands_there_its_own_column_is_told() {
    let counted = "counted with what its escapes and ${...} stand for";
    let escaped = problems("[[pipeline.route]]\nwhen = \"key == \\\"a\\\" or kye\"\n");
    assert!(
        escaped[0].starts_with(&format!(
            "{}: pipeline 1: route 1, when: line 1, column 15 of the text, {counted}: unknown",
            at(2)
        )),
        "{escaped:?}"
    );
    let filled = typed("[[pipeline.route]]\nwhen = 'key == \"${SECRET}\" or kye'\n")
        .variable("SECRET", "hunter2")
        .problems();
    assert!(filled[0].contains("of the text, "), "{filled:?}");
    assert!(!filled[0].contains("hunter2"), "{filled:?}");
}

/// They were replaced when the request was sent, without a word.
#[test]
fn a_header_that_another_setting_sets_is_refused() {
    let with = |settings: &str, request: &str| {
        let route = format!("[[pipeline.route]]\nrequest = [{{ url = 'http://h/', {request} }}]\n");
        typed(&format!("{settings}\n{route}"))
    };
    let bearer = "http.auth = { kind = 'bearer', token = 'hush' }";
    let own = "http.auth = { kind = 'header', name = 'X-Api-Key', value = 'hush' }";
    let events = "http.cloudevents.mode = 'binary'";
    for (settings, header, who) in [
        (bearer, "authorization", "http.auth.kind = \"bearer\""),
        (own, "x-api-key", "http.auth.name"),
        (events, "Ce-Type", "http.cloudevents.mode = \"binary\""),
        ("http.compression = 'gzip'", "Content-Encoding", "http.compression"),
    ] {
        let problems = with(settings, &format!("headers = {{ {header} = 'a' }}")).problems();
        let place = format!("{}: pipeline 1: route 1, request 1, header {header}", at(3));
        let what = "sets this header; leave out the one or the other";
        assert_eq!(problems, [format!("{place}: {who} {what}")]);
    }
    for (settings, request) in [
        (bearer, "headers = { X-Api-Key = 'a' }"),
        (own, "headers = { Authorization = 'a' }"),
        (events, "body = 'b', headers = { Ce-Type = 'a' }"),
        (events, "headers = { Content-Type = 'a/b' }"),
        ("http.cloudevents.mode = 'structured'", "headers = { Content-Type = 'a/b' }"),
        ("", "headers = { Ce-Type = 'a', Content-Encoding = 'gzip' }"),
    ] {
        with(settings, request).settings();
    }
}

#[test]
fn a_mistake_in_success_when_has_its_place_too() {
    let file =
        |text: &str| problems(&format!("http.url = 'http://h/'\nhttp.success_when = {text}\n"));
    let place = |column: usize, what: &str| {
        vec![format!("{}:{column}: pipeline 1: http.success_when: {what}", at(2))]
    };
    let methods = "a value has no methods; write is startingwith(...) instead of .startswith(...)";
    assert_eq!(file("'body.ok.startswith(\"x\")'"), place(30, methods));
    assert_eq!(file("\"'x' && false\""), place(26, "syntax error: unexpected character"));
    let braces = "syntax error: a condition is written without {{ and }}";
    assert_eq!(file("\"{{ body.ok }}\""), place(22, braces));
    let both = file("'a or b'");
    assert_eq!(both.len(), 2);
    assert!(both[1].starts_with(&format!("{}:27: ", at(2))), "{both:?}");
    let filled = typed("http.url = 'http://h/'\nhttp.success_when = '${NAME}'\n");
    let filled = filled.variable("NAME", "hush").problems();
    assert!(filled[0].contains("of the text, ") && !filled[0].contains("hush"), "{filled:?}");
}

#[test]
fn a_host_of_a_record_is_allowed_or_refused_at_the_start() {
    let route = "[[pipeline.route]]\nrequest = [{ url = 'https://{{ key }}/' }]\n";
    let refused = problems(route);
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with(&at(2)) && refused[0].contains("allowed_hosts"), "{refused:?}");
    typed(&format!("http.allowed_hosts = ['*.hooks.example']\n{route}")).settings();
    let bad = problems(&format!("http.allowed_hosts = ['https://a.example']\n{route}"));
    assert_eq!(bad.len(), 1, "there are some: {bad:?}");
    assert!(bad[0].contains("http.allowed_hosts: expected a host"), "{bad:?}");
}

#[test]
fn keys_that_nobody_knows_and_values_that_are_none() {
    let one = |routes: &str, line: usize, what: &str| {
        assert_eq!(problems(routes), [format!("{}: pipeline 1: {what}", at(line))], "{routes}");
    };
    one("[[pipeline.route]]\nwhne = 'true'\n", 2, "route 1, whne: unknown key; did you mean when?");
    one(
        "[[pipeline.route]]\n[[pipeline.route.request]]\nurl = 'http://h/'\nheader = {}\n",
        4,
        "route 1, request 1, header: unknown key; did you mean headers?",
    );
    one(
        "[[pipeline.route]]\n[[pipeline.route.request]]\nbody = ''\n",
        2,
        "route 1, request 1, url: missing",
    );
    one("[pipeline.route]\nwhen = 'true'\n", 1, "route: expected [[pipeline.route]]");
    one("route = []\n", 1, "route: expected [[pipeline.route]]");
    one("route = [1]\n", 1, "route 1: expected [[pipeline.route]]");
    one(
        "[[pipeline.route]]\nrequest = 1\n",
        2,
        "route 1, request: expected [[pipeline.route.request]]",
    );
    one(
        "[[pipeline.route]]\nrequest = [1]\n",
        2,
        "route 1, request 1: expected [[pipeline.route.request]]",
    );
    one("[[pipeline.route]]\nwhen = [1]\n", 2, "route 1, when: expected a plain value");
    one("[[pipeline.route]]\nwhen = '${NOPE}'\n", 2, "route 1, when: the variable NOPE is not set");
    one(
        "[[pipeline.route]]\nrequest = [{ url = 'http://h/', headers = 1 }]\n",
        2,
        "route 1, request 1, headers: expected a table",
    );
    let routes = problems("[[pipeline.routes]]\n");
    assert_eq!(
        routes[0],
        format!("{}: pipeline 1: routes: unknown key; did you mean route?", at(1))
    );
    let method =
        problems("[[pipeline.route]]\nrequest = [{ url = 'http://h/', method = 'GET' }]\n");
    assert!(
        method[0].contains("route 1, request 1, method: the method is not one of"),
        "{method:?}"
    );
}
