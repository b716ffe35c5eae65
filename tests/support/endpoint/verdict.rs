//! What the endpoint's books say about the promises: lost, out of order, at once, again.
//!
//! Order is judged by two rules, lane by lane. First: when a request begins, every record before
//! it in the lane that was ever delivered has been delivered. Second: from one incident to the next
//! the requests of a lane never go back to an earlier record. An incident (a crash, a lost
//! partition) is what the test did; after it a lane may start again from further back, in order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::ledger::{Ending, Entry, Ledger, RequestId, hash};
use super::request::decode_key;
use crate::support::records::{Id, Sent};

/// Two records of one lane in the wrong order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disorder {
    /// The record that comes first in its partition.
    pub earlier: Id,
    /// The record whose request did not wait for it.
    pub later: Id,
    /// When that request began (or the earlier record's request that came after it).
    pub at: Duration,
    /// Which rule it broke.
    pub why: &'static str,
}

/// Two requests of one lane in flight at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The record of the request that began first, and when that ended (if it did).
    pub first: (Id, Option<Duration>),
    /// The record of the other request, and when that began.
    pub second: (Id, Duration),
}

/// A record that was requested again after it had been delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// The record.
    pub id: Id,
    /// How many of its requests began after its first delivery.
    pub times: usize,
}

/// All findings about a run.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Records that were produced and never answered with a 2xx.
    pub lost: Vec<Id>,
    /// Records delivered with another body or key than was produced.
    pub altered: Vec<Id>,
    /// Records requested that were never produced.
    pub unexpected: Vec<Id>,
    /// Order broken.
    pub out_of_order: Vec<Disorder>,
    /// Requests of one lane at once.
    pub overlaps: Vec<Overlap>,
    /// Delivered, and requested again.
    pub sent_again: Vec<Again>,
    /// Records of which the client left a request before it had an answer.
    pub cut_off: Vec<Id>,
    /// What came that was no HTTP.
    pub complaints: Vec<String>,
}

impl Verdict {
    /// Panics unless nothing was lost, altered, made up, out of order or at once.
    pub fn assert_kept(&self) {
        let broken =
            self.lost.len() + self.altered.len() + self.unexpected.len() + self.complaints.len();
        assert!(
            broken + self.out_of_order.len() + self.overlaps.len() == 0,
            "a promise is broken: {self}"
        );
    }

    /// The same, and nothing was sent again.
    pub fn assert_exact(&self) {
        self.assert_kept();
        assert!(self.sent_again.is_empty(), "sent again without a reason: {self}");
    }

    /// The same, and every request was let finish, as when members leave in order. A record whose
    /// request was cut off counts as not delivered, so that the other rules let it be sent again.
    pub fn assert_undisturbed(&self) {
        self.assert_exact();
        assert!(self.cut_off.is_empty(), "cut off without a reason: {self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Debug>(
            out: &mut fmt::Formatter<'_>,
            name: &str,
            found: &[T],
        ) -> fmt::Result {
            writeln!(out, "\n{name}: {}", found.len())?;
            found.iter().take(5).try_for_each(|one| writeln!(out, "  {one:?}"))
        }
        list(out, "lost", &self.lost)?;
        list(out, "altered", &self.altered)?;
        list(out, "unexpected", &self.unexpected)?;
        list(out, "out of order", &self.out_of_order)?;
        list(out, "overlaps", &self.overlaps)?;
        list(out, "sent again", &self.sent_again)?;
        list(out, "cut off", &self.cut_off)?;
        list(out, "complaints", &self.complaints)
    }
}

impl Ledger {
    /// Everything at once, for records of which each must be delivered.
    pub fn verdict(&self, sent: &[Sent]) -> Verdict {
        Verdict {
            lost: self.lost(sent),
            altered: self.altered(sent),
            unexpected: self.unexpected(sent),
            out_of_order: self.out_of_order(),
            overlaps: self.overlaps(),
            sent_again: self.sent_again(),
            cut_off: self.cut_off(),
            complaints: self.complaints.clone(),
        }
    }

    /// Those of the records that were never answered with a 2xx.
    pub fn lost(&self, sent: &[Sent]) -> Vec<Id> {
        let missing = sent.iter().filter(|one| !self.has_delivered(&one.id));
        missing.map(|one| one.id.clone()).collect()
    }

    /// Those of the records that came with another body or key than they have.
    pub fn altered(&self, sent: &[Sent]) -> Vec<Id> {
        let wanted: HashMap<&Id, &Sent> = sent.iter().map(|one| (&one.id, one)).collect();
        let mut found: Vec<Id> = self
            .requests()
            .iter()
            // A request that was cut off has no whole body to be judged by.
            .filter(|entry| entry.delivered())
            .filter_map(|entry| Some((entry, wanted.get(entry.record.as_ref()?)?)))
            .filter(|(entry, sent)| {
                entry.body_hash != hash(sent.value.as_deref().unwrap_or_default())
                    || entry.key.as_deref().and_then(decode_key) != sent.key
            })
            .map(|(_, sent)| sent.id.clone())
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// Records requested that are not among those given.
    pub fn unexpected(&self, sent: &[Sent]) -> Vec<Id> {
        let known: HashSet<&Id> = sent.iter().map(|one| &one.id).collect();
        let mut found: Vec<Id> =
            self.tallies.keys().filter(|id| !known.contains(id)).cloned().collect();
        found.sort();
        found
    }

    /// Records that were requested again after they had been delivered.
    pub fn sent_again(&self) -> Vec<Again> {
        self.sent_again_after(Duration::ZERO)
    }

    /// The same, counting only requests that began after a moment of the ledger's clock.
    pub fn sent_again_after(&self, since: Duration) -> Vec<Again> {
        let mut first: HashMap<&Id, Duration> = HashMap::new();
        for (entry, id) in self.named().filter(|(entry, _)| entry.delivered()) {
            let end = first.entry(id).or_insert(Duration::MAX);
            *end = (*end).min(entry.end());
        }
        let mut again: BTreeMap<&Id, usize> = BTreeMap::new();
        for (entry, id) in self.named().filter(|(entry, _)| entry.first_byte >= since) {
            if first.get(id).is_some_and(|&end| entry.first_byte >= end) {
                *again.entry(id).or_default() += 1;
            }
        }
        again.into_iter().map(|(id, times)| Again { id: id.clone(), times }).collect()
    }

    /// The records of requests that the client left before they had an answer, one for each.
    pub fn cut_off(&self) -> Vec<Id> {
        let left = self.named().filter(|(entry, _)| entry.ending == Ending::ClientGone);
        left.map(|(_, id)| id.clone()).collect()
    }

    /// Requests of one lane that were in flight at once.
    pub fn overlaps(&self) -> Vec<Overlap> {
        let mut found = Vec::new();
        for lane in self.by_lane() {
            let mut longest: Option<(&Entry, &Id)> = None;
            for (entry, id) in self.entries_of(&lane) {
                if let Some((before, name)) = longest
                    && entry.first_byte < before.end()
                {
                    found.push(Overlap {
                        first: (name.clone(), before.last_byte),
                        second: (id.clone(), entry.first_byte),
                    });
                }
                if longest.is_none_or(|(before, _)| before.end() < entry.end()) {
                    longest = Some((entry, id));
                }
            }
        }
        found
    }

    /// Records of one lane that came in the wrong order.
    pub fn out_of_order(&self) -> Vec<Disorder> {
        let mut found = Vec::new();
        for lane in self.by_lane() {
            self.too_early(&lane, &mut found);
            self.gone_back(&lane, &mut found);
        }
        found.sort_by_key(|one| one.at);
        found
    }

    /// First rule: nothing starts before what is before it was delivered.
    fn too_early(&self, lane: &[RequestId], found: &mut Vec<Disorder>) {
        let mut delivered: BTreeMap<i64, (Duration, &Id)> = BTreeMap::new();
        for (entry, id) in self.entries_of(lane).filter(|(entry, _)| entry.delivered()) {
            let end = delivered.entry(id.offset).or_insert((entry.end(), id));
            end.0 = end.0.min(entry.end());
        }
        // By offset, the latest of all first deliveries up to it.
        let mut latest: Option<(Duration, &Id)> = None;
        let up_to: BTreeMap<i64, (Duration, &Id)> = delivered
            .into_iter()
            .map(|(offset, one)| {
                let most = latest.filter(|most| most.0 >= one.0).unwrap_or(one);
                latest = Some(most);
                (offset, most)
            })
            .collect();
        for (entry, id) in self.entries_of(lane) {
            if let Some((_, &(end, earlier))) = up_to.range(..id.offset).next_back()
                && entry.first_byte < end
            {
                found.push(Disorder {
                    earlier: earlier.clone(),
                    later: id.clone(),
                    at: entry.first_byte,
                    why: "began before an earlier record of its lane was delivered",
                });
            }
        }
    }

    /// Second rule: between incidents a lane never goes back.
    fn gone_back(&self, lane: &[RequestId], found: &mut Vec<Disorder>) {
        let mut furthest: Option<(&Entry, &Id)> = None;
        for (entry, id) in self.entries_of(lane) {
            let excused = |since: Duration| {
                self.incidents.iter().any(|one| since <= one.at && one.at <= entry.first_byte)
            };
            match furthest {
                Some((before, most)) if id.offset < most.offset && !excused(before.first_byte) => {
                    found.push(Disorder {
                        earlier: id.clone(),
                        later: most.clone(),
                        at: entry.first_byte,
                        why: "an earlier record of the lane came again, and nothing had happened",
                    });
                }
                // Again the same record, or further, or back to where an incident left it.
                _ => furthest = Some((entry, id)),
            }
        }
    }

    fn named(&self) -> impl Iterator<Item = (&Entry, &Id)> {
        self.requests().iter().filter_map(|entry| Some((entry, entry.record.as_ref()?)))
    }

    fn entries_of<'a>(
        &'a self,
        lane: &'a [RequestId],
    ) -> impl Iterator<Item = (&'a Entry, &'a Id)> {
        let entries = lane.iter().map(|&number| &self.requests()[number]);
        entries.filter_map(|entry| Some((entry, entry.record.as_ref()?)))
    }

    /// The requests of each lane, by their first byte.
    fn by_lane(&self) -> Vec<Vec<RequestId>> {
        let mut lanes: BTreeMap<usize, Vec<RequestId>> = BTreeMap::new();
        for (number, entry) in self.requests().iter().enumerate() {
            if let Some(lane) = entry.lane {
                lanes.entry(lane).or_default().push(number);
            }
        }
        let mut lanes: Vec<_> = lanes.into_values().collect();
        for lane in &mut lanes {
            lane.sort_by_key(|&number| self.requests()[number].first_byte);
        }
        lanes
    }
}
