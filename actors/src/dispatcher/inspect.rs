//! What an arbiter tells of its lanes and records to whoever asks.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Dispatcher;
use super::round::Round;
use super::told::{attempt, state};
use crate::core::lanes::{Delivery, Entry, LaneView, Standing};
use crate::core::longest::Longest;
use crate::core::{Epoch, LaneId};
use crate::explain::{Found, Inspect, Lane, LaneState, Place, Wanted};
use crate::record::Record;

#[cfg(test)]
mod tests;

impl Dispatcher {
    /// Looks for what is asked for, and has the senders that have something in hand look too.
    ///
    /// Nothing if nobody waits for the answer. Otherwise it costs, on this arbiter alone:
    /// - for the longest, each lane once, with a heap of at most `limit`; then each record queued in
    ///   the lanes that are told;
    /// - for a key, a look-up for each stay and the records of its lanes; all records queued, once,
    ///   where each has a lane of its own;
    /// - for a record, all records queued, once, and those that have just been settled: by default
    ///   only its key, which is not asked for, would tell its lane;
    /// - for any of them, each record that becomes a dead letter, and each sender at work.
    ///
    /// Kept until the answer leaves is at most a lane for each stay that is asked for, or `limit`.
    pub(crate) fn inspect(&self, inspect: Inspect) {
        if inspect.reply.is_closed() {
            return;
        }
        let round = Rc::new(Round::new(inspect, self.now()));
        match &*round.wanted {
            Wanted::Longest { limit, .. } => self.longest(&round, *limit),
            Wanted::Record { epoch, offset } => {
                self.search(&round, self.desk.queued());
                let settled = self.out.has_settled(*epoch, *offset);
                round.note(|inspected| inspected.settled = settled);
            }
            Wanted::Key { stays, .. } => self.search_stays(&round, stays),
        }
        self.look_at_letters(&round);
        round.note(|inspected| inspected.batches = self.intake.records.len());
        self.senders.ask(&round);
        let took = self.now().since(round.now);
        round.note(|inspected| inspected.took = took);
    }

    /// A sender tells of what it has in hand.
    pub(crate) fn tell(&self, round: &Round, sender: usize, delivery: &Delivery<Record>) {
        let same = |a: &Entry<Record>, b: &Entry<Record>| a.item().lane_id() == b.item().lane_id();
        for part in delivery.entries().chunk_by(same) {
            let lane = || self.lane_in_hand(round, sender, delivery, part);
            let (first, id) = (part[0].item(), part[0].item().lane_id());
            if round.is_about(LaneState::Sending) {
                let rank = round.rank(first.assignment().epoch(), first.offset());
                round.offer(rank, || Some(lane()));
            }
            let mut wanted = part.iter().filter(|entry| round.is_wanted(entry.item()));
            let found = wanted.next().map(|entry| (entry, 1 + wanted.count()));
            if found.is_none() && !round.lacks(id) {
                continue;
            }
            let lane = lane();
            round.complete(id, &lane);
            if let Some((entry, records)) = found {
                let place = Place::of_head(&Lane { attempts: attempt(entry), ..lane.clone() });
                round.found(of(entry.item(), records, place, Some(lane)));
            }
        }
    }

    /// The lanes that have waited longest, but for those that senders have in hand.
    fn longest(&self, round: &Round, limit: usize) {
        let (mut longest, mut matching) = (Longest::new(limit), 0);
        for view in self.desk.lanes().filter(|view| round.is_about(state(&view.standing()))) {
            matching += 1;
            let head = view.queued().next().map(Entry::item);
            let head = match view.standing() {
                Standing::Sending(..) => None,
                Standing::Lettering(_) => {
                    let away = self.out.lettering.of(view.id());
                    away.map(|away| (away.assignment.epoch(), away.offset))
                }
                _ => head.map(|head| (head.assignment().epoch(), head.offset())),
            };
            if let Some((epoch, offset)) = head {
                longest.offer(round.rank(epoch, offset), view.id());
            }
        }
        round.note(|inspected| inspected.matching = matching);
        for (rank, id) in longest.into_sorted() {
            round.offer(rank, || self.lane(round, id));
        }
    }

    /// Looks for records of a key: in its lane of each stay, or among all where it has none.
    fn search_stays(&self, round: &Round, stays: &HashMap<Epoch, Option<LaneId>>) {
        if stays.values().any(Option::is_none) {
            return self.search(round, self.desk.queued());
        }
        for (&epoch, &lane) in stays {
            let lane = lane.and_then(|lane| self.desk.lane(lane));
            let of_stay = |entry: &&Entry<Record>| entry.item().assignment().epoch() == epoch;
            self.search(round, lane.iter().flat_map(LaneView::queued).filter(of_stay));
        }
    }

    /// Looks for records among those that are queued, at each once.
    fn search<'a>(&self, round: &Round, queued: impl Iterator<Item = &'a Entry<Record>>) {
        let mut wanted: BTreeMap<Epoch, (usize, &Record)> = BTreeMap::new();
        for record in queued.map(Entry::item).filter(|record| round.is_wanted(record)) {
            let of_stay = wanted.entry(record.assignment().epoch()).or_insert((0, record));
            of_stay.0 += 1;
            if record.offset() < of_stay.1.offset() {
                of_stay.1 = record;
            }
        }
        for (records, first) in wanted.into_values() {
            self.found_queued(round, first, records);
        }
    }

    /// So many records were found, of which this is the first, and queued.
    fn found_queued(&self, round: &Round, first: &Record, records: usize) {
        let epoch = first.assignment().epoch();
        let is =
            |item: &Record| item.offset() == first.offset() && item.assignment().epoch() == epoch;
        let behind = self.desk.position(first.lane_id(), is).map_or(0, |it| it.behind as u64);
        let lane = self.lane(round, first.lane_id());
        let place = match &lane {
            Some(lane) if behind == 0 => Place::of_head(lane),
            _ => Place::Queued { behind },
        };
        round.found(of(first, records, place, lane));
    }

    /// Looks for records among those that become dead letters.
    fn look_at_letters(&self, round: &Round) {
        for (id, away) in self.out.lettering.all() {
            let epoch = away.assignment.epoch();
            if round.wanted.has(epoch, away.offset, away.key.as_deref())
                && let Some(lane) = self.lane(round, id)
            {
                let (offset, place) = (away.offset, Place::of_head(&lane));
                let lane = Some(lane);
                round.found(Found { epoch, records: 1, offset, place, lane_id: id, lane });
            }
        }
    }
}

/// So many records, of which this is the first.
fn of(record: &Record, records: usize, place: Place, lane: Option<Lane>) -> Found {
    Found {
        epoch: record.assignment().epoch(),
        records: records as u64,
        offset: record.offset(),
        place,
        lane_id: record.lane_id(),
        lane,
    }
}
