//! TCP ports that stay ours while nobody listens on them: a broker or an endpoint that goes down
//! must come back on the same port.
//!
//! They lie below the range from which the system picks ports by itself. So no unrelated socket
//! takes one while its owner is down, and no client that connects to the silent port can end up
//! connected to itself. Test processes keep out of each other's way with a lock file per port.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

const SPAN: u16 = 12_000;

/// A port of 127.0.0.1 that no other test uses while this value lives.
#[derive(Debug)]
pub struct HeldPort {
    port: u16,
    _lock: File,
}

impl HeldPort {
    /// Takes a port nobody listens on.
    pub fn take() -> Self {
        let folder = std::env::temp_dir()
            .join(format!("keyway-test-ports-{}", rustix::process::getuid().as_raw()));
        std::fs::create_dir_all(&folder).expect("the folder of port locks can be made");
        let first = first_automatic_port().saturating_sub(SPAN).max(1024);
        // Scattered by process id, so that test processes rarely meet at the same candidates.
        let start = std::process::id().wrapping_mul(7919) % u32::from(SPAN);
        (0..u32::from(SPAN))
            .map(|step| first + u16::try_from((start + step) % u32::from(SPAN)).unwrap_or(0))
            .find_map(|port| {
                let lock = File::create(folder.join(port.to_string())).ok()?;
                lock.try_lock().ok()?;
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
                Some(Self { port, _lock: lock })
            })
            .expect("a free port below the range of automatic ports")
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.port
    }

    /// 127.0.0.1 and the number.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// The lowest port that the system hands out by itself.
fn first_automatic_port() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(32_768)
}
