//! Starts, changes and ends the pipelines of a process, each by itself.
//!
//! One actor decides, so that changes never overlap: a change is checked and kept (`--state-dir`)
//! before the next is looked at. What takes its time, the ending of a pipeline, is not waited for: a
//! [`Slot`] notes what is wanted, and each pipeline gets there on its own. Whoever looks reads the
//! [`Roster`] and the handles, and asks nobody.

mod begin;
mod changes;
mod definition;
mod message;
mod reload;
mod roster;
mod slot;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, WrapFuture};
use actix_rt::task::spawn_blocking;
use keyway_actors::sink::file::FileSink;
use keyway_actors::{Handle, Handles, PipelineError};
use slog::{Logger, error, info};
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use self::definition::{Definition, in_one_line};
pub use self::message::{
    Begin, Define, Delete, EndAll, Gone, Lead, Order, Over, Put, Refused, Reload, Who,
};
pub use self::roster::{Member, Origin, Phase, Roster, Stage};
pub use self::slot::{End, Run};
pub use self::store::{Store, StoreError};

use self::slot::{Slot, Step};
use crate::settings::{Base, Least, Settings, Sources};
use crate::wiring::{self, Started};

/// The most pipelines of a process. Each has four threads and more of librdkafka's.
const MOST_PIPELINES: usize = 1_000;

/// Pipelines that are being started at a time: each makes threads and clients, and more at a time
/// would not start any of them sooner.
const STARTS: usize = 4;

/// What the supervisor begins with.
pub struct Setup {
    /// From where the configuration is read again.
    pub sources: Sources,
    /// How many pipelines it has to define.
    pub least: Least,
    /// The configuration as it was read.
    pub settings: Settings,
    /// What holds for pipelines that come through the API.
    pub base: Base,
    /// Where they are kept, if anywhere.
    pub store: Option<Store>,
    /// Where the handles of running pipelines are put.
    pub handles: Handles,
    /// Is told each pipeline of the configuration that fails, with why.
    pub failures: mpsc::UnboundedSender<Failure>,
    /// The log.
    pub log: Logger,
}

/// A pipeline of the configuration has failed.
#[derive(Debug)]
pub struct Failure {
    /// Its name.
    pub name: String,
    /// Whether it was never there.
    pub at_start: bool,
    /// Why.
    pub error: PipelineError,
}

/// The actor.
pub struct Supervisor {
    entries: BTreeMap<String, Entry>,
    sources: Sources,
    least: Least,
    settings: Settings,
    base: Arc<Base>,
    store: Option<Arc<Store>>,
    handles: Handles,
    roster: Roster,
    starts: Arc<Semaphore>,
    failures: mpsc::UnboundedSender<Failure>,
    /// Who waits for all to have ended; nothing is changed any more then.
    closing: Option<Vec<oneshot::Sender<()>>>,
    /// Why what is kept is not known: nothing is changed then, for it would be written over.
    unreadable: Option<String>,
    log: Logger,
}

/// A pipeline.
struct Entry {
    slot: Slot<Definition>,
    handle: Option<Handle>,
    file: Option<FileSink>,
    failure: Option<String>,
    /// What it was started as, while it starts, runs or ends.
    there: Option<Definition>,
}

impl Entry {
    fn new(definition: Definition, run: Run) -> Self {
        Self {
            slot: Slot::new(definition, run),
            handle: None,
            file: None,
            failure: None,
            there: None,
        }
    }

    fn phase(&self) -> Phase {
        if self.slot.is_starting() {
            Phase::Starting
        } else if !self.slot.is_down() {
            Phase::Up
        } else if let Some(failure) = &self.failure {
            Phase::Failed(failure.clone())
        } else {
            Phase::Stopped
        }
    }
}

impl Supervisor {
    /// A supervisor without pipelines: [`Begin`] starts them.
    pub fn new(setup: Setup) -> Self {
        Self {
            entries: BTreeMap::new(),
            sources: setup.sources,
            least: setup.least,
            settings: setup.settings,
            base: Arc::new(setup.base),
            store: setup.store.map(Arc::new),
            handles: setup.handles,
            roster: Roster::default(),
            starts: Arc::new(Semaphore::new(STARTS)),
            failures: setup.failures,
            closing: None,
            unreadable: None,
            log: setup.log,
        }
    }

    /// What is known of the pipelines.
    pub fn roster(&self) -> Roster {
        self.roster.clone()
    }

    /// Does the next step of a pipeline, and shows where it is.
    fn step(&mut self, name: &str, context: &mut Context<Self>) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        match entry.slot.step() {
            Step::Start => self.start(name, context),
            Step::End(end) => {
                if let Some(handle) = &entry.handle {
                    match end {
                        End::Stop => handle.stop(),
                        End::Drain => handle.drain(),
                    }
                }
            }
            Step::Forget => {
                self.entries.remove(name);
                self.handles.remove(name);
                self.roster.remove(name);
                info!(self.log, "pipeline is gone"; "pipeline" => name);
            }
            Step::Rest => {}
        }
        self.show(name);
        self.close();
    }

    /// Has a pipeline started on a thread where that may block, and goes on when it has.
    fn start(&mut self, name: &str, context: &mut Context<Self>) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.failure = None;
        let Some(definition) = entry.slot.wanted().cloned() else { return };
        let settings = match definition.settings.clone() {
            Ok(settings) => settings,
            Err(why) => return self.not_started(name, PipelineError::Config(why), context),
        };
        entry.there = Some(definition);
        let (starts, log) = (Arc::clone(&self.starts), self.log.clone());
        let rests = entry.slot.run() == Run::Paused;
        let start = async move {
            // Closed when all are to end: what has not begun need not.
            let Ok(_turn) = starts.acquire_owned().await else { return Ok(None) };
            let started = spawn_blocking(move || {
                let started = wiring::start(&settings, &log)?;
                if rests {
                    // Before it has a partition, so that nothing goes out first.
                    started.handle.pause();
                }
                Ok(Some(started))
            });
            let started = started.await;
            started.unwrap_or(Err(PipelineError::Died { part: "the start of a pipeline" }))
        };
        let name = name.to_owned();
        let went_on = start.into_actor(self).map(move |result, actor, context| match result {
            Ok(Some(started)) => actor.started(&name, started, rests, context),
            Ok(None) => actor.ended(&name, None, true, context),
            Err(error) => actor.not_started(&name, error, context),
        });
        context.spawn(went_on);
    }

    /// A pipeline is there; `rests`: it was paused when it was made.
    fn started(&mut self, name: &str, started: Started, rests: bool, context: &mut Context<Self>) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        let Started { handle, file } = started;
        entry.slot.started();
        entry.handle = Some(handle.clone());
        entry.file = file;
        // It may have been asked for meanwhile.
        match (rests, entry.slot.run() == Run::Paused) {
            (false, true) => handle.pause(),
            (true, false) => handle.resume(),
            _ => {}
        }
        self.handles.insert(handle.clone());
        let ended_name = name.to_owned();
        let ended = async move { handle.wait().await };
        context.spawn(ended.into_actor(self).map(move |result, actor, context| {
            actor.ended(&ended_name, result.err(), false, context);
        }));
        self.step(name, context);
    }

    fn not_started(&mut self, name: &str, error: PipelineError, context: &mut Context<Self>) {
        // What is left of the time before would be taken for how it is now.
        self.handles.remove(name);
        if let Some(entry) = self.entries.get_mut(name) {
            entry.handle = None;
        }
        self.ended(name, Some(error), true, context);
    }

    fn ended(
        &mut self,
        name: &str,
        error: Option<PipelineError>,
        at_start: bool,
        context: &mut Context<Self>,
    ) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.slot.ended();
        entry.file = None;
        entry.there = None;
        entry.failure = error.as_ref().map(PipelineError::to_string);
        if let Some(error) = error {
            error!(self.log, "pipeline failed"; "pipeline" => name, "error" => %error);
            let origin = entry.slot.wanted().map(|it| it.origin);
            if origin == Some(Origin::Configuration) {
                // Who does not listen does not end with it.
                let _ = self.failures.send(Failure { name: name.to_owned(), at_start, error });
            }
        }
        self.step(name, context);
    }

    /// Shows how a pipeline is.
    fn show(&self, name: &str) {
        let Some(entry) = self.entries.get(name) else { return };
        let before = self.roster.get(name);
        let (origin, definition) = match (entry.slot.wanted(), before) {
            (Some(wanted), _) => (wanted.origin, wanted.shown.clone()),
            (None, Some(before)) => (before.origin, before.definition),
            (None, None) => return,
        };
        let leaving = entry.slot.wanted().is_none();
        let (run, phase) = (entry.slot.run(), entry.phase());
        self.roster.set(name, Member { origin, definition, run, phase, leaving });
    }

    /// Tells who waits for it that all have ended.
    fn close(&mut self) {
        if self.entries.values().all(|entry| entry.slot.is_down())
            && let Some(waiting) = &mut self.closing
        {
            for waiting in waiting.drain(..) {
                // Who asked may have gone.
                let _ = waiting.send(());
            }
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;
}

impl Handler<EndAll> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: EndAll, context: &mut Context<Self>) -> ResponseFuture<()> {
        let (all, ended) = oneshot::channel();
        self.closing.get_or_insert_default().push(all);
        self.roster.set_stage(Stage::Ends);
        self.starts.close();
        let names: Vec<String> = self.entries.keys().cloned().collect();
        for name in names {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.slot.stop(End::Stop);
            }
            self.step(&name, context);
        }
        self.close();
        Box::pin(async move {
            // Without its sender there is no supervisor any more, and so no pipeline.
            let _ = ended.await;
        })
    }
}
