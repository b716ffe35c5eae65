//! Where records go.
//!
//! A sink turns a delivery into an outcome. It lives on one arbiter, is shared by the senders there
//! and never leaves that thread, so it may hold what is not `Send` (an `awc::Client`, an `Rc`).
//! The HTTP sink is one of them; [`sink_fn`] makes one of a function.

use std::future::Future;
use std::sync::Arc;

use slog::Logger;

use crate::core::desk::{Outcomes, Step};
use crate::core::lanes::{Batch, Delivery};
use crate::core::outcome::Outcome;
use crate::pulse::Pulse;
use crate::record::Record;

pub mod file;
pub mod http;

/// Turns deliveries into outcomes, on one arbiter.
pub trait Sink: 'static {
    /// Makes one attempt.
    ///
    /// The future runs on the arbiter: it must not block. It is dropped when the attempt is
    /// cancelled (its partition left and the revoke deadline passed, or the pipeline was stopped
    /// at once); the record is then sent again later. A panic in it ends the pipeline.
    fn deliver(&self, delivery: &Delivery<Record>) -> impl Future<Output = Outcomes>;

    /// How much a delivery may hold at the most; asked once, when the sink was made. A sink that
    /// says more than one record gets what is ready, and waits for nothing to fill it. A delivery is
    /// cancelled as a whole: when the partition of one of its records leaves, the others in it are
    /// sent again.
    fn batch(&self) -> Batch {
        Batch::ONE
    }

    /// Whether records go different ways, so that [`step`](Self::step) is to be asked.
    fn is_routed(&self) -> bool {
        false
    }

    /// Says where a record's next request goes: the one of index `request`, at its attempt number
    /// `attempt` (from 1). Asked on the arbiter when the record is the next of its lane, and again
    /// after each wait; it must not block.
    fn step(&self, _record: &mut Record, _request: u16, _attempt: u32) -> Step {
        Step::Send { to: None, requests: 1 }
    }

    /// How many destinations there may be, where that is known: of several none gets all senders.
    fn destinations(&self) -> Option<usize> {
        Some(1)
    }

    /// What the destination is called where all records go one way: scheme, host and port.
    fn destination(&self) -> Arc<str> {
        "sink".into()
    }

    /// Where a record's request of that index goes, without credentials and query, for whoever asks
    /// why it waits; none where there is nothing to tell, or not yet.
    fn url(&self, _record: &Record, _request: u16) -> Option<String> {
        None
    }

    /// The sign of life of a thread of its own, where it has one, which its clones on other arbiters
    /// share with it; asked once, when the sink was made.
    fn pulse(&self) -> Option<Arc<Pulse>> {
        None
    }

    /// How it came by its connections since it was made, for the metrics; asked about once a
    /// second. None where there is nothing to tell.
    fn connections(&self) -> Option<ConnectionCounts> {
        None
    }
}

/// How a sink came by its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Connections opened.
    pub opened: u64,
    /// Requests sent on a connection that had carried another before.
    pub reused: u64,
}

/// Makes the sink of each arbiter, on that arbiter.
pub trait SinkFactory: Clone + Send + Sync + 'static {
    /// What it makes.
    type Sink: Sink;

    /// Makes the sink for the arbiter that this is called on.
    ///
    /// # Errors
    /// Whatever keeps the sink from being made; the pipeline does not start then, and says so.
    fn build(&self, context: &SinkContext) -> Result<Self::Sink, SinkError>;

    /// Where records go, without secrets, for dead letters (`keyway.dead-letter.url`).
    fn describe(&self) -> Option<String> {
        None
    }
}

/// What a sink is told of its surroundings when it is made.
#[derive(Clone, Debug)]
pub struct SinkContext {
    /// The pipeline's name.
    pub pipeline: String,
    /// The consumer group; part of the `Idempotency-Key`.
    pub group_id: String,
    /// Senders on this arbiter: the most deliveries that are under way at a time.
    pub senders: usize,
    /// For what the sink has to say.
    pub log: Logger,
}

/// Why a sink could not be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// A sink of a function from record to outcome.
///
/// ```
/// use keyway_actors::{Outcome, sink::sink_fn};
///
/// let sink = sink_fn(|record: &keyway_actors::Record| {
///     let size = record.value().map_or(0, |value| value.len());
///     async move {
///         println!("{size} bytes");
///         Outcome::Delivered
///     }
/// });
/// # let _ = sink;
/// ```
pub fn sink_fn<F, Fut>(deliver: F) -> SinkFn<F>
where
    F: Fn(&Record) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + 'static,
{
    SinkFn(deliver)
}

/// See [`sink_fn`].
#[derive(Clone, Debug)]
pub struct SinkFn<F>(F);

impl<F, Fut> Sink for SinkFn<F>
where
    F: Fn(&Record) -> Fut + 'static,
    Fut: Future<Output = Outcome> + 'static,
{
    async fn deliver(&self, delivery: &Delivery<Record>) -> Outcomes {
        if let [entry] = delivery.entries() {
            return (self.0)(entry.item()).await.into();
        }
        let mut outcomes = Vec::with_capacity(delivery.entries().len());
        for entry in delivery.entries() {
            outcomes.push((self.0)(entry.item()).await);
        }
        outcomes.into()
    }
}

impl<F, Fut> SinkFactory for SinkFn<F>
where
    F: Fn(&Record) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + 'static,
{
    type Sink = Self;

    fn build(&self, _context: &SinkContext) -> Result<Self, SinkError> {
        Ok(self.clone())
    }
}
