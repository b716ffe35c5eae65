//! A pipeline of this process, as it is shown: how it is doing, what it is to be, and from where.

use std::sync::Arc;

use keyway_actors::web::Pipeline;
use keyway_actors::{Handles, State};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::settings::Body;
use crate::supervisor::{Member, Origin, Phase, Roster, Run};

/// A pipeline of this process.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resource {
    #[serde(flatten)]
    pub pipeline: Pipeline,
    /// Where it is defined: in the `configuration`, where alone it can be changed, or by the `api`.
    pub origin: Origin,
    /// What it is to do.
    pub to_be: Run,
    /// Whether it ends, and is forgotten then.
    pub leaving: bool,
    /// Its definition, with `***` in place of each secret; null if it is of the configuration.
    #[schema(required, value_type = Option<Object>)]
    #[serde(serialize_with = "definition")]
    pub definition: Option<Arc<Body>>,
}

#[allow(clippy::ref_option, reason = "what serde calls is given the field")]
fn definition<S: Serializer>(body: &Option<Arc<Body>>, serializer: S) -> Result<S::Ok, S::Error> {
    body.as_deref().serialize(serializer)
}

/// The pipelines of this process, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resources {
    /// Each of them.
    pub pipelines: Vec<Resource>,
}

impl Resource {
    fn of(name: &str, member: Member, handles: &Handles) -> Self {
        let handle = handles.get(name).as_ref().map(Pipeline::of);
        let mut pipeline = handle.unwrap_or_else(|| Pipeline::without_counts(name));
        match member.phase {
            Phase::Up => {}
            Phase::Starting => pipeline.state = State::Starting,
            Phase::Stopped => pipeline.state = State::Stopped,
            Phase::Failed(why) => {
                pipeline.state = State::Failed;
                pipeline.failure = Some(why);
            }
        }
        Self {
            pipeline,
            origin: member.origin,
            to_be: member.run,
            leaving: member.leaving,
            definition: member.definition,
        }
    }

    /// The pipeline of that name.
    pub fn named(name: &str, roster: &Roster, handles: &Handles) -> Option<Self> {
        Some(Self::of(name, roster.get(name)?, handles))
    }
}

impl Resources {
    /// All pipelines.
    pub fn of(roster: &Roster, handles: &Handles) -> Self {
        let all = roster.all().into_iter();
        Self { pipelines: all.map(|(name, it)| Resource::of(&name, it, handles)).collect() }
    }
}
