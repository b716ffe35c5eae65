//! The HTTP listener of `--listen`: health, metrics, the pipelines, and what documents all that.
//!
//! It has a thread of its own and asks no actor, so that a probe is answered whatever the rest of
//! the process does, and the rest never waits for a probe. No client can hold it up: a connection
//! carries one request and is cut off when its time is over, see [`LIMITS`]. What is answered is
//! made by `keyway_actors::web`; here is who may ask, and for how long.

mod docs;
pub mod guard;
mod json;
mod lease;
mod openapi;
mod plain;
mod resource;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_tls::accept::rustls_0_23::reexports::ServerConfig;
use actix_web::dev::ServerHandle;
use actix_web::http::{KeepAlive, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::rt::task::JoinHandle;
use actix_web::web::PayloadConfig;
use actix_web::{App, HttpServer, web};
use keyway_actors::Handles;
use keyway_actors::sink::http::Secret;
use keyway_actors::web::{Families, Probes, Problem, counter, mount, reading};
use slog::{Logger, error, info};

use self::guard::Guard;
use crate::supervisor::{Phase, Roster, Stage, Supervisor};

/// The most bytes of a body.
const MOST_BODY: usize = 1 << 20;

/// How long answers under way may take when the process ends, in seconds.
const LAST_ANSWERS: u64 = 1;

/// What clients are allowed.
#[derive(Clone, Copy)]
struct Limits {
    /// The most connections at a time; more wait to be accepted. Probes and scrapers are few and
    /// use one each for some milliseconds.
    connections: usize,
    /// How long a client may take to send the head of its request.
    head: Duration,
    /// How long a connection may last, whether its client reads the answer or not.
    lease: Duration,
}

const LIMITS: Limits =
    Limits { connections: 128, head: Duration::from_secs(5), lease: Duration::from_secs(10) };

/// Why nothing listens. The settings may be right and the machine be busy, so that another try can
/// help: the process fails with 1, not with the 78 of a bad configuration.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "api.listen: {0} is taken by another program; end that one, or give another address with \
         --listen: port 0 takes any that is free, \"off\" listens nowhere"
    )]
    Taken(SocketAddr),
    /// The system refuses.
    #[error(
        "api.listen: cannot listen on {address}: {error}; give an address and a port of this \
         machine that this user may use with --listen, or \"off\" to listen nowhere"
    )]
    Refused {
        /// Where it was tried.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

/// Takes the address. Clients that connect wait until [`Bound::serve`].
///
/// # Errors
/// The address is taken, is none of this machine's, or needs a privilege.
pub fn bind(address: SocketAddr) -> Result<Bound, BindError> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken(address),
        _ => BindError::Refused { address, error },
    };
    let listener = TcpListener::bind(address).map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok(Bound { listener, address: bound })
}

/// An address that was taken.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Where it is, with the port that was found when 0 was asked for.
    #[cfg(test)]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, about these pipelines and the log lines dropped so far. To be called
    /// within an actix system.
    pub fn serve(
        self,
        led: Led,
        lines_dropped: Arc<AtomicU64>,
        access: Access,
        log: &Logger,
    ) -> Server {
        let shown = Shown { led, lines_dropped };
        let guard = Guard::new(access.token, self.address);
        self.serve_with(shown, guard, access.tls, LIMITS, log)
    }

    fn serve_with(
        self,
        shown: Shown,
        guard: Guard,
        tls: Option<ServerConfig>,
        limits: Limits,
        log: &Logger,
    ) -> Server {
        let guard = web::Data::new(guard);
        let app = move || {
            App::new()
                .app_data(guard.clone())
                .wrap(from_fn(guard::guard))
                .configure(|config| shown.routes(config))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .max_connections(limits.connections)
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(limits.head)
            .tls_handshake_timeout(limits.head)
            .on_connect(lease::of(limits.lease))
            .disable_signals()
            .shutdown_timeout(LAST_ANSWERS);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listening = match tls {
            Some(tls) => server.listen_rustls_0_23(self.listener, tls),
            None => server.listen(self.listener),
        };
        let server = match listening {
            Ok(listening) => listening.run(),
            Err(error) => return Server::failed(&error, log),
        };
        info!(log, "api listening"; "addr" => %self.address, "scheme" => scheme);
        let (handle, log) = (server.handle(), log.clone());
        let task = actix_web::rt::spawn(async move {
            if let Err(error) = server.await {
                failed(&error, &log);
            }
        });
        Server(Some((handle, task)))
    }
}

/// The listener at work.
#[must_use = "it is to be stopped"]
pub struct Server(Option<(ServerHandle, JoinHandle<()>)>);

impl Server {
    fn failed(error: &io::Error, log: &Logger) -> Self {
        failed(error, log);
        Self(None)
    }

    /// Accepts nothing more, finishes the answers under way and lets go of the address.
    pub async fn stop(self) {
        if let Some((handle, task)) = self.0 {
            handle.stop(true).await;
            // It has no result, and cannot have panicked where the server did not.
            let _ = task.await;
        }
    }
}

/// Delivery goes on without an API: probes fail, and whoever sends them decides.
fn failed(error: &io::Error, log: &Logger) {
    error!(log, "api ended: health and metrics are not served any more"; "error" => %error);
}

/// Who is answered, and how.
pub struct Access {
    /// What whoever asks must know.
    pub token: Option<Secret>,
    /// What is shown to whoever connects; `None`: plain HTTP.
    pub tls: Option<ServerConfig>,
}

/// The pipelines, and who leads them.
#[derive(Clone)]
pub struct Led {
    /// Who decides.
    pub supervisor: Addr<Supervisor>,
    /// What is known of them.
    pub roster: Roster,
    /// How those are doing that are there.
    pub handles: Handles,
}

/// What the answers are made of.
#[derive(Clone)]
struct Shown {
    led: Led,
    lines_dropped: Arc<AtomicU64>,
}

impl Shown {
    fn routes(&self, config: &mut web::ServiceConfig) {
        let lines_dropped = Arc::clone(&self.lines_dropped);
        let (handles, roster) = (self.led.handles.clone(), self.led.roster.clone());
        let probes = Probes::of(handles.clone())
            .supervised(move || hindrances(&roster))
            .with_metrics(move |families| {
                of_process(families, lines_dropped.load(Ordering::Relaxed));
            });
        let led = web::Data::new(self.led.clone());
        let first = web::scope("/v1")
            .configure(|config| mount(resource::routes(), &led, config))
            .configure(reading(handles))
            .default_service(web::to(async || nothing_here().response()));
        config
            .configure(|config| probes.configure(config))
            .configure(|config| mount(docs::routes(), &web::Data::new(()), config))
            .app_data(PayloadConfig::new(MOST_BODY))
            .service(first)
            .configure(|config| plain::mounted(&self.led, config))
            .default_service(web::to(async || nothing_here().response()));
    }
}

/// What the process counts beside its pipelines.
fn of_process(families: &mut Families, lines_dropped: u64) {
    families.counters(
        "log_lines_dropped_total",
        "Log lines that were not written because the log could not keep up.",
        vec![counter(&[], lines_dropped)],
    );
}

/// Why pipelines that are to run do not, where there is nothing that could tell of itself. Who asks
/// may have no token: what made one fail, which may name files and other pipelines, is told elsewhere.
fn hindrances(roster: &Roster) -> Vec<String> {
    let why = |phase: Phase| match phase {
        Phase::Starting => Some("is starting".to_owned()),
        Phase::Failed(_) => Some("has failed: /v1/pipelines says why".to_owned()),
        Phase::Up | Phase::Stopped => None,
    };
    let of_all = match roster.stage() {
        Stage::Begins => Some("keyway is starting".to_owned()),
        Stage::Runs => None,
        Stage::Ends => Some("keyway is stopping".to_owned()),
    };
    let all = roster.all().into_iter();
    let of_each = all.filter_map(|(name, it)| Some(format!("pipeline {name}: {}", why(it.phase)?)));
    of_all.into_iter().chain(of_each).collect()
}

fn nothing_here() -> Problem {
    let detail = "nothing here; there is /v1/pipelines (what runs, to be led), /v1/verify (whether \
        every record is accounted for), /livez, /readyz, /metrics (for Prometheus) and /docs (what \
        can be asked, and how)";
    Problem::new(StatusCode::NOT_FOUND, detail)
}
