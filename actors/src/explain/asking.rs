//! How a question goes through the parts of a pipeline, and how long it may take.
//!
//! Nobody waits for whoever asks, and whoever asks waits for nobody for longer than [`DEADLINE`]: a
//! part that does not answer by then is named.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant as TokioInstant, timeout_at};

use super::conclude::Known;
use super::parts::{
    Found, InPartition, Inquiry, Inspected, Locate, Located, Look, TakenAt, Wanted,
};
use super::turns::{Turn, Turns};
use super::{
    ExplainError, Explanation, Gone, KeyExplanation, KeyInPartition, LaneState, Lanes, MOST_LANES,
    Place, Question, RecordExplanation,
};
use crate::core::Offset;
use crate::core::longest::Longest;
use crate::handle::Control;
use crate::kafka::lane_names::LaneNames;
use crate::pulse::Part;
use crate::sink::http::key_text;

/// How long an answer may take. All but a thread that is stuck answers within milliseconds.
const DEADLINE: Duration = Duration::from_secs(2);

/// When nobody waits any longer for the parts that are asked first, nor, if they have had their
/// [`SHARE`], for the arbiters: what is known without them is to be told in time.
const FIRST: Duration = Duration::from_millis(1_500);

/// How long the arbiters have at the least, whatever the turn and the parts before them took; as long
/// is left after them for what is asked last.
const SHARE: Duration = Duration::from_millis(250);

/// What the pipeline's own thread passes on.
#[derive(Debug)]
pub(crate) enum Ask {
    Locate(Locate),
    /// One for each router, in their order.
    Inspect(Vec<Inquiry>),
    Look(Look),
}

/// One question on its way.
pub(crate) struct Asking<'a> {
    pub(crate) control: &'a mpsc::UnboundedSender<Control>,
    pub(crate) turns: &'a Turns,
    /// The topics that the pipeline was told to take, patterns among them.
    pub(crate) topics: &'a [String],
    pub(crate) routers: usize,
}

/// By when a question is to be answered.
#[derive(Clone, Copy)]
struct Until {
    first: TokioInstant,
    all: TokioInstant,
}

impl Until {
    fn begin() -> Self {
        let now = TokioInstant::now();
        Self { first: now + FIRST, all: now + DEADLINE }
    }

    /// By when the arbiters are to answer that are asked now: they are not to blame for the time that
    /// went elsewhere.
    fn arbiters(self) -> TokioInstant {
        self.first.max(TokioInstant::now() + SHARE)
    }
}

impl Asking<'_> {
    /// The lanes that have waited longest.
    pub(crate) async fn lanes(self, state: Option<LaneState>, limit: usize) -> Result<Lanes, Gone> {
        let (until, limit) = (Until::begin(), limit.min(MOST_LANES));
        let Some(mut turn) = self.turn().await? else {
            let unanswered = (0..self.routers).map(|index| Part::Arbiter(index).to_string());
            return Ok(Lanes { unanswered: unanswered.collect(), ..Lanes::default() });
        };
        let Some(taken) = self.ask(until.first, |reply| Ask::Look(all_ages(reply))).await? else {
            let unanswered = vec![Part::Coordinator.to_string()];
            return Ok(Lanes { unanswered, ..Lanes::default() });
        };
        let wanted = Wanted::Longest { state, limit };
        let answers = self.inspect(&mut turn, until, wanted, Arc::new(taken)).await?;
        let (mut lanes, mut longest) = (Lanes::default(), Longest::new(limit));
        for (index, answer) in answers.into_iter().enumerate() {
            let Some(answer) = answer else {
                lanes.unanswered.push(Part::Arbiter(index).to_string());
                continue;
            };
            lanes.matching += answer.matching;
            answer.lanes.into_iter().for_each(|(rank, lane)| longest.offer(rank, lane));
        }
        lanes.lanes = longest.into_sorted().map(|(_, lane)| lane).collect();
        Ok(lanes)
    }

    /// Where a record, or the records of a key, are.
    pub(crate) async fn explain(self, question: Question) -> Result<Explanation, ExplainError> {
        let until = Until::begin();
        let mut turn = self.turn().await?.ok_or(ExplainError::Busy)?;
        turn.asks();
        let locate = |reply| Ask::Locate(Locate { question: question.clone(), reply });
        let ages = self.ask(until.first, |reply| Ask::Look(all_ages(reply)));
        let (located, taken) = join(self.ask(until.first, locate), ages).await;
        // Who passes the questions on is asked as well: if it is stuck, the others are not to blame.
        let taken = taken?.ok_or_else(|| no_answer([Part::Coordinator]))?;
        let located = located?.ok_or_else(|| no_answer([Part::PollThread]))?;
        let (topic, partitions) = match located {
            Located::In { topic, partitions, took } => {
                turn.cost(took);
                (topic, partitions)
            }
            Located::TopicNeeded(known) => {
                turn.cost(Duration::ZERO);
                (self.topic_of(known)?, Vec::new())
            }
        };
        let taken = Arc::new(taken);
        match question {
            Question::Record { partition, offset, .. } => {
                let here = partitions.into_iter().find(|it| it.partition == partition);
                let Some(here) = here else {
                    return Ok(not_assigned(topic, partition, offset));
                };
                self.record(&mut turn, until, topic, &here, offset, taken)
                    .await
                    .map(|it| Explanation::Record(it.into()))
            }
            Question::Key { key, .. } => self
                .key(&mut turn, until, topic, partitions, key, taken)
                .await
                .map(Explanation::Key),
        }
    }

    /// The topic that is meant where none is named and this member has partitions of those `known`.
    fn topic_of(&self, known: Vec<String>) -> Result<String, ExplainError> {
        match self.topics {
            [only] if known.is_empty() && !only.starts_with('^') => Ok(only.clone()),
            _ if known.is_empty() => {
                Err(ExplainError::TopicNeeded { topics: self.topics.to_vec() })
            }
            _ => Err(ExplainError::TopicNeeded { topics: known }),
        }
    }

    /// A turn to ask; none if too many ask to get one soon.
    async fn turn(&self) -> Result<Option<Turn<'_>>, Gone> {
        let turn = self.turns.take().await;
        if self.control.is_closed() { Err(Gone) } else { Ok(turn) }
    }

    async fn record(
        &self,
        turn: &mut Turn<'_>,
        until: Until,
        topic: String,
        here: &InPartition,
        offset: Offset,
        taken: Arc<TakenAt>,
    ) -> Result<RecordExplanation, ExplainError> {
        let (epoch, partition) = (here.epoch, here.partition);
        let held_for = taken.age(epoch, offset, Instant::now());
        let mut answers = Vec::new();
        if Known::is_taken(here, offset) && here.held_by_span == 0 {
            let wanted = Wanted::Record { epoch, offset };
            answers = self.inspect(turn, until, wanted, taken).await?;
        }
        let look = |reply| Ask::Look(Look::Offset { epoch, offset, reply });
        let entered = self.ask(until.all, look).await?;
        let entered = entered.ok_or_else(|| no_answer([Part::Coordinator]))?;
        let silent = silent(&answers);
        let settled = answers.iter().flatten().any(|answer| answer.settled);
        let found =
            answers.into_iter().flatten().flat_map(|answer| answer.found.into_values()).next();
        let (found, lane) = found.map_or((None, None), |it| (Some(it.place), it.lane));
        let place = Known { offset, here, found, settled, entered }.place();
        if place == Place::InTransit && !silent.is_empty() {
            return Err(no_answer(silent));
        }
        let held =
            !matches!(place, Place::NotAssigned | Place::NotFetched { .. } | Place::Settled { .. });
        let held_seconds = held_for.filter(|_| held).map(|it| it.as_secs_f64());
        let lane = lane.filter(|_| held);
        Ok(RecordExplanation { topic, partition, offset, place, held_seconds, lane })
    }

    async fn key(
        &self,
        turn: &mut Turn<'_>,
        until: Until,
        topic: String,
        partitions: Vec<InPartition>,
        key: Vec<u8>,
        taken: Arc<TakenAt>,
    ) -> Result<KeyExplanation, ExplainError> {
        let text = key_text(&key);
        let stays = partitions.iter().map(|it| (it.epoch, it.lane)).collect();
        let wanted = Wanted::Key { key, stays };
        let answers = self.inspect(turn, until, wanted, Arc::clone(&taken)).await?;
        let mut all = Inspected::default();
        let (mut batches, silent) = (vec![0; answers.len()], silent(&answers));
        for (index, answer) in answers.into_iter().enumerate() {
            let Some(answer) = answer else { continue };
            batches[index] = answer.batches;
            answer.found.into_values().for_each(|found| all.add(found));
        }
        let mut explanation = KeyExplanation { topic, key: text, partitions: Vec::new() };
        for here in partitions {
            let router = here.lane.map(|lane| LaneNames::router(lane, self.routers));
            let concerned = |index: usize| router.is_none_or(|router| router == index);
            let missed = silent.iter().any(|part| match part {
                Part::Arbiter(index) => concerned(*index),
                _ => true,
            });
            if missed {
                return Err(no_answer(silent));
            }
            let more = (0..).zip(&batches).any(|(index, batches)| concerned(index) && *batches > 0);
            let found = all.found.remove(&here.epoch);
            let told = in_partition(&explanation.topic, &here, found, more, &taken);
            explanation.partitions.extend(told);
        }
        Ok(explanation)
    }

    /// Asks all routers; of one that does not answer in time there is none.
    async fn inspect(
        &self,
        turn: &mut Turn<'_>,
        until: Until,
        wanted: Wanted,
        taken: Arc<TakenAt>,
    ) -> Result<Vec<Option<Inspected>>, Gone> {
        let wanted = Arc::new(wanted);
        let (inspects, answers): (Vec<_>, Vec<_>) = (0..self.routers)
            .map(|_| {
                let (reply, answer) = oneshot::channel();
                let (wanted, taken) = (Arc::downgrade(&wanted), Arc::downgrade(&taken));
                (Inquiry { wanted, taken, reply }, answer)
            })
            .unzip();
        turn.asks();
        self.send(Ask::Inspect(inspects))?;
        let until = until.arbiters();
        let answers = answers.into_iter().map(|answer| self.answer(until, answer));
        let answers: Vec<Option<Inspected>> =
            join_all(answers).await.into_iter().collect::<Result<_, _>>()?;
        // They looked at the same time: what it cost is what it cost the one with most to look at. One
        // that has not answered may look still: then it is all the time since they were asked.
        let took: Option<Vec<_>> =
            answers.iter().map(|answer| answer.as_ref().map(|it| it.took)).collect();
        if let Some(took) = took {
            turn.cost(took.into_iter().max().unwrap_or_default());
        }
        Ok(answers)
    }

    /// Asks one part; none if it does not answer in time.
    async fn ask<T>(
        &self,
        until: TokioInstant,
        ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Result<Option<T>, Gone> {
        let (reply, answer) = oneshot::channel();
        self.send(ask(reply))?;
        self.answer(until, answer).await
    }

    async fn answer<T>(
        &self,
        until: TokioInstant,
        answer: oneshot::Receiver<T>,
    ) -> Result<Option<T>, Gone> {
        match timeout_at(until, answer).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            // What was asked is dropped where a part has ended, as at the end of the pipeline.
            Ok(Err(_)) if self.control.is_closed() => Err(Gone),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    fn send(&self, ask: Ask) -> Result<(), Gone> {
        self.control.send(Control::Ask(ask)).map_err(|_| Gone)
    }
}

fn all_ages(reply: oneshot::Sender<TakenAt>) -> Look {
    Look::Ages { reply }
}

fn no_answer(parts: impl IntoIterator<Item = Part>) -> ExplainError {
    ExplainError::NoAnswer { parts: parts.into_iter().map(|part| part.to_string()).collect() }
}

/// The arbiters that did not answer.
fn silent(answers: &[Option<Inspected>]) -> Vec<Part> {
    let silent = answers.iter().enumerate().filter(|(_, answer)| answer.is_none());
    silent.map(|(index, _)| Part::Arbiter(index)).collect()
}

fn not_assigned(topic: String, partition: i32, offset: Offset) -> Explanation {
    let (place, held_seconds, lane) = (Place::NotAssigned, None, None);
    let record = RecordExplanation { topic, partition, offset, place, held_seconds, lane };
    Explanation::Record(record.into())
}

/// What there is of a key in a partition; none if nothing is.
fn in_partition(
    topic: &str,
    here: &InPartition,
    found: Option<Found>,
    more_in_transit: bool,
    taken: &TakenAt,
) -> Option<KeyInPartition> {
    let in_lanes = found.as_ref().map_or(0, |found| found.records);
    if in_lanes + here.held_by_span + here.in_transit == 0 && !more_in_transit {
        return None;
    }
    let first = found.map(|found| RecordExplanation {
        topic: topic.to_owned(),
        partition: here.partition,
        offset: found.offset,
        place: found.place,
        held_seconds: taken
            .age(here.epoch, found.offset, Instant::now())
            .map(|age| age.as_secs_f64()),
        lane: found.lane,
    });
    Some(KeyInPartition {
        partition: here.partition,
        in_lanes,
        held_by_span: here.held_by_span,
        in_transit: here.in_transit,
        more_in_transit,
        first,
    })
}
