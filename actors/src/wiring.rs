//! Puts the actors together: each gets what it shares with its neighbours.
//!
//! [`Pipeline`](crate::Pipeline) does it on threads of its own; who wants the actors on arbiters of
//! an existing program does it by hand, in this order: OffsetActor, dead letters, routers,
//! ConsumerActor.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use actix::{Actor, Addr, AsyncContext, Recipient};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;
use slog::Logger;
use tokio::sync::{mpsc, oneshot};

use crate::assignment::Room;
use crate::config::{PipelineConfig, share};
use crate::consumer::{ConsumerActor, RouterPort};
use crate::core::destinations::Rates;
use crate::dead_letter::DeadLetterActor;
use crate::dispatcher::{Intake, Parts};
use crate::ending::Failures;
use crate::error::PipelineError;
use crate::kafka::bell::Bell;
use crate::kafka::commands::Commands;
use crate::kafka::config;
use crate::kafka::context::Context;
use crate::kafka::lane_names::LaneNames;
use crate::kafka::outbox::RouterLink;
use crate::kafka::poller::{self, Neighbours, Poller, Subscription};
use crate::message::{Command, DeadLetter};
use crate::offsets::OffsetActor;
use crate::router::RouterActor;
use crate::sink::{Sink, SinkContext};
use crate::stats::{ArbiterStats, Stats};

/// Batches on their way to a router. Enough for the poll thread to stay ahead while the router is
/// busy with one; more would only be held in a colder cache.
const BATCHES: usize = 8;

/// What the actors of one pipeline share.
pub struct Wiring {
    config: PipelineConfig,
    bell: Arc<Bell>,
    room: Arc<Room>,
    stats: Arc<Stats>,
    arbiters: Vec<Arc<ArbiterStats>>,
    commands: Commands,
    orders: mpsc::UnboundedReceiver<Command>,
    links: Vec<RouterLink>,
    failures: Failures,
    /// What the arbiters share of each destination.
    rates: Rates,
    /// The moment zero of the arbiters' clocks.
    started: Instant,
    log: Logger,
}

/// What a pipeline's ending looks like from outside.
pub struct Endings {
    /// Failures of any part; the first is the reason, and the pipeline is to be stopped.
    pub failed: mpsc::UnboundedReceiver<PipelineError>,
}

/// What the ConsumerActor's maker gets.
pub struct Consumer {
    /// The actor.
    pub address: Addr<ConsumerActor>,
    /// Resolves when the pipeline has left its group because it was told to, or with the reason.
    pub ended: oneshot::Receiver<Result<(), PipelineError>>,
    /// Resolves when the poll thread has closed the consumer, however it ended.
    pub closed: oneshot::Receiver<()>,
}

impl Wiring {
    /// The shared parts of a pipeline.
    ///
    /// # Errors
    /// What [`PipelineConfig::check`] says.
    pub fn new(config: PipelineConfig, log: Logger) -> Result<(Self, Endings), PipelineError> {
        config.check()?;
        let bell = Arc::new(Bell::default());
        let room = Arc::new(Room::new(config.intake(), Arc::clone(&bell)));
        let (commands, orders) = Commands::channel(Arc::clone(&bell));
        let (failures, failed) = Failures::channel();
        let arbiters = (0..config.arbiters_used()).map(|_| Arc::default()).collect();
        let wiring = Self {
            config,
            bell,
            room,
            stats: Arc::default(),
            arbiters,
            commands,
            orders,
            links: Vec::new(),
            failures,
            rates: Rates::default(),
            started: Instant::now(),
            log,
        };
        Ok((wiring, Endings { failed }))
    }

    pub(crate) fn config(&self) -> &PipelineConfig {
        &self.config
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    pub(crate) fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// What each arbiter counts: as many as routers are to be made.
    pub(crate) fn arbiters(&self) -> &[Arc<ArbiterStats>] {
        &self.arbiters
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// The OffsetActor, to be started.
    pub fn offsets(&self) -> OffsetActor {
        OffsetActor::new(
            self.config.offset_metadata_max_bytes,
            self.config.commit_interval,
            self.commands.clone(),
            Arc::clone(&self.stats),
            self.log.clone(),
            self.failures.watch("the OffsetActor"),
        )
    }

    /// Starts the DeadLetterActor on this arbiter, if there is a topic for it; `url` says in the
    /// letters where records were to go.
    ///
    /// # Errors
    /// librdkafka refuses the producer's configuration.
    pub fn dead_letters(
        &self,
        url: Option<String>,
    ) -> Result<Option<Addr<DeadLetterActor>>, PipelineError> {
        let Some(letters) = &self.config.dead_letter else { return Ok(None) };
        DeadLetterActor::start(&self.config, letters, url, &self.failures, &self.log).map(Some)
    }

    /// Routers that the settings ask for: `arbiters`, but never more than `senders`.
    pub fn routers(&self) -> usize {
        self.arbiters.len()
    }

    /// What the next router needs; it is to be started on its arbiter. To be called
    /// [`routers`](Self::routers) times: records are spread over all routers there are.
    pub fn router(
        &mut self,
        offsets: Addr<OffsetActor>,
        letters: Option<Recipient<DeadLetter>>,
    ) -> RouterSeed {
        let (index, routers) = (self.links.len(), self.arbiters.len());
        let senders = share(self.config.senders.get(), routers, index);
        let (batches, records) = mpsc::channel(BATCHES);
        let hungry = Arc::new(AtomicBool::new(false));
        self.links.push(RouterLink { records: batches, hungry: Arc::clone(&hungry) });
        let count = routers as u64;
        let parts = Parts {
            policy: self.config.retry.clone(),
            terms: self.config.destinations.terms(&self.rates, (index, routers)),
            started: self.started,
            senders,
            share: (self.config.buffer_records / count, self.config.buffer_bytes / count),
            offsets,
            letters,
            failures: self.failures.clone(),
            stats: Arc::clone(&self.arbiters[index % routers]),
            log: self.log.clone(),
        };
        let context = SinkContext {
            pipeline: self.config.name.clone(),
            group_id: self.config.group_id.clone(),
            senders,
            log: self.log.clone(),
        };
        RouterSeed {
            intake: Intake { records, hungry, bell: Arc::clone(&self.bell) },
            parts,
            context,
        }
    }

    /// Starts the ConsumerActor on this arbiter, and its poll thread: records flow from here on.
    ///
    /// # Errors
    /// librdkafka refuses its configuration, or the thread cannot be started.
    pub fn consumer(
        self,
        offsets: Addr<OffsetActor>,
        routers: Vec<RouterPort>,
    ) -> Result<Consumer, PipelineError> {
        let (end, ended) = oneshot::channel();
        let (open, closed) = oneshot::channel();
        let mut actor = ConsumerActor::new(
            self.commands,
            routers,
            offsets.clone(),
            self.config.revoke_deadline,
            end,
            &self.failures,
            self.log.clone(),
        );
        let mut consumer = BaseConsumer::from_config_and_context(
            &config::consumer(&self.config),
            Context::new(&self.config.group_id, Arc::clone(&self.stats), self.log.clone()),
        )
        .map_err(|error| PipelineError::KafkaConfig(config::refusal(&error)))?;
        let bell = Arc::clone(&self.bell);
        consumer.set_nonempty_callback(move || bell.main_ready());
        let subscription = Subscription::of(&self.config);
        let lanes = LaneNames::new(self.config.ordering);
        let name = format!("keyway-poll-{}", self.config.name);
        let mut thread = Ok(());
        let address = ConsumerActor::create(|context| {
            let neighbours =
                Neighbours { consumer: context.address(), offsets, routers: self.links };
            let spawned = std::thread::Builder::new().name(name.clone()).spawn(move || {
                let _open = open;
                let poller = Poller::new(
                    consumer,
                    self.bell,
                    self.orders,
                    self.room,
                    lanes,
                    neighbours,
                    self.stats,
                    self.log,
                );
                poller::run(poller, subscription);
            });
            match spawned {
                Ok(handle) => actor.owns(handle),
                Err(error) => {
                    thread = Err(PipelineError::Thread { name, reason: error.to_string() });
                }
            }
            actor
        });
        thread.map(|()| Consumer { address, ended, closed })
    }
}

/// A router that is to be started on its arbiter, where its sink is made.
pub struct RouterSeed {
    intake: Intake,
    parts: Parts,
    context: SinkContext,
}

impl RouterSeed {
    /// What the sink is to be told.
    pub fn context(&self) -> &SinkContext {
        &self.context
    }

    /// Starts the router and its senders on this arbiter.
    pub fn start<S: Sink>(self, sink: S) -> Addr<RouterActor<S>> {
        RouterActor::new(sink, self.intake, self.parts).start()
    }
}
