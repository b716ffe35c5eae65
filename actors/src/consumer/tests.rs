//! Told to end, and told again, between a router and a poll thread that are made up.

use std::fmt::{Arguments, Write};
use std::sync::{Arc, Mutex};

use actix::Message;
use actix_rt::time::timeout;
use slog::{KV, Key, Never, OwnedKVList, Serializer, o};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::core::Epoch;
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

/// To the router: its requests end.
#[derive(Message)]
#[rtype(result = "()")]
struct Finish;

/// A router with requests that end only when it is told so.
struct Router {
    told: UnboundedSender<Told>,
    releases: Vec<Release>,
    is_cancelled: bool,
}

impl Actor for Router {
    type Context = Context<Self>;
}

impl Router {
    fn reply(&mut self) {
        for release in self.releases.drain(..) {
            let _ = release.reply.send(());
        }
    }
}

impl Handler<Finish> for Router {
    type Result = ();

    fn handle(&mut self, _: Finish, _: &mut Context<Self>) {
        self.reply();
    }
}

impl Handler<Release> for Router {
    type Result = ();

    fn handle(&mut self, release: Release, _: &mut Context<Self>) {
        self.told.send(Told::Release(release.queued)).unwrap();
        self.releases.push(release);
        if self.is_cancelled {
            self.reply();
        }
    }
}

impl Handler<Cancel> for Router {
    type Result = ();

    fn handle(&mut self, _: Cancel, _: &mut Context<Self>) {
        self.told.send(Told::Cancel).unwrap();
        self.is_cancelled = true;
        self.reply();
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

/// What is logged: each line with its fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl slog::Drain for Lines {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &slog::Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
        let mut line = Line(record.msg().to_string());
        record.kv().serialize(record, &mut line).unwrap();
        self.0.lock().unwrap().push(line.0);
        Ok(())
    }
}

struct Line(String);

impl Serializer for Line {
    fn emit_arguments(&mut self, key: Key, value: &Arguments<'_>) -> slog::Result {
        write!(self.0, "; {key}: {value}").map_err(|_| slog::Error::Other)
    }
}

struct Story {
    lines: Lines,
    consumer: Addr<ConsumerActor>,
    router: Addr<Router>,
    told: UnboundedReceiver<Told>,
    orders: UnboundedReceiver<Command>,
}

impl Story {
    fn begin() -> Self {
        let lines = Lines::default();
        let log = Logger::root(lines.clone(), o!());
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
        let router = Router { told: tell, releases: Vec::new(), is_cancelled: false }.start();
        let port = RouterPort {
            release: router.clone().recipient(),
            cancel: router.clone().recipient(),
            pause: router.clone().recipient(),
            resize: router.clone().recipient(),
            inspect: router.clone().recipient(),
            shutdown: router.clone().recipient(),
        };
        let (end, _) = oneshot::channel();
        let (routers, offsets) = (vec![port], offsets.start());
        let consumer =
            ConsumerActor::new(commands, routers, offsets, HOUR, end, &failures, log).start();
        Self { lines, consumer, router, told, orders }
    }

    fn tell(&self, queued: Queued, deadline: Duration) {
        self.consumer.do_send(Stop { queued, deadline });
    }

    /// What the poll thread is told next.
    async fn order(&mut self) -> Command {
        timeout(PATIENCE, self.orders.recv()).await.expect("nothing is ordered").unwrap()
    }

    /// The poll thread is to stop its intake; who waits for it.
    async fn is_to_stop(&mut self, with: Queued) -> oneshot::Sender<Vec<Epoch>> {
        match self.order().await {
            Command::StopIntake { queued, reply } if queued == with => reply,
            order => panic!("the intake comes first: {order:?}"),
        }
    }

    /// The poll thread takes nothing more, and says so.
    async fn intake_stops(&mut self, with: Queued) {
        self.is_to_stop(with).await.send(Vec::new()).unwrap();
    }

    /// The poll thread is to let go of what is not with a router.
    async fn is_cut_short(&mut self) {
        let order = self.order().await;
        assert!(matches!(order, Command::LetGo), "{order:?}");
    }

    /// What the router is told next.
    async fn next(&mut self) -> Told {
        timeout(PATIENCE, self.told.recv()).await.expect("nothing is told").unwrap()
    }

    /// It leaves; said to have been in time or not.
    async fn leaves(&mut self, in_time: bool) {
        let order = self.order().await;
        assert!(matches!(order, Command::Leave), "{order:?}");
        assert!(self.told.try_recv().is_err(), "the router is told more");
        assert!(self.said(&format!("drained: leaving the group; in_time: {in_time}")));
    }

    fn said(&self, what: &str) -> bool {
        self.lines.0.lock().unwrap().iter().any(|line| line.starts_with(what))
    }
}

#[actix_rt::test]
async fn a_stop_makes_a_stop_of_a_drain_and_only_the_next_one_cancels() {
    let mut story = Story::begin();
    story.tell(Queued::Deliver, HOUR);
    story.intake_stops(Queued::Deliver).await;
    assert_eq!(story.next().await, Told::Pause(false));
    assert_eq!(story.next().await, Told::Release(Queued::Deliver));
    story.tell(Queued::Deliver, HOUR);
    story.tell(Queued::LetGo, HOUR);
    story.tell(Queued::Deliver, HOUR);
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.is_cut_short().await;
    story.tell(Queued::LetGo, HOUR);
    assert_eq!(story.next().await, Told::Cancel);
    story.leaves(false).await;
    assert!(story.said("told to stop once more: requests under way are cancelled"));
}

#[actix_rt::test]
async fn a_stop_waits_for_no_poll_thread_to_let_go_of_what_is_queued() {
    let mut story = Story::begin();
    story.tell(Queued::Deliver, HOUR);
    let stopped = story.is_to_stop(Queued::Deliver).await;
    story.tell(Queued::LetGo, HOUR);
    assert_eq!(story.next().await, Told::Pause(false));
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.is_cut_short().await;
    stopped.send(Vec::new()).unwrap();
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.tell(Queued::LetGo, HOUR);
    assert_eq!(story.next().await, Told::Cancel);
    story.leaves(false).await;
}

#[actix_rt::test]
async fn a_stop_with_less_patience_is_not_kept_waiting_by_the_drain() {
    let mut story = Story::begin();
    story.tell(Queued::Deliver, HOUR);
    story.intake_stops(Queued::Deliver).await;
    assert_eq!(story.next().await, Told::Pause(false));
    assert_eq!(story.next().await, Told::Release(Queued::Deliver));
    story.tell(Queued::LetGo, Duration::ZERO);
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.is_cut_short().await;
    assert_eq!(story.next().await, Told::Cancel);
    story.leaves(false).await;
}

#[actix_rt::test]
async fn what_is_queued_is_let_go_at_once_where_nothing_was_drained_before() {
    let mut story = Story::begin();
    story.tell(Queued::LetGo, HOUR);
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.intake_stops(Queued::LetGo).await;
    assert_eq!(story.next().await, Told::Release(Queued::LetGo));
    story.tell(Queued::LetGo, HOUR);
    assert_eq!(story.next().await, Told::Cancel);
    story.leaves(false).await;
}

#[actix_rt::test]
async fn a_deadline_waits_for_no_poll_thread() {
    for queued in [Queued::LetGo, Queued::Deliver] {
        let mut story = Story::begin();
        story.tell(queued, Duration::ZERO);
        let first = match queued {
            Queued::LetGo => Told::Release(Queued::LetGo),
            Queued::Deliver => Told::Pause(false),
        };
        assert_eq!(story.next().await, first);
        assert_eq!(story.next().await, Told::Cancel);
        let stopped = story.is_to_stop(queued).await;
        story.is_cut_short().await;
        stopped.send(Vec::new()).unwrap();
        assert_eq!(story.next().await, Told::Release(Queued::LetGo));
        story.leaves(false).await;
        assert!(story.said("deadline of the drain passed"));
    }
}

#[actix_rt::test]
async fn a_pause_does_not_hold_up_what_a_drain_delivers() {
    let mut story = Story::begin();
    story.tell(Queued::Deliver, HOUR);
    story.consumer.do_send(Pause(true));
    assert_eq!(story.next().await, Told::Pause(false));
    story.intake_stops(Queued::Deliver).await;
    assert_eq!(story.next().await, Told::Release(Queued::Deliver));
    story.router.do_send(Finish);
    story.leaves(true).await;
}
