//! The poll thread: the only one that calls the consumer.
//!
//! It serves the group (rebalances, commits, errors), takes records from the partitions' queues in
//! slices, as long as there is room, and hands them to the routers. It runs no code of the user and
//! waits for nobody: a revoke is answered when an actor says that its drain is done, and until then
//! the thread goes on polling.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::Addr;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use slog::{Logger, info, warn};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::bell::{Bell, Rung};
use super::context::{Context, Notice, TopicPartition, is_cooperative};
use super::native::{self, PartitionQueue};
use super::lane_names::LaneNames;
use super::partition::{Partition, World};
use super::trouble::{Trouble, Troubles};
use crate::assignment::{Assignment, Room};
use crate::consumer::ConsumerActor;
use crate::core::intake::{Admission, Rest};
use crate::core::ledger::Start;
use crate::core::{Epoch, codec};
use crate::error::PipelineError;
use crate::message::{
    Batch, Closed, Command, CommitAnswered, CommitEntry, Lost, Opened, PollEnded, Revoking,
};
use crate::offsets::OffsetActor;
use crate::record::Record;
use crate::stats::Stats;

/// The longest the main queue goes unpolled; membership allows far more, errors and rebalances
/// want less.
const MAIN_QUEUE_EVERY: Duration = Duration::from_millis(900);

/// How long the committed offsets of new partitions may take before the thread polls again and
/// tries once more.
const COMMITTED_TIMEOUT: Duration = Duration::from_secs(5);

/// What the poll thread takes from.
pub(crate) enum Subscription {
    /// As a member of the group.
    Topics(Vec<String>),
    /// These partitions, whatever the group says.
    Partitions(Vec<TopicPartition>),
}

/// Sends commands to the poll thread. Unbounded, for there are few: one commit at a time, and what
/// rebalances and stops ask for.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    sender: mpsc::UnboundedSender<Command>,
    bell: Arc<Bell>,
}

impl Commands {
    pub(crate) fn channel(bell: Arc<Bell>) -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, bell }, receiver)
    }

    /// Has it carried out soon; never waits. A poll thread that has ended needs no commands.
    pub(crate) fn send(&self, command: Command) {
        if self.sender.send(command).is_ok() {
            self.bell.ring();
        }
    }
}

/// The way to one router.
pub(crate) struct RouterLink {
    pub(crate) records: mpsc::Sender<Batch>,
    /// Set by the poll thread when it rests because no router has room; whoever takes a batch
    /// clears it and rings.
    pub(crate) hungry: Arc<AtomicBool>,
}

/// The neighbours of the poll thread.
pub(crate) struct Neighbours {
    pub(crate) consumer: Addr<ConsumerActor>,
    pub(crate) offsets: Addr<OffsetActor>,
    pub(crate) routers: Vec<RouterLink>,
}

/// Batches for one router that its channel had no room for yet.
struct Outbox {
    link: RouterLink,
    waiting: VecDeque<Batch>,
    /// Filled during a slice.
    open: Batch,
}

/// What a slice sees of the poll thread while it has the partition.
struct SliceWorld<'a> {
    lanes: &'a LaneNames,
    outboxes: &'a mut [Outbox],
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
        let router = LaneNames::router(record.lane_id(), self.outboxes.len());
        self.outboxes[router].open.push(record);
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
    outboxes: Vec<Outbox>,
    consumer_actor: Addr<ConsumerActor>,
    offsets: Addr<OffsetActor>,
    taking: Taking,
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
        let outboxes = neighbours
            .routers
            .into_iter()
            .map(|link| Outbox { link, waiting: VecDeque::new(), open: Vec::new() })
            .collect();
        Self {
            consumer: Arc::new(consumer),
            bell,
            commands,
            room,
            lanes,
            partitions: BTreeMap::new(),
            ready: VecDeque::new(),
            outboxes,
            consumer_actor: neighbours.consumer,
            offsets: neighbours.offsets,
            taking: Taking::Open,
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
            let full = self.routers_are_full();
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
            if !self.ready.contains(&slot) {
                self.ready.push_back(slot);
            }
        }
        if rung.room {
            self.look_at_all();
        }
    }

    /// Gives every partition a turn: there is room again, or a command changed something.
    fn look_at_all(&mut self) {
        for (&slot, partition) in &self.partitions {
            partition.assignment().unrest();
            if !self.ready.contains(&slot) {
                self.ready.push_back(slot);
            }
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
                Command::Pause(_) => {}
                Command::StopIntake(reply) => {
                    self.taking = Taking::Stopped;
                    self.drop_undelivered(|_| true);
                    let epochs = self.partitions.values().map(|it| it.assignment().epoch());
                    let _ = reply.send(epochs.collect());
                }
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
                // A rebalance or a commit's answer that was served also reads as `None`.
                None if noted || self.consumer.context().is_empty() => return Ok(()),
                None => {}
                Some(Ok(_)) => {
                    return Err(PipelineError::Kafka(
                        "a record came through the main queue, where its order cannot be kept; \
                         nothing is lost, since it is not committed"
                            .into(),
                    ));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => self.trouble(&error)?,
            }
        }
    }

    fn trouble(&mut self, error: &KafkaError) -> Result<(), PipelineError> {
        match self.troubles.judge(error, self.consumer.client().fatal_error(), Instant::now()) {
            Trouble::Final(reason) => Err(PipelineError::Kafka(reason)),
            Trouble::Passing { reason, suppressed } => {
                warn!(self.log, "kafka: {}", reason; "suppressed" => suppressed);
                Ok(())
            }
            Trouble::Said => Ok(()),
        }
    }

    fn look_at_log_ends(&self) {
        for partition in self.partitions.values() {
            let assignment = partition.assignment();
            if let Some(end) =
                native::log_end(&self.consumer, assignment.topic(), assignment.partition())
            {
                assignment.set_log_end(end);
            }
        }
    }

    /// Begins the stays of newly assigned partitions: each resumes where its commit says.
    fn answer_assign(&mut self) -> Result<(), PipelineError> {
        let Some(partitions) = self.unanswered.take() else { return Ok(()) };
        let mut wanted = TopicPartitionList::new();
        for (topic, partition) in &partitions {
            wanted.add_partition(topic, *partition);
        }
        let committed = match self.consumer.committed_offsets(wanted, COMMITTED_TIMEOUT) {
            Ok(committed) => committed,
            Err(error) => {
                self.unanswered = Some(partitions);
                return self.trouble(&error);
            }
        };
        let mut assignment = TopicPartitionList::new();
        if let Some(code) = committed.elements().iter().find_map(unreadable) {
            self.unanswered = Some(partitions);
            return self.trouble(&KafkaError::OffsetFetch(code));
        }
        let metadata = native::metadata(&committed);
        for (entry, metadata) in committed.elements().iter().zip(metadata) {
            let committed = match entry.offset() {
                KafkaOffset::Offset(offset) => Some(offset),
                _ => None,
            };
            let start = self.start(entry.topic(), entry.partition(), committed, &metadata);
            let from = committed.map_or(KafkaOffset::Invalid, KafkaOffset::Offset);
            assignment
                .add_partition_offset(entry.topic(), entry.partition(), from)
                .map_err(|error| kafka("assign", &error))?;
            self.open(entry.topic(), entry.partition(), start)?;
        }
        self.count_partitions();
        let answered = if self.cooperative() {
            self.consumer.incremental_assign(&assignment)
        } else {
            self.consumer.assign(&assignment)
        };
        self.answered("assign", answered)?;
        self.stats.assigned.add(1);
        self.stats.set_joined(true);
        info!(self.log, "partitions assigned"; "partitions" => describe(&partitions));
        Ok(())
    }

    fn start(&self, topic: &str, partition: i32, base: Option<i64>, metadata: &[u8]) -> Start {
        let Some(base) = base else { return Start::Unknown };
        let decoded = match std::str::from_utf8(metadata) {
            Ok(metadata) => codec::decode(base, metadata).map_err(|error| error.to_string()),
            Err(_) => Err("it is not text".to_owned()),
        };
        let settled = decoded.unwrap_or_else(|reason| {
            self.stats.metadata_ignored.add(1);
            warn!(self.log, "commit metadata ignored: records settled above the committed offset \
                are sent again"; "topic" => topic, "partition" => partition, "offset" => base,
                "reason" => reason);
            Vec::new()
        });
        Start::At { base, settled }
    }

    /// Opens a stay: the ledger first, then the queue, then (by the caller) the assignment.
    fn open(&mut self, topic: &str, partition: i32, start: Start) -> Result<(), PipelineError> {
        let slot = self.next_slot;
        let queue =
            PartitionQueue::split(&self.consumer, topic, partition, Arc::clone(&self.bell), slot)
                .ok_or_else(|| PipelineError::Kafka(format!("no queue for {topic}/{partition}")))?;
        self.next_slot += 1;
        let epoch = Epoch(self.next_epoch);
        self.next_epoch += 1;
        let room = Arc::clone(&self.room);
        let assignment =
            Arc::new(Assignment::new(Arc::from(topic), partition, epoch, slot, room));
        let lanes = self.lanes.of_partition(topic, partition);
        self.partitions
            .insert(slot, Partition::new(Arc::clone(&assignment), queue, lanes, &start));
        self.offsets.do_send(Opened { assignment, start });
        Ok(())
    }

    /// The group wants partitions back: their drain begins, or, where they are lost already, they
    /// are given up on the spot, without a commit.
    fn revoke(&mut self, partitions: &[TopicPartition]) -> Result<(), PipelineError> {
        let slots = self.slots_of(partitions);
        let epochs = self.epochs(&slots);
        let lost = self.consumer.assignment_lost();
        if lost { &self.stats.lost } else { &self.stats.revoked }.add(1);
        self.drop_undelivered(|slot| slots.contains(&slot));
        if lost {
            warn!(self.log, "partitions lost: what was under way may be delivered again elsewhere";
                "partitions" => describe(partitions));
            self.offsets.do_send(Closed(epochs.clone()));
            self.consumer_actor.do_send(Lost(epochs.clone()));
            return self.give_up(&epochs);
        }
        info!(self.log, "partitions are asked back: draining"; "partitions" => describe(partitions));
        let mut assignments = Vec::with_capacity(slots.len());
        for slot in &slots {
            if let Some(partition) = self.partitions.get_mut(slot) {
                partition.draining = true;
                assignments.push(Arc::clone(partition.assignment()));
            }
        }
        self.consumer_actor.do_send(Revoking(assignments));
        Ok(())
    }

    /// Answers a revoke: exactly the partitions it named, all at once.
    fn give_up(&mut self, epochs: &[Epoch]) -> Result<(), PipelineError> {
        let mut list = TopicPartitionList::new();
        self.partitions.retain(|_, partition| {
            let ends = epochs.contains(&partition.assignment().epoch());
            if ends {
                let assignment = partition.assignment();
                list.add_partition(assignment.topic(), assignment.partition());
            }
            !ends
        });
        self.count_partitions();
        if list.count() == 0 || self.fixed {
            return Ok(());
        }
        self.offsets.do_send(Closed(epochs.to_vec()));
        let answered = if self.cooperative() {
            self.consumer.incremental_unassign(&list)
        } else {
            self.consumer.unassign()
        };
        self.answered("unassign", answered)?;
        info!(self.log, "partitions given up"; "count" => list.count());
        Ok(())
    }

    fn answered(&mut self, what: &str, answer: KafkaResult<()>) -> Result<(), PipelineError> {
        let Err(error) = answer else { return Ok(()) };
        // The group moved on meanwhile, which the next notice will say; only what is final ends us.
        warn!(self.log, "kafka: {} was refused", what; "error" => %error);
        self.trouble(&error)
    }

    fn cooperative(&self) -> bool {
        !self.fixed && is_cooperative(&self.consumer)
    }

    fn commit(&mut self, entries: &[CommitEntry]) {
        let mut list = TopicPartitionList::new();
        for entry in entries {
            let mut element = list.add_partition(&entry.topic, entry.partition);
            element.set_metadata(&entry.metadata);
            if let Err(error) = element.set_offset(KafkaOffset::Offset(entry.offset)) {
                warn!(self.log, "an offset cannot be committed"; "error" => %error,
                    "topic" => &*entry.topic, "offset" => entry.offset);
            }
        }
        if let Err(code) = native::commit(&self.consumer, &list) {
            self.offsets.do_send(CommitAnswered(Err(code)));
        }
    }

    /// Takes one slice from a partition, as much as there is room for.
    fn slice(&mut self, slot: usize) -> Result<(), PipelineError> {
        if self.taking != Taking::Open {
            return Ok(());
        }
        let Some(partition) = self.partitions.get_mut(&slot) else { return Ok(()) };
        if partition.draining {
            return Ok(());
        }
        let room = match partition.admission() {
            Admission::Take(room) => usize::try_from(room).unwrap_or(usize::MAX),
            Admission::Rest(Rest::Span) => return Ok(()),
            Admission::Rest(Rest::Buffer) => {
                self.room.starve();
                return Ok(());
            }
        };
        let mut world = SliceWorld {
            lanes: &self.lanes,
            outboxes: &mut self.outboxes,
            next_epoch: &mut self.next_epoch,
        };
        let slice = partition.take(room, &mut world);
        self.stats.received.add(slice.received);
        self.stats.skipped.add(slice.skipped);
        for (old, new) in slice.rewound {
            warn!(self.log, "the log went back: the topic was made again or cut; going on with \
                what is there"; "topic" => old.topic(), "partition" => old.partition());
            self.offsets.do_send(Closed(vec![old.epoch()]));
            self.offsets.do_send(Opened { assignment: new, start: Start::Unknown });
        }
        self.flush();
        if !slice.empty {
            self.ready.push_back(slot);
        }
        slice.error.map_or(Ok(()), |code| self.trouble(&KafkaError::MessageConsumption(code)))
    }

    /// Hands the routers what they have room for, in order.
    fn flush(&mut self) {
        for outbox in &mut self.outboxes {
            if !outbox.open.is_empty() {
                outbox.waiting.push_back(std::mem::take(&mut outbox.open));
            }
            while let Some(batch) = outbox.waiting.pop_front() {
                match outbox.link.records.try_send(batch) {
                    Ok(()) => {}
                    Err(TrySendError::Full(batch)) => {
                        outbox.waiting.push_front(batch);
                        break;
                    }
                    // The router is gone: the pipeline is failing, and is told by the actor's end.
                    Err(TrySendError::Closed(_)) => {}
                }
            }
        }
    }

    /// Whether nobody wants more; then the next router to take a batch rings.
    ///
    /// One router that is slow does not stop the others: what is for it waits here, bounded by the
    /// buffer like everything that is held.
    fn routers_are_full(&mut self) -> bool {
        if self.outboxes.iter().any(|outbox| outbox.waiting.is_empty()) {
            return false;
        }
        for outbox in &self.outboxes {
            outbox.link.hungry.store(true, Ordering::SeqCst);
        }
        // What was taken between the failed send and the mark rang no bell.
        self.flush();
        self.outboxes.iter().all(|outbox| !outbox.waiting.is_empty())
    }

    /// Lets go of what was taken in and is not with a router yet.
    fn drop_undelivered(&mut self, of: impl Fn(usize) -> bool) {
        let slots: HashMap<Epoch, usize> = self
            .partitions
            .iter()
            .filter(|(slot, _)| of(**slot))
            .map(|(slot, partition)| (partition.assignment().epoch(), *slot))
            .collect();
        let mut dropped = 0;
        for outbox in &mut self.outboxes {
            for batch in &mut outbox.waiting {
                let before = batch.len();
                batch.retain(|record: &Record| !slots.contains_key(&record.assignment().epoch()));
                dropped += before - batch.len();
            }
            outbox.waiting.retain(|batch| !batch.is_empty());
        }
        for slot in slots.values() {
            if let Some(partition) = self.partitions.get_mut(slot) {
                dropped += partition.drop_stash();
            }
        }
        self.stats.returned.add(dropped as u64);
    }

    fn count_partitions(&self) {
        let count = self.partitions.len();
        self.room.partitions.store(count.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        self.stats.set_partitions(count);
    }

    fn slots_of(&self, partitions: &[TopicPartition]) -> Vec<usize> {
        let is_named = |assignment: &Assignment| {
            partitions.iter().any(|(topic, partition)| {
                *topic == assignment.topic() && *partition == assignment.partition()
            })
        };
        self.partitions
            .iter()
            .filter(|(_, partition)| is_named(partition.assignment()))
            .map(|(slot, _)| *slot)
            .collect()
    }

    fn epochs(&self, slots: &[usize]) -> Vec<Epoch> {
        slots.iter().map(|slot| self.partitions[slot].assignment().epoch()).collect()
    }
}

impl Drop for Poller {
    /// Leaves the group whatever happened: a consumer whose rebalances nobody answers would hang
    /// in its drop, and one that is not dropped would keep its partitions from everybody.
    fn drop(&mut self) {
        self.consumer.context().close();
        self.partitions.clear();
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

/// Why the committed offset of a partition is not known. A partition that is gone has none, which
/// is known; taking any other error for "none" would begin the partition from its start.
fn unreadable(entry: &TopicPartitionListElem<'_>) -> Option<RDKafkaErrorCode> {
    match entry.error().err()?.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown) {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition => None,
        code => Some(code),
    }
}

fn describe(partitions: &[TopicPartition]) -> String {
    let names: Vec<_> =
        partitions.iter().map(|(topic, partition)| format!("{topic}/{partition}")).collect();
    names.join(" ")
}

fn kafka(what: &str, error: &KafkaError) -> PipelineError {
    PipelineError::Kafka(format!("{what}: {error}"))
}
