//! What a pipeline has done and holds, as it is shown. Names are those of the metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::sink::ConnectionCounts;
use crate::stats::{REQUEST_CLASSES, RETRY_REASONS, Totals as Counted};

/// What a pipeline has done since it started, and holds now. Its records always add up: `received`
/// = `delivered` + `dead_lettered` + `filtered` + `dropped` + `returned` + `held_records`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// Records taken in to be delivered.
    pub received: u64,
    /// Records that the receiver has accepted.
    pub delivered: u64,
    /// Records whose dead letter the broker has acknowledged.
    pub dead_lettered: u64,
    /// Records for which no request was to be made.
    pub filtered: u64,
    /// Records given up on because a setting says so.
    pub dropped: u64,
    /// Records let go unsettled, with their partition or at the stop; whoever has the partition next
    /// takes them in again.
    pub returned: u64,
    /// Records held now.
    pub held_records: u64,
    /// Bytes of the buffer in use now, with what it costs to keep a record.
    pub held_bytes: u64,
    /// Records fetched that were settled before; not sent again.
    pub skipped: u64,
    /// Records settled after their partition had left; its next owner may send them again.
    pub stale: u64,
    /// Deliveries under way now.
    pub in_flight: u64,
    /// Lanes with a record in them, as of the last quarter second.
    pub lanes: u64,
    /// Of those: waiting for a sender.
    pub lanes_ready: u64,
    /// Of those: waiting for a destination that is full, ill or asked at its rate.
    pub lanes_blocked: u64,
    /// Of those: waiting for a retry.
    pub lanes_waiting: u64,
    /// Of those: their first record is refused and tried again at the longest delay.
    pub lanes_parked: u64,
    /// Delivery attempts that ended, by how: `2xx`, `3xx`, `4xx`, `5xx`, `timeout`, `error`.
    pub requests: BTreeMap<String, u64>,
    /// Attempts that are tried again, by why; reasons that there were.
    pub retries: BTreeMap<String, u64>,
    /// Records whose attempts, or time, were used up.
    pub retries_exhausted: u64,
    /// How often the breaker of a destination opened, on any delivery thread.
    pub breakers_opened: u64,
    /// Connections to the receivers; null where the sink has none to tell of.
    #[schema(required)]
    pub connections: Option<Connections>,
    /// Answers to commits, one for each partition.
    pub commits: Commits,
    /// Partitions whose commit metadata could not be read when they came.
    pub commit_metadata_ignored: u64,
    /// Rebalances, by what became of the partitions.
    pub rebalances: Rebalances,
}

/// How a sink came by its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connections {
    /// Opened for a request.
    pub opened: u64,
    /// Used for a request after having carried another.
    pub reused: u64,
}

/// Answers to commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Commits {
    /// The broker acknowledged it.
    pub ok: u64,
    /// It failed; what it held is committed later.
    pub failed: u64,
}

/// What became of partitions in rebalances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rebalances {
    /// Partitions came.
    pub assigned: u64,
    /// Partitions were given back in order.
    pub revoked: u64,
    /// Partitions were lost.
    pub lost: u64,
}

impl From<ConnectionCounts> for Connections {
    fn from(counts: ConnectionCounts) -> Self {
        Self { opened: counts.opened, reused: counts.reused }
    }
}

impl From<&Counted> for Totals {
    fn from(counted: &Counted) -> Self {
        Self {
            received: counted.received,
            delivered: counted.delivered,
            dead_lettered: counted.dead_lettered,
            filtered: counted.filtered,
            dropped: counted.dropped,
            returned: counted.returned,
            held_records: counted.unsettled(),
            held_bytes: counted.held_bytes,
            skipped: counted.skipped,
            stale: counted.stale,
            in_flight: counted.in_flight,
            lanes: counted.lanes,
            lanes_ready: counted.lanes_ready,
            lanes_blocked: counted.lanes_blocked,
            lanes_waiting: counted.lanes_waiting,
            lanes_parked: counted.lanes_parked,
            requests: named(&REQUEST_CLASSES, &counted.requests).collect(),
            retries: named(&RETRY_REASONS, &counted.retries).filter(|it| it.1 > 0).collect(),
            retries_exhausted: counted.exhausted,
            breakers_opened: counted.breakers_opened,
            connections: counted.connections.map(Connections::from),
            commits: Commits { ok: counted.commits_ok, failed: counted.commits_failed },
            commit_metadata_ignored: counted.metadata_ignored,
            rebalances: Rebalances {
                assigned: counted.rebalances_assigned,
                revoked: counted.rebalances_revoked,
                lost: counted.rebalances_lost,
            },
        }
    }
}

fn named(words: &[&str], counts: &[u64]) -> impl Iterator<Item = (String, u64)> {
    words.iter().map(|&word| word.to_owned()).zip(counts.iter().copied())
}
