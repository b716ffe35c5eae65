//! Pipelines as resources: made, changed, led and deleted through the API, kept in a folder, and
//! read again from the file.

mod failing;
mod hastened;
mod kept;
mod led;
mod made;
mod many;
mod reaching;
mod refused;
mod reloaded;
mod secured;

use serde_json::{Value, json};

use super::stage::{Counts, Stage, quick};
use crate::support::*;

impl Stage {
    /// `keyway serve` beside the cluster, without a pipeline.
    fn serve(&self) -> Keyway {
        quick(Keyway::serve(&self.mock))
    }

    /// Starts a consumer by the plain endpoint, in a group of its own with all others of the stage.
    fn start_consumer(&self, keyway: &mut Running, id: &str) -> Answer {
        let (broker, topic, group) = (self.mock.access().brokers, &self.topic, &self.group);
        let url = self.endpoint.url();
        let path = format!(
            "/start-consumer?broker={broker}&topic={topic}&group_id={group}&http_url={url}\
             &client_id={id}"
        );
        keyway.ask("POST", &path, "")
    }

    /// The definition of a pipeline from the topic to the endpoint.
    fn definition(&self, name: &str) -> Value {
        self.definition_of(name, &self.topic, "/")
    }

    /// The same from that topic to that path.
    fn definition_of(&self, name: &str, topic: &str, path: &str) -> Value {
        json!({
            "name": name,
            "topics": [topic],
            "group_id": format!("{}-{name}", self.group),
            "http": { "url": self.endpoint.url_of(path) },
        })
    }

    fn wait_committed(&self, name: &str) {
        self.mock.wait_all_committed(&format!("{}-{name}", self.group), &self.topic);
    }
}

/// What a test asks of the API.
trait Asks {
    fn post(&mut self, definition: &Value) -> Answer;
    fn put(&mut self, definition: &Value) -> Answer;
    fn delete(&mut self, name: &str) -> Answer;
    fn lead(&mut self, name: &str, order: &str) -> Answer;
    /// The pipeline as it is; null where there is none.
    fn show(&mut self, name: &str) -> Value;
    /// Waits until it is in this state.
    fn wait_state(&mut self, name: &str, state: &str);
    fn wait_gone(&mut self, name: &str);
}

impl Asks for Running {
    fn post(&mut self, definition: &Value) -> Answer {
        self.ask("POST", "/v1/pipelines", &definition.to_string())
    }

    fn put(&mut self, definition: &Value) -> Answer {
        let name = definition["name"].as_str().expect("a name");
        self.ask("PUT", &format!("/v1/pipelines/{name}"), &definition.to_string())
    }

    fn delete(&mut self, name: &str) -> Answer {
        self.ask("DELETE", &format!("/v1/pipelines/{name}"), "")
    }

    fn lead(&mut self, name: &str, order: &str) -> Answer {
        self.ask("POST", &format!("/v1/pipelines/{name}/{order}"), "")
    }

    fn show(&mut self, name: &str) -> Value {
        let answer = self.ask("GET", &format!("/v1/pipelines/{name}"), "");
        if answer.status == 404 { Value::Null } else { answer.json() }
    }

    fn wait_state(&mut self, name: &str, state: &str) {
        wait_for(&format!("{name} to be {state}"), || {
            (self.show(name)["state"] == state).then_some(())
        });
    }

    fn wait_gone(&mut self, name: &str) {
        wait_for(&format!("{name} to be gone"), || self.show(name).is_null().then_some(()));
    }
}

/// Checks that something is refused with this status, as a problem document; gives it.
fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{answer:?}");
    problem
}
