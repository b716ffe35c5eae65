//! How long a connection may last, whatever its client does.
//!
//! The server bounds the time for the head of a request, but none for the reading of its answer: a
//! client that does not read would keep its connection, and some of them all connections.

use std::any::Any;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt;
use actix_web::rt::task::JoinHandle;

/// For `HttpServer::on_connect`: each connection is shut down when it has lasted this long.
pub fn of(time: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |connection, data| {
        let plain = connection.downcast_ref::<rt::net::TcpStream>();
        let tls = || connection.downcast_ref::<TlsStream<rt::net::TcpStream>>();
        let Some(stream) = plain.or_else(|| Some(tls()?.get_ref().0)) else { return };
        // Out of file descriptors, it would be cut off as soon as there is one again: never mind.
        if let Ok(second) = second(stream.as_fd()) {
            data.insert(Lease(rt::spawn(async move {
                rt::time::sleep(time).await;
                // It may be shut down already.
                let _ = second.shutdown(Shutdown::Both);
            })));
        }
    }
}

fn second(socket: BorrowedFd<'_>) -> io::Result<TcpStream> {
    Ok(socket.try_clone_to_owned()?.into())
}

/// Kept with the connection, and dropped with it.
struct Lease(JoinHandle<()>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.abort();
    }
}
