//! From the settings of the binary to what the library is told.

mod refusal;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use keyway_actors::core::limiter::Rate;
use keyway_actors::kafka::admin::{self, Tried};
use keyway_actors::route::{ExpressionError, TemplateError, TemplateRoutes};
use keyway_actors::sink::file::FileSink;
use keyway_actors::sink::http::{
    Auth, AuthError, CloudEvents, CloudEventsError, Coding, Compression, FileError, HttpSettings,
    HttpSettingsError, Mode, OAuth2, Secret, Signature, SignatureError, TlsError, TlsFiles,
};
use keyway_actors::{
    DeadLetterConfig, DestinationConfig, Handle, Pipeline, PipelineConfig, PipelineError,
    RetryPolicy,
};
use slog::Logger;

pub use self::refusal::NotTaken;
use crate::settings::{
    self, AuthSettings, Base, CompressionSettings, DeadLetterSettings, DestinationSettings,
    EventMode, EventSettings, KafkaProperties, Least, PipelineSettings, RetrySettings, Routes,
    SecretSource, Settings, SinkSettings, Sources, Way,
};

/// What the library is told of a pipeline.
pub fn pipeline(settings: &PipelineSettings) -> PipelineConfig {
    PipelineConfig {
        name: settings.name.clone(),
        topics: settings.topics.clone(),
        partitions: settings.partitions.clone(),
        group_id: settings.group_id.clone(),
        kafka: kafka(&settings.kafka),
        ordering: settings.ordering,
        senders: settings.senders,
        arbiters: settings.arbiters,
        buffer_records: settings.buffer_records.get() as u64,
        buffer_bytes: settings.buffer_bytes as u64,
        commit_interval: settings.commit_interval,
        revoke_deadline: settings.revoke_deadline,
        drain_deadline: settings.drain_deadline,
        offset_overflow: settings.offset_overflow,
        offset_metadata_max_bytes: settings.offset_metadata_max_bytes,
        destinations: settings.http().map(|it| destinations(&it.destination)).unwrap_or_default(),
        retry: retry(&settings.retry),
        dead_letter: settings.dead_letter.as_ref().map(dead_letter),
    }
}

/// A pipeline that was started.
#[derive(Clone, Debug)]
pub struct Started {
    /// Leads it.
    pub handle: Handle,
    /// Its file, to be opened anew when another program has moved it; where it writes one.
    pub file: Option<FileSink>,
}

/// Starts a pipeline. Blocks while it reads the files that hold secrets.
///
/// # Errors
/// What its sink or the library refuses.
pub fn start(settings: &PipelineSettings, log: &Logger) -> Result<Started, PipelineError> {
    let config = pipeline(settings);
    match &settings.sink {
        SinkSettings::Http(http) => {
            let sink = sink(http).map_err(|error| PipelineError::Config(error.to_string()))?;
            let handle = Pipeline::start_with_log(config, sink, log)?;
            Ok(Started { handle, file: None })
        }
        SinkSettings::File(file) => {
            let sink = FileSink::new(file.clone());
            let handle = Pipeline::start_with_log(config, sink.clone(), log)?;
            Ok(Started { handle, file: Some(sink) })
        }
    }
}

/// Has librdkafka and the sink take what is set for a pipeline, connecting to nobody: properties that
/// contradict each other or name a file that cannot be read, a secret that cannot be sent.
///
/// # Errors
/// What the first of them refuses.
pub fn try_pipeline(settings: &PipelineSettings) -> Result<Tried, NotTaken> {
    if let Some(http) = settings.http() {
        sink(http)?;
    }
    Ok(admin::try_properties(&pipeline(settings))?)
}

/// The same for all pipelines.
///
/// # Errors
/// What is refused, one line a pipeline.
pub fn try_pipelines(settings: &Settings) -> Result<Vec<Tried>, Vec<String>> {
    let (mut tried, mut refused) = (Vec::new(), Vec::new());
    for settings in &settings.pipelines {
        match try_pipeline(settings) {
            Ok(clients) => tried.push(clients),
            Err(error) => refused.push(format!("pipeline {:?}: {error}", settings.name)),
        }
    }
    if refused.is_empty() { Ok(tried) } else { Err(refused) }
}

/// The settings that some sources give, which librdkafka and the sinks take too, and what holds for
/// the pipelines that come later. In a process that goes on: what was tried is let go of meanwhile.
///
/// # Errors
/// What is wrong with them, one line each.
pub fn load(sources: &Sources, least: Least) -> Result<(Settings, Base), Vec<String>> {
    let (settings, base) = settings::load_with_base(sources, least).map_err(|it| it.lines())?;
    try_pipelines(&settings)?.into_iter().for_each(Tried::let_go);
    Ok((settings, base))
}

/// What a sink cannot be made of.
#[derive(Debug, thiserror::Error)]
pub enum SinkRefused {
    /// A setting of the sink.
    #[error("http: {0}")]
    Http(#[from] HttpSettingsError),
    /// The first of the routes that cannot be used.
    #[error("{0}")]
    Route(TemplateError),
    /// The condition that tells a success.
    #[error("http.success_when: {0}")]
    Success(ExpressionError),
    /// What is signed with.
    #[error("http.signature: {0}")]
    Signature(#[from] SignatureError),
    /// How requests are authorized.
    #[error("http.auth: {0}")]
    Auth(#[from] AuthError),
    /// How records become events.
    #[error("http.cloudevents: {0}")]
    Events(#[from] CloudEventsError),
    /// The files of TLS.
    #[error("http.tls: {0}")]
    Tls(#[from] TlsError),
    /// The file of a secret.
    #[error("{0}")]
    File(#[from] FileError),
}

/// The HTTP sink of a pipeline. Blocks while it reads the files that hold secrets.
///
/// # Errors
/// What the sink refuses.
pub fn sink(settings: &settings::HttpSettings) -> Result<HttpSettings, SinkRefused> {
    let sink = match &settings.way {
        Way::One(url) => HttpSettings::new(&url.to_string())?,
        Way::Routes(written) => HttpSettings::routed(routes(written)?),
    };
    let mut sink = sink
        .timeout(settings.timeout)?
        .connect_timeout(settings.connect_timeout)?
        .content_type(&settings.content_type)?
        .connections(settings.connections)?
        .allowed_networks(settings.allowed_networks.clone())
        .auth(auth(&settings.auth, settings.tls.as_ref())?)
        .compression(settings.compression.map(compression).unwrap_or_default());
    if let Some(condition) = &settings.success_when {
        let first = |mut errors: Vec<ExpressionError>| SinkRefused::Success(errors.remove(0));
        sink = sink.success_when(&condition.text).map_err(first)?;
    }
    if let Some(settings) = &settings.cloud_events {
        sink = sink.cloud_events(events(settings)?);
    }
    if !settings.signature.is_empty() {
        let secrets: Result<Vec<_>, _> = settings.signature.iter().map(secret).collect();
        sink = sink.signature(Signature::new(secrets?)?);
    }
    if let Some(proxies) = &settings.proxy {
        sink = sink.proxy(proxies.proxy.clone(), proxies.except.clone());
    }
    match &settings.tls {
        Some(files) => Ok(sink.tls_files(files)?),
        None => Ok(sink),
    }
}

fn auth(settings: &AuthSettings, files: Option<&TlsFiles>) -> Result<Auth, SinkRefused> {
    Ok(match settings {
        AuthSettings::None => Auth::none(),
        AuthSettings::Basic { username, password } => Auth::basic(username, secret(password)?)?,
        AuthSettings::Bearer { token } => Auth::bearer(secret(token)?)?,
        AuthSettings::Header { name, value } => Auth::header(name, secret(value)?)?,
        AuthSettings::OAuth2 { token_url, client_id, client_secret, scope, audience } => {
            let mut oauth2 = OAuth2::new(token_url, client_id, secret(client_secret)?)?;
            if let Some(scope) = scope {
                oauth2 = oauth2.scope(scope);
            }
            if let Some(audience) = audience {
                oauth2 = oauth2.audience(audience);
            }
            // Who issues tokens is vouched for as those are who take them.
            let mut refused = None;
            if let Some(files) = files {
                oauth2 = oauth2.reach(|endpoint| match endpoint.clone().tls_files(files) {
                    Ok(endpoint) => endpoint,
                    Err(error) => {
                        refused = Some(error);
                        endpoint
                    }
                });
            }
            match refused {
                Some(error) => return Err(error.into()),
                None => Auth::oauth2(oauth2),
            }
        }
    })
}

/// A secret, whose file is watched from now on.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn secret(source: &SecretSource) -> Result<Secret, FileError> {
    match source {
        SecretSource::Given(value) => Ok(Secret::given(value.as_str())),
        SecretSource::File(path) => Secret::file(path),
    }
}

fn compression(settings: CompressionSettings) -> Compression {
    let coding = match settings.coding {
        settings::Coding::Gzip => Coding::Gzip,
        settings::Coding::Zstd => Coding::Zstd,
    };
    Compression::new(coding).least(settings.min_bytes)
}

fn events(settings: &EventSettings) -> Result<CloudEvents, CloudEventsError> {
    let mut events = CloudEvents::new(match settings.mode {
        EventMode::Binary => Mode::Binary,
        EventMode::Structured => Mode::Structured,
    });
    if let Some(source) = &settings.source {
        events = events.source(source)?;
    }
    if let Some(kind) = &settings.kind {
        events = events.kind(kind)?;
    }
    Ok(events)
}

/// The routes of a pipeline.
///
/// # Errors
/// The first that is wrong with them.
pub fn routes(routes: &Routes) -> Result<TemplateRoutes, SinkRefused> {
    TemplateRoutes::new(&routes.settings).map_err(|mut errors| SinkRefused::Route(errors.remove(0)))
}

/// The properties, as the library takes them.
pub fn kafka(properties: &KafkaProperties) -> BTreeMap<String, String> {
    properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn dead_letter(settings: &DeadLetterSettings) -> DeadLetterConfig {
    DeadLetterConfig { topic: settings.topic.clone(), kafka: kafka(&settings.kafka) }
}

fn destinations(settings: &DestinationSettings) -> DestinationConfig {
    DestinationConfig {
        max_in_flight: settings.max_in_flight,
        adaptive: settings.adaptive,
        rate: settings.rate.map(|(pace, burst)| Rate::new(pace.requests, pace.per, burst)),
        breaker: settings.breaker,
        retry_after: settings.retry_after,
    }
}

fn retry(settings: &RetrySettings) -> RetryPolicy {
    RetryPolicy {
        initial: settings.initial,
        factor: settings.factor,
        max: settings.max,
        jitter: settings.jitter,
        retry_after_cap: settings.retry_after_cap,
        max_attempts: settings.max_attempts.map_or(0, NonZeroU32::get),
        max_age: settings.max_age,
        retry_on: settings.retry_on.clone(),
        reject_on: settings.reject_on.clone(),
        on_rejected: settings.on_rejected,
        on_exhausted: settings.on_exhausted,
    }
}
