//! Through a proxy: one that is real, as far as `CONNECT` goes, and leads to the test's own server
//! whatever it is asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_rt::net::TcpStream;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio_rustls::TlsAcceptor;

use super::server::read_request;
use super::*;
use crate::sink::http::connect::Dialer;
use crate::sink::http::{
    Auth, ConnectError, Network, NoProxy, OAuth2, Proxies, Proxy, Secret, Target, TunnelError,
    probe,
};

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// 127.0.0.1, in a way that is a name to all but the system's resolver, which asks nobody for it.
const LOOPBACK: &str = "0x7f000001";

/// A server with a certificate for `localhost` and names that nobody can look up, which answers
/// with a token, and a client that trusts it.
fn secure() -> (Server, Arc<ClientConfig>) {
    let names =
        ["hooks.example", "localhost", "0x0a010203", LOOPBACK, "127.0.0.1"].map(str::to_owned);
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::raw(move |stream, seen| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Some(request) = read_request(&mut stream).await {
                seen.note(request);
                let body = r#"{"access_token":"t1"}"#;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    });
    (server, Arc::new(client))
}

/// A proxy that answers with these bytes and then leads to this address.
fn leading(to: SocketAddr, answer: &'static [u8]) -> Server {
    Server::raw(move |mut stream, seen| async move {
        let Some(request) = read_request(&mut stream).await else { return };
        seen.note(request);
        let mut target = TcpStream::connect(to).await.unwrap();
        stream.write_all(answer).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut target).await;
    })
}

/// A proxy that answers with these bytes and closes the connection.
fn answering(answer: impl Into<Vec<u8>>) -> Server {
    let answer = answer.into();
    Server::raw(move |mut stream, seen| {
        let answer = answer.clone();
        async move {
            let Some(request) = read_request(&mut stream).await else { return };
            seen.note(request);
            stream.write_all(&answer).await.unwrap();
        }
    })
}

fn proxy(server: &Server) -> Proxy {
    Proxy::new(&format!("http://me:hu%73h@{}", server.address())).unwrap()
}

fn through(proxy_server: &Server, url: &str, tls: &Arc<ClientConfig>) -> HttpSettings {
    let settings = HttpSettings::new(url).unwrap().tls(Arc::clone(tls));
    settings.proxy(proxy(proxy_server), NoProxy::default())
}

/// How a tunnel through this proxy fails, as it is shown.
async fn failure(proxy: &Server) -> String {
    let (_, tls) = secure();
    let settings = through(proxy, "https://hooks.example/", &tls);
    let probed = probe(&settings).await.unwrap_err().to_string();
    let outcome = settings.build(&context(1)).unwrap().attempt(&record(), 1).await;
    let (_, failure) = retried(outcome);
    assert_eq!((failure.kind, &*failure.reason), (FailureKind::Connect, &*probed));
    assert!(!probed.contains("hush") && !probed.contains("bWU6"), "{probed}");
    probed
}

/// The same, without the proxy's name before it.
async fn why(answer: impl Into<Vec<u8>>) -> String {
    let proxy = answering(answer);
    let shown = failure(&proxy).await;
    shown.strip_prefix(&format!("proxy {}: ", proxy.address())).unwrap().to_owned()
}

#[actix_rt::test]
async fn requests_to_https_go_through_a_tunnel_to_a_name_that_the_proxy_looks_up() {
    let (server, tls) = secure();
    let proxy = leading(server.address(), ESTABLISHED);
    let settings = through(&proxy, "https://hooks.example:8443/orders", &tls);
    let sink = settings.build(&context(1)).unwrap();
    for _ in 0..2 {
        assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
    }
    let connect = proxy.request();
    assert_eq!(connect.line, "CONNECT hooks.example:8443 HTTP/1.1");
    assert_eq!(connect.header("host"), Some("hooks.example:8443"));
    assert_eq!(connect.header("proxy-authorization"), Some("Basic bWU6aHVzaA=="));
    assert_eq!(connect.headers.len(), 2, "{connect:?}");
    for request in server.requests() {
        assert_eq!(request.line, "POST /orders HTTP/1.1");
        assert_eq!(request.header("host"), Some("hooks.example:8443"));
        assert_eq!(request.header("proxy-authorization"), None);
    }
    probe(&settings).await.unwrap();
    assert_eq!((proxy.requests().len(), server.requests().len()), (2, 2));
}

#[actix_rt::test]
async fn the_certificate_is_to_be_for_the_targets_name() {
    let (server, tls) = secure();
    let proxy = leading(server.address(), ESTABLISHED);
    let error = probe(&through(&proxy, "https://other.example/", &tls)).await.unwrap_err();
    assert!(error.to_string().starts_with("tls: invalid peer certificate"), "{error}");
    assert_eq!(proxy.request().line, "CONNECT other.example:443 HTTP/1.1");
}

#[actix_rt::test]
async fn an_ipv6_address_is_asked_for_in_brackets_and_no_password_is_sent_where_there_is_none() {
    let proxy = answering("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    let (_, tls) = secure();
    let plain = Proxy::new(&proxy.address().to_string()).unwrap();
    let settings = HttpSettings::new("https://[fd00::1]/").unwrap().tls(tls);
    probe(&settings.proxy(plain, NoProxy::default())).await.unwrap_err();
    let connect = proxy.request();
    assert_eq!(connect.line, "CONNECT [fd00::1]:443 HTTP/1.1");
    assert_eq!(connect.headers, [("host".to_owned(), "[fd00::1]:443".to_owned())]);
}

#[actix_rt::test]
async fn interim_answers_come_before_the_answer() {
    let (server, tls) = secure();
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204\nContent-Length: 9\n\n";
    let proxy = leading(server.address(), answer);
    probe(&through(&proxy, "https://hooks.example/", &tls)).await.unwrap();
}

#[actix_rt::test]
async fn a_proxy_that_opens_no_tunnel_says_why() {
    for (status, reason) in [
        (302, "it opens no tunnel to the target: status 302"),
        (101, "it opens no tunnel to the target: status 101"),
        (403, "it opens no tunnel to the target: status 403"),
        (503, "it opens no tunnel to the target: status 503"),
        (407, "it wants a user name and password (407), in its URL"),
    ] {
        let why = why(format!("HTTP/1.1 {status} Hush\r\nx: y\r\n\r\nno")).await;
        assert!(why.starts_with(reason), "{why}");
    }
}

#[actix_rt::test]
async fn what_is_no_answer_is_no_tunnel() {
    assert!(why("SSH-2.0-OpenSSH\r\n\r\n").await.starts_with("its answer is no HTTP/1.1"));
    for part in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
        let why = why(part).await;
        assert!(why.starts_with("connection lost before its answer: connection"), "{why}");
    }
    let long = |size| {
        let head = "HTTP/1.1 503 X\r\nx: ";
        format!("{head}{}\r\n\r\n", "y".repeat(size - head.len() - 4))
    };
    assert_eq!(why(long(8193)).await, "the head of its answer is longer than 8192 bytes");
    assert_eq!(why(long(8192)).await, "it opens no tunnel to the target: status 503");
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(8192 / 25 + 1);
    assert_eq!(why(interim).await, "the head of its answer is longer than 8192 bytes");
}

#[actix_rt::test]
async fn a_proxy_that_is_not_there_is_named() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_, tls) = secure();
    let settings = HttpSettings::new("https://hooks.example/").unwrap().tls(tls);
    let nobody = Proxy::new(&format!("http://me:hush@{unused}")).unwrap();
    let error = probe(&settings.proxy(nobody, NoProxy::default())).await.unwrap_err();
    assert_eq!(error.to_string(), format!("proxy {unused}: connect: connection refused"));
    assert!(!format!("{error:?}").contains("hush"));
    let ConnectError::Proxy { why: TunnelError::Unreached(_), .. } = error else {
        panic!("{error:?}")
    };
}

#[actix_rt::test]
async fn an_answer_that_does_not_come_or_does_not_end_is_no_connection() {
    let (_, tls) = secure();
    for part in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"] {
        let silent = Server::raw(move |mut stream, _| async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(part).await.unwrap();
            tokio::time::pause();
            let _ = stream.read_to_end(&mut Vec::new()).await;
            tokio::time::resume();
        });
        let limit = Duration::from_secs(3);
        let settings = through(&silent, "https://hooks.example/", &tls);
        let settings = settings.connect_timeout(limit).unwrap();
        let started = tokio::time::Instant::now();
        let outcome = settings.build(&context(1)).unwrap().attempt(&record(), 1).await;
        assert_retry(outcome, FailureKind::Connect, "connect: no connection within 3s");
        assert!(started.elapsed() < limit + Duration::from_secs(1), "{:?}", started.elapsed());
        let error = probe(&settings).await.unwrap_err();
        assert_eq!(error.to_string(), "connect: no connection within 3s");
    }
}

#[actix_rt::test]
async fn an_answer_in_pieces_is_put_together() {
    let (server, tls) = secure();
    let to = server.address();
    let proxy = Server::raw(move |mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in ESTABLISHED {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut target = TcpStream::connect(to).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut target).await;
    });
    probe(&through(&proxy, "https://hooks.example/", &tls)).await.unwrap();
}

#[actix_rt::test]
async fn what_follows_the_head_of_the_answer_is_the_targets() {
    let proxy = answering([ESTABLISHED, b"\r\nfrom the target"].concat());
    let limit = Duration::from_secs(5);
    let mut tunnel = self::proxy(&proxy).tunnel("hooks.example", 443, limit).await.unwrap();
    let mut rest = String::new();
    tunnel.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "\r\nfrom the target");
    // It is no TLS; had it been swallowed, the handshake would go on and succeed.
    let (server, tls) = secure();
    let noisy = leading(server.address(), b"HTTP/1.1 200 OK\r\n\r\nfrom the target");
    let error = probe(&through(&noisy, "https://hooks.example/", &tls)).await.unwrap_err();
    assert!(error.to_string().starts_with("tls: "), "{error}");
}

#[actix_rt::test]
async fn excepted_hosts_this_machine_and_http_are_reached_without_it() {
    let (server, tls) = secure();
    let plain = Server::start(|_| Answer::ok());
    let proxy = answering("HTTP/1.1 503 X\r\n\r\n");
    let (port, plain_port) = (server.address().port(), plain.address().port());
    let reached = async |url: String, except: &str| {
        let settings = HttpSettings::new(&url).unwrap().tls(Arc::clone(&tls));
        probe(&settings.proxy(self::proxy(&proxy), NoProxy::new(except))).await
    };
    for host in ["localhost", "127.0.0.1"] {
        reached(format!("https://{host}:{port}/"), "").await.unwrap();
    }
    reached(format!("https://{LOOPBACK}:{port}/"), "a, 0X7F000001").await.unwrap();
    reached(format!("http://{LOOPBACK}:{plain_port}/"), "").await.unwrap();
    assert_eq!(proxy.accepted(), 0);
    reached(format!("https://{LOOPBACK}:{port}/"), "a, b").await.unwrap_err();
    assert_eq!(proxy.accepted(), 1);
}

/// Dials a host that comes from a record.
async fn dial_from_record(settings: HttpSettings, url: &str) -> Result<(), ConnectError> {
    let allowed: Vec<Network> =
        ["10.1.0.0/16", "127.0.0.0/8", "::1"].map(|it| it.parse().unwrap()).into();
    let settings = settings.allowed_networks(allowed);
    let target = Target::parse(url).unwrap();
    Dialer::new(&settings, &target, true).unwrap().dial().await.map(drop)
}

#[actix_rt::test]
async fn a_host_from_a_record_is_looked_up_here_and_the_proxy_is_told_a_checked_address() {
    let (server, tls) = secure();
    let proxy = leading(server.address(), ESTABLISHED);
    let settings = through(&proxy, "https://unused.example/", &tls);
    // 10.1.2.3, written as `LOOPBACK` is.
    dial_from_record(settings.clone(), "https://0x0a010203/").await.unwrap();
    assert_eq!(proxy.request().line, "CONNECT 10.1.2.3:443 HTTP/1.1");
    let refused = dial_from_record(settings.clone(), "https://0x0a020203/").await.unwrap_err();
    assert!(matches!(refused, ConnectError::Private { .. }), "{refused}");
    // What may be reached there is this machine, not the proxy's.
    let url = format!("https://{LOOPBACK}:{}/", server.address().port());
    dial_from_record(settings, &url).await.unwrap();
    assert_eq!(proxy.accepted(), 1);
}

#[actix_rt::test]
async fn tokens_are_fetched_through_it_too_unless_their_endpoint_has_its_own() {
    let (tokens, tls) = secure();
    let usual = leading(tokens.address(), ESTABLISHED);
    let own = leading(tokens.address(), ESTABLISHED);
    let target = Server::start(|_| Answer::ok());
    let oauth2 = || {
        let it = OAuth2::new("https://hooks.example/token", "me", Secret::given("hush")).unwrap();
        it.reach(|it| it.tls(Arc::clone(&tls)))
    };
    let other = oauth2().reach(|it| it.proxy(proxy(&own), NoProxy::default()));
    for (oauth2, asked) in [(oauth2(), [1, 0]), (other, [1, 1])] {
        let settings = through(&usual, &target.url("/"), &tls).auth(Auth::oauth2(oauth2));
        let sink = settings.build(&context(1)).unwrap();
        assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
        assert_eq!([usual.accepted(), own.accepted()], asked);
    }
    assert_eq!(usual.request().line, "CONNECT hooks.example:443 HTTP/1.1");
    assert_eq!(target.requests()[0].header("authorization"), Some("Bearer t1"));
}

#[actix_rt::test]
async fn a_proxy_may_have_a_name_of_several_addresses() {
    let (server, tls) = secure();
    let proxy = leading(server.address(), ESTABLISHED);
    // Where localhost is ::1 first, the second address is the one that answers.
    let url = format!("http://localhost:{}", proxy.address().port());
    let variables = |name: &str| (name == "HTTPS_PROXY").then(|| url.clone());
    let it = Proxies::from_env(variables).unwrap().unwrap();
    let settings = HttpSettings::new("https://hooks.example/").unwrap().tls(tls);
    probe(&settings.proxy(it.proxy, it.except)).await.unwrap();
}
