//! The task against webhooks that fail in every way. Its clock is a second further at each look, so
//! that minutes pass without being waited for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix_rt::task::JoinHandle;
use keyway_actors::{PipelineError, Status};
use slog::{Logger, o};
use tokio::sync::oneshot;

use super::super::alert::Alert;
use super::super::settings::{AlertSettings, WebhookUrl};
use super::super::template::Template;
use super::super::webhook::{Surroundings, Webhook};
use super::server::{Answer, Server};
use super::{at, status};
use crate::logging::kept::Kept;

/// An alert at work, about one pipeline whose status the test says.
struct Work {
    status: Rc<RefCell<Status>>,
    looks: Rc<Cell<u64>>,
    log: Kept,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Work {
    fn start(url: &str, change: impl FnOnce(&mut AlertSettings)) -> Self {
        Self::start_with(url, Duration::from_secs(2), change)
    }

    fn start_with(
        url: &str,
        last_words: Duration,
        change: impl FnOnce(&mut AlertSettings),
    ) -> Self {
        let url = WebhookUrl::parse(url).unwrap().within(Duration::from_millis(50));
        let mut settings = AlertSettings::new(url.clone());
        change(&mut settings);
        let alert = Alert::new(&settings, "h1".into());
        let kept = Kept::default();
        let log = Logger::root(kept.clone(), o!());
        let webhook = Webhook::new(alert, url, settings.template, "h1".to_owned(), log);
        let (status, looks) = (Rc::new(RefCell::new(status("orders"))), Rc::new(Cell::new(0)));
        let (shown, looked, time) = (Rc::clone(&status), Rc::clone(&looks), Rc::clone(&looks));
        let around = Surroundings {
            look: move || {
                looked.set(looked.get() + 1);
                vec![shown.borrow().clone()]
            },
            clock: move || at(time.get()),
            tick: Duration::from_millis(1),
            last_words,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = actix_rt::spawn(webhook.tell(around, stopped));
        Self { status, looks, log: kept, stop: Some(stop), task }
    }

    fn exhausted(&self, count: u64) {
        self.status.borrow_mut().totals.exhausted += count;
    }

    /// Waits until the pipeline was looked at so often again.
    async fn looked(&self, count: u64) {
        let until = self.looks.get() + count;
        while self.looks.get() < until {
            tokio::task::yield_now().await;
        }
    }

    async fn finish(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }
}

/// The count that a message of exhausted records tells.
fn count(body: &str) -> u64 {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let text = body["text"].as_str().unwrap();
    let (_, rest) = text.split_once("keyway on h1, pipeline orders: ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[actix_rt::test]
async fn a_message_is_what_slack_takes() {
    let server = Server::start(|_| Answer::Status(200));
    let work = Work::start(&server.url(), |_| ());
    work.exhausted(3);
    server.arrived(1).await;
    work.finish().await;
    let [body] = &server.bodies()[..] else { panic!("{:?}", server.bodies()) };
    assert!(
        body.starts_with(r#"{"text":"keyway on h1, pipeline orders: 3 records used up"#),
        "{body}"
    );
}

#[actix_rt::test]
async fn a_template_makes_the_body() {
    let server = Server::start(|_| Answer::Status(204));
    let work = Work::start(&server.url(), |settings| {
        let source = r#"{"what": {{ kind | tojson }}, "n": {{ count }}}"#;
        settings.template = Some(Template::compile(source).unwrap());
    });
    work.exhausted(3);
    server.arrived(1).await;
    work.finish().await;
    assert_eq!(server.bodies(), [r#"{"what": "exhausted", "n": 3}"#]);
}

#[actix_rt::test]
async fn what_happens_within_a_minute_is_one_message() {
    let server = Server::start(|_| Answer::Status(200));
    let work = Work::start(&server.url(), |_| ());
    work.exhausted(1);
    server.arrived(1).await;
    for _ in 0..20 {
        work.exhausted(1);
        work.looked(1).await;
    }
    server.arrived(2).await;
    work.finish().await;
    let counts: Vec<_> = server.bodies().iter().map(|body| count(body)).collect();
    assert_eq!(counts.iter().sum::<u64>(), 21);
    assert!(counts.len() <= 3, "{counts:?}");
}

/// Has events happen while the webhook fails, and says what the first message that it took counts.
async fn told_after(failures: usize, failure: Answer) {
    let server =
        Server::start(move |number| if number < failures { failure } else { Answer::Status(200) });
    let work = Work::start(&server.url(), |_| ());
    work.exhausted(1);
    for request in 1..=failures {
        server.arrived(request).await;
        work.exhausted(1);
        // It goes on looking, whatever the webhook does.
        work.looked(2).await;
    }
    server.arrived(failures + 1).await;
    work.finish().await;
    let counts: Vec<_> = server.bodies()[failures..].iter().map(|body| count(body)).collect();
    assert_eq!(counts.iter().sum::<u64>(), failures as u64 + 1, "{counts:?}");
}

#[actix_rt::test]
async fn a_webhook_that_refuses_loses_no_counts() {
    for status in [302, 404, 429, 500] {
        told_after(4, Answer::Status(status)).await;
    }
}

#[actix_rt::test]
async fn a_webhook_that_hangs_loses_no_counts() {
    told_after(2, Answer::Hang).await;
}

#[actix_rt::test]
async fn a_webhook_that_is_not_there_is_told_once_it_is() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let work = Work::start(&format!("http://{free}/hush"), |_| ());
    work.exhausted(2);
    work.looked(20).await;
    work.exhausted(3);
    work.looked(20).await;
    let server = Server::at(free, |_| Answer::Status(200));
    server.arrived(1).await;
    work.finish().await;
    let told: u64 = server.bodies().iter().map(|body| count(body)).sum();
    assert_eq!(told, 5);
}

#[actix_rt::test]
async fn failures_are_logged_now_and_then_and_without_the_secret() {
    let server = Server::start(|number| Answer::Status(if number < 9 { 500 } else { 200 }));
    let work = Work::start(&server.url(), |_| ());
    work.exhausted(1);
    server.arrived(10).await;
    let log = work.log.clone();
    work.finish().await;
    let lines = log.lines();
    let failed: Vec<_> = lines.iter().filter(|line| line.contains("did not arrive")).collect();
    assert_eq!(failed.len(), 4, "the first, the second, the fourth and the eighth: {lines:?}");
    assert!(failed[3].contains(" failed=8 ") && failed[3].contains(" error=500 "), "{lines:?}");
    assert!(lines[4].contains("alerts arrive again") && lines[4].contains(" failed=9 "));
    assert!(lines.iter().all(|line| line.contains(" alert=http://127.0.0.1:")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("hush")), "{lines:?}");
}

#[actix_rt::test]
async fn a_pipeline_that_stopped_is_told_of_before_the_end() {
    for failure in [None, Some(Answer::Status(503)), Some(Answer::Hang)] {
        let server = Server::start(move |number| match failure {
            Some(failure) if number == 0 => failure,
            _ => Answer::Status(200),
        });
        let work = Work::start(&server.url(), |_| ());
        work.looked(2).await;
        work.status.borrow_mut().failure = Some(PipelineError::Kafka("gone".to_owned()));
        work.finish().await;
        let bodies = server.bodies();
        assert_eq!(bodies.len(), 1 + usize::from(failure.is_some()));
        assert!(
            bodies.iter().all(|body| body.contains("stopped on an error: kafka")),
            "{bodies:?}"
        );
    }
}

#[actix_rt::test]
async fn the_end_does_not_wait_for_a_webhook_that_never_answers() {
    for answer in [Answer::Hang, Answer::Status(500)] {
        let server = Server::start(move |_| answer);
        let work = Work::start_with(&server.url(), Duration::from_millis(10), |_| ());
        work.exhausted(1);
        server.arrived(1).await;
        let log = work.log.clone();
        work.finish().await;
        let last = log.lines().pop().unwrap();
        assert!(last.contains("untold at the end") && last.contains(" messages=1 "), "{last}");
    }
}
