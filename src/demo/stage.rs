//! Everything that runs in a demo, and the loop that watches over it and says how it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_rt::task::spawn_blocking;
use actix_rt::time::sleep;
use awc::Client;

use super::broker::{Broker, OnRecord};
use super::child::{Launch, Process};
use super::load::{Load, Order, Written};
use super::metrics::Metrics;
use super::plan::Plan;
use super::pulse::{Pulse, Standing};
use super::report;
use super::screen::Screen;
use super::trouble::Trouble;
use super::witness::Witness;

/// Between two looks at how things stand.
const LOOK: Duration = Duration::from_millis(5);

/// Without a delivery for so long the demo gives up.
const STALL: Duration = Duration::from_secs(30);

/// About how long the demo takes where it goes by time.
const WHOLE: Duration = Duration::from_secs(16);

/// What runs. It goes down in this order: the process first.
pub struct Stage {
    /// `keyway run`, while there is one.
    pub process: Option<Process>,
    /// The load, until all is written.
    pub load: Option<Load>,
    /// How many records it wrote in the end.
    pub written: Option<u64>,
    /// Who knows what was delivered.
    pub witness: Witness,
    /// How the process is started.
    pub launch: Launch,
    /// The broker.
    pub broker: Broker,
    /// What the run is to be.
    pub plan: Plan,
    /// Where things are said.
    pub screen: Screen,
    /// When the demo began.
    pub opened: Instant,
    /// Records delivered.
    pub delivered: Arc<AtomicU64>,
    /// What the lines are made of.
    pub pulse: Pulse,
    client: Client,
    asked: Instant,
}

impl Stage {
    /// Starts all but the process, and says what is there.
    ///
    /// # Errors
    /// Something cannot be started.
    pub fn open(plan: Plan, mut screen: Screen, opened: Instant) -> Result<Self, Trouble> {
        let broker = Broker::start().map_err(Trouble::Broker)?;
        let delivered = Arc::new(AtomicU64::new(0));
        let (witness, url) = Witness::new(&plan.target, opened, &delivered)?;
        let launch = Plan::launch(broker.address(), &url);
        screen.say(&report::opening(&plan, broker.address(), &url, &launch));
        let order = Order {
            address: broker.address().to_owned(),
            keys: plan.keys,
            records: plan.records,
            ahead: plan.ahead(),
            opened,
            delivered: Arc::clone(&delivered),
        };
        Ok(Self {
            process: None,
            load: Some(Load::start(order).map_err(Trouble::Load)?),
            written: None,
            witness,
            launch,
            broker,
            plan,
            screen,
            opened,
            delivered,
            pulse: Pulse::new(),
            client: Client::default(),
            asked: opened,
        })
    }

    /// Records delivered so far.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Records written so far.
    pub fn written(&self) -> u64 {
        self.written.or_else(|| self.load.as_ref().map(Load::written)).unwrap_or_default()
    }

    /// Requests without an answer.
    pub fn in_flight(&self) -> u64 {
        self.witness.in_flight(self.pulse.metrics())
    }

    /// What Kafka has on record for the group.
    ///
    /// # Errors
    /// The broker does not say it.
    pub async fn on_record(&self) -> Result<OnRecord, Trouble> {
        let address = self.broker.address().to_owned();
        let read = spawn_blocking(move || OnRecord::read(&address)).await;
        read.map_err(|_| Trouble::Own)?.map_err(Trouble::Record)
    }

    /// Ends the load and waits until the broker has everything.
    ///
    /// # Errors
    /// A record could not be written.
    pub async fn finish_load(&mut self) -> Result<Written, Trouble> {
        let Some(load) = self.load.take() else { return Ok(Written::default()) };
        let finished = spawn_blocking(move || load.finish()).await;
        let written = finished.map_err(|_| Trouble::Own)?.map_err(Trouble::Write)?;
        self.written = Some(written.count);
        Ok(written)
    }

    /// Lets things go on, line by line, until it is enough. Says whether it is: not where nothing
    /// was delivered for a long time.
    ///
    /// # Errors
    /// Something that should be running is not.
    pub async fn watch(
        &mut self,
        what: &str,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<bool, Trouble> {
        while !enough(self) {
            sleep(LOOK).await;
            self.check().await?;
            self.ask().await;
            self.pulse.look(self.delivered());
            self.show_progress(what);
            if self.pulse.line_is_due() {
                self.say_line();
            }
            if self.process.is_some() && self.pulse.still_for() > STALL {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same, where there is no going on without.
    ///
    /// # Errors
    /// Also where nothing was delivered for a long time.
    pub async fn watch_until(&mut self, enough: impl Fn(&Self) -> bool) -> Result<(), Trouble> {
        if self.watch("delivering", enough).await? {
            return Ok(());
        }
        let mut last = vec![format!("{} requests are in flight", self.in_flight())];
        let told = [("keyway_requests_total", "class"), ("keyway_retries_total", "reason")];
        for (name, label) in told {
            let counts = self.pulse.metrics().by(name, label);
            let lines =
                counts.iter().map(|(value, count)| format!("{name} {label}={value}: {count}"));
            last.extend(lines);
        }
        last.extend(self.process.iter().flat_map(Process::last_lines));
        Err(Trouble::Stalled { seconds: STALL.as_secs(), last })
    }

    /// Whether all that should be running is.
    async fn check(&mut self) -> Result<(), Trouble> {
        if self.screen.gone() {
            return Err(Trouble::Unread);
        }
        if let Some(process) = &mut self.process
            && let Some(status) = process.ended().await.map_err(Trouble::Process)?
        {
            let last = process.last_lines();
            return Err(Trouble::Ended { status, last });
        }
        let complete = self.plan.records.is_some_and(|records| self.written() >= records);
        if !complete && let Some(load) = self.load.take_if(|load| load.ended()) {
            return Err(load.finish().err().map_or(Trouble::Own, Trouble::Write));
        }
        Ok(())
    }

    /// Asks the process for its metrics, when it is time.
    async fn ask(&mut self) {
        if self.asked.elapsed() < self.witness.ask_every() {
            return;
        }
        let Some(api) = self.process.as_ref().and_then(Process::api) else { return };
        self.asked = Instant::now();
        let Some(metrics) = Metrics::ask(&self.client, api).await else { return };
        if let Some(delivered) = self.witness.delivered(&metrics) {
            self.delivered.store(delivered, Ordering::Relaxed);
        }
        self.pulse.heard(metrics);
    }

    fn show_progress(&self, what: &str) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (done, whole) = match self.plan.records {
            Some(records) => (self.delivered(), records),
            None => (millis(self.opened.elapsed()), millis(WHOLE)),
        };
        self.screen.progress(done, whole, what);
    }

    /// Says how things stand.
    pub fn say_line(&mut self) {
        let standing = Standing {
            delivered: self.delivered(),
            written: self.written(),
            in_flight: self.in_flight(),
            times: self.witness.times(self.pulse.metrics()),
            alive: self.process.is_some(),
        };
        let line = self.pulse.line(&standing);
        self.screen.say_at(&line);
    }
}
