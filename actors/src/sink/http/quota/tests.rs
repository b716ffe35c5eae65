//! What services say, and what they should not.

use awc::http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

/// 2026-01-01, in seconds since 1970.
const NOW: u64 = 1_767_225_600;

fn said(fields: &[(&str, &str)]) -> Option<(u64, u64)> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    quota(&headers, now).map(|it| {
        assert_eq!(it.resets_in.subsec_nanos(), 0, "{it:?}");
        (it.remaining, it.resets_in.as_secs())
    })
}

fn limit(field: &str) -> Option<(u64, u64)> {
    said(&[("RateLimit", field)])
}

#[test]
fn the_examples_of_the_draft_are_read() {
    assert_eq!(limit(r#""default";r=50;t=30"#), Some((50, 30)));
    assert_eq!(limit(r#""default";r=999;pk=:dHJpYWwxMjEzMjM=:"#), None, "it has no end");
    assert_eq!(limit(r#""default";r=300000000;t=60;pk=:QXBwLTk5OQ==:"#), Some((300_000_000, 60)));
    assert_eq!(limit(r#""problemPolicy";r=0;t=10"#), Some((0, 10)));
    assert_eq!(limit("default;r=50;t=30"), Some((50, 30)), "revision 8");
    assert_eq!(limit("limit=100, remaining=50, reset=5"), Some((50, 5)), "revision 7");
    assert_eq!(
        said(&[
            ("ratelimit-limit", "100"),
            ("ratelimit-remaining", "50"),
            ("ratelimit-reset", "5")
        ]),
        Some((50, 5)),
        "revision 6"
    );
}

#[test]
fn the_strictest_of_several_counts() {
    for (field, strictest) in [
        (r#""minute";r=50;t=60, "hour";r=100;t=3600"#, (100, 3600)),
        (r#""hour";r=100;t=3600,"minute";r=1;t=60"#, (1, 60)),
        (r#""a";r=0;t=5, "b";r=0;t=50, "c";r=0;t=6"#, (0, 50)),
        (r#""a";r=0;t=0, "b";r=9;t=1"#, (9, 1)),
        (r#""b";r=9;t=1, "a";r=5;t=0"#, (9, 1)),
    ] {
        assert_eq!(limit(field), Some(strictest), "{field}");
    }
    assert_eq!(
        said(&[("ratelimit", r#""a";r=9;t=1"#), ("ratelimit", r#""b";r=1;t=1"#)]),
        Some((1, 1)),
        "a field may come in lines"
    );
}

#[test]
fn the_policy_says_what_is_counted_and_for_how_long() {
    let with = |policy: &str| said(&[("ratelimit", r#""a";r=7"#), ("ratelimit-policy", policy)]);
    assert_eq!(with(r#""b";q=1;w=1,"a";q=10;w=60"#), Some((7, 60)));
    assert_eq!(with(r#""a";q=10;qu="requests";w=60"#), Some((7, 60)));
    assert_eq!(with(r#""a";q=10;qu="content-bytes";w=60"#), None);
    assert_eq!(with(r#""a";q=10;qu="concurrent-requests";w=60"#), None);
    assert_eq!(with(r#""b";q=10;w=60"#), None);
    assert_eq!(with(r#""a";q=10;w=60;;"#), None, "malformed");
}

#[test]
fn what_is_malformed_says_nothing() {
    for field in [
        "",
        "50",
        "\"default\"",
        r#""default";r=-1;t=30"#,
        r#""default";r=1.5;t=30"#,
        r#""default";r="5";t=30"#,
        r#""default";r;t=30"#,
        r#""default";r=1234567890123456;t=30"#,
        r#""default";r=50;t=-30"#,
        r#""default";r=50;t=30,"#,
        r#""default";r=50;t=30,,"#,
        r#""default";r=50;t=30 "other";r=1;t=1"#,
        r#""default;r=50;t=30"#,
        r#""de\fault";r=50;t=30"#,
        r#""default";R=50;T=30"#,
        r#""default"; r= 50;t=30"#,
        r#"("default");r=50;t=30"#,
        r#""default";r=50;t=30;pk=:"#,
        r#""default";r=50;t=30;x=1234567890123456"#,
        r#""default";r=50;t=30;x=1.2345"#,
        r#""default";r=50;t=30;x=1."#,
        r#""default";r=50;t=30;x=--1"#,
        r#""default";r=50;t=30;x=?2"#,
        r#""default";r=50;t=30, "other";r=-1;t=30"#,
        "remaining=5",
        "remaining=5, reset=-1",
        "remaining=5; reset=1",
    ] {
        assert_eq!(limit(field), None, "{field}");
    }
    let long = format!("\"{}\";r=1;t=1", "x".repeat(FIELD_LIMIT));
    assert_eq!(limit(&long), None);
}

#[test]
fn a_reset_is_a_wait_or_a_date() {
    let reset = |reset: &str| {
        let fields = [("X-RateLimit-Remaining", "3"), ("X-RateLimit-Reset", reset)];
        said(&fields).map(|(remaining, seconds)| {
            assert_eq!(remaining, 3);
            seconds
        })
    };
    assert_eq!(reset("0"), Some(0));
    assert_eq!(reset(" 60 "), Some(60));
    assert_eq!(reset("86400"), Some(86_400));
    assert_eq!(reset("999999999"), Some(999_999_999));
    assert_eq!(reset(&(NOW + 90).to_string()), Some(90));
    assert_eq!(reset(&(NOW - 90).to_string()), Some(0));
    assert_eq!(reset("1000000000"), Some(0));
    assert_eq!(reset(&format!("{}.000", NOW + 90)), Some(90));
    assert_eq!(reset(&((NOW + 90) * 1000).to_string()), Some(90));
    for odd in ["", "-1", "soon", "1e3", "60s", ".5", "5.", "60, 90", "inf", "NaN"] {
        assert_eq!(reset(odd), None, "{odd}");
    }
}

#[test]
fn fractions_are_rounded_to_the_safe_side() {
    let mut headers = HeaderMap::new();
    headers
        .insert(HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from_static("9.9"));
    headers
        .insert(HeaderName::from_static("x-ratelimit-reset"), HeaderValue::from_static("0.0001"));
    let expected = Quota { remaining: 9, resets_in: Duration::from_millis(1) };
    assert_eq!(quota(&headers, SystemTime::UNIX_EPOCH), Some(expected));
}

#[test]
fn the_newest_that_says_something_counts() {
    let old = ("x-rate-limit-remaining", "1");
    let reset = ("x-rate-limit-reset", "10");
    assert_eq!(said(&[old, reset]), Some((1, 10)));
    let newer = [("ratelimit-remaining", "2"), ("ratelimit-reset", "20"), old, reset];
    assert_eq!(said(&newer), Some((2, 20)));
    let newest = ("ratelimit", r#""x";r=3;t=30"#);
    assert_eq!(said(&[&newer[..], &[newest]].concat()), Some((3, 30)));
    let broken = ("ratelimit", "\u{7f}"[..0].as_ref());
    assert_eq!(said(&[&newer[..], &[broken]].concat()), Some((2, 20)));
    assert_eq!(said(&[old]), None);
    assert_eq!(said(&[old, reset, old]), None, "twice is not understood");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        limits in proptest::collection::vec(("[ !#-\\[\\]-~]{0,9}", 0..1_000_000_u64, 1..100_000_u64), 1..6),
    ) {
        let field: Vec<_> =
            limits.iter().map(|(name, r, t)| format!("\"{name}\";r={r};x=\"a,\\\"b;\";t={t};y")).collect();
        // The slowest pace there is, and the longest of that pace.
        let strictest = limits.iter().map(|(_, r, t)| (*r, *t)).reduce(|one, other| {
            match (one.0 * other.1).cmp(&(other.0 * one.1)) {
                std::cmp::Ordering::Less => one,
                std::cmp::Ordering::Greater => other,
                std::cmp::Ordering::Equal => if one.1 >= other.1 { one } else { other },
            }
        });
        prop_assert_eq!(limit(&field.join(", ")), strictest);
        prop_assert_eq!(limit(&field.join(",")), strictest);
    }

    #[test]
    fn nothing_is_too_odd(value in "[\"a-z0-9;=,:.?*() \\\\-]{0,40}", reset in "[0-9.]{0,30}") {
        let _ = limit(&value);
        let _ = said_anything(&value, &reset);
    }
}

fn said_anything(remaining: &str, reset: &str) -> Option<Quota> {
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderValue::from_str(remaining).ok()?,
    );
    headers
        .insert(HeaderName::from_static("x-ratelimit-reset"), HeaderValue::from_str(reset).ok()?);
    quota(&headers, SystemTime::now())
}
