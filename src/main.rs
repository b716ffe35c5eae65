//! Keyway: delivers Kafka records to HTTP endpoints, in order per key, in parallel across keys.
//!
//! This file picks the command; each command turns what it was given into settings once, runs, and
//! says with which code the process ends.

/// Records are copied on the poll thread and let go of on an arbiter. The C library's allocator makes
/// the two wait for each other (docs/performance.md has the figures).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

mod alerts;
mod api;
mod cli;
mod commands;
mod demo;
mod logging;
mod run;
mod settings;
mod signals;
mod stats_line;
mod supervisor;
mod wiring;

use std::io;
use std::process::ExitCode;

use cli::{Command, exit};
use keyway_actors::kafka::admin::Tried;
use run::{OnFailure, Told};
use settings::{Flags, Least, Listen, Settings, Sources};

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    ExitCode::from(match cli.command {
        Command::Run(flags) => with(told(flags.given(), Least::One, OnFailure::End), run::run),
        Command::Serve(flags) => with(told(flags.given(), Least::None, OnFailure::GoOn), run::run),
        Command::Check(args) => with(load(args.pipeline.given()), |(settings, _tried)| {
            commands::check::run(&settings, &args)
        }),
        Command::Offsets(flags) => {
            let groups = settings::load_groups(&Sources::of_process(flags.given()));
            with(groups.map_err(|it| it.lines()), |(_, groups)| commands::offsets::run(&groups))
        }
        Command::Verify(args) => commands::verify::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Top(args) => commands::top::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Completions { shell } => match cli::completions(shell, &mut io::stdout()) {
            Ok(()) => exit::CLEAN,
            Err(_) => exit::FAILED,
        },
    })
}

/// The settings of `check`, which librdkafka and the sinks take as a whole too; else one line a
/// problem.
fn load(flags: Flags) -> Result<(Settings, Vec<Tried>), Vec<String>> {
    let settings = settings::load(&Sources::of_process(flags)).map_err(|it| it.lines())?;
    let tried = wiring::try_pipelines(&settings)?;
    Ok((settings, tried))
}

/// What `run` and `serve` are told, which librdkafka and the sinks take too; else one line a problem.
fn told(flags: Flags, least: Least, on_failure: OnFailure) -> Result<Told, Vec<String>> {
    let sources = Sources::of_process(flags);
    let (settings, base) = settings::load_with_base(&sources, least).map_err(|it| it.lines())?;
    if least == Least::None && settings.api.listen == Listen::Off {
        let what = "serve is there for its API: give it an address with --listen (api.listen)";
        return Err(vec![what.to_owned()]);
    }
    wiring::try_pipelines(&settings)?.into_iter().for_each(Tried::let_go);
    Ok(Told { sources, least, settings, base, on_failure })
}

/// Goes on with what was loaded, or says what is wrong with it.
fn with<T>(loaded: Result<T, Vec<String>>, go_on: impl FnOnce(T) -> u8) -> u8 {
    match loaded {
        Ok(loaded) => go_on(loaded),
        Err(problems) => {
            for line in problems {
                eprintln!("keyway: {line}");
            }
            exit::CONFIGURATION
        }
    }
}
