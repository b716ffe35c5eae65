//! The adaptive limit before a real endpoint of known capacity: beside fixed numbers of senders, and
//! while the capacity changes.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use keyway_actors::sink::http::HttpSettings;
use keyway_actors::{Handle, Pipeline};

use crate::control::Control;
use crate::endpoint::Work;
use crate::lab::{self, Lab, Timed, Times, median, part};
use crate::process::Measured;

/// How long the endpoint works on a request.
const SERVICE: Duration = Duration::from_millis(20);

/// Requests that it works on at a time.
const CAPACITIES: [usize; 2] = [8, 32];

/// Senders of the adaptive pipeline, which are the most it may find.
const MOST: usize = 256;

const ARMS: [Arm; 6] =
    [Arm::Fixed(1), Arm::Fixed(4), Arm::Fixed(16), Arm::Fixed(64), Arm::Fixed(MOST), Arm::Adaptive];

/// From the first answer to the beginning of what is measured.
const SETTLING: Duration = Duration::from_secs(3);

/// How long a fixed number is measured, and the adaptive limit: longer than from one of its probes
/// to the next (10 s), so that there is one in it.
const MEASURED_FIXED: Duration = Duration::from_secs(6);
const MEASURED_ADAPTIVE: Duration = Duration::from_secs(12);

/// How the capacity changes, and how often.
const CHANGES: [usize; 3] = [32, 8, 32];
const CHANGE_EVERY: Duration = Duration::from_secs(12);

/// A limit is right when it is off the capacity by no more than this part.
const RIGHT: f64 = 0.25;

/// How often the limit is looked at. The pipeline tells a new one four times a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What all runs together need at the most, with some to spare: that with the changes.
const RECORDS: usize = 80_000;

/// What holds requests back.
#[derive(Clone, Copy, PartialEq)]
enum Arm {
    Fixed(usize),
    Adaptive,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(1) => f.write_str("1 (unloaded)"),
            Self::Fixed(senders) => write!(f, "{senders}"),
            Self::Adaptive => write!(f, "{MOST}, adaptive"),
        }
    }
}

/// What one arm did in one round.
struct Run {
    arm: Arm,
    capacity: usize,
    round: usize,
    /// Requests a second.
    throughput: f64,
    /// Times of requests, in seconds.
    p50: f64,
    p99: f64,
    /// Looked at now and then, sorted; none where it is fixed.
    limits: Vec<f64>,
    faults: u64,
}

/// What became of one change of the capacity.
struct Change {
    capacity: usize,
    /// Until the limit was right, in seconds.
    found_in: Option<f64>,
    /// Requests a second in the second half of the time, and the time of 99 in 100 of them, in
    /// seconds.
    throughput: f64,
    p99: f64,
    /// Looked at in the second half, sorted.
    limits: Vec<f64>,
    /// A limit each second.
    course: Vec<u64>,
}

/// Measures everything and writes `adaptive.md`.
pub fn run(jars: &Path, out: &Path, rounds: usize) -> anyhow::Result<()> {
    let lab = Lab::start(jars, RECORDS)?;
    let (endpoint, control) = lab.endpoint()?;
    let mut stand = Stand { lab, control, _endpoint: endpoint };
    let (mut runs, mut changes) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for capacity in CAPACITIES {
            for arm in ARMS {
                let run = stand.run(arm, capacity, round)?;
                eprintln!("{arm} of {capacity}: {:.0}/s, p99 {:.4} s", run.throughput, run.p99);
                runs.push(run);
            }
        }
        changes.push(stand.change()?);
    }
    let mut text: Vec<String> =
        CAPACITIES.iter().map(|capacity| of_capacity(*capacity, &runs)).collect();
    text.push(of_changes(&changes));
    let text = text.join("\n");
    println!("{text}");
    fs::create_dir_all(out)?;
    Ok(fs::write(out.join("adaptive.md"), text)?)
}

struct Stand {
    lab: Lab,
    control: Control,
    _endpoint: Measured,
}

impl Stand {
    fn start(&mut self, arm: Arm, capacity: usize) -> anyhow::Result<(Handle, Times)> {
        let (delay, keys) = (SERVICE, lab::KEYS);
        self.control.reset(Work { delay, keys, workers: capacity, hangs: false })?;
        let senders = if let Arm::Fixed(senders) = arm { senders } else { MOST };
        let mut config = self.lab.config(senders)?;
        config.destinations.adaptive = arm == Arm::Adaptive;
        let settings = HttpSettings::new(&format!("http://{}/", self.control.address()))?;
        let times = Times::default();
        let pipeline = Pipeline::start(config, Timed { settings, times: times.clone() })?;
        lab::first_answer(&mut self.control)?;
        Ok((pipeline, times))
    }

    fn run(&mut self, arm: Arm, capacity: usize, round: usize) -> anyhow::Result<Run> {
        let (pipeline, times) = self.start(arm, capacity)?;
        sleep(SETTLING);
        times.take();
        let (began, mut limits) = (Instant::now(), Vec::new());
        let measured = if arm == Arm::Adaptive { MEASURED_ADAPTIVE } else { MEASURED_FIXED };
        while began.elapsed() < measured {
            sleep(LOOK_EVERY);
            limits.extend(limit(&pipeline).map(|limit| limit as f64));
        }
        let (mut seen, lasted) = (times.take(), began.elapsed());
        lab::stop(&pipeline)?;
        let stats = self.control.stats()?;
        seen.sort_by(f64::total_cmp);
        limits.sort_by(f64::total_cmp);
        Ok(Run {
            arm,
            capacity,
            round,
            throughput: seen.len() as f64 / lasted.as_secs_f64(),
            p50: part(&seen, 0.5),
            p99: part(&seen, 0.99),
            limits,
            faults: stats.duplicates + stats.disordered,
        })
    }

    /// One pipeline through all changes.
    fn change(&mut self) -> anyhow::Result<Vec<Change>> {
        let (pipeline, times) = self.start(Arm::Adaptive, CHANGES[0])?;
        let mut changes = Vec::new();
        for capacity in CHANGES {
            self.control.set_workers(capacity)?;
            changes.push(watch(&pipeline, &times, capacity));
        }
        lab::stop(&pipeline)?;
        Ok(changes)
    }
}

/// Watches the limit from a change of the capacity to the next.
fn watch(pipeline: &Handle, times: &Times, capacity: usize) -> Change {
    let began = Instant::now();
    let (mut found_in, mut halfway) = (None, None);
    let (mut limits, mut course) = (Vec::new(), Vec::new());
    while began.elapsed() < CHANGE_EVERY {
        sleep(LOOK_EVERY);
        let passed = began.elapsed();
        if halfway.is_none() && passed >= CHANGE_EVERY / 2 {
            times.take();
            halfway = Some(Instant::now());
        }
        let Some(limit) = limit(pipeline) else { continue };
        if passed.as_secs() as usize >= course.len() {
            course.push(limit);
        }
        let off = (limit as f64 - capacity as f64).abs();
        if found_in.is_none() && off <= capacity as f64 * RIGHT {
            found_in = Some(passed.as_secs_f64());
        }
        limits.extend(halfway.map(|_| limit as f64));
    }
    let lasted = halfway.unwrap_or(began).elapsed().as_secs_f64();
    let mut seen = times.take();
    seen.sort_by(f64::total_cmp);
    limits.sort_by(f64::total_cmp);
    let (throughput, p99) = (seen.len() as f64 / lasted, part(&seen, 0.99));
    Change { capacity, found_in, throughput, p99, limits, course }
}

fn limit(pipeline: &Handle) -> Option<u64> {
    pipeline.status().destinations.first()?.limit
}

/// The runs before one capacity as Markdown: medians of all rounds.
fn of_capacity(capacity: usize, runs: &[Run]) -> String {
    let runs: Vec<&Run> = runs.iter().filter(|run| run.capacity == capacity).collect();
    let of = |arm: Arm, what: fn(&Run) -> f64| {
        median(runs.iter().filter(|run| run.arm == arm).map(|run| what(run)))
    };
    let throughput = |arm| of(arm, |run| run.throughput);
    let best = ARMS[..ARMS.len() - 1].iter().map(|&arm| throughput(arm)).fold(0.0, f64::max);
    let unloaded = of(ARMS[0], |run| run.p99);
    let mut text = format!(
        "### {capacity} at a time, {} ms each\n\n\
        | senders | requests/s | of the best fixed | p50 | p99 | of the unloaded p99 | limit |\n\
        |---|--:|--:|--:|--:|--:|--:|\n",
        SERVICE.as_millis(),
    );
    for arm in ARMS {
        let (p50, p99) = (of(arm, |run| run.p50), of(arm, |run| run.p99));
        let limits = match arm {
            Arm::Fixed(_) => "-".to_owned(),
            Arm::Adaptive => {
                let [low, middle, high] = [0.0, 0.5, 1.0].map(|share| {
                    median(
                        runs.iter().filter(|run| run.arm == arm).map(|it| part(&it.limits, share)),
                    )
                });
                format!("{low:.0} … {middle:.0} … {high:.0}")
            }
        };
        let _ = writeln!(
            text,
            "| {arm} | {:.0} | {:.2} | {:.1} ms | {:.1} ms | {:.2} | {limits} |",
            throughput(arm),
            throughput(arm) / best,
            p50 * 1e3,
            p99 * 1e3,
            p99 / unloaded,
        );
    }
    let adaptive = runs.iter().filter(|run| run.arm == Arm::Adaptive);
    let paired: Vec<(f64, f64)> = adaptive.map(|run| in_its_round(run, &runs)).collect();
    let ratios = |of: fn(&(f64, f64)) -> f64| {
        let all: Vec<String> = paired.iter().map(|it| format!("{:.2}", of(it))).collect();
        all.join(", ")
    };
    let faults: u64 = runs.iter().map(|run| run.faults).sum();
    let _ = writeln!(
        text,
        "\nAdaptive, round by round: {} of the best fixed; p99 {} times the unloaded.\n\
        \nTwice or out of order in all runs: {faults}.",
        ratios(|it| it.0),
        ratios(|it| it.1),
    );
    text
}

/// Throughput of the best fixed one, and p99 of the unloaded, of the same round.
fn in_its_round(adaptive: &Run, runs: &[&Run]) -> (f64, f64) {
    let fixed = runs.iter().filter(|it| it.round == adaptive.round && it.arm != Arm::Adaptive);
    let best = fixed.clone().map(|run| run.throughput).fold(0.0, f64::max);
    let unloaded = fixed.filter(|run| run.arm == ARMS[0]).map(|run| run.p99).sum::<f64>();
    (adaptive.throughput / best, adaptive.p99 / unloaded)
}

/// The changes as Markdown.
fn of_changes(rounds: &[Vec<Change>]) -> String {
    let mut text = format!(
        "### The capacity changes every {} s\n\n\
        | round | at a time | limit right after | limit in the second half | requests/s | p99 | limit, second by second |\n\
        |--:|--:|--:|--:|--:|--:|---|\n",
        CHANGE_EVERY.as_secs(),
    );
    for (round, changes) in (1..).zip(rounds) {
        for it in changes {
            let found = it.found_in.map_or_else(|| "never".to_owned(), |it| format!("{it:.1} s"));
            let [low, middle, high] = [0.0, 0.5, 1.0].map(|share| part(&it.limits, share));
            let course: Vec<String> = it.course.iter().map(u64::to_string).collect();
            let _ = writeln!(
                text,
                "| {round} | {} | {found} | {low:.0} … {middle:.0} … {high:.0} | {:.0} | {:.1} ms | {} |",
                it.capacity,
                it.throughput,
                it.p99 * 1e3,
                course.join(" "),
            );
        }
    }
    text
}
