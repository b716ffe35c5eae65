//! The endpoint: one thread, as cheap as it gets, that answers every request after a fixed delay and
//! keeps the books: how many, how many at once, in which order. It may also work on so many requests
//! at a time only, or never answer.
//!
//! A body begins with `KEY:SEQUENCE ` in decimal digits (see [`crate::load`]); the sequence of a key
//! counts up from zero. A sequence that was seen before is a duplicate, one that comes before its
//! turn, or while another of its key is being answered, a violation of the order.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;

use crate::workers::Workers;

/// What is to happen from now on; asked for with `GET /reset` and this as the query.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// How long an answer takes.
    pub delay: Duration,
    /// Keys there are; 0: bodies are not looked at.
    pub keys: usize,
    /// Requests that are worked on at a time, the others wait in turn; 0: all of them. Changed under
    /// way with `GET /workers?COUNT`.
    pub workers: usize,
    /// No request is ever answered.
    pub hangs: bool,
}

/// The books since the last reset; the answer to `GET /stats`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Stats {
    /// Requests that were answered.
    pub answered: u64,
    /// Records among them that had not been answered before (all of them, without a check).
    pub distinct: u64,
    /// Requests for a record that was asked for before.
    pub duplicates: u64,
    /// Requests that came before their turn.
    pub disordered: u64,
    /// Requests that are not answered yet.
    pub in_flight: u64,
    /// The most requests at once.
    pub peak: u64,
    /// The mean number of requests at once, from the first to the last.
    pub mean: f64,
    /// When the first request began, in seconds since the Unix epoch.
    pub first: Option<f64>,
    /// From the first request to the last answer, in seconds.
    pub took: f64,
}

/// A reset begins new books; a request that is still under way then goes on in the old ones.
type Shelf = Rc<RefCell<Rc<RefCell<Books>>>>;

#[derive(Default)]
struct Books {
    work: Work,
    workers: Option<Rc<Workers>>,
    stats: Stats,
    keys: Vec<Key>,
    in_flight: u64,
    /// The integral of requests at once over time, in request-seconds, up to `changed`.
    area: f64,
    began: Option<Instant>,
    changed: Option<Instant>,
}

#[derive(Clone, Copy, Default)]
struct Key {
    next: u64,
    busy: bool,
}

impl Books {
    fn of(work: Work) -> Self {
        let workers = (work.workers > 0).then(|| Rc::new(Workers::new(work.workers)));
        Self { work, workers, keys: vec![Key::default(); work.keys], ..Self::default() }
    }

    fn enter(&mut self, at: Instant) {
        if self.began.is_none() {
            self.began = Some(at);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.stats.first = Some(now.as_secs_f64());
        }
        self.count(at);
        self.in_flight += 1;
        self.stats.peak = self.stats.peak.max(self.in_flight);
    }

    fn leave(&mut self, at: Instant) {
        self.count(at);
        self.in_flight -= 1;
    }

    fn count(&mut self, at: Instant) {
        if let Some(changed) = self.changed.replace(at) {
            let lasted = at.duration_since(changed).as_secs_f64();
            self.area += f64::from(u32::try_from(self.in_flight).unwrap_or(u32::MAX)) * lasted;
        }
    }

    /// Checks a record's turn; its key, if there is one to be let go of afterwards.
    fn begin(&mut self, body: &[u8]) -> Option<usize> {
        if self.work.keys == 0 {
            self.stats.distinct += 1;
            return None;
        }
        let (key, sequence) = parse(body)?;
        let entry = self.keys.get_mut(key)?;
        if entry.busy || sequence > entry.next {
            self.stats.disordered += 1;
        } else if sequence < entry.next {
            self.stats.duplicates += 1;
        }
        if sequence >= entry.next {
            entry.next = sequence + 1;
            self.stats.distinct += 1;
        }
        entry.busy = true;
        Some(key)
    }

    fn stats(&self) -> Stats {
        let mut stats = Stats { in_flight: self.in_flight, ..self.stats.clone() };
        if let (Some(began), Some(changed)) = (self.began, self.changed) {
            stats.took = changed.duration_since(began).as_secs_f64();
            stats.mean = if stats.took > 0.0 { self.area / stats.took } else { 0.0 };
        }
        stats
    }
}

fn parse(body: &[u8]) -> Option<(usize, u64)> {
    let end = body.iter().position(|&byte| byte == b' ').unwrap_or(body.len());
    let (key, sequence) = std::str::from_utf8(&body[..end]).ok()?.split_once(':')?;
    Some((key.parse().ok()?, sequence.parse().ok()?))
}

/// Serves until the process is killed.
pub fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        // Thousands connect at once; the usual backlog of 1,024 would have some of them try again
        // after a second.
        let socket = TcpSocket::new_v4()?;
        socket.bind(address).context("the endpoint's port")?;
        let listener = socket.listen(8192)?;
        println!("{}", listener.local_addr()?);
        let shelf = Shelf::default();
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::task::spawn_local(connection(stream, Rc::clone(&shelf)));
        }
    })
}

async fn connection(stream: TcpStream, shelf: Shelf) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(request, &shelf));
    let stream = TokioIo::new(stream);
    // A client that goes away is no concern of the endpoint.
    let _ = http1::Builder::new().serve_connection(stream, service).await;
}

async fn answer(
    request: Request<Incoming>,
    shelf: &Shelf,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    let books = Rc::clone(&shelf.borrow());
    match request.uri().path() {
        "/stats" => {
            let stats = books.borrow().stats();
            return Ok(Response::new(serde_json::to_vec(&stats).unwrap_or_default().into()));
        }
        "/reset" => {
            *shelf.borrow_mut() = Rc::new(RefCell::new(Books::of(read_work(query))));
            return Ok(Response::default());
        }
        "/workers" => {
            if let (Some(workers), Ok(count)) = (&books.borrow().workers, query.parse()) {
                workers.set(count);
            }
            return Ok(Response::default());
        }
        _ => {}
    }
    let mut turn = Turn::enter(books);
    if let Ok(body) = request.into_body().collect().await {
        turn.begin(&body.to_bytes());
    }
    turn.work().await;
    turn.answered = true;
    Ok(Response::default())
}

/// A request that is being answered; ends also when its connection breaks.
struct Turn {
    books: Rc<RefCell<Books>>,
    key: Option<usize>,
    answered: bool,
}

impl Turn {
    fn enter(books: Rc<RefCell<Books>>) -> Self {
        books.borrow_mut().enter(Instant::now());
        Self { books, key: None, answered: false }
    }

    fn begin(&mut self, body: &[u8]) {
        self.key = self.books.borrow_mut().begin(body);
    }

    /// Takes as long as it is to take.
    async fn work(&self) {
        let (work, workers) = {
            let books = self.books.borrow();
            (books.work, books.workers.clone())
        };
        if work.hangs {
            std::future::pending::<()>().await;
        }
        let _worker = match &workers {
            Some(workers) => workers.one().await,
            None => None,
        };
        if work.delay > Duration::ZERO {
            tokio::time::sleep(work.delay).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut books = self.books.borrow_mut();
        if let Some(key) = self.key.and_then(|key| books.keys.get_mut(key)) {
            key.busy = false;
        }
        books.leave(Instant::now());
        books.stats.answered += u64::from(self.answered);
    }
}

fn read_work(query: &str) -> Work {
    let mut work = Work::default();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "delay_us" => work.delay = Duration::from_micros(value.parse().unwrap_or(0)),
            "keys" => work.keys = value.parse().unwrap_or(0),
            "workers" => work.workers = value.parse().unwrap_or(0),
            "hangs" => work.hangs = value == "true",
            _ => {}
        }
    }
    work
}
