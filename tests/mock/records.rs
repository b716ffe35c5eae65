//! Records of any bytes, from none to the largest, are delivered as they are.

use super::stage::Stage;
use crate::support::*;

#[test]
fn every_byte_passes_in_keys_values_and_headers() {
    let all: Vec<u8> = (0..=255).collect();
    let mut records = vec![Record::new(all.clone(), all.clone()).header("all", all.clone())];
    for &byte in &all {
        // Alone, and next to what could make it something else.
        records.push(Record::new([byte], [byte]).header("one", [byte]));
        records.push(Record::new([b'%', byte, b':'], [byte, byte, b'\n']));
    }
    let stage = Stage::new(3);
    let sent = stage.produce(records);
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    // The endpoint compares each body, and each key as `Keyway-Key` has it.
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn keys_that_could_be_taken_for_another_encoding_stay_what_they_are() {
    let keys =
        ["base64:/wA=", "base64:", "%41", "a%", "a+b", " ", "\t", "null", "ключ", "sha256:00"];
    let stage = Stage::new(1);
    let sent = stage.produce(keys.iter().map(|key| Record::new(*key, "x")).collect());
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn values_of_every_size_come_whole() {
    let sizes = [0, 1, 2, 1_023, 16_384, 65_535, 65_536, 999_000, 1_048_576, 3_000_000];
    let stage = Stage::new(4);
    let mut rng = Rng::new(17);
    let records = (0_i32..).zip(sizes).map(|(n, size)| {
        let bytes: Vec<u8> = (0..size).map(|_| rng.bits().to_le_bytes()[0]).collect();
        // The mock cluster keeps 5 MiB of a partition.
        Record::new(format!("{size}"), bytes).to(n % 4)
    });
    let sent = stage.produce(records.collect());
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}

#[test]
fn a_record_larger_than_the_buffer_is_delivered_all_the_same() {
    let stage = Stage::new(1);
    let sent = stage.produce(vec![
        Record::new("a", vec![b'x'; 2_500_000]),
        Record::new("b", vec![b'y'; 10]),
        Record::new("a", vec![b'z'; 1_500_000]),
    ]);
    let mut keyway = stage.keyway().env("KEYWAY_BUFFER_BYTES", "1MiB").start();
    stage.finish(&mut keyway, &sent);
    stage.endpoint.verdict(&sent).assert_exact();
}
