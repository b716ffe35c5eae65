//! A pipeline, as it is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::destination::Destination;
use super::totals::Totals;
use crate::handle::{Handle, State, Status};

/// A pipeline at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// What it is doing: `starting` (its parts are being made, or it waits to join its group),
    /// `running`, `paused` (it was told to rest, and stays in its group), `draining` (it finishes what
    /// is under way and leaves), `stopped` (as it was told to), or `failed`.
    pub state: State,
    /// Whether it has partitions, or its group has told it that there are none for it.
    pub joined: bool,
    /// Whether the coordinator of its group is out of reach, as of the last five seconds.
    pub cut_off: bool,
    /// What keeps it from its brokers, in librdkafka's words, while it waits to join its group or
    /// `cut_off` is true; null where nothing was said, and else.
    #[schema(required)]
    pub connection_error: Option<String>,
    /// How many partitions it has.
    pub partitions_assigned: u64,
    /// What it has done since it started, and holds now.
    pub totals: Totals,
    /// The destinations of its records, as of the last quarter second in which something happened;
    /// by name.
    pub destinations: Vec<Destination>,
    /// How long the record has been failing that is parked for longest, in seconds; null while none
    /// is.
    #[schema(required, minimum = 0.0)]
    pub parked_for_seconds: Option<f64>,
    /// Why it failed; null unless it did.
    #[schema(required)]
    pub failure: Option<String>,
}

/// Pipelines, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pipelines {
    /// Each of them.
    pub pipelines: Vec<Pipeline>,
}

impl Pipeline {
    /// One that is not there, and counts nothing: it is starting.
    pub fn without_counts(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: State::Starting,
            joined: false,
            cut_off: false,
            connection_error: None,
            partitions_assigned: 0,
            totals: Totals::default(),
            destinations: Vec::new(),
            parked_for_seconds: None,
            failure: None,
        }
    }

    /// As it is now. Asks no actor and waits for nothing.
    pub fn of(handle: &Handle) -> Self {
        handle.status().into()
    }
}

impl From<&Handle> for Pipeline {
    fn from(handle: &Handle) -> Self {
        Self::of(handle)
    }
}

impl From<Status> for Pipeline {
    fn from(status: Status) -> Self {
        Self {
            name: status.name,
            state: status.state,
            joined: status.joined,
            cut_off: status.cut_off,
            connection_error: status.connection_error,
            partitions_assigned: status.partitions_assigned as u64,
            totals: (&status.totals).into(),
            destinations: status.destinations.into_iter().map(Destination::from).collect(),
            parked_for_seconds: status.parked_for.map(|it| it.as_secs_f64()),
            failure: status.failure.map(|it| it.to_string()),
        }
    }
}
