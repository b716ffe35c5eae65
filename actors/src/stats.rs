//! What a pipeline counts.
//!
//! Each counter has one thread that writes it, so that counting is a load and a store; whoever
//! reads sees a value that is a moment old. What can be derived from state is not counted here.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::core::destinations::DestinationView;
use crate::core::intake::Rest;
use crate::core::lanes::Counts;
use crate::core::outcome::{FailureKind, Settled};
use crate::core::{Moment, Offset};
use crate::pulse::Pulse;
use crate::sink::ConnectionCounts;

mod complaint;
mod conservation;
mod destination;

use complaint::Complaint;
pub use conservation::Conservation;
pub use destination::DestinationStatus;
pub(crate) use destination::merge;

/// Upper bounds of the buckets of `request_duration_seconds`, in microseconds.
pub const DURATION_BUCKETS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Upper bounds of the buckets of `record_latency_seconds`, in milliseconds. They reach further
/// than those of a request: a record may have waited in its topic for hours.
pub const LATENCY_BUCKETS: [u64; 16] = [
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000,
    3_600_000,
];

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Not a read-modify-write: there is one writer. Whoever sees the new value also sees what was
    /// counted before it, so that nobody reads of a record as settled and not as received.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Release);
    }

    pub(crate) fn set(&self, n: usize) {
        self.0.store(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// What the poll thread and the OffsetActor count.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) received: Counter,
    pub(crate) skipped: Counter,
    /// Let go by the poll thread before a router had them.
    pub(crate) returned: Counter,
    pub(crate) metadata_ignored: Counter,
    pub(crate) revoked: Counter,
    pub(crate) lost: Counter,
    pub(crate) assigned: Counter,
    pub(crate) commits_ok: Counter,
    pub(crate) commits_failed: Counter,
    /// Settlements that the OffsetActor has entered, or found stale.
    pub(crate) entered: Counter,
    /// Outcomes of stays that had ended: delivered, but not to be committed by us.
    pub(crate) stale: Counter,
    pub(crate) poll_thread: Pulse,
    pub(crate) coordinator: Pulse,
    partitions: AtomicUsize,
    joined: AtomicBool,
    /// The group's coordinator is out of reach, as of librdkafka's latest statistics.
    cut_off: AtomicBool,
    /// Of the connection to the brokers.
    pub(crate) complaint: Complaint,
    standings: Latest<PartitionStatus>,
}

/// How one partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What the broker acknowledged last.
    pub committed: Option<Offset>,
    /// The lowest offset that is not settled.
    pub base: Option<Offset>,
    /// Where the log ends.
    pub log_end: Option<Offset>,
    /// Records taken in and not settled.
    pub held_records: u64,
    /// Their bytes, with what it costs to keep them.
    pub held_bytes: u64,
    /// How long the oldest of them has been held.
    pub oldest_unsettled: Option<Duration>,
    /// Why it takes in nothing now, if it does not.
    pub resting: Option<Rest>,
    /// Settled offsets that the last commit's metadata had no room for.
    pub uncovered: u64,
}

impl PartitionStatus {
    /// Records in the log that are not settled at the front: the distance from the base to the end.
    pub fn lag(&self) -> Option<u64> {
        let lag = self.log_end?.saturating_sub(self.base?);
        Some(u64::try_from(lag).unwrap_or(0))
    }
}

impl Stats {
    pub(crate) fn set_joined(&self, joined: bool) {
        if joined {
            self.complaint.withdraw();
        }
        self.joined.store(joined, Ordering::Relaxed);
    }

    pub(crate) fn joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    pub(crate) fn set_cut_off(&self, cut_off: bool) {
        if !cut_off {
            self.complaint.withdraw();
        }
        self.cut_off.store(cut_off, Ordering::Relaxed);
    }

    /// What keeps the member from its group, in librdkafka's words, while something does.
    pub(crate) fn connection_error(&self) -> Option<String> {
        if self.joined() && !self.cut_off() { None } else { self.complaint.get() }
    }

    pub(crate) fn cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }

    pub(crate) fn set_partitions(&self, count: usize) {
        self.partitions.store(count, Ordering::Relaxed);
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions.load(Ordering::Relaxed)
    }

    pub(crate) fn set_standings(&self, standings: Vec<PartitionStatus>) {
        put(&self.standings, standings);
    }

    pub(crate) fn standings(&self) -> Vec<PartitionStatus> {
        look_at(&self.standings)
    }
}

/// The latest list that a thread of the pipeline made for whoever asks. Locked while a pointer is
/// copied or exchanged: however long the list is, and however many ask, nobody holds that thread up.
type Latest<T> = Mutex<Arc<Vec<T>>>;

fn put<T>(place: &Latest<T>, list: Vec<T>) {
    let list = Arc::new(list);
    let before = mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), list);
    drop(before);
}

fn look_at<T: Clone>(place: &Latest<T>) -> Vec<T> {
    let latest = Arc::clone(&place.lock().unwrap_or_else(PoisonError::into_inner));
    Arc::unwrap_or_clone(latest)
}

/// What one arbiter counts; written by its thread alone.
#[derive(Debug, Default)]
pub(crate) struct ArbiterStats {
    pub(crate) delivered: Counter,
    pub(crate) dead_lettered: Counter,
    pub(crate) dropped: Counter,
    pub(crate) filtered: Counter,
    pub(crate) returned: Counter,
    pub(crate) breakers_opened: Counter,
    pub(crate) exhausted: Counter,
    /// Milliseconds from the moment zero to the first failure of the record that has been parked for
    /// longest; plus one, 0 for none.
    parked_since: Counter,
    requests: [Counter; REQUEST_CLASSES.len()],
    retries: [Counter; RETRY_REASONS.len()],
    durations: [Counter; DURATION_BUCKETS.len() + 1],
    duration_micros: Counter,
    latencies: [Counter; LATENCY_BUCKETS.len() + 1],
    latency_millis: Counter,
    /// Connections opened and reused, plus one: 0 says that the sink has none to tell of.
    connections: [Counter; 2],
    pub(crate) pulse: Pulse,
    /// Of the sink's own thread, where it has one.
    pub(crate) sink: OnceLock<Arc<Pulse>>,
    pub(crate) in_flight: Counter,
    lanes: Counter,
    ready: Counter,
    blocked: Counter,
    waiting: Counter,
    parked: Counter,
    queued: Counter,
    /// Written four times a second at the most, and read by whoever asks.
    destinations: Latest<DestinationView>,
}

/// The classes of `requests_total`.
pub const REQUEST_CLASSES: [&str; 6] = ["2xx", "3xx", "4xx", "5xx", "timeout", "error"];

/// The reasons of `retries_total`.
pub const RETRY_REASONS: [&str; 12] = [
    "status_408",
    "status_425",
    "status_429",
    "status_3xx",
    "status_5xx",
    "status_other",
    "connect",
    "timeout",
    "disconnected",
    "unsendable",
    "unauthorized",
    "other",
];

impl ArbiterStats {
    /// One attempt ended: well, or with a failure of this kind.
    pub(crate) fn attempt(&self, failure: Option<FailureKind>, took: Duration) {
        self.requests[request_class(failure)].add(1);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = DURATION_BUCKETS.partition_point(|&bound| bound < micros);
        self.durations[bucket].add(1);
        self.duration_micros.add(micros);
    }

    /// A record was settled so many milliseconds after its timestamp.
    pub(crate) fn latency(&self, millis: u64) {
        let bucket = LATENCY_BUCKETS.partition_point(|&bound| bound < millis);
        self.latencies[bucket].add(1);
        self.latency_millis.add(millis);
    }

    pub(crate) fn set_connections(&self, counts: ConnectionCounts) {
        for (counter, count) in self.connections.iter().zip([counts.opened, counts.reused]) {
            counter.0.store(count + 1, Ordering::Relaxed);
        }
    }

    fn connections(&self) -> Option<ConnectionCounts> {
        let [opened, reused] = &self.connections;
        Some(ConnectionCounts {
            opened: opened.get().checked_sub(1)?,
            reused: reused.get().checked_sub(1)?,
        })
    }

    pub(crate) fn retry(&self, kind: FailureKind) {
        let label = kind.label();
        if let Some(index) = RETRY_REASONS.iter().position(|reason| *reason == label) {
            self.retries[index].add(1);
        }
    }

    pub(crate) fn settled(&self, how: Settled) {
        match how {
            Settled::Delivered => self.delivered.add(1),
            Settled::DeadLettered => self.dead_lettered.add(1),
            Settled::Dropped => self.dropped.add(1),
            Settled::Filtered => self.filtered.add(1),
        }
    }

    pub(crate) fn set_lanes(&self, counts: Counts) {
        self.lanes.set(counts.lanes);
        self.ready.set(counts.ready);
        self.blocked.set(counts.blocked);
        self.waiting.set(counts.waiting);
        self.parked.set(counts.parked);
        self.queued.set(counts.queued);
    }

    /// When the record first failed that has been parked for longest.
    pub(crate) fn set_parked_since(&self, since: Option<Moment>) {
        let millis =
            since.map_or(0, |it| u64::try_from(it.0.as_millis()).unwrap_or(u64::MAX - 1) + 1);
        self.parked_since.0.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn parked_since(&self) -> Option<Moment> {
        self.parked_since.get().checked_sub(1).map(|it| Moment(Duration::from_millis(it)))
    }

    pub(crate) fn set_destinations(&self, destinations: Vec<DestinationView>) {
        put(&self.destinations, destinations);
    }

    pub(crate) fn destinations(&self) -> Vec<DestinationView> {
        look_at(&self.destinations)
    }

    pub(crate) fn add_to(&self, totals: &mut Totals) {
        totals.breakers_opened += self.breakers_opened.get();
        totals.exhausted += self.exhausted.get();
        totals.delivered += self.delivered.get();
        totals.dead_lettered += self.dead_lettered.get();
        totals.dropped += self.dropped.get();
        totals.filtered += self.filtered.get();
        totals.returned += self.returned.get();
        totals.in_flight += self.in_flight.get();
        totals.lanes += self.lanes.get();
        totals.lanes_ready += self.ready.get();
        totals.lanes_blocked += self.blocked.get();
        totals.lanes_waiting += self.waiting.get();
        totals.lanes_parked += self.parked.get();
        totals.duration_micros = totals.duration_micros.wrapping_add(self.duration_micros.get());
        add(&mut totals.requests, &self.requests);
        add(&mut totals.retries, &self.retries);
        add(&mut totals.durations, &self.durations);
        totals.latency_millis = totals.latency_millis.wrapping_add(self.latency_millis.get());
        add(&mut totals.latencies, &self.latencies);
        if let Some(counts) = self.connections() {
            let all = totals.connections.get_or_insert_default();
            all.opened += counts.opened;
            all.reused += counts.reused;
        }
    }
}

fn add<const N: usize>(totals: &mut [u64; N], counters: &[Counter; N]) {
    for (total, counter) in totals.iter_mut().zip(counters) {
        *total += counter.get();
    }
}

fn request_class(failure: Option<FailureKind>) -> usize {
    match failure {
        None => 0,
        Some(FailureKind::Status(300..=399)) => 1,
        Some(FailureKind::Status(400..=499)) => 2,
        Some(FailureKind::Status(500..=599)) => 3,
        Some(FailureKind::Timeout) => 4,
        Some(_) => 5,
    }
}

/// What a pipeline has done since it started, and holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records taken in to be delivered.
    pub received: u64,
    /// Records fetched that were settled before: not sent again.
    pub skipped: u64,
    /// Records delivered.
    pub delivered: u64,
    /// Records whose dead letter the broker has.
    pub dead_lettered: u64,
    /// Records given up on by an explicit setting.
    pub dropped: u64,
    /// Records for which no request was to be made.
    pub filtered: u64,
    /// Records let go unsettled, with their partition or at the stop.
    pub returned: u64,
    /// Records held now, counted one by one: what [`unsettled`](Self::unsettled) says by the other
    /// counters. While records move the two differ for a moment.
    pub held_records: u64,
    /// Bytes of the buffer in use now, with what it costs to keep a record; those of a settled
    /// record are given back when the ledger has it.
    pub held_bytes: u64,
    /// Deliveries under way now.
    pub in_flight: u64,
    /// Lanes with something in them, as of the last quarter second.
    pub lanes: u64,
    /// Of those: waiting for a sender.
    pub lanes_ready: u64,
    /// Of those: waiting for their destination, which is full, ill or asked less often than there
    /// are records for it.
    pub lanes_blocked: u64,
    /// Of those: waiting for a retry.
    pub lanes_waiting: u64,
    /// Of those: parked.
    pub lanes_parked: u64,
    /// Records whose attempts, or time, were used up.
    pub exhausted: u64,
    /// How often a breaker opened, on any arbiter.
    pub breakers_opened: u64,
    /// Attempts by [`REQUEST_CLASSES`].
    pub requests: [u64; REQUEST_CLASSES.len()],
    /// Retries by [`RETRY_REASONS`].
    pub retries: [u64; RETRY_REASONS.len()],
    /// Attempts by [`DURATION_BUCKETS`] (not cumulated), and those beyond the last.
    pub durations: [u64; DURATION_BUCKETS.len() + 1],
    /// The sum of all attempts' durations, in microseconds.
    pub duration_micros: u64,
    /// Settled records by the time from their timestamp to their settlement, by
    /// [`LATENCY_BUCKETS`] (not cumulated), and those beyond the last. Records without a timestamp
    /// are not among them.
    pub latencies: [u64; LATENCY_BUCKETS.len() + 1],
    /// The sum of these times, in milliseconds. It begins anew at 0 past `u64::MAX`, as counters
    /// may: a topic whose timestamps are all 0 gets there after ten million records.
    pub latency_millis: u64,
    /// How the sinks came by their connections, as of the last second; none for sinks that have
    /// no connections to tell of.
    pub connections: Option<ConnectionCounts>,
    /// Commits that the broker acknowledged.
    pub commits_ok: u64,
    /// Commits that failed; what they held was committed later, or by another member's redelivery.
    pub commits_failed: u64,
    /// Rebalances: partitions came.
    pub rebalances_assigned: u64,
    /// Rebalances: partitions were given back in order.
    pub rebalances_revoked: u64,
    /// Rebalances: partitions were lost.
    pub rebalances_lost: u64,
    /// Commit metadata that could not be read.
    pub metadata_ignored: u64,
    /// Outcomes that came after their partition had left.
    pub stale: u64,
}

impl Totals {
    /// Records taken in that are neither settled nor let go: what is left of
    /// `received = delivered + dead-lettered + filtered + dropped + returned + held`.
    pub fn unsettled(&self) -> u64 {
        let settled = self.delivered + self.dead_lettered + self.filtered + self.dropped;
        let gone = settled + self.returned;
        self.received.saturating_sub(gone)
    }
}

impl Stats {
    /// To be called after the arbiters' own: what they settled was received before.
    pub(crate) fn add_to(&self, totals: &mut Totals) {
        totals.returned += self.returned.get();
        totals.received += self.received.get();
        totals.skipped += self.skipped.get();
        totals.commits_ok += self.commits_ok.get();
        totals.commits_failed += self.commits_failed.get();
        totals.rebalances_assigned += self.assigned.get();
        totals.rebalances_revoked += self.revoked.get();
        totals.rebalances_lost += self.lost.get();
        totals.metadata_ignored += self.metadata_ignored.get();
        totals.stale += self.stale.get();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(stats: &ArbiterStats) -> Totals {
        let mut totals = Totals::default();
        stats.add_to(&mut totals);
        totals
    }

    #[test]
    fn a_connection_error_is_told_until_the_connection_is_there() {
        let stats = Stats::default();
        let complain = || stats.complaint.make("refused".to_owned(), false);
        complain();
        assert_eq!(stats.connection_error().as_deref(), Some("refused"));
        // The coordinator answers; to join takes a while yet.
        stats.set_cut_off(false);
        assert_eq!(stats.connection_error(), None);
        complain();
        stats.set_joined(true);
        assert_eq!(stats.connection_error(), None);
        // One broker of several.
        complain();
        assert_eq!(stats.connection_error(), None);
        stats.set_cut_off(true);
        assert_eq!(stats.connection_error().as_deref(), Some("refused"));
        stats.set_cut_off(false);
        stats.set_cut_off(true);
        assert_eq!(stats.connection_error(), None, "it was another time");
        complain();
        stats.set_joined(false);
        stats.set_joined(true);
        assert_eq!(stats.connection_error(), None);
    }

    #[test]
    fn a_latency_is_in_the_first_bucket_that_is_not_shorter() {
        let stats = ArbiterStats::default();
        for millis in [0, 5, 6, 3_600_000, 3_600_001] {
            stats.latency(millis);
        }
        let totals = totals(&stats);
        assert_eq!((totals.latencies[0], totals.latencies[1]), (2, 1));
        assert_eq!((totals.latencies[15], totals.latencies[16]), (1, 1));
        assert_eq!(totals.latencies.iter().sum::<u64>(), 5);
        assert_eq!(totals.latency_millis, 7_200_012);
    }

    #[test]
    fn connections_are_told_of_once_a_sink_did() {
        let (with, without) = (ArbiterStats::default(), ArbiterStats::default());
        assert_eq!(totals(&with).connections, None);
        with.set_connections(ConnectionCounts::default());
        assert_eq!(totals(&with).connections, Some(ConnectionCounts::default()));
        let counts = ConnectionCounts { opened: 3, reused: 40 };
        with.set_connections(counts);
        let mut both = totals(&with);
        without.add_to(&mut both);
        assert_eq!(both.connections, Some(counts));
        with.add_to(&mut both);
        assert_eq!(both.connections, Some(ConnectionCounts { opened: 6, reused: 80 }));
    }

    #[test]
    fn a_sum_that_is_full_begins_anew() {
        let (one, two) = (ArbiterStats::default(), ArbiterStats::default());
        one.latency(u64::MAX);
        two.latency(2);
        let mut both = totals(&one);
        two.add_to(&mut both);
        assert_eq!(both.latency_millis, 1);
    }

    #[test]
    fn what_is_left_of_the_records_is_unsettled() {
        let totals = Totals {
            received: 100,
            delivered: 50,
            dead_lettered: 20,
            dropped: 10,
            filtered: 2,
            returned: 5,
            skipped: 1000,
            ..Totals::default()
        };
        assert_eq!(totals.unsettled(), 13);
    }
}
