//! The line of counts: what each pipeline did and holds, in the log every `log.stats_interval`.
//!
//! Counts are since the start, except the rate, which is since the line before. A pipeline that has
//! ended has its last line and then none.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use keyway_actors::stats::PartitionStatus;
use keyway_actors::{Handles, State, Status};
use slog::{Logger, info};
use tokio::time::{MissedTickBehavior, interval_at};

/// Says the counts of the pipelines that there are, again and again.
pub async fn every(interval: Duration, pipelines: Handles, log: Logger) {
    let mut ticks = interval_at(tokio::time::Instant::now() + interval, interval);
    // After a halt of the whole process one line is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lines = Lines { since: Instant::now(), lines: BTreeMap::new() };
    loop {
        let now = ticks.tick().await.into_std();
        for (status, rate) in lines.next(pipelines.statuses(), now) {
            say(&status, rate, &log);
        }
    }
}

/// Says the counts once more, at the end of the process.
pub fn last(pipelines: &Handles, log: &Logger) {
    for status in pipelines.statuses() {
        say(&status, 0, log);
    }
}

fn say(status: &Status, rate: u64, log: &Logger) {
    let totals = &status.totals;
    let lag: u64 = status.partitions.iter().filter_map(PartitionStatus::lag).sum();
    let retries: u64 = totals.retries.iter().sum();
    info!(log, "counts";
        "pipeline" => &status.name,
        "state" => ?status.state,
        "partitions" => status.partitions_assigned,
        "received" => totals.received,
        "delivered" => totals.delivered,
        "delivered_per_s" => rate,
        "retries" => retries,
        "dead_lettered" => totals.dead_lettered,
        "filtered" => totals.filtered,
        "dropped" => totals.dropped,
        "returned" => totals.returned,
        "held" => totals.unsettled(),
        "in_flight" => totals.in_flight,
        "lanes" => totals.lanes,
        "parked" => totals.lanes_parked,
        "lag" => lag,
    );
}

/// The pipelines that there were at the last look.
struct Lines {
    since: Instant,
    lines: BTreeMap<String, Line>,
}

struct Line {
    rate: Rate,
    has_ended: bool,
}

impl Lines {
    /// Those of which something is to be said, with their rates.
    fn next(&mut self, statuses: Vec<Status>, now: Instant) -> Vec<(Status, u64)> {
        self.lines.retain(|name, _| statuses.iter().any(|status| status.name == *name));
        let since = std::mem::replace(&mut self.since, now);
        let mut said = Vec::new();
        for status in statuses {
            let new = || Line { rate: Rate::begin(since), has_ended: false };
            let line = self.lines.entry(status.name.clone()).or_insert_with(new);
            let rate = line.rate.next(status.totals.delivered, now);
            let has_ended = matches!(status.state, State::Stopped | State::Failed);
            let was_said = std::mem::replace(&mut line.has_ended, has_ended) && has_ended;
            if !was_said {
                said.push((status, rate));
            }
        }
        said
    }
}

/// A counter per second between two looks.
struct Rate {
    count: u64,
    at: Instant,
}

impl Rate {
    fn begin(at: Instant) -> Self {
        Self { count: 0, at }
    }

    /// The rate since the last look, rounded down.
    fn next(&mut self, count: u64, at: Instant) -> u64 {
        let millis = at.saturating_duration_since(self.at).as_millis().max(1);
        let new = u128::from(count.saturating_sub(self.count));
        *self = Self { count, at };
        u64::try_from(new * 1000 / millis).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
