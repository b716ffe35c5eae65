//! A pipeline: the actors on threads of their own.
//!
//! It has a thread for the ConsumerActor, the OffsetActor and the dead letters, one for each
//! delivery arbiter, and the poll thread. The first part to fail ends the whole, which says why,
//! leaves the group and stops.

use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use actix::{Actor, Addr};
use actix_rt::task::yield_now;
use actix_rt::time::timeout;
use actix_rt::{Arbiter, System};
use slog::{Discard, Logger, error, info, o};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{PipelineConfig, share};
use crate::consumer::RouterPort;
use crate::dead_letter::DeadLetterActor;
use crate::error::PipelineError;
use crate::explain::Ask;
use crate::handle::{Control, Handle, Shared, State};
use crate::kafka::commands::Commands;
use crate::message::{Command, Pause, Queued, Shutdown, Stop};
use crate::offsets::OffsetActor;
use crate::sink::SinkFactory;
use crate::wiring::{Consumer, Endings, RouterSeed, Wiring};

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
    pub fn start<F: SinkFactory>(config: PipelineConfig, sink: F) -> Result<Handle, PipelineError> {
        Self::start_with_log(config, sink, &Logger::root(Discard, o!()))
    }

    /// Starts a pipeline that says what it does to `log`, which must not block.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_log<F: SinkFactory>(
        config: PipelineConfig,
        sink: F,
        log: &Logger,
    ) -> Result<Handle, PipelineError> {
        let log = log.new(o!("pipeline" => config.name.clone()));
        let (name, drain_deadline) = (format!("keyway-{}", config.name), config.drain_deadline);
        let (wiring, endings) = Wiring::new(config, log.clone())?;
        let shared = Arc::new(Shared::new(&wiring));
        let (control, controls) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(None);
        let (ready, is_ready) = std_mpsc::sync_channel(1);
        let main = Main { shared: Arc::clone(&shared), drain_deadline, controls, log };
        std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || main.run(&sink, wiring, endings, &ready, &end))
            .map_err(|error| PipelineError::Thread { name, reason: error.to_string() })?;
        match is_ready.recv() {
            Ok(Ok(())) => Ok(Handle::new(shared, control, ended)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(PipelineError::Died { part: "the pipeline's thread" }),
        }
    }
}

/// The pipeline's own thread.
struct Main {
    shared: Arc<Shared>,
    drain_deadline: Duration,
    controls: mpsc::UnboundedReceiver<Control>,
    log: Logger,
}

/// The parts, once they are made.
struct Parts {
    consumer: Consumer,
    routers: Vec<RouterPort>,
    commands: Commands,
    offsets: Addr<OffsetActor>,
    letters: Option<Addr<DeadLetterActor>>,
    endings: Endings,
}

impl Parts {
    /// Passes a question on; the answer goes to whoever asks.
    fn ask(&self, ask: Ask) {
        match ask {
            Ask::Locate(locate) => self.commands.send(Command::Locate(locate)),
            Ask::Look(look) => self.offsets.do_send(look),
            Ask::Inspect(inspects) => {
                for (router, inspect) in self.routers.iter().zip(inspects) {
                    router.inspect(inspect);
                }
            }
        }
    }
}

impl Main {
    fn run<F: SinkFactory>(
        mut self,
        sink: &F,
        wiring: Wiring,
        endings: Endings,
        ready: &std_mpsc::SyncSender<Result<(), PipelineError>>,
        end: &watch::Sender<Option<Result<(), PipelineError>>>,
    ) {
        let result = System::new().block_on(async {
            let mut arbiters = Vec::new();
            match make(sink, wiring, endings, &mut arbiters).await {
                Ok(parts) => {
                    let _ = ready.send(Ok(()));
                    let result = self.lead(parts).await;
                    end_arbiters(arbiters, result.is_ok());
                    result
                }
                Err(error) => {
                    // An actor that has not begun yet begins when it is dropped, and panics since
                    // its runtime is gone by then.
                    yield_now().await;
                    end_arbiters(arbiters, true);
                    let _ = ready.send(Err(error.clone()));
                    Err(error)
                }
            }
        });
        self.shared.leave();
        self.shared.set_state(if result.is_ok() { State::Stopped } else { State::Failed });
        let _ = end.send(Some(result));
    }

    /// Leads the pipeline until it has ended.
    async fn lead(&mut self, mut parts: Parts) -> Result<(), PipelineError> {
        // Until the last handle is gone.
        let mut led = true;
        let result = loop {
            tokio::select! {
                biased;
                Some(error) = parts.endings.failed.recv() => {
                    break self.fail(error, &mut parts).await;
                }
                ended = &mut parts.consumer.ended => {
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
        result
    }

    fn obey(&self, control: Option<Control>, parts: &Parts) {
        match control {
            Some(Control::Pause(paused)) => {
                if matches!(self.shared.state(), State::Draining) {
                    return;
                }
                info!(self.log, "{}", if paused { "pausing" } else { "resuming" });
                self.shared.set_state(if paused { State::Paused } else { State::Starting });
                parts.consumer.address.do_send(Pause(paused));
            }
            Some(Control::Resize(senders)) => {
                let count = parts.routers.len();
                for (index, router) in parts.routers.iter().enumerate() {
                    router.resize(share(senders, count, index).max(1));
                }
            }
            Some(Control::Ask(ask)) => parts.ask(ask),
            Some(Control::Stop(stop)) => {
                self.shared.set_state(State::Draining);
                parts.consumer.address.do_send(stop);
            }
            // Whoever told it to end before that has not told it to make haste.
            None if self.shared.state() == State::Draining => {}
            None => {
                self.shared.set_state(State::Draining);
                let deadline = self.drain_deadline;
                parts.consumer.address.do_send(Stop { queued: Queued::LetGo, deadline });
            }
        }
    }

    /// Something failed: the group is left as fast as it goes, with what can be committed.
    async fn fail(&self, error: PipelineError, parts: &mut Parts) -> Result<(), PipelineError> {
        error!(self.log, "the pipeline fails and leaves the group"; "error" => %error);
        self.shared.set_state(State::Draining);
        let deadline = Duration::ZERO;
        parts.consumer.address.do_send(Stop { queued: Queued::LetGo, deadline });
        if timeout(LEAVING, &mut parts.consumer.closed).await.is_err() {
            parts.commands.send(Command::Leave);
            let _ = timeout(LEAVING, &mut parts.consumer.closed).await;
        }
        Err(error)
    }
}

/// Makes the parts: the sink's neighbours first, so that nothing flows before all are there.
async fn make<F: SinkFactory>(
    sink: &F,
    mut wiring: Wiring,
    endings: Endings,
    arbiters: &mut Vec<Arbiter>,
) -> Result<Parts, PipelineError> {
    let offsets = wiring.offsets().start();
    let letters = wiring.dead_letters(sink.describe())?;
    let mut routers = Vec::new();
    for _ in 0..wiring.routers() {
        let seed = wiring.router(offsets.clone(), letters.clone().map(Addr::recipient));
        let arbiter = arbiters.push_mut(Arbiter::new());
        routers.push(make_router(arbiter, seed, sink.clone()).await?);
    }
    let commands = wiring.commands().clone();
    let consumer = wiring.consumer(offsets.clone(), routers.clone())?;
    Ok(Parts { consumer, routers, commands, offsets, letters, endings })
}

/// Ends arbiters, and waits for them where nothing on them can be stuck.
fn end_arbiters(arbiters: Vec<Arbiter>, wait: bool) {
    for arbiter in arbiters {
        arbiter.stop();
        if wait {
            let _ = arbiter.join();
        }
    }
}

/// Makes the sink, the router and its senders on their arbiter.
async fn make_router<F: SinkFactory>(
    arbiter: &Arbiter,
    seed: RouterSeed,
    sink: F,
) -> Result<RouterPort, PipelineError> {
    let (made, is_made) = oneshot::channel();
    arbiter.spawn_fn(move || {
        let router = sink.build(seed.context()).map(|sink| RouterPort::new(&seed.start(sink)));
        let _ = made.send(router);
    });
    match is_made.await {
        Ok(router) => router.map_err(PipelineError::Sink),
        Err(_) => Err(PipelineError::Died { part: "an arbiter" }),
    }
}

#[cfg(test)]
mod tests;
