//! ConsumerActor: owns the Kafka consumer through its poll thread, and leads rebalances and the
//! stop.
//!
//! A drain goes from the source to the sink: the poll thread has stopped taking and handed over what
//! is to be delivered, the routers let go of what is queued and finish what is under way, the
//! OffsetActor commits and waits for the broker's answer, and only then are the partitions given up.

mod drain;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Recipient,
    WrapFuture,
};
use slog::{Logger, info, warn};
use tokio::sync::{oneshot, watch};

use self::drain::Drain;
use crate::core::Moment;
use crate::core::stopping::{Manner, Stopping};
use crate::ending::{Failures, Watch};
use crate::error::PipelineError;
use crate::explain::Inquiry;
use crate::kafka::commands::Commands;
use crate::message::{
    Cancel, Command, Lost, Pause, PollEnded, Release, Resize, Revoking, SetPaused, Shutdown, Stop,
    Which,
};
use crate::offsets::OffsetActor;
use crate::router::RouterActor;
use crate::sink::Sink;

/// How long closing the consumer may take. With no broker in reach, librdkafka keeps the last commit
/// until the session would have ended, which can be later than anybody who stops a process waits.
const CLOSING: Duration = Duration::from_secs(10);

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
    clock: Clock,
    /// Once it is told to end.
    stopping: Option<watch::Sender<Stopping>>,
    failures: Failures,
    watch: Watch,
}

/// Tells the time since the ConsumerActor was made.
#[derive(Clone, Copy, Debug)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> Moment {
        Moment(self.0.elapsed())
    }
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
            clock: Clock(Instant::now()),
            stopping: None,
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
        self.drain.let_go(&Which::Some(lost.0));
    }
}

impl Handler<Pause> for ConsumerActor {
    type Result = ();

    /// Nothing while it ends: what was taken in is to be delivered, or is let go.
    fn handle(&mut self, pause: Pause, _: &mut Context<Self>) {
        if self.stopping.is_some() {
            return;
        }
        self.drain.commands.send(Command::Pause(pause.0));
        self.drain.pause(pause.0);
    }
}

impl Handler<Stop> for ConsumerActor {
    type Result = ();

    fn handle(&mut self, stop: Stop, context: &mut Context<Self>) {
        let (asked, now) = (Manner::from(stop.queued), self.clock.now());
        let Some(stopping) = &self.stopping else {
            if asked == Manner::Drain {
                // What a pause held back is to be delivered too.
                self.drain.pause(false);
            } else {
                // No record is begun with any more, also while the poll thread does not answer.
                self.drain.let_go(&Which::All);
            }
            let (stopping, told) = watch::channel(Stopping::new(asked, now, stop.deadline));
            self.stopping = Some(stopping);
            let stop = self.drain.clone().stop(told, self.clock);
            context.spawn(stop.into_actor(self).map(|(), _, context| {
                context.run_later(CLOSING, Self::abandon);
            }));
            return;
        };
        let before = *stopping.borrow();
        let after = before.asked(asked, now, stop.deadline);
        if after == before {
            return;
        }
        stopping.send_replace(after);
        match after.manner() {
            Manner::Drain => {}
            Manner::Stop => {
                info!(self.drain.log, "told to stop while it drains: what is queued is let go";
                    "left" => ?after.left(now));
                self.drain.commands.send(Command::LetGo);
                self.drain.let_go(&Which::All);
            }
            Manner::Cancel => {
                warn!(self.drain.log, "told to stop once more: requests under way are cancelled and \
                    their records are sent again later"; "left" => ?after.left(now));
                self.drain.cancel(&Which::All);
            }
        }
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

#[cfg(test)]
mod tests;
