//! The way to the endpoint's books.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::broker::free_address;
use crate::endpoint::{Stats, Work};
use crate::process::Measured;

/// A connection to the endpoint, kept open: asking costs it little.
pub struct Control {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Control {
    /// Starts an endpoint, a process of its own, by the program in the folder `binaries`.
    pub fn start(binaries: &Path) -> anyhow::Result<(Measured, Self)> {
        let address = free_address()?;
        let mut command = Command::new(binaries.join("keyway-bench"));
        command.args(["endpoint", "--address", &address]);
        let endpoint = Measured::start(&mut command)?;
        let control = Self::connect(&address)?;
        Ok((endpoint, control))
    }

    /// Waits for the endpoint to listen.
    fn connect(address: &str) -> anyhow::Result<Self> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if let Ok(stream) = TcpStream::connect(address) {
                stream.set_nodelay(true)?;
                return Ok(Self { address: address.to_owned(), stream: BufReader::new(stream) });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the endpoint does not listen at {address}")
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Begins new books.
    pub fn reset(&mut self, work: Work) -> anyhow::Result<()> {
        let Work { delay, keys, workers, hangs } = work;
        let delay = delay.as_micros();
        let query = format!("delay_us={delay}&keys={keys}&workers={workers}&hangs={hangs}");
        self.get(&format!("/reset?{query}")).map(drop)
    }

    /// So many requests are worked on at a time from now on, where their number was limited before.
    pub fn set_workers(&mut self, count: usize) -> anyhow::Result<()> {
        self.get(&format!("/workers?{count}")).map(drop)
    }

    pub fn stats(&mut self) -> anyhow::Result<Stats> {
        Ok(serde_json::from_slice(&self.get("/stats")?)?)
    }

    fn get(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        write!(self.stream.get_mut(), "GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n")?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).context("the endpoint's answer")?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }
}
