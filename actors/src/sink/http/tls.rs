//! TLS below HTTP: which authorities are trusted, and that HTTP/1.1 is what is spoken.
//!
//! The cryptography is named explicitly (ring), so that nothing depends on a default that the
//! embedding program may or may not have installed for its process.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

use crate::sink::SinkError;

/// The TLS configuration, made when it is first needed and then shared.
///
/// Reading the system's authorities takes milliseconds and hundreds of kilobytes: once a pipeline,
/// not once an arbiter, and not at all for plain HTTP.
#[derive(Clone, Default)]
pub(super) struct Tls(Arc<OnceLock<Arc<ClientConfig>>>);

impl Tls {
    pub(super) fn given(config: Arc<ClientConfig>) -> Self {
        Self(Arc::new(OnceLock::from(http11_only(config))))
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, SinkError> {
        if let Some(config) = self.0.get() {
            return Ok(Arc::clone(config));
        }
        let config = http11_only(Arc::new(with_system_roots()?));
        Ok(Arc::clone(self.0.get_or_init(|| config)))
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

fn with_system_roots() -> Result<ClientConfig, SinkError> {
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
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, SinkError> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SinkError(format!("tls: {error}")))
}
