//! Whether a text is a URI reference (RFC 3986, 4.1): its grammar, without its meaning.

use std::net::Ipv6Addr;

/// With or without a scheme, with or without a fragment; the empty one is one too.
pub(super) fn is_uri_reference(text: &str) -> bool {
    let (rest, fragment) = split(text, '#');
    let (rest, query) = split(rest, '?');
    let rest = match scheme(rest) {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        // A colon in the first segment would make it a scheme.
        Some(_) => return false,
        None => rest,
    };
    fragment.is_none_or(|it| is_made_of(it, "/?:@"))
        && query.is_none_or(|it| is_made_of(it, "/?:@"))
        && is_hierarchy(rest)
}

/// With a scheme and without a fragment (RFC 3986, 4.3).
pub(super) fn is_absolute_uri(text: &str) -> bool {
    let is_absolute = scheme(split(text, '?').0).is_some();
    is_absolute && !text.contains('#') && is_uri_reference(text)
}

fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// What comes before a colon in the first segment, and what after it.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let first = text.split('/').next()?;
    first.contains(':').then(|| text.split_once(':'))?
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it))
}

fn is_hierarchy(text: &str) -> bool {
    match text.strip_prefix("//") {
        None => is_made_of(text, "/:@"),
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            is_authority(authority) && is_made_of(path, "/:@")
        }
    }
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if !is_ip_literal(address) {
                return false;
            }
            ("", port)
        }
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
    is_made_of(user, ":")
        && is_made_of(host, "")
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_ip_literal(text: &str) -> bool {
    let is_future = |rest: &str| {
        rest.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|it| it.is_ascii_hexdigit())
                && !address.is_empty()
                && !address.contains('%')
                && is_made_of(address, ":")
        })
    };
    text.parse::<Ipv6Addr>().is_ok() || text.strip_prefix(['v', 'V']).is_some_and(is_future)
}

/// Unreserved characters, sub-delimiters, percent-encoded bytes and these.
fn is_made_of(text: &str, more: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                let digit = |it: Option<u8>| it.is_some_and(|it| it.is_ascii_hexdigit());
                digit(bytes.next()) && digit(bytes.next())
            }
            _ if byte.is_ascii_alphanumeric() => true,
            _ => b"-._~!$&'()*+,;=".contains(&byte) || more.as_bytes().contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_told_from_what_is_none() {
        for good in [
            // The examples of CloudEvents and of RFC 3986, 1.1.2.
            "https://github.com/cloudevents",
            "mailto:cncf-wg-serverless@lists.cncf.io",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "/cloudevents/spec/pull/123",
            "1-555-123-4567",
            "ldap://[2001:db8::7]/c=GB?objectClass?one",
            "tel:+1-816-555-1212",
            "telnet://192.0.2.16:80/",
            "http://[v7.a:b]/",
            "//host",
            "http://me:you@host:/?a=b#c/d?e",
            "?x",
            "#",
            "a/b:c",
            "./a:b",
            "%20",
            "keyway:g/t",
            "keyway:/",
            "",
        ] {
            assert!(is_uri_reference(good), "{good}");
        }
        for bad in [
            "a b",
            "\u{e9}",
            "%",
            "%2",
            "%2g",
            "%g2",
            "a#b#c",
            "1:b",
            ":b",
            "a_b:c",
            "http://[::1",
            "http://[::g]/",
            "http://[::1]x/",
            "http://h:x/",
            "http://a@b@c/",
            "http://h[/",
            "a[b]",
            "<a>",
            "\"a\"",
            "a\\b",
            "a^b",
            "a`b",
            "{a}",
            "a|b",
            "a\n",
            "http://[v.a]/",
            "http://[v7.]/",
            "http://h:1:2/",
        ] {
            assert!(!is_uri_reference(bad), "{bad}");
        }
    }

    #[test]
    fn absolute_ones_have_a_scheme_and_no_fragment() {
        for good in ["https://h/s?v=1", "urn:x", "a:"] {
            assert!(is_absolute_uri(good), "{good}");
        }
        for bad in ["", "/s", "//h/s", "s", "?a:b", "https://h/s#v1", "a b:c"] {
            assert!(!is_absolute_uri(bad), "{bad}");
        }
    }

    proptest! {
        /// Whatever another parser takes for a URI is one here, but for what RFC 3986 rules out and
        /// that one lets pass.
        #[test]
        fn what_others_take_for_one_is_one(text in "(https?://)?[a-z0-9.]{1,9}(:[0-9]{1,4})?(/[a-z0-9._~%!$&'()*+,;=:@-]{0,9}){0,3}(\\?[a-z/?]{0,5})?") {
            prop_assume!(text.parse::<awc::http::Uri>().is_ok());
            prop_assume!(!text.contains('%'));
            let relative = !text.starts_with("http");
            // "host:80" is a scheme and a path to the RFC.
            prop_assume!(!relative || !text.split('/').next().unwrap().contains(':'));
            prop_assert!(is_uri_reference(&text), "{}", text);
        }

        #[test]
        fn nothing_is_too_odd(text in "[a:/?#\\[\\]@%0-9. \u{e9}]{0,30}") {
            let taken = is_uri_reference(&text);
            prop_assert!(!taken || text.bytes().all(|it| it.is_ascii_graphic()), "{}", text);
            prop_assert!(!is_absolute_uri(&text) || taken);
        }
    }
}
