//! The sink against real sockets: a small server that says exactly what a test wants said.

use std::time::Duration;

use slog::{Discard, Logger, o};

use super::{HttpSettings, HttpSink};
use crate::core::outcome::{Failure, FailureKind, Outcome};
use crate::record::Record;
use crate::sink::{SinkContext, SinkFactory};

mod connections;
mod deliveries;
mod dressed;
mod interim;
mod mutual;
mod oauth2;
mod outcomes;
mod post;
mod proxied;
mod requests;
mod reuse;
mod routes;
mod secure;
mod server;

use server::{Answer, Request, Server};

fn context(senders: usize) -> SinkContext {
    SinkContext {
        pipeline: "orders".to_owned(),
        group_id: "keyway".to_owned(),
        senders,
        log: Logger::root(Discard, o!()),
    }
}

fn settings(server: &Server) -> HttpSettings {
    HttpSettings::new(&server.url("/orders")).unwrap()
}

fn sink(server: &Server) -> HttpSink {
    settings(server).build(&context(8)).unwrap()
}

/// A record like any other.
fn record() -> Record {
    Record::builder("orders", 3, 42).key("k-1").value("{\"id\":1}").build()
}

/// What one attempt at it comes to, when the server answers with these bytes.
async fn outcome_of(answer: impl AsRef<[u8]>) -> Outcome {
    let answer = answer.as_ref().to_vec();
    let server = Server::start(move |_| Answer::Bytes(answer.clone()));
    sink(&server).attempt(&record(), 1).await
}

fn retried(outcome: Outcome) -> (Option<Duration>, Failure) {
    match outcome {
        Outcome::Retry { after, failure } => (after, *failure),
        other => panic!("{other:?} is no retry"),
    }
}

fn rejected(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Rejected(failure) => *failure,
        other => panic!("{other:?} is no rejection"),
    }
}

#[track_caller]
fn assert_retry(outcome: Outcome, kind: FailureKind, reason: &str) {
    let (after, failure) = retried(outcome);
    assert_eq!((after, failure.kind), (None, kind), "{failure}");
    assert!(failure.reason.contains(reason), "{failure}");
}
