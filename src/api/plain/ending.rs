//! Having consumers end, and waiting for it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::supervisor::{End, Lead, Order, Roster, Who};

/// How long an answer waits for them. A connection is cut off after ten seconds, see `lease`, and
/// whoever asked is to be told before that.
const PATIENCE: Duration = Duration::from_secs(8);

/// The order to stop the consumer of that id.
pub fn of(id: &str, who: Who) -> Lead {
    Lead { name: id.to_owned(), order: Order::End(End::Stop), who }
}

/// Until when a request that comes now may wait.
pub fn limit() -> Instant {
    Instant::now() + PATIENCE
}

/// Waits for these to have ended; false if one has not in time.
pub async fn all(roster: &Roster, ids: &[String], until: Instant) -> bool {
    let ended = roster.until(|roster| !ids.iter().any(|id| roster.is_there(id)));
    timeout_at(until, ended).await.is_ok()
}
