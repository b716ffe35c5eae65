//! HTTPS: the same over TLS, and what becomes of a handshake that fails.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::server::read_request;
use super::*;
use crate::sink::Sink;
use crate::sink::http::probe;

/// A server with a certificate of its own for `localhost`, and a client that trusts it.
fn secure() -> (Server, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let server = Server::raw(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Some(request) = read_request(&mut stream).await {
                let body = format!(
                    "{:?} {}",
                    stream.get_ref().1.alpn_protocol().is_some_and(|it| it == b"h2"),
                    request.body.len()
                );
                let head = format!(
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 No\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    });
    (server, Arc::new(client))
}

fn https(server: &Server) -> HttpSettings {
    HttpSettings::new(&format!("https://localhost:{}/", server.address().port())).unwrap()
}

#[actix_rt::test]
async fn requests_go_over_tls_as_http_1_and_share_a_connection() {
    let (server, trusting) = secure();
    let settings = https(&server).tls(trusting);
    probe(&settings).await.unwrap();
    let sink = settings.build(&context(1)).unwrap();
    for size in [1, 1 << 20, 1] {
        let record = Record::builder("orders", 0, 0).value(vec![7; size]).build();
        let failure = rejected(sink.attempt(&record, 1).await);
        assert_eq!(failure.kind, FailureKind::Status(400));
        assert_eq!(failure.response, format!("false {size}"));
    }
    assert_eq!(sink.connections().map(|it| it.opened), Some(1));
}

#[actix_rt::test]
async fn a_certificate_that_is_not_trusted_is_tried_again() {
    let (server, _) = secure();
    let (_, trusting_another) = secure();
    let settings = https(&server).tls(trusting_another);
    let outcome = settings.build(&context(1)).unwrap().attempt(&record(), 1).await;
    assert_retry(outcome, FailureKind::Connect, "tls: invalid peer certificate");
    assert!(probe(&settings).await.unwrap_err().to_string().starts_with("tls: "));
}

#[actix_rt::test]
async fn a_server_that_does_not_speak_tls_is_tried_again() {
    let (_, trusting) = secure();
    let plain = Server::raw(|mut stream, _| async move {
        stream.read_exact(&mut [0; 5]).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let sink = https(&plain).tls(trusting).build(&context(1)).unwrap();
    assert_retry(sink.attempt(&record(), 1).await, FailureKind::Connect, "tls: ");
}

#[actix_rt::test]
async fn a_handshake_that_does_not_end_is_no_connection() {
    let (_, trusting) = secure();
    let silent = Server::raw(|mut stream, _| async move {
        stream.read_exact(&mut [0; 5]).await.unwrap();
        tokio::time::pause();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        tokio::time::resume();
    });
    let limit = Duration::from_secs(3);
    let settings = https(&silent).tls(trusting).connect_timeout(limit).unwrap();
    let started = tokio::time::Instant::now();
    let outcome = settings.build(&context(1)).unwrap().attempt(&record(), 1).await;
    assert_retry(outcome, FailureKind::Connect, "connect: no connection within 3s");
    assert!(started.elapsed() < limit + Duration::from_secs(1), "{:?}", started.elapsed());
    let error = probe(&settings).await.unwrap_err();
    assert_eq!(error.to_string(), "connect: no connection within 3s");
}

#[actix_rt::test]
async fn the_systems_authorities_do_not_vouch_for_a_certificate_of_ones_own() {
    let (server, _) = secure();
    match https(&server).build(&context(1)) {
        Ok(sink) => assert_retry(sink.attempt(&record(), 1).await, FailureKind::Connect, "tls: "),
        // A system without any says so at once.
        Err(error) => assert!(error.to_string().contains("certificate authorities"), "{error}"),
    }
}
