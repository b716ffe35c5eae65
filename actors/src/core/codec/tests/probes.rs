//! Against strings that are foreign, broken or hostile, and what Parallel Consumer made of them.

use super::*;

use crate::core::codec::DecodeError;

/// Where this reader answers otherwise than the original, on purpose.
#[derive(Clone, Copy)]
enum Differs {
    /// It reads this and comes to skip nothing; here it is refused, which skips nothing either.
    RefusedToTheSameEnd,
    /// It reads this and skips something; here it is refused, and that is sent again.
    Refused,
    /// It throws; here it is read, as these settled offsets (first and last).
    Read(&'static [[Offset; 2]]),
}

use Differs::{Read, Refused, RefusedToTheSameEnd};

const SETTLED_BASE: &str = "it calls the committed offset settled, which the commit contradicts; \
    the original drops it once it is given a record at that offset, here that is said at once";
const NEGATIVE: &str = "a negative length: the original steps back by it, even below the base, and \
    would skip records that nobody settled";
const OVERFLOW: &str = "beyond the largest offset, where the original comes round to the smallest";
const BOMB: &str = "64 MiB out of 3,000 characters: no writer makes it, and unpacking it takes \
    long in a place where a group waits";
const NOTHING_SAID: &str = "the original makes an object for each unsettled offset and dies of \
    memory; here what is unsettled costs nothing";
const WINDOW: &str = "the original refuses windows over 128 MiB for their memory; here a frame is \
    unpacked straight into a bounded buffer and takes none for a window";
const NULL: &str = "no metadata is none, not a fault";

/// Each difference: the beginning of the names that it applies to, what differs, and why.
const DIFFERENCES: &[(&str, Differs, &str)] = &[
    ("bitset-v1-count1-base-settled", RefusedToTheSameEnd, SETTLED_BASE),
    ("bitset-v2-count1-base-settled", RefusedToTheSameEnd, SETTLED_BASE),
    ("bitset-v1-count8-all-settled", RefusedToTheSameEnd, SETTLED_BASE),
    ("bitset-v2-count8-all-settled", RefusedToTheSameEnd, SETTLED_BASE),
    ("bitset-v1-count8-base-settled-then-hole", RefusedToTheSameEnd, SETTLED_BASE),
    ("bitset-v2-count8-base-settled-then-hole", RefusedToTheSameEnd, SETTLED_BASE),
    ("runs-v1-[0,5]-", RefusedToTheSameEnd, SETTLED_BASE),
    ("runs-v2-[0,5]-", RefusedToTheSameEnd, SETTLED_BASE),
    ("runs-v1-[0,5,2,3]-", RefusedToTheSameEnd, SETTLED_BASE),
    ("runs-v2-[0,5,2,3]-", RefusedToTheSameEnd, SETTLED_BASE),
    ("runs-v1-[0,1,0,1,1,1]-", RefusedToTheSameEnd, SETTLED_BASE),
    ("runs-v2-[0,1,0,1,1,1]-", RefusedToTheSameEnd, SETTLED_BASE),
    ("bitset-v1-count-minus-1", RefusedToTheSameEnd, NEGATIVE),
    ("bitset-v2-count-minus-1", RefusedToTheSameEnd, NEGATIVE),
    ("bitset-v1-count-minimum", RefusedToTheSameEnd, NEGATIVE),
    ("bitset-v2-count-minimum", RefusedToTheSameEnd, NEGATIVE),
    ("bitset-v1-count-0x8000", RefusedToTheSameEnd, NEGATIVE),
    ("runs-v1-[-1,5]-", RefusedToTheSameEnd, NEGATIVE),
    ("runs-v2-[-1,5]-", RefusedToTheSameEnd, NEGATIVE),
    ("runs-v1-[1,-1]-", RefusedToTheSameEnd, NEGATIVE),
    ("runs-v2-[1,-1]-", RefusedToTheSameEnd, NEGATIVE),
    ("runs-v1-[5,-3,2]-", RefusedToTheSameEnd, NEGATIVE),
    ("runs-v2-[5,-3,2]-", RefusedToTheSameEnd, NEGATIVE),
    ("runs-v1-[1,5,-2,2]-", Refused, NEGATIVE),
    ("runs-v2-[1,5,-2,2]-", Refused, NEGATIVE),
    ("runs-v1-[1,-5,1,9]-", Refused, NEGATIVE),
    ("runs-v2-[1,-5,1,9]-", Refused, NEGATIVE),
    ("runs-v1-unsigned-40000", RefusedToTheSameEnd, NEGATIVE),
    ("runs-v2-long-overflow", RefusedToTheSameEnd, OVERFLOW),
    ("zstd-bomb-64MiB", RefusedToTheSameEnd, BOMB),
    ("mem-bitset-v2-count-2147483647-no-bits", Read(&[]), NOTHING_SAID),
    ("mem-runs-v2-[2147483647]", Read(&[]), NOTHING_SAID),
    ("zstd-frame-under-uncompressed-magic-o", Read(&[]), NOTHING_SAID),
    ("zstd-hand-made-window-144MiB", Read(&[[101, 101], [109, 109]]), WINDOW),
    ("zstd-hand-made-window-256MiB", Read(&[[101, 101], [109, 109]]), WINDOW),
    ("zstd-hand-made-window-2GiB", Read(&[[101, 101], [109, 109]]), WINDOW),
    ("text-null", Read(&[]), NULL),
];

struct Probe {
    name: String,
    base: Offset,
    string: String,
    data: Value,
}

fn probes() -> Vec<Probe> {
    let read = |data: Value| Probe {
        name: data["name"].as_str().unwrap().into(),
        base: data["base"].as_i64().unwrap(),
        string: data["string"].as_str().unwrap_or_default().into(),
        data,
    };
    let probes: Vec<_> = fixture("decoder-probes.json").into_iter().map(read).collect();
    assert_eq!(probes.len(), 209);
    probes
}

impl Probe {
    fn difference(&self) -> Option<Differs> {
        let mut found = DIFFERENCES.iter().filter(|(name, ..)| self.name.starts_with(name));
        let first = found.next().map(|&(_, differs, _)| differs);
        assert!(found.next().is_none(), "{} differs twice", self.name);
        first
    }

    fn is_read_by_the_original(&self) -> bool {
        self.data["decode"]["exception"].is_null()
    }

    /// What the original has settled above the base, where it has the base itself unsettled.
    fn settled_in_the_original(&self) -> Option<Vec<Range<Offset>>> {
        let unsettled = inclusive(&self.data["decode"]["incompletes"]);
        if unsettled.first()?.start != self.base {
            return None;
        }
        let highest = self.data["decode"]["highest_seen"].as_i64()?;
        let ends = unsettled.iter().map(|range| range.end);
        let starts = unsettled.iter().skip(1).map(|range| range.start).chain([highest + 1]);
        Some(
            ends.zip(starts).map(|(end, start)| end..start).filter(|gap| !gap.is_empty()).collect(),
        )
    }

    /// Asserts that of the records the original was given it skipped exactly these.
    fn assert_skipped(&self, settled: Vec<Range<Offset>>) {
        let Some(polled) = self.data["polled"].as_array() else {
            return;
        };
        let (first, last) = (polled[0].as_i64().unwrap(), polled[1].as_i64().unwrap());
        let skipped = normal(settled, first, last + 1);
        assert_eq!(skipped, inclusive(&self.data["skipped"]), "{}", self.name);
    }
}

#[test]
fn what_the_original_reads_is_read_the_same_and_what_it_refuses_is_refused() {
    for probe in probes() {
        let ours = decode(probe.base, &probe.string);
        match (probe.difference(), probe.is_read_by_the_original()) {
            (None, true) => {
                let settled = ours.unwrap_or_else(|error| panic!("{}: {error}", probe.name));
                if let Some(theirs) = probe.settled_in_the_original() {
                    assert_eq!(settled, theirs, "{}", probe.name);
                }
                probe.assert_skipped(settled);
            }
            (None, false) | (Some(RefusedToTheSameEnd), true) => {
                assert!(ours.is_err(), "{}: read as {ours:?}", probe.name);
                probe.assert_skipped(Vec::new());
            }
            (Some(Refused), true) => {
                assert!(ours.is_err(), "{}: read as {ours:?}", probe.name);
                assert_ne!(inclusive(&probe.data["skipped"]), [], "{}: the same end", probe.name);
            }
            (Some(Read(settled)), false) => {
                let settled = settled.iter().map(|&[first, last]| first..last + 1).collect();
                assert_eq!(ours, Ok(settled), "{}", probe.name);
            }
            (Some(_), _) => panic!("{} does not differ in that way", probe.name),
        }
    }
}

#[test]
fn each_difference_is_one_of_a_probe() {
    let probes = probes();
    for (name, _, reason) in DIFFERENCES {
        assert!(probes.iter().any(|probe| probe.name.starts_with(name)), "{name}: {reason}");
    }
}

#[test]
fn what_another_program_wrote_is_told_from_what_is_broken() {
    let mut foreign = 0;
    for probe in probes() {
        let Err(error) = decode(probe.base, &probe.string) else {
            continue;
        };
        let theirs = probe.data["decode"]["exception"].as_str().unwrap_or_default();
        // A string that this fixture file leaves out is in its place as "<... chars>".
        let anothers = theirs.starts_with("KafkaStreams")
            || theirs.contains("Unexpected magic")
            || theirs.starts_with("OffsetDecodingError")
            || probe.string.starts_with('<');
        assert_eq!(error.is_foreign(), anothers, "{}: {error:?}", probe.name);
        foreign += usize::from(anothers);
    }
    assert!(foreign >= 20, "{foreign}");
    assert_eq!(decode(100, "AQ=="), Err(DecodeError::KafkaStreams { version: 1 }));
    assert_eq!(decode(100, "Ag=="), Err(DecodeError::KafkaStreams { version: 2 }));
    assert_eq!(decode(100, "AA=="), Err(DecodeError::UnknownMagic { magic: 0 }));
    assert_eq!(decode(100, "TA=="), Err(DecodeError::ByteArray { magic: b'L' }));
    assert_eq!(decode(100, "7g=="), Err(DecodeError::ByteArray { magic: 0xEE }));
}
