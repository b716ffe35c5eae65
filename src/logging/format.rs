//! How a log line looks: for people, or as JSON.
//!
//! A line is always one line: control characters in messages and values are escaped, so that what a
//! record or an endpoint sends can neither forge a line nor command the terminal.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use slog::{Drain, FnValue, Level, OwnedKVList, PushFnValue, Record, o};
use slog_json::Json;
use slog_term::{Decorator, FullFormat, RecordDecorator};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::settings::LogFormat;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// For people.
    Term {
        /// With the colours of a terminal.
        colours: bool,
    },
    /// One JSON object a line.
    Json,
}

impl Look {
    /// The look of a format, on a terminal or not.
    pub fn of(format: LogFormat, terminal: bool) -> Self {
        match format {
            LogFormat::Term => Self::Term { colours: terminal },
            LogFormat::Json => Self::Json,
        }
    }

    /// The same without colours.
    pub fn without_colours(self) -> Self {
        match self {
            Self::Term { .. } => Self::Term { colours: false },
            Self::Json => Self::Json,
        }
    }
}

/// Makes lines of records.
pub struct Renderer {
    drain: Box<dyn Drain<Ok = (), Err = io::Error>>,
    line: Rc<RefCell<Vec<u8>>>,
    /// Nanoseconds since 1970: the formats ask for the time in a callback.
    now: Arc<AtomicU64>,
}

impl Renderer {
    /// For one look.
    pub fn new(look: Look) -> Self {
        let line = Rc::new(RefCell::new(Vec::new()));
        let now = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now);
        let drain: Box<dyn Drain<Ok = (), Err = io::Error>> = match look {
            Look::Term { colours } => Box::new(
                FullFormat::new(Lines { colours, line: Rc::clone(&line) })
                    .use_custom_timestamp(move |out| out.write_all(stamp(&clock).as_bytes()))
                    .use_original_order()
                    .build(),
            ),
            Look::Json => Box::new(
                Json::new(Shared(Rc::clone(&line)))
                    .add_key_value(o!("ts" => FnValue(move |_: &Record<'_>| stamp(&clock))))
                    .add_key_value(
                        o!("level" => FnValue(|record: &Record<'_>| level(record.level()))),
                    )
                    .add_key_value(
                        o!("msg" => PushFnValue(|record: &Record<'_>, out| out.emit(record.msg()))),
                    )
                    .build(),
            ),
        };
        Self { drain, line, now }
    }

    /// The line of a record logged `at`, with its line end.
    pub fn render(&self, at: SystemTime, record: &Record<'_>, values: &OwnedKVList) -> Vec<u8> {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now.store(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let result = self.drain.log(record, values);
        let mut line = self.line.take();
        if let Err(error) = result {
            line.clear();
            let _ = writeln!(line, "a log line could not be made: {error}");
        }
        line
    }
}

const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

fn stamp(now: &AtomicU64) -> String {
    let nanos = i128::from(now.load(Ordering::Relaxed));
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    time.and_then(|time| time.format(STAMP).ok()).unwrap_or_default()
}

/// The level as the settings write it.
fn level(level: Level) -> &'static str {
    match level {
        Level::Critical => "critical",
        Level::Error => "error",
        Level::Warning => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// A buffer that a drain can write to and the renderer take.
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The decorator: colours where wanted, control characters escaped.
struct Lines {
    colours: bool,
    line: Rc<RefCell<Vec<u8>>>,
}

impl Decorator for Lines {
    fn with_record<F>(&self, record: &Record<'_>, _values: &OwnedKVList, write: F) -> io::Result<()>
    where
        F: FnOnce(&mut dyn RecordDecorator) -> io::Result<()>,
    {
        let mut line = Line {
            colour: self.colours.then(|| colour(record.level())),
            styled: false,
            text: String::new(),
        };
        write(&mut line)?;
        line.plain();
        let text = line.text.strip_suffix(ESCAPED_LINE_END).unwrap_or(&line.text);
        let mut out = self.line.borrow_mut();
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
        Ok(())
    }
}

/// How the one line end that the format itself writes comes out of the escaping.
const ESCAPED_LINE_END: &str = "\\n";

fn colour(level: Level) -> &'static str {
    match level {
        Level::Critical => "\x1b[1;35m",
        Level::Error => "\x1b[31m",
        Level::Warning => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug => "\x1b[36m",
        Level::Trace => "\x1b[34m",
    }
}

const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

struct Line {
    /// The colour of the level, where colours are wanted.
    colour: Option<&'static str>,
    /// Something other than plain is on.
    styled: bool,
    text: String,
}

impl Line {
    fn plain(&mut self) {
        if self.styled {
            self.text.push_str(PLAIN);
            self.styled = false;
        }
    }

    fn style(&mut self, style: &str) {
        self.plain();
        self.text.push_str(style);
        self.styled = true;
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for c in String::from_utf8_lossy(bytes).chars() {
            match c {
                '\n' => self.text.push_str(ESCAPED_LINE_END),
                '\t' => self.text.push_str("\\t"),
                '\r' => self.text.push_str("\\r"),
                c if c.is_control() => {
                    let _ = write!(self.text, "\\u{{{:x}}}", u32::from(c));
                }
                c => self.text.push(c),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RecordDecorator for Line {
    fn reset(&mut self) -> io::Result<()> {
        self.plain();
        Ok(())
    }

    fn start_level(&mut self) -> io::Result<()> {
        if let Some(colour) = self.colour {
            self.style(colour);
        }
        Ok(())
    }

    fn start_key(&mut self) -> io::Result<()> {
        if self.colour.is_some() {
            self.style(BOLD);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use slog::{b, record};

    use super::*;

    fn rendered(look: Look) -> String {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let values: OwnedKVList = o!("pipeline" => "orders").into();
        let evil = "a\nFORGED \u{1b}[31m\u{9b}x\ty ä";
        let line = Renderer::new(look).render(
            at,
            &record!(
                Level::Warning,
                "",
                &format_args!("lane parked\n"),
                b!("reason" => evil, "n" => 3)
            ),
            &values,
        );
        String::from_utf8(line).expect("a line is UTF-8")
    }

    #[test]
    fn a_line_for_people_is_one_line_without_commands() {
        assert_eq!(
            rendered(Look::Term { colours: false }),
            "2023-11-14T22:13:20.123Z WARN lane parked\\n, pipeline: orders, \
             reason: a\\nFORGED \\u{1b}[31m\\u{9b}x\\ty ä, n: 3\n"
        );
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let coloured = rendered(Look::Term { colours: true });
        assert!(coloured.contains("\u{1b}[33mWARN\u{1b}[0m"), "{coloured:?}");
        let plain = coloured.replace("\u{1b}[33m", "").replace(BOLD, "").replace(PLAIN, "");
        assert_eq!(plain, rendered(Look::Term { colours: false }));
    }

    #[test]
    fn a_json_line_is_one_object() {
        let line = rendered(Look::Json);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.starts_with("{\"ts\":"), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(value["ts"], "2023-11-14T22:13:20.123Z");
        assert_eq!(value["level"], "warn");
        assert_eq!(value["msg"], "lane parked\n");
        assert_eq!(value["pipeline"], "orders");
        assert_eq!(value["n"], 3);
    }

    #[test]
    fn one_line_does_not_leak_into_the_next() {
        let renderer = Renderer::new(Look::Term { colours: false });
        let line = |text: &str| {
            let what = format_args!("{text}");
            renderer.render(UNIX_EPOCH, &record!(Level::Info, "", &what, b!()), &o!().into())
        };
        assert_eq!(line("one"), b"1970-01-01T00:00:00.000Z INFO one\n");
        assert_eq!(line("two"), b"1970-01-01T00:00:00.000Z INFO two\n");
    }
}
