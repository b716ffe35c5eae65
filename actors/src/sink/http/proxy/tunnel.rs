//! Asks the proxy for a tunnel (`CONNECT`, RFC 9110, 9.3.6) and reads its answer, to the last byte
//! of the head and not one further: what follows belongs to the target.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::connect::{ConnectError, in_turn, lookup, open, words};
use super::{Proxy, authority_of};

/// The longest answer of a proxy, interim ones included: the limit that servers and clients have
/// for a head. What is longer is no answer to `CONNECT`.
const LIMIT: usize = 8 * 1024;

/// Why the proxy gives no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The proxy itself cannot be connected to.
    #[error("{0}")]
    Unreached(Box<ConnectError>),
    /// It wants other credentials, or any at all (status 407).
    #[error(
        "it wants a user name and password (407), in its URL as http://user:password@host:port; \
         or it does not take those that are there"
    )]
    Credentials,
    /// It does not open the tunnel, or could not.
    #[error("it opens no tunnel to the target: status {0}")]
    Refused(u16),
    /// It broke the connection.
    #[error("connection lost before its answer: {}", words(.0))]
    Lost(#[source] io::Error),
    /// It answers something else.
    #[error("its answer is no HTTP/1.1; is it a proxy that is spoken to by http://?")]
    NotHttp,
    /// Its answer does not end.
    #[error("the head of its answer is longer than {LIMIT} bytes")]
    TooLong,
}

impl Proxy {
    /// A connection to host and port through the proxy, which looks up the host. Connecting to the
    /// proxy has this time; the caller limits the time for all of it.
    pub(in super::super) async fn tunnel(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<TcpStream, ConnectError> {
        let failed = |why| ConnectError::Proxy { proxy: Arc::clone(&self.shown), why };
        let unreached = |error| failed(TunnelError::Unreached(Box::new(error)));
        let addresses = lookup(&self.host, self.port).await.map_err(unreached)?;
        let opened = in_turn(&addresses, limit, async |address, _| open(address).await).await;
        let mut tcp = opened.map_err(unreached)?;
        self.ask(&mut tcp, &authority_of(host, port)).await.map_err(failed)?;
        Ok(tcp)
    }

    async fn ask(&self, tcp: &mut TcpStream, authority: &str) -> Result<(), TunnelError> {
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(authorization) = &self.authorization {
            request.extend(["Proxy-Authorization: ", authorization, "\r\n"]);
        }
        request.push_str("\r\n");
        tcp.write_all(request.as_bytes()).await.map_err(TunnelError::Lost)?;
        let mut room = LIMIT;
        loop {
            let head = read_head(tcp, &mut room).await?;
            match status(&head).ok_or(TunnelError::NotHttp)? {
                // Interim: the answer is still to come. Not 101, which nobody asked for.
                100 | 102..=199 => {}
                // Whatever else the head says: there is no body (RFC 9110, 9.3.6).
                200..=299 => return Ok(()),
                407 => return Err(TunnelError::Credentials),
                status => return Err(TunnelError::Refused(status)),
            }
        }
    }
}

/// Reads a head and leaves what follows it where it is: bytes are looked at first, and taken only up
/// to the head's end.
async fn read_head(tcp: &mut TcpStream, room: &mut usize) -> Result<Vec<u8>, TunnelError> {
    let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
    while !has_ended(&head) {
        let most = chunk.len().min(*room);
        if most == 0 {
            return Err(TunnelError::TooLong);
        }
        let waiting = tcp.peek(&mut chunk[..most]).await.map_err(TunnelError::Lost)?;
        if waiting == 0 {
            return Err(TunnelError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        let before = head.len();
        for byte in &chunk[..waiting] {
            head.push(*byte);
            if has_ended(&head) {
                break;
            }
        }
        let taken = head.len() - before;
        tcp.read_exact(&mut chunk[..taken]).await.map_err(TunnelError::Lost)?;
        *room -= taken;
    }
    Ok(head)
}

/// Whether a head ends with its empty line; a line may end without a CR (RFC 9112, 2.2).
fn has_ended(head: &[u8]) -> bool {
    head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n")
}

/// The status of a head's first line (RFC 9112, 4): `HTTP/1.1 200 Connection established`.
fn status(head: &[u8]) -> Option<u16> {
    let [minor, b' ', rest @ ..] = head.strip_prefix(b"HTTP/1.")? else { return None };
    let [a @ b'1'..=b'9', b, c, b' ' | b'\r' | b'\n', ..] = rest else { return None };
    let digits = [*a, *b, *c];
    let all = digits.iter().chain([minor]).all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_that_of_a_status_line() {
        for (head, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 503\r\n\r\n", Some(503)),
            ("HTTP/1.1 407 \n\n", Some(407)),
            ("HTTP/1.1 2000 X\r\n\r\n", None),
            ("HTTP/1.1 20 X\r\n\r\n", None),
            ("HTTP/1.1 2x0 X\r\n\r\n", None),
            ("HTTP/1.1 099 X\r\n\r\n", None),
            ("HTTP/1.x 200 X\r\n\r\n", None),
            ("HTTP/2 200 X\r\n\r\n", None),
            ("SSH-2.0-OpenSSH\r\n\r\n", None),
            ("\n\n", None),
        ] {
            assert_eq!(status(head.as_bytes()), expected, "{head:?}");
        }
    }
}
