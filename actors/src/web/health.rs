//! Whether the process is well, as probes want to know it: what is wrong, a line each.
//!
//! *Alive*: every thread of every pipeline makes progress, and none has failed; what is not alive
//! is to be restarted. *Ready*: every pipeline is a member of its group and reaches it. A pipeline
//! that rests is both; one that drains, or that waits for a broker, is alive and not ready.

use std::time::Duration;

use crate::handle::{State, Status};
use crate::pulse::Part;

/// How long a thread may be silent. A poll thread that is well is silent for six seconds at the
/// most, an arbiter for one; a sink that blocks its arbiter longer than this stalls its pipeline.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How much longer the thread of a sink may be silent: a disk under load takes its time for what it
/// is asked to keep, and to start anew would only add to that.
const DISK: u32 = 3;

/// Why the process should be restarted; nothing if it is alive.
pub(super) fn not_alive(statuses: &[Status], patience: Duration) -> Vec<String> {
    statuses.iter().flat_map(|status| stalls(status, patience)).collect()
}

fn stalls(status: &Status, patience: Duration) -> Vec<String> {
    if status.state == State::Failed {
        return vec![failed(status)];
    }
    let patience = |part| if part == Part::Sink { patience * DISK } else { patience };
    let stalled = status.lives.iter().filter(|life| life.silence > patience(life.part));
    stalled
        .map(|life| {
            let (name, part, silence) = (&status.name, life.part, life.silence.as_secs_f64());
            format!("pipeline {name}: {part} has made no progress for {silence:.1} s")
        })
        .collect()
}

/// Why the process does not deliver as it should; nothing if it is ready.
pub(super) fn not_ready(statuses: &[Status]) -> Vec<String> {
    statuses.iter().filter_map(hindrance).collect()
}

fn hindrance(status: &Status) -> Option<String> {
    let why = match status.state {
        State::Failed => return Some(failed(status)),
        State::Stopped => "has stopped",
        State::Draining => "is draining",
        _ if !status.joined => "waits to join its group",
        _ if status.cut_off => "cannot reach its group's coordinator",
        State::Starting | State::Running | State::Paused => return None,
    };
    Some(format!("pipeline {}: {why}", status.name))
}

fn failed(status: &Status) -> String {
    let name = &status.name;
    match &status.failure {
        Some(reason) => format!("pipeline {name}: has failed: {reason}"),
        None => format!("pipeline {name}: has failed"),
    }
}
