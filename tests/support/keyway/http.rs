//! Requests that need nothing but a socket.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body, which is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The status and the body; `None` when nobody answers, or not with HTTP.
pub(super) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    ask(address, "GET", path, &[], "").map(|answer| (answer.status, answer.text))
}

/// What is answered; `None` when nobody answers, or not with HTTP.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut lines = vec![format!("{method} {path} HTTP/1.0")];
    if !headers.iter().any(|(name, _)| *name == "Host") {
        lines.push(format!("Host: {address}"));
    }
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if method != "GET" || !body.is_empty() {
        lines.push(format!("Content-Length: {}", body.len()));
    }
    ask_raw(address, &format!("{}\r\n\r\n{body}", lines.join("\r\n")))
}

/// The same for a request as it is. What is answered before all of it was sent counts.
pub fn ask_raw(address: SocketAddr, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // Who refuses early may close before it has read everything.
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let cut = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
    if read.as_ref().is_err_and(|error| !cut(error)) {
        return None;
    }
    let mut room = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Response::new(&mut room);
    let httparse::Status::Complete(length) = head.parse(&bytes).ok()? else {
        return None;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = head.headers.iter();
    Some(Answer {
        status: head.code?,
        headers: headers.map(|it| (it.name.to_ascii_lowercase(), text(it.value))).collect(),
        text: text(&bytes[length..]),
    })
}
