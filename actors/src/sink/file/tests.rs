//! Sinks that write real files.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use slog::{Discard, Logger, o};

use super::*;
use crate::core::Moment;
use crate::core::desk::Desk;
use crate::core::retry::RetryPolicy;

struct Stage {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.log");
        Self { _folder: folder, path }
    }

    fn settings(&self) -> FileSettings {
        FileSettings::new(&self.path)
    }

    fn ndjson(&self) -> FileSettings {
        FileSettings { format: Format::Ndjson, ..self.settings() }
    }

    fn content(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

fn sink(factory: &FileSink) -> ToFile {
    let context = SinkContext {
        pipeline: "p".into(),
        group_id: "g".into(),
        senders: 4,
        log: Logger::root(Discard, o!()),
    };
    factory.build(&context).unwrap()
}

fn record(offset: i64) -> Record {
    Record::builder("t", 0, offset).timestamp(1000).value(format!("v{offset}")).build()
}

/// Delivers records of one lane at once.
async fn deliver(sink: &ToFile, offsets: impl IntoIterator<Item = i64>) -> Outcome {
    let mut desk = Desk::new(RetryPolicy::default(), 1, sink.batch());
    for offset in offsets {
        desk.accept(record(offset)).unwrap();
    }
    let delivery = desk.dispatch(Moment::default()).unwrap();
    let outcomes = sink.deliver(&delivery).await;
    assert!(desk.dispatch(Moment::default()).is_none(), "it all went into one delivery");
    outcomes.get(0).unwrap().clone()
}

/// Delivers again until it is delivered: what held the file is about to let go of it.
async fn deliver_at_last(sink: &ToFile, offsets: impl IntoIterator<Item = i64> + Clone) {
    let begun = std::time::Instant::now();
    while deliver(sink, offsets.clone()).await != Outcome::Delivered {
        assert!(begun.elapsed() < Duration::from_mins(1), "it is not delivered");
        actix_rt::task::yield_now().await;
    }
}

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Retry { after: None, failure } => &failure.reason,
        other => panic!("{other:?}"),
    }
}

#[actix_rt::test]
async fn the_sinks_of_all_arbiters_write_one_file() {
    for sync in [
        SyncPolicy::Always,
        SyncPolicy::Never,
        SyncPolicy::default(),
        SyncPolicy::Interval(Duration::ZERO),
    ] {
        let stage = Stage::new();
        let factory = FileSink::new(FileSettings { sync, ..stage.settings() });
        let (one, other) = (sink(&factory), sink(&factory.clone()));
        assert!(!stage.path.exists() || stage.content().is_empty());
        assert_eq!(deliver(&one, 0..3).await, Outcome::Delivered);
        assert_eq!(deliver(&other, 3..4).await, Outcome::Delivered);
        assert_eq!(stage.content(), "v0\nv1\nv2\nv3\n");
    }
}

#[actix_rt::test]
async fn the_writer_ends_with_the_last_sink_and_begins_again_with_the_next() {
    let stage = Stage::new();
    let factory = FileSink::new(stage.settings());
    for offset in 0..3 {
        let (one, other) = (sink(&factory), sink(&factory));
        drop(one);
        assert_eq!(deliver(&other, [offset]).await, Outcome::Delivered, "the file is free");
    }
    let other_program = sink(&FileSink::new(stage.settings()));
    deliver_at_last(&other_program, [3]).await;
    assert_eq!(stage.content(), "v0\nv1\nv2\nv3\n");
}

#[actix_rt::test]
async fn a_file_that_another_has_is_waited_for() {
    let stage = Stage::new();
    let other = File::create(&stage.path).unwrap();
    other.try_lock().unwrap();
    let sink = sink(&FileSink::new(stage.settings()));
    let refused = deliver(&sink, [0]).await;
    let path = stage.path.display().to_string();
    assert!(reason(&refused).starts_with(&format!("{path} is written by another")), "{refused:?}");
    drop(other);
    assert_eq!(deliver(&sink, [0]).await, Outcome::Delivered);
    assert_eq!(stage.content(), "v0\n");
}

#[actix_rt::test]
async fn a_folder_that_is_missing_or_goes_is_waited_for() {
    let stage = Stage::new();
    let folder = stage.path.with_file_name("folder");
    let path = folder.join("log");
    let sink = sink(&FileSink::new(FileSettings { path: path.clone(), ..stage.settings() }));
    for offset in 0..2 {
        let missing = deliver(&sink, [offset]).await;
        let start = format!("{} cannot be opened: No such file", path.display());
        assert!(reason(&missing).starts_with(&start), "{missing:?}");
        fs::create_dir(&folder).unwrap();
        assert_eq!(deliver(&sink, [offset]).await, Outcome::Delivered);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("v{offset}\n"));
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[actix_rt::test]
async fn a_path_that_is_a_folder_is_waited_for() {
    let stage = Stage::new();
    fs::create_dir(&stage.path).unwrap();
    let sink = sink(&FileSink::new(stage.settings()));
    let refused = deliver(&sink, [0]).await;
    assert!(reason(&refused).contains("is not a regular file"), "{refused:?}");
    fs::remove_dir(&stage.path).unwrap();
    assert_eq!(deliver(&sink, [0]).await, Outcome::Delivered);
}

#[actix_rt::test]
async fn a_file_that_was_renamed_is_begun_anew() {
    let stage = Stage::new();
    let factory = FileSink::new(stage.settings());
    let sink = sink(&factory);
    assert_eq!(deliver(&sink, [0]).await, Outcome::Delivered);
    fs::rename(&stage.path, stage.path.with_extension("1")).unwrap();
    assert_eq!(deliver(&sink, [1]).await, Outcome::Delivered);
    assert_eq!(stage.content(), "v1\n");
}

#[actix_rt::test]
async fn a_file_is_let_go_of_and_opened_when_that_is_asked_for() {
    let stage = Stage::new();
    let factory = FileSink::new(stage.settings());
    factory.reopen();
    let sink = sink(&factory);
    assert_eq!(deliver(&sink, [0]).await, Outcome::Delivered);
    for number in ["1", "2"] {
        let old = stage.path.with_extension(number);
        fs::rename(&stage.path, &old).unwrap();
        let open = File::open(&old).unwrap();
        factory.reopen();
        let begun = std::time::Instant::now();
        // It has the new one open when it has let go of the old.
        while open.try_lock().is_err() || !stage.path.exists() {
            assert!(begun.elapsed() < Duration::from_mins(1), "the old file is not let go of");
            actix_rt::task::yield_now().await;
        }
    }
    assert_eq!(deliver(&sink, [1]).await, Outcome::Delivered);
    let old = fs::read_to_string(stage.path.with_extension("1")).unwrap();
    assert_eq!((stage.content(), old), ("v1\n".into(), "v0\n".into()));
}

#[actix_rt::test]
async fn a_start_goes_on_behind_the_last_whole_line_and_writes_nothing_twice() {
    let stage = Stage::new();
    let mut settings = stage.ndjson();
    {
        let sink = sink(&FileSink::new(settings.clone()));
        assert_eq!(deliver(&sink, 0..4).await, Outcome::Delivered);
    }
    let whole = stage.content();
    // The file as a crash may leave it: one of its lines put aside, the last one torn.
    let (first, rest) = whole.split_at(whole.find('\n').unwrap() + 1);
    fs::write(stage.path.with_file_name("orders.log.20260301T120000Z"), first).unwrap();
    fs::write(&stage.path, &rest[..rest.len() - 5]).unwrap();
    settings.rotation.size = Some(u64::MAX);
    let sink = sink(&FileSink::new(settings));
    deliver_at_last(&sink, 0..6).await;
    let offsets: Vec<_> = stage
        .content()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["offset"].clone())
        .collect();
    assert_eq!(offsets, [1, 2, 3, 4, 5]);
}

#[actix_rt::test]
async fn a_raw_file_does_not_tell_records_apart() {
    let stage = Stage::new();
    let sink = sink(&FileSink::new(stage.settings()));
    assert_eq!(deliver(&sink, [0]).await, Outcome::Delivered);
    assert_eq!(deliver(&sink, [0]).await, Outcome::Delivered);
    assert_eq!(stage.content(), "v0\nv0\n");
}

#[actix_rt::test]
async fn a_full_file_is_put_aside() {
    let stage = Stage::new();
    let mut settings = stage.settings();
    settings.rotation.size = Some(6);
    let sink = sink(&FileSink::new(settings));
    for offset in 0..5 {
        assert_eq!(deliver(&sink, [offset]).await, Outcome::Delivered);
    }
    assert_eq!(stage.content(), "v4\n");
    let mut aside: Vec<_> = fs::read_dir(stage.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| *path != stage.path)
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    aside.sort();
    assert_eq!(aside, ["v0\nv1\n", "v2\nv3\n"]);
}

#[actix_rt::test]
async fn a_delivery_larger_than_the_queue_goes_through() {
    let stage = Stage::new();
    let sink = sink(&FileSink::new(stage.settings()));
    let mut desk = Desk::new(RetryPolicy::default(), 1, sink.batch());
    for offset in 0..3 {
        desk.accept(Record::builder("t", 0, offset).value(vec![b'x'; 5 << 20]).build()).unwrap();
    }
    let delivery = desk.dispatch(Moment::default()).unwrap();
    assert_eq!(delivery.entries().len(), 3);
    assert_eq!(sink.deliver(&delivery).await.get(0), Some(&Outcome::Delivered));
    assert_eq!(stage.content().len(), 3 * ((5 << 20) + 1));
}

#[test]
fn dead_letters_are_told_which_file() {
    let settings = FileSettings::new("/var/lib/orders.log");
    assert_eq!(FileSink::new(settings).describe().unwrap(), "file:/var/lib/orders.log");
}
