//! SenderActor: makes the deliveries it is given, one at a time.
//!
//! Its mailbox is processed in strict order: while a delivery is under way nothing else is looked
//! at. When it is done it takes the next ready one from the arbiter's dispatcher, and goes back to
//! its mailbox when there is none.

use std::rc::Rc;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, WrapFuture};
use futures_util::future::{self, Either};

use crate::core::lanes::Delivery;
use crate::dispatcher::{Call, Round, Shared};
use crate::ending::Watch;
use crate::message::{Deliver, Shutdown};
use crate::record::Record;
use crate::sink::Sink;

/// Deliveries made in a row before others on the arbiter get their turn. A sink without I/O would
/// otherwise keep the thread to itself.
const TURN: u32 = 64;

/// See the head of this file.
pub struct SenderActor<S> {
    index: usize,
    sink: Rc<S>,
    dispatcher: Shared,
    call: Rc<Call>,
    watch: Watch,
}

impl<S: Sink> SenderActor<S> {
    /// A sender that the dispatcher knows by this index, and calls on in this way.
    pub(crate) fn new(
        (index, call): (usize, Rc<Call>),
        sink: Rc<S>,
        dispatcher: Shared,
        watch: Watch,
    ) -> Self {
        Self { index, sink, dispatcher, call, watch }
    }
}

impl<S: Sink> Actor for SenderActor<S> {
    type Context = Context<Self>;
}

impl<S: Sink> Handler<Deliver> for SenderActor<S> {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, context: &mut Context<Self>) {
        let (sink, dispatcher) = (Rc::clone(&self.sink), Rc::clone(&self.dispatcher));
        let work = work(self.index, sink, dispatcher, Rc::clone(&self.call), deliver.0);
        context.wait(work.into_actor(self));
    }
}

async fn work<S: Sink>(
    index: usize,
    sink: Rc<S>,
    dispatcher: Shared,
    call: Rc<Call>,
    mut delivery: Delivery<Record>,
) {
    for turn in 1_u32.. {
        let outcomes = {
            let tell = |round: &Round| dispatcher.borrow().tell(round, index, &delivery);
            let cancelled = std::pin::pin!(call.cancelled(tell));
            let attempt = std::pin::pin!(sink.deliver(&delivery));
            // The cancellation first: what was cancelled before it began is not begun, and who asked
            // is told before it can end.
            match future::select(cancelled, attempt).await {
                Either::Right((outcomes, _)) => Some(outcomes),
                Either::Left(_) => None,
            }
        };
        let next = match outcomes {
            Some(outcomes) => dispatcher.borrow_mut().conclude(index, delivery, outcomes),
            None => dispatcher.borrow_mut().abandon(index, delivery),
        };
        match next {
            Some(next) => delivery = next,
            None => return,
        }
        if turn % TURN == 0 {
            actix_rt::task::yield_now().await;
        }
    }
}

impl<S: Sink> Handler<Shutdown> for SenderActor<S> {
    type Result = ();

    fn handle(&mut self, _: Shutdown, context: &mut Context<Self>) {
        self.watch.relieve();
        context.stop();
    }
}
