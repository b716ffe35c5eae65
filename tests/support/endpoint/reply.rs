//! What an endpoint does with a request, and ready-made scripts that decide it.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::request::Request;
use crate::support::records::Rng;

/// Decides what becomes of each request, in the order in which the requests arrived whole.
pub type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

/// What becomes of one request.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) delay: Duration,
    pub(super) gate: Option<Gate>,
    pub(super) action: Action,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    /// A whole answer.
    Answer(Answer),
    /// No answer, the connection stays open until the client closes it.
    Hang,
    /// No answer, the connection is closed in order.
    Close,
    /// No answer, the connection is reset.
    Reset,
    /// These bytes, then the connection is closed.
    Raw(Bytes),
    /// A head that announces so many bytes of body, and as many as the client takes.
    Huge(u16, u64),
}

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) body_delay: Duration,
    pub(super) then_close: bool,
}

impl Reply {
    fn of(action: Action) -> Self {
        Self { delay: Duration::ZERO, gate: None, action }
    }

    /// 200, at once.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// A status, at once.
    pub fn status(status: u16) -> Self {
        Self::of(Action::Answer(Answer {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            body_delay: Duration::ZERO,
            then_close: false,
        }))
    }

    /// No answer at all; the connection stays open until the client closes it.
    pub fn hang() -> Self {
        Self::of(Action::Hang)
    }

    /// No answer; the connection is closed when the request was read whole.
    pub fn close() -> Self {
        Self::of(Action::Close)
    }

    /// No answer; the connection is reset (RST) when the request was read whole.
    pub fn reset() -> Self {
        Self::of(Action::Reset)
    }

    /// These bytes as they are, then the connection is closed: for answers that no honest server
    /// gives.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::of(Action::Raw(bytes.into()))
    }

    /// A head with that status, then a body of that many bytes, as long as the client takes them.
    pub fn huge(status: u16, bytes: u64) -> Self {
        Self::of(Action::Huge(status, bytes))
    }

    /// A head that announces more body than comes before the connection is closed.
    pub fn cut(status: u16) -> Self {
        Self::raw(format!("HTTP/1.1 {status} Cut\r\nContent-Length: 1000\r\n\r\nnot a thousand"))
    }

    /// The same after a delay.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same, once the gate is open (and the delay is over).
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|answer| answer.headers.push((name.to_owned(), value.to_owned())))
    }

    /// The same answer with a body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.with(|answer| answer.body = body)
    }

    /// The same answer, its body that much later than its head.
    #[must_use]
    pub fn body_after(self, delay: Duration) -> Self {
        self.with(|answer| answer.body_delay = delay)
    }

    /// The same answer, after which the connection is closed (the head says so).
    #[must_use]
    pub fn then_close(self) -> Self {
        self.with(|answer| answer.then_close = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        match &mut self.action {
            Action::Answer(answer) => change(answer),
            other => panic!("{other:?} has neither headers nor a body of its own"),
        }
        self
    }
}

/// Holds replies back until the test opens it; clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self::closed()
    }
}

impl Gate {
    /// A gate that is closed.
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets through all that waits and all that comes.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Holds back what comes from now on.
    pub fn close(&self) {
        self.0.send_replace(false);
    }

    pub(super) async fn passed(&self) {
        // Cannot fail: this gate is itself a sender.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// Ready-made scripts. Any closure from request to [`Reply`] is one, too.
pub mod script {
    use super::{Duration, Reply, Request, Rng, Script};

    /// 200 to everything.
    pub fn ok() -> Script {
        always(Reply::ok())
    }

    /// The same to everything.
    pub fn always(reply: Reply) -> Script {
        Box::new(move |_| reply.clone())
    }

    /// Fails the first `times` requests of each record with that status, then 200.
    pub fn fail_times(times: u32, status: u16) -> Script {
        Box::new(move |request| Reply::status(if request.seen < times { status } else { 200 }))
    }

    /// Fails a share (0.0 to 1.0) of all requests. Which ones depends on the seed, the record and
    /// how often it was seen, not on when it comes.
    pub fn fail_share(seed: u64, share: f64, status: u16) -> Script {
        Box::new(move |request| {
            let failed = dice(seed, request).share() < share;
            Reply::status(if failed { status } else { 200 })
        })
    }

    /// Fails all requests of a share of the keys `times` times, then 200; other keys never fail.
    pub fn fail_keys(seed: u64, share: f64, times: u32, status: u16) -> Script {
        Box::new(move |request| {
            let key = request.key.as_deref().unwrap_or_default();
            let number = key.bytes().fold(seed, |sum, byte| {
                sum.wrapping_mul(0x100_0000_01B3).wrapping_add(u64::from(byte))
            });
            let failed = Rng::new(number).share() < share && request.seen < times;
            Reply::status(if failed { status } else { 200 })
        })
    }

    /// What `inner` decides, later by a time between `low` and `high`.
    pub fn slow(low: Duration, high: Duration, seed: u64, mut inner: Script) -> Script {
        Box::new(move |request| {
            let span = high.saturating_sub(low);
            let delay = low + span.mul_f64(dice(seed, request).share());
            inner(request).after(delay)
        })
    }

    /// `chosen` for the requests of one key (as the header shows it), `others` for the rest.
    pub fn for_key(key: &str, mut chosen: Script, mut others: Script) -> Script {
        let key = key.to_owned();
        Box::new(move |request| {
            let this = request.key.as_deref() == Some(key.as_str());
            if this { chosen(request) } else { others(request) }
        })
    }

    fn dice(seed: u64, request: &Request) -> Rng {
        let place = request.record.as_ref().map_or(request.number as u64, |id| {
            id.offset.cast_unsigned().wrapping_mul(1_000_003)
                ^ u64::from(id.partition.cast_unsigned())
        });
        let mut rng =
            Rng::new(seed ^ place.rotate_left(17) ^ u64::from(request.seen).rotate_left(48));
        rng.bits();
        rng
    }
}
