//! Runs the cases: all arms in turn, round after round, so that what else happens on the machine
//! happens to all of them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::broker::Broker;
use crate::case::{Arm, Case};
use crate::control::Control;
use crate::direct::Direct;
use crate::endpoint::{Stats, Work};
use crate::load;
use crate::process::{Measured, Usage};
use crate::programs::Programs;

/// A run may take this long before it counts as stuck.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often the endpoint is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What one arm did in one round.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub arm: Arm,
    pub round: usize,
    /// Requests a second, from the first to the last.
    pub throughput: f64,
    /// CPU time of the deliverer's process for each request, in microseconds.
    pub cpu: f64,
    /// The most memory that was resident, in bytes.
    pub peak_memory: u64,
    /// From the start of the process to its first request, in seconds.
    pub started_in: f64,
    pub endpoint: Stats,
}

/// What all arms did in a case.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub case: Case,
    pub runs: Vec<Run>,
    pub left_out: Vec<(Arm, String)>,
}

pub struct Suite {
    broker: Broker,
    endpoint: Measured,
    control: Control,
    programs: Programs,
    topics: usize,
    groups: usize,
}

impl Suite {
    pub fn start(programs: Programs, jars: &Path) -> anyhow::Result<Self> {
        let (endpoint, control) = Control::start(&programs.binaries)?;
        let broker = Broker::start(jars)?;
        Ok(Self { broker, endpoint, control, programs, topics: 0, groups: 0 })
    }

    pub fn case(&mut self, case: &Case, rounds: usize) -> anyhow::Result<Outcome> {
        let topic = self.topic(case)?;
        let mut outcome = Outcome { case: case.clone(), runs: Vec::new(), left_out: Vec::new() };
        let mut arms = Vec::new();
        for &arm in &case.arms {
            match self.programs.missing(arm) {
                Some(why) => outcome.left_out.push((arm, why.to_owned())),
                None => arms.push(arm),
            }
        }
        for round in 0..rounds {
            for &arm in &arms {
                match self.run(arm, case, round, &topic) {
                    Ok(run) => outcome.runs.push(run),
                    Err(error) => outcome.left_out.push((arm, format!("{error:#}"))),
                }
            }
        }
        outcome.left_out.dedup();
        if let Err(error) = load::remove(self.broker.address(), &topic) {
            eprintln!("{error:#}");
        }
        Ok(outcome)
    }

    /// A topic of its own with the records of a case.
    fn topic(&mut self, case: &Case) -> anyhow::Result<String> {
        self.topics += 1;
        let topic = format!("bench-{}", self.topics);
        let brokers = self.broker.address();
        load::fill(brokers, &topic, case.partitions, case.keys, case.records, case.size)?;
        Ok(topic)
    }

    fn run(&mut self, arm: Arm, case: &Case, round: usize, topic: &str) -> anyhow::Result<Run> {
        ensure!(!self.endpoint.has_ended(), "the endpoint has ended");
        let keys = if arm.orders() { case.keys.bound(case.records) } else { 0 };
        self.control.reset(Work { delay: case.delay, keys, ..Work::default() })?;
        self.groups += 1;
        let (brokers, group) = (self.broker.address(), format!("bench-{}", self.groups));
        let endpoint = self.control.address();
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut command = self.programs.command(arm, case, brokers, topic, &group, endpoint);
        let mut process = Measured::start(&mut command)?;
        let (from, to) = self.watch(&mut process, arm, arm.records(case) as u64)?;
        let endpoint = self.control.stats()?;
        process.stop();
        let requests = (to.answered - from.answered) as f64;
        let first = endpoint.first.context("no request came")?;
        Ok(Run {
            arm,
            round,
            throughput: endpoint.answered as f64 / endpoint.took,
            cpu: to.usage.cpu.saturating_sub(from.usage.cpu).as_secs_f64() * 1e6 / requests,
            peak_memory: to.usage.peak,
            started_in: first - began.as_secs_f64(),
            endpoint,
        })
    }

    /// All four actors before a sink that settles at once, without HTTP.
    pub fn direct(&mut self, records: usize, rounds: usize) -> anyhow::Result<Vec<Direct>> {
        let topic = self.topic(&Case::plain(records))?;
        let run = |round| {
            let mut command = Command::new(self.programs.binaries.join("keyway-bench"));
            command.args(["direct", "--brokers", self.broker.address(), "--topic", &topic]);
            command.args(["--group", &format!("direct-{round}")]);
            let output = command.args(["--records", &records.to_string()]).output()?;
            serde_json::from_slice(&output.stdout).context("the direct run failed")
        };
        (0..rounds).map(run).collect()
    }

    /// What `keyway run` keeps resident with nothing to do, in bytes.
    pub fn idle(&mut self) -> anyhow::Result<u64> {
        let case = Case::plain(0);
        let topic = self.topic(&case)?;
        let endpoint = self.control.address();
        let (brokers, programs) = (self.broker.address(), &self.programs);
        let mut command = programs.command(Arm::Keyway, &case, brokers, &topic, "idle", endpoint);
        let process = Measured::start(&mut command)?;
        // Long enough to have joined its group and fetched in vain.
        std::thread::sleep(Duration::from_secs(5));
        let usage = process.usage()?;
        process.stop();
        Ok(usage.resident)
    }

    /// Waits until all records were delivered; what had been used at the first and at the last.
    fn watch(
        &mut self,
        process: &mut Measured,
        arm: Arm,
        records: u64,
    ) -> anyhow::Result<(Mark, Mark)> {
        let began = Instant::now();
        let mut from: Option<Mark> = None;
        let mut last = Mark::default();
        loop {
            let ended = process.has_ended();
            let answered = self.control.stats()?;
            if !ended && let Ok(usage) = process.usage() {
                last = Mark { usage, answered: answered.answered };
                if from.is_none() && answered.first.is_some() {
                    from = Some(last);
                }
            }
            if answered.distinct >= records {
                let from = from.context("it was over before it could be measured")?;
                return Ok((from, last));
            }
            ensure!(
                !ended,
                "{arm} ended after {} of {records} records: {}",
                answered.distinct,
                process.last_words()
            );
            if began.elapsed() > PATIENCE {
                bail!("stuck after {} of {records} records", answered.distinct);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    usage: Usage,
    answered: u64,
}
