//! The desk once more, as plainly as it can be written: vectors, scans and no cleverness.
//!
//! The property test runs both side by side. What they share is the policy, tested on its own.

use std::collections::BTreeSet;

use super::{Batch, Counts, Moment, Next, Outcome, Outcomes, Rec, RetryPolicy, Told, Verdict};
use super::{Failure, FailureKind};

#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) number: usize,
    epoch: u64,
    attempts: u32,
    letters: u32,
    pub(super) since: Option<Moment>,
    pub(super) until: Moment,
    pub(super) next: Next,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Ready,
    Sending(Vec<Queued>),
    Lettering(Queued),
    Waiting,
    Held,
}

#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) id: u64,
    pub(super) queue: Vec<Queued>,
    pub(super) state: State,
}

/// Lanes that have just come and lanes that were there take turns.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) came: Vec<u64>,
    pub(super) goes_on: Vec<u64>,
    turns: usize,
}

impl Ready {
    fn next(&mut self) -> Option<u64> {
        let first = self.turns.is_multiple_of(2);
        let from = match (self.came.is_empty(), self.goes_on.is_empty()) {
            (true, true) => return None,
            (false, true) => &mut self.came,
            (false, false) if first => &mut self.came,
            _ => &mut self.goes_on,
        };
        self.turns += 1;
        Some(from.remove(0))
    }

    pub(super) fn len(&self) -> usize {
        self.came.len() + self.goes_on.len()
    }
}

pub(super) struct Model {
    pub(super) policy: RetryPolicy,
    pub(super) batch: Batch,
    pub(super) limit: usize,
    pub(super) sending: usize,
    pub(super) lanes: Vec<Lane>,
    pub(super) ready: Ready,
    pub(super) given_up: BTreeSet<u64>,
    pub(super) told: Vec<Told>,
}

impl Model {
    pub(super) fn new(policy: RetryPolicy, limit: usize, batch: Batch) -> Self {
        let (sending, lanes, ready) = (0, Vec::new(), Ready::default());
        let (given_up, told) = (BTreeSet::new(), Vec::new());
        Self { policy, batch, limit, sending, lanes, ready, given_up, told }
    }

    fn lane(&mut self, id: u64) -> &mut Lane {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.id == id) else {
            panic!("no lane {id}")
        };
        lane
    }

    pub(super) fn accept(&mut self, rec: &Rec) -> bool {
        if self.given_up.contains(&rec.epoch) {
            return false;
        }
        if self.lanes.iter().all(|lane| lane.id != rec.lane) {
            self.lanes.push(Lane { id: rec.lane, queue: Vec::new(), state: State::Ready });
            self.ready.came.push(rec.lane);
        }
        self.lane(rec.lane).queue.push(Queued {
            number: rec.number,
            epoch: rec.epoch,
            attempts: 0,
            letters: 0,
            since: None,
            until: Moment::default(),
            next: Next::Send,
        });
        true
    }

    /// The numbers dispatched, lane by lane; empty if none.
    pub(super) fn dispatch(&mut self) -> Vec<usize> {
        let mut dispatched: Vec<usize> = Vec::new();
        if self.sending >= self.limit {
            return dispatched;
        }
        let (records, lanes) = (self.batch.records.max(1), self.batch.lanes.max(1));
        for _ in 0..lanes {
            if dispatched.len() >= records {
                break;
            }
            let Some(id) = self.ready.next() else { break };
            let lane = self.lane(id);
            let mut part = vec![lane.queue.remove(0)];
            while let Some(next) = lane.queue.first() {
                let full = dispatched.len() + part.len() >= records;
                let other = next.epoch != part[0].epoch || next.until > part[0].until;
                if full || other || matches!(next.next, Next::Letter | Next::Hold) {
                    break;
                }
                part.push(lane.queue.remove(0));
            }
            dispatched.extend(part.iter().map(|entry| entry.number));
            lane.state = State::Sending(part);
        }
        self.sending += usize::from(!dispatched.is_empty());
        dispatched
    }

    /// The lanes of a delivery, in order, with what they had in it.
    fn parts(&mut self, numbers: &[usize]) -> Vec<(u64, Vec<Queued>)> {
        self.sending -= 1;
        let mut parts: Vec<(u64, Vec<Queued>)> = Vec::new();
        for number in numbers {
            for lane in &self.lanes {
                if let State::Sending(part) = &lane.state
                    && part[0].number == *number
                {
                    parts.push((lane.id, part.clone()));
                }
            }
        }
        assert_eq!(parts.iter().map(|(_, part)| part.len()).sum::<usize>(), numbers.len());
        parts
    }

    pub(super) fn conclude(
        &mut self,
        numbers: &[usize],
        outcomes: &Outcomes,
        now: Moment,
        random: u64,
    ) {
        let mut at = 0;
        for (id, part) in self.parts(numbers) {
            let mut back = Vec::new();
            for entry in part {
                back.extend(self.judge(entry, outcomes.get(at), now, random));
                at += 1;
            }
            self.close_part(id, back, now);
        }
    }

    pub(super) fn abandon(&mut self, numbers: &[usize], now: Moment) {
        for (id, part) in self.parts(numbers) {
            let mut back = Vec::new();
            for mut entry in part {
                entry.attempts += 1;
                back.extend(self.unless_given_up(entry));
            }
            self.close_part(id, back, now);
        }
    }

    fn close_part(&mut self, id: u64, back: Vec<Queued>, now: Moment) {
        self.lane(id).queue.splice(0..0, back);
        self.open(id, now);
    }

    fn judge(
        &mut self,
        mut entry: Queued,
        outcome: Option<&Outcome>,
        now: Moment,
        random: u64,
    ) -> Option<Queued> {
        let missing = Outcome::retry(Failure::new(FailureKind::Other, "missing"));
        entry.attempts += 1;
        let number = entry.number;
        let was_parked = entry.since.is_some() && entry.next == Next::Park;
        let first = entry.since.unwrap_or(now);
        (entry.next, entry.until) = match self.policy.decide(
            entry.attempts,
            std::time::Duration::ZERO,
            outcome.unwrap_or(&missing),
            random,
        ) {
            Verdict::Settle => {
                self.told.push(Told::Settled(number, 0, false));
                return None;
            }
            Verdict::Drop => {
                self.told.push(Told::Settled(number, 2, true));
                return None;
            }
            Verdict::DeadLetter => (Next::Letter, now),
            Verdict::Wait { wait, parked } => {
                entry = self.unless_given_up(entry)?;
                let parking = u8::from(parked) + u8::from(parked && was_parked);
                self.told.push(Told::Retry(number, entry.attempts, wait, parking));
                (if parked { Next::Park } else { Next::Send }, now.after(wait))
            }
            Verdict::Stop => {
                entry = self.unless_given_up(entry)?;
                self.told.push(Told::Stop(number, entry.attempts));
                (Next::Hold, now)
            }
        };
        entry.since = Some(first);
        entry.letters = 0;
        Some(entry)
    }

    fn unless_given_up(&mut self, entry: Queued) -> Option<Queued> {
        if self.given_up.contains(&entry.epoch) {
            self.told.push(Told::Returned(entry.number));
            return None;
        }
        Some(entry)
    }

    fn open(&mut self, id: u64, now: Moment) {
        let lane = self.lane(id);
        let Some(head) = lane.queue.first().cloned() else {
            self.lanes.retain(|lane| lane.id != id);
            return;
        };
        match head.next {
            Next::Hold => lane.state = State::Held,
            _ if head.until > now => lane.state = State::Waiting,
            Next::Letter => {
                lane.queue.remove(0);
                self.told.push(Told::DeadLetter(head.number, head.attempts));
                self.lane(id).state = State::Lettering(head);
            }
            Next::Send | Next::Park => {
                lane.state = State::Ready;
                self.ready.goes_on.push(id);
            }
        }
    }

    pub(super) fn letter_done(&mut self, number: usize, written: bool, now: Moment, random: u64) {
        let found = self.lanes.iter().find_map(|lane| match &lane.state {
            State::Lettering(entry) if entry.number == number => Some((lane.id, entry.clone())),
            _ => None,
        });
        let Some((id, mut entry)) = found else { panic!("no letter {number}") };
        let mut back = Vec::new();
        if written {
            self.told.push(Told::Settled(number, 1, true));
        } else {
            entry.letters += 1;
            let wait = self.policy.backoff(entry.letters, random);
            entry.until = now.after(wait);
            let letters = entry.letters;
            back.extend(self.unless_given_up(entry));
            if !back.is_empty() {
                self.told.push(Told::LetterWaits(number, letters, wait));
            }
        }
        self.close_part(id, back, now);
    }

    pub(super) fn wake(&mut self, now: Moment) {
        let mut due: Vec<_> = self.waits().into_iter().filter(|(until, _)| *until <= now).collect();
        due.sort_unstable();
        for (_, id) in due {
            self.open(id, now);
        }
    }

    /// Waiting lanes and when they are due.
    pub(super) fn waits(&self) -> Vec<(Moment, u64)> {
        let waiting = self.lanes.iter().filter(|lane| matches!(lane.state, State::Waiting));
        waiting.map(|lane| (lane.queue[0].until, lane.id)).collect()
    }

    pub(super) fn give_up(&mut self, epochs: &[u64]) {
        self.given_up.extend(epochs);
        let mut freed = Vec::new();
        for lane in &mut self.lanes {
            let head = lane.queue.first().map(|entry| entry.number);
            let gone = |entry: &Queued| epochs.contains(&entry.epoch);
            let returned = lane.queue.iter().filter(|entry| gone(entry));
            self.told.extend(returned.map(|entry| Told::Returned(entry.number)));
            lane.queue.retain(|entry| !gone(entry));
            let stuck = matches!(lane.state, State::Waiting | State::Held);
            if stuck && lane.queue.first().map(|entry| entry.number) != head {
                lane.state = State::Ready;
                freed.push(lane.id);
            }
        }
        freed.sort_unstable();
        self.ready.goes_on.extend(freed);
        self.lanes.retain(|lane| {
            !lane.queue.is_empty() || matches!(lane.state, State::Sending(_) | State::Lettering(_))
        });
        let lanes = &self.lanes;
        self.ready.came.retain(|id| lanes.iter().any(|lane| lane.id == *id));
        self.ready.goes_on.retain(|id| lanes.iter().any(|lane| lane.id == *id));
    }

    /// Of an epoch that was given up, all that is still here; of another, what is under way.
    pub(super) fn under_way(&self, epoch: u64) -> usize {
        let count = |entries: &[Queued]| entries.iter().filter(|it| it.epoch == epoch).count();
        let of_lane = |lane: &Lane| {
            let closed = match &lane.state {
                State::Sending(part) => count(part),
                State::Lettering(entry) => count(std::slice::from_ref(entry)),
                _ => 0,
            };
            closed + if self.given_up.contains(&epoch) { count(&lane.queue) } else { 0 }
        };
        self.lanes.iter().map(of_lane).sum()
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts { lanes: self.lanes.len(), ..Counts::default() };
        for lane in &self.lanes {
            counts.queued += lane.queue.len();
            match &lane.state {
                State::Ready => counts.ready += 1,
                State::Sending(part) => counts.under_way += part.len(),
                State::Lettering(_) => {
                    counts.dead_letters += 1;
                    counts.under_way += 1;
                }
                State::Waiting => {
                    counts.waiting += 1;
                    counts.parked += usize::from(lane.queue[0].next == Next::Park);
                }
                State::Held => counts.held += 1,
            }
        }
        counts
    }
}
