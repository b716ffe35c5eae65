//! What a group has settled by its commits, read from the bytes and not by Keyway's own code: the
//! base, and the offsets above it that the metadata names (the format of Confluent Parallel
//! Consumer, as far as short metadata uses it: nothing compressed).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::*;

/// What is settled of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    topic: String,
    partitions: Vec<(i32, i64, BTreeSet<i64>)>,
}

impl Settled {
    /// By what was committed.
    pub fn of(topic: &str, committed: &[Committed]) -> Self {
        let partitions = committed.iter().map(|one| {
            let base = one.offset.unwrap_or(0);
            (one.partition, base, above(base, &one.metadata))
        });
        Self { topic: topic.to_owned(), partitions: partitions.collect() }
    }

    /// Whether that record is settled, so that nobody sends it again.
    pub fn has(&self, id: &Id) -> bool {
        assert_eq!(*id.topic, *self.topic);
        self.partitions.iter().any(|(partition, base, above)| {
            *partition == id.partition && (id.offset < *base || above.contains(&id.offset))
        })
    }

    /// How many offsets are settled above the committed ones.
    pub fn above(&self) -> usize {
        self.partitions.iter().map(|(_, _, above)| above.len()).sum()
    }

    /// The longest span that a partition's metadata describes, the base included.
    pub fn longest_span(&self) -> i64 {
        let spans = self.partitions.iter();
        spans.filter_map(|(_, base, above)| Some(above.last()? - base + 1)).max().unwrap_or(0)
    }
}

/// The offsets that metadata names as settled.
fn above(base: i64, metadata: &str) -> BTreeSet<i64> {
    if metadata.is_empty() {
        return BTreeSet::new();
    }
    let bytes = BASE64_STANDARD.decode(metadata).expect("metadata is base64");
    let (magic, payload) = bytes.split_first().expect("metadata has a magic byte");
    match magic {
        b'l' => bits(base, i64::from(number16(payload)), &payload[2..]),
        b'o' => bits(base, i64::from(number32(payload)), &payload[4..]),
        b'n' => runs(base, payload.chunks_exact(2).map(|run| i64::from(number16(run)))),
        b'e' => runs(base, payload.chunks_exact(4).map(|run| i64::from(number32(run)))),
        other => panic!("metadata of a story is short and plain, and has magic byte {other:#x}"),
    }
}

fn bits(base: i64, count: i64, bytes: &[u8]) -> BTreeSet<i64> {
    let is_set = |bit: &i64| {
        let (byte, place) = (usize::try_from(bit / 8).expect("a place"), bit % 8);
        bytes.get(byte).is_some_and(|byte| byte >> place & 1 == 1)
    };
    (0..count).filter(is_set).map(|bit| base + bit).collect()
}

fn runs(base: i64, runs: impl Iterator<Item = i64>) -> BTreeSet<i64> {
    let mut settled = BTreeSet::new();
    let mut at = base;
    for (number, run) in runs.enumerate() {
        if number % 2 == 1 {
            settled.extend(at..at + run);
        }
        at += run;
    }
    settled
}

fn number16(bytes: &[u8]) -> i16 {
    i16::from_be_bytes(bytes[..2].try_into().expect("two bytes"))
}

fn number32(bytes: &[u8]) -> i32 {
    i32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// Metadata of a bitset (v1), as Parallel Consumer writes it: bit 0 is the committed offset.
pub fn bitset(bits: &str) -> String {
    let count = i16::try_from(bits.len()).expect("a short bitset");
    let mut bytes = vec![b'l'];
    bytes.extend(count.to_be_bytes());
    bytes.extend(std::iter::repeat_n(0, bits.len().div_ceil(8) + 1));
    for (place, _) in bits.bytes().enumerate().filter(|(_, bit)| *bit == b'1') {
        bytes[3 + place / 8] |= 1 << (place % 8);
    }
    BASE64_STANDARD.encode(bytes)
}

#[test]
fn metadata_is_read_as_its_description_says() {
    let read =
        |bytes: &[u8]| above(100, &BASE64_STANDARD.encode(bytes)).into_iter().collect::<Vec<_>>();
    let both = vec![103, 105];
    assert_eq!(both, read(&[0x6c, 0, 6, 0x28, 0]));
    assert_eq!(both, read(&[0x6e, 0, 3, 0, 1, 0, 1, 0, 1]));
    assert_eq!(both, read(&[0x6f, 0, 0, 0, 6, 0x28]));
    assert_eq!(both, read(&[0x65, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]));
    assert_eq!(BASE64_STANDARD.encode([0x6c, 0, 6, 0x28, 0]), bitset("000101"));
}
