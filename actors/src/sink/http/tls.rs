//! TLS below HTTP: who is trusted, who this side says to be, and that HTTP/1.1 is what is spoken.
//!
//! The cryptography is named explicitly (ring), so that nothing depends on a default that the
//! embedding program may or may not have installed for its process.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

use self::files::Files;
use super::watched::{News, Watched};
use crate::sink::SinkError;

mod files;
#[cfg(feature = "web")]
mod identity;
#[cfg(test)]
mod tests;

pub use files::{TlsError, TlsFiles};
#[cfg(feature = "web")]
pub use identity::Identity;

/// The TLS configuration of a sink; clones share it.
#[derive(Clone)]
pub(super) struct Tls(Source);

#[derive(Clone)]
enum Source {
    /// Made when it is first needed: reading the system's authorities takes milliseconds and
    /// hundreds of kilobytes. So once a pipeline, not once an arbiter, and not at all for plain
    /// HTTP.
    System(Arc<OnceLock<Arc<ClientConfig>>>),
    Given(Arc<ClientConfig>),
    /// Made at once, for what is wrong with the files is to be said at the start, and again when
    /// one of them changes.
    Files(Watched<Arc<ClientConfig>>),
}

impl Default for Tls {
    fn default() -> Self {
        Self(Source::System(Arc::default()))
    }
}

impl Tls {
    pub(super) fn given(config: Arc<ClientConfig>) -> Self {
        Self(Source::Given(http11_only(config)))
    }

    /// With authorities or a certificate of one's own. Blocks while it reads them.
    pub(super) fn files(files: &TlsFiles) -> Result<Self, TlsError> {
        let files = Files::new(files)?;
        // Those of the system are read once: they come and go with the system's own updates.
        let system = if files.has_roots() { None } else { Some(system_roots()?) };
        let paths = files.paths();
        let load = move || {
            let config = files.config(system.as_ref())?;
            Ok(http11_only(Arc::new(config)))
        };
        Ok(Self(Source::Files(Watched::new(paths, load)?)))
    }

    /// The configuration for a connection that is made now. Cheap once there is one.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, SinkError> {
        match &self.0 {
            Source::Given(config) => Ok(Arc::clone(config)),
            Source::Files(watched) => Ok(watched.current()),
            Source::System(made) => {
                if let Some(config) = made.get() {
                    return Ok(Arc::clone(config));
                }
                let roots = system_roots()?;
                let config = builder()?.with_root_certificates(roots).with_no_client_auth();
                Ok(Arc::clone(made.get_or_init(|| http11_only(Arc::new(config)))))
            }
        }
    }

    /// What became of its files since this was last asked, for the log.
    pub(super) fn news(&self) -> Option<News> {
        match &self.0 {
            Source::Files(watched) => watched.news(),
            Source::System(_) | Source::Given(_) => None,
        }
    }
}

/// HTTP/2 is not offered. awc's pool keeps an HTTP/2 connection that broke in a way it does not
/// know and goes on using it, opens one connection a request as long as none is there to share, and
/// sends a request of its own when it drops one. A sink that promises to lose nothing and to send
/// nothing twice without need cannot stand on that.
fn http11_only(mut config: Arc<ClientConfig>) -> Arc<ClientConfig> {
    Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn system_roots() -> Result<RootCertStore, SinkError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(SinkError(format!(
            "no certificate authorities found on this system, which https needs \
             (package ca-certificates, or SSL_CERT_FILE){why}"
        )));
    }
    Ok(roots)
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, SinkError> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SinkError(format!("tls: {error}")))
}
