//! A pipeline: the actors wired together on threads of their own, and the handle that leads them.
//!
//! It has a thread for the ConsumerActor, the OffsetActor and the dead letters, one for each
//! delivery arbiter, and the poll thread. The first part to fail ends the whole, which says why,
//! leaves the group and stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use actix::{Actor, Addr, Recipient};
use actix_rt::time::timeout;
use actix_rt::{Arbiter, System};
use slog::{Discard, Logger, error, info, o};
use tokio::sync::{mpsc, oneshot, watch};

use crate::assignment::Room;
use crate::config::{PipelineConfig, share};
use crate::consumer::{ConsumerActor, RouterPort};
use crate::dead_letter::DeadLetterActor;
use crate::dispatcher::Parts;
use crate::ending::Failures;
use crate::error::PipelineError;
use crate::kafka::bell::Bell;
use crate::kafka::config;
use crate::kafka::context::Context;
use crate::kafka::lane_names::LaneNames;
use crate::kafka::poller::{self, Commands, Neighbours, Poller, RouterLink, Subscription};
use crate::message::{Command, DeadLetter, Pause, Queued, Shutdown, Stop};
use crate::offsets::OffsetActor;
use crate::router::{Intake, RouterActor};
use crate::sink::{SinkContext, SinkFactory};
use crate::stats::{ArbiterStats, PartitionStatus, Stats, Totals};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;

/// Batches on their way to a router. Enough for the poll thread to stay ahead while the router is
/// busy with one; more would only be held in a colder cache.
const BATCHES: usize = 8;

/// How long a failing pipeline may take to leave the group. Past it the process has to end, and the
/// group notices by itself.
const LEAVING: Duration = Duration::from_secs(10);

/// Starts pipelines.
#[derive(Debug)]
pub struct Pipeline;

impl Pipeline {
    /// Starts a pipeline without a log.
    ///
    /// # Errors
    /// A setting is wrong, librdkafka refuses its configuration, the sink cannot be made, or a
    /// thread cannot be started. That no broker answers is no error: it is waited for.
    pub fn start<F: SinkFactory>(
        config: PipelineConfig,
        sink: F,
    ) -> Result<Handle, PipelineError> {
        Self::start_with_log(config, sink, Logger::root(Discard, o!()))
    }

    /// Starts a pipeline that says what it does to `log`, which must not block.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_log<F: SinkFactory>(
        config: PipelineConfig,
        sink: F,
        log: Logger,
    ) -> Result<Handle, PipelineError> {
        config.check()?;
        let log = log.new(o!("pipeline" => config.name.clone()));
        let shared = Arc::new(Shared::new(&config));
        let (control, controls) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(None);
        let handle = Handle { shared: Arc::clone(&shared), control, ended };
        let (ready, is_ready) = std_mpsc::sync_channel(1);
        let thread = format!("keyway-{}", config.name);
        let main = Main { config, sink, shared, controls, ready, log };
        std::thread::Builder::new()
            .name(thread.clone())
            .spawn(move || main.run(&end))
            .map_err(|error| PipelineError::Thread { name: thread, reason: error.to_string() })?;
        match is_ready.recv() {
            Ok(Ok(())) => Ok(handle),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(PipelineError::Died { part: "the pipeline's thread" }),
        }
    }
}

/// What a pipeline is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Its parts are being made, or it waits to join the group.
    Starting,
    /// It delivers.
    Running,
    /// It was told to rest; it stays in the group.
    Paused,
    /// It finishes what is under way and leaves.
    Draining,
    /// It has ended as it was told to.
    Stopped,
    /// It has ended for a reason of its own, which [`Handle::wait`] tells.
    Failed,
}

impl State {
    const ALL: [Self; 6] = [
        Self::Starting,
        Self::Running,
        Self::Paused,
        Self::Draining,
        Self::Stopped,
        Self::Failed,
    ];
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
    /// How many partitions it has.
    pub partitions_assigned: usize,
    /// What it has done and holds.
    pub totals: Totals,
    /// Its partitions, as of the last commit interval.
    pub partitions: Vec<PartitionStatus>,
}

/// What the handles and the pipeline share.
#[derive(Debug)]
struct Shared {
    name: String,
    drain_deadline: Duration,
    state: AtomicU8,
    stats: Arc<Stats>,
    arbiters: Vec<Arc<ArbiterStats>>,
    room: Arc<Room>,
    bell: Arc<Bell>,
}

impl Shared {
    fn new(config: &PipelineConfig) -> Self {
        let bell = Arc::new(Bell::default());
        Self {
            name: config.name.clone(),
            drain_deadline: config.drain_deadline,
            state: AtomicU8::new(State::Starting as u8),
            stats: Arc::default(),
            arbiters: (0..config.arbiters_used()).map(|_| Arc::default()).collect(),
            room: Arc::new(Room::new(config.intake(), Arc::clone(&bell))),
            bell,
        }
    }

    fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::SeqCst);
    }

    fn state(&self) -> State {
        let state = State::ALL[usize::from(self.state.load(Ordering::SeqCst))];
        if state == State::Starting && self.stats.joined() { State::Running } else { state }
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.stats.add_to(&mut totals);
        for arbiter in &self.arbiters {
            arbiter.add_to(&mut totals);
        }
        let held = self.room.usage();
        totals.held_records = held.records;
        totals.held_bytes = held.bytes;
        totals
    }
}

#[derive(Debug)]
enum Control {
    Pause(bool),
    Resize(usize),
    Stop(Stop),
}

/// Leads a pipeline, from any thread. Clones lead the same one; when the last is dropped the
/// pipeline stops as by [`stop`](Self::stop).
#[must_use = "a pipeline without a handle stops"]
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    control: mpsc::UnboundedSender<Control>,
    ended: watch::Receiver<Option<Result<(), PipelineError>>>,
}

impl Handle {
    /// How the pipeline is doing. Asks no actor and waits for nothing.
    pub fn status(&self) -> Status {
        Status {
            name: self.shared.name.clone(),
            state: self.shared.state(),
            joined: self.shared.stats.joined(),
            partitions_assigned: self.shared.stats.partitions(),
            totals: self.shared.totals(),
            partitions: self.shared.stats.standings(),
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

    /// Delivers what has been taken in, then stops. What is still held at the drain deadline is let
    /// go and sent again later.
    pub fn drain(&self) {
        self.stop_with(Queued::Deliver, self.shared.drain_deadline);
    }

    /// Finishes requests under way, commits, leaves the group and stops. Requests still under way
    /// at the drain deadline are cancelled. A second call cancels them at once.
    pub fn stop(&self) {
        self.stop_with(Queued::LetGo, self.shared.drain_deadline);
    }

    /// Stops with a deadline of its own for requests under way; zero cancels them.
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

/// The pipeline's own thread.
struct Main<F> {
    config: PipelineConfig,
    sink: F,
    shared: Arc<Shared>,
    controls: mpsc::UnboundedReceiver<Control>,
    ready: std_mpsc::SyncSender<Result<(), PipelineError>>,
    log: Logger,
}

/// The parts, once they are made.
struct Parted {
    consumer: Addr<ConsumerActor>,
    routers: Vec<RouterPort>,
    arbiters: Vec<Arbiter>,
    commands: Commands,
    offsets: Addr<OffsetActor>,
    letters: Option<Addr<DeadLetterActor>>,
    failed: mpsc::UnboundedReceiver<PipelineError>,
    /// Resolves when the poll thread has closed the consumer, however it ended.
    poll_gone: oneshot::Receiver<()>,
    ended: oneshot::Receiver<Result<(), PipelineError>>,
}

impl<F: SinkFactory> Main<F> {
    fn run(mut self, end: &watch::Sender<Option<Result<(), PipelineError>>>) {
        let result = System::new().block_on(async {
            let parts = match self.make().await {
                Ok(parts) => parts,
                Err(error) => {
                    let _ = self.ready.send(Err(error.clone()));
                    return Err(error);
                }
            };
            let _ = self.ready.send(Ok(()));
            self.lead(parts).await
        });
        self.shared.stats.set_joined(false);
        self.shared.set_state(if result.is_ok() { State::Stopped } else { State::Failed });
        let _ = end.send(Some(result));
    }

    async fn make(&self) -> Result<Parted, PipelineError> {
        let (failures, failed) = Failures::channel();
        let (commands, orders) = Commands::channel(Arc::clone(&self.shared.bell));
        let offsets = OffsetActor::new(
            self.config.offset_metadata_max_bytes,
            self.config.commit_interval,
            commands.clone(),
            Arc::clone(&self.shared.stats),
            self.log.clone(),
            failures.watch("the OffsetActor"),
        )
        .start();
        let letters = match &self.config.dead_letter {
            None => None,
            Some(config) => {
                let url = self.sink.describe();
                Some(DeadLetterActor::start(&self.config, config, url, &failures, &self.log)?)
            }
        };
        let (mut arbiters, mut routers, mut links) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..self.shared.arbiters.len() {
            let letters = letters.clone().map(Addr::recipient);
            let arbiter = Arbiter::new();
            let (router, link) =
                self.make_router(index, &arbiter, &offsets, letters, &failures).await?;
            arbiters.push(arbiter);
            routers.push(router);
            links.push(link);
        }
        let (end, ended) = oneshot::channel();
        let consumer = ConsumerActor::new(
            commands.clone(),
            routers.clone(),
            offsets.clone(),
            self.config.revoke_deadline,
            end,
            &failures,
            self.log.clone(),
        );
        let (gone, poll_gone) = oneshot::channel();
        let consumer = self.make_consumer(consumer, offsets.clone(), links, orders, gone)?;
        Ok(Parted {
            consumer,
            routers,
            arbiters,
            commands,
            offsets,
            letters,
            failed,
            poll_gone,
            ended,
        })
    }

    /// Makes the sink, the router and its senders on their arbiter.
    async fn make_router(
        &self,
        index: usize,
        arbiter: &Arbiter,
        offsets: &Addr<OffsetActor>,
        letters: Option<Recipient<DeadLetter>>,
        failures: &Failures,
    ) -> Result<(RouterPort, RouterLink), PipelineError> {
        let count = self.shared.arbiters.len();
        let senders = share(self.config.senders.get(), count, index);
        let context = SinkContext {
            pipeline: self.config.name.clone(),
            group_id: self.config.group_id.clone(),
            senders,
            log: self.log.clone(),
        };
        let parts = Parts {
            policy: self.config.retry.clone(),
            senders,
            share: (self.config.buffer_records / count as u64, self.config.buffer_bytes / count as u64),
            offsets: offsets.clone(),
            letters,
            failures: failures.clone(),
            stats: Arc::clone(&self.shared.arbiters[index]),
            log: self.log.clone(),
        };
        let (batches, records) = mpsc::channel(BATCHES);
        let hungry = Arc::new(AtomicBool::new(false));
        let link = RouterLink { records: batches, hungry: Arc::clone(&hungry) };
        let intake = Intake { records, hungry, bell: Arc::clone(&self.shared.bell) };
        let (made, is_made) = oneshot::channel();
        let sink = self.sink.clone();
        arbiter.spawn_fn(move || {
            let router = sink
                .build(&context)
                .map(|sink| RouterPort::new(&RouterActor::new(sink, intake, parts).start()));
            let _ = made.send(router);
        });
        match is_made.await {
            Ok(router) => Ok((router.map_err(PipelineError::Sink)?, link)),
            Err(_) => Err(PipelineError::Died { part: "an arbiter" }),
        }
    }

    /// Makes the consumer, its actor and its thread.
    fn make_consumer(
        &self,
        actor: ConsumerActor,
        offsets: Addr<OffsetActor>,
        routers: Vec<RouterLink>,
        orders: mpsc::UnboundedReceiver<Command>,
        gone: oneshot::Sender<()>,
    ) -> Result<Addr<ConsumerActor>, PipelineError> {
        let context = Context::new(self.log.clone());
        let mut consumer =
            BaseConsumer::from_config_and_context(&config::consumer(&self.config), context)
                .map_err(|error| PipelineError::KafkaConfig(error.to_string()))?;
        let bell = Arc::clone(&self.shared.bell);
        consumer.set_nonempty_callback(move || bell.main_ready());
        let subscription = self.subscription();
        let shared = Arc::clone(&self.shared);
        let lanes = LaneNames::new(self.config.ordering);
        let name = format!("keyway-poll-{}", self.config.name);
        let log = self.log.clone();
        let mut thread = Err(PipelineError::Died { part: "the ConsumerActor" });
        let addr = ConsumerActor::create(|actor_context| {
            use actix::AsyncContext as _;
            let mut actor = actor;
            let neighbours = Neighbours { consumer: actor_context.address(), offsets, routers };
            thread = std::thread::Builder::new()
                .name(name.clone())
                .spawn(move || {
                    let _gone = gone;
                    let poller = Poller::new(
                        consumer,
                        Arc::clone(&shared.bell),
                        orders,
                        Arc::clone(&shared.room),
                        lanes,
                        neighbours,
                        Arc::clone(&shared.stats),
                        log,
                    );
                    poller::run(poller, subscription);
                })
                .map(|handle| actor.owns(handle))
                .map_err(|error| PipelineError::Thread { name, reason: error.to_string() });
            actor
        });
        thread.map(|()| addr)
    }

    fn subscription(&self) -> Subscription {
        let topics = self.config.topics.clone();
        match &self.config.partitions {
            None => Subscription::Topics(topics),
            Some(partitions) => Subscription::Partitions(
                topics
                    .iter()
                    .flat_map(|topic| partitions.iter().map(move |&it| (topic.clone(), it)))
                    .collect(),
            ),
        }
    }

    /// Leads the pipeline until it has ended.
    async fn lead(&mut self, mut parts: Parted) -> Result<(), PipelineError> {
        // Until the last handle is gone.
        let mut led = true;
        let result = loop {
            tokio::select! {
                biased;
                Some(error) = parts.failed.recv() => break self.fail(error, &mut parts).await,
                ended = &mut parts.ended => {
                    break ended.unwrap_or(Err(PipelineError::Died { part: "the ConsumerActor" }));
                }
                control = self.controls.recv(), if led => {
                    led = control.is_some();
                    self.obey(control, &parts);
                }
            }
        };
        for router in &parts.routers {
            router.shut_down();
        }
        parts.offsets.do_send(Shutdown);
        if let Some(letters) = &parts.letters {
            letters.do_send(Shutdown);
        }
        for arbiter in parts.arbiters {
            arbiter.stop();
            if result.is_ok() {
                let _ = arbiter.join();
            }
        }
        result
    }

    fn obey(&self, control: Option<Control>, parts: &Parted) {
        match control {
            Some(Control::Pause(paused)) => {
                if matches!(self.shared.state(), State::Draining) {
                    return;
                }
                info!(self.log, "{}", if paused { "pausing" } else { "resuming" });
                self.shared.set_state(if paused { State::Paused } else { State::Running });
                parts.consumer.do_send(Pause(paused));
            }
            Some(Control::Resize(senders)) => {
                let count = parts.routers.len();
                for (index, router) in parts.routers.iter().enumerate() {
                    router.resize(share(senders, count, index).max(1));
                }
            }
            Some(Control::Stop(stop)) => {
                self.shared.set_state(State::Draining);
                parts.consumer.do_send(stop);
            }
            None => {
                self.shared.set_state(State::Draining);
                let deadline = self.config.drain_deadline;
                parts.consumer.do_send(Stop { queued: Queued::LetGo, deadline });
            }
        }
    }

    /// Something failed: the group is left as fast as it goes, with what can be committed.
    async fn fail(
        &self,
        error: PipelineError,
        parts: &mut Parted,
    ) -> Result<(), PipelineError> {
        error!(self.log, "the pipeline fails and leaves the group"; "error" => %error);
        self.shared.set_state(State::Draining);
        let deadline = Duration::ZERO;
        parts.consumer.do_send(Stop { queued: Queued::LetGo, deadline });
        if timeout(LEAVING, &mut parts.poll_gone).await.is_err() {
            parts.commands.send(Command::Leave);
            let _ = timeout(LEAVING, &mut parts.poll_gone).await;
        }
        Err(error)
    }
}
