//! The endpoint's thread: accepts connections, and does what the test tells it between them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, spawn_local};
use tokio_rustls::TlsAcceptor;

use super::connection::Connection;
use super::ledger::Ledger;
use super::reply::{Reply, Script};
use super::request::Request;
use super::socket::Socket;

/// What the thread shares with the test.
pub(super) struct Shared {
    pub(super) ledger: Mutex<Ledger>,
    pub(super) script: Mutex<Script>,
}

impl Shared {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A condition of the test that panicked while it looked must not hide its reason.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        change(&mut self.ledger())
    }

    pub(super) fn decide(&self, request: &Request) -> Reply {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script(request)
    }
}

/// What the test tells the thread; each is answered when it is done.
pub(super) enum Command {
    /// Stop listening and cut all connections.
    Down(mpsc::Sender<()>),
    /// Listen again.
    Up(mpsc::Sender<()>),
    /// Read all that clients sent until now, then note an incident.
    Incident(String, mpsc::Sender<()>),
}

/// The open connections, by number.
#[derive(Default)]
pub(super) struct Connections(RefCell<HashMap<usize, (Socket, AbortHandle)>>);

impl Connections {
    pub(super) fn remove(&self, number: usize) {
        self.0.borrow_mut().remove(&number);
    }

    /// Whether the client has closed that connection.
    pub(super) fn is_closed(&self, number: usize) -> bool {
        self.0.borrow().get(&number).is_none_or(|(socket, _)| socket.is_closed_by_client())
    }

    fn unread(&self) -> Vec<usize> {
        let open = self.0.borrow();
        open.iter()
            .filter(|(_, (socket, _))| socket.has_unread())
            .map(|(&number, _)| number)
            .collect()
    }

    fn has_unread(&self, number: usize) -> bool {
        self.0.borrow().get(&number).is_some_and(|(socket, _)| socket.has_unread())
    }

    fn cut(&self) {
        for (_, (_, task)) in self.0.borrow_mut().drain() {
            task.abort();
        }
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) shared: Arc<Shared>,
    pub(super) connections: Rc<Connections>,
}

pub(super) fn listen(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address)
        .unwrap_or_else(|error| panic!("the endpoint cannot listen on {address}: {error}"));
    listener.set_nonblocking(true).expect("a listener can be set up");
    listener
}

impl Server {
    /// Serves until the test drops its end of `commands`.
    pub(super) async fn run(self, first: TcpListener, mut commands: UnboundedReceiver<Command>) {
        let mut listener =
            Some(tokio::net::TcpListener::from_std(first).expect("a runtime with a driver"));
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    None => break,
                    Some(Command::Down(done)) => {
                        listener = None;
                        self.connections.cut();
                        // The cut tasks end, and close their connections, when they next run.
                        tokio::task::yield_now().await;
                        let _ = done.send(());
                    }
                    Some(Command::Up(done)) => {
                        let again = tokio::net::TcpListener::from_std(listen(self.address));
                        listener = Some(again.expect("a runtime with a driver"));
                        let _ = done.send(());
                    }
                    Some(Command::Incident(what, done)) => {
                        if let Some(listener) = &listener {
                            self.accept_waiting(listener).await;
                        }
                        self.read_all().await;
                        self.shared.change(|ledger| ledger.incident(ledger.now(), &what));
                        let _ = done.send(());
                    }
                },
                accepted = accept(listener.as_ref()) => self.serve(accepted),
            }
        }
        self.connections.cut();
    }

    /// Accepts what had connected before.
    async fn accept_waiting(&self, listener: &tokio::net::TcpListener) {
        // Within a millisecond the runtime knows of every connection that was there.
        while let Ok(accepted) =
            tokio::time::timeout(Duration::from_millis(5), accept(Some(listener))).await
        {
            self.serve(accepted);
        }
    }

    /// Lets the connections read what had been sent before.
    async fn read_all(&self) {
        let mut behind = self.connections.unread();
        while !behind.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            behind.retain(|&number| self.connections.has_unread(number));
        }
    }

    fn serve(&self, stream: tokio::net::TcpStream) {
        let _ = stream.set_nodelay(true);
        let socket = Socket(Rc::new(stream));
        let number = self.shared.change(Ledger::connect);
        let connection = Connection {
            stream: socket.clone(),
            socket: socket.clone(),
            number,
            shared: self.shared.clone(),
            connections: self.connections.clone(),
            buffer: BytesMut::new(),
        };
        let tls = self.tls.clone();
        let task = spawn_local(async move {
            match tls {
                None => connection.serve().await,
                Some(tls) => serve_tls(&tls, connection).await,
            }
        });
        self.connections.0.borrow_mut().insert(number, (socket, task.abort_handle()));
    }
}

async fn serve_tls(tls: &TlsAcceptor, plain: Connection<Socket>) {
    let Connection { stream, socket, number, shared, connections, buffer } = plain;
    // A client that does not trust us, or shows no certificate, is simply not served.
    let Ok(stream) = tls.accept(stream).await else {
        connections.remove(number);
        return;
    };
    let connection = Connection { stream, socket, number, shared, connections, buffer };
    connection.serve().await;
}

async fn accept(listener: Option<&tokio::net::TcpListener>) -> tokio::net::TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        // An error is the client's (it went while it waited); too few descriptors would repeat.
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}
