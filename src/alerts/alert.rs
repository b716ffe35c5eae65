//! One alert as a state machine: looks at pipelines go in, messages come out. It knows neither the
//! clock nor the network.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyway_actors::Status;
use keyway_actors::core::Moment;

use super::kind::AlertKind;
use super::outbox::Outbox;
use super::settings::AlertSettings;
use super::text::Message;
use super::watch::{Limits, Watch};

/// One alert: what it watches, and what is still to be told.
#[derive(Debug)]
pub(super) struct Alert {
    on: BTreeSet<AlertKind>,
    limits: Limits,
    host: Arc<str>,
    /// By the place of the pipeline among the statuses, which is always the same.
    watches: Vec<(Arc<str>, Watch)>,
    outbox: Outbox,
}

impl Alert {
    /// An alert on this host.
    pub(super) fn new(settings: &AlertSettings, host: Arc<str>) -> Self {
        Self {
            on: settings.on.iter().copied().collect(),
            limits: Limits { parked: settings.parked_longer_than, lag: settings.lag_older_than },
            host,
            watches: Vec::new(),
            outbox: Outbox::new(settings.every),
        }
    }

    /// Takes a look at the pipelines: at all of them, and in the same order each time.
    pub(super) fn look(&mut self, pipelines: &[Status], now: Moment) {
        for status in pipelines.iter().skip(self.watches.len()) {
            self.watches.push((status.name.as_str().into(), Watch::default()));
        }
        for ((name, watch), status) in self.watches.iter_mut().zip(pipelines) {
            let events = watch.look(status, self.limits, now);
            for event in events.into_iter().filter(|event| self.on.contains(&event.kind)) {
                self.outbox.add(name, event, now);
            }
        }
    }

    /// The next message, if one is due and none under way. [`arrived`](Self::arrived) or
    /// [`failed`](Self::failed) is to follow.
    pub(super) fn next(&mut self, now: Moment) -> Option<Message> {
        let (topic, group) = self.outbox.next(now)?;
        Some(Message::of(topic, group, self.limits, &self.host, now))
    }

    /// The next message, due or not: for the end of the process.
    pub(super) fn last(&mut self, now: Moment) -> Option<Message> {
        let (topic, group) = self.outbox.last()?;
        Some(Message::of(topic, group, self.limits, &self.host, now))
    }

    /// The message under way arrived. Says how many failed before it.
    pub(super) fn arrived(&mut self, now: Moment) -> u32 {
        self.outbox.arrived(now)
    }

    /// The message under way did not arrive, and is kept; the webhook asked to be left alone for so
    /// long. Says how many have failed since the last that arrived.
    pub(super) fn failed(&mut self, asked: Option<Duration>, now: Moment) -> u32 {
        self.outbox.failed(asked, now)
    }

    /// How many messages there still are.
    pub(super) fn untold(&self) -> usize {
        self.outbox.untold()
    }
}
