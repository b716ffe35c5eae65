//! Everything that talks to librdkafka: the poll thread, its configuration and its callbacks.

pub(crate) mod bell;
pub mod config;
pub(crate) mod context;
pub(crate) mod lane_names;
#[allow(unsafe_code, reason = "the named exception, see its head")]
pub(crate) mod native;
mod partition;
pub(crate) mod poller;
mod trouble;
