//! The endpoint's own books: every request with its first and last moment on one clock, per lane
//! and per record. It believes nothing that Keyway says about itself beyond a record's name.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::request::{Head, header};
use crate::support::records::Id;

/// What is in order with what: the `ordering` of the pipeline under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lanes {
    /// One lane per (topic, partition, key); a null key is a lane of its own per record.
    #[default]
    Key,
    /// One lane per (topic, partition).
    Partition,
    /// Every record is its own lane.
    Unordered,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LaneName {
    Key(Arc<str>, i32, String),
    Partition(Arc<str>, i32),
    Record(Id),
}

/// The place of a request in the ledger.
pub type RequestId = usize;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It has not ended.
    Open,
    /// With an answer of that status.
    Answered(u16),
    /// The endpoint closed the connection without an answer.
    Closed,
    /// The client closed the connection before it had an answer.
    ClientGone,
}

/// A request in the ledger.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The how manieth connection of the endpoint it came by.
    pub connection: usize,
    /// The record it was for.
    pub record: Option<Id>,
    /// `Keyway-Key` as it stood.
    pub key: Option<String>,
    /// `Keyway-Attempt`.
    pub attempt: Option<u32>,
    /// When its first byte was there, since the ledger was opened.
    pub first_byte: Duration,
    /// When its outcome was settled: the last byte of its answer was written (the head, for an
    /// answer that a client need not read to its end), or the connection was closed.
    pub last_byte: Option<Duration>,
    /// How it ended.
    pub ending: Ending,
    /// How long its body was; 0 while it has not arrived whole.
    pub body_length: usize,
    /// Its body, when the endpoint keeps bodies.
    pub body: Option<Bytes>,
    pub(super) body_hash: u64,
    pub(super) lane: Option<usize>,
    pub(super) head: Option<Bytes>,
}

impl Entry {
    /// Whether it was answered with a 2xx.
    pub fn delivered(&self) -> bool {
        matches!(self.ending, Ending::Answered(200..=299))
    }

    /// The value of one of its headers as text, when the endpoint keeps bodies.
    pub fn header(&self, name: &str) -> Option<String> {
        let value = header(self.head.as_deref()?, name)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    /// The path it was for, when the endpoint keeps bodies.
    pub fn path(&self) -> Option<String> {
        let line = self.head.as_deref()?.split(|&byte| byte == b'\r').next()?;
        String::from_utf8_lossy(line).split(' ').nth(1).map(str::to_owned)
    }

    /// When it ended; the end of time while it has not.
    pub(super) fn end(&self) -> Duration {
        self.last_byte.unwrap_or(Duration::MAX)
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) requests: u32,
    pub(super) deliveries: u32,
}

/// Something the test did that explains why records are sent again from further back.
#[derive(Debug, Clone)]
pub struct Incident {
    /// When, since the ledger was opened.
    pub at: Duration,
    /// What.
    pub what: String,
}

/// The books of an endpoint.
#[derive(Debug)]
pub struct Ledger {
    opened: Instant,
    lanes: Lanes,
    keeps_bodies: bool,
    entries: Vec<Entry>,
    lane_numbers: HashMap<LaneName, usize>,
    open_by_lane: HashMap<usize, Vec<RequestId>>,
    pub(super) tallies: HashMap<Id, Tally>,
    pub(super) incidents: Vec<Incident>,
    pub(super) complaints: Vec<String>,
    delivered: usize,
    in_flight: usize,
    most_in_flight: usize,
    statuses: BTreeMap<u16, usize>,
    connections: usize,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(lanes: Lanes, keeps_bodies: bool) -> Self {
        Self {
            opened: Instant::now(),
            lanes,
            keeps_bodies,
            entries: Vec::new(),
            lane_numbers: HashMap::new(),
            open_by_lane: HashMap::new(),
            tallies: HashMap::new(),
            incidents: Vec::new(),
            complaints: Vec::new(),
            delivered: 0,
            in_flight: 0,
            most_in_flight: 0,
            statuses: BTreeMap::new(),
            connections: 0,
        }
    }

    /// All requests in the order in which their heads were read.
    pub fn requests(&self) -> &[Entry] {
        &self.entries
    }

    /// The requests for one record, in the same order.
    pub fn requests_for<'a>(&'a self, id: &'a Id) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |one| one.record.as_ref() == Some(id))
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// How many different records were answered with a 2xx.
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// Whether that record was answered with a 2xx.
    pub fn has_delivered(&self, id: &Id) -> bool {
        self.tallies.get(id).is_some_and(|tally| tally.deliveries > 0)
    }

    /// How many requests came for that record.
    pub fn attempts(&self, id: &Id) -> u32 {
        self.tallies.get(id).map_or(0, |tally| tally.requests)
    }

    /// How many requests got an answer of that status.
    pub fn answered(&self, status: u16) -> usize {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// How many requests have no end yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The most requests that were in flight at once.
    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// The time on the ledger's clock.
    pub fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    pub(super) fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.opened)
    }

    /// Notes a new connection; returns its number.
    pub(super) fn connect(&mut self) -> usize {
        self.connections += 1;
        self.connections - 1
    }

    /// Notes something that explains why records are sent again.
    pub fn incident(&mut self, at: Duration, what: &str) {
        self.incidents.push(Incident { at, what: what.to_owned() });
    }

    /// Notes something that no client should have sent.
    pub(super) fn complain(&mut self, about: &str) {
        self.complaints.push(about.to_owned());
    }

    /// The requests of the lane of `head` that have no end yet.
    pub(super) fn rivals(&self, head: &Head) -> Vec<RequestId> {
        let lane = self.lane_name(head.record.as_ref(), head.key.as_deref());
        let number = lane.and_then(|name| self.lane_numbers.get(&name));
        number.and_then(|lane| self.open_by_lane.get(lane)).cloned().unwrap_or_default()
    }

    pub(super) fn begin_head(&mut self, head: &Head, connection: usize, at: Duration) -> RequestId {
        let id = self.begin(head.record.clone(), head.key.clone(), connection, at);
        let entry = &mut self.entries[id];
        entry.attempt = head.attempt;
        entry.head = self.keeps_bodies.then(|| head.raw.clone());
        id
    }

    /// Notes that a request for a record (named by its headers) began.
    pub fn begin(
        &mut self,
        record: Option<Id>,
        key: Option<String>,
        connection: usize,
        at: Duration,
    ) -> RequestId {
        let id = self.entries.len();
        let lane = self.lane_name(record.as_ref(), key.as_deref()).map(|name| {
            let next = self.lane_numbers.len();
            *self.lane_numbers.entry(name).or_insert(next)
        });
        if let Some(lane) = lane {
            self.open_by_lane.entry(lane).or_default().push(id);
        }
        if let Some(record) = &record {
            self.tallies.entry(record.clone()).or_default().requests += 1;
        }
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        self.entries.push(Entry {
            connection,
            record,
            key,
            attempt: None,
            first_byte: at,
            last_byte: None,
            ending: Ending::Open,
            body_length: 0,
            body: None,
            body_hash: 0,
            lane,
            head: None,
        });
        id
    }

    /// Notes the whole body of a request.
    pub fn body(&mut self, id: RequestId, body: &Bytes) {
        let entry = &mut self.entries[id];
        entry.body_length = body.len();
        entry.body_hash = hash(body);
        entry.body = self.keeps_bodies.then(|| body.clone());
    }

    /// Notes the end of a request; only the first end counts.
    pub fn end(&mut self, id: RequestId, at: Duration, ending: Ending) {
        let entry = &mut self.entries[id];
        if entry.ending != Ending::Open {
            return;
        }
        entry.ending = ending;
        entry.last_byte = Some(at.max(entry.first_byte));
        self.in_flight -= 1;
        if let Ending::Answered(status) = ending {
            *self.statuses.entry(status).or_default() += 1;
        }
        if entry.delivered()
            && let Some(tally) = entry.record.as_ref().and_then(|id| self.tallies.get_mut(id))
        {
            tally.deliveries += 1;
            self.delivered += usize::from(tally.deliveries == 1);
        }
        if let Some(lane) = entry.lane
            && let Some(open) = self.open_by_lane.get_mut(&lane)
        {
            open.retain(|&one| one != id);
            if open.is_empty() {
                self.open_by_lane.remove(&lane);
            }
        }
    }

    fn lane_name(&self, record: Option<&Id>, key: Option<&str>) -> Option<LaneName> {
        let id = record?;
        Some(match (self.lanes, key) {
            (Lanes::Key, Some(key)) => {
                LaneName::Key(id.topic.clone(), id.partition, key.to_owned())
            }
            (Lanes::Partition, _) => LaneName::Partition(id.topic.clone(), id.partition),
            (Lanes::Key, None) | (Lanes::Unordered, _) => LaneName::Record(id.clone()),
        })
    }

    /// One line that says how things stand.
    pub fn summary(&self) -> String {
        format!(
            "{} requests, {} records delivered, {} in flight (at most {}), answers {:?}, {} connections, incidents {:?}",
            self.count(),
            self.delivered,
            self.in_flight,
            self.most_in_flight,
            self.statuses,
            self.connections,
            self.incidents.iter().map(|one| &one.what).collect::<Vec<_>>(),
        )
    }
}

pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
