//! Certificates for tests: an authority, and what it issues for 127.0.0.1 and localhost.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate authority that lives as long as a test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate and its private key, both PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS 8).
    pub key: String,
}

impl Authority {
    /// Makes an authority with a key of its own.
    pub fn new() -> Self {
        let mut params = named("Keyway test authority", Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("an authority signs itself").pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// The authority's own certificate (PEM): what a client is told to trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Issues a certificate, good for a server on this machine and for a client.
    pub fn issue(&self, name: &str) -> Issued {
        let params = named(name, vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate =
            params.signed_by(&key, &self.issuer).expect("a certificate can be signed");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn named(name: &str, addresses: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(addresses).expect("addresses of this machine");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
