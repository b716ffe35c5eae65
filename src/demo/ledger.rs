//! The endpoint's own list of the requests it got: which record, in which order, from when to when,
//! and how each ended. It believes nothing that Keyway says about itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::record::Record;

/// The most complaints that are kept: one is enough to fail the demo.
const COMPLAINTS: usize = 100;

/// Where a record is in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Answered with 200.
    Delivered,
    /// Failed by the endpoint on purpose: a 503, or the connection closed without an answer.
    Failed,
    /// The client was gone before it had an answer.
    Left,
}

/// A request that came in whole.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The number of the record's key.
    pub key: u32,
    /// The how manieth record of its key.
    pub number: u32,
    /// Where it says that the record is.
    pub place: Place,
    /// From which process it came: the first is 0.
    pub process: u32,
    /// When its first byte was there, since the demo began.
    pub began: Duration,
    /// When its outcome was fixed, just before the client could know it; `None` while it is not.
    pub end: Option<(Duration, How)>,
}

/// The list, with counts of it that are always up to date.
#[derive(Debug)]
pub struct Ledger {
    opened: Instant,
    requests: Vec<Request>,
    process: u32,
    /// What was delivered, by key.
    keys: HashMap<u32, Numbers>,
    delivered: Arc<AtomicU64>,
    in_flight: usize,
    connections: usize,
    waits: Vec<Duration>,
    complaints: Vec<String>,
}

/// A set of numbers that mostly come in order.
#[derive(Debug, Default)]
struct Numbers {
    /// All below are in.
    next: u32,
    /// Those in above it: none, as long as order is kept.
    above: BTreeSet<u32>,
}

impl Numbers {
    /// Puts a number in; says whether it is new.
    fn add(&mut self, number: u32) -> bool {
        if number != self.next {
            return number > self.next && self.above.insert(number);
        }
        self.next += 1;
        while self.above.remove(&self.next) {
            self.next += 1;
        }
        true
    }
}

/// The list as the endpoint and the demo share it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    /// An empty list. Its clock starts with the demo; `delivered` is kept up to date.
    pub fn new(opened: Instant, delivered: Arc<AtomicU64>) -> Self {
        Self(Arc::new(Mutex::new(Ledger {
            opened,
            requests: Vec::new(),
            process: 0,
            keys: HashMap::new(),
            delivered,
            in_flight: 0,
            connections: 0,
            waits: Vec::new(),
            complaints: Vec::new(),
        })))
    }

    /// The list, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Notes a request; returns its place in the list.
    pub fn begin(&mut self, record: Record, place: Place, began: Instant) -> usize {
        self.in_flight += 1;
        self.requests.push(Request {
            key: record.key,
            number: record.number,
            place,
            process: self.process,
            began: began.saturating_duration_since(self.opened),
            end: None,
        });
        self.requests.len() - 1
    }

    /// Notes how a request ended; `written` is when its record was written.
    pub fn end(&mut self, request: usize, how: How, written: Duration) {
        let now = self.opened.elapsed();
        let Some(request) = self.requests.get_mut(request) else {
            unreachable!("only numbers that `begin` gave come here")
        };
        request.end = Some((now, how));
        self.in_flight -= 1;
        if how != How::Delivered {
            return;
        }
        if self.keys.entry(request.key).or_default().add(request.number) {
            self.delivered.fetch_add(1, Ordering::Relaxed);
            self.waits.push(now.saturating_sub(written));
        }
    }

    /// Notes that a connection was made.
    pub fn connected(&mut self) {
        self.connections += 1;
    }

    /// Notes that a connection is gone.
    pub fn disconnected(&mut self) {
        self.connections -= 1;
    }

    /// Notes what was no request of a record of the demo.
    pub fn complain(&mut self, about: String) {
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(about);
        }
    }

    /// Requests without an outcome.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// How long the records that were delivered since the last call took, from written to delivered.
    pub fn take_waits(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.waits)
    }

    /// From here on requests are those of the next process. The one before is gone, and so are its
    /// connections.
    pub fn next_process(&mut self) {
        self.process += 1;
    }

    /// All requests, in the order in which they were complete.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// What was no request of a record of the demo.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_delivered_is_counted_once_whatever_the_order() {
        let delivered = Arc::new(AtomicU64::new(0));
        let shared = Shared::new(Instant::now(), Arc::clone(&delivered));
        let mut ledger = shared.lock();
        let mut counts = Vec::new();
        for (key, number, how) in [
            (0, 0, How::Failed),
            (0, 0, How::Delivered),
            (0, 2, How::Delivered),
            (0, 2, How::Delivered),
            (0, 1, How::Left),
            (0, 1, How::Delivered),
            (0, 0, How::Delivered),
            (1, 0, How::Delivered),
        ] {
            let record = Record { key, number, written: Duration::ZERO };
            let place = Place { partition: 0, offset: 0 };
            let request = ledger.begin(record, place, Instant::now());
            assert_eq!(ledger.in_flight(), 1);
            ledger.end(request, how, Duration::ZERO);
            counts.push(delivered.load(Ordering::Relaxed));
        }
        assert_eq!(counts, [0, 1, 2, 2, 2, 3, 3, 4]);
        assert_eq!((ledger.in_flight(), ledger.take_waits().len()), (0, 4));
    }
}
