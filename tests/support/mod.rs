//! The language of the end-to-end tests: a real Kafka broker, librdkafka's mock cluster, an HTTP
//! endpoint that keeps books of its own, and the `keyway` binary as a child process.
//!
//! Every test owns its topic, port and group. Tests wait for conditions, never for time: a wait
//! that is not met within [`wait::LIMIT`] fails with what it waited for.
#![allow(dead_code, unused_imports, reason = "each test target uses its own part of the language")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a failed step of a test is a panic that names the step"
)]

mod child;
mod cluster;
mod endpoint;
mod kafka;
mod keyway;
mod mock;
mod ports;
mod records;
mod tls;
mod wait;
pub mod written;

pub use child::Guarded;
pub use cluster::{Access, Cluster, Committed, Load, Received, Watermarks};
pub use endpoint::{
    Again, Disorder, Ending, Endpoint, Entry, Gate, Lanes, Ledger, Overlap, Reply, Request,
    RequestId, Script, Verdict, script,
};
pub use kafka::{GUEST, Kafka, Listener, Member};
pub use keyway::{Answer, Keyway, Metrics, Output, Running, ask, ask_raw};
pub use mock::Mock;
pub use ports::HeldPort;
pub use records::{Id, Record, Rng, Sent, numbered, unique, zipf};
pub use rustix::process::Signal;
pub use tls::{Authority, Issued};
pub use wait::{LIMIT, wait_for};
