//! Tells one webhook: looks at the pipelines once a second and posts what there is to say, one
//! request at a time.
//!
//! It runs beside the API, on the main thread, and asks no actor for anything. A webhook that
//! refuses, hangs or is not there costs a request every minute and a line in the log now and then;
//! what it was to be told waits in its groups.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use keyway_actors::core::Moment;
use keyway_actors::sink::http::{HttpSettings, post_once};
use keyway_actors::{Failure, FailureKind, Outcome, Status};
use slog::{Logger, info, warn};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::alert::Alert;
use super::settings::WebhookUrl;
use super::template::Template;
use super::text::Message;

/// How often the pipelines are looked at.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How long what is untold is tried for at the end of the process.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// The pause after a message that did not arrive, at the end.
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// Where the task has its looks and its time from, and its patience.
pub(super) struct Surroundings<L, C> {
    pub(super) look: L,
    pub(super) clock: C,
    pub(super) tick: Duration,
    pub(super) last_words: Duration,
}

/// A webhook and what it is to be told.
pub(super) struct Webhook {
    alert: Alert,
    url: WebhookUrl,
    template: Option<Template>,
    host: String,
    under_way: Option<Pin<Box<dyn Future<Output = Outcome>>>>,
    log: Logger,
}

impl Webhook {
    pub(super) fn new(
        alert: Alert,
        url: WebhookUrl,
        template: Option<Template>,
        host: String,
        log: Logger,
    ) -> Self {
        Self { alert, url, template, host, under_way: None, log }
    }

    /// Tells until `stop` is there, and then what is left.
    pub(super) async fn tell<L, C>(mut self, around: Surroundings<L, C>, stop: impl Future)
    where
        L: Fn() -> Vec<Status>,
        C: Fn() -> Moment,
    {
        let Surroundings { look, clock, tick, last_words } = around;
        let mut ticks = interval(tick);
        // After a halt of the whole process one look is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                outcome = ended(&mut self.under_way) => {
                    self.conclude(outcome, clock());
                }
                _ = ticks.tick() => self.alert.look(&look(), clock()),
            }
            if self.under_way.is_none()
                && let Some(message) = self.alert.next(clock())
            {
                self.post(&message);
            }
        }
        self.alert.look(&look(), clock());
        // Whether all was told or the time is up, what is left says it.
        let _ = timeout(last_words, self.tell_the_rest(&clock)).await;
        let untold = self.alert.untold();
        if untold > 0 {
            warn!(self.log, "alerts left untold at the end";
                "alert" => %self.url, "messages" => untold);
        }
    }

    async fn tell_the_rest(&mut self, clock: &impl Fn() -> Moment) {
        loop {
            if self.under_way.is_some() {
                let outcome = ended(&mut self.under_way).await;
                if !self.conclude(outcome, clock()) {
                    sleep(LAST_PAUSE).await;
                }
            }
            match self.alert.last(clock()) {
                Some(message) => self.post(&message),
                None => return,
            }
        }
    }

    /// Sets a message on its way.
    fn post(&mut self, message: &Message) {
        let body = match &self.template {
            None => Ok(serde_json::json!({ "text": message.text }).to_string()),
            Some(template) => template.render(message, &self.host),
        };
        let http: HttpSettings = self.url.http().clone();
        self.under_way = Some(Box::pin(async move {
            match body {
                Ok(body) => post_once(&http, body).await,
                Err(error) => {
                    let reason = format!("template, {error}");
                    Outcome::rejected(Failure::new(FailureKind::Unsendable, reason))
                }
            }
        }));
    }

    /// Says whether the message arrived.
    fn conclude(&mut self, outcome: Outcome, now: Moment) -> bool {
        let (asked, failure) = match outcome {
            Outcome::Delivered => {
                let failed = self.alert.arrived(now);
                if failed > 0 {
                    info!(self.log, "alerts arrive again"; "alert" => %self.url, "failed" => failed);
                }
                return true;
            }
            Outcome::Retry { after, failure } => (after, failure),
            Outcome::Rejected(failure) => (None, failure),
        };
        let failed = self.alert.failed(asked, now);
        // The first in a row, the second, the fourth, the eighth and so on.
        if failed.is_power_of_two() {
            warn!(self.log, "an alert did not arrive; it is kept and tried again";
                "alert" => %self.url, "failed" => failed, "error" => %failure.reason);
        }
        false
    }
}

/// What became of the request under way; without one there is nothing to wait for.
async fn ended(under_way: &mut Option<Pin<Box<dyn Future<Output = Outcome>>>>) -> Outcome {
    let outcome = match under_way {
        Some(request) => request.await,
        None => pending().await,
    };
    *under_way = None;
    outcome
}
