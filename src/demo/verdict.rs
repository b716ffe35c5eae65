//! What the endpoint's list says about the promises: lost, out of order, sent again.
//!
//! It is judged against what was written and against what the broker had on record when the process
//! was killed. A pure function; nothing that Keyway counts goes into it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::broker::OnRecord;
use super::ledger::{How, Place, Request};
use super::record::key_text;

/// The most broken promises that are told one by one.
const TOLD: usize = 5;

/// What a run is judged by.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// How many records each key has.
    pub written: &'a HashMap<u32, u32>,
    /// The requests, in any order.
    pub requests: &'a [Request],
    /// What was on record when the first process was dead.
    pub on_record: &'a OnRecord,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Records that were written.
    pub written: u64,
    /// The keys that they have.
    pub keys: u64,
    /// Of those, never delivered.
    pub lost: u64,
    /// Requests that came too early or too late for the order of their key, or two of a key at once.
    pub out_of_order: u64,
    /// Records sent again because the process was killed before their answer had come.
    pub again_in_flight: u64,
    /// Records sent again because the process was killed before it had put them on record.
    pub again_unrecorded: u64,
    /// Records sent again although nothing asked for it.
    pub again_needless: u64,
    /// Records on record as done that had not been delivered when the process was killed.
    pub too_early: u64,
    /// Requests for what was never written, or was written otherwise.
    pub strange: u64,
    /// Requests that were failed.
    pub failed: u64,
    /// The first of what broke a promise.
    pub examples: Vec<String>,
}

impl Findings {
    /// Records sent again, for whatever reason.
    pub fn sent_again(&self) -> u64 {
        self.again_in_flight + self.again_unrecorded + self.again_needless
    }

    /// Whether every promise was kept.
    pub fn kept(&self) -> bool {
        self.lost + self.out_of_order + self.again_needless + self.too_early + self.strange == 0
    }

    /// Adds what came to the endpoint and was no request of a record of the demo.
    pub fn add_complaints(&mut self, complaints: &[String]) {
        for complaint in complaints {
            self.strange += 1;
            self.tell(format!("the endpoint got {complaint}"));
        }
    }

    fn tell(&mut self, what: String) {
        if self.examples.len() < TOLD {
            self.examples.push(what);
        }
    }
}

/// Judges a run.
pub fn judge(evidence: &Evidence<'_>) -> Findings {
    let mut findings = Findings {
        written: evidence.written.values().copied().map(u64::from).sum(),
        keys: evidence.written.len() as u64,
        ..Findings::default()
    };
    let mut by_key: HashMap<u32, Vec<&Request>> = HashMap::new();
    for request in evidence.requests {
        by_key.entry(request.key).or_default().push(request);
    }
    let mut keys: Vec<u32> = evidence.written.keys().chain(by_key.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let mut requests = by_key.remove(&key).unwrap_or_default();
        requests.sort_by_key(|request| request.began);
        let mut lane = Lane::new(key, evidence);
        for request in requests {
            lane.take(request, &mut findings);
        }
        lane.finish(&mut findings);
    }
    check_what_is_on_record(evidence, &mut findings);
    findings
}

/// Nothing may be on record as done that was not delivered before.
fn check_what_is_on_record(evidence: &Evidence<'_>, findings: &mut Findings) {
    let delivered = evidence.requests.iter().filter(|request| {
        request.process == 0 && request.end.is_some_and(|(_, how)| how == How::Delivered)
    });
    let delivered: HashSet<Place> = delivered.map(|request| request.place).collect();
    for place in evidence.on_record.places().filter(|place| !delivered.contains(place)) {
        findings.too_early += 1;
        findings.tell(format!(
            "partition {} offset {} was on record as done and had not been delivered",
            place.partition, place.offset
        ));
    }
}

/// The records of one key, as their requests come.
struct Lane<'a> {
    key: u32,
    on_record: &'a OnRecord,
    records: Vec<Seen>,
    /// Every record before this one has been delivered.
    next: u32,
    /// The latest end of all requests so far.
    busy_until: Duration,
    process: u32,
    /// The furthest record that this process has sent.
    furthest: u32,
}

/// What is known of a record.
#[derive(Clone, Copy, Default)]
struct Seen {
    delivered: bool,
    /// Its last request: from which process, and how it ended.
    last: Option<(u32, Option<How>)>,
    place: Option<Place>,
}

impl<'a> Lane<'a> {
    fn new(key: u32, evidence: &Evidence<'a>) -> Self {
        let written = evidence.written.get(&key).copied().unwrap_or(0);
        Self {
            key,
            on_record: evidence.on_record,
            records: vec![Seen::default(); written as usize],
            next: 0,
            busy_until: Duration::ZERO,
            process: 0,
            furthest: 0,
        }
    }

    fn take(&mut self, request: &Request, findings: &mut Findings) {
        let Some(&seen) = self.records.get(request.number as usize) else {
            findings.strange += 1;
            return findings.tell(self.about(request, "was never written"));
        };
        if seen.place.is_some_and(|place| place != request.place) {
            findings.strange += 1;
            findings.tell(self.about(request, "came with another partition or offset than before"));
        }
        self.check_order(request, findings);
        self.check_again(request, seen, findings);
        self.note(request);
        findings.failed += u64::from(request.end.is_some_and(|(_, how)| how == How::Failed));
    }

    fn check_order(&mut self, request: &Request, findings: &mut Findings) {
        if request.process != self.process {
            self.process = request.process;
            self.furthest = 0;
        }
        let broken = if request.began < self.busy_until {
            "was requested while a request of the same key had no answer"
        } else if request.number > self.next {
            "was requested before the one before it was delivered"
        } else if request.number < self.furthest {
            "was requested after a later one"
        } else {
            return;
        };
        findings.out_of_order += 1;
        findings.tell(self.about(request, broken));
    }

    fn check_again(&self, request: &Request, seen: Seen, findings: &mut Findings) {
        let Some((process, how)) = seen.last else { return };
        let earlier = process < request.process;
        match how {
            _ if earlier && self.on_record.has(request.place) => {
                findings.again_needless += 1;
                findings.tell(self.about(request, "was sent again although it was on record"));
            }
            Some(How::Delivered) if earlier => findings.again_unrecorded += 1,
            Some(How::Delivered) => {
                findings.again_needless += 1;
                findings
                    .tell(self.about(request, "was sent again by the process that had its 200"));
            }
            Some(How::Left) | None if earlier => findings.again_in_flight += 1,
            Some(How::Left | How::Failed) | None => {}
        }
    }

    fn note(&mut self, request: &Request) {
        let ended = request.end.map_or(Duration::MAX, |(at, _)| at);
        self.busy_until = self.busy_until.max(ended);
        self.furthest = self.furthest.max(request.number);
        let how = request.end.map(|(_, how)| how);
        if let Some(seen) = self.records.get_mut(request.number as usize) {
            seen.last = Some((request.process, how));
            seen.delivered |= how == Some(How::Delivered);
            seen.place = Some(request.place);
        }
        while self.records.get(self.next as usize).is_some_and(|seen| seen.delivered) {
            self.next += 1;
        }
    }

    fn finish(self, findings: &mut Findings) {
        for (number, _) in self.records.iter().enumerate().filter(|(_, seen)| !seen.delivered) {
            findings.lost += 1;
            findings.tell(format!("{}: record {number} was never delivered", key_text(self.key)));
        }
    }

    fn about(&self, request: &Request, what: &str) -> String {
        let at = request.began.as_secs_f64();
        format!("{}: record {} {what} (at {at:.3} s)", key_text(self.key), request.number)
    }
}

#[cfg(test)]
mod tests;
