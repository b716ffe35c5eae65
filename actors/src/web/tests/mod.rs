//! What is answered, by the application's own threads: of pipelines that are made up, that cannot
//! reach a broker, and that run on librdkafka's mock cluster.

mod documents;
mod exposition;
mod health;
mod mounted;
mod pipelines;
mod resources;
mod schema;
mod scrape;
mod views;
mod waiting;

use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode};
use actix_web::{App, test};

use super::{Probes, scope};
use crate::handles::Handles;
use crate::sink::sink_fn;
use crate::stats::Totals;
use crate::{Handle, Outcome, Pipeline, PipelineConfig, Record, State, Status};

/// How long any wait may last before its test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// An application that shows these pipelines.
struct Api {
    handles: Handles,
    patience: Duration,
}

impl Api {
    /// Of these pipelines; their threads may be silent for so long.
    fn of(pipelines: Vec<Handle>, patience: Duration) -> Self {
        Self { handles: pipelines.into(), patience }
    }

    /// What a request is answered: the status and the text.
    async fn ask(&self, method: Method, path: &str) -> (StatusCode, String) {
        let probes = Probes::of(self.handles.clone()).patience(self.patience);
        let app = App::new().configure(|config| probes.configure(config));
        let app = app.service(scope(self.handles.clone()));
        let app = test::init_service(app).await;
        let request = test::TestRequest::default().method(method).uri(path).to_request();
        let answer = test::call_service(&app, request).await;
        let status = answer.status();
        let text = test::read_body(answer).await;
        (status, String::from_utf8(text.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.ask(Method::GET, path).await
    }

    /// Waits until a path is answered with this status and a text that contains `part`.
    async fn wait_for(&self, path: &str, status: StatusCode, part: &str) {
        let mut last = (StatusCode::OK, String::new());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            last = self.get(path).await;
            if last.0 == status && last.1.contains(part) {
                return;
            }
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited {PATIENCE:?} for {path} to say {status} and {part:?}; it says {last:?}");
    }
}

/// A pipeline that is well and has done nothing.
fn status(name: &str) -> Status {
    Status {
        name: name.to_owned(),
        state: State::Running,
        joined: true,
        cut_off: false,
        connection_error: None,
        partitions_assigned: 0,
        totals: Totals::default(),
        partitions: Vec::new(),
        parked_for: None,
        destinations: Vec::new(),
        lives: Vec::new(),
        failure: None,
    }
}

/// A pipeline that starts and never reaches a broker: nobody listens on port 1.
fn unreachable(name: &str) -> Handle {
    let mut config = PipelineConfig::new("127.0.0.1:1", "orders", "group");
    config.name = name.to_owned();
    config.arbiters = std::num::NonZeroUsize::MIN;
    Pipeline::start(config, sink_fn(|_: &Record| async { Outcome::Delivered })).unwrap()
}

async fn end(pipeline: &Handle) {
    pipeline.stop_within(Duration::ZERO);
    pipeline.wait().await.unwrap();
}
