//! One connection: reads requests one after the other, does with each what the script says, and
//! keeps the books.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ledger::{Ending, Ledger, RequestId};
use super::reply::{Action, Answer, Reply};
use super::request::{Head, Request, take_body, take_head};
use super::server::{Connections, Shared};
use super::socket::Socket;

pub(super) struct Connection<S> {
    pub(super) stream: S,
    pub(super) socket: Socket,
    pub(super) number: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) connections: Rc<Connections>,
    pub(super) buffer: BytesMut,
}

/// What a huge body is made of.
static BLOCK: [u8; 16 * 1024] = [b'x'; 16 * 1024];

/// The connection is not to be used any more.
struct Over;

/// A request in the books; ended as closed when its task is dropped before it ended.
struct Open<'a> {
    shared: &'a Shared,
    id: RequestId,
    seen: u32,
    ended: Cell<bool>,
}

impl Open<'_> {
    fn end(&self, ending: Ending) {
        self.end_in(&mut self.shared.ledger(), ending);
    }

    fn end_in(&self, ledger: &mut Ledger, ending: Ending) {
        // The clock is read here, right after the write: what the client does on reading the
        // answer always comes later.
        let now = ledger.now();
        self.ended.set(true);
        ledger.end(self.id, now, ending);
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.ended.get() {
            self.end(Ending::Closed);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) async fn serve(mut self) {
        while self.one().await.is_ok() {}
        self.connections.remove(self.number);
    }

    async fn one(&mut self) -> Result<(), Over> {
        let (head, first_byte) = self.head().await?;
        let shared = self.shared.clone();
        let open = self.enter(&shared, &head, first_byte);
        let closes = head.closes;
        let Ok(body) = self.body(&head).await else {
            open.end(Ending::ClientGone);
            return Err(Over);
        };
        shared.change(|ledger| ledger.body(open.id, &body));
        let request = Request {
            number: open.id,
            connection: self.number,
            seen: open.seen,
            method: head.method,
            path: head.path,
            record: head.record,
            key: head.key,
            attempt: head.attempt,
            body,
            head: head.raw,
        };
        let reply = shared.decide(&request);
        if self.wait(&reply).await.is_err() {
            open.end(Ending::ClientGone);
            return Err(Over);
        }
        self.act(reply.action, &open, closes).await
    }

    /// Reads a head; the moment is when its first byte was there.
    async fn head(&mut self) -> Result<(Head, Instant), Over> {
        if self.buffer.is_empty() {
            self.read().await?;
        }
        let first_byte = Instant::now();
        loop {
            match take_head(&mut self.buffer) {
                Ok(Some(head)) => return Ok((head, first_byte)),
                Ok(None) => self.read().await?,
                Err(error) => {
                    return Err(self.complain(&format!("a head that is no HTTP: {error}")));
                }
            }
        }
    }

    /// Enters a request into the books. A client that gave up on an earlier request of the lane has
    /// closed that connection before this request began, though the task that serves it may not
    /// have seen it yet: it is looked at now, or the two would seem to be in flight at once.
    fn enter<'a>(&self, shared: &'a Shared, head: &Head, first_byte: Instant) -> Open<'a> {
        shared.change(|ledger| {
            let at = ledger.at(first_byte);
            for rival in ledger.rivals(head) {
                if self.connections.is_closed(ledger.requests()[rival].connection) {
                    ledger.end(rival, at, Ending::ClientGone);
                }
            }
            let seen = head.record.as_ref().map_or(0, |id| ledger.attempts(id));
            let id = ledger.begin_head(head, self.number, at);
            Open { shared, id, seen, ended: Cell::new(false) }
        })
    }

    async fn body(&mut self, head: &Head) -> Result<Bytes, Over> {
        if head.expects_continue {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut so_far = BytesMut::new();
        loop {
            match take_body(head.framing, &mut self.buffer, &mut so_far) {
                Ok(Some(body)) => return Ok(body),
                Ok(None) => self.read().await?,
                Err(error) => return Err(self.complain(&format!("a bad chunk: {error}"))),
            }
        }
    }

    /// Waits as the reply wants; ends early when the client goes.
    async fn wait(&mut self, reply: &Reply) -> Result<(), Over> {
        if matches!(reply.action, Action::Hang) {
            return self.unless_gone(std::future::pending()).await;
        }
        if reply.delay > Duration::ZERO {
            self.unless_gone(tokio::time::sleep(reply.delay)).await?;
        }
        match &reply.gate {
            Some(gate) => self.unless_gone(gate.passed()).await,
            None => Ok(()),
        }
    }

    async fn unless_gone(&mut self, wait: impl Future<Output = ()>) -> Result<(), Over> {
        tokio::pin!(wait);
        loop {
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.buffer) => match read {
                    Ok(0) | Err(_) => return Err(Over),
                    // The next request already: kept for its turn.
                    Ok(_) => {}
                },
                () = &mut wait => return Ok(()),
            }
        }
    }

    async fn act(&mut self, action: Action, open: &Open<'_>, closes: bool) -> Result<(), Over> {
        match action {
            Action::Answer(answer) => self.answer(answer, open, closes).await,
            Action::Hang | Action::Close => {
                open.end(Ending::Closed);
                let _ = self.stream.shutdown().await;
                Err(Over)
            }
            Action::Reset => {
                open.end(Ending::Closed);
                // The close that follows sends RST instead of FIN.
                let _ = self.socket.0.set_zero_linger();
                Err(Over)
            }
            Action::Raw(bytes) => {
                // Settled before it is written: how far a client reads it is the client's choice.
                open.end(status_of(&bytes).map_or(Ending::Closed, Ending::Answered));
                let _ = self.write(&bytes).await;
                let _ = self.stream.shutdown().await;
                Err(Over)
            }
            Action::Huge(status, length) => self.pour(status, length, open).await,
        }
    }

    async fn answer(&mut self, answer: Answer, open: &Open<'_>, closes: bool) -> Result<(), Over> {
        let done = Ending::Answered(answer.status);
        let closes = closes || answer.then_close;
        let mut bytes = head_of(&answer, closes);
        if answer.body_delay > Duration::ZERO {
            if self.write(&bytes).await.is_err() {
                open.end(Ending::ClientGone);
                return Err(Over);
            }
            if self.unless_gone(tokio::time::sleep(answer.body_delay)).await.is_err() {
                // The client has the status: it has its outcome.
                open.end(done);
                return Err(Over);
            }
            bytes.clear();
        }
        bytes.extend_from_slice(&answer.body);
        let written = self.write_and_end(&bytes, open, done).await;
        if closes {
            let _ = self.stream.shutdown().await;
            return Err(Over);
        }
        written
    }

    /// Writes the rest of an answer and notes its end, if the system takes all of it at once under
    /// the lock of the books: what the client makes of the answer cannot be seen anywhere before
    /// the books have it.
    async fn write_and_end(
        &mut self,
        bytes: &[u8],
        open: &Open<'_>,
        done: Ending,
    ) -> Result<(), Over> {
        let mut left = bytes;
        let stream = &mut self.stream;
        std::future::poll_fn(|context| {
            let mut ledger = open.shared.ledger();
            if let Poll::Ready(Ok(count)) = Pin::new(&mut *stream).poll_write(context, left) {
                left = &left[count..];
                if left.is_empty() && Pin::new(&mut *stream).poll_flush(context).is_ready() {
                    open.end_in(&mut ledger, done);
                }
            }
            Poll::Ready(())
        })
        .await;
        if open.ended.get() {
            return Ok(());
        }
        let written = self.write(left).await;
        open.end(if written.is_ok() { done } else { Ending::ClientGone });
        written
    }

    async fn pour(&mut self, status: u16, length: u64, open: &Open<'_>) -> Result<(), Over> {
        let head = format!("HTTP/1.1 {status} Huge\r\nContent-Length: {length}\r\n\r\n");
        open.end(Ending::Answered(status));
        self.write(head.as_bytes()).await?;
        let mut left = length;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK.len());
            self.write(&BLOCK[..part]).await?;
            left -= part as u64;
        }
        Ok(())
    }

    fn complain(&self, about: &str) -> Over {
        self.shared.change(|ledger| ledger.complain(about));
        Over
    }

    async fn read(&mut self) -> Result<(), Over> {
        self.buffer.reserve(8 * 1024);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Over),
            Ok(_) => Ok(()),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.stream.write_all(bytes).await.map_err(|_| Over)?;
        self.stream.flush().await.map_err(|_| Over)
    }
}

fn head_of(answer: &Answer, closes: bool) -> Vec<u8> {
    use std::io::Write as _;
    let mut bytes = Vec::with_capacity(128 + answer.body.len());
    // Writing to memory does not fail.
    let _ = write!(bytes, "HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        let _ = write!(bytes, "{name}: {value}\r\n");
    }
    if closes {
        bytes.extend_from_slice(b"Connection: close\r\n");
    }
    // These two never have a body, nor its length.
    if answer.status != 204 && answer.status != 304 {
        let _ = write!(bytes, "Content-Length: {}\r\n", answer.body.len());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The status that raw bytes begin with, if they begin as an HTTP answer does.
fn status_of(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
