//! ConsumerActor: owns the Kafka consumer through its poll thread, and leads rebalances and the
//! stop.
//!
//! A drain goes from the source to the sink: the poll thread has stopped taking, the routers let go
//! of what is queued and finish what is under way, the OffsetActor commits and waits for the
//! broker's answer, and only then are the partitions given up.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Recipient,
    WrapFuture,
};
use actix_rt::time::timeout;
use futures_util::future::join_all;
use slog::{Logger, info, warn};
use tokio::sync::oneshot;

use crate::core::Epoch;
use crate::ending::{Failures, Watch};
use crate::error::PipelineError;
use crate::explain::Inquiry;
use crate::kafka::commands::Commands;
use crate::message::{
    Cancel, Command, CommitNow, Lost, Pause, PollEnded, Queued, Release, Resize, Revoking,
    SetPaused, Shutdown, Stop, Which,
};
use crate::offsets::OffsetActor;
use crate::router::RouterActor;
use crate::sink::Sink;

/// How long the last commit of partitions may take once their drain is over.
const LAST_COMMIT: Duration = Duration::from_secs(4);

/// How long closing the consumer may take. With no broker in reach, librdkafka keeps the last commit
/// until the session would have ended, which can be later than anybody who stops a process waits.
const CLOSING: Duration = Duration::from_secs(10);

/// How long cancelled requests may take to be gone: they only have to be dropped.
const CANCELLING: Duration = Duration::from_secs(1);

/// The way to one router, whatever its sink.
#[derive(Clone, Debug)]
pub struct RouterPort {
    release: Recipient<Release>,
    cancel: Recipient<Cancel>,
    pause: Recipient<SetPaused>,
    resize: Recipient<Resize>,
    inspect: Recipient<Inquiry>,
    shutdown: Recipient<Shutdown>,
}

impl RouterPort {
    /// The way to this router.
    pub fn new<S: Sink>(router: &Addr<RouterActor<S>>) -> Self {
        Self {
            release: router.clone().recipient(),
            cancel: router.clone().recipient(),
            pause: router.clone().recipient(),
            resize: router.clone().recipient(),
            inspect: router.clone().recipient(),
            shutdown: router.clone().recipient(),
        }
    }

    /// Has the router hold this many senders from now on.
    pub fn resize(&self, senders: usize) {
        self.resize.do_send(Resize(senders));
    }

    /// Has the router look for what somebody asks for.
    pub(crate) fn inspect(&self, inquiry: Inquiry) {
        self.inspect.do_send(inquiry);
    }

    /// Ends the router and its senders.
    pub fn shut_down(&self) {
        self.shutdown.do_send(Shutdown);
    }
}

/// See the head of this file.
pub struct ConsumerActor {
    drain: Drain,
    revoke_deadline: Duration,
    thread: Option<JoinHandle<()>>,
    ended: Option<oneshot::Sender<Result<(), PipelineError>>>,
    stopping: bool,
    failures: Failures,
    watch: Watch,
}

/// What a drain needs to know; cloned into each.
#[derive(Clone)]
struct Drain {
    commands: Commands,
    routers: Arc<[RouterPort]>,
    offsets: Addr<OffsetActor>,
    log: Logger,
}

impl ConsumerActor {
    pub(crate) fn new(
        commands: Commands,
        routers: Vec<RouterPort>,
        offsets: Addr<OffsetActor>,
        revoke_deadline: Duration,
        ended: oneshot::Sender<Result<(), PipelineError>>,
        failures: &Failures,
        log: Logger,
    ) -> Self {
        Self {
            drain: Drain { commands, routers: routers.into(), offsets, log },
            revoke_deadline,
            thread: None,
            ended: Some(ended),
            stopping: false,
            failures: failures.clone(),
            watch: failures.watch("the ConsumerActor"),
        }
    }

    pub(crate) fn owns(&mut self, thread: JoinHandle<()>) {
        self.thread = Some(thread);
    }

    /// Ends without the poll thread, which is still closing the consumer.
    fn abandon(&mut self, context: &mut Context<Self>) {
        let Some(reply) = self.ended.take() else { return };
        warn!(self.drain.log, "no broker answers: ended without leaving the group, which notices \
            when the session times out"; "after" => ?CLOSING);
        let _ = reply.send(Ok(()));
        self.watch.relieve();
        context.stop();
    }
}

impl Drain {
    /// Lets go of stays; true if they were empty before the deadline, false if requests had to be
    /// cancelled.
    async fn release(&self, which: Which, queued: Queued, deadline: Duration) -> bool {
        let released = self.routers.iter().map(|router| {
            let (reply, released) = oneshot::channel();
            router.release.do_send(Release { which: which.clone(), queued, reply });
            released
        });
        // A router that is gone has let go of everything; its end is reported elsewhere.
        let mut all = std::pin::pin!(join_all(released));
        if timeout(deadline, &mut all).await.is_ok() {
            return true;
        }
        warn!(self.log, "deadline of the drain passed: requests under way are cancelled and their \
            records are sent again later"; "deadline" => ?deadline);
        for router in self.routers.iter() {
            router.cancel.do_send(Cancel { which: which.clone() });
        }
        let _ = timeout(CANCELLING, &mut all).await;
        false
    }

    /// Commits what these stays settled; says so where the broker did not take it.
    async fn commit(&self, epochs: &[Epoch]) {
        let (reply, committed) = oneshot::channel();
        self.offsets.do_send(CommitNow { epochs: epochs.to_vec(), reply });
        match timeout(LAST_COMMIT, committed).await {
            Ok(Ok(true)) => {}
            Ok(_) => warn!(
                self.log,
                "the last commit was refused: what was settled since the one \
                before is sent again by whoever has the partitions next"
            ),
            Err(_) => warn!(self.log, "the last commit was not answered in time: what was settled \
                since the one before may be sent again"; "after" => ?LAST_COMMIT),
        }
    }

    async fn revoke(self, epochs: Vec<Epoch>, deadline: Duration) {
        self.release(Which::Some(epochs.clone()), Queued::LetGo, deadline).await;
        self.commit(&epochs).await;
        self.commands.send(Command::GiveUp(epochs));
    }

    async fn stop(self, queued: Queued, deadline: Duration) {
        let (reply, stopped) = oneshot::channel();
        self.commands.send(Command::StopIntake(reply));
        // Gone: the poll thread has ended, and says why itself.
        let epochs = stopped.await.unwrap_or_default();
        let in_time = self.release(Which::All, queued, deadline).await;
        self.commit(&epochs).await;
        info!(self.log, "drained: leaving the group"; "in_time" => in_time);
        self.commands.send(Command::Leave);
    }
}

impl Actor for ConsumerActor {
    type Context = Context<Self>;
}

impl Handler<Revoking> for ConsumerActor {
    type Result = ();

    fn handle(&mut self, revoking: Revoking, context: &mut Context<Self>) {
        let revoke = self.drain.clone().revoke(revoking.0, self.revoke_deadline);
        context.spawn(revoke.into_actor(self));
    }
}

impl Handler<Lost> for ConsumerActor {
    type Result = ();

    /// What is queued goes; what is under way ends by itself, and its lanes wait for that.
    fn handle(&mut self, lost: Lost, _: &mut Context<Self>) {
        for router in self.drain.routers.iter() {
            let (reply, _) = oneshot::channel();
            let which = Which::Some(lost.0.clone());
            router.release.do_send(Release { which, queued: Queued::LetGo, reply });
        }
    }
}

impl Handler<Pause> for ConsumerActor {
    type Result = ();

    fn handle(&mut self, pause: Pause, _: &mut Context<Self>) {
        self.drain.commands.send(Command::Pause(pause.0));
        for router in self.drain.routers.iter() {
            router.pause.do_send(SetPaused(pause.0));
        }
    }
}

impl Handler<Stop> for ConsumerActor {
    type Result = ();

    fn handle(&mut self, stop: Stop, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.stopping, true) {
            // A second stop asks for less patience than the first; a second drain for the same.
            if stop.queued == Queued::LetGo {
                for router in self.drain.routers.iter() {
                    router.cancel.do_send(Cancel { which: Which::All });
                }
            }
            return;
        }
        let stop = self.drain.clone().stop(stop.queued, stop.deadline);
        context.spawn(stop.into_actor(self).map(|(), _, context| {
            context.run_later(CLOSING, Self::abandon);
        }));
    }
}

impl Handler<PollEnded> for ConsumerActor {
    type Result = ();

    fn handle(&mut self, ended: PollEnded, context: &mut Context<Self>) {
        if let Some(thread) = self.thread.take() {
            // It has nothing left to do but return.
            let _ = thread.join();
        }
        if let Err(error) = &ended.0 {
            self.failures.fail(error.clone());
        }
        if let Some(reply) = self.ended.take() {
            let _ = reply.send(ended.0);
        }
        self.watch.relieve();
        context.stop();
    }
}
