//! One look at a running Keyway: what its API says of all its pipelines.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keyway_actors::State;
use keyway_actors::explain::Lanes;
use keyway_actors::web::{Partition, Partitions, Pipeline, Pipelines};

use crate::commands::asking::{Api, AskError, encoded};

/// How many lanes of a pipeline are asked for: about what fits on a screen.
const LANES: usize = 50;

/// How often lanes are asked for at the most: each delivery thread looks at all of its lanes for
/// that.
const LANES_EVERY: Duration = Duration::from_secs(2);

/// The most pipelines of which more is asked than how they are: as many connections are made at a
/// time, and the API has 128 for everybody.
const MOST_ASKED: usize = 32;

/// What was seen at one moment.
#[derive(Clone, Debug)]
pub struct Look {
    /// When, since the first look began.
    pub at: Duration,
    /// Each pipeline.
    pub pipelines: Vec<Seen>,
}

/// What was seen of a pipeline.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How it is.
    pub pipeline: Pipeline,
    /// Its partitions; none where they were not to be had.
    pub partitions: Vec<Partition>,
    /// Its lanes that have waited longest, and when they were asked for.
    pub lanes: Option<(Duration, Lanes)>,
}

/// Looks. Lanes that were asked for just before are not asked for again.
///
/// # Errors
/// There is no answer. Where a pipeline ends meanwhile, what it would have told is left out.
pub async fn look(api: &Api, begun: Instant, before: Option<&Look>) -> Result<Look, AskError> {
    let all: Pipelines = api.get("/v1/pipelines").await?;
    let at = begun.elapsed();
    let seen = all.pipelines.into_iter().enumerate().map(async |(index, pipeline)| {
        let there = !matches!(pipeline.state, State::Stopped | State::Failed);
        if !there || index >= MOST_ASKED {
            return Ok(Seen { pipeline, partitions: Vec::new(), lanes: None });
        }
        let path = format!("/v1/pipelines/{}", encoded(&pipeline.name));
        let partitions = or_none(api.get::<Partitions>(&format!("{path}/partitions")).await)?;
        let partitions = partitions.map_or_else(Vec::new, |it| it.partitions);
        let known = before.and_then(|before| before.lanes_of(&pipeline.name));
        let lanes = match known {
            Some((asked, lanes)) if at.saturating_sub(*asked) < LANES_EVERY => {
                Some((*asked, lanes.clone()))
            }
            _ => {
                let lanes = api.get::<Lanes>(&format!("{path}/lanes?limit={LANES}")).await;
                or_none(lanes)?.map(|lanes| (at, lanes))
            }
        };
        Ok(Seen { pipeline, partitions, lanes })
    });
    let pipelines = join_all(seen).await.into_iter().collect::<Result<_, AskError>>()?;
    Ok(Look { at, pipelines })
}

/// A pipeline that refuses to tell has ended, or is not there yet.
fn or_none<T>(told: Result<T, AskError>) -> Result<Option<T>, AskError> {
    match told {
        Ok(told) => Ok(Some(told)),
        Err(AskError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Look {
    /// What was seen of the pipeline of that name.
    pub fn of(&self, name: &str) -> Option<&Seen> {
        self.pipelines.iter().find(|seen| seen.pipeline.name == name)
    }

    fn lanes_of(&self, name: &str) -> Option<&(Duration, Lanes)> {
        self.of(name)?.lanes.as_ref()
    }
}
