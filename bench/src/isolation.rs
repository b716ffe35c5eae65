//! Two destinations, equal shares of the records, and one of them hangs: what is left to the other.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use keyway_actors::route::{Plan, PlanContext, Refusal, Request, Route};
use keyway_actors::sink::http::HttpSettings;
use keyway_actors::{Handle, Pipeline, Record};

use crate::control::Control;
use crate::endpoint::Work;
use crate::lab::{self, Lab, median};
use crate::process::Measured;

const SENDERS: usize = 256;

/// How long either destination takes to answer, where it does.
const DELAYS_MS: [u64; 3] = [0, 10, 50];

/// The most requests in flight to each destination; none: as the pool is shared by default.
const LIMITS: [Option<usize>; 3] = [None, Some(32), Some(SENDERS / 2)];

const SCENES: [Scene; 4] = [Scene::Alone, Scene::BothWell, Scene::OneHangs, Scene::OneHangsFirst];

/// From B's first answer to the beginning of what is measured, and that.
const SETTLING: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(2);

/// Without an answer for so long, B stands still.
const STILL: Duration = Duration::from_secs(1);

/// Records of both: B takes up to 120,000 a second.
const RECORDS: usize = 900_000;

/// The partitions: three of them are A's, and three B's.
const EVEN: [i32; 3] = [0, 2, 4];
const ODD: [i32; 3] = [1, 3, 5];

/// What the other destination does.
#[derive(Clone, Copy, PartialEq)]
enum Scene {
    /// There are no records for it.
    Alone,
    BothWell,
    /// It accepts requests and never answers.
    OneHangs,
    /// The same with the partitions exchanged: one or the other has its records read first, and is
    /// known before the other is.
    OneHangsFirst,
}

impl Scene {
    fn hangs(self) -> bool {
        matches!(self, Self::OneHangs | Self::OneHangsFirst)
    }

    fn of_a(self) -> [i32; 3] {
        if self == Self::OneHangsFirst { ODD } else { EVEN }
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alone => "B alone",
            Self::BothWell => "both well",
            Self::OneHangs => "A hangs",
            Self::OneHangsFirst => "A hangs, partitions exchanged",
        })
    }
}

/// What decides whose a record is.
#[derive(Clone, Copy)]
enum By {
    /// These partitions are A's.
    Partition([i32; 3]),
    /// Even keys are A's: each partition has records of both.
    Key,
}

struct Halves {
    by: By,
    a: Request,
    b: Request,
}

impl Route for Halves {
    fn plan(&self, record: &Record, _: &PlanContext<'_>) -> Result<Plan, Refusal> {
        let of_a = match self.by {
            By::Partition(of_a) => of_a.contains(&record.partition()),
            // Keys are decimal numbers.
            By::Key => record.key().and_then(<[u8]>::last).is_some_and(|it| it.is_multiple_of(2)),
        };
        Ok(Plan::one(if of_a { self.a.clone() } else { self.b.clone() }))
    }
}

/// What was seen in one scene in one round.
struct Run {
    limit: Option<usize>,
    delay: u64,
    scene: Scene,
    round: usize,
    /// B's requests a second.
    throughput: f64,
    /// Requests that B had at a time, on average.
    of_b: f64,
    /// Requests that A had at the end.
    of_a: u64,
    faults: u64,
}

/// What came of B where each partition has records of both and A hangs.
struct Mixed {
    answered: u64,
    seconds: f64,
}

/// Measures everything and writes `isolation.md`.
pub fn run(jars: &Path, out: &Path, rounds: usize) -> anyhow::Result<()> {
    let lab = Lab::start(jars, RECORDS)?;
    let ((one, a), (other, b)) = (lab.endpoint()?, lab.endpoint()?);
    let mut stand = Stand { lab, a, b, _endpoints: [one, other] };
    let (mut runs, mut mixed) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for limit in LIMITS {
            for delay in DELAYS_MS {
                for scene in SCENES {
                    let run = stand.run(limit, delay, scene, round)?;
                    eprintln!("{limit:?}, {delay} ms, {scene}: {:.0}/s", run.throughput);
                    runs.push(run);
                }
            }
        }
        mixed.push(stand.mixed()?);
    }
    let mut text: Vec<String> = LIMITS.iter().map(|limit| of_limit(*limit, &runs)).collect();
    text.push(of_mixed(&mixed));
    let text = text.join("\n");
    println!("{text}");
    fs::create_dir_all(out)?;
    Ok(fs::write(out.join("isolation.md"), text)?)
}

struct Stand {
    lab: Lab,
    a: Control,
    b: Control,
    _endpoints: [Measured; 2],
}

impl Stand {
    fn start(
        &mut self,
        by: By,
        limit: Option<usize>,
        delay: u64,
        scene: Scene,
    ) -> anyhow::Result<Handle> {
        let (delay, keys) = (Duration::from_millis(delay), lab::KEYS);
        let work = Work { delay, keys, workers: 0, hangs: false };
        self.a.reset(Work { hangs: scene.hangs(), ..work })?;
        self.b.reset(work)?;
        let mut config = self.lab.config(SENDERS)?;
        config.destinations.max_in_flight = limit.map(TryInto::try_into).transpose()?;
        config.partitions = Some(match scene {
            Scene::Alone => ODD.to_vec(),
            Scene::BothWell | Scene::OneHangs | Scene::OneHangsFirst => [EVEN, ODD].concat(),
        });
        let to = |control: &Control| Request::new(&format!("http://{}/", control.address()));
        let route = Halves { by, a: to(&self.a)?, b: to(&self.b)? };
        let pipeline = Pipeline::start(config, HttpSettings::routed(route))?;
        lab::first_answer(&mut self.b)?;
        Ok(pipeline)
    }

    fn run(
        &mut self,
        limit: Option<usize>,
        delay: u64,
        scene: Scene,
        round: usize,
    ) -> anyhow::Result<Run> {
        let pipeline = self.start(By::Partition(scene.of_a()), limit, delay, scene)?;
        sleep(SETTLING);
        let (before, began) = (self.b.stats()?, Instant::now());
        sleep(MEASURED);
        let (after, lasted) = (self.b.stats()?, began.elapsed().as_secs_f64());
        let a = self.a.stats()?;
        lab::stop(&pipeline)?;
        let area = after.mean * after.took - before.mean * before.took;
        Ok(Run {
            limit,
            delay,
            scene,
            round,
            throughput: (after.answered - before.answered) as f64 / lasted,
            of_b: area / (after.took - before.took),
            of_a: a.in_flight,
            faults: a.duplicates + a.disordered + after.duplicates + after.disordered,
        })
    }

    /// Until B stands still.
    fn mixed(&mut self) -> anyhow::Result<Mixed> {
        let pipeline = self.start(By::Key, None, DELAYS_MS[1], Scene::OneHangs)?;
        let (mut answered, mut moved) = (0, Instant::now());
        while moved.elapsed() < STILL {
            sleep(Duration::from_millis(20));
            let now = self.b.stats()?.answered;
            if now > answered {
                (answered, moved) = (now, Instant::now());
            }
        }
        let stats = self.b.stats()?;
        lab::stop(&pipeline)?;
        Ok(Mixed { answered: stats.answered, seconds: stats.took })
    }
}

/// The runs under one limit as Markdown: medians of all rounds.
fn of_limit(limit: Option<usize>, runs: &[Run]) -> String {
    let title =
        limit.map_or_else(|| "By default".to_owned(), |it| format!("`max_in_flight = {it}`"));
    let mut text = format!(
        "### {title}, {SENDERS} senders\n\n\
        | delay | | B's requests/s | of B alone | round by round | B has at a time | A has |\n\
        |--:|---|--:|--:|---|--:|--:|\n",
    );
    let runs: Vec<&Run> = runs.iter().filter(|run| run.limit == limit).collect();
    for delay in DELAYS_MS {
        let here: Vec<&Run> = runs.iter().copied().filter(|run| run.delay == delay).collect();
        for scene in SCENES {
            let these: Vec<&Run> = here.iter().copied().filter(|it| it.scene == scene).collect();
            let of = |what: fn(&Run) -> f64| median(these.iter().map(|run| what(run)));
            let ratios: Vec<f64> = these.iter().map(|run| of_alone(run, &here)).collect();
            let by_round: Vec<String> = ratios.iter().map(|it| format!("{it:.2}")).collect();
            let _ = writeln!(
                text,
                "| {delay} ms | {scene} | {:.0} | {:.2} | {} | {:.0} | {:.0} |",
                of(|run| run.throughput),
                median(ratios.into_iter()),
                by_round.join(", "),
                of(|run| run.of_b),
                of(|run| run.of_a as f64),
            );
        }
    }
    let faults: u64 = runs.iter().map(|run| run.faults).sum();
    let _ = writeln!(text, "\nTwice or out of order in all runs: {faults}.");
    text
}

/// Throughput as a part of that alone in the same round.
fn of_alone(run: &Run, runs: &[&Run]) -> f64 {
    let mut alone = runs.iter().filter(|it| it.scene == Scene::Alone && it.round == run.round);
    alone.next().map_or(f64::NAN, |alone| run.throughput / alone.throughput)
}

fn of_mixed(rounds: &[Mixed]) -> String {
    let mut text = format!(
        "### Records of both in each partition, A hangs, {} ms\n\n\
        | round | B's records until it stands still | seconds |\n|--:|--:|--:|\n",
        DELAYS_MS[1]
    );
    for (round, it) in (1..).zip(rounds) {
        let _ = writeln!(text, "| {round} | {} | {:.1} |", it.answered, it.seconds);
    }
    text
}
