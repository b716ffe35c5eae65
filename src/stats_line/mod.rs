//! The line of counts: what each pipeline did and holds, in the log every `log.stats_interval`.
//!
//! Counts are since the start, except the rate, which is since the line before. A pipeline that has
//! ended has its last line and then none.

use std::time::{Duration, Instant};

use keyway_actors::stats::PartitionStatus;
use keyway_actors::{Handle, State, Status};
use slog::{Logger, info};
use tokio::time::{MissedTickBehavior, interval_at};

/// Says the counts of these pipelines, again and again, until they have all ended.
pub async fn every(interval: Duration, pipelines: Vec<Handle>, log: Logger) {
    let mut ticks = interval_at(tokio::time::Instant::now() + interval, interval);
    // After a halt of the whole process one line is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lines: Vec<_> =
        pipelines.into_iter().map(|it| (it, Rate::begin(Instant::now()))).collect();
    while !lines.is_empty() {
        ticks.tick().await;
        lines.retain_mut(|(pipeline, rate)| {
            let status = pipeline.status();
            say(&status, rate.next(status.totals.delivered, Instant::now()), &log);
            !matches!(status.state, State::Stopped | State::Failed)
        });
    }
}

/// Says the counts once more, at the end of the process.
pub fn last(pipelines: &[Handle], log: &Logger) {
    for pipeline in pipelines {
        say(&pipeline.status(), 0, log);
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
