//! Waiting for a condition that is looked at from outside (a broker, a process, a file).
//!
//! Never use a bare sleep in a test: it hides a race on a fast machine and fails on a slow one.

use std::time::{Duration, Instant};

/// How long any wait may last before the test fails. Generous: it is never reached by a test that
/// passes, however slow the machine.
pub const LIMIT: Duration = Duration::from_secs(90);

const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` finds something, and returns it. Panics after [`LIMIT`], naming `what`.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "waited {LIMIT:?} in vain for: {what}");
        std::thread::sleep(PAUSE);
    }
}
