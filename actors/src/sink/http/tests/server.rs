//! An HTTP server that a test can make misbehave to the byte.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use actix_rt::net::{TcpListener, TcpStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) line: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(it, _)| it == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} comes twice");
        value
    }
}

/// What is done about a request.
pub(super) enum Answer {
    /// These bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, and the connection is closed.
    Last(Vec<u8>),
    /// These bytes, and nothing more for as long as the client waits: its clock runs on.
    Stall(Vec<u8>),
    /// These bytes, and the connection is reset.
    Reset(Vec<u8>),
    /// These bytes once `count` requests have arrived.
    Once { count: usize, bytes: Vec<u8> },
}

impl Answer {
    pub(super) fn ok() -> Self {
        Self::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
    }
}

/// What a server has seen.
pub(super) struct Seen {
    accepted: Cell<usize>,
    requests: RefCell<Vec<Request>>,
    arrived: watch::Sender<usize>,
    closed: watch::Sender<usize>,
}

pub(super) struct Server {
    address: SocketAddr,
    seen: Rc<Seen>,
}

impl Server {
    /// A server that reads each request whole and does what the function says.
    pub(super) fn start(answer: impl Fn(&Request) -> Answer + 'static) -> Self {
        let answer = Rc::new(answer);
        Self::raw(move |stream, seen| {
            let answer = Rc::clone(&answer);
            async move { serve(stream, &seen, &*answer).await }
        })
    }

    /// A server that leaves the connection to a function.
    pub(super) fn raw<F>(serve: impl Fn(TcpStream, Rc<Seen>) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let seen = Rc::new(Seen {
            accepted: Cell::new(0),
            requests: RefCell::default(),
            arrived: watch::Sender::new(0),
            closed: watch::Sender::new(0),
        });
        let shared = Rc::clone(&seen);
        actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.accepted.set(shared.accepted.get() + 1);
                actix_rt::spawn(serve(stream, Rc::clone(&shared)));
            }
        });
        Self { address, seen }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted.
    pub(super) fn accepted(&self) -> usize {
        self.seen.accepted.get()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.requests.borrow().clone()
    }

    /// The only request.
    pub(super) fn request(&self) -> Request {
        let [request] = &self.requests()[..] else { panic!("{:?}", self.requests()) };
        request.clone()
    }

    /// Waits until so many requests have arrived.
    pub(super) async fn arrived(&self, count: usize) {
        self.seen.arrived(count).await;
    }

    /// Waits until the client has closed so many connections.
    pub(super) async fn closed(&self, count: usize) {
        let mut closed = self.seen.closed.subscribe();
        closed.wait_for(|closed| *closed >= count).await.unwrap();
    }
}

impl Seen {
    async fn arrived(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        arrived.wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    pub(super) fn note(&self, request: Request) {
        self.requests.borrow_mut().push(request);
        self.arrived.send_modify(|count| *count += 1);
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, answer: &impl Fn(&Request) -> Answer) {
    while let Some(request) = read_request(&mut stream).await {
        let answer = answer(&request);
        seen.note(request);
        match answer {
            Answer::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
            Answer::Once { count, bytes } => {
                seen.arrived(count).await;
                stream.write_all(&bytes).await.unwrap();
            }
            Answer::Last(bytes) => return stream.write_all(&bytes).await.unwrap(),
            Answer::Reset(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                return stream.set_zero_linger().unwrap();
            }
            Answer::Stall(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                // With nothing left to do but to wait, the paused clock goes on to the next timer.
                tokio::time::pause();
                let _ = stream.read(&mut [0]).await;
                tokio::time::resume();
                break;
            }
        }
    }
    seen.closed.send_modify(|count| *count += 1);
}

/// Reads a request; `None` when the client is gone.
pub(super) async fn read_request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a head is ASCII");
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .map(|line| line.split_once(':').expect("a header has a colon"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { line, headers, body })
}
