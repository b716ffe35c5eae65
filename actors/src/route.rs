//! Routing: which requests a record becomes.
//!
//! A [`Route`] turns a record into a [`Plan`]: no request, one, or several that belong together and
//! are made one after the other. [`TemplateRoutes`] does it with conditions and templates from a
//! configuration; a program that embeds Keyway may do it in Rust:
//!
//! ```
//! use keyway_actors::route::{Plan, PlanContext, Refusal, Request, Route};
//! use keyway_actors::{Failure, FailureKind, Record};
//!
//! struct ByRegion;
//!
//! impl Route for ByRegion {
//!     fn plan(&self, record: &Record, _: &PlanContext<'_>) -> Result<Plan, Refusal> {
//!         let url = match record.header("region") {
//!             Some(b"eu") => "https://eu.example/orders",
//!             Some(b"us") => "https://us.example/orders",
//!             _ => return Ok(Plan::filtered()),
//!         };
//!         let request = Request::new(url)
//!             .map_err(|error| Failure::new(FailureKind::Unsendable, error.to_string()))?;
//!         Ok(Plan::one(request))
//!     }
//! }
//! ```

use std::fmt;

use crate::core::outcome::{Failure, FailureKind};
use crate::record::Record;

mod body;
mod calls;
mod condition;
mod context;
mod fault;
mod hosts;
mod language;
mod origin;
mod place;
mod plan;
mod request;
mod settings;
mod tags;
mod template;
mod templates;
mod text;
mod url;

pub use condition::{Condition, ConditionError};
pub use fault::ExpressionError;
pub use hosts::is_host_pattern;
pub use origin::Origin;
pub use place::{Field, Place, TemplateError};
pub use plan::{MAX_REQUESTS, Plan, TooManyRequests};
pub use request::{Request, RequestError};
pub use settings::{MatchMode, RequestSettings, RouteSettings, RoutesSettings};
pub use tags::tag_ranges;
pub use template::Template;
pub use templates::TemplateRoutes;

/// Decides which requests a record becomes.
pub trait Route: Send + Sync + 'static {
    /// What is to be requested for `record`.
    ///
    /// Called on an arbiter before each attempt, so it must not block. It is to give the same
    /// requests, in number and order, whenever it is asked of the same record: a retry asks again
    /// and goes on at the request that failed. What varies with the time or the attempt belongs in
    /// bodies and headers only.
    ///
    /// # Errors
    /// A record that cannot be requested, or that no route is for.
    fn plan(&self, record: &Record, context: &PlanContext<'_>) -> Result<Plan, Refusal>;

    /// How many destinations (scheme, host and port) its requests can have, where that is known. One
    /// that is alone gets all senders; of several, or of who knows how many, each gets half at most.
    fn destinations(&self) -> Option<usize> {
        None
    }
}

/// What a route may know beside the record.
#[derive(Clone, Copy, Debug)]
pub struct PlanContext<'a> {
    attempt: u32,
    group: &'a str,
}

impl<'a> PlanContext<'a> {
    /// `attempt` counts from 1, for the request of the plan that is next; `group` is the consumer
    /// group.
    pub fn new(attempt: u32, group: &'a str) -> Self {
        Self { attempt, group }
    }

    /// Which attempt this is at the request of the plan that is next, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The consumer group.
    pub fn group(&self) -> &'a str {
        self.group
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No request can be made from the record: `on_rejected` decides what becomes of it.
    Rejected(Failure),
    /// No route is for the record, and this is what becomes of it, whatever `on_rejected` says.
    /// With [`Unmatched::Filter`] it is the same as [`Plan::filtered`].
    Unmatched(Unmatched),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Rejected(failure)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(failure) => failure.fmt(f),
            Self::Unmatched(unmatched) => unmatched.failure().fmt(f),
        }
    }
}

/// What becomes of a record that no route is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unmatched {
    /// It is settled without a request, and counted as filtered.
    #[default]
    Filter,
    /// It goes to the dead-letter topic.
    DeadLetter,
    /// The pipeline stops, with the record unsettled.
    Stop,
}

impl Unmatched {
    /// What the dead letter and the log say.
    pub fn failure(self) -> Failure {
        Failure::new(FailureKind::Unsendable, "no route matches the record")
    }
}
