//! Pipelines of this process, one after the other, on one topic of a broker of the bench's own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use keyway_actors::core::desk::{Outcomes, Step};
use keyway_actors::core::lanes::Delivery;
use keyway_actors::sink::http::{HttpSettings, HttpSink};
use keyway_actors::sink::{ConnectionCounts, SinkContext, SinkError};
use keyway_actors::{Handle, PipelineConfig, Record, Sink, SinkFactory};

use crate::broker::Broker;
use crate::control::Control;
use crate::load::{self, Keys};
use crate::process::Measured;

/// How long the first request may take: the broker makes its offsets topic first.
const PATIENCE: Duration = Duration::from_mins(1);

const TOPIC: &str = "lab";
const PARTITIONS: i32 = 6;
const SIZE: usize = 200;

/// So many keys in turn: far more than requests at a time, so that none is waited for, and each
/// often enough for its order to be checked.
pub const KEYS: usize = 10_000;

/// See the head of this file.
pub struct Lab {
    broker: Broker,
    binaries: PathBuf,
    groups: usize,
}

impl Lab {
    /// Starts a broker and fills the topic.
    pub fn start(jars: &Path, records: usize) -> anyhow::Result<Self> {
        let binaries = std::env::current_exe()?;
        let binaries = binaries.parent().context("this program is in a folder")?.to_owned();
        let broker = Broker::start(jars)?;
        load::fill(broker.address(), TOPIC, PARTITIONS, Keys::Cycle(KEYS), records, SIZE)?;
        Ok(Self { broker, binaries, groups: 0 })
    }

    /// An endpoint, in a process of its own.
    pub fn endpoint(&self) -> anyhow::Result<(Measured, Control)> {
        Control::start(&self.binaries)
    }

    /// A pipeline that begins at the topic's first record, with one arbiter.
    pub fn config(&mut self, senders: usize) -> anyhow::Result<PipelineConfig> {
        self.groups += 1;
        let group = format!("lab-{}", self.groups);
        let mut config = PipelineConfig::new(self.broker.address(), TOPIC, &group);
        config.senders = senders.try_into()?;
        config.arbiters = 1.try_into()?;
        Ok(config)
    }
}

/// Waits until an endpoint has answered.
pub fn first_answer(control: &mut Control) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if control.stats()?.answered > 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("nothing is delivered to {}", control.address())
}

/// Stops a pipeline; what is under way is cancelled.
pub fn stop(pipeline: &Handle) -> anyhow::Result<()> {
    pipeline.stop_within(Duration::ZERO);
    Ok(load::block_on(pipeline.wait())??)
}

/// The middle one of some values, the lower of two; NaN of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    part(&values, 0.5)
}

/// The value that this part of some sorted ones does not exceed; NaN of none.
pub fn part(sorted: &[f64], part: f64) -> f64 {
    let index = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// The HTTP sink with a clock: how long each request took, in seconds, as the one who made it saw
/// it, the connection's setup included.
#[derive(Clone)]
pub struct Timed {
    pub settings: HttpSettings,
    pub times: Times,
}

/// What [`Timed`] saw since the last look: no more than there are records.
#[derive(Clone, Default)]
pub struct Times(Arc<Mutex<Vec<f64>>>);

impl Times {
    pub fn take(&self) -> Vec<f64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, time: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(time.as_secs_f64());
    }
}

impl SinkFactory for Timed {
    type Sink = TimedSink;

    fn build(&self, context: &SinkContext) -> Result<TimedSink, SinkError> {
        Ok(TimedSink { sink: self.settings.build(context)?, times: self.times.clone() })
    }

    fn describe(&self) -> Option<String> {
        self.settings.describe()
    }
}

/// See [`Timed`].
pub struct TimedSink {
    sink: HttpSink,
    times: Times,
}

impl Sink for TimedSink {
    async fn deliver(&self, delivery: &Delivery<Record>) -> Outcomes {
        let began = Instant::now();
        let outcomes = self.sink.deliver(delivery).await;
        self.times.add(began.elapsed());
        outcomes
    }

    fn is_routed(&self) -> bool {
        self.sink.is_routed()
    }

    fn step(&self, record: &mut Record, request: u16, attempt: u32) -> Step {
        self.sink.step(record, request, attempt)
    }

    fn destination(&self) -> Arc<str> {
        self.sink.destination()
    }

    fn connections(&self) -> Option<ConnectionCounts> {
        self.sink.connections()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_values_is_not_above_what_is_found() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        let found = [part(&values, 0.99), part(&values, 0.5), part(&values[..1], 0.99)];
        assert_eq!(found.map(|it| it as u32), [198, 100, 1]);
        assert!(part(&[], 0.5).is_nan());
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()) as u32, 2);
    }
}
