//! Emptying a pipeline, or some of its partitions, from the source to the sink.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_rt::time::{sleep, timeout};
use futures_util::future::{Either, join_all, select};
use slog::{Logger, info, warn};
use tokio::sync::{oneshot, watch};

use super::{Clock, RouterPort};
use crate::core::Epoch;
use crate::core::stopping::{Manner, Stopping};
use crate::kafka::commands::Commands;
use crate::message::{Cancel, Command, CommitNow, Queued, Release, SetPaused, Which};
use crate::offsets::OffsetActor;

/// How long the last commit of partitions may take once their drain is over.
const LAST_COMMIT: Duration = Duration::from_secs(4);

/// How long cancelled requests may take to be gone: they only have to be dropped.
const CANCELLING: Duration = Duration::from_secs(1);

/// What a drain needs to know; cloned into each.
#[derive(Clone)]
pub(super) struct Drain {
    pub(super) commands: Commands,
    pub(super) routers: Arc<[RouterPort]>,
    pub(super) offsets: Addr<OffsetActor>,
    pub(super) log: Logger,
}

impl Drain {
    /// Lets go of stays; true if they were empty before the patience was over, which then says how
    /// long it was; false if requests had to be cancelled.
    async fn release(
        &self,
        which: Which,
        queued: Queued,
        patience: impl Future<Output = Duration>,
    ) -> bool {
        let all = join_all(self.ask(&which, queued));
        let patience = pin!(patience);
        // A router that is gone has let go of everything; its end is reported elsewhere.
        let (deadline, all) = match select(all, patience).await {
            Either::Left(_) => return true,
            Either::Right(over) => over,
        };
        self.cut_off(&which, deadline);
        let _ = timeout(CANCELLING, all).await;
        false
    }

    /// What is still under way of stays is cancelled: the deadline has passed.
    fn cut_off(&self, which: &Which, deadline: Duration) {
        warn!(self.log, "deadline of the drain passed: requests under way are cancelled and their \
            records are sent again later"; "deadline" => ?deadline);
        self.cancel(which);
    }

    /// Has the routers release stays; each replies when nothing of them is left there.
    fn ask(&self, which: &Which, queued: Queued) -> Vec<oneshot::Receiver<()>> {
        let ask = |router: &RouterPort| {
            let (reply, released) = oneshot::channel();
            router.release.do_send(Release { which: which.clone(), queued, reply });
            released
        };
        self.routers.iter().map(ask).collect()
    }

    /// Has the routers let go of what is queued of stays; nobody waits for what is under way.
    pub(super) fn let_go(&self, which: &Which) {
        drop(self.ask(which, Queued::LetGo));
    }

    /// Has the routers cancel what is under way of stays.
    pub(super) fn cancel(&self, which: &Which) {
        for router in self.routers.iter() {
            router.cancel.do_send(Cancel { which: which.clone() });
        }
    }

    /// Has the routers hand out deliveries, or rest.
    pub(super) fn pause(&self, pause: bool) {
        for router in self.routers.iter() {
            router.pause.do_send(SetPaused(pause));
        }
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

    pub(super) async fn revoke(self, epochs: Vec<Epoch>, deadline: Duration) {
        let patience = async {
            sleep(deadline).await;
            deadline
        };
        self.release(Which::Some(epochs.clone()), Queued::LetGo, patience).await;
        self.commit(&epochs).await;
        self.commands.send(Command::GiveUp(epochs));
    }

    /// Ends the pipeline. What is let go or cancelled because it is told to stop meanwhile is not
    /// done here: that waits for no part of the pipeline.
    pub(super) async fn stop(self, stopping: watch::Receiver<Stopping>, clock: Clock) {
        let (reply, stopped) = oneshot::channel();
        self.commands.send(Command::StopIntake { queued: queued(&stopping), reply });
        let mut patience = pin!(patience(stopping.clone(), clock));
        let (epochs, released) = match select(stopped, patience.as_mut()).await {
            Either::Left((epochs, _)) => {
                (epochs, self.release(Which::All, queued(&stopping), patience).await)
            }
            // The poll thread waits for a router to have room, or for the broker, which keeps nobody
            // from the deadline.
            Either::Right((deadline, stopped)) => {
                self.commands.send(Command::LetGo);
                self.cut_off(&Which::All, deadline);
                let epochs = stopped.await;
                let _ = timeout(CANCELLING, join_all(self.ask(&Which::All, Queued::LetGo))).await;
                (epochs, false)
            }
        };
        // Gone: the poll thread has ended, and says why itself.
        self.commit(&epochs.unwrap_or_default()).await;
        let in_time = released && stopping.borrow().manner() != Manner::Cancel;
        info!(self.log, "drained: leaving the group"; "in_time" => in_time);
        self.commands.send(Command::Leave);
    }
}

/// What becomes of what is queued, as of now.
fn queued(stopping: &watch::Receiver<Stopping>) -> Queued {
    match stopping.borrow().manner() {
        Manner::Drain => Queued::Deliver,
        Manner::Stop | Manner::Cancel => Queued::LetGo,
    }
}

/// Waits for the deadline, which may come nearer meanwhile; says how far it was from the beginning.
async fn patience(mut stopping: watch::Receiver<Stopping>, clock: Clock) -> Duration {
    loop {
        let now = *stopping.borrow_and_update();
        // Without the ConsumerActor there would be nobody to wait for.
        if !matches!(timeout(now.left(clock.now()), stopping.changed()).await, Ok(Ok(()))) {
            return now.deadline();
        }
    }
}
