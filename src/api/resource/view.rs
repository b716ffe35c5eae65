//! A pipeline of this process, as it is shown: how it is doing, what it is to be, and from where.

use std::sync::Arc;

use keyway_actors::web::Pipeline;
use keyway_actors::{Handles, State};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::settings::{self, Body};
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

#[expect(clippy::ref_option, reason = "serde calls it so")]
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
    /// A pipeline that is there as `member`; `counted` is what its handle tells.
    ///
    /// That it has ended is for its phase alone to say: until the supervisor knows, its name, its
    /// group and its file are taken, and who reads `stopped` is to have them free.
    pub fn of(name: &str, member: Member, counted: Option<Pipeline>) -> Self {
        let mut pipeline = counted.unwrap_or_else(|| Pipeline::without_counts(name));
        match member.phase {
            Phase::Up => {
                if matches!(pipeline.state, State::Stopped | State::Failed) {
                    (pipeline.state, pipeline.failure) = (State::Draining, None);
                }
            }
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

    /// One that was just made.
    pub fn example() -> Self {
        let definition = settings::schema::example();
        Self {
            pipeline: Pipeline::without_counts("orders"),
            origin: Origin::Api,
            to_be: Run::Running,
            leaving: false,
            definition: definition.as_object().cloned().map(Arc::new),
        }
    }

    /// The pipeline of that name.
    pub fn named(name: &str, roster: &Roster, handles: &Handles) -> Option<Self> {
        // Its phase first: what it counts may then be of later, never of the time before.
        let member = roster.get(name)?;
        Some(Self::of(name, member, counted(name, handles)))
    }
}

impl Resources {
    /// One of them.
    pub fn example() -> Self {
        Self { pipelines: vec![Resource::example()] }
    }

    /// All pipelines.
    pub fn of(roster: &Roster, handles: &Handles) -> Self {
        let all = roster.all().into_iter();
        let of = |(name, it): (String, _)| Resource::of(&name, it, counted(&name, handles));
        Self { pipelines: all.map(of).collect() }
    }
}

fn counted(name: &str, handles: &Handles) -> Option<Pipeline> {
    handles.get(name).as_ref().map(Pipeline::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 6] = [
        State::Starting,
        State::Running,
        State::Paused,
        State::Draining,
        State::Stopped,
        State::Failed,
    ];

    /// What is shown of a pipeline whose handle tells `state`.
    fn shown(phase: Phase, state: State) -> (State, Option<String>) {
        let member = Member {
            origin: Origin::Api,
            definition: None,
            run: Run::Stopped,
            phase,
            leaving: false,
        };
        let failure = (state == State::Failed).then(|| "by itself".to_owned());
        let told = Pipeline { state, failure, ..Pipeline::without_counts("a") };
        let pipeline = Resource::of("a", member, Some(told)).pipeline;
        (pipeline.state, pipeline.failure)
    }

    #[test]
    fn what_has_ended_is_shown_so_only_once_its_group_and_file_are_free() {
        for state in ALL {
            let expected = match state {
                State::Stopped | State::Failed => State::Draining,
                state => state,
            };
            assert_eq!(shown(Phase::Up, state), (expected, None), "{state:?}");
            assert_eq!(shown(Phase::Stopped, state).0, State::Stopped, "{state:?}");
            let why = Some("it says".to_owned());
            let failed = shown(Phase::Failed("it says".to_owned()), state);
            assert_eq!(failed, (State::Failed, why), "{state:?}");
            assert_eq!(shown(Phase::Starting, state).0, State::Starting, "{state:?}");
        }
    }
}
