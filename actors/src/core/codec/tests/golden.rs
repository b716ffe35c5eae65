//! Against strings that Parallel Consumer's own classes made.

use super::*;

use crate::core::codec::MAX_METADATA_CHARS;

/// How far a compressed string may be over the original's: a group of base64, three bytes. The
/// versions of zstd differ, and its output with them; a plain string must be exactly as short.
const ZSTD_SLACK_CHARS: usize = 4;

struct Case {
    name: String,
    base: Offset,
    settled: Vec<Range<Offset>>,
    data: Value,
}

fn cases() -> Vec<Case> {
    let read = |data: Value| {
        let number = |key: &str| data[key].as_i64().unwrap();
        let (base, highest) = (number("base"), number("highest_settled"));
        let written = [inclusive(&data["settled"]), inclusive(&data["absent"])].concat();
        let settled = normal(written, base, highest + 1);
        Case { name: data["name"].as_str().unwrap().into(), base, settled, data }
    };
    let cases: Vec<_> = fixture("fixtures-public.json").into_iter().map(read).collect();
    assert_eq!(cases.len(), 85);
    cases
}

impl Case {
    fn number(&self, key: &str) -> usize {
        self.data[key].as_u64().unwrap().try_into().unwrap()
    }

    /// What the original may choose: any of the encodings of the smallest size.
    fn smallest_are_plain(&self) -> bool {
        let smallest = self.data["chosen_smallest_of"].as_array().unwrap();
        smallest.iter().all(|name| !name.as_str().unwrap().ends_with("Compressed"))
    }
}

#[test]
fn every_encoding_of_every_case_reads_as_what_is_settled() {
    let mut strings = 0;
    for case in cases() {
        let Some(all) = case.data["all"].as_object() else {
            continue;
        };
        for (encoding, string) in all {
            let read = decode(case.base, string.as_str().unwrap());
            assert_eq!(read, Ok(case.settled.clone()), "{} {encoding}", case.name);
            strings += 1;
        }
    }
    assert_eq!(strings, 589);
}

#[test]
fn what_the_original_committed_reads_as_what_is_settled() {
    for case in cases() {
        let Some(chosen) = case.data["chosen"].as_str() else {
            continue;
        };
        let stripped = case.data["stripped"].as_bool().unwrap();
        let expected = if stripped { Vec::new() } else { case.settled };
        assert_eq!(decode(case.base, chosen), Ok(expected), "{}", case.name);
    }
}

#[test]
fn the_smallest_encoding_is_as_small_as_the_originals() {
    for case in cases() {
        let Encoded { metadata, covered } =
            encode_checked(case.base, &case.settled, MAX_METADATA_CHARS);
        if case.settled.is_empty() {
            assert_eq!(metadata, "", "{}", case.name);
            continue;
        }
        let smallest = case.number("smallest_chars");
        let slack = if case.smallest_are_plain() { 0 } else { ZSTD_SLACK_CHARS };
        let size = metadata.len();
        assert!(size <= smallest + slack, "{}: {size}, not {smallest}", case.name);
        assert!(size == smallest || slack > 0, "{}: {size}, not {smallest}", case.name);
        assert_eq!(covered, case.settled.last().unwrap().end, "{}", case.name);
    }
}

#[test]
fn the_only_smallest_encoding_is_written_to_the_letter_where_it_is_plain() {
    let mut compared = 0;
    for case in cases() {
        let smallest = case.data["chosen_smallest_of"].as_array().unwrap();
        if case.settled.is_empty() || smallest.is_empty() || !case.smallest_are_plain() {
            continue;
        }
        let written = encode(case.base, &case.settled, MAX_METADATA_CHARS).metadata;
        let right = smallest.iter().map(|name| &case.data["all"][name.as_str().unwrap()]);
        let right: Vec<_> = right.filter_map(Value::as_str).collect();
        assert!(right.contains(&written.as_str()), "{}: {written}", case.name);
        if let ([_], Some(chosen)) = (&smallest[..], case.data["chosen"].as_str())
            && !chosen.is_empty()
        {
            assert_eq!(written, chosen, "{}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared} compared");
}

/// Over 4,096 characters the original commits nothing and replays everything above the base; here
/// the beginning that fits is kept. Its own block at 3,072 characters is a matter of its intake.
#[test]
fn in_the_brokers_limit_nothing_is_left_out_that_the_original_could_write() {
    for case in cases() {
        let Some(whole) = case.settled.last().map(|last| last.end) else {
            continue;
        };
        let encoded = encode_checked(case.base, &case.settled, 4096);
        if case.data["stripped"].as_bool().unwrap() {
            assert!(case.number("smallest_chars") > 4096);
            let kept = encoded.covered - case.base;
            assert!((24_000..whole - case.base).contains(&kept), "{}: {kept}", case.name);
        } else {
            assert_eq!(encoded.covered, whole, "{}", case.name);
        }
    }
}
