//! The handle of a pipeline: plain, cloneable, from any thread. It asks no actor for what it tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::assignment::Room;
use crate::error::PipelineError;
use crate::explain::{
    Ask, Asking, ExplainError, Explanation, Gone, LaneState, Lanes, Question, Turns,
};
use crate::message::{Queued, Stop};
use crate::pulse::{Life, Part, Pulse};
use crate::stats::{
    ArbiterStats, Conservation, DestinationStatus, PartitionStatus, Stats, Totals, merge,
};
use crate::wiring::Wiring;

/// What a pipeline is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
#[repr(u8)]
pub enum State {
    /// Its parts are being made, or it waits to join the group (again, after a pause).
    Starting,
    /// It delivers.
    Running,
    /// It was told to rest; it stays in the group.
    Paused,
    /// It finishes what is under way and leaves.
    Draining,
    /// It has ended as it was told to.
    Stopped,
    /// It has ended for a reason of its own, which is told with it.
    Failed,
}

impl State {
    const ALL: [Self; 6] =
        [Self::Starting, Self::Running, Self::Paused, Self::Draining, Self::Stopped, Self::Failed];
}

/// A pipeline at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// Whether it has partitions, or the group has told it that there are none for it.
    pub joined: bool,
    /// Whether the group's coordinator is out of reach, as of the last five seconds. What was taken
    /// in is delivered all the same, and committed later.
    pub cut_off: bool,
    /// What librdkafka last said of the connection to the brokers, while the pipeline waits to join
    /// its group or its coordinator is out of reach.
    pub connection_error: Option<String>,
    /// How many partitions it has.
    pub partitions_assigned: usize,
    /// What it has done and holds.
    pub totals: Totals,
    /// Its partitions, as of the last commit interval.
    pub partitions: Vec<PartitionStatus>,
    /// How long the record has been failing that is parked for longest, as of the last quarter
    /// second in which something happened.
    pub parked_for: Option<Duration>,
    /// The destinations of its records, as of the last quarter second in which something happened;
    /// by name.
    pub destinations: Vec<DestinationStatus>,
    /// When each of its threads last showed that it makes progress. Empty once it has ended.
    pub lives: Vec<Life>,
    /// Why it ended, if for a reason of its own.
    pub failure: Option<PipelineError>,
}

/// What the handles and the pipeline share.
#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    topics: Vec<String>,
    drain_deadline: Duration,
    state: AtomicU8,
    stats: Arc<Stats>,
    arbiters: Vec<Arc<ArbiterStats>>,
    room: Arc<Room>,
    started: Instant,
    turns: Turns,
}

impl Shared {
    pub(crate) fn new(wiring: &Wiring) -> Self {
        let config = wiring.config();
        Self {
            name: config.name.clone(),
            topics: config.topics.clone(),
            drain_deadline: config.drain_deadline,
            state: AtomicU8::new(State::Starting as u8),
            stats: Arc::clone(wiring.stats()),
            arbiters: wiring.arbiters().to_vec(),
            room: Arc::clone(wiring.room()),
            started: wiring.started(),
            turns: Turns::default(),
        }
    }

    /// The group is left.
    pub(crate) fn leave(&self) {
        self.stats.set_joined(false);
        self.stats.set_partitions(0);
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::SeqCst);
    }

    pub(crate) fn state(&self) -> State {
        let state = State::ALL[usize::from(self.state.load(Ordering::SeqCst))];
        if state == State::Starting && self.stats.joined() { State::Running } else { state }
    }

    /// The counters at one moment, or, where there is never a pause between two records, as nearly
    /// as they can be read.
    fn totals(&self) -> Totals {
        self.totals_at_once().unwrap_or_else(|| self.read_totals())
    }

    /// The counters at one moment: they are read until two readings in a row agree; `None` if of some
    /// no two do.
    fn totals_at_once(&self) -> Option<Totals> {
        const TRIES: usize = 16;
        let mut totals = self.read_totals();
        for _ in 0..TRIES {
            let again = self.read_totals();
            if again == totals {
                return Some(totals);
            }
            totals = again;
        }
        None
    }

    fn read_totals(&self) -> Totals {
        let mut totals = Totals::default();
        for arbiter in &self.arbiters {
            arbiter.add_to(&mut totals);
        }
        self.stats.add_to(&mut totals);
        // What is settled keeps its share of the buffer until the ledger has it, but is not held.
        let settled = totals.delivered + totals.dead_lettered + totals.filtered + totals.dropped;
        let settling = settled.saturating_sub(self.stats.entered.get());
        let held = self.room.usage();
        totals.held_records = held.records.saturating_sub(settling);
        totals.held_bytes = held.bytes;
        totals
    }

    fn parked_for(&self) -> Option<Duration> {
        let since = self.arbiters.iter().filter_map(|arbiter| arbiter.parked_since()).min()?;
        Some(self.started.elapsed().saturating_sub(since.0))
    }

    fn destinations(&self) -> Vec<DestinationStatus> {
        merge(self.arbiters.iter().flat_map(|arbiter| arbiter.destinations()))
    }

    fn has_ended(&self) -> bool {
        matches!(self.state(), State::Stopped | State::Failed)
    }

    fn connection_error(&self) -> Option<String> {
        // What has ended wants no connection.
        if self.has_ended() { None } else { self.stats.connection_error() }
    }

    fn lives(&self) -> Vec<Life> {
        if self.has_ended() {
            return Vec::new();
        }
        let life = |part, pulse: &Pulse| Some(Life { part, silence: pulse.silence()? });
        let arbiters = self.arbiters.iter().enumerate();
        // All arbiters may share one.
        let mut sinks: Vec<&Arc<Pulse>> =
            self.arbiters.iter().filter_map(|arbiter| arbiter.sink.get()).collect();
        sinks.dedup_by(|one, other| Arc::ptr_eq(one, other));
        [(Part::PollThread, &self.stats.poll_thread), (Part::Coordinator, &self.stats.coordinator)]
            .into_iter()
            .chain(arbiters.map(|(index, arbiter)| (Part::Arbiter(index), &arbiter.pulse)))
            .chain(sinks.into_iter().map(|pulse| (Part::Sink, &**pulse)))
            .filter_map(|(part, pulse)| life(part, pulse))
            .collect()
    }
}

/// What a handle asks for.
#[derive(Debug)]
pub(crate) enum Control {
    Pause(bool),
    Resize(usize),
    Ask(Ask),
    Stop(Stop),
}

/// Leads a pipeline, from any thread. Clones lead the same one; when the last is dropped the
/// pipeline stops as by [`stop`](Self::stop), unless it is ending already: then it ends as it was
/// told to.
#[must_use = "a pipeline without a handle stops"]
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    control: mpsc::UnboundedSender<Control>,
    ended: watch::Receiver<Option<Result<(), PipelineError>>>,
}

impl Handle {
    pub(crate) fn new(
        shared: Arc<Shared>,
        control: mpsc::UnboundedSender<Control>,
        ended: watch::Receiver<Option<Result<(), PipelineError>>>,
    ) -> Self {
        Self { shared, control, ended }
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// How the pipeline is doing. Asks no actor and waits for nothing.
    pub fn status(&self) -> Status {
        Status {
            name: self.shared.name.clone(),
            state: self.shared.state(),
            joined: self.shared.stats.joined(),
            cut_off: self.shared.stats.cut_off(),
            connection_error: self.shared.connection_error(),
            partitions_assigned: self.shared.stats.partitions(),
            totals: self.shared.totals(),
            partitions: self.shared.stats.standings(),
            parked_for: self.shared.parked_for(),
            destinations: self.shared.destinations(),
            lives: self.shared.lives(),
            failure: self.ended.borrow().as_ref().and_then(|ended| ended.clone().err()),
        }
    }

    /// What became of all records, at one moment; `None` if records move so fast that none was found
    /// at which to count them: to be asked again. Asks no actor and waits for nothing.
    ///
    /// While records move it may not add up for a moment, for they are counted by several threads:
    /// what does not add up again and again is wrong.
    pub fn conservation(&self) -> Option<Conservation> {
        self.shared.totals_at_once().map(|totals| Conservation::of(&totals))
    }

    /// At most `limit` lanes (and never more than [`MOST_LANES`](crate::explain::MOST_LANES)), those
    /// first that have waited longest; of one state, or of any.
    ///
    /// Each arbiter looks at all of its lanes: to be asked now and then, not for a gauge. To be
    /// awaited in a tokio or actix runtime. Takes at most two seconds; a part of the pipeline that
    /// does not answer by then is named. Where so many ask at a time that not all can be answered, all
    /// arbiters are named.
    ///
    /// # Errors
    /// The pipeline has ended.
    pub async fn lanes(&self, state: Option<LaneState>, limit: usize) -> Result<Lanes, Gone> {
        self.asking().lanes(state, limit).await
    }

    /// Where a record, or the records of a key, are and why they wait.
    ///
    /// As [`lanes`](Self::lanes), it is asked of all who might know, and takes at most two seconds.
    ///
    /// # Errors
    /// The pipeline has ended, the topic has to be named, too much is asked at a time, or what would
    /// know did not answer.
    pub async fn explain(&self, question: Question) -> Result<Explanation, ExplainError> {
        self.asking().explain(question).await
    }

    fn asking(&self) -> Asking<'_> {
        Asking {
            control: &self.control,
            turns: &self.shared.turns,
            topics: &self.shared.topics,
            routers: self.shared.arbiters.len(),
        }
    }

    /// Takes in nothing and sends nothing new until [`resume`](Self::resume); requests under way
    /// finish, and the pipeline stays in its group.
    pub fn pause(&self) {
        self.send(Control::Pause(true));
    }

    /// Goes on after a pause.
    pub fn resume(&self) {
        self.send(Control::Pause(false));
    }

    /// Has the pool hold this many senders, over all arbiters, from now on: at least one an
    /// arbiter. Requests under way are not disturbed.
    pub fn resize(&self, senders: usize) {
        self.send(Control::Resize(senders));
    }

    /// Delivers what has been taken in, then stops. What the offset span holds back, or is still held
    /// at the drain deadline, is let go and sent again later. A second call changes nothing, nor does
    /// one after a stop.
    pub fn drain(&self) {
        self.stop_with(Queued::Deliver, self.shared.drain_deadline);
    }

    /// Finishes requests under way, commits, leaves the group and stops. Requests still under way
    /// at the drain deadline are cancelled. A second call cancels them at once.
    ///
    /// While the pipeline drains, the first call makes a stop of the drain: no record is begun with
    /// any more, and requests under way finish, until the deadline of the drain.
    pub fn stop(&self) {
        self.stop_with(Queued::LetGo, self.shared.drain_deadline);
    }

    /// Stops with a deadline of its own for requests under way; zero cancels them. While the pipeline
    /// drains, whichever of the two deadlines comes first counts.
    pub fn stop_within(&self, deadline: Duration) {
        self.stop_with(Queued::LetGo, deadline);
    }

    /// Waits until the pipeline has ended.
    ///
    /// # Errors
    /// Why it ended, if not because it was told to.
    pub async fn wait(&self) -> Result<(), PipelineError> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(Ok(())),
            Err(_) => Err(PipelineError::Died { part: "the pipeline's thread" }),
        }
    }

    fn stop_with(&self, queued: Queued, deadline: Duration) {
        self.send(Control::Stop(Stop { queued, deadline }));
    }

    fn send(&self, control: Control) {
        // A pipeline that has ended needs no leading; `wait` says how it ended.
        let _ = self.control.send(control);
    }
}

#[cfg(test)]
mod tests {
    use slog::{Discard, Logger, o};

    use super::*;
    use crate::config::PipelineConfig;

    #[test]
    fn a_record_that_nobody_knows_of_is_missed() {
        let config = PipelineConfig::new("localhost:9092", "orders", "group");
        let (wiring, _endings) = Wiring::new(config, Logger::root(Discard, o!())).unwrap();
        let shared = Shared::new(&wiring);
        let missing = || Conservation::of(&shared.totals_at_once().unwrap()).missing();
        assert_eq!(missing(), 0);
        shared.stats.received.add(3);
        assert_eq!(missing(), 3, "none of them is held");
        shared.arbiters[0].delivered.add(1);
        shared.stats.returned.add(1);
        assert_eq!(missing(), 1);
        shared.arbiters[0].dropped.add(2);
        assert_eq!(missing(), -1);
    }
}
