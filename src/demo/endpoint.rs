//! The endpoint of the demo: an HTTP server on a thread of its own that takes its time, fails some
//! requests on purpose, and notes every request in its list.
//!
//! A request's first byte is noted as soon as it is read, its outcome just before the first byte of
//! the answer is written. So when the list says that two requests of a key did not overlap, a later
//! one was really sent after the earlier had its answer.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actix_rt::System;
use actix_rt::net::{TcpListener, TcpStream};
use actix_rt::time::sleep;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::chance::Chance;
use super::http::{self, Parsed};
use super::ledger::{How, Shared};

/// How the endpoint behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How long an answer takes; a quarter more or less.
    pub latency: Duration,
    /// The share of requests that it fails.
    pub fail: f64,
}

/// A running endpoint; it ends when this is dropped.
pub struct Endpoint {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Starts one on a free port of the loopback.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(manner: Manner, ledger: Shared) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("demo-endpoint".to_owned())
            .spawn(move || System::new().block_on(serve(listener, manner, ledger, stopped)))?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It can only have ended, or panicked and said so.
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: StdListener,
    manner: Manner,
    ledger: Shared,
    mut stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let fates = Rc::new(RefCell::new(Fates { manner, chance: Chance::new(1) }));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: some will come back.
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let connection = Connection { ledger: ledger.clone(), fates: Rc::clone(&fates) };
        actix_rt::spawn(connection.serve(stream));
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answer(&'static str),
    Fail(&'static str),
    Close,
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const LATER: &str =
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// Draws fates.
#[derive(Debug)]
struct Fates {
    manner: Manner,
    chance: Chance,
}

impl Fates {
    fn draw(&mut self) -> (Duration, Fate) {
        let latency = self.manner.latency.mul_f64(0.75 + self.chance.part() / 2.0);
        if self.chance.part() >= self.manner.fail {
            return (latency, Fate::Answer(OK));
        }
        let fate = match self.chance.below(10) {
            0 => Fate::Fail(LATER),
            1 | 2 => Fate::Close,
            _ => Fate::Fail(BUSY),
        };
        (latency, fate)
    }
}

struct Connection {
    ledger: Shared,
    fates: Rc<RefCell<Fates>>,
}

impl Connection {
    async fn serve(self, mut stream: TcpStream) {
        self.ledger.lock().connected();
        // Without it an answer may wait for the client's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let mut buffer = Vec::new();
        while self.exchange(&mut stream, &mut buffer).await {}
        drop(stream);
        self.ledger.lock().disconnected();
    }

    /// Takes one request and answers it; says whether the connection goes on.
    async fn exchange(&self, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
        if buffer.is_empty() && !read(stream, buffer).await {
            return false;
        }
        let began = Instant::now();
        let (record, place, length) = loop {
            match http::parse(buffer) {
                Parsed::Whole(record, place, length) => break (record, place, length),
                Parsed::Strange(what) => {
                    self.ledger.lock().complain(what);
                    return false;
                }
                Parsed::Part if read(stream, buffer).await => {}
                // Cut off in the middle: nobody could have acted on it.
                Parsed::Part => return false,
            }
        };
        buffer.drain(..length);
        let request = self.ledger.lock().begin(record, place, began);
        let (latency, fate) = self.fates.borrow_mut().draw();
        let how = match fate {
            _ if !pass(latency, stream, buffer).await => How::Left,
            Fate::Answer(_) => How::Delivered,
            Fate::Fail(_) | Fate::Close => How::Failed,
        };
        self.ledger.lock().end(request, how, record.written);
        match (how, fate) {
            (How::Left, _) | (_, Fate::Close) => false,
            (_, Fate::Answer(text) | Fate::Fail(text)) => {
                stream.write_all(text.as_bytes()).await.is_ok()
            }
        }
    }
}

/// Lets time pass; says whether the client is still there at the end.
async fn pass(time: Duration, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    if time.is_zero() {
        return true;
    }
    let mut over = std::pin::pin!(sleep(time));
    loop {
        tokio::select! {
            () = &mut over => return true,
            there = read(stream, buffer) => if !there { return false },
        }
    }
}

/// Reads what has come; says whether the client is still there.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    stream.read_buf(buffer).await.is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(fail: f64) -> Vec<(Duration, Fate)> {
        let manner = Manner { latency: Duration::from_millis(20), fail };
        let mut fates = Fates { manner, chance: Chance::new(1) };
        (0..10_000).map(|_| fates.draw()).collect()
    }

    #[test]
    fn as_many_requests_fail_as_was_asked_for_and_in_each_way() {
        let share = |fate: Fate| drawn(0.3).iter().filter(|(_, one)| *one == fate).count();
        assert!((6_800..7_200).contains(&share(Fate::Answer(OK))));
        assert!((1_900..2_300).contains(&share(Fate::Fail(BUSY))));
        assert!((200..400).contains(&share(Fate::Fail(LATER))));
        assert!((500..700).contains(&share(Fate::Close)));
        assert!(drawn(0.0).iter().all(|(_, fate)| *fate == Fate::Answer(OK)));
    }

    #[test]
    fn an_answer_takes_the_latency_a_quarter_more_or_less() {
        let millis = Duration::from_millis;
        assert!(drawn(0.0).iter().all(|(took, _)| (millis(15)..=millis(25)).contains(took)));
    }
}
