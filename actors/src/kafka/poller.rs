//! The poll thread: the only one that calls the consumer.
//!
//! It serves the group (rebalances, commits, errors), takes records from the partitions' queues in
//! slices, as long as there is room, and hands them to the routers. It runs no code of the user and
//! waits for nobody: a revoke is answered when an actor says that its drain is done, and until then
//! the thread goes on polling.

mod commit;
mod group;
mod locate;
mod sought;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use slog::{Logger, warn};
use tokio::sync::{mpsc, oneshot};

use super::bell::{Bell, Rung};
use super::context::{Context, Notice, TopicPartition};
use super::lane_names::LaneNames;
use super::native;
use super::outbox::{Outboxes, RouterLink};
use super::partition::{Partition, World};
use super::trouble::{self, Trouble, Troubles};
use crate::assignment::{Assignment, Room};
use crate::config::PipelineConfig;
use crate::consumer::ConsumerActor;
use crate::core::intake::Admission;
use crate::core::ledger::Start;
use crate::core::{Epoch, Offset};
use crate::error::PipelineError;
use crate::message::{Closed, Command, CommitAnswered, Opened, PollEnded, Queued};
use crate::offsets::OffsetActor;
use crate::record::Record;
use crate::stats::Stats;

/// The longest the main queue goes unpolled; membership allows far more, errors and rebalances
/// want less.
const MAIN_QUEUE_EVERY: Duration = Duration::from_millis(900);

/// What the poll thread takes from.
pub(crate) enum Subscription {
    /// As a member of the group.
    Topics(Vec<String>),
    /// These partitions, whatever the group says.
    Partitions(Vec<TopicPartition>),
}

impl Subscription {
    pub(crate) fn of(config: &PipelineConfig) -> Self {
        let topics = config.topics.clone();
        let Some(partitions) = &config.partitions else { return Self::Topics(topics) };
        let of_topic = |topic: &String| {
            let topic = topic.clone();
            partitions.iter().map(move |&partition| (topic.clone(), partition))
        };
        Self::Partitions(topics.iter().flat_map(of_topic).collect())
    }
}

/// The neighbours of the poll thread.
pub(crate) struct Neighbours {
    pub(crate) consumer: Addr<ConsumerActor>,
    pub(crate) offsets: Addr<OffsetActor>,
    pub(crate) routers: Vec<RouterLink>,
}

/// What a slice sees of the poll thread while it has the partition.
struct SliceWorld<'a> {
    lanes: &'a LaneNames,
    outboxes: &'a mut Outboxes,
    next_epoch: &'a mut u64,
}

impl World for SliceWorld<'_> {
    fn lane_names(&self) -> &LaneNames {
        self.lanes
    }

    fn renew(&mut self, old: &Assignment) -> Arc<Assignment> {
        let epoch = Epoch(*self.next_epoch);
        *self.next_epoch += 1;
        Arc::new(old.renewed(epoch))
    }

    fn deliver(&mut self, record: Record) {
        self.outboxes.put(record);
    }
}

/// Whether partitions are taken from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    Open,
    Paused,
    Stopped,
}

pub(crate) struct Poller {
    consumer: Arc<BaseConsumer<Context>>,
    bell: Arc<Bell>,
    commands: mpsc::UnboundedReceiver<Command>,
    room: Arc<Room>,
    lanes: LaneNames,
    partitions: BTreeMap<usize, Partition>,
    /// Slots of partitions that may have something, in the order of their turn.
    ready: VecDeque<usize>,
    outboxes: Outboxes,
    consumer_actor: Addr<ConsumerActor>,
    offsets: Addr<OffsetActor>,
    taking: Taking,
    /// Told when the intake has stopped and nothing waits for a router any more.
    stopped: Option<oneshot::Sender<Vec<Epoch>>>,
    /// Partitions assigned whose committed offsets could not be read yet.
    unanswered: Option<Vec<TopicPartition>>,
    fixed: bool,
    next_slot: usize,
    next_epoch: u64,
    main_polled: Instant,
    main_due: bool,
    troubles: Troubles,
    stats: Arc<Stats>,
    log: Logger,
}

impl Poller {
    #[allow(clippy::too_many_arguments, reason = "each is a part of the thread's world")]
    pub(crate) fn new(
        consumer: BaseConsumer<Context>,
        bell: Arc<Bell>,
        commands: mpsc::UnboundedReceiver<Command>,
        room: Arc<Room>,
        lanes: LaneNames,
        neighbours: Neighbours,
        stats: Arc<Stats>,
        log: Logger,
    ) -> Self {
        Self {
            consumer: Arc::new(consumer),
            bell,
            commands,
            room,
            lanes,
            partitions: BTreeMap::new(),
            ready: VecDeque::new(),
            outboxes: Outboxes::new(neighbours.routers),
            consumer_actor: neighbours.consumer,
            offsets: neighbours.offsets,
            taking: Taking::Open,
            stopped: None,
            unanswered: None,
            fixed: false,
            next_slot: 0,
            next_epoch: 1,
            main_polled: Instant::now(),
            main_due: true,
            troubles: Troubles::default(),
            stats,
            log,
        }
    }

    /// Runs until it is told to leave or Kafka says something final; the consumer is closed and the
    /// group left when this returns, and also when it panics.
    pub(crate) fn run(mut self, subscription: Subscription) -> Result<(), PipelineError> {
        match subscription {
            Subscription::Topics(topics) => {
                let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                self.consumer.subscribe(&topics).map_err(|error| kafka("subscribe", &error))?;
            }
            Subscription::Partitions(partitions) => {
                self.fixed = true;
                self.unanswered = Some(partitions);
            }
        }
        loop {
            self.stats.poll_thread.beat();
            let full = self.outboxes.are_full();
            self.say_if_stopped();
            let rung = self.bell.wait(self.patience(full));
            self.note(rung);
            if self.obey()? {
                return Ok(());
            }
            self.serve_group()?;
            if !full && let Some(slot) = self.ready.pop_front() {
                self.slice(slot)?;
            }
        }
    }

    /// How long to wait for the bell: not at all while there is something to take.
    fn patience(&self, full: bool) -> Duration {
        if !self.ready.is_empty() && !full {
            return Duration::ZERO;
        }
        MAIN_QUEUE_EVERY.saturating_sub(self.main_polled.elapsed())
    }

    fn note(&mut self, rung: Rung) {
        self.main_due |= rung.main;
        for slot in rung.partitions {
            make_ready(&mut self.ready, slot);
        }
        if rung.room {
            self.look_at_all();
        }
    }

    /// Gives every partition a turn: there is room again, or a command changed something.
    fn look_at_all(&mut self) {
        for (&slot, partition) in &self.partitions {
            partition.assignment().unrest();
            make_ready(&mut self.ready, slot);
        }
    }

    /// Carries out the commands that came; true: the consumer is to be closed.
    fn obey(&mut self) -> Result<bool, PipelineError> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Commit(entries) => self.commit(&entries),
                Command::GiveUp(epochs) => self.give_up(&epochs)?,
                Command::Pause(paused) if self.taking != Taking::Stopped => {
                    self.taking = if paused { Taking::Paused } else { Taking::Open };
                    self.look_at_all();
                }
                Command::StopIntake { queued, reply } => {
                    self.taking = Taking::Stopped;
                    self.stopped = Some(reply);
                    match queued {
                        Queued::LetGo => self.drop_undelivered(|_| true),
                        // What waits for the span would wait for what is delivered before it.
                        Queued::Deliver => self.drop_stashes(|_| true),
                    }
                    self.say_if_stopped();
                }
                // While more is taken in, a lane would go on behind what is let go here. What stops the
                // intake then lets go of it.
                Command::LetGo if self.taking == Taking::Stopped => {
                    self.drop_undelivered(|_| true);
                    self.say_if_stopped();
                }
                Command::Pause(_) | Command::LetGo => {}
                Command::Locate(locate) => self.locate(locate),
                Command::Leave => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Serves the main queue, when it is due, and what its callbacks noted.
    fn serve_group(&mut self) -> Result<(), PipelineError> {
        if self.main_due || self.main_polled.elapsed() >= MAIN_QUEUE_EVERY {
            self.main_polled = Instant::now();
            self.main_due = false;
            self.poll_main_queue()?;
            self.look_at_log_ends();
            self.look_at_resting();
        }
        while self.unanswered.is_none() {
            match self.consumer.context().next() {
                None => return Ok(()),
                Some(Notice::Assign(partitions)) => self.unanswered = Some(partitions),
                Some(Notice::Revoke(partitions)) => self.revoke(&partitions)?,
                Some(Notice::Committed(answer)) => self.offsets.do_send(CommitAnswered(answer)),
            }
            self.answer_assign()?;
        }
        self.answer_assign()
    }

    fn poll_main_queue(&mut self) -> Result<(), PipelineError> {
        loop {
            let noted = !self.consumer.context().is_empty();
            match self.consumer.poll(Duration::ZERO) {
                // What was served within the poll reads as `None` too: a log line, statistics, a
                // rebalance, a commit's answer. What is behind it must not wait.
                None if self.consumer.context().has_served() => {}
                None if noted || self.consumer.context().is_empty() => return Ok(()),
                None | Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Ok(_)) => {
                    return Err(PipelineError::Kafka(
                        "a record came through the main queue, where its order cannot be kept; \
                         nothing is lost, since it is not committed"
                            .into(),
                    ));
                }
                Some(Err(error)) => self.trouble(&error)?,
            }
        }
    }

    fn trouble(&mut self, error: &KafkaError) -> Result<(), PipelineError> {
        let about = self.consumer.context().about();
        self.trouble_about(&about, error)?;
        if let Some((what, vague)) = trouble::of_connection(error, &about) {
            self.stats.complaint.make(what, vague);
        }
        Ok(())
    }

    fn trouble_about(&mut self, about: &str, error: &KafkaError) -> Result<(), PipelineError> {
        let fatal = self.consumer.client().fatal_error();
        match self.troubles.judge_about(about, error, fatal, Instant::now()) {
            Trouble::Final(reason) => Err(PipelineError::Kafka(reason)),
            Trouble::Passing { reason, suppressed } => {
                warn!(self.log, "kafka: {}", reason; "about" => about, "suppressed" => suppressed);
                Ok(())
            }
            Trouble::Said => Ok(()),
        }
    }

    /// Gives partitions that rest another turn. The bell waits for room that is worth it, which need
    /// not come while what is held stays held: a little room is taken after a while all the same.
    fn look_at_resting(&mut self) {
        for (&slot, partition) in &self.partitions {
            if partition.assignment().unrest() {
                make_ready(&mut self.ready, slot);
            }
        }
    }

    fn look_at_log_ends(&self) {
        for partition in self.partitions.values() {
            let assignment = partition.assignment();
            if let Some(bounds) =
                native::log_bounds(&self.consumer, assignment.topic(), assignment.partition())
            {
                assignment.set_log_end(bounds.end);
            }
        }
    }

    /// Takes one slice from a partition, as much as there is room for.
    fn slice(&mut self, slot: usize) -> Result<(), PipelineError> {
        let Some(partition) = self.partitions.get_mut(&slot) else { return Ok(()) };
        if self.taking != Taking::Open || partition.draining {
            // What it rested for keeps nothing from it now. All are looked at when the intake opens.
            partition.assignment().rise();
            return Ok(());
        }
        let room = match partition.admission() {
            Admission::Take(room) => usize::try_from(room).unwrap_or(usize::MAX),
            Admission::Rest(_) => return Ok(()),
        };
        let mut world = SliceWorld {
            lanes: &self.lanes,
            outboxes: &mut self.outboxes,
            next_epoch: &mut self.next_epoch,
        };
        let slice = partition.take(room, &mut world);
        self.stats.received.add(slice.received);
        self.stats.skipped.add(slice.skipped);
        if let Some(gap) = &slice.gap {
            self.report_gap(slot, gap);
        }
        if !slice.empty {
            self.ready.push_back(slot);
        }
        for (old, new) in slice.rewound {
            self.rewound(&old, new);
        }
        if let Some(offset) = slice.seek {
            self.seek(slot, offset)?;
        }
        slice.error.map_or(Ok(()), |code| self.trouble_with(slot, code))
    }

    /// The log of a partition went back, and a new stay follows the old one.
    fn rewound(&self, old: &Assignment, new: Arc<Assignment>) {
        warn!(self.log, "the log went back: the topic was made again or cut; going on with what is \
            there"; "topic" => old.topic(), "partition" => old.partition(),
            "offset" => new.position().base);
        self.offsets.do_send(Closed(vec![old.epoch()]));
        self.offsets.do_send(Opened { assignment: new, start: Start::Unknown });
    }

    /// Has a partition be read on from another place. That is begun at once: whatever was fetched
    /// before is dropped by librdkafka from now on.
    fn seek(&self, slot: usize, offset: Offset) -> Result<(), PipelineError> {
        let Some(partition) = self.partitions.get(&slot) else { return Ok(()) };
        let (topic, number) = (partition.assignment().topic(), partition.assignment().partition());
        self.consumer
            .seek(topic, number, KafkaOffset::Offset(offset), Duration::ZERO)
            .map_err(|error| kafka(&format!("seek {topic}/{number} to {offset}"), &error))
    }

    /// librdkafka refused what was to be fetched from a partition.
    fn trouble_with(&mut self, slot: usize, code: RDKafkaErrorCode) -> Result<(), PipelineError> {
        let place = self.partitions.get(&slot).map(|partition| {
            let assignment = partition.assignment();
            format!("{}/{}", assignment.topic(), assignment.partition())
        });
        self.trouble_about(&place.unwrap_or_default(), &KafkaError::MessageConsumption(code))
    }

    /// A stay begins later than the committed offset: compaction, transaction markers, or records
    /// that the topic's retention removed before they were delivered. Only the last is a loss.
    fn report_gap(&self, slot: usize, gap: &Range<Offset>) {
        let Some(partition) = self.partitions.get(&slot) else { return };
        let assignment = partition.assignment();
        let start = native::log_bounds(&self.consumer, assignment.topic(), assignment.partition())
            .map_or(gap.start, |bounds| bounds.start);
        if start > gap.start {
            warn!(self.log, "records were removed from the topic before they were delivered; raise \
                its retention, or deliver faster"; "topic" => assignment.topic(),
                "partition" => assignment.partition(), "from" => gap.start,
                "to" => start.min(gap.end));
        }
    }

    /// Answers who had the intake stop, once nothing waits for a router any more.
    fn say_if_stopped(&mut self) {
        if self.stopped.is_none() || !self.outboxes.are_empty() {
            return;
        }
        let epochs = self.partitions.values().map(|it| it.assignment().epoch()).collect();
        if let Some(reply) = self.stopped.take() {
            let _ = reply.send(epochs);
        }
    }

    /// Lets go of what was taken in and is not with a router yet.
    fn drop_undelivered(&mut self, of: impl Fn(&Assignment) -> bool) {
        let dropped = self.outboxes.drop_where(&of);
        self.stats.returned.add(dropped as u64);
        self.drop_stashes(of);
    }

    /// Lets go of what waits for the offset span.
    fn drop_stashes(&mut self, of: impl Fn(&Assignment) -> bool) {
        let partitions = self.partitions.values_mut().filter(|it| of(it.assignment()));
        let dropped: usize = partitions.map(Partition::drop_stash).sum();
        self.stats.returned.add(dropped as u64);
    }
}

impl Drop for Poller {
    /// Leaves the group whatever happened: a consumer whose rebalances nobody answers would hang
    /// in its drop, and one that is not dropped would keep its partitions from everybody.
    fn drop(&mut self) {
        self.stats.poll_thread.end();
        self.answer_everything();
    }
}

/// Runs the poll thread and says how it ended, also if it panicked.
pub(crate) fn run(poller: Poller, subscription: Subscription) {
    struct Ending(Addr<ConsumerActor>, Option<Result<(), PipelineError>>);
    impl Drop for Ending {
        fn drop(&mut self) {
            let died = Err(PipelineError::Died { part: "the poll thread" });
            self.0.do_send(PollEnded(self.1.take().unwrap_or(died)));
        }
    }
    let mut ending = Ending(poller.consumer_actor.clone(), None);
    ending.1 = Some(poller.run(subscription));
}

/// Gives a partition its turn, unless it waits for one already.
fn make_ready(ready: &mut VecDeque<usize>, slot: usize) {
    if !ready.contains(&slot) {
        ready.push_back(slot);
    }
}

fn kafka(what: &str, error: &KafkaError) -> PipelineError {
    PipelineError::Kafka(format!("{what}: {error}"))
}
