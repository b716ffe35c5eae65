//! A webhook that answers as a test wants, or not at all.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use actix_rt::net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// What is done about a request.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// A status.
    Status(u16),
    /// Nothing, until the client is gone.
    Hang,
}

pub(super) struct Server {
    address: SocketAddr,
    seen: Rc<Seen>,
}

struct Seen {
    bodies: RefCell<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Server {
    /// Answers the request of each number, counted from 0, as the function says.
    pub(super) fn start(answer: impl Fn(usize) -> Answer + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), answer)
    }

    /// The same at an address that is free.
    pub(super) fn at(address: SocketAddr, answer: impl Fn(usize) -> Answer + 'static) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let seen = Rc::new(Seen { bodies: RefCell::default(), count: watch::Sender::new(0) });
        let (shared, answer) = (Rc::clone(&seen), Rc::new(answer));
        actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Rc::clone(&shared), Rc::clone(&answer));
                actix_rt::spawn(async move { serve(stream, &seen, &*answer).await });
            }
        });
        Self { address, seen }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/services/hush", self.address)
    }

    /// The bodies of all requests so far.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.seen.bodies.borrow().clone()
    }

    /// Waits until so many requests have arrived.
    pub(super) async fn arrived(&self, count: usize) {
        let mut seen = self.seen.count.subscribe();
        seen.wait_for(|seen| *seen >= count).await.unwrap();
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, answer: &impl Fn(usize) -> Answer) {
    let Some(body) = read_body(&mut stream).await else { return };
    let number = seen.bodies.borrow().len();
    seen.bodies.borrow_mut().push(body);
    seen.count.send_modify(|count| *count += 1);
    match answer(number) {
        Answer::Status(status) => {
            let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n");
            // A client that is gone needs no answer.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        Answer::Hang => {
            let _ = stream.read(&mut [0]).await;
        }
    }
}

/// Reads one request; `None` when the client is gone.
async fn read_body(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a head is ASCII").to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |it| it.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(String::from_utf8(body).expect("a body is UTF-8"))
}
