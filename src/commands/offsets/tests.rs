use std::ops::Range;

use keyway_actors::core::codec::{DecodeError, encode};

use super::*;

fn commit(offset: Offset, settled: &[Range<Offset>]) -> Commit {
    let metadata = encode(offset, settled, 4096).metadata.into_bytes();
    Commit { offset, metadata, settled: Ok(settled.to_vec()) }
}

fn partition(committed: Option<Commit>, log: Range<Offset>) -> PartitionOffsets {
    PartitionOffsets {
        topic: "orders".into(),
        partition: 3,
        committed: Ok(committed),
        log: Ok(log),
    }
}

#[test]
fn a_row_says_how_far_the_group_is() {
    let offsets = partition(Some(commit(103, &[104..106, 110..111])), 0..200);
    let expected =
        ["orders", "3", "103", "3: 104-105, 110", "5: 103, 106-109", "200", "97", "BitSet"];
    assert_eq!(row(&offsets), expected);
}

#[test]
fn a_group_that_committed_nothing_has_no_lag() {
    assert_eq!(row(&partition(None, 5..9)), ["orders", "3", "none", "-", "-", "9", "-", "-"]);
}

#[test]
fn many_ranges_are_counted_and_shortened() {
    let settled: Vec<_> = (0..6).map(|at| 10 * at..10 * at + 2).collect();
    assert_eq!(ranges(&settled), "12: 0-1, 10-11, 20-21, 30-31, +2 more");
}

#[test]
fn metadata_that_cannot_be_read_is_said() {
    let mut foreign = commit(7, &[]);
    foreign.metadata = b"not\nours".to_vec();
    foreign.settled = Err(DecodeError::NotBase64);
    let offsets = partition(Some(foreign.clone()), 0..9);
    assert_eq!(row(&offsets)[3..5], ["?", "?"]);
    assert_eq!(row(&offsets)[7], "foreign");
    let notes = notes(&offsets);
    assert!(notes[0].starts_with("orders/3: ") && notes[0].contains(r"not\nours"), "{notes:?}");
    foreign.settled = Err(DecodeError::Truncated);
    assert_eq!(encoding(&foreign), "broken");
}

#[test]
fn a_commit_outside_the_log_is_noted() {
    let of = |log| notes(&partition(Some(commit(50, &[])), log)).join("\n");
    assert_eq!(of(0..50), "");
    assert!(of(60..70).contains("begins at 60"));
    assert!(of(0..40).contains("ends at 40"));
}

#[test]
fn what_could_not_be_read_shows_as_a_question() {
    let mut offsets = partition(Some(commit(1, &[])), 0..2);
    offsets.log = Err(AdminError::UnknownTopic("orders".into()));
    assert_eq!(row(&offsets), ["orders", "3", "1", "-", "-", "?", "-", "-"]);
    offsets.committed = Err(AdminError::Kafka("no".into()));
    assert_eq!(row(&offsets)[2], "?");
}
