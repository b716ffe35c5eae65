//! The logging thread: takes lines from the queue and writes each to every output.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::SystemTime;

use slog::{Level, OwnedKVList, Record, b, o, record};

use super::Message;
use super::format::{Look, Renderer};
use super::rotate::RotatingFile;

/// Where lines go.
pub struct Outputs {
    /// Standard error.
    pub stderr: Box<dyn Write + Send>,
    /// How a line looks there.
    pub look: Look,
    /// The log file, without colours.
    pub file: Option<RotatingFile>,
}

/// Writes lines until told to finish. `dropped` counts those that did not fit into the queue; it is
/// taken back to 0 when it was said.
pub fn work(waiting: &Receiver<Message>, dropped: &AtomicU64, outputs: Outputs) {
    let mut writer = Writer::new(outputs);
    while let Ok(Message::Line(at, record)) = waiting.recv() {
        writer.say_dropped(dropped);
        record.as_record_values(|record, values| writer.line(at, record, values));
    }
    writer.say_dropped(dropped);
}

struct Writer {
    stderr: Box<dyn Write + Send>,
    renderer: Renderer,
    file: Option<LogFile>,
}

struct LogFile {
    file: RotatingFile,
    /// Where stderr has colours and the file has none.
    renderer: Option<Renderer>,
    /// The last write failed, which was said.
    broken: bool,
}

impl Writer {
    fn new(outputs: Outputs) -> Self {
        let plain = outputs.look.without_colours();
        let file = outputs.file.map(|file| LogFile {
            file,
            renderer: (plain != outputs.look).then(|| Renderer::new(plain)),
            broken: false,
        });
        Self { stderr: outputs.stderr, renderer: Renderer::new(outputs.look), file }
    }

    fn line(&mut self, at: SystemTime, record: &Record<'_>, values: &OwnedKVList) {
        let line = self.renderer.render(at, record, values);
        self.show(&line);
        let Some(log) = &mut self.file else { return };
        let plain = log.renderer.as_ref().map(|renderer| renderer.render(at, record, values));
        let result = log.file.write_line(plain.as_ref().unwrap_or(&line));
        let was_broken = std::mem::replace(&mut log.broken, result.is_err());
        let path = log.file.path().display().to_string();
        match result {
            Err(error) if !was_broken => {
                let what = format_args!("log file cannot be written");
                let values = b!("path" => path, "error" => error.to_string());
                self.own(&record!(Level::Error, "", &what, values));
            }
            Ok(()) if was_broken => {
                let what = format_args!("log file is written again");
                self.own(&record!(Level::Info, "", &what, b!("path" => path)));
            }
            _ => {}
        }
    }

    /// A line of our own, to stderr alone.
    fn own(&mut self, record: &Record<'_>) {
        let line = self.renderer.render(SystemTime::now(), record, &o!().into());
        self.show(&line);
    }

    fn show(&mut self, line: &[u8]) {
        // There is nowhere left to say that stderr is gone.
        let _ = self.stderr.write_all(line).and_then(|()| self.stderr.flush());
    }

    fn say_dropped(&mut self, dropped: &AtomicU64) {
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let what = format_args!("{count} log lines dropped");
            self.line(SystemTime::now(), &record!(Level::Warning, "", &what, b!()), &o!().into());
        }
    }
}
