//! All four actors, from a real broker, before a sink that settles at once: what the way through
//! Keyway costs when there is no HTTP.

use std::time::{Duration, Instant};

use keyway_actors::sink::sink_fn;
use keyway_actors::{Outcome, Pipeline, PipelineConfig, Record};
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Deserialize, Serialize)]
pub struct Direct {
    /// Records a second, from the first seen to the last.
    pub throughput: f64,
    /// From the start of the pipeline to the first record settled, in seconds.
    pub started_in: f64,
}

/// Delivers so many records of a topic.
pub fn run(
    brokers: &str,
    topic: &str,
    group: &str,
    records: u64,
    arbiters: usize,
    properties: &[(String, String)],
) -> anyhow::Result<Direct> {
    let mut config = PipelineConfig::new(brokers, topic, group);
    config.arbiters = arbiters.try_into()?;
    config.kafka.extend(properties.iter().cloned());
    actix_rt::System::new().block_on(async {
        let began = Instant::now();
        let sink = sink_fn(|_: &Record| async { Outcome::Delivered });
        let pipeline = Pipeline::start(config, sink)?;
        let mut first = None;
        let last = loop {
            actix_rt::time::sleep(Duration::from_millis(2)).await;
            let delivered = pipeline.status().totals.delivered;
            if delivered > 0 && first.is_none() {
                first = Some((Instant::now(), delivered));
            }
            if delivered >= records {
                break Instant::now();
            }
        };
        pipeline.stop();
        pipeline.wait().await?;
        let (at, before) = first.unwrap_or((began, 0));
        Ok(Direct {
            throughput: (records - before) as f64 / last.duration_since(at).as_secs_f64(),
            started_in: at.duration_since(began).as_secs_f64(),
        })
    })
}
