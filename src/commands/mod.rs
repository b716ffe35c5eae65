//! The commands that ask rather than deliver.
//!
//! They write what they found to stdout and what went wrong to stderr, and say with which code the
//! process ends.

pub mod asking;
pub mod check;
pub mod explain;
pub mod offsets;
#[cfg(test)]
mod tests;
pub mod top;
pub mod verify;
pub mod words;

use std::time::Duration;

/// How long a cluster may take to answer what one pipeline is to know of it.
const PATIENCE: Duration = Duration::from_secs(10);
