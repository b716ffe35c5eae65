//! `keyway run` and `keyway serve`: the pipelines, their health, and the API that leads them.
//!
//! The first signal ends the pipelines, the second the process at once. With `run`, a pipeline of the
//! configuration that fails takes the others down in order, and the process says why and exits 1;
//! with `serve`, a pipeline that fails shows that, and the others go on.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use actix::{Actor, Addr};
use actix_rt::System;
use keyway_actors::sink::http::{FileError, TlsError};
use keyway_actors::web::server_tls;
use keyway_actors::{Handles, PipelineError};
use slog::{Logger, error, info, warn};
use tokio::sync::mpsc;

use crate::cli::exit;
use crate::settings::{Base, Least, Listen, Settings, Sources};
use crate::signals::{Endings, Hangups};
use crate::supervisor::{Begin, EndAll, Failure, Reload, Setup, Store, StoreError, Supervisor};
use crate::{alerts, api, logging, stats_line, wiring};

/// What is to be done about a pipeline of the configuration that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// All end, and the process fails.
    End,
    /// It is shown, and the others go on.
    GoOn,
}

/// What the process was told.
pub struct Told {
    /// From where its settings are read again.
    pub sources: Sources,
    /// How many pipelines they have to define.
    pub least: Least,
    /// The settings.
    pub settings: Settings,
    /// What holds for pipelines that come through the API.
    pub base: Base,
    /// What is to be done about a pipeline that fails.
    pub on_failure: OnFailure,
}

/// Runs until told to stop; gives the code to exit with.
pub fn run(told: Told) -> u8 {
    let (log, guard) = match logging::init(&told.settings.log) {
        Ok(logging) => logging,
        Err(error) => {
            eprintln!("keyway: {error}");
            return exit::CONFIGURATION;
        }
    };
    let ended = System::new().block_on(serve(told, &log, guard.dropped()));
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
    #[error("api.tls: {0}")]
    Tls(#[from] TlsError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("pipeline {}: {}", .0.name, .0.error)]
    Pipeline(Failure),
    #[error("ended at once by a second signal; what was in flight is sent again by the next run")]
    SecondSignal,
}

impl RunError {
    /// What the process exits with.
    fn code(&self) -> u8 {
        match self {
            Self::Token(_)
            | Self::Tls(_)
            | Self::Store(_)
            | Self::Pipeline(Failure {
                at_start: true,
                error: PipelineError::Config(_) | PipelineError::KafkaConfig(_),
                ..
            }) => exit::CONFIGURATION,
            _ => exit::FAILED,
        }
    }
}

async fn serve(told: Told, log: &Logger, lines_dropped: Arc<AtomicU64>) -> Result<(), RunError> {
    let Told { sources, least, settings, base, on_failure } = told;
    let mut endings = Endings::new().map_err(RunError::Signals)?;
    let mut hangups = Hangups::new().map_err(RunError::Signals)?;
    info!(log, "keyway starts"; "version" => env!("CARGO_PKG_VERSION"));
    let token = settings.api.token.as_ref().map(wiring::secret).transpose()?;
    let tls = settings.api.tls.as_ref().map(|(cert, key)| server_tls(cert, key, log));
    let access = api::Access { token, tls: tls.transpose()? };
    let store = settings.api.state_dir.as_deref().map(Store::open).transpose()?;
    let bound = match settings.api.listen {
        Listen::Off => None,
        Listen::At(address) => Some(api::bind(address)?),
    };
    let (stats_interval, alert_settings) = (settings.log.stats_interval, settings.alerts.clone());
    let (handles, (failures, mut failed)) = (Handles::default(), mpsc::unbounded_channel());
    let supervisor = Supervisor::new(Setup {
        sources,
        least,
        settings,
        base,
        store,
        handles: handles.clone(),
        failures,
        log: log.clone(),
    });
    let roster = supervisor.roster();
    let supervisor = supervisor.start();
    supervisor.do_send(Begin);
    let server = bound.map(|bound| {
        let led = api::Led { supervisor: supervisor.clone(), roster, handles: handles.clone() };
        bound.serve(led, lines_dropped, access, log)
    });
    let line = stats_interval
        .map(|every| actix_rt::spawn(stats_line::every(every, handles.clone(), log.clone())));
    let alerts = alerts::start(&alert_settings, &handles, log);
    let ended = loop {
        tokio::select! {
            signal = endings.next() => {
                info!(log, "stopping: requests in flight finish, offsets are committed, the group \
                    is left; a second signal ends at once"; "signal" => signal);
                break end(&supervisor, &mut endings, 1, log).await;
            }
            _ = hangups.next() => {
                info!(log, "SIGHUP: files are opened anew, and the configuration is read again");
                supervisor.do_send(Reload);
            }
            Some(failure) = failed.recv() => if on_failure == OnFailure::End {
                end(&supervisor, &mut endings, 0, log).await?;
                break Err(RunError::Pipeline(failure));
            },
        }
    };
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
    // One that failed while the others ended fails the process too.
    match failed.try_recv() {
        Ok(failure) if ended.is_ok() && on_failure == OnFailure::End => {
            Err(RunError::Pipeline(failure))
        }
        _ => ended,
    }
}

/// Ends all pipelines, or the process at a second signal; `signals` that came before count.
async fn end(
    supervisor: &Addr<Supervisor>,
    endings: &mut Endings,
    mut signals: u32,
    log: &Logger,
) -> Result<(), RunError> {
    let mut ended = std::pin::pin!(supervisor.send(EndAll));
    loop {
        let signal = tokio::select! {
            // It is gone when nothing is left to be ended.
            _ = &mut ended => return Ok(()),
            signal = endings.next() => signal,
        };
        if signals > 0 {
            warn!(log, "second signal"; "signal" => signal);
            return Err(RunError::SecondSignal);
        }
        info!(log, "stopping already; a second signal ends at once"; "signal" => signal);
        signals += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_at_the_start_is_configuration_and_what_ends_later_is_failure() {
        let code = |at_start, error| {
            RunError::Pipeline(Failure { name: "a".to_owned(), at_start, error }).code()
        };
        let refused = || PipelineError::KafkaConfig("no".to_owned());
        assert_eq!(code(true, refused()), exit::CONFIGURATION);
        assert_eq!(code(true, PipelineError::Config("no".to_owned())), exit::CONFIGURATION);
        assert_eq!(code(true, PipelineError::Kafka("no".to_owned())), exit::FAILED);
        assert_eq!(code(false, refused()), exit::FAILED);
    }
}
