//! What the settings say of connections, and what a server's closing of an idle one costs.

use std::cell::Cell;
use std::rc::Rc;

use awc::http::Uri;
use tokio::io::AsyncWriteExt;

use super::server::read_request;
use super::*;
use crate::sink::http::connect::Dialer;
use crate::sink::http::target::Target;
use crate::sink::http::{ConnectError, ConnectionPolicy, Network, Reuse, probe};

fn with(server: &Server, policy: ConnectionPolicy) -> HttpSink {
    settings(server).connections(policy).unwrap().build(&context(8)).unwrap()
}

async fn five(sink: &HttpSink) {
    for _ in 0..5 {
        assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
    }
}

#[actix_rt::test]
async fn each_request_can_have_a_connection_of_its_own_and_says_so() {
    let server = Server::start(|_| Answer::ok());
    let policy = ConnectionPolicy { reuse: Reuse::PerRequest, ..ConnectionPolicy::default() };
    five(&with(&server, policy)).await;
    assert_eq!(server.accepted(), 5);
    server.closed(5).await;
    let requests = server.requests();
    assert!(requests.iter().all(|it| it.header("connection") == Some("close")));
}

#[actix_rt::test]
async fn a_connection_carries_no_more_requests_than_it_may() {
    let server = Server::start(|_| Answer::ok());
    let policy = ConnectionPolicy { max_requests: 2, ..ConnectionPolicy::default() };
    five(&with(&server, policy)).await;
    assert_eq!(server.accepted(), 3);
}

#[actix_rt::test]
async fn a_connection_is_given_up_at_its_age() {
    let server = Server::start(|_| Answer::ok());
    let age = Some(Duration::from_nanos(1));
    five(&with(&server, ConnectionPolicy { max_age: age, ..ConnectionPolicy::default() })).await;
    assert_eq!(server.accepted(), 5);
    let forever = ConnectionPolicy { max_age: None, ..ConnectionPolicy::default() };
    let server = Server::start(|_| Answer::ok());
    five(&with(&server, forever)).await;
    assert_eq!(server.accepted(), 1);
}

#[actix_rt::test]
async fn policies_without_a_use_are_refused() {
    let settings = || HttpSettings::new("http://h").unwrap();
    let (zero, standard) = (Duration::ZERO, ConnectionPolicy::default());
    assert!(settings().connections(ConnectionPolicy { idle_timeout: zero, ..standard }).is_err());
    assert!(settings().connections(ConnectionPolicy { max_age: Some(zero), ..standard }).is_err());
}

/// A server that answers the first request of a connection, and closes or resets it when the second
/// has come, as one does that closed it while that was on its way.
fn closing(reset: bool) -> Server {
    Server::raw(move |mut stream, seen| async move {
        for at in 0.. {
            let Some(request) = read_request(&mut stream).await else { return };
            seen.note(request);
            if at > 0 {
                if reset {
                    stream.set_zero_linger().unwrap();
                }
                return;
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
        }
    })
}

#[actix_rt::test]
async fn a_connection_that_was_closed_while_idle_is_no_failed_attempt() {
    for reset in [false, true] {
        let server = closing(reset);
        let sink = sink(&server);
        for offset in 0..4 {
            let record = Record::builder("orders", 3, offset).key("k").value("x").build();
            assert_eq!(sink.attempt(&record, 1).await, Outcome::Delivered, "reset: {reset}");
        }
        let keys: Vec<_> = server
            .requests()
            .iter()
            .map(|it| it.header("idempotency-key").unwrap().to_owned())
            .collect();
        let key = |offset: i64| format!("keyway:orders:3:{offset}");
        let sent = [key(0), key(1), key(1), key(2), key(2), key(3), key(3)];
        assert_eq!(keys, sent, "sent again at once, with the same key");
        assert_eq!(server.accepted(), 4);
    }
}

#[actix_rt::test]
async fn a_new_connection_that_breaks_is_a_failed_attempt() {
    let served = Rc::new(Cell::new(0));
    let server = Server::raw(move |mut stream, seen| {
        let served = Rc::clone(&served);
        async move {
            while let Some(request) = read_request(&mut stream).await {
                seen.note(request);
                served.set(served.get() + 1);
                if served.get() > 1 {
                    return;
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    let sink = sink(&server);
    assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
    assert_retry(sink.attempt(&record(), 1).await, FailureKind::Disconnected, "connection lost");
    assert_eq!(server.requests().len(), 3, "once over the old one, and once over a new one");
}

#[actix_rt::test]
async fn an_answer_that_had_begun_is_not_asked_for_again() {
    let server = Server::start(|request| match request.header("keyway-offset") {
        Some("0") => Answer::ok(),
        _ => Answer::Last(b"HTTP/1.1 200".into()),
    });
    let sink = sink(&server);
    for offset in 0..2 {
        let record = Record::builder("orders", 3, offset).key("k").value("x").build();
        let _ = sink.attempt(&record, 1).await;
    }
    assert_eq!(server.requests().len(), 2);
}

async fn dial(server: &Server, host: &str, from_record: bool, allowed: &[&str]) -> Option<String> {
    let uri: Uri = server.url("/").parse().unwrap();
    let port = uri.port_u16().unwrap();
    let allowed: Vec<Network> = allowed.iter().map(|it| it.parse().unwrap()).collect();
    let settings = HttpSettings::new("http://unused/").unwrap().allowed_networks(allowed);
    let target = Target::parse(&format!("http://{host}:{port}/")).unwrap();
    let dialer = Dialer::new(&settings, &target, from_record).unwrap();
    dialer.dial().await.err().map(|error| error.to_string())
}

#[actix_rt::test]
async fn a_host_from_a_record_reaches_no_private_address_unless_allowed() {
    let server = Server::start(|_| Answer::ok());
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let refused = dial(&server, host, true, &["10.0.0.0/8"]).await.unwrap();
        assert!(refused.contains("may not have; see allowed_networks"), "{refused}");
        assert_eq!(dial(&server, host, true, &["127.0.0.0/8", "::1"]).await, None, "{host}");
        assert_eq!(dial(&server, host, false, &[]).await, None, "{host}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[actix_rt::test]
async fn a_probe_of_routes_opens_nothing() {
    struct Nowhere;
    impl crate::route::Route for Nowhere {
        fn plan(
            &self,
            _: &Record,
            _: &crate::route::PlanContext<'_>,
        ) -> Result<crate::route::Plan, crate::route::Refusal> {
            Ok(crate::route::Plan::filtered())
        }
    }
    let probed: Result<(), ConnectError> = probe(&HttpSettings::routed(Nowhere)).await;
    assert!(probed.is_ok());
}
