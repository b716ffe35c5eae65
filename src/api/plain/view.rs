//! Consumers as they are shown, and what is answered to who starts and stops them.

use keyway_actors::{Handle, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::resource::{Resource, Resources};
use crate::api::Led;
use crate::settings::Body;

/// Lanes that are looked at for what went wrong last: those that have waited longest, of which the
/// first that fails tells.
const LOOKED_AT: usize = 100;

/// A consumer was started.
#[derive(Debug, Serialize, ToSchema)]
pub struct Started {
    /// What was done.
    pub message: String,
    /// Its id.
    pub consumer_id: String,
    /// The same, as its brokers know it.
    pub client_id: String,
    /// Its group.
    pub group_id: String,
}

/// A consumer was stopped.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stopped {
    /// What was done.
    pub message: String,
    /// Its id.
    pub consumer_id: String,
}

/// All consumers were stopped.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoppedAll {
    /// What was done.
    pub message: String,
    /// The ids of those that ran, and have stopped.
    pub stopped: Vec<String>,
    /// The ids of those that still finish what is under way.
    pub stopping: Vec<String>,
}

impl StoppedAll {
    /// Of these ids.
    pub fn of(stopped: Vec<String>, stopping: Vec<String>) -> Self {
        let mut message = match stopped.len() {
            1 => "1 consumer stopped".to_owned(),
            count => format!("{count} consumers stopped"),
        };
        if !stopping.is_empty() {
            let count = stopping.len();
            message = format!("{message}, {count} stopping: what is under way finishes first");
        }
        Self { message, stopped, stopping }
    }
}

/// A consumer.
#[expect(clippy::struct_field_names, reason = "scripts know them by these names")]
#[derive(Debug, Serialize, ToSchema)]
pub struct Consumer {
    /// Its id: the name of its pipeline.
    pub consumer_id: String,
    /// What its brokers know it as.
    pub client_id: String,
    /// Its topic; several of a pipeline with several, separated by commas.
    pub topic: String,
    /// Its brokers; null where they are those that the process was given for all pipelines.
    #[schema(required)]
    pub broker: Option<String>,
    /// Its group; null where it is the one that all pipelines have by default.
    #[schema(required)]
    pub group_id: Option<String>,
    /// Its file, as it was given; null if it has none.
    #[schema(required)]
    pub file_path: Option<String>,
    /// Where its records are posted, without credentials and query; null if it has a file, or routes.
    #[schema(required)]
    pub http_url: Option<String>,
    /// Whether it is there: it starts, runs, is paused, or finishes what is under way.
    pub running: bool,
    /// Records delivered since it was last started.
    pub messages: u64,
}

/// The consumers, by id.
#[derive(Debug, Serialize, ToSchema)]
pub struct Consumers {
    /// Each of them.
    pub consumers: Vec<Consumer>,
    /// How many there are.
    pub count: u64,
}

/// How a consumer is doing.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsumerStatus {
    #[serde(flatten)]
    pub consumer: Consumer,
    /// What it is doing: `starting`, `running`, `paused`, `draining`, `stopped`, or `failed`.
    pub state: State,
    /// Why it failed; of one that runs, what went wrong with the record that has waited longest, or
    /// what keeps it from its brokers, while something does. Null if all is well, or if nothing is
    /// known.
    #[schema(required)]
    pub last_error: Option<String>,
}

impl Consumer {
    /// All of them.
    pub fn all(led: &Led) -> Vec<Self> {
        let all = Resources::of(&led.roster, &led.handles).pipelines.into_iter();
        all.filter_map(|resource| Self::of(&resource)).collect()
    }

    /// The one of that id.
    pub fn named(led: &Led, id: &str) -> Option<Self> {
        Self::of(&Resource::named(id, &led.roster, &led.handles)?)
    }

    /// A pipeline as a consumer, if it is one: not deleted, and made through the API, for of others no
    /// definition is shown.
    fn of(resource: &Resource) -> Option<Self> {
        let definition = resource.definition.as_deref()?;
        if resource.leaving {
            return None;
        }
        let (name, kafka) = (&resource.pipeline.name, "kafka");
        Some(Self {
            consumer_id: name.clone(),
            client_id: text(definition, kafka, "client.id").unwrap_or_else(|| name.clone()),
            topic: topics(definition),
            broker: text(definition, kafka, "bootstrap.servers"),
            group_id: definition.get("group_id").and_then(Value::as_str).map(str::to_owned),
            file_path: text(definition, "file", "path"),
            http_url: text(definition, "http", "url"),
            running: !matches!(resource.pipeline.state, State::Stopped | State::Failed),
            messages: resource.pipeline.totals.delivered,
        })
    }
}

impl ConsumerStatus {
    /// Of the consumer of that id.
    pub async fn named(led: &Led, id: &str) -> Option<Self> {
        let resource = Resource::named(id, &led.roster, &led.handles)?;
        let consumer = Consumer::of(&resource)?;
        let state = resource.pipeline.state;
        let last_error = match (resource.pipeline.failure, led.handles.get(id)) {
            (Some(failure), _) => Some(failure),
            (None, Some(handle)) if consumer.running => hindrance(&handle).await,
            (None, _) => None,
        };
        Some(Self { consumer, state, last_error })
    }
}

/// What keeps a pipeline from delivering, as far as it can tell.
async fn hindrance(handle: &Handle) -> Option<String> {
    let lanes = handle.lanes(None, LOOKED_AT).await;
    let failure = lanes.ok()?.lanes.into_iter().find_map(|lane| lane.failure);
    let cut_off = || {
        let status = handle.status();
        let why = "the coordinator of its group is out of reach: the broker does not answer";
        status.connection_error.or_else(|| status.cut_off.then(|| why.to_owned()))
    };
    failure.or_else(cut_off)
}

fn text(definition: &Body, section: &str, key: &str) -> Option<String> {
    definition.get(section)?.get(key)?.as_str().map(str::to_owned)
}

fn topics(definition: &Body) -> String {
    match definition.get("topics") {
        Some(Value::String(topic)) => topic.clone(),
        Some(Value::Array(topics)) => {
            let topics: Vec<&str> = topics.iter().filter_map(Value::as_str).collect();
            topics.join(",")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyway_actors::web::Pipeline;

    use super::*;
    use crate::supervisor::{Member, Origin, Phase, Run};

    #[test]
    fn a_consumer_runs_until_its_id_can_be_started_again() {
        let runs = |phase| {
            let definition = Some(Arc::new(Body::new()));
            let (origin, run) = (Origin::Api, Run::Stopped);
            let member = Member { origin, definition, run, phase, leaving: false };
            let ended = Pipeline { state: State::Stopped, ..Pipeline::without_counts("a") };
            Consumer::of(&Resource::of("a", member, Some(ended))).map(|it| it.running)
        };
        assert_eq!(runs(Phase::Up), Some(true));
        assert_eq!(runs(Phase::Stopped), Some(false));
    }

    #[test]
    fn what_still_stops_is_told_apart() {
        let ids = |count: usize| vec!["a".to_owned(); count];
        let told = |stopped, stopping| StoppedAll::of(ids(stopped), ids(stopping)).message;
        assert_eq!(told(1, 0), "1 consumer stopped");
        let both = "0 consumers stopped, 2 stopping: what is under way finishes first";
        assert_eq!(told(0, 2), both);
    }
}
