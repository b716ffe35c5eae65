//! Runs many schedules on all cores, and reports the first that broke a promise.

use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::check::Violation;
use crate::counts::Counts;
use crate::sabotage::Sabotage;
use crate::trace::Trace;
use crate::world;

/// A schedule that broke a promise.
#[derive(Debug)]
pub struct Broken {
    pub seed: u64,
    pub violation: Violation,
}

/// A number from the environment.
///
/// # Panics
/// If it is set to something else.
pub fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let Ok(number) = value.parse() else { panic!("{name}: {value:?} is not a number") };
    Some(number)
}

/// Runs the schedules of these seeds until one breaks a promise; of several the lowest is told.
pub fn run(seeds: Range<u64>, sabotage: Option<Sabotage>) -> (Counts, Option<Broken>) {
    let next = AtomicU64::new(seeds.start);
    let lowest_broken = AtomicU64::new(u64::MAX);
    let result = Mutex::new((Counts::default(), None::<Broken>));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut counts = Counts::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || seed > lowest_broken.load(Ordering::Relaxed) {
                        break;
                    }
                    let violation = one(seed, sabotage, &mut counts);
                    if let Some(violation) = violation {
                        lowest_broken.fetch_min(seed, Ordering::Relaxed);
                        let Ok(mut result) = result.lock() else { return };
                        if result.1.as_ref().is_none_or(|broken| broken.seed > seed) {
                            result.1 = Some(Broken { seed, violation });
                        }
                    }
                    let done = seed - seeds.start;
                    if done > 0 && done.is_multiple_of(100_000) {
                        eprintln!("{done} schedules in {:?}", started.elapsed());
                    }
                }
                if let Ok(mut result) = result.lock() {
                    result.0.add(&counts);
                }
            });
        }
    });
    result.into_inner().unwrap_or_default()
}

/// Runs one schedule; a panic of the core is a broken promise too.
fn one(seed: u64, sabotage: Option<Sabotage>, counts: &mut Counts) -> Option<Violation> {
    let trace = match std::env::var_os("KEYWAY_SIM_TRACE") {
        Some(_) if number("KEYWAY_SIM_SEED").is_some() => Trace::Print,
        _ => Trace::Off,
    };
    let caught = panic::catch_unwind(AssertUnwindSafe(|| world::run(seed, sabotage, trace)));
    match caught {
        Ok(outcome) => {
            counts.add(&outcome.counts);
            outcome.violation
        }
        Err(_) => Some(Violation { promise: "panic", what: "see above".into() }),
    }
}

/// What broke, the last that happened before, and the command that replays it.
pub fn report(broken: &Broken) -> String {
    let seed = broken.seed;
    let Violation { promise, what } = &broken.violation;
    let trace = Trace::Last(std::collections::VecDeque::new());
    let lines = panic::catch_unwind(AssertUnwindSafe(|| world::run(seed, None, trace)));
    let lines = match lines.map(|outcome| outcome.trace) {
        Ok(Trace::Last(lines)) => lines.into_iter().collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    };
    format!(
        "seed {seed} breaks {promise}: {what}\n\nthe end of it:\n{lines}\n\nreplay it with\n    \
         KEYWAY_SIM_SEED={seed} KEYWAY_SIM_TRACE=1 cargo test --test simulation \
         schedules_keep_the_promises -- --nocapture\n"
    )
}

/// Prints what happened how often.
pub fn print(counts: &Counts) {
    for (name, count) in counts.named() {
        println!("{count:>12} {}", name.replace('_', " "));
    }
}
