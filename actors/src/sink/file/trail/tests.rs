//! The trail on a disk of which every step may fail.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use proptest::prelude::*;
use slog::{Discard, o};
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::record::Record;
use crate::sink::file::Rotation;
use crate::sink::file::disk::{ReadBack, Trouble};

/// A folder in memory, seen by the test and by the disk.
#[derive(Default)]
struct Memory {
    files: Vec<Content>,
    /// The file under the name.
    current: Option<usize>,
    /// Whether the next steps fail, one after the other; after the last none does.
    faults: VecDeque<bool>,
    syncs: usize,
    appends: usize,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// What a power cut leaves.
    durable: Vec<u8>,
    removed: bool,
}

type Shared = Rc<RefCell<Memory>>;

struct FakeDisk(Shared);

impl Memory {
    fn step(&mut self) -> io::Result<()> {
        match self.faults.pop_front() {
            Some(true) => Err(io::Error::other("no space left")),
            _ => Ok(()),
        }
    }
}

impl Disk for FakeDisk {
    type File = usize;

    fn open(&mut self) -> Result<Opened<usize>, Trouble> {
        let mut memory = self.0.borrow_mut();
        memory.step()?;
        let file = memory.current.unwrap_or(memory.files.len());
        if file == memory.files.len() {
            memory.files.push(Content::default());
        }
        memory.current = Some(file);
        let content = &mut memory.files[file];
        let whole = content.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = content.bytes.len() - whole;
        content.bytes.truncate(whole);
        content.durable = content.bytes.clone();
        Ok(Opened { file, length: whole as u64, torn: torn as u64, made: None })
    }

    fn append(&mut self, file: &mut usize, bytes: &[u8]) -> io::Result<()> {
        let mut memory = self.0.borrow_mut();
        memory.appends += 1;
        let result = memory.step();
        let fits = if result.is_ok() { bytes.len() } else { bytes.len() * 2 / 3 };
        memory.files[*file].bytes.extend_from_slice(&bytes[..fits]);
        result
    }

    fn cut(&mut self, file: &mut usize, length: u64) -> io::Result<()> {
        let mut memory = self.0.borrow_mut();
        memory.step()?;
        let bytes = &mut memory.files[*file].bytes;
        let length = usize::try_from(length).unwrap();
        assert!(length <= bytes.len(), "a file is never made longer");
        bytes.truncate(length);
        Ok(())
    }

    fn sync(&mut self, file: &mut usize) -> io::Result<()> {
        let mut memory = self.0.borrow_mut();
        memory.syncs += 1;
        memory.step()?;
        let content = &mut memory.files[*file];
        content.durable = content.bytes.clone();
        Ok(())
    }

    fn place(&mut self, file: &usize) -> Where {
        let memory = self.0.borrow();
        if memory.files[*file].removed {
            Where::Gone
        } else if memory.current == Some(*file) {
            Where::InPlace
        } else {
            Where::Moved
        }
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let mut memory = self.0.borrow_mut();
        memory.step()?;
        memory.current = None;
        Ok(())
    }

    fn read_back(&mut self, _: &usize, _: u64, seen: &mut Seen) -> io::Result<ReadBack> {
        let mut memory = self.0.borrow_mut();
        memory.step()?;
        for file in &mut memory.files {
            file.durable = file.bytes.clone();
            seen.read(&file.bytes[..])?;
        }
        Ok(ReadBack::default())
    }
}

fn settings(format: Format, sync: SyncPolicy) -> FileSettings {
    FileSettings { format, sync, ..FileSettings::new("/var/lib/orders.log") }
}

fn trail(memory: &Shared, settings: &FileSettings) -> Trail<FakeDisk> {
    let log = Logger::root(Discard, o!());
    Trail::new(FakeDisk(Rc::clone(memory)), settings.clone(), log)
}

/// Records of a lane, which has a partition of its own.
fn job(format: Format, lane: i32, offsets: std::ops::Range<i64>) -> (Job, Receiver<Answer>) {
    let record = |offset| {
        let record = Record::builder("orders", lane, offset).timestamp(1000 + offset);
        record.value(format!("{lane}:{offset}")).build()
    };
    let records: Vec<_> = offsets.map(record).collect();
    Job::new(format, records.iter(), 0, None)
}

/// What a line is of: lane and offset. A torn one is of none.
fn lines(content: &[u8]) -> Vec<(i32, i64)> {
    let text = std::str::from_utf8(content).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "torn: {text}");
    let of = |line: &str| {
        let value = match line.split_once("\"value\":\"") {
            Some((_, value)) => value.trim_end_matches("\"}"),
            None => line,
        };
        let (lane, offset) = value.split_once(':').unwrap();
        (lane.parse().unwrap(), offset.parse().unwrap())
    };
    text.lines().map(of).collect()
}

fn reason(answer: &mut Receiver<Answer>) -> String {
    answer.try_recv().unwrap().unwrap_err().reason.into_owned()
}

const LANES: usize = 3;

/// A pipeline with some lanes, each of which goes on when its delivery is answered.
struct Pipeline {
    memory: Shared,
    settings: FileSettings,
    trail: Trail<FakeDisk>,
    lanes: [Lane; LANES],
}

#[derive(Default)]
struct Lane {
    /// All before it is delivered.
    next: i64,
    under_way: Option<(i64, Receiver<Answer>)>,
}

impl Pipeline {
    fn new(settings: FileSettings, faults: &[bool]) -> Self {
        let memory = Shared::default();
        memory.borrow_mut().faults = faults.iter().copied().collect();
        let trail = trail(&memory, &settings);
        Self { memory, settings, trail, lanes: Default::default() }
    }

    /// Some lanes deliver so many records each; those that wait for an answer do not.
    fn deliver(&mut self, which: u8, count: i64) {
        let mut group = Vec::new();
        for (number, lane) in (0..).zip(&mut self.lanes) {
            if which & (1 << number) != 0 && lane.under_way.is_none() {
                let end = lane.next + count;
                let (job, answer) = job(self.settings.format, number, lane.next..end);
                lane.under_way = Some((end, answer));
                group.push(job);
            }
        }
        self.trail.write(group, Instant::now());
        self.hear();
    }

    fn sync(&mut self) {
        let _ = self.trail.sync();
        self.hear();
    }

    /// Whoever is answered goes on; what is delivered is where it has to be.
    fn hear(&mut self) {
        for (number, lane) in (0..).zip(&mut self.lanes) {
            let Some((end, answer)) = &mut lane.under_way else { continue };
            match answer.try_recv() {
                Err(TryRecvError::Empty) => continue,
                Err(TryRecvError::Closed) => panic!("nothing was answered"),
                Ok(Err(_)) => {}
                Ok(Ok(())) => {
                    let synced = self.settings.sync != SyncPolicy::Never;
                    for offset in lane.next..*end {
                        let memory = self.memory.borrow();
                        let is_there = memory.files.iter().any(|file| {
                            let content = if synced { &file.durable } else { &file.bytes };
                            let mark = format!("{number}:{offset}");
                            let value = |line: &&[u8]| {
                                line.ends_with(mark.as_bytes())
                                    || line.ends_with(format!("\"{mark}\"}}").as_bytes())
                            };
                            content.split(|byte| *byte == b'\n').any(|line| value(&line))
                        });
                        assert!(is_there, "{number}:{offset} is delivered and not there");
                    }
                    lane.next = *end;
                }
            }
            lane.under_way = None;
        }
    }

    /// Another program renames the file. Where there are crashes, it does so only while no line in it
    /// is torn: nobody would cut that off later.
    fn move_away(&mut self, crashes: bool) {
        let mut memory = self.memory.borrow_mut();
        let is_torn = |bytes: &[u8]| bytes.last().is_some_and(|byte| *byte != b'\n');
        let torn = memory.current.is_some_and(|file| {
            let content = &memory.files[file];
            is_torn(&content.bytes) || is_torn(&content.durable)
        });
        if !(crashes && torn) {
            memory.current = None;
        }
    }

    /// The process is killed, or the power is cut.
    fn crash(&mut self, power: bool) {
        self.trail = trail(&self.memory, &self.settings);
        for lane in &mut self.lanes {
            lane.under_way = None;
        }
        if power {
            for file in &mut self.memory.borrow_mut().files {
                file.bytes = file.durable.clone();
            }
        }
    }

    /// Nothing fails any more: all is delivered, and is in the files once and in order.
    fn finish(mut self) -> Result<(), TestCaseError> {
        self.memory.borrow_mut().faults.clear();
        self.sync();
        // As many as a crash may have left behind what is delivered, and more.
        self.deliver(7, 8);
        self.sync();
        let memory = self.memory.borrow();
        for (number, lane) in (0..).zip(&self.lanes) {
            prop_assert!(lane.under_way.is_none());
            let all = memory.files.iter().flat_map(|file| lines(&file.bytes));
            let offsets: Vec<_> = all.filter(|it| it.0 == number).map(|it| it.1).collect();
            prop_assert_eq!(offsets, (0..lane.next).collect::<Vec<_>>());
        }
        Ok(())
    }
}

/// Steps, and which steps of the disk fail.
fn story() -> impl Strategy<Value = (Vec<(u8, u8, i64)>, Vec<bool>)> {
    let step = (0_u8..16, 0_u8..8, 1_i64..4);
    (prop::collection::vec(step, 0..40), prop::collection::vec(prop::bool::weighted(0.3), 0..60))
}

fn play(settings: FileSettings, crashes: bool, story: (Vec<(u8, u8, i64)>, Vec<bool>)) -> Pipeline {
    let synced = settings.sync != SyncPolicy::Never;
    let mut pipeline = Pipeline::new(settings, &story.1);
    for (kind, which, count) in story.0 {
        match kind {
            0..=7 => pipeline.deliver(which, count),
            8 => {
                pipeline.trail.reopen();
                pipeline.hear();
            }
            9 => pipeline.move_away(crashes),
            10 if crashes => pipeline.crash(false),
            11 if crashes && synced => pipeline.crash(true),
            _ => pipeline.sync(),
        }
    }
    pipeline
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_fails_nothing_is_lost_torn_doubled_or_out_of_order(
        story in story(),
        (never, rotates) in any::<(bool, bool)>(),
        ndjson in any::<bool>(),
    ) {
        let format = if ndjson { Format::Ndjson } else { Format::Raw };
        let sync = if never { SyncPolicy::Never } else { SyncPolicy::Always };
        let mut settings = settings(format, sync);
        settings.rotation.size = rotates.then_some(60);
        play(settings, false, story).finish()?;
    }

    #[test]
    fn with_ndjson_a_crash_changes_nothing_of_that(
        story in story(),
        (never, rotates) in any::<(bool, bool)>(),
    ) {
        let mut settings = settings(Format::Ndjson, if never { SyncPolicy::Never } else { SyncPolicy::Always });
        settings.rotation.size = rotates.then_some(500);
        play(settings, true, story).finish()?;
    }
}

#[test]
fn what_is_queued_is_written_and_synced_together() {
    let memory = Shared::default();
    let mut trail = trail(&memory, &settings(Format::Raw, SyncPolicy::Always));
    let (group, mut answers): (Vec<_>, Vec<_>) =
        (0..3).map(|lane| job(Format::Raw, lane, 0..2)).unzip();
    let now = Instant::now();
    trail.write(group, now);
    assert!(answers.iter_mut().all(|answer| answer.try_recv().is_err()), "before the sync");
    assert_eq!(trail.due(), Some(now));
    trail.sync().unwrap();
    assert!(answers.iter_mut().all(|answer| answer.try_recv() == Ok(Ok(()))));
    assert_eq!(trail.due(), None);
    assert_eq!((memory.borrow().appends, memory.borrow().syncs), (1, 1));
    assert_eq!(memory.borrow().files[0].bytes, b"0:0\n0:1\n1:0\n1:1\n2:0\n2:1\n");
}

#[test]
fn an_interval_ends_early_when_nothing_more_comes() {
    let memory = Shared::default();
    let interval = Duration::from_millis(10);
    let mut trail = trail(&memory, &settings(Format::Raw, SyncPolicy::Interval(interval)));
    let first = Instant::now();
    let mut answers = Vec::new();
    let mut write = |trail: &mut Trail<FakeDisk>, offset, now| {
        let (job, answer) = job(Format::Raw, 0, offset..offset + 1);
        answers.push(answer);
        trail.write(vec![job], now);
    };
    write(&mut trail, 0, first);
    assert_eq!(trail.due(), Some(first + QUIET));
    for number in 1..20 {
        write(
            &mut trail,
            number,
            first + Duration::from_millis(1) * u32::try_from(number).unwrap(),
        );
    }
    assert_eq!(trail.due(), Some(first + interval), "the first has waited so long");
}

#[test]
fn much_that_waits_is_synced_at_once() {
    let memory = Shared::default();
    let hours = SyncPolicy::Interval(Duration::from_hours(9));
    let mut trail = trail(&memory, &settings(Format::Raw, hours));
    let now = Instant::now();
    let most = i64::try_from(MOST_RECORDS).unwrap();
    let (almost, _first) = job(Format::Raw, 0, 0..most - 1);
    trail.write(vec![almost], now);
    assert_eq!(trail.due(), Some(now + QUIET));
    let (one, _second) = job(Format::Raw, 1, 0..1);
    trail.write(vec![one], now);
    assert_eq!(trail.due(), Some(now));
}

#[test]
fn without_sync_what_is_written_is_answered() {
    let memory = Shared::default();
    let mut trail = trail(&memory, &settings(Format::Raw, SyncPolicy::Never));
    let (job, mut answer) = job(Format::Raw, 0, 0..1);
    trail.write(vec![job], Instant::now());
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!((trail.due(), memory.borrow().syncs), (None, 0));
}

#[test]
fn a_failure_says_which_file_and_why() {
    let memory = Shared::default();
    let mut trail = trail(&memory, &settings(Format::Raw, SyncPolicy::Always));
    let mut fails = |faults: &[bool]| {
        memory.borrow_mut().faults = faults.iter().copied().collect();
        let (job, mut answer) = job(Format::Raw, 0, 0..1);
        trail.write(vec![job], Instant::now());
        let _ = trail.sync();
        reason(&mut answer)
    };
    assert_eq!(fails(&[true]), "/var/lib/orders.log cannot be opened: no space left");
    assert_eq!(fails(&[false, true]), "/var/lib/orders.log cannot be written: no space left");
    assert_eq!(
        fails(&[false, true]),
        "/var/lib/orders.log cannot be synced to the disk: no space left"
    );
    // The file is cut, synced and opened anew; what is written in part cannot be cut off.
    let faults = [false, false, false, true, true];
    assert_eq!(fails(&faults), "/var/lib/orders.log cannot be written: no space left");
    assert_eq!(
        fails(&[true]),
        "/var/lib/orders.log cannot be cut back to the 0 bytes that are delivered: no space left"
    );
    assert_eq!(memory.borrow().files[0].bytes, b"0:");
    let (last, mut answer) = job(Format::Raw, 0, 0..1);
    trail.write(vec![last], Instant::now());
    trail.sync().unwrap();
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!(memory.borrow().files[0].bytes, b"0:0\n");
}

#[test]
fn what_was_cancelled_before_it_was_written_is_not_written() {
    let memory = Shared::default();
    let mut trail = trail(&memory, &settings(Format::Ndjson, SyncPolicy::Always));
    let (cancelled, answer) = job(Format::Ndjson, 0, 0..1);
    drop(answer);
    let (other, _answer) = job(Format::Ndjson, 1, 0..1);
    trail.write(vec![cancelled, other], Instant::now());
    assert_eq!(lines(&memory.borrow().files[0].bytes), [(1, 0)]);
}

#[test]
fn what_was_cancelled_while_it_was_written_is_not_written_twice() {
    let memory = Shared::default();
    let mut trail = trail(&memory, &settings(Format::Ndjson, SyncPolicy::Always));
    let (cancelled, answer) = job(Format::Ndjson, 0, 0..2);
    trail.write(vec![cancelled], Instant::now());
    drop(answer);
    let (again, mut answer) = job(Format::Ndjson, 0, 0..3);
    trail.write(vec![again], Instant::now());
    assert!(answer.try_recv().is_err(), "it is not on the disk yet");
    trail.sync().unwrap();
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!(lines(&memory.borrow().files[0].bytes), [(0, 0), (0, 1), (0, 2)]);
}

#[test]
fn what_is_in_a_file_that_was_removed_is_not_delivered() {
    let memory = Shared::default();
    let mut trail = trail(&memory, &settings(Format::Ndjson, SyncPolicy::Always));
    let (lost, mut answer) = job(Format::Ndjson, 0, 0..1);
    trail.write(vec![lost], Instant::now());
    memory.borrow_mut().files[0].removed = true;
    memory.borrow_mut().current = None;
    assert!(trail.sync().is_err());
    assert_eq!(reason(&mut answer), "/var/lib/orders.log was removed before it was on the disk");
    let (again, mut answer) = job(Format::Ndjson, 0, 0..1);
    trail.write(vec![again], Instant::now());
    trail.sync().unwrap();
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!(lines(&memory.borrow().files[1].bytes), [(0, 0)]);
}

#[test]
fn a_file_is_rotated_by_size_or_age_before_it_is_written_and_never_empty() {
    let run = |rotation| {
        let memory = Shared::default();
        let mut settings = settings(Format::Raw, SyncPolicy::Always);
        settings.rotation = rotation;
        let mut trail = trail(&memory, &settings);
        for offset in 0..5 {
            let (job, _answer) = job(Format::Raw, 0, offset..offset + 1);
            trail.write(vec![job], Instant::now());
            trail.sync().unwrap();
        }
        memory.borrow().files.iter().map(|file| lines(&file.bytes).len()).collect::<Vec<_>>()
    };
    // A line has four bytes.
    assert_eq!(run(Rotation { size: Some(8), age: None }), [2, 2, 1]);
    assert_eq!(run(Rotation { size: Some(9), age: None }), [2, 2, 1]);
    assert_eq!(run(Rotation { size: Some(1), age: None }), [1; 5]);
    assert_eq!(run(Rotation { size: None, age: Some(Duration::ZERO) }), [1; 5]);
    assert_eq!(run(Rotation { size: None, age: Some(Duration::from_hours(9)) }), [5]);
    assert_eq!(run(Rotation::default()), [5]);
}

#[test]
fn a_file_is_on_the_disk_before_it_is_put_aside() {
    let memory = Shared::default();
    let mut settings = settings(Format::Raw, SyncPolicy::Never);
    settings.rotation.size = Some(4);
    let mut trail = trail(&memory, &settings);
    for offset in 0..2 {
        let (job, _answer) = job(Format::Raw, 0, offset..offset + 1);
        trail.write(vec![job], Instant::now());
    }
    assert_eq!(memory.borrow().files[0].durable, b"0:0\n");
}

#[test]
fn a_file_that_cannot_be_put_aside_grows() {
    let memory = Shared::default();
    let mut settings = settings(Format::Raw, SyncPolicy::Always);
    settings.rotation.size = Some(4);
    let mut trail = trail(&memory, &settings);
    for (offset, faults) in [(0, vec![]), (1, vec![false, true]), (2, vec![])] {
        memory.borrow_mut().faults = faults.into();
        let (job, mut answer) = job(Format::Raw, 0, offset..offset + 1);
        trail.write(vec![job], Instant::now());
        trail.sync().unwrap();
        assert_eq!(answer.try_recv(), Ok(Ok(())));
    }
    let files: Vec<_> = memory.borrow().files.iter().map(|file| lines(&file.bytes).len()).collect();
    assert_eq!(files, [2, 1]);
}
