//! Interim responses never count as answers, and never shift answers to other requests.

use tokio::io::AsyncWriteExt;

use super::server::read_request;
use super::*;

const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n";

#[actix_rt::test]
async fn the_answer_is_what_follows_interim_responses() {
    let refusal = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    for interim in [b"HTTP/1.1 100 Continue\r\n\r\n", HINTS, &HINTS.repeat(5)] {
        let failure = rejected(outcome_of([interim, refusal].concat()).await);
        assert_eq!(failure.kind, FailureKind::Status(404));
    }
}

/// The answer to each record comes after its interim response has been read, and says whether the
/// record was taken: taking the interim one for the answer gives the next record the wrong one.
#[actix_rt::test]
async fn no_record_gets_the_answer_of_another() {
    let server = Server::raw(|mut stream, _| async move {
        while let Some(request) = read_request(&mut stream).await {
            stream.write_all(HINTS).await.unwrap();
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            let answer: &[u8] = match request.header("keyway-offset") {
                Some("1") => b"HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\n",
                _ => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            };
            stream.write_all(answer).await.unwrap();
        }
    });
    let sink = sink(&server);
    let mut refused = Vec::new();
    for offset in 0..4 {
        let record = Record::builder("orders", 0, offset).value("x").build();
        match sink.attempt(&record, 1).await {
            Outcome::Delivered => {}
            outcome => refused.push((offset, rejected(outcome).status())),
        }
    }
    assert_eq!(refused, [(1, Some(422))]);
    assert_eq!(server.accepted(), 1);
}
