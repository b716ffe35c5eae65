//! Delivers Kafka records over HTTP, or to any sink: in order per key, in parallel across keys,
//! losing nothing, and after a crash sending again only what was not finished.
//!
//! A [`Pipeline`] runs on threads of its own and is led through a plain [`Handle`], from any actix
//! or tokio program:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use keyway_actors::sink::http::HttpSettings;
//! use keyway_actors::{Pipeline, PipelineConfig};
//!
//! let config = PipelineConfig::new("localhost:9092", "orders", "orders-http");
//! let pipeline = Pipeline::start(config, HttpSettings::new("http://localhost:8080/orders")?)?;
//! println!("{} delivered", pipeline.status().totals.delivered);
//! pipeline.stop();
//! pipeline.wait().await?;
//! # Ok(())
//! # }
//! ```
//!
//! With the cargo feature `web` there is the module `web` too: health, metrics and the control of
//! pipelines over HTTP, to mount in an actix-web application.
//!
//! Its actors, one a file, are [`consumer`], [`router`], [`sender`] and [`offsets`]; what they
//! decide is in [`core`], which knows no actors.

pub mod assignment;
pub mod config;
pub mod consumer;
pub mod core;
pub mod dead_letter;
mod dispatcher;
pub mod ending;
pub mod error;
pub mod explain;
pub mod handle;
pub mod handles;
pub mod kafka;
pub mod message;
pub mod offsets;
pub mod pipeline;
pub mod pulse;
pub mod record;
mod rfc3339;
pub mod route;
pub mod router;
mod say;
pub mod sender;
pub mod sink;
pub mod stats;
#[cfg(feature = "web")]
pub mod web;
pub mod wiring;

pub use config::{DeadLetterConfig, DestinationConfig, OffsetOverflow, Ordering, PipelineConfig};
pub use core::outcome::{Failure, FailureKind, Outcome};
pub use core::retry::{Action, RetryPolicy};
pub use error::PipelineError;
pub use handle::{Handle, State, Status};
pub use handles::Handles;
pub use pipeline::Pipeline;
pub use pulse::{Life, Part, Pulse};
pub use record::Record;
pub use sink::{Sink, SinkFactory};
