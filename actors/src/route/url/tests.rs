use proptest::prelude::*;

use super::*;
use crate::record::Record;
use crate::route::PlanContext;
use crate::route::context::VARIABLES;

fn hosts() -> AllowedHosts {
    AllowedHosts::new(&["*.hooks.example".to_owned(), "api.example".to_owned()]).unwrap()
}

fn compiled(source: &str) -> Url {
    Url::compile(source, &hosts(), &mut BTreeSet::new())
        .unwrap_or_else(|errors| panic!("{source}: {errors:?}"))
}

fn refused(source: &str) -> String {
    match Url::compile(source, &hosts(), &mut BTreeSet::new()) {
        Ok(_) => panic!("{source} was taken"),
        Err(errors) => errors[0].to_string(),
    }
}

/// The URL for a record with this key.
fn rendered(source: &str, key: &str) -> Result<Rendered, String> {
    let record = Record::builder("t", 0, 7).key(key).build();
    let plan = PlanContext::new(1, "g");
    compiled(source).render(&mut Lazy::new(&record, &plan, VARIABLES), &hosts())
}

fn whole(source: &str, key: &str) -> Result<String, String> {
    rendered(source, key).map(|url| url.target.whole())
}

#[test]
fn values_are_percent_encoded_where_they_stand() {
    let raw = "a/b c?d&e=f#g%h;+\u{e9}\r\n~._-";
    let encoded = "a%2Fb%20c%3Fd%26e%3Df%23g%25h%3B%2B%C3%A9%0D%0A~._-";
    for (source, before, behind) in [
        ("https://h/o/{{ key }}", "https://h/o/", ""),
        ("https://h/o/{{key}}/x", "https://h/o/", "/x"),
        ("https://h/o?a={{ key }}&b=1", "https://h/o?a=", "&b=1"),
        ("https://h?a={{ key }}", "https://h/?a=", ""),
        ("https://h/o?a={{ key | path }}", "https://h/o?a=", ""),
    ] {
        assert_eq!(whole(source, raw), Ok(format!("{before}{encoded}{behind}")), "{source}");
    }
}

#[test]
fn the_filter_path_lets_slashes_through_in_a_path() {
    let url = whole("https://h/files/{{ key | path }}?a", "x/y z/\u{e9}?");
    assert_eq!(url.as_deref(), Ok("https://h/files/x/y%20z/%C3%A9%3F?a"));
}

#[test]
fn a_value_makes_no_segment_that_names_another_resource() {
    let empty = Err("a value leaves a segment of the path empty".to_owned());
    let dots = Err("a segment of the path is \".\" or \"..\"".to_owned());
    for (source, key) in [
        ("https://h/o/{{ key }}", ""),
        ("https://h/o/{{ key }}/lines", ""),
        ("https://h/o/{{ key }}?a", ""),
        ("https://h/o/{{ key | path }}", "/etc"),
        ("https://h/o/{{ key | path }}", "a//b"),
        ("https://h/o/{{ key | path }}", "a/"),
    ] {
        assert_eq!(whole(source, key), empty, "{source} with {key:?}");
    }
    for (source, key) in [
        ("https://h/o/{{ key }}", "."),
        ("https://h/o/{{ key }}/x", ".."),
        ("https://h/o/.{{ key }}?a", "."),
        ("https://h/o/%2E{{ key }}", "."),
        ("https://h/o/{{ key | path }}", "a/../../b"),
    ] {
        assert_eq!(whole(source, key), dots, "{source} with {key:?}");
    }
    assert!(whole("https://h/o/{{ key }}", "...").is_ok());
    assert!(whole("https://h/o/a{{ key }}", "").is_ok());
    assert_eq!(whole("https://h/o/{{ key }}/", "k").as_deref(), Ok("https://h/o/k/"));
    assert!(whole("https://h/o?a={{ key }}", "..").is_ok());
}

#[test]
fn numbers_and_truths_are_written_and_what_is_no_text_is_refused() {
    assert_eq!(whole("https://h/{{ offset }}/{{ offset == 7 }}", "k").unwrap(), "https://h/7/true");
    for source in ["https://h/{{ timestamp }}", "https://h/{{ headers }}", "https://h/{{ [1] }}"] {
        let error = whole(source, "k").unwrap_err();
        assert!(error.contains("is not a text, in {{"), "{error}");
    }
    let error = whole("https://h/{{ headers.id }}", "k").unwrap_err();
    assert_eq!(error, "undefined value, in {{ headers.id }}");
}

#[test]
fn a_host_from_a_record_is_an_allowed_one() {
    let source = "https://{{ key }}.hooks.example:8443/a/{{ offset }}?b";
    let url = rendered(source, "EU.west").unwrap();
    assert_eq!(url.target.whole(), "https://eu.west.hooks.example:8443/a/7?b");
    assert_eq!(url.origin.as_str(), "https://eu.west.hooks.example:8443");
    assert!(url.host_from_record);
    assert!(!rendered("https://h/{{ key }}", "k").unwrap().host_from_record);
    assert!(!rendered("https://h/", "k").unwrap().host_from_record);
    assert_eq!(whole("HTTP://{{ key }}", "api.example").as_deref(), Ok("http://api.example/"));
    assert_eq!(
        whole("http://{{ key }}/", "evil.example"),
        Err("the host evil.example is not among allowed_hosts".to_owned())
    );
}

#[test]
fn what_is_no_host_name_is_not_shown() {
    for key in ["a@b", "api.example:80", "api.example/", "api.example?", "", "a b", "[::1]", "\r\n"]
    {
        assert_eq!(
            whole("http://{{ key }}/", key),
            Err("the record makes a host that is no host name".to_owned()),
            "{key:?}"
        );
    }
}

#[test]
fn scheme_and_port_are_not_for_a_record_to_say() {
    for (source, words) in [
        ("{{ key }}", "the scheme is not for a record"),
        ("{{ key }}://h/", "the scheme is not for a record"),
        ("http{{ key }}://h/", "http:// or https://, written out"),
        ("ftp://h/{{ key }}", "http:// or https://, written out"),
        ("http://h:{{ offset }}/", "the port is not for a record"),
        ("http://h:8{{ offset }}/", "the port is not for a record"),
        ("http://api.example:80{{ key }}/", "the port is not for a record"),
    ] {
        assert!(refused(source).contains(words), "{source}: {}", refused(source));
    }
}

#[test]
fn text_that_no_url_can_have_is_refused_at_the_start() {
    for (source, words) in [
        ("orders", "not an absolute URL"),
        ("http://me:hush@h/{{ key }}", "user name or password"),
        ("http://me@{{ key }}/", "user name or password"),
        ("http://h/{{ key }}#top", "fragment"),
        ("http://h/a b/{{ key }}", "character ' '"),
        ("http://h/../{{ key }}", "segment"),
        ("http://h/%{{ key }}", "percent-encoding"),
        ("http://h/%2{{ key }}", "percent-encoding"),
        ("http://[{{ key }}]/", "host"),
        ("http://h/{% if key %}a{% endif %}", "only {{ ... }}"),
    ] {
        assert!(refused(source).contains(words), "{source}: {}", refused(source));
    }
    assert_eq!(
        refused("http://h/{{ key | path"),
        "line 1, column 19: syntax error: unexpected end of input, expected end of variable block"
    );
    assert!(
        refused("http://h/{{ kee }}").starts_with("line 1, column 13: unknown variable \"kee\"")
    );
}

#[test]
fn a_host_from_a_record_needs_hosts_that_are_allowed() {
    let refused =
        |source| match Url::compile(source, &AllowedHosts::default(), &mut BTreeSet::new()) {
            Ok(_) => String::new(),
            Err(errors) => errors[0].message.clone(),
        };
    assert!(refused("http://{{ key }}/").contains("allowed_hosts"));
    assert!(refused("http://h{{ key }}/").contains("allowed_hosts"));
    assert_eq!(refused("http://h/{{ key }}"), "");
}

proptest! {
    /// No value leaves its place: the rest of the URL is what it would be with any other.
    #[test]
    fn no_value_leaves_its_place(key in any_text()) {
        let source = "https://api.example/a/{{ key }}/b?c={{ key }}&d=e";
        match whole(source, &key) {
            Err(_) => prop_assert!(matches!(&key[..], "" | "." | "..")),
            Ok(url) => {
                prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()));
                let rest = url.strip_prefix("https://api.example/").unwrap();
                let (path, query) = rest.split_once('?').unwrap();
                let segments: Vec<&str> = path.split('/').collect();
                prop_assert_eq!((segments.len(), segments[0], segments[2]), (3, "a", "b"));
                let parameters: Vec<&str> = query.split(['&', ';', '?', '#']).collect();
                prop_assert_eq!((parameters.len(), parameters[1]), (2, "d=e"));
                let value = parameters[0].strip_prefix("c=").unwrap();
                prop_assert_eq!(value, segments[1]);
                let decoded: Vec<u8> = percent_encoding::percent_decode_str(value).collect();
                prop_assert_eq!(decoded, key.into_bytes());
            }
        }
    }

    /// With slashes let through, a path still goes nowhere but down.
    #[test]
    fn a_path_goes_only_down(key in any_text()) {
        if let Ok(url) = whole("https://api.example/a/{{ key | path }}?d=e", &key) {
            prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()));
            let rest = url.strip_prefix("https://api.example/a/").unwrap();
            let path = rest.strip_suffix("?d=e").unwrap();
            prop_assert!(!path.contains(['?', '#', '\\']));
            prop_assert!(path.split('/').all(|it| !matches!(it, "" | "." | "..")), "{}", path);
            let decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
            prop_assert_eq!(decoded, key.into_bytes());
        }
    }

    /// A host is an allowed one, however it is put together.
    #[test]
    fn a_host_is_an_allowed_one(key in any_text()) {
        for source in ["https://{{ key }}.hooks.example/x", "https://{{ key }}/x"] {
            if let Ok(url) = rendered(source, &key) {
                let host = &url.target.host;
                prop_assert!(host.ends_with(".hooks.example") || &**host == "api.example");
                prop_assert_eq!(url.target.whole(), format!("https://{host}/x"));
            }
        }
    }
}

/// Text with much of what means something in a URL.
fn any_text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "/",
        "?",
        "#",
        "&",
        "=",
        "%",
        ".",
        "..",
        "%2e",
        "%2F",
        ":",
        "@",
        "\\",
        ";",
        "\r\n",
        "\0",
        "api.example",
        ".hooks.example",
        "a",
        "\u{ff0e}",
        " ",
        "+",
    ]);
    let piece = prop_oneof![3 => special.prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}
