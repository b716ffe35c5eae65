//! The refusals, as the OpenAPI document shows them.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::refused::problem;
use super::too_large;
use crate::supervisor::Refused;

type Responses = BTreeMap<String, RefOr<Response>>;

/// The answer where there is no pipeline of that name.
pub enum Unknown {}

impl IntoResponses for Unknown {
    fn responses() -> Responses {
        problem(&Refused::Unknown).documented("There is no pipeline of that name.")
    }
}

/// The answer to a definition that is not right.
pub enum Invalid {}

impl IntoResponses for Invalid {
    fn responses() -> Responses {
        let wrong = vec![(Some("topics".to_owned()), "missing".to_owned())];
        problem(&Refused::Invalid(wrong)).documented("The definition is not right.")
    }
}

/// The answer where what is asked for is at odds with what there is.
pub enum Conflicts {}

impl IntoResponses for Conflicts {
    fn responses() -> Responses {
        problem(&Refused::Exists("orders".to_owned())).documented(
            "It is at odds with what there is: a pipeline of that name, one that it cannot run \
             beside, as many pipelines as there may be, or what the pipeline does now.",
        )
    }
}

/// The answer where the configuration defines the pipeline.
pub enum ReadOnly {}

impl IntoResponses for ReadOnly {
    fn responses() -> Responses {
        problem(&Refused::ReadOnly("orders".to_owned()))
            .documented("The pipeline is defined in the configuration, and changed there.")
    }
}

/// The answer to a body that is too long.
pub enum TooLarge {}

impl IntoResponses for TooLarge {
    fn responses() -> Responses {
        too_large().documented("The body is too long.")
    }
}

/// The answers where nothing is changed for no fault of the request.
pub enum Changing {}

impl IntoResponses for Changing {
    fn responses() -> Responses {
        let kept = problem(&Refused::NotKept("no space left on device".to_owned()))
            .documented("What is to be kept (`api.state_dir`) cannot be written.");
        let ending = problem(&Refused::Ending).documented("The process is ending.");
        kept.into_iter().chain(ending).collect()
    }
}
