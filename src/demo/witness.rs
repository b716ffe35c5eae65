//! Who knows what was delivered: the demo's own endpoint, or, where the endpoint is the user's, only
//! what the process counts since it started, above what Kafka had on record then.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use actix_rt::time::sleep;

use super::endpoint::Endpoint;
use super::ledger::Shared;
use super::metrics::{DELIVERED, Metrics};
use super::plan::Target;
use super::screen::percentile;
use super::trouble::Trouble;

/// Longest time for the endpoint to see that the connections of a killed process are gone.
const CLOSING: Duration = Duration::from_secs(5);

/// Who knows.
pub enum Witness {
    /// The endpoint of the demo, by its list; it is held to be running.
    Own(Shared, #[expect(dead_code, reason = "it ends when it is dropped")] Endpoint),
    /// The process, since it started.
    Process {
        /// Records on record when it started.
        before: u64,
    },
}

impl Witness {
    /// The witness for a target, and the URL to deliver to.
    ///
    /// # Errors
    /// The endpoint cannot be started.
    pub fn new(
        target: &Target,
        opened: Instant,
        delivered: &Arc<AtomicU64>,
    ) -> Result<(Self, String), Trouble> {
        match target {
            Target::Yours(url) => Ok((Self::Process { before: 0 }, url.to_string())),
            Target::Own(manner) => {
                let ledger = Shared::new(opened, Arc::clone(delivered));
                let endpoint =
                    Endpoint::start(*manner, ledger.clone()).map_err(Trouble::Endpoint)?;
                let url = format!("http://{}/orders", endpoint.address());
                Ok((Self::Own(ledger, endpoint), url))
            }
        }
    }

    /// How often the process is to be asked for its metrics.
    pub fn ask_every(&self) -> Duration {
        match self {
            Self::Own(..) => Duration::from_millis(250),
            Self::Process { .. } => Duration::from_millis(100),
        }
    }

    /// What the metrics say is delivered, where they have to say it.
    pub fn delivered(&self, metrics: &Metrics) -> Option<u64> {
        match self {
            Self::Own(..) => None,
            Self::Process { before } => Some(before + metrics.sum(DELIVERED)),
        }
    }

    /// Requests without an answer.
    pub fn in_flight(&self, metrics: &Metrics) -> u64 {
        match self {
            Self::Own(ledger, _) => ledger.lock().in_flight() as u64,
            Self::Process { .. } => metrics.sum("keyway_in_flight"),
        }
    }

    /// What half and 99 % of the records (of the last second) or requests did not exceed.
    pub fn times(&self, metrics: &Metrics) -> [Option<Duration>; 2] {
        match self {
            Self::Own(ledger, _) => {
                let mut waits = ledger.lock().take_waits();
                waits.sort_unstable();
                [50, 99].map(|percent| percentile(&waits, percent))
            }
            Self::Process { .. } => {
                [50, 99].map(|percent| metrics.quantile("keyway_request_duration_seconds", percent))
            }
        }
    }

    /// The process is dead: what is noted from here on is from the next one, once the connections
    /// of the dead one are gone.
    pub async fn process_died(&self) {
        let Self::Own(ledger, _) = self else { return };
        let until = Instant::now() + CLOSING;
        while ledger.lock().connections() > 0 && Instant::now() < until {
            sleep(Duration::from_millis(2)).await;
        }
        ledger.lock().next_process();
    }
}
