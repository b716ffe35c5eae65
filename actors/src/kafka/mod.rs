//! Everything that talks to librdkafka: the poll thread, its configuration and its callbacks.

pub mod admin;
pub(crate) mod bell;
pub(crate) mod commands;
pub mod config;
pub(crate) mod context;
pub(crate) mod lane_names;
#[allow(unsafe_code, reason = "the named exception, see its head")]
pub(crate) mod native;
pub(crate) mod outbox;
mod partition;
pub(crate) mod poller;
mod trouble;

pub use native::mock_groups_form_at_once;
