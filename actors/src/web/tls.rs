//! TLS of a listener, from a certificate and its key in files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use slog::{Logger, info, warn};

use crate::sink::http::{Identity, News, TlsError};

/// The configuration of a listener that shows this certificate, with those that lead to its authority,
/// its own first; `key` is PKCS#8, SEC1 or PKCS#1, without a passphrase. PEM both. TLS 1.2 and 1.3.
///
/// When a file changes it is read again, within a second or two: connections made from then on are
/// shown the new certificate. One that is broken changes nothing, and the log says so. Blocks while it
/// reads them the first time.
///
/// # Errors
/// A file cannot be read, or they do not belong together.
pub fn server_tls(cert: &Path, key: &Path, log: &Logger) -> Result<ServerConfig, TlsError> {
    let identity = Identity::watched(cert, key)?;
    let resolver = Resolver { identity, log: log.clone() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(crate::sink::SinkError(format!("tls: {error}"))))?;
    Ok(builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver)))
}

/// Has the latest certificate at hand.
#[derive(Debug)]
struct Resolver {
    identity: Identity,
    log: Logger,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.identity.news() {
            Some(news @ News::Renewed(_)) => info!(self.log, "api.tls: {}", news),
            Some(news @ News::Kept(_)) => warn!(self.log, "api.tls: {}", news),
            None => {}
        }
        Some(self.identity.current())
    }
}
