//! What an arbiter tells of its lanes and records to whoever asks.

use std::rc::Rc;
use std::time::Duration;

use super::Dispatcher;
use super::lettering::Away;
use super::round::Round;
use crate::assignment::Assignment;
use crate::core::desk::Doing;
use crate::core::destinations::Wait;
use crate::core::lanes::{Delivery, Entry, LaneView, Next, Standing, Trouble};
use crate::core::longest::Longest;
use crate::core::{Epoch, LaneId, Moment, Offset};
use crate::explain::{Found, Inspect, Lane, LaneState, Place, Reason, Wanted};
use crate::record::Record;
use crate::sink::http::key_text;

/// Says where a record's request of that index goes, without credentials and query.
pub(crate) type Urls = Box<dyn Fn(&Record, u16) -> Option<String>>;

/// Of an entry in hand, or queued: what is told of it as the first of its lane.
struct Head<'a> {
    assignment: &'a Assignment,
    offset: Offset,
    key: Option<&'a [u8]>,
    attempts: u32,
}

impl Head<'_> {
    fn lane(&self, state: LaneState, queued: usize, round: &Round) -> Lane {
        let waited = round.taken.age(self.assignment.epoch(), self.offset, round.at);
        Lane {
            topic: self.assignment.topic().to_owned(),
            partition: self.assignment.partition(),
            key: self.key.map(key_text),
            state,
            head_offset: self.offset,
            queued: queued as u64,
            attempts: self.attempts,
            waited_seconds: waited.map(|waited| waited.as_secs_f64()),
            sending_seconds: None,
            failing_seconds: None,
            retry_in_seconds: None,
            failure: None,
            destination: None,
            url: None,
            reason: None,
        }
    }
}

impl Dispatcher {
    /// Looks for what is asked for, and has the senders that have something in hand look too.
    ///
    /// Costs time for each lane, or for each record queued; nothing if nobody waits for the answer.
    pub(crate) fn inspect(&self, inspect: Inspect) {
        if inspect.reply.is_closed() {
            return;
        }
        let round = Rc::new(Round::new(inspect, self.now()));
        match &*round.wanted {
            Wanted::Longest { limit, .. } => self.longest(&round, *limit),
            Wanted::Record { epoch, offset } => {
                self.search(&round, *epoch, self.desk.queued());
                let settled = self.out.has_settled(*epoch, *offset);
                round.note(|inspected| inspected.settled = settled);
            }
            Wanted::Key { stays, .. } => {
                for (epoch, lane) in stays {
                    match lane {
                        Some(lane) => {
                            let of_lane = self.desk.lane(*lane);
                            let queued = of_lane.iter().flat_map(LaneView::queued);
                            self.search(&round, *epoch, queued);
                        }
                        None => self.search(&round, *epoch, self.desk.queued()),
                    }
                }
            }
        }
        self.look_at_letters(&round);
        round.note(|inspected| inspected.batches = self.intake.records.len());
        self.senders.ask(&round);
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

    /// Looks for records of a stay among those that are queued.
    fn search<'a>(
        &self,
        round: &Round,
        epoch: Epoch,
        queued: impl Iterator<Item = &'a Entry<Record>>,
    ) {
        let of_stay = |entry: &&Entry<Record>| entry.item().assignment().epoch() == epoch;
        let wanted = queued.filter(of_stay).filter(|entry| round.is_wanted(entry.item()));
        let (mut records, mut first) = (0, None::<&Record>);
        for record in wanted.map(Entry::item) {
            records += 1;
            first = first.filter(|first| first.offset() < record.offset()).or(Some(record));
        }
        let Some(first) = first else { return };
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

    /// A lane of which no sender has something in hand.
    fn lane(&self, round: &Round, id: LaneId) -> Option<Lane> {
        let view = self.desk.lane(id)?;
        let queued = view.queued().count();
        let doing = self.desk.doing(&view, round.now);
        let state = state(&view.standing());
        match doing {
            Doing::Sending => return None,
            Doing::Lettering => {
                let away = self.out.lettering.of(id)?;
                return Some(of_letter(away, queued, round));
            }
            _ => {}
        }
        let entry = view.queued().next()?;
        let mut lane = head(entry, entry.attempts()).lane(state, queued - 1, round);
        lane.url = self.url(entry);
        if let Some(trouble) = entry.trouble() {
            fail(&mut lane, trouble, round.now);
        }
        match doing {
            Doing::Ready => lane.reason = self.reason(),
            Doing::Waiting(trouble) | Doing::Parked(trouble) | Doing::LetterWaits(trouble) => {
                lane.retry_in_seconds = Some(trouble.until().since(round.now).as_secs_f64());
            }
            Doing::Destination(name, wait) => {
                lane.destination = name.map(ToString::to_string);
                let why = wait.map(why);
                lane.reason = match name {
                    Some(_) => why.map(|(reason, _)| reason),
                    None => Some(Reason::TooManyDestinations),
                };
                let until = why.and_then(|(_, until)| until);
                lane.retry_in_seconds = until.map(|it| it.since(round.now).as_secs_f64());
            }
            Doing::Stopped(_) | Doing::Sending | Doing::Lettering => {}
        }
        Some(lane)
    }

    /// The lane of which a sender has this in hand.
    fn lane_in_hand(
        &self,
        round: &Round,
        sender: usize,
        delivery: &Delivery<Record>,
        part: &[Entry<Record>],
    ) -> Lane {
        let entry = &part[0];
        let queued = self.desk.lane(entry.item().lane_id()).map_or(0, |it| it.queued().count());
        let behind = queued + part.len() - 1;
        let mut lane = head(entry, attempt(entry)).lane(LaneState::Sending, behind, round);
        let took = round.now.since(self.senders.since(sender));
        lane.sending_seconds = Some(took.as_secs_f64());
        if let Some(trouble) = entry.trouble() {
            fail(&mut lane, trouble, round.now);
        }
        lane.destination = Some(self.desk.destination_of(delivery).to_string());
        lane.url = self.url(entry);
        lane
    }

    fn url(&self, entry: &Entry<Record>) -> Option<String> {
        let known = || Some(entry.trouble()?.failure().url.as_deref()?.to_owned());
        (self.urls)(entry.item(), entry.request()).or_else(known)
    }

    /// Why what is ready is not sent.
    fn reason(&self) -> Option<Reason> {
        if self.paused {
            Some(Reason::Paused)
        } else if self.goes_on.is_some() {
            Some(Reason::Standstill)
        } else {
            (self.desk.sending() >= self.limit).then_some(Reason::SendersBusy)
        }
    }
}

fn head(entry: &Entry<Record>, attempts: u32) -> Head<'_> {
    let record = entry.item();
    let (assignment, offset) = (record.assignment().as_ref(), record.offset());
    Head { assignment, offset, key: record.key(), attempts }
}

/// Which attempt at its request is under way.
fn attempt(entry: &Entry<Record>) -> u32 {
    entry.attempts().saturating_add(1)
}

fn of_letter(away: &Away, queued: usize, round: &Round) -> Lane {
    let head = Head {
        assignment: &away.assignment,
        offset: away.offset,
        key: away.key.as_deref(),
        attempts: away.attempts,
    };
    Lane {
        failing_seconds: Some(round.now.since(away.since).as_secs_f64()),
        failure: Some(away.reason.to_string()),
        ..head.lane(LaneState::DeadLettering, queued, round)
    }
}

/// Notes what went wrong with the first record of a lane.
fn fail(lane: &mut Lane, trouble: &Trouble, now: Moment) {
    let since: Duration = now.since(trouble.since());
    lane.failing_seconds = Some(since.as_secs_f64());
    let failure = trouble.letter_failure().unwrap_or(trouble.failure());
    lane.failure = Some(failure.to_string());
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

fn state(standing: &Standing<'_>) -> LaneState {
    match standing {
        Standing::Ready => LaneState::Ready,
        Standing::Blocked(_) => LaneState::Destination,
        Standing::Sending(..) => LaneState::Sending,
        Standing::Lettering(_) => LaneState::DeadLettering,
        Standing::Held(_) => LaneState::Stopped,
        Standing::Waiting(trouble) => match trouble.next() {
            Next::Park => LaneState::Parked,
            Next::Letter => LaneState::DeadLettering,
            Next::Send | Next::Hold => LaneState::Waiting,
        },
    }
}

/// Why a destination takes nothing, and until when, where that is known.
fn why(wait: Wait) -> (Reason, Option<Moment>) {
    match wait {
        Wait::Full(_) => (Reason::DestinationFull, None),
        Wait::Senders => (Reason::DestinationShare, None),
        Wait::Asked(until) => (Reason::RetryAfter, Some(until)),
        Wait::Breaker(until) => (Reason::BreakerOpen, Some(until)),
        Wait::Probe => (Reason::BreakerProbe, None),
        Wait::Rate(until) => (Reason::Rate, Some(until)),
    }
}
