//! RouterActor: one an arbiter. Takes records in, keeps them in lanes, and hands ready lanes to its
//! pool of senders.
//!
//! Its intake is a bounded channel that it reads only while it needs more, its timers run retries,
//! and everything that comes back from the senders goes through the dispatcher that they share. The
//! decisions are in [`crate::core::desk`].

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, StreamHandler};
use actix_rt::time::{Instant, Sleep, sleep_until};
use futures_util::Stream;
use std::future::Future;

use crate::dispatcher::{Dispatcher, Intake, Parts, Planner, Shared, Urls};
use crate::ending::{Failures, Watch};
use crate::explain::Inquiry;
use crate::message::{Batch, Cancel, DeadLettered, Deliver, Release, Resize, SetPaused, Shutdown};
use crate::pulse::BEAT;
use crate::sender::SenderActor;
use crate::sink::Sink;

/// See the head of this file.
pub struct RouterActor<S: Sink> {
    sink: Rc<S>,
    dispatcher: Shared,
    senders: Vec<Addr<SenderActor<S>>>,
    wanted: usize,
    failures: Failures,
    watch: Watch,
}

impl<S: Sink> RouterActor<S> {
    pub(crate) fn new(sink: S, intake: Intake, mut parts: Parts) -> Self {
        let failures = parts.failures.clone();
        let sink = Rc::new(sink);
        if let Some(pulse) = sink.pulse() {
            // It is set once, for a router is made once.
            let _ = parts.stats.sink.set(pulse);
        }
        parts.terms.only = sink.destination();
        parts.terms.several = sink.destinations() != Some(1);
        let (wanted, says, batch) = (parts.senders, (planner(&sink), urls(&sink)), sink.batch());
        Self {
            wanted,
            dispatcher: Rc::new(Dispatcher::new(parts, intake, says, batch).into()),
            sink,
            senders: Vec::new(),
            watch: failures.watch("a RouterActor"),
            failures,
        }
    }

    /// Gives idle senders what is ready.
    fn hand_out(&self) {
        loop {
            let next = self.dispatcher.borrow_mut().next_for_idle();
            let Some((sender, delivery)) = next else { return };
            self.senders[sender].do_send(Deliver(delivery));
        }
    }

    fn beat(&self) {
        self.dispatcher.borrow_mut().beat(self.sink.connections());
    }

    fn grow(&mut self) {
        while self.senders.len() < self.wanted {
            let place = self.dispatcher.borrow_mut().add_sender();
            let watch = self.failures.watch("a SenderActor");
            let (sink, dispatcher) = (Rc::clone(&self.sink), Rc::clone(&self.dispatcher));
            self.senders.push(SenderActor::new(place, sink, dispatcher, watch).start());
        }
    }
}

/// How the sink's routes are asked, where it has some.
fn planner<S: Sink>(sink: &Rc<S>) -> Option<Planner> {
    let sink = Rc::clone(sink);
    sink.is_routed().then(|| {
        let planner: Planner = Box::new(move |entry| {
            let (request, attempt) = (entry.request(), entry.attempts().saturating_add(1));
            sink.step(entry.item_mut(), request, attempt)
        });
        planner
    })
}

/// How the sink is asked where its requests go.
fn urls<S: Sink>(sink: &Rc<S>) -> Urls {
    let sink = Rc::clone(sink);
    Box::new(move |record, request| sink.url(record, request))
}

impl<S: Sink> Actor for RouterActor<S> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let reply = context.address().downgrade().recipient();
        self.dispatcher.borrow_mut().reply_to(reply);
        self.grow();
        self.beat();
        context.run_interval(BEAT, |router, _| router.beat());
        context.add_stream(Gate(Rc::clone(&self.dispatcher)));
        context.add_stream(Ticker { dispatcher: Rc::clone(&self.dispatcher), sleep: None });
    }
}

/// The intake, open while more lanes are wanted.
///
/// `Context::wait` would do for closing it, and would freeze the outcomes too.
struct Gate(Shared);

impl Stream for Gate {
    type Item = Batch;

    fn poll_next(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Batch>> {
        self.0.borrow_mut().poll_intake(context)
    }
}

impl<S: Sink> StreamHandler<Batch> for RouterActor<S> {
    fn handle(&mut self, batch: Batch, _: &mut Context<Self>) {
        self.dispatcher.borrow_mut().accept(batch);
        self.hand_out();
    }

    /// The poll thread has ended. What is here may still be delivered; the end comes by message.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

/// The router's timer.
struct Tick;

struct Ticker {
    dispatcher: Shared,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Stream for Ticker {
    type Item = Tick;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Tick>> {
        let due = self.dispatcher.borrow_mut().arm_ticker(context.waker().clone());
        let Some(due) = due.map(Instant::from_std) else {
            self.sleep = None;
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        sleep.as_mut().poll(context).map(|()| Some(Tick))
    }
}

impl<S: Sink> StreamHandler<Tick> for RouterActor<S> {
    fn handle(&mut self, _: Tick, _: &mut Context<Self>) {
        self.dispatcher.borrow_mut().tick();
        self.hand_out();
    }
}

impl<S: Sink> Handler<DeadLettered> for RouterActor<S> {
    type Result = ();

    fn handle(&mut self, answer: DeadLettered, _: &mut Context<Self>) {
        self.dispatcher.borrow_mut().dead_lettered(answer);
        self.hand_out();
    }
}

impl<S: Sink> Handler<Release> for RouterActor<S> {
    type Result = ();

    fn handle(&mut self, release: Release, _: &mut Context<Self>) {
        self.dispatcher.borrow_mut().release(release);
        self.hand_out();
    }
}

impl<S: Sink> Handler<Cancel> for RouterActor<S> {
    type Result = ();

    fn handle(&mut self, cancel: Cancel, _: &mut Context<Self>) {
        self.dispatcher.borrow_mut().cancel(&cancel.which);
        self.hand_out();
    }
}

impl<S: Sink> Handler<Inquiry> for RouterActor<S> {
    type Result = ();

    fn handle(&mut self, inquiry: Inquiry, _: &mut Context<Self>) {
        if let Some(inspect) = inquiry.open() {
            self.dispatcher.borrow().inspect(inspect);
        }
    }
}

impl<S: Sink> Handler<SetPaused> for RouterActor<S> {
    type Result = ();

    fn handle(&mut self, pause: SetPaused, _: &mut Context<Self>) {
        self.dispatcher.borrow_mut().set_paused(pause.0);
        self.hand_out();
    }
}

impl<S: Sink> Handler<Resize> for RouterActor<S> {
    type Result = ();

    fn handle(&mut self, resize: Resize, _: &mut Context<Self>) {
        self.wanted = resize.0;
        self.dispatcher.borrow_mut().resize(resize.0);
        self.grow();
        self.hand_out();
    }
}

impl<S: Sink> Handler<Shutdown> for RouterActor<S> {
    type Result = ();

    fn handle(&mut self, _: Shutdown, context: &mut Context<Self>) {
        for sender in &self.senders {
            sender.do_send(Shutdown);
        }
        self.dispatcher.borrow_mut().end(self.sink.connections());
        self.watch.relieve();
        context.stop();
    }
}
