//! Records into a file, and the process is killed: every record is there once, in the order of its
//! key, and no line is torn.

use super::stage::Stage;
use crate::support::{Cluster, Keyway, Rng, wait_for, written};

const PARTITIONS: i32 = 6;
const KILLS: usize = 20;

/// From a file that is rotated meanwhile, at moments of chance: after so many lines more, of which the
/// next may be half written, or while what was written is read back.
#[test]
fn killed_twenty_times_under_load_every_record_is_in_the_file_once() {
    let stage = Stage::new("files", PARTITIONS);
    let folder = tempfile::tempdir().unwrap();
    let keyway = || {
        Keyway::run(stage.kafka)
            .topic(&stage.topic)
            .group(&stage.group)
            .env("KEYWAY_FILE_PATH", folder.path().join("orders").display())
            .env("KEYWAY_FILE_FORMAT", "ndjson")
            .env("KEYWAY_FILE_ROTATE_SIZE", "1MiB")
            .env("KEYWAY_RETRY_INITIAL", "20ms")
            .env("KEYWAY_RETRY_MAX", "200ms")
            .kafka("group.instance.id", "only")
    };
    let load = stage.load(3_000, 300);
    let mut random = Rng::new(20);
    let (mut torn, mut before) = (0, 0);
    for kill in 1..=KILLS {
        let mut running = keyway().start();
        if kill % 5 == 0 {
            running.wait_for_log("file read back");
        } else {
            let wanted = before + 1 + usize::try_from(random.below(2_000)).unwrap();
            wait_for(&format!("{wanted} lines"), || {
                (written::lines(folder.path()) >= wanted).then_some(())
            });
        }
        running.kill();
        before = written::lines(folder.path());
        torn += running
            .log()
            .iter()
            .filter(|line| line["msg"].as_str().is_some_and(|it| it.contains("torn")))
            .count();
    }
    let mut last = keyway().start();
    let sent = load.stop();
    stage.kafka.wait_all_committed(&stage.group, &stage.topic);
    last.stop();
    written::assert_exact(folder.path(), &sent);
    println!("files: {} records, {torn} torn lines cut off in {KILLS} kills", sent.len());
}
