//! How an arbiter tells of a lane: what it does, since when, and why it waits.

use super::Dispatcher;
use super::lettering::Away;
use super::round::Round;
use crate::assignment::Assignment;
use crate::core::desk::Doing;
use crate::core::destinations::Wait;
use crate::core::lanes::{Delivery, Entry, Next, Standing, Trouble};
use crate::core::{LaneId, Moment, Offset};
use crate::explain::{Lane, LaneState, Reason};
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
    /// A lane of which no sender has something in hand.
    pub(super) fn lane(&self, round: &Round, id: LaneId) -> Option<Lane> {
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
    pub(super) fn lane_in_hand(
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
pub(super) fn attempt(entry: &Entry<Record>) -> u32 {
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
    lane.failing_seconds = Some(now.since(trouble.since()).as_secs_f64());
    let failure = trouble.letter_failure().unwrap_or(trouble.failure());
    lane.failure = Some(failure.to_string());
}

/// The state of a lane, whatever its destination.
pub(super) fn state(standing: &Standing<'_>) -> LaneState {
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
