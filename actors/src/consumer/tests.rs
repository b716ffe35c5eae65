//! Told to end, and told again, between a router and a poll thread that are made up.

use std::sync::Arc;

use actix_rt::time::timeout;
use slog::{Discard, o};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::kafka::bell::Bell;
use crate::message::Queued;

const HOUR: Duration = Duration::from_hours(1);

/// How long any wait may last before its test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the router was told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Pause(bool),
    Release(Queued),
    Cancel,
}

/// A router with requests that end only when they are cancelled.
struct Router {
    told: UnboundedSender<Told>,
    releases: Vec<Release>,
}

impl Actor for Router {
    type Context = Context<Self>;
}

impl Handler<Release> for Router {
    type Result = ();

    fn handle(&mut self, release: Release, _: &mut Context<Self>) {
        self.told.send(Told::Release(release.queued)).unwrap();
        self.releases.push(release);
    }
}

impl Handler<Cancel> for Router {
    type Result = ();

    fn handle(&mut self, _: Cancel, _: &mut Context<Self>) {
        self.told.send(Told::Cancel).unwrap();
        for release in self.releases.drain(..) {
            let _ = release.reply.send(());
        }
    }
}

impl Handler<SetPaused> for Router {
    type Result = ();

    fn handle(&mut self, pause: SetPaused, _: &mut Context<Self>) {
        self.told.send(Told::Pause(pause.0)).unwrap();
    }
}

impl Handler<Resize> for Router {
    type Result = ();

    fn handle(&mut self, _: Resize, _: &mut Context<Self>) {}
}

impl Handler<Inquiry> for Router {
    type Result = ();

    fn handle(&mut self, _: Inquiry, _: &mut Context<Self>) {}
}

impl Handler<Shutdown> for Router {
    type Result = ();

    fn handle(&mut self, _: Shutdown, _: &mut Context<Self>) {}
}

struct Story {
    consumer: Addr<ConsumerActor>,
    told: UnboundedReceiver<Told>,
    orders: UnboundedReceiver<Command>,
}

impl Story {
    fn begin() -> Self {
        let log = Logger::root(Discard, o!());
        let (commands, orders) = Commands::channel(Arc::new(Bell::default()));
        let (failures, _) = Failures::channel();
        let offsets = OffsetActor::new(
            4096,
            HOUR,
            commands.clone(),
            Arc::default(),
            log.clone(),
            failures.watch("the OffsetActor"),
        );
        let (tell, told) = unbounded_channel();
        let router = Router { told: tell, releases: Vec::new() }.start();
        let port = RouterPort {
            release: router.clone().recipient(),
            cancel: router.clone().recipient(),
            pause: router.clone().recipient(),
            resize: router.clone().recipient(),
            inspect: router.clone().recipient(),
            shutdown: router.recipient(),
        };
        let (end, _) = oneshot::channel();
        let (routers, offsets) = (vec![port], offsets.start());
        let consumer =
            ConsumerActor::new(commands, routers, offsets, HOUR, end, &failures, log).start();
        Self { consumer, told, orders }
    }

    fn tell(&self, queued: Queued, deadline: Duration) {
        self.consumer.do_send(Stop { queued, deadline });
    }

    /// The poll thread takes nothing more, and says so.
    async fn intake_stops(&mut self) {
        let Some(Command::StopIntake(reply)) = self.orders.recv().await else {
            panic!("the intake comes first")
        };
        reply.send(Vec::new()).unwrap();
    }

    /// What the router is told next.
    async fn next(&mut self) -> Told {
        timeout(PATIENCE, self.told.recv()).await.expect("nothing is told").unwrap()
    }

    async fn leaves(&mut self) {
        let order = timeout(PATIENCE, self.orders.recv()).await;
        assert!(matches!(order, Ok(Some(Command::Leave))), "{order:?}");
        assert!(self.told.try_recv().is_err(), "the router is told more");
    }
}

#[actix_rt::test]
async fn a_stop_makes_a_stop_of_a_drain_and_only_the_next_one_cancels() {
    let mut story = Story::begin();
    story.tell(Queued::Deliver, HOUR);
    story.intake_stops().await;
    assert_eq!(story.next().await, Told::Pause(false));
    assert_eq!(story.next().await, Told::Release(Queued::Deliver));
    story.tell(Queued::Deliver, HOUR);
    story.tell(Queued::LetGo, HOUR);
    story.tell(Queued::Deliver, HOUR);
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.tell(Queued::LetGo, HOUR);
    assert_eq!(story.next().await, Told::Cancel);
    story.leaves().await;
}

#[actix_rt::test]
async fn a_stop_waits_for_no_poll_thread_to_let_go_of_what_is_queued() {
    let mut story = Story::begin();
    story.tell(Queued::Deliver, HOUR);
    story.tell(Queued::LetGo, HOUR);
    assert_eq!(story.next().await, Told::Pause(false));
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.intake_stops().await;
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.tell(Queued::LetGo, HOUR);
    assert_eq!(story.next().await, Told::Cancel);
    story.leaves().await;
}

#[actix_rt::test]
async fn a_stop_with_less_patience_is_not_kept_waiting_by_the_drain() {
    let mut story = Story::begin();
    story.tell(Queued::Deliver, HOUR);
    story.intake_stops().await;
    assert_eq!(story.next().await, Told::Pause(false));
    assert_eq!(story.next().await, Told::Release(Queued::Deliver));
    story.tell(Queued::LetGo, Duration::ZERO);
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    assert_eq!(story.next().await, Told::Cancel);
    story.leaves().await;
}
