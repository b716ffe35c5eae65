//! `keyway check`: says what would be run; with `--connect` it also tries everything that a run
//! would need, with `--record` and `--sample` it says which requests records would become.
//!
//! It delivers nothing, joins no group, and shows no secret.

mod connect;
mod plan;
mod record;
mod requests;
pub mod sample;
mod shown;
mod template;

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use self::connect::{Finding, Verdict};
use super::PATIENCE;
use super::words::count;
use crate::cli::{CheckArgs, exit};
use crate::settings::{PipelineSettings, Settings};

/// Prints what would be run, tries it, or prints which requests records would become; gives the code
/// to exit with: failed where something that was tried did not work, or a record is refused.
pub fn run(settings: &Settings, args: &CheckArgs) -> u8 {
    let mut out = io::stdout().lock();
    let done = match (&args.record, args.sample) {
        (Some(path), _) => match record::Example::read(path) {
            Ok(example) => requests::of_example(settings, &example, &mut out),
            Err(why) => {
                eprintln!("keyway: --record: {why}");
                return exit::USAGE;
            }
        },
        (None, Some(number)) => sample::plans(settings, number, PATIENCE, &mut out),
        (None, None) => run_into(settings, args.connect.then_some(PATIENCE), &mut out),
    };
    match done {
        Ok(true) => exit::CLEAN,
        // Where nobody reads what was found (a closed pipe), nothing was shown to work.
        Ok(false) | Err(_) => exit::FAILED,
    }
}

/// The same, into any writer; whether everything that was tried worked. Nothing is without a
/// patience, which is how long a cluster may take to answer.
pub(super) fn run_into(
    settings: &Settings,
    patience: Option<Duration>,
    out: &mut dyn Write,
) -> io::Result<bool> {
    out.write_all(plan::of(settings).as_bytes())?;
    patience.map_or(Ok(true), |patience| try_all(settings, patience, out))
}

/// Tries all pipelines, side by side since each may wait for brokers that are away, and prints what
/// was found in their order. Whether everything worked.
fn try_all(settings: &Settings, patience: Duration, out: &mut dyn Write) -> io::Result<bool> {
    let mut failed = 0;
    writeln!(out)?;
    thread::scope(|scope| {
        let start =
            |pipeline| (pipeline, scope.spawn(move || connect::try_pipeline(pipeline, patience)));
        let tried: Vec<_> = settings.pipelines.iter().map(start).collect();
        for (pipeline, tried) in tried {
            let findings = tried.join().unwrap_or_else(|_| {
                vec![Finding::failed("the check itself panicked (the panic is on standard error)")]
            });
            failed += findings.iter().filter(|it| it.verdict == Verdict::Failed).count();
            print(pipeline, &findings, out)?;
        }
        Ok::<_, io::Error>(())
    })?;
    match failed {
        0 => writeln!(out, "\neverything answers")?,
        _ => writeln!(out, "\n{} failed", count(failed, "check"))?,
    }
    Ok(failed == 0)
}

fn print(pipeline: &PipelineSettings, findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Failed => "FAILED",
        };
        writeln!(out, "{verdict:<7} {}: {}", pipeline.name, finding.what)?;
    }
    out.flush()
}
