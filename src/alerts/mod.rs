//! Alerts: what goes wrong in the pipelines, told to a webhook.
//!
//! Nothing of it is in the way of a record. Each alert has a task of its own that looks at what the
//! handles tell, once a second, and posts at most one message of a kind and pipeline in its time;
//! what happens meanwhile is in the next one, counted. A webhook that fails loses nothing and holds
//! up nothing.
//!
//! From a look to a message: [`watch`] finds out what happened ([`condition`] and [`lag`] what
//! lasts), [`outbox`] groups it and lets it out, [`text`] and [`template`] say it, [`webhook`] sends
//! it. All but the last are plain state machines.

mod alert;
mod condition;
mod event;
mod kind;
mod lag;
mod outbox;
mod settings;
mod template;
mod text;
mod watch;
mod webhook;

use std::time::Instant;

use actix_rt::task::JoinHandle;
use futures_util::future::join_all;
use keyway_actors::Handles;
use keyway_actors::core::Moment;
use slog::Logger;
use tokio::sync::watch::Sender;

pub use self::kind::AlertKind;
pub use self::settings::{AlertSettings, WebhookUrl};
pub use self::template::Template;

use self::alert::Alert;
use self::webhook::{LAST_WORDS, Surroundings, TICK, Webhook};

/// The alerts at work.
#[must_use = "what is untold at the end is told by `finish`"]
pub struct Alerts {
    stop: Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Watches these pipelines. To be called within an actix system, before they are started: what they
/// have counted since then is told of.
pub fn start(settings: &[AlertSettings], pipelines: &Handles, log: &Logger) -> Alerts {
    let (stop, started) = (Sender::new(false), Instant::now());
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let tasks = settings.iter().map(|it| {
        let alert = Alert::new(it, name.as_str().into());
        let (url, template) = (it.url.clone(), it.template.clone());
        let webhook = Webhook::new(alert, url, template, name.clone(), log.clone());
        let pipelines = pipelines.clone();
        let around = Surroundings {
            look: move || pipelines.statuses(),
            clock: move || Moment(started.elapsed()),
            tick: TICK,
            last_words: LAST_WORDS,
        };
        let mut stopped = stop.subscribe();
        // Without its sender it is the end too.
        actix_rt::spawn(webhook.tell(around, async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        }))
    });
    let tasks = tasks.collect();
    Alerts { stop, tasks }
}

impl Alerts {
    /// Tells what is untold, for two seconds at the most, and ends. To be called when the pipelines
    /// have ended, so that how they did is told too.
    pub async fn finish(self) {
        self.stop.send_replace(true);
        // One that panicked said so, and has nothing to tell any more.
        join_all(self.tasks).await;
    }
}

#[cfg(test)]
mod tests;
