//! The headers of a record that go on to the receiver: content type and trace context.
//!
//! Only these, only when they are what they should be, so that nothing in a record can add a header
//! or end one.

use awc::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::record::Record;

/// Longer than any content type there is.
const CONTENT_TYPE_LIMIT: usize = 256;

/// What the W3C recommendation asks to pass on at least; beyond it, it may be dropped.
const TRACESTATE_LIMIT: usize = 512;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Headers found in a record; of several with one name the last, as Kafka's clients read them.
#[derive(Default)]
pub(super) struct Passed<'a> {
    content_type: Option<&'a [u8]>,
    traceparent: Option<&'a [u8]>,
    tracestate: Option<&'a [u8]>,
}

impl<'a> Passed<'a> {
    /// Finds them; their names are compared as HTTP does, without case.
    pub(super) fn of(record: &'a Record) -> Self {
        let mut found = Self::default();
        for (name, value) in record.headers() {
            let place = match name.len() {
                10 if name.eq_ignore_ascii_case("tracestate") => &mut found.tracestate,
                11 if name.eq_ignore_ascii_case("traceparent") => &mut found.traceparent,
                12 if name.eq_ignore_ascii_case("content-type") => &mut found.content_type,
                _ => continue,
            };
            *place = value;
        }
        found
    }

    /// What is sent is not the record's value: its content type is not for that.
    pub(super) fn forget_content_type(&mut self) {
        self.content_type = None;
    }

    /// Adds those that are valid.
    pub(super) fn put_into(self, headers: &mut HeaderMap) {
        if let Some(value) = self.content_type.and_then(|it| printable(it, CONTENT_TYPE_LIMIT)) {
            headers.insert(CONTENT_TYPE, value);
        }
        let Some(parent) = self.traceparent.filter(|it| is_traceparent(it)) else {
            // The state belongs to the parent and means nothing without it.
            return;
        };
        if let Ok(value) = HeaderValue::from_bytes(parent) {
            headers.insert(TRACEPARENT.clone(), value);
        }
        if let Some(value) = self.tracestate.and_then(|it| printable(it, TRACESTATE_LIMIT)) {
            headers.insert(TRACESTATE.clone(), value);
        }
    }
}

/// A header value of printable ASCII, trimmed; `None` for anything else.
fn printable(value: &[u8], limit: usize) -> Option<HeaderValue> {
    let value = value.trim_ascii();
    let fits = !value.is_empty() && value.len() <= limit;
    let printable = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    if fits && printable { HeaderValue::from_bytes(value).ok() } else { None }
}

/// `version-trace id-parent id-flags`, in lowercase hexadecimal, neither id zero; a version beyond 0
/// may have more behind it.
fn is_traceparent(value: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let Some((head, more)) = value.split_at_checked(55) else { return false };
    let (version, trace, parent, flags) = (&head[..2], &head[3..35], &head[36..52], &head[53..]);
    let more_is_fine = match more {
        [] => true,
        [b'-', tail @ ..] => {
            version != b"00" && tail.len() <= 200 && tail.iter().all(u8::is_ascii_graphic)
        }
        _ => false,
    };
    [head[2], head[35], head[52]] == *b"---"
        && [version, trace, parent, flags].into_iter().all(hex)
        && version != b"ff"
        && !zero(trace)
        && !zero(parent)
        && more_is_fine
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn passed(headers: &[(&str, &[u8])]) -> HeaderMap {
        let mut builder = Record::builder("t", 0, 0);
        for (name, value) in headers {
            builder = builder.header(name, *value);
        }
        let mut map = HeaderMap::new();
        Passed::of(&builder.build()).put_into(&mut map);
        map
    }

    fn content_type(value: &[u8]) -> Option<String> {
        let map = passed(&[("Content-Type", value)]);
        map.get("content-type").map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_content_type_is_passed_on_and_the_last_one_counts() {
        assert_eq!(
            content_type(b" text/csv; header=present ").unwrap(),
            "text/csv; header=present"
        );
        let map = passed(&[
            ("content-type", b"a/b"),
            ("CONTENT-TYPE", b"c/d"),
            ("x-content-type", b"e/f"),
        ]);
        assert_eq!(map.get("content-type").unwrap(), "c/d");
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn a_content_type_that_is_no_header_value_is_left_out() {
        for value in [
            &b""[..],
            b"  ",
            b"a\r\nx: y",
            b"a\nb",
            b"a\0b",
            b"\xff\xfe",
            b"caf\xc3\xa9",
            &[b'a'; 257],
        ] {
            assert_eq!(content_type(value), None, "{value:?}");
        }
    }

    #[test]
    fn trace_context_is_passed_on() {
        let map = passed(&[
            ("Traceparent", PARENT.as_bytes()),
            ("tracestate", b"a=1,b=2"),
            ("baggage", b"x=y"),
        ]);
        assert_eq!(map.get("traceparent").unwrap(), PARENT);
        assert_eq!(map.get("tracestate").unwrap(), "a=1,b=2");
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn trace_state_needs_its_parent() {
        assert_eq!(passed(&[("tracestate", b"a=1")]).len(), 0);
        assert_eq!(passed(&[("tracestate", b"a=1"), ("traceparent", b"00-1-2-3")]).len(), 0);
        let map = passed(&[("traceparent", PARENT.as_bytes()), ("tracestate", b"a=1\r\nx: y")]);
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn trace_parents_are_checked() {
        assert!(is_traceparent(PARENT.as_bytes()));
        assert!(is_traceparent(PARENT.replacen("00", "cc", 1).as_bytes()));
        assert!(is_traceparent(format!("cc{}-more", &PARENT[2..]).as_bytes()));
        for bad in [
            String::new(),
            PARENT[..54].to_owned(),
            format!("{PARENT}-more"),
            format!("{PARENT}x"),
            format!("cc{}-a\r\nb", &PARENT[2..]),
            PARENT.to_uppercase(),
            PARENT.replace('-', "_"),
            PARENT.replacen("00", "ff", 1),
            PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            PARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
            PARENT.replace('a', "g"),
        ] {
            assert!(!is_traceparent(bad.as_bytes()), "{bad:?}");
        }
    }
}
