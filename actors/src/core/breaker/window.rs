//! Requests and failures of the last while, in ten buckets of time: of a fixed size whatever the
//! load. A bucket leaves as a whole, so what is counted is the last nine to ten tenths of the window.

use std::time::Duration;

use super::Moment;

const BUCKETS: usize = 10;

/// See the head of this file.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Nanoseconds in a bucket.
    width: u128,
    /// The number of the newest bucket since the beginning of time; its place is the remainder.
    newest: u128,
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    failures: u32,
    requests: u32,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        // Ten buckets are never longer than the window; one of less than ten nanoseconds is
        // rounded up, for there has to be a bucket.
        let width = (length.as_nanos() / BUCKETS as u128).max(1);
        Self { width, newest: 0, buckets: [Bucket::default(); BUCKETS] }
    }

    /// Counts a request, and says how many failed and ended in the window.
    pub(super) fn count(&mut self, failed: bool, now: Moment) -> (u32, u32) {
        let number = now.0.as_nanos() / self.width;
        // What is older than all buckets has all of them to clear.
        for passed in self.newest + 1..=number.min(self.newest + BUCKETS as u128) {
            self.buckets[place(passed)] = Bucket::default();
        }
        self.newest = self.newest.max(number);
        let bucket = &mut self.buckets[place(self.newest)];
        bucket.requests = bucket.requests.saturating_add(1);
        bucket.failures = bucket.failures.saturating_add(u32::from(failed));
        self.buckets.iter().fold((0, 0), |(failures, requests), bucket| {
            (failures.saturating_add(bucket.failures), requests.saturating_add(bucket.requests))
        })
    }
}

/// Where the bucket of this number is.
fn place(number: u128) -> usize {
    usize::try_from(number % BUCKETS as u128).unwrap_or_default()
}
