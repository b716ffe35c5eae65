//! TLS with files: an authority of one's own, and a certificate to show.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::server::read_request;
use super::*;
use crate::sink::http::tls::{Tls, TlsFiles};

type Identity = CertifiedKey<rcgen::KeyPair>;

fn identity() -> Identity {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// A server that takes only this client.
fn server(own: &Identity, client: &Identity) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(client.cert.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::raw(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while read_request(&mut stream).await.is_some() {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    })
}

fn files(folder: &Path, authority: &Identity, client: Option<&Identity>) -> TlsFiles {
    let write = |name: &str, content: String| {
        fs::write(folder.join(name), content).unwrap();
        folder.join(name)
    };
    TlsFiles {
        ca: Some(write("ca.pem", authority.cert.pem())),
        cert: client.map(|it| write("cert.pem", it.cert.pem())),
        key: client.map(|it| write("key.pem", it.signing_key.serialize_pem())),
    }
}

async fn outcome(server: &Server, files: &TlsFiles) -> Outcome {
    let url = format!("https://localhost:{}/", server.address().port());
    let mut settings = HttpSettings::new(&url).unwrap();
    settings.tls = Tls::files(files).unwrap();
    settings.build(&context(1)).unwrap().attempt(&record(), 1).await
}

#[actix_rt::test]
async fn the_certificate_is_shown_and_the_authority_is_trusted() {
    let (own, client) = (identity(), identity());
    let server = server(&own, &client);
    let folder = tempfile::tempdir().unwrap();
    let delivered = outcome(&server, &files(folder.path(), &own, Some(&client))).await;
    assert_eq!(delivered, Outcome::Delivered);
}

#[actix_rt::test]
async fn no_certificate_and_another_certificate_are_tried_again() {
    let (own, client) = (identity(), identity());
    let server = server(&own, &client);
    let folder = tempfile::tempdir().unwrap();
    for shown in [None, Some(&identity())] {
        let (after, _) = retried(outcome(&server, &files(folder.path(), &own, shown)).await);
        assert_eq!(after, None);
    }
}

#[actix_rt::test]
async fn only_the_given_authority_is_trusted() {
    let (own, client) = (identity(), identity());
    let server = server(&own, &client);
    let folder = tempfile::tempdir().unwrap();
    let outcome = outcome(&server, &files(folder.path(), &identity(), Some(&client))).await;
    assert_retry(outcome, FailureKind::Connect, "tls: invalid peer certificate");
}
