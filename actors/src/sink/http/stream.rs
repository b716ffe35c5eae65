//! One connection as the client sees it: TCP or TLS, watched.
//!
//! What awc cannot say of a connection is noted here: whether it was used before, what status a
//! response began with, that it must not be used again. What awc gets wrong is put right here:
//! interim responses (see `interim`), and a server that answers and closes before it has read the
//! whole request, whose answer awc would not look at.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, TcpStream};
use awc::error::{ConnectError as AwcConnectError, SendRequestError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Ready};
use tokio_rustls::client::TlsStream;

use super::interim::InterimFilter;
use crate::sink::ConnectionCounts;

/// What carries the bytes.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What is known of all connections of one sink.
#[derive(Default)]
pub(super) struct Wires {
    opened: Cell<u64>,
    reused: Cell<u64>,
    last_read: Cell<Option<Rc<Wire>>>,
}

impl Wires {
    pub(super) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts { opened: self.opened.get(), reused: self.reused.get() }
    }

    /// The connection that was read last. Asked by a request right after its poll returned a
    /// response or a broken one, it is the connection of that request: the client read from it
    /// within that very poll, and nothing else ran on this thread since.
    pub(super) fn last_read(&self) -> Option<Rc<Wire>> {
        self.last_read.take()
    }
}

/// What is known of one connection.
#[derive(Default)]
pub(super) struct Wire {
    requests: Cell<u32>,
    status: Cell<Option<u16>>,
    cut_short: Cell<bool>,
    retired: Cell<bool>,
    /// The latest request is the last that it carries.
    last: Cell<bool>,
}

impl Wire {
    /// Whether it had carried another request before the latest.
    pub(super) fn is_reused(&self) -> bool {
        self.requests.get() > 1
    }

    /// The status that the latest response began with, even if the rest of its head was no HTTP.
    pub(super) fn status(&self) -> Option<u16> {
        self.status.get()
    }

    /// Whether the server stopped reading before the request was written.
    pub(super) fn was_cut_short(&self) -> bool {
        self.cut_short.get()
    }

    /// Whether the error of the latest request means that the server closed the connection between
    /// two requests: it had carried one before, and not a byte of an answer came.
    pub(super) fn closed_idle(&self, error: &SendRequestError) -> bool {
        self.is_reused() && self.status().is_none() && is_disconnect(error)
    }

    /// Whether the latest request is the last that it is to carry.
    pub(super) fn is_used_up(&self) -> bool {
        self.last.get()
    }

    /// Makes the connection look closed to the client's pool, which then drops it.
    pub(super) fn retire(&self) {
        self.retired.set(true);
    }
}

/// A connection.
pub(super) struct HttpStream {
    io: Transport,
    filter: InterimFilter,
    wire: Rc<Wire>,
    wires: Rc<Wires>,
    /// The most requests that it carries; 0: without end.
    most: u32,
}

impl HttpStream {
    pub(super) fn new(io: Transport, wires: Rc<Wires>, most: u32) -> Self {
        wires.opened.set(wires.opened.get() + 1);
        Self { io, filter: InterimFilter::default(), wire: Rc::default(), wires, most }
    }

    fn request_begins(&self) {
        self.wire.status.set(None);
        let requests = self.wire.requests.get().saturating_add(1);
        self.wire.requests.set(requests);
        if requests > 1 {
            self.wires.reused.set(self.wires.reused.get() + 1);
        }
        self.wire.last.set(requests == self.most);
    }

    /// Lets the request that is being polled find its connection.
    fn note_read(&self) {
        self.wire.status.set(self.filter.status());
        self.wires.last_read.set(Some(Rc::clone(&self.wire)));
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.wire.retired.get() {
                return Poll::Ready(Ok(()));
            }
            if this.filter.release(buf) {
                this.note_read();
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            if let Err(error) = ready!(this.io.poll_read(cx, buf)) {
                this.note_read();
                return Poll::Ready(Err(error));
            }
            let read = &buf.filled()[before..];
            if this.filter.is_open() || (!read.is_empty() && this.filter.admits(read)) {
                this.note_read();
                return Poll::Ready(Ok(()));
            }
            if read.is_empty() {
                this.filter.end();
            } else if this.filter.push(read).is_err() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            buf.set_filled(before);
        }
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.filter.response_follows() {
            this.request_begins();
        }
        if this.wire.cut_short.get() {
            return Poll::Ready(Ok(buf.len()));
        }
        match ready!(this.io.poll_write(cx, buf)) {
            // The server has closed its side, perhaps after an answer such as 413. If there is
            // one it has arrived; the client reads it, or the end, once it believes to be through.
            Err(error) if is_gone(&error) => {
                this.wire.cut_short.set(true);
                Poll::Ready(Ok(buf.len()))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.wire.cut_short.get() {
            return Poll::Ready(Ok(()));
        }
        match ready!(this.io.poll_flush(cx)) {
            Err(error) if is_gone(&error) => {
                this.wire.cut_short.set(true);
                Poll::Ready(Ok(()))
            }
            flushed => Poll::Ready(flushed),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Transport::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

/// Whether a request ended with its connection.
fn is_disconnect(error: &SendRequestError) -> bool {
    match error {
        SendRequestError::Connect(AwcConnectError::Disconnected) | SendRequestError::Send(_) => {
            true
        }
        SendRequestError::Response(error) => {
            error.source().is_some_and(|it| it.downcast_ref::<io::Error>().is_some_and(is_gone))
        }
        _ => false,
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

impl Transport {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(io) => io,
            Self::Tls(io) => io.get_ref().0,
        }
    }
}

impl ActixStream for HttpStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.io.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.io.tcp(), cx)
    }
}

impl fmt::Debug for HttpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStream")
            .field("peer", &self.io.tcp().peer_addr())
            .finish_non_exhaustive()
    }
}
