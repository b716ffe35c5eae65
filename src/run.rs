//! `keyway run`: starts the pipelines, serves their health, and ends with them.
//!
//! The first signal drains, the second ends the process at once. A pipeline that fails takes the
//! others down in order, and the process says why and exits 1.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use actix_rt::System;
use futures_util::future::join_all;
use keyway_actors::sink::file::FileSink;
use keyway_actors::sink::http::FileError;
use keyway_actors::{Handle, Handles, PipelineError};
use slog::{Logger, error, info, warn};

use crate::cli::exit;
use crate::settings::{Listen, Settings};
use crate::signals::{Endings, Hangups};
use crate::{alerts, api, logging, stats_line, wiring};

/// Runs until told to stop; gives the code to exit with.
pub fn run(settings: &Settings) -> u8 {
    let (log, guard) = match logging::init(&settings.log) {
        Ok(logging) => logging,
        Err(error) => {
            eprintln!("keyway: {error}");
            return exit::CONFIGURATION;
        }
    };
    let ended = System::new().block_on(serve(settings, &log, guard.dropped()));
    if let Err(error) = &ended {
        error!(log, "{}", error);
    }
    drop(guard);
    ended.map_or_else(|error| error.code(), |()| exit::CLEAN)
}

/// Why the process fails.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("signals cannot be caught: {0}")]
    Signals(std::io::Error),
    #[error("{0}")]
    Listen(#[from] api::BindError),
    #[error("api.token_file: {0}")]
    Token(#[from] FileError),
    #[error("pipeline {name}: {error}")]
    Start { name: String, error: PipelineError },
    #[error("pipeline {name}: {error}")]
    Pipeline { name: String, error: PipelineError },
    #[error("ended at once by a second signal; what was in flight is sent again by the next run")]
    SecondSignal,
}

impl RunError {
    /// What the process exits with.
    fn code(&self) -> u8 {
        match self {
            Self::Token(_)
            | Self::Start {
                error: PipelineError::Config(_) | PipelineError::KafkaConfig(_), ..
            } => exit::CONFIGURATION,
            _ => exit::FAILED,
        }
    }
}

async fn serve(
    settings: &Settings,
    log: &Logger,
    lines_dropped: Arc<AtomicU64>,
) -> Result<(), RunError> {
    let mut endings = Endings::new().map_err(RunError::Signals)?;
    info!(log, "keyway starts"; "version" => env!("CARGO_PKG_VERSION"));
    let token = settings.api.token.as_ref().map(wiring::secret).transpose()?;
    let bound = match settings.api.listen {
        Listen::Off => None,
        Listen::At(address) => Some(api::bind(address)?),
    };
    let hangups = Hangups::new().map_err(RunError::Signals)?;
    let (handles, files) = start(settings, log).await?;
    let reopening = actix_rt::spawn(reopen(hangups, files, log.clone()));
    let shown = Handles::from(handles.clone());
    let server = bound.map(|bound| bound.serve(shown, lines_dropped, token, log));
    let line = settings
        .log
        .stats_interval
        .map(|every| actix_rt::spawn(stats_line::every(every, handles.clone(), log.clone())));
    let alerts = alerts::start(&settings.alerts, &handles, log);
    let ended = lead(&handles, &mut endings, log).await;
    reopening.abort();
    // A second signal waits for nobody.
    if !matches!(ended, Err(RunError::SecondSignal)) {
        alerts.finish().await;
    }
    if let Some(line) = line {
        line.abort();
        stats_line::last(&handles, log);
    }
    if let Some(server) = server {
        server.stop().await;
    }
    ended
}

/// Starts all pipelines, or none: those that started before one that could not are stopped.
async fn start(
    settings: &Settings,
    log: &Logger,
) -> Result<(Vec<Handle>, Vec<FileSink>), RunError> {
    let (mut handles, mut files): (Vec<Handle>, Vec<FileSink>) = Default::default();
    for pipeline in &settings.pipelines {
        match wiring::start(pipeline, log) {
            Ok(started) => {
                handles.push(started.handle);
                files.extend(started.file);
            }
            Err(error) => {
                stop_all(&handles).await;
                return Err(RunError::Start { name: pipeline.name.clone(), error });
            }
        }
    }
    Ok((handles, files))
}

/// Has the files opened anew at each SIGHUP, for when another program has moved them.
async fn reopen(mut hangups: Hangups, files: Vec<FileSink>, log: Logger) {
    while hangups.next().await {
        info!(log, "SIGHUP: files are opened anew"; "files" => files.len());
        files.iter().for_each(FileSink::reopen);
    }
}

async fn stop_all(handles: &[Handle]) {
    handles.iter().for_each(Handle::stop);
    join_all(handles.iter().map(Handle::wait)).await;
}

/// Waits for a signal or the end of a pipeline, and then for all to have ended.
async fn lead(handles: &[Handle], endings: &mut Endings, log: &Logger) -> Result<(), RunError> {
    let mut all = std::pin::pin!(outcome(handles));
    let signal = tokio::select! {
        ended = &mut all => return ended,
        signal = endings.next() => signal,
    };
    info!(log, "stopping: requests in flight finish, offsets are committed, the group is left; \
        a second signal ends at once"; "signal" => signal);
    handles.iter().for_each(Handle::stop);
    tokio::select! {
        ended = &mut all => ended,
        signal = endings.next() => {
            warn!(log, "second signal"; "signal" => signal);
            Err(RunError::SecondSignal)
        }
    }
}

/// How the pipelines ended: the first failure stops the others.
async fn outcome(handles: &[Handle]) -> Result<(), RunError> {
    let ends = handles.iter().map(|handle| async move {
        let ended = handle.wait().await;
        if ended.is_err() {
            handles.iter().for_each(Handle::stop);
        }
        ended.map_err(|error| RunError::Pipeline { name: handle.status().name, error })
    });
    join_all(ends).await.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_at_the_start_is_configuration_and_what_ends_later_is_failure() {
        let refused = || PipelineError::KafkaConfig("no".to_owned());
        let start = |error| RunError::Start { name: "a".to_owned(), error }.code();
        assert_eq!(start(refused()), exit::CONFIGURATION);
        assert_eq!(start(PipelineError::Config("no".to_owned())), exit::CONFIGURATION);
        assert_eq!(start(PipelineError::Kafka("no".to_owned())), exit::FAILED);
        assert_eq!(
            RunError::Pipeline { name: "a".to_owned(), error: refused() }.code(),
            exit::FAILED
        );
    }
}
