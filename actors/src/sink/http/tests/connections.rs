//! When a connection is used again, and when it must not be.

use std::pin::pin;

use futures_util::future::{Either, join_all, select};
use tokio::io::AsyncWriteExt;

use super::server::read_request;
use super::*;
use crate::sink::http::probe;
use crate::sink::{ConnectionCounts, Sink};

/// How many connections a sink needs for five records in a row.
async fn connections_for(answer: impl AsRef<[u8]>) -> usize {
    let answer = answer.as_ref().to_vec();
    let server = Server::start(move |_| Answer::Bytes(answer.clone()));
    let sink = sink(&server);
    for _ in 0..5 {
        let outcome = sink.attempt(&record(), 1).await;
        assert!(!matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    }
    server.accepted()
}

#[actix_rt::test]
async fn connections_are_used_again() {
    assert_eq!(connections_for("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await, 1);
    assert_eq!(connections_for("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await, 1);
    assert_eq!(connections_for("HTTP/1.1 204 No Content\r\n\r\n").await, 1);
    assert_eq!(connections_for("HTTP/1.1 404 No\r\ncontent-length: 2\r\n\r\nno").await, 1);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    assert_eq!(connections_for(chunked).await, 1);
}

#[actix_rt::test]
async fn reuse_is_counted() {
    let server = Server::start(|_| Answer::ok());
    let sink = sink(&server);
    for _ in 0..5 {
        sink.attempt(&record(), 1).await;
    }
    assert_eq!(sink.connections(), Some(ConnectionCounts { opened: 1, reused: 4 }));
}

#[actix_rt::test]
async fn bodies_are_drained_up_to_a_limit() {
    let body = |size: usize| {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n{}", "x".repeat(size))
    };
    assert_eq!(connections_for(body(60_000)).await, 1);
    let server = Server::start(move |_| Answer::Bytes(body(70_000).into()));
    let sink = sink(&server);
    assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
    server.closed(1).await;
    assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
    assert_eq!(server.accepted(), 2);
}

/// The server keeps its side open in all of these: only the client can know better.
#[actix_rt::test]
async fn connections_that_end_with_their_answer_are_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 404 No\r\nserver: old\r\n\r\n",
    ] {
        assert_eq!(connections_for(answer).await, 5, "{answer:?}");
    }
}

/// The body looks like an answer and comes when the client may already have sent its next request.
#[actix_rt::test]
async fn a_body_without_a_length_is_not_the_next_answer() {
    let server = Server::raw(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            // The client may be gone by now.
            let _ = stream.write_all(b"HTTP/1.1 404 No\r\n\r\n").await;
        }
    });
    let sink = sink(&server);
    for _ in 0..5 {
        assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
    }
}

#[actix_rt::test]
async fn there_is_a_connection_for_each_sender() {
    let server =
        Server::start(|_| Answer::Once { count: 150, bytes: b"HTTP/1.1 204 No\r\n\r\n".to_vec() });
    let sink = settings(&server).build(&context(150)).unwrap();
    let record = record();
    let outcomes = join_all((0..150).map(|_| sink.attempt(&record, 1))).await;
    assert!(outcomes.iter().all(|it| *it == Outcome::Delivered));
    assert_eq!(server.accepted(), 150);
}

#[actix_rt::test]
async fn a_dropped_attempt_closes_its_connection() {
    let server = Server::start(|request| match request.header("keyway-attempt") {
        Some("1") => Answer::Once { count: usize::MAX, bytes: vec![] },
        _ => Answer::ok(),
    });
    let sink = settings(&server).build(&context(1)).unwrap();
    let record = record();
    {
        let attempt = pin!(sink.attempt(&record, 1));
        let arrived = pin!(server.arrived(1));
        assert!(matches!(select(attempt, arrived).await, Either::Right(_)));
    }
    // The one place of this sink's pool is free again, and nobody waits for the first answer.
    assert_eq!(sink.attempt(&record, 2).await, Outcome::Delivered);
    assert_eq!(server.accepted(), 2);
}

#[actix_rt::test]
async fn a_connection_closed_by_the_server_while_idle_is_replaced() {
    let server =
        Server::start(|_| Answer::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()));
    let sink = sink(&server);
    for _ in 0..5 {
        assert_eq!(sink.attempt(&record(), 1).await, Outcome::Delivered);
        // Lets the end of the connection arrive: it is in the socket once a new one was accepted.
        probe(&settings(&server)).await.unwrap();
    }
}

#[actix_rt::test]
async fn a_probe_connects_and_sends_nothing() {
    let server = Server::start(|_| Answer::ok());
    probe(&settings(&server)).await.unwrap();
    server.closed(1).await;
    assert!(server.requests().is_empty());
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = probe(&HttpSettings::new(&format!("http://{unused}/")).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "connect: connection refused");
}
