//! What the supervisor refuses, as problem documents.

use actix_web::http::StatusCode;
use keyway_actors::web::Problem;

use crate::supervisor::Refused;

/// The answer to a change that is refused.
pub fn problem(refused: &Refused) -> Problem {
    match refused {
        Refused::Unknown => {
            let detail = "there is no pipeline of that name; /v1/pipelines has their names";
            Problem::new(StatusCode::NOT_FOUND, detail)
        }
        Refused::Exists(name) => {
            let detail = format!("there is a pipeline {name:?}; PUT changes it");
            Problem::new(StatusCode::CONFLICT, detail)
        }
        Refused::ReadOnly(name) => {
            let detail = format!(
                "pipeline {name:?} is defined in the configuration: change it there, and send \
                 SIGHUP"
            );
            Problem::new(StatusCode::FORBIDDEN, detail)
        }
        Refused::Conflict(why) => Problem::new(StatusCode::CONFLICT, why.clone()),
        Refused::Invalid(wrong) => {
            let detail = "the definition is not right; `errors` says what is wrong with it";
            let problem = Problem::new(StatusCode::BAD_REQUEST, detail);
            wrong.iter().fold(problem, |problem, (field, what)| {
                problem.with(field.clone().unwrap_or_default(), what.clone())
            })
        }
        Refused::NotKept(why) => {
            let detail =
                format!("no pipeline changed, for that cannot be kept (api.state_dir): {why}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
        }
        Refused::Ending => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Keyway is ending: nothing is changed")
        }
    }
}
