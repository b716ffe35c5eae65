//! The files of TLS: a bundle of authorities, a certificate to show and its key.
//!
//! Whatever is wrong with one is said with the file and the setting that names it. A key is never
//! shown, and errors of the parsers are left out where they could hold a part of one.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
#[cfg(feature = "web")]
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, Error as RustlsError, RootCertStore};

use super::super::watched::{FileError, read};
use super::builder;
use crate::sink::SinkError;

/// Four times what the authorities of a whole system take.
const LIMIT: u64 = 1024 * 1024;

/// Which files to use for TLS; PEM all of them. Each is read again when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities to trust in place of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate to show to servers that ask for one, and those that lead to its authority,
    /// its own first.
    pub cert: Option<PathBuf>,
    /// The certificate's key: PKCS#8, SEC1 or PKCS#1, without a passphrase.
    pub key: Option<PathBuf>,
}

/// What is wrong with the files of TLS.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate without its key, or a key without its certificate.
    #[error("cert_file and key_file belong together: {0} is missing")]
    Alone(&'static str),
    /// One of them cannot be used.
    #[error("{0}")]
    File(#[from] FileError),
    /// There is no configuration, whatever the files hold.
    #[error("{0}")]
    Setup(#[from] SinkError),
}

/// Files that make sense together.
pub(super) struct Files {
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Files {
    pub(super) fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let identity = match (&files.cert, &files.key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(TlsError::Alone("key_file")),
            (None, Some(_)) => return Err(TlsError::Alone("cert_file")),
        };
        Ok(Self { ca: files.ca.clone(), identity })
    }

    pub(super) fn has_roots(&self) -> bool {
        self.ca.is_some()
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        self.ca.iter().chain(identity).cloned().collect()
    }

    /// The configuration that the files make as they are now. Blocks while it reads them.
    pub(super) fn config(&self, system: Option<&RootCertStore>) -> Result<ClientConfig, FileError> {
        let roots = match &self.ca {
            Some(path) => authorities(path)?,
            None => system.cloned().unwrap_or_else(RootCertStore::empty),
        };
        let path = || self.paths().into_iter().next().unwrap_or_default();
        let builder = builder()
            .map_err(|error| FileError::new(&path(), error.to_string()))?
            .with_root_certificates(roots);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => builder
                .with_client_auth_cert(certificates("cert_file", cert)?, private_key(key)?)
                .map_err(|error| mismatch(cert, key, &error)),
        }
    }
}

/// What a listener shows. Blocks while it reads the files.
#[cfg(feature = "web")]
pub(super) fn certified_key(cert: &Path, key: &Path) -> Result<CertifiedKey, FileError> {
    let (chain, own) = (certificates("cert_file", cert)?, private_key(key)?);
    CertifiedKey::from_der(chain, own, &rustls::crypto::ring::default_provider())
        .map_err(|error| mismatch(cert, key, &error))
}

/// Trusted are those that can be; a bundle may have some among them that no verifier takes.
fn authorities(path: &Path) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates("ca_file", path)?);
    if added == 0 {
        return Err(FileError::new(path, "ca_file holds no certificate that can be trusted"));
    }
    Ok(roots)
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let content = content(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(FileError::new(
            path,
            format!("{setting} holds no certificate (PEM, -----BEGIN CERTIFICATE-----)"),
        )),
        Err(_) => Err(FileError::new(path, format!("{setting} is damaged: it is not valid PEM"))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let content = content("key_file", path)?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|error| {
        let encrypted = content.windows(9).any(|it| it == b"ENCRYPTED");
        let why = match error {
            PemError::NoItemsFound if encrypted => "has a passphrase; a key without one is needed",
            PemError::NoItemsFound => "holds no private key (PEM, -----BEGIN PRIVATE KEY-----)",
            _ => "is damaged: it is not valid PEM",
        };
        FileError::new(path, format!("key_file {why}"))
    })
}

fn content(setting: &str, path: &Path) -> Result<Vec<u8>, FileError> {
    read(path, LIMIT).map_err(|it| FileError { why: format!("{setting} {}", it.why), ..it })
}

/// Why the pair is not taken. The library's own words say of what it could not read only that.
fn mismatch(cert: &Path, key: &Path, error: &RustlsError) -> FileError {
    match error {
        RustlsError::InconsistentKeys(_) => FileError::new(
            key,
            format!("key_file is not the key of the certificate in {} (cert_file)", cert.display()),
        ),
        RustlsError::InvalidCertificate(error) => {
            FileError::new(cert, format!("cert_file cannot be used: {error:?}"))
        }
        _ => FileError::new(
            key,
            "key_file holds no key that can be used: RSA of 2048 to 8192 bits, ECDSA P-256 or \
             P-384, or Ed25519",
        ),
    }
}
