//! The listener over TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::task::spawn_blocking;
use keyway_actors::web::server_tls;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;

/// Writes a new certificate and its key; gives what trusts it.
fn identity(folder: &Path) -> Arc<ClientConfig> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(cert.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

fn serve(folder: &Path, limits: Limits) -> Api {
    let tls = server_tls(&folder.join("cert.pem"), &folder.join("key.pem"), &log()).unwrap();
    Api::served(limits, |address| Guard::new(None, address), Some(tls))
}

/// What is answered to these bytes, over TLS; an error where no connection comes about.
async fn say(
    address: SocketAddr,
    client: &Arc<ClientConfig>,
    request: &'static str,
) -> std::io::Result<String> {
    let client = ClientConnection::new(Arc::clone(client), "localhost".try_into().unwrap());
    spawn_blocking(move || {
        let mut stream = StreamOwned::new(client.unwrap(), TcpStream::connect(address)?);
        stream.sock.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        match stream.read_to_string(&mut answer) {
            // It is shut down without a farewell, also after a whole answer.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(answer),
            read => read.map(|_| answer),
        }
    })
    .await
    .unwrap()
}

const ASK: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[actix_rt::test]
async fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let client = identity(folder.path());
    let api = serve(folder.path(), LIMITS);
    let answer = say(api.address, &client, ASK).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"), "{answer}");
    let mut plain = TcpStream::connect(api.address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(ASK.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let read =
        spawn_blocking(move || plain.read_to_end(&mut answer).map(|_| answer)).await.unwrap();
    assert!(read.is_err() || read.is_ok_and(|it| !it.starts_with(b"HTTP")));
    api.server.stop().await;
}

#[actix_rt::test]
async fn a_new_certificate_is_shown_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let old = identity(folder.path());
    let api = serve(folder.path(), LIMITS);
    say(api.address, &old, ASK).await.unwrap();
    let new = identity(folder.path());
    while say(api.address, &new, ASK).await.is_err() {}
    assert!(say(api.address, &old, ASK).await.is_err(), "it is shown no more");
    fs::write(folder.path().join("cert.pem"), "nothing of the kind").unwrap();
    let third = identity(tempfile::tempdir().unwrap().path());
    assert!(say(api.address, &third, ASK).await.is_err());
    say(api.address, &new, ASK).await.unwrap();
    api.server.stop().await;
}

#[actix_rt::test]
async fn a_client_that_says_half_is_cut_off_over_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    let client = identity(folder.path());
    let limits = Limits { connections: 2, head: PATIENCE * 2, lease: Duration::from_millis(200) };
    let api = serve(folder.path(), limits);
    // Without the lease it would wait for the rest of the head for longer than this test may take.
    let answer = say(api.address, &client, "GET /livez HTTP/1.1\r\nHost: ").await;
    assert!(answer.is_ok_and(|it| it.is_empty()));
    api.server.stop().await;
}
