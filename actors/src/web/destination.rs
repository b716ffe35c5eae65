//! A destination, as it is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::breaker::BreakerState;
use crate::core::destinations::Wait;
use crate::stats::DestinationStatus;

/// Where records go, over all delivery threads of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Destination {
    /// Its name: scheme, host and port.
    pub name: String,
    /// Requests in flight.
    pub in_flight: u64,
    /// The most requests that may be in flight; null where nothing says so.
    #[schema(required)]
    pub limit: Option<u64>,
    /// Lanes that wait for it.
    pub lanes_blocked: u64,
    /// What they wait for; null while none does. `full`: as many requests are in flight as may be;
    /// `senders`: it has its share of the senders; `asked`: it asked to be left alone for a time;
    /// `breaker`: its breaker is open, or waits for the answer to a probe; `rate`: its rate allows the
    /// next request later.
    #[schema(required)]
    pub held: Option<Hold>,
    /// Its breaker, of all delivery threads the one that is worst off: it lets everything through
    /// (`closed`), one probe at a time (`half_open`) or nothing (`open`). Null where there is none.
    #[schema(required)]
    pub breaker: Option<Breaker>,
}

/// What lanes wait for at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// As many requests are in flight as may be.
    Full,
    /// It has its share of the senders.
    Senders,
    /// It asked to be left alone for a time.
    Asked,
    /// Its breaker is open, or waits for the answer to a probe.
    Breaker,
    /// Its rate allows the next request later.
    Rate,
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Breaker {
    /// Everything.
    Closed,
    /// One probe at a time.
    HalfOpen,
    /// Nothing.
    Open,
}

impl From<DestinationStatus> for Destination {
    fn from(status: DestinationStatus) -> Self {
        Self {
            name: status.name.as_ref().to_owned(),
            in_flight: status.in_flight,
            limit: status.limit,
            lanes_blocked: status.waiting,
            held: status.wait.map(Hold::from),
            breaker: status.breaker.map(Breaker::from),
        }
    }
}

impl From<Wait> for Hold {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Full(_) => Self::Full,
            Wait::Senders => Self::Senders,
            Wait::Asked(_) => Self::Asked,
            Wait::Breaker(_) | Wait::Probe => Self::Breaker,
            Wait::Rate(_) => Self::Rate,
        }
    }
}

impl From<BreakerState> for Breaker {
    fn from(state: BreakerState) -> Self {
        match state {
            BreakerState::Closed => Self::Closed,
            BreakerState::HalfOpen => Self::HalfOpen,
            BreakerState::Open { .. } => Self::Open,
        }
    }
}
