use std::fs;
use std::io::Write;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex};

use slog::{debug, info, warn};

use super::*;
use crate::settings::LogFormat;

/// A stderr that a test can read, and whose writes it can hold back.
#[derive(Clone, Default)]
struct Screen(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    text: String,
    stuck: bool,
    entered: u64,
}

impl Screen {
    fn text(&self) -> String {
        self.0.0.lock().expect("no test panicked").text.clone()
    }

    fn set_stuck(&self, stuck: bool) {
        self.0.0.lock().expect("no test panicked").stuck = stuck;
        self.0.1.notify_all();
    }

    /// Waits until the logging thread is inside a write.
    fn wait_until_entered(&self) {
        let state = self.0.0.lock().expect("no test panicked");
        let _state =
            self.0.1.wait_while(state, |state| state.entered == 0).expect("no test panicked");
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().expect("no test panicked");
        state.entered += 1;
        changed.notify_all();
        let mut state = changed.wait_while(state, |state| state.stuck).expect("no test panicked");
        state.text.push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logging(level: Level, queue: usize, file: Option<RotatingFile>) -> (Logger, LogGuard, Screen) {
    let screen = Screen::default();
    let outputs =
        Outputs { stderr: Box::new(screen.clone()), look: Look::Term { colours: false }, file };
    let (log, guard) = start(level, queue, outputs).expect("the log starts");
    (log, guard, screen)
}

/// The lines without their times.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.split_once(' ').map_or(line, |(_, rest)| rest)).collect()
}

#[test]
fn what_was_logged_is_written_when_the_guard_is_dropped() {
    let (log, guard, screen) = logging(Level::Info, 100, None);
    let log = log.new(slog::o!("pipeline" => "orders"));
    info!(log, "group joined"; "partitions" => 3);
    debug!(log, "too fine");
    warn!(log, "lane parked");
    drop(guard);
    assert_eq!(
        lines(&screen.text()),
        [
            "INFO group joined, pipeline: orders, partitions: 3",
            "WARN lane parked, pipeline: orders"
        ]
    );
    info!(log, "nobody reads this, and nobody waits");
}

#[test]
fn a_full_queue_drops_lines_without_waiting_and_says_how_many() {
    let (log, guard, screen) = logging(Level::Info, 4, None);
    screen.set_stuck(true);
    info!(log, "first");
    screen.wait_until_entered();
    // The thread holds the first line, the queue four more; seven find no place.
    for number in 0..11 {
        info!(log, "line {}", number);
    }
    screen.set_stuck(false);
    drop(guard);
    let text = screen.text();
    assert_eq!(
        lines(&text),
        [
            "INFO first",
            "WARN 7 log lines dropped",
            "INFO line 0",
            "INFO line 1",
            "INFO line 2",
            "INFO line 3"
        ]
    );
}

#[test]
fn lines_dropped_last_are_said_at_the_end() {
    let dropped = AtomicU64::new(3);
    let (send, receive): (_, Receiver<Message>) = sync_channel(1);
    send.try_send(Message::Finish).expect("there is room");
    let screen = Screen::default();
    let outputs = Outputs {
        stderr: Box::new(screen.clone()),
        look: Look::Term { colours: false },
        file: None,
    };
    work(&receive, &dropped, outputs);
    assert_eq!(lines(&screen.text()), ["WARN 3 log lines dropped"]);
}

#[test]
fn a_stderr_that_nobody_reads_does_not_keep_the_process() {
    let (log, guard, screen) = logging(Level::Info, 4, None);
    screen.set_stuck(true);
    info!(log, "first");
    // Only now is the thread stuck, and does the queue stay full.
    screen.wait_until_entered();
    for number in 0..50 {
        info!(log, "line {}", number);
    }
    let (done, ended): (Sender<()>, _) = channel();
    thread::spawn(move || {
        drop(guard);
        drop(done);
    });
    assert_eq!(ended.recv_timeout(FLUSH_DEADLINE * 10), Err(RecvTimeoutError::Disconnected));
    screen.set_stuck(false);
}

#[test]
fn the_file_gets_what_stderr_gets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    let file = RotatingFile::open(&path, 1 << 20, 1).expect("it opens");
    let screen = Screen::default();
    let outputs = Outputs {
        stderr: Box::new(screen.clone()),
        look: Look::Term { colours: true },
        file: Some(file),
    };
    let (log, guard) = start(Level::Info, 10, outputs).expect("the log starts");
    info!(log, "hello"; "to" => "all");
    drop(guard);
    let written = fs::read_to_string(&path).expect("it is there");
    assert_eq!(lines(&written), ["INFO hello, to: all"]);
    assert!(screen.text().contains("\u{1b}["), "the terminal has colours, the file has none");
}

#[test]
fn a_file_that_cannot_be_written_is_said_once_and_logging_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    let file = RotatingFile::open(&path, 1, 1).expect("it opens");
    // Every rotation fails: a folder with something in it is in its way.
    fs::create_dir_all(folder.path().join("log.1/inside")).expect("the folder is made");
    let (log, guard, screen) = logging(Level::Info, 100, Some(file));
    for number in 0..4 {
        info!(log, "line {}", number);
    }
    drop(guard);
    let text = screen.text();
    let said: Vec<&str> =
        text.lines().filter(|line| line.contains("log file cannot be written")).collect();
    assert_eq!(said.len(), 1, "{text}");
    assert!(said[0].contains("ERRO") && said[0].contains(&*path.to_string_lossy()), "{text}");
    assert!(text.contains("line 3"), "{text}");
}

#[test]
fn a_line_carries_the_time_it_was_logged_at() {
    let (log, guard, screen) = logging(Level::Info, 4, None);
    screen.set_stuck(true);
    info!(log, "first");
    screen.wait_until_entered();
    info!(log, "waits");
    let logged = SystemTime::now();
    let later = logged + Duration::from_millis(50);
    while SystemTime::now() < later {
        thread::yield_now();
    }
    screen.set_stuck(false);
    drop(guard);
    let text = screen.text();
    let stamp = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_once(' '))
        .map(|(stamp, _)| stamp.to_owned());
    let limit: time::OffsetDateTime = later.into();
    let limit = format!(
        "{}T{:02}:{:02}:{:02}.{:03}Z",
        limit.date(),
        limit.hour(),
        limit.minute(),
        limit.second(),
        limit.millisecond()
    );
    assert!(stamp.as_ref().is_some_and(|stamp| *stamp < limit), "{stamp:?} is not before {limit}");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_an_error() {
    let settings = LogSettings {
        file: Some("/nonexistent/folder/log".into()),
        format: LogFormat::Json,
        ..LogSettings::default()
    };
    let error = init(&settings).map(|_| ()).expect_err("there is no such folder");
    let text = error.to_string();
    assert!(
        text.starts_with("log.file: cannot open /nonexistent/folder/log: No such file"),
        "{text}"
    );
}
