//! All four actors, from a real broker, without HTTP: before a sink that settles at once, which shows
//! what the way through Keyway costs, or before a file.

use std::time::{Duration, Instant};

use keyway_actors::sink::file::{FileSettings, FileSink};
use keyway_actors::sink::sink_fn;
use keyway_actors::{Outcome, Pipeline, PipelineConfig, Record};
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Deserialize, Serialize)]
pub struct Direct {
    /// Records a second, from the first seen to the last.
    pub throughput: f64,
    /// Records of a delivery, in the mean.
    pub together: f64,
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
    file: Option<FileSettings>,
) -> anyhow::Result<Direct> {
    let mut config = PipelineConfig::new(brokers, topic, group);
    config.arbiters = arbiters.try_into()?;
    config.kafka.extend(properties.iter().cloned());
    actix_rt::System::new().block_on(async {
        let began = Instant::now();
        let at_once = sink_fn(|_: &Record| async { Outcome::Delivered });
        let pipeline = if let Some(file) = file {
            Pipeline::start(config, FileSink::new(file))?
        } else {
            Pipeline::start(config, at_once)?
        };
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
        let deliveries = pipeline.status().totals.requests.iter().sum::<u64>();
        pipeline.stop();
        pipeline.wait().await?;
        let (at, before) = first.unwrap_or((began, 0));
        Ok(Direct {
            throughput: (records - before) as f64 / last.duration_since(at).as_secs_f64(),
            together: records as f64 / deliveries as f64,
            started_in: at.duration_since(began).as_secs_f64(),
        })
    })
}
