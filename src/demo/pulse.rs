//! The lines, one a second: what they say and how it is worked out between two of them.

use std::time::{Duration, Instant};

use super::metrics::{DELIVERED, Metrics};
use super::screen::{grouped, short};

/// The head of the lines.
pub const HEAD: &str =
    "  time  delivered    per s  in flight  lanes  retries     lag      p50      p99";

/// What the lines are made of.
pub struct Pulse {
    /// What the process said last.
    metrics: Metrics,
    /// Retries of processes that are gone.
    retries_before: u64,
    /// When the present process started.
    started: Instant,
    /// When it delivered its first record.
    delivering: Option<Instant>,
    /// What was delivered when it started.
    at_start: u64,
    /// What was delivered at the last look, and when that last grew.
    latest: u64,
    grew: Instant,
    /// The last line, and what was delivered then.
    line: Instant,
    at_line: u64,
}

/// How things stand.
#[derive(Debug)]
pub struct Standing {
    /// Records delivered.
    pub delivered: u64,
    /// Records written.
    pub written: u64,
    /// Requests without an answer.
    pub in_flight: u64,
    /// What half and 99 % took at most.
    pub times: [Option<Duration>; 2],
    /// Whether there is a process that delivers.
    pub alive: bool,
}

impl Pulse {
    /// Nothing has happened.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            metrics: Metrics::default(),
            retries_before: 0,
            started: now,
            delivering: None,
            at_start: 0,
            latest: 0,
            grew: now,
            line: now,
            at_line: 0,
        }
    }

    /// A process starts.
    pub fn starts(&mut self, delivered: u64) {
        self.started = Instant::now();
        self.delivering = None;
        self.at_start = delivered;
        self.latest = delivered;
        self.at_line = delivered;
        self.grew = Instant::now();
    }

    /// The process is gone.
    pub fn ends(&mut self) {
        self.retries_before = self.retries();
        self.metrics = Metrics::default();
    }

    /// What the process said last.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The process said something.
    pub fn heard(&mut self, metrics: Metrics) {
        self.metrics = metrics;
    }

    /// Takes a look at what is delivered.
    pub fn look(&mut self, delivered: u64) {
        if delivered > self.latest {
            self.latest = delivered;
            self.grew = Instant::now();
            self.delivering.get_or_insert(self.grew);
        }
    }

    /// Whether the present process says that it has delivered so many, and so that it runs at all.
    pub fn has_delivered(&self, count: u64) -> bool {
        !self.metrics.is_empty() && self.metrics.sum(DELIVERED) >= count
    }

    /// Since when nothing more was delivered.
    pub fn still_for(&self) -> Duration {
        self.grew.elapsed()
    }

    /// Whether the present process has been delivering for so long.
    pub fn delivering_for(&self, time: Duration) -> bool {
        self.delivering.is_some_and(|since| since.elapsed() >= time)
    }

    /// Records delivered a second by the present process.
    pub fn pace(&self, delivered: u64) -> u64 {
        let count = delivered.saturating_sub(self.at_start);
        self.delivering.map_or(0, |since| per_second(count, since.elapsed()))
    }

    /// Whether it is time for a line.
    pub fn line_is_due(&self) -> bool {
        self.line.elapsed() >= Duration::from_secs(1)
    }

    /// The line.
    pub fn line(&mut self, now: &Standing) -> String {
        let rate = per_second(now.delivered.saturating_sub(self.at_line), self.line.elapsed());
        self.line = Instant::now();
        self.at_line = now.delivered;
        let lag = grouped(now.written.saturating_sub(now.delivered));
        let [half, most] = now.times.map(|time| time.map_or_else(|| "-".to_owned(), short));
        let count = |count: u64| if now.alive { grouped(count) } else { "-".to_owned() };
        format!(
            "{:>9}  {:>7}  {:>9}  {:>5}  {:>7}  {lag:>6}  {half:>7}  {most:>7}",
            grouped(now.delivered),
            count(rate),
            count(now.in_flight),
            count(self.metrics.sum("keyway_lanes")),
            count(self.retries()),
        )
    }

    fn retries(&self) -> u64 {
        self.retries_before + self.metrics.sum("keyway_retries_total")
    }
}

fn per_second(count: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000) / millis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_below_its_head() {
        let standing = Standing {
            delivered: 1_234_567,
            written: 1_240_000,
            in_flight: 256,
            times: [Some(Duration::from_millis(84)), None],
            alive: true,
        };
        let mut pulse = Pulse::new();
        pulse.starts(standing.delivered);
        let line = format!("{:>4} s  {}", 12, pulse.line(&standing));
        assert_eq!(line.chars().count(), HEAD.len(), "{HEAD}\n{line}");
        for (name, value) in [("delivered", "1,234,567"), ("in flight", "256"), ("lag", "5,433")] {
            let end = |text: &str, part: &str| text.find(part).map(|at| at + part.len());
            assert_eq!(end(&line, value), end(HEAD, name), "{name}");
        }
    }

    #[test]
    fn a_process_is_delivering_from_its_first_record_on() {
        let mut pulse = Pulse::new();
        pulse.starts(10);
        pulse.look(10);
        assert!(!pulse.delivering_for(Duration::ZERO));
        assert_eq!(pulse.pace(10), 0);
        pulse.look(11);
        assert!(pulse.delivering_for(Duration::ZERO));
    }

    #[test]
    fn counts_become_a_pace() {
        assert_eq!(per_second(500, Duration::from_millis(250)), 2_000);
        assert_eq!(per_second(5, Duration::ZERO), 5_000);
    }
}
