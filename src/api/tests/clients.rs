//! Clients that mean no good: none keeps others from their answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Api, LIMITS, Limits, PATIENCE};
use crate::api::lease;

/// Limits of which only the lease can end an idle connection.
fn only_lease() -> Limits {
    Limits { connections: 2, head: PATIENCE * 2, lease: Duration::from_millis(200) }
}

#[actix_rt::test]
async fn clients_that_say_nothing_do_not_keep_the_others_out() {
    let api = Api::with(only_lease());
    let silent: Vec<_> = (0..6).map(|_| TcpStream::connect(api.address).unwrap()).collect();
    let mut halves: Vec<_> = (0..2).map(|_| TcpStream::connect(api.address).unwrap()).collect();
    for half in &mut halves {
        half.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: ").unwrap();
    }
    assert_eq!(api.get("/livez").await.0, StatusCode::OK);
    drop((silent, halves));
}

/// Tells when the answer that it is kept in is gone.
struct Gone(mpsc::UnboundedSender<()>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[actix_rt::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let (gone, mut is_gone) = mpsc::unbounded_channel();
    let endless = move || {
        let kept = Gone(gone.clone());
        async move {
            let chunk = web::Bytes::from(vec![b'x'; 1 << 16]);
            HttpResponse::Ok().streaming(futures_util::stream::repeat_with(move || {
                let _kept = &kept;
                Ok::<_, actix_web::Error>(chunk.clone())
            }))
        }
    };
    let server = HttpServer::new(move || App::new().route("/", web::get().to(endless.clone())))
        .workers(1)
        .on_connect(lease::of(Duration::from_millis(200)))
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    let running = server.run();
    let handle = running.handle();
    let task = actix_rt::spawn(running);
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    timeout(PATIENCE, is_gone.recv()).await.expect("the answer is let go of");
    handle.stop(false).await;
    task.await.unwrap().unwrap();
}

#[actix_rt::test]
async fn a_body_is_neither_wanted_nor_waited_for() {
    let api = Api::with(LIMITS);
    let mut client = TcpStream::connect(api.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
        .write_all(
            b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nabc",
        )
        .unwrap();
    let head = actix_rt::task::spawn_blocking(move || {
        let mut head = [0; 12];
        client.read_exact(&mut head).map(|()| head)
    });
    assert_eq!(&head.await.unwrap().unwrap(), b"HTTP/1.1 200");
}

#[actix_rt::test]
async fn a_head_of_megabytes_is_refused() {
    let api = Api::new();
    let mut client = TcpStream::connect(api.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let ended = actix_rt::task::spawn_blocking(move || {
        client.write_all(b"GET /livez HTTP/1.1\r\nX-A: ")?;
        let piece = vec![b'a'; 1 << 16];
        (0..256).try_for_each(|_| client.write_all(&piece))?;
        client.write_all(b"\r\n\r\n")?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).map(|_| answer)
    });
    // Cut off in the middle, or told so.
    let refused = ended.await.unwrap().map_or(true, |answer| answer.starts_with("HTTP/1.1 4"));
    assert!(refused);
    assert_eq!(api.get("/livez").await.0, StatusCode::OK);
}
