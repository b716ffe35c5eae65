//! What each answer, and each way of getting none, comes to.

use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn answer(status: u16) -> String {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 3\r\n\r\nwhy")
}

#[actix_rt::test]
async fn any_2xx_is_a_delivery() {
    for status in [200, 201, 202, 206, 299] {
        assert_eq!(outcome_of(answer(status)).await, Outcome::Delivered, "{status}");
    }
    assert_eq!(outcome_of("HTTP/1.1 204 No Content\r\n\r\n").await, Outcome::Delivered);
}

#[actix_rt::test]
async fn what_may_pass_is_tried_again() {
    for (status, reason) in [
        (408, "408 Request Timeout"),
        (425, "425"),
        (429, "429 Too Many Requests"),
        (500, "500 Internal Server Error"),
        (503, "503 Service Unavailable"),
        (599, "599"),
        (601, "601"),
    ] {
        let (after, failure) = retried(outcome_of(answer(status)).await);
        let expected = Failure {
            kind: FailureKind::Status(status),
            reason: reason.into(),
            response: "why".into(),
            url: None,
        };
        assert_eq!((after, failure), (None, expected));
    }
}

#[actix_rt::test]
async fn what_will_not_pass_is_rejected() {
    for (status, reason) in [
        (300, "300 Multiple Choices (redirects are not followed)"),
        (400, "400 Bad Request"),
        (401, "401 Unauthorized"),
        (404, "404 Not Found"),
        (413, "413 Payload Too Large"),
        (422, "422 Unprocessable Entity"),
        (499, "499"),
    ] {
        let failure = rejected(outcome_of(answer(status)).await);
        let expected = Failure {
            kind: FailureKind::Status(status),
            reason: reason.into(),
            response: "why".into(),
            url: None,
        };
        assert_eq!(failure, expected);
    }
}

#[actix_rt::test]
async fn a_server_that_changes_the_protocol_has_not_answered() {
    let switching =
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n";
    let (_, failure) = retried(outcome_of(switching).await);
    assert_eq!(failure.kind, FailureKind::Status(101));
}

#[actix_rt::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |_| {
            Answer::Bytes(
                format!(
                    "HTTP/1.1 {status} Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"
                )
                .into(),
            )
        });
        let failure = rejected(sink(&server).attempt(&record(), 1).await);
        assert_eq!(failure.kind, FailureKind::Status(status));
        assert_eq!(server.request().line, "POST /orders HTTP/1.1");
    }
}

#[actix_rt::test]
async fn retry_after_is_heard_in_seconds_and_as_a_date() {
    let asked = async |status: u16, value: &str| {
        let head =
            format!("HTTP/1.1 {status} No\r\nRetry-After: {value}\r\ncontent-length: 0\r\n\r\n");
        retried(outcome_of(head).await).0
    };
    assert_eq!(asked(429, "7").await, Some(Duration::from_secs(7)));
    assert_eq!(asked(503, "0").await, Some(Duration::ZERO));
    assert_eq!(asked(503, "soon").await, None);
    let in_an_hour = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    let wait = asked(503, &in_an_hour).await.unwrap();
    assert!(wait > Duration::from_mins(59) && wait <= Duration::from_hours(1), "{wait:?}");
}

#[actix_rt::test]
async fn the_beginning_of_a_refusal_is_kept() {
    let long = "x".repeat(3000);
    let failure = rejected(
        outcome_of(format!("HTTP/1.1 400 No\r\ncontent-length: 3000\r\n\r\n{long}")).await,
    );
    assert_eq!(failure.response, &long[..1024]);
    let chunked =
        "HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    assert_eq!(retried(outcome_of(chunked).await).1.response, "abc");
}

#[actix_rt::test]
async fn nothing_that_follows_a_2xx_takes_it_back() {
    for rest in [
        "content-length: 10\r\n\r\nshort",
        "transfer-encoding: chunked\r\n\r\nzz\r\nno chunk",
        "transfer-encoding: chunked\r\n\r\n5\r\nab",
        "transfer-encoding: gzip, chunked\r\n\r\n",
        "content-length: 1\r\ncontent-length: 2\r\n\r\nx",
        "content-length: many\r\n\r\n",
        "bad header\r\n\r\n",
    ] {
        let server =
            Server::start(move |_| Answer::Last(format!("HTTP/1.1 200 OK\r\n{rest}").into()));
        let outcome = sink(&server).attempt(&record(), 1).await;
        assert_eq!(outcome, Outcome::Delivered, "{rest:?}");
    }
}

#[actix_rt::test]
async fn a_2xx_with_an_oversized_head_is_a_delivery() {
    let many = "x: y\r\n".repeat(200);
    assert_eq!(outcome_of(format!("HTTP/1.1 200 OK\r\n{many}\r\n")).await, Outcome::Delivered);
    let large = "y".repeat(200_000);
    assert_eq!(
        outcome_of(format!("HTTP/1.1 201 OK\r\nx: {large}\r\n\r\n")).await,
        Outcome::Delivered
    );
}

#[actix_rt::test]
async fn a_body_that_does_not_end_does_not_change_the_outcome() {
    let server = Server::start(|_| {
        Answer::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nand".to_vec())
    });
    assert_eq!(sink(&server).attempt(&record(), 1).await, Outcome::Delivered);
    let server = Server::start(|_| {
        Answer::Stall(b"HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\nand".to_vec())
    });
    assert_eq!(retried(sink(&server).attempt(&record(), 1).await).1.response, "and");
}

#[actix_rt::test]
async fn a_status_without_a_body_is_not_waited_on() {
    let server = Server::start(|_| {
        Answer::Bytes(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n".to_vec())
    });
    let attempt = tokio::time::timeout(super::super::response::DRAIN_TIME / 2, async {
        sink(&server).attempt(&record(), 1).await
    });
    assert_eq!(rejected(attempt.await.unwrap()).status(), Some(304));
}

#[actix_rt::test]
async fn a_refusal_that_is_no_http_is_a_refusal_all_the_same() {
    let twice = "content-length: 1\r\ncontent-length: 2\r\n\r\nx";
    let failure = rejected(outcome_of(format!("HTTP/1.1 404 No\r\n{twice}")).await);
    assert_eq!(failure.kind, FailureKind::Status(404));
    let (_, failure) = retried(outcome_of(format!("HTTP/1.1 500 No\r\n{twice}")).await);
    assert_eq!(failure.kind, FailureKind::Status(500));
}

#[actix_rt::test]
async fn what_is_no_http_is_tried_again() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.9 and more\r\n",
        "HTTP/1.1 abc Nothing\r\n\r\n",
        "\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        assert_retry(outcome_of(garbage).await, FailureKind::Disconnected, "no HTTP");
    }
}

#[actix_rt::test]
async fn a_connection_that_ends_before_the_answer_is_tried_again() {
    for head in ["", "HTTP/1", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let server = Server::start(move |_| Answer::Last(head.into()));
        let outcome = sink(&server).attempt(&record(), 1).await;
        assert_retry(outcome, FailureKind::Disconnected, "connection lost before the answer");
        let server = Server::start(move |_| Answer::Reset(head.into()));
        let outcome = sink(&server).attempt(&record(), 1).await;
        assert_retry(outcome, FailureKind::Disconnected, "connection lost before the answer");
    }
}

#[actix_rt::test]
async fn a_connection_that_ends_before_the_request_is_tried_again() {
    let server = Server::raw(|stream, _| async move { drop(stream) });
    for value in [vec![1; 10], vec![1; 8 << 20]] {
        let record = Record::builder("orders", 0, 0).value(value).build();
        let outcome = sink(&server).attempt(&record, 1).await;
        assert_retry(outcome, FailureKind::Disconnected, "connection lost before the answer");
    }
}

#[actix_rt::test]
async fn an_answer_before_the_end_of_the_request_is_heard() {
    let server = Server::raw(|mut stream, _| async move {
        stream.read_exact(&mut [0; 100]).await.unwrap();
        let answer =
            b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig";
        stream.write_all(answer).await.unwrap();
    });
    let record = Record::builder("orders", 0, 0).value(vec![1; 8 << 20]).build();
    let failure = rejected(sink(&server).attempt(&record, 1).await);
    assert_eq!((failure.kind, &failure.response[..]), (FailureKind::Status(413), &b"big"[..]));
}

#[actix_rt::test]
async fn no_answer_is_a_timeout() {
    for begun in ["", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let server = Server::start(move |_| Answer::Stall(begun.into()));
        let outcome = sink(&server).attempt(&record(), 1).await;
        assert_retry(outcome, FailureKind::Timeout, "no answer within 30s");
    }
}

#[actix_rt::test]
async fn nobody_there_is_tried_again() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sink = HttpSettings::new(&format!("http://{unused}/")).unwrap().build(&context(1)).unwrap();
    assert_retry(
        sink.attempt(&record(), 1).await,
        FailureKind::Connect,
        "connect: connection refused",
    );
}

#[actix_rt::test]
async fn a_name_that_is_none_is_tried_again() {
    let settings = HttpSettings::new("http://nobody.invalid/hook?token=hush").unwrap();
    let sink =
        settings.connect_timeout(Duration::from_secs(2)).unwrap().build(&context(1)).unwrap();
    let (_, failure) = retried(sink.attempt(&record(), 1).await);
    assert_eq!(failure.kind, FailureKind::Connect);
    assert!(failure.reason.starts_with("connect: "), "{failure}");
    assert!(!failure.reason.contains("hush"), "{failure}");
}
