//! `keyway demo`: shows and verifies a delivery with nothing installed.
//!
//! A broker, an endpoint and a load run in this process; `keyway run` runs as a process of its own,
//! is killed in the middle without a warning and started again. At the end the endpoint's own list
//! of the requests it got is compared with what was written, and with what Kafka had on record when
//! the process died. What Keyway says of itself is shown line by line, and counts for nothing.

mod broker;
mod chance;
mod child;
mod endpoint;
mod http;
mod ledger;
mod load;
mod metrics;
mod plan;
mod pulse;
mod record;
mod report;
mod screen;
mod stage;
mod story;
mod trouble;
mod verdict;
mod witness;

use std::time::Instant;

use actix_rt::System;

use crate::cli::{DemoArgs, exit};
use crate::signals::Endings;
use plan::Plan;
use screen::Screen;
use trouble::Trouble;

/// Runs the demo; gives the code to exit with: 0 where every promise was kept.
pub fn run(args: &DemoArgs) -> u8 {
    let plan = match Plan::new(args) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("keyway: {why}");
            return exit::USAGE;
        }
    };
    match System::new().block_on(told(plan)) {
        Ok(true) => exit::CLEAN,
        Ok(false) => exit::FAILED,
        Err(trouble) => {
            eprintln!("keyway: the demo failed: {trouble}");
            exit::FAILED
        }
    }
}

/// Runs to the end or to a signal. Whatever is left of the process is killed on the way out.
async fn told(plan: Plan) -> Result<bool, Trouble> {
    let mut endings = Endings::new().map_err(Trouble::Signals)?;
    let opened = Instant::now();
    let screen = Screen::new(opened);
    tokio::select! {
        verdict = story::tell(plan, screen, opened) => verdict,
        signal = endings.next() => Err(Trouble::Signal(signal)),
    }
}
