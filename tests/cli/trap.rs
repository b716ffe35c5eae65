//! An address that nobody may connect to.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use crate::support::*;

/// Listens in place of brokers and endpoint, and accepts nobody.
pub struct Trap(TcpListener);

impl Trap {
    /// Listens.
    pub fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }

    /// A command with all that is needed, all of it leading here.
    pub fn command(&self, command: &str) -> Keyway {
        self.without_listen(command).flag("--listen", "off")
    }

    /// The same without `--listen`.
    pub fn without_listen(&self, command: &str) -> Keyway {
        Keyway::command([command])
            .flag("--brokers", self.address())
            .topic("orders")
            .url(&self.url())
    }

    /// Panics if anybody has connected.
    pub fn assert_untouched(&self) {
        self.0.set_nonblocking(true).expect("a socket option");
        match self.0.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("nothing was to be connected, and: {other:?}"),
        }
    }
}
