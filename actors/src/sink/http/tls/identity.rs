//! A certificate and its key, to be shown by a listener; read again when a file changes.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::super::watched::{News, Watched};
use super::files::{TlsError, certified_key};

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity(Watched<Arc<CertifiedKey>>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// From two files. Blocks while it reads them.
    pub fn watched(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let (cert, key) = (cert.to_owned(), key.to_owned());
        let paths = vec![cert.clone(), key.clone()];
        let load = move || certified_key(&cert, &key).map(Arc::new);
        Ok(Self(Watched::new(paths, load)?))
    }

    /// As the files have it, or had it when they were last right.
    pub fn current(&self) -> Arc<CertifiedKey> {
        self.0.current()
    }

    /// What became of the files since this was last asked, for the log.
    pub fn news(&self) -> Option<News> {
        self.0.news()
    }
}
