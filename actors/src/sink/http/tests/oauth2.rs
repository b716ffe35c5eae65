//! Tokens: one request for all who wait, in time, and never a flood of them.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use awc::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use futures_util::future::join_all;
use tokio::time::{advance, pause, resume};

use super::*;
use crate::sink::http::auth::{Auth, Authorizer, OAuth2};
use crate::sink::http::secret::Secret;

fn oauth2(server: &Server) -> OAuth2 {
    OAuth2::new(&server.url("/token"), "key way", Secret::given("hush:+")).unwrap()
}

fn authorizer(oauth2: OAuth2) -> Authorizer {
    Auth::oauth2(oauth2).authorizer(&context(1).log).unwrap()
}

fn json(status: u16, body: &str) -> Answer {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
    Answer::Bytes(head.into())
}

/// Issues token 1, 2, 3 and so on, each with these further members.
fn issuer(more: &'static str) -> Server {
    let issued = Cell::new(0);
    Server::start(move |_| {
        issued.set(issued.get() + 1);
        let token = issued.get();
        json(200, &format!(r#"{{"access_token":"t{token}","token_type":"Bearer"{more}}}"#))
    })
}

async fn header(auth: &Authorizer) -> HeaderValue {
    auth.header().await.unwrap().unwrap().1
}

fn sent(value: &HeaderValue) -> HeaderMap {
    std::iter::once((AUTHORIZATION, value.clone())).collect()
}

async fn failure(auth: &Authorizer) -> Failure {
    let failure = auth.header().await.unwrap_err();
    assert!(!format!("{failure:?}").contains("hush"), "{failure}");
    failure
}

/// Lets this time pass. The clock runs otherwise: one that stands still jumps to the next timeout as
/// soon as there is nothing to do but to wait for a socket.
async fn later(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

/// Waits until the token is this one.
async fn renewed(auth: &Authorizer, token: &str) {
    while header(auth).await != token {
        tokio::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn the_request_is_that_of_the_rfc() {
    let server = issuer("");
    assert_eq!(
        header(&authorizer(oauth2(&server).scope("a b").audience("https://x"))).await,
        "Bearer t1"
    );
    let request = server.request();
    assert_eq!(request.line, "POST /token HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    // key+way:hush%3A%2B
    assert_eq!(request.header("authorization"), Some("Basic a2V5K3dheTpodXNoJTNBJTJC"));
    assert_eq!(
        String::from_utf8(request.body).unwrap(),
        "grant_type=client_credentials&scope=a+b&audience=https%3A%2F%2Fx"
    );
}

#[actix_rt::test]
async fn credentials_can_go_in_the_body() {
    let server = issuer("");
    header(&authorizer(oauth2(&server).credentials_in_body())).await;
    let request = server.request();
    assert_eq!(request.header("authorization"), None);
    assert_eq!(
        String::from_utf8(request.body).unwrap(),
        "grant_type=client_credentials&client_id=key+way&client_secret=hush%3A%2B"
    );
}

#[actix_rt::test]
async fn many_wait_for_one_token_and_use_it_until_it_is_refused() {
    let server = issuer("");
    let auth = authorizer(oauth2(&server));
    let first = join_all((0..100).map(|_| header(&auth))).await;
    assert!(first.iter().all(|it| it == "Bearer t1" && it.is_sensitive()));
    later(Duration::from_hours(24 * 365)).await;
    assert_eq!(header(&auth).await, "Bearer t1");
    // A hundred answers of 401, each of which asks anew.
    let refused = async || {
        assert!(auth.rejected(&sent(&first[0])));
        header(&auth).await
    };
    let second = join_all((0..100).map(|_| refused())).await;
    assert!(second.iter().all(|it| it == "Bearer t2"), "{second:?}");
    assert!(auth.rejected(&sent(&first[0])), "a late one");
    assert_eq!(header(&auth).await, "Bearer t2");
    assert_eq!(server.requests().len(), 2);
}

#[actix_rt::test]
async fn it_is_renewed_in_time_beside_the_requests_that_use_it() {
    for (life, due) in [(r#","expires_in":3600"#, 3570), (r#","expires_in":100"#, 80)] {
        let server = issuer(life);
        let auth = authorizer(oauth2(&server));
        header(&auth).await;
        later(Duration::from_secs(due - 5)).await;
        assert_eq!(header(&auth).await, "Bearer t1");
        // That nobody asked for the second token shows in that another gets it.
        assert_eq!(header(&authorizer(oauth2(&server))).await, "Bearer t2");
        later(Duration::from_secs(6)).await;
        // At once: nobody waits for the renewal, and it is begun once.
        assert_eq!(header(&auth).await, "Bearer t1");
        assert_eq!(header(&auth).await, "Bearer t1");
        renewed(&auth, "Bearer t3").await;
        assert_eq!(server.requests().len(), 3);
    }
}

#[actix_rt::test]
async fn one_that_has_expired_is_not_used() {
    let server = issuer(r#","expires_in":100"#);
    let auth = authorizer(oauth2(&server));
    header(&auth).await;
    later(Duration::from_secs(100)).await;
    assert_eq!(header(&auth).await, "Bearer t2");
}

#[actix_rt::test]
async fn a_life_of_nothing_is_no_flood() {
    let server = issuer(r#","expires_in":0"#);
    let auth = authorizer(oauth2(&server));
    for _ in 0..50 {
        assert_eq!(header(&auth).await, "Bearer t1");
    }
    assert_eq!(server.requests().len(), 1);
}

#[actix_rt::test]
async fn tokens_refused_at_once_are_no_flood() {
    let server = issuer("");
    let auth = authorizer(oauth2(&server));
    let first = header(&auth).await;
    auth.rejected(&sent(&first));
    let failure = failure(&auth).await;
    assert_eq!(failure.kind, FailureKind::Other);
    assert!(failure.reason.starts_with("oauth2: 127.0.0.1: its token was refused"), "{failure}");
    later(Duration::from_secs(1)).await;
    assert_eq!(header(&auth).await, "Bearer t2");
}

#[actix_rt::test]
async fn failures_are_shared_and_tried_again_after_a_second() {
    let fails = Rc::new(Cell::new(true));
    let failing = Rc::clone(&fails);
    let server = Server::start(move |_| {
        if failing.get() {
            json(401, r#"{"error":"invalid_client","error_description":"not hush:+"}"#)
        } else {
            json(200, r#"{"access_token":"t"}"#)
        }
    });
    let auth = authorizer(oauth2(&server));
    for failure in join_all((0..100).map(|_| failure(&auth))).await {
        assert_eq!(failure.kind, FailureKind::Other);
        assert_eq!(failure.reason, "oauth2: 127.0.0.1: 401 Unauthorized (invalid_client)");
    }
    fails.set(false);
    failure(&auth).await;
    assert_eq!(server.requests().len(), 1);
    later(Duration::from_secs(1)).await;
    assert_eq!(header(&auth).await, "Bearer t");
}

#[actix_rt::test]
async fn a_failed_renewal_leaves_the_token_in_use() {
    let issued = Cell::new(false);
    let server = Server::start(move |_| {
        if issued.replace(true) {
            json(503, "")
        } else {
            json(200, r#"{"access_token":"t","expires_in":100}"#)
        }
    });
    let auth = authorizer(oauth2(&server));
    header(&auth).await;
    later(Duration::from_secs(90)).await;
    assert_eq!(header(&auth).await, "Bearer t");
    server.arrived(2).await;
    assert_eq!(header(&auth).await, "Bearer t");
    later(Duration::from_secs(10)).await;
    assert_eq!(failure(&auth).await.reason, "oauth2: 127.0.0.1: 503 Service Unavailable");
}

#[actix_rt::test]
async fn it_goes_on_when_who_asked_first_is_gone() {
    let server = issuer("");
    let auth = authorizer(oauth2(&server));
    {
        let mut first = pin!(header(&auth));
        assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await.is_pending());
    }
    assert_eq!(header(&auth).await, "Bearer t1");
    assert_eq!(server.requests().len(), 1);
}

#[actix_rt::test]
async fn nobody_there_is_no_connection() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{unused}/token");
    let nobody = OAuth2::new(&url, "me", Secret::given("hush")).unwrap();
    let failure = failure(&authorizer(nobody)).await;
    assert_eq!(failure.kind, FailureKind::Connect);
    assert_eq!(failure.reason, "oauth2: 127.0.0.1: connect: connection refused");
}

#[actix_rt::test]
async fn no_answer_is_a_timeout() {
    let silent = Server::start(|_| Answer::Stall(vec![]));
    let usual = failure(&authorizer(oauth2(&silent))).await;
    assert_eq!(usual.kind, FailureKind::Timeout);
    assert_eq!(usual.reason, "oauth2: 127.0.0.1: no answer within 10s");
    let hasty = oauth2(&silent).reach(|it| it.timeout(Duration::from_secs(3)).unwrap());
    let hasty = failure(&authorizer(hasty)).await;
    assert_eq!(hasty.reason, "oauth2: 127.0.0.1: no answer within 3s");
}

#[actix_rt::test]
async fn half_an_answer_is_a_timeout() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{";
    let slow = Server::start(|_| Answer::Stall(half.to_vec()));
    let began = tokio::time::Instant::now();
    let failure = failure(&authorizer(oauth2(&slow))).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.reason, "oauth2: 127.0.0.1: no whole answer within 10s");
}

#[actix_rt::test]
async fn an_endless_answer_is_none() {
    let long = Server::start(|_| json(200, &" ".repeat(64 * 1024 + 1)));
    let failure = failure(&authorizer(oauth2(&long))).await;
    assert!(failure.reason.ends_with("longer than 65536 bytes"), "{failure}");
}
