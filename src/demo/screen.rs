//! What the demo writes: plain lines on standard output and, on a terminal, a progress bar below.

pub use crate::commands::words::grouped;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar's length in steps.
const STEPS: u64 = 1_000;

/// Where the demo writes.
pub struct Screen {
    opened: Instant,
    bar: Option<ProgressBar>,
    gone: bool,
}

impl Screen {
    /// Standard output. Times are counted from `opened`.
    pub fn new(opened: Instant) -> Self {
        let bar = io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("  [{bar:40}] {percent:>3}%  {msg}");
            match style {
                Ok(style) => bar.with_style(style.progress_chars("=> ")),
                Err(_) => bar,
            }
        });
        Self { opened, bar, gone: false }
    }

    /// Writes a line, or several.
    pub fn say(&mut self, text: &str) {
        let write = || {
            let mut out = io::stdout().lock();
            writeln!(out, "{text}").and_then(|()| out.flush())
        };
        let written = match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        self.gone |= written.is_err();
    }

    /// Writes a line with the time in front.
    pub fn say_at(&mut self, text: &str) {
        let seconds = self.opened.elapsed().as_secs();
        self.say(&format!("{seconds:>4} s  {text}"));
    }

    /// Whether nobody reads any more.
    pub fn gone(&self) -> bool {
        self.gone
    }

    /// Moves the bar to so many parts of a whole, with a word on what goes on.
    pub fn progress(&self, done: u64, whole: u64, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(done.min(whole) * STEPS / whole.max(1));
            if bar.message() != what {
                bar.set_message(what.to_owned());
            }
        }
    }

    /// Takes the bar away.
    pub fn end_progress(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // What is written after it must not stand behind half a bar.
        self.end_progress();
    }
}

/// A short time as a person reads it: `8.4 ms`, `84 ms`, `1.2 s`.
pub fn short(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..9_950 => format!("{}.{} ms", (micros + 50) / 1_000, (micros + 50) % 1_000 / 100),
        9_950..999_500 => format!("{} ms", (micros + 500) / 1_000),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// The time that so many per cent of the times do not exceed.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn times_have_two_or_three_digits_that_matter() {
        for (micros, text) in [
            (0, "0.0 ms"),
            (8_449, "8.4 ms"),
            (9_949, "9.9 ms"),
            (9_950, "10 ms"),
            (84_400, "84 ms"),
            (999_499, "999 ms"),
            (999_500, "1.0 s"),
            (12_340_000, "12.3 s"),
        ] {
            assert_eq!(short(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn percentiles_are_of_the_times_there_are() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&times[..1], 99), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 50), None);
    }
}
