//! Keeps interim responses (1xx) from the client.
//!
//! awc takes the first head that arrives for the answer. After a `100 Continue` or `103 Early
//! Hints` it would put the connection back with the real answer still to come, and the next request
//! on it would be told the answer of this one: a record counted as delivered that was refused.
//! Only the first bytes after a request are looked at; a body passes untouched.

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

/// As much of a status line as tells interim from final: `HTTP/1.1 200`.
const STATUS_END: usize = 12;

/// The longest interim head; awc's own limit for a head.
const HEAD_LIMIT: usize = 128 * 1024;

/// What the bytes that come next are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody's concern.
    Pass,
    /// The beginning of a response.
    Start,
    /// The rest of an interim head.
    Skip,
}

/// Watches the read side of one connection.
#[derive(Debug)]
pub(super) struct InterimFilter {
    state: State,
    /// Read and not yet passed on; undecided unless the state is `Pass`.
    held: BytesMut,
    status: Option<u16>,
}

/// An interim head that does not end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endless;

impl Default for InterimFilter {
    fn default() -> Self {
        Self { state: State::Pass, held: BytesMut::new(), status: None }
    }
}

impl InterimFilter {
    /// A request is being written: a response follows. True for the first part of it.
    pub(super) fn response_follows(&mut self) -> bool {
        let first = self.state == State::Pass;
        if first {
            self.state = State::Start;
            self.status = None;
        }
        first
    }

    /// Whether bytes may go to the client as they are read.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Pass && self.held.is_empty()
    }

    /// The status of the final response, once its first bytes were seen.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether bytes just read can stay where they are: they begin a final response.
    pub(super) fn admits(&mut self, read: &[u8]) -> bool {
        let status =
            if self.held.is_empty() && self.state == State::Start { status_of(read) } else { None };
        let admitted = status.is_some_and(|status| !is_interim(status));
        if admitted {
            self.status = status;
            self.state = State::Pass;
        }
        admitted
    }

    /// Takes bytes that were not admitted.
    pub(super) fn push(&mut self, read: &[u8]) -> Result<(), Endless> {
        self.held.extend_from_slice(read);
        loop {
            match self.state {
                State::Pass => return Ok(()),
                State::Start => {
                    let blank =
                        self.held.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    self.held.advance(blank);
                    if self.held.len() < STATUS_END {
                        return Ok(());
                    }
                    let status = status_of(&self.held);
                    if status.is_some_and(is_interim) {
                        self.state = State::Skip;
                    } else {
                        self.status = status;
                        self.state = State::Pass;
                    }
                }
                State::Skip => match head_end(&self.held) {
                    Some(end) => {
                        self.held.advance(end);
                        self.state = State::Start;
                    }
                    None if self.held.len() > HEAD_LIMIT => return Err(Endless),
                    None => return Ok(()),
                },
            }
        }
    }

    /// The connection ended: what is undecided goes to the client, except for an interim head.
    pub(super) fn end(&mut self) {
        if self.state == State::Skip {
            self.held.clear();
        }
        self.state = State::Pass;
    }

    /// Moves what was decided to the client's buffer; true if there was any.
    pub(super) fn release(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.state != State::Pass || self.held.is_empty() {
            return false;
        }
        let size = self.held.len().min(buf.remaining());
        buf.put_slice(&self.held[..size]);
        self.held.advance(size);
        true
    }
}

/// The status in a status line, if that is what `read` begins with.
fn status_of(read: &[u8]) -> Option<u16> {
    let digits = read.get(..STATUS_END)?.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
    digits.iter().try_fold(0, |status, digit| {
        digit.is_ascii_digit().then(|| status * 10 + u16::from(digit - b'0'))
    })
}

/// 101 is final: it ends HTTP on that connection.
fn is_interim(status: u16) -> bool {
    matches!(status, 100..=199) && status != 101
}

/// Where the head ends: after the first empty line. A lone line feed ends a line too, as it does
/// for the client's parser.
fn head_end(head: &[u8]) -> Option<usize> {
    let mut line_is_empty = false;
    for (at, byte) in head.iter().enumerate() {
        match byte {
            b'\n' if line_is_empty => return Some(at + 1),
            b'\n' => line_is_empty = true,
            b'\r' => {}
            _ => line_is_empty = false,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FINAL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes";

    /// What the client sees of an answer that arrives in these pieces.
    fn seen(pieces: &[&[u8]]) -> (Vec<u8>, Option<u16>) {
        let mut filter = InterimFilter::default();
        assert!(filter.response_follows());
        let mut seen = Vec::new();
        for piece in pieces {
            if filter.is_open() || filter.admits(piece) {
                seen.extend_from_slice(piece);
                continue;
            }
            filter.push(piece).unwrap();
            drain(&mut filter, &mut seen);
        }
        filter.end();
        drain(&mut filter, &mut seen);
        (seen, filter.status())
    }

    fn drain(filter: &mut InterimFilter, seen: &mut Vec<u8>) {
        let mut space = [0; 7];
        let mut buf = ReadBuf::new(&mut space);
        while filter.release(&mut buf) {
            seen.extend_from_slice(buf.filled());
            buf.clear();
        }
    }

    #[test]
    fn a_final_response_passes_as_it_is() {
        assert_eq!(seen(&[FINAL]), (FINAL.to_vec(), Some(200)));
        let upgrade = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert_eq!(seen(&[upgrade]), (upgrade.to_vec(), Some(101)));
    }

    #[test]
    fn interim_responses_are_left_out() {
        let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";
        let all = [b"HTTP/1.1 100 Continue\r\n\r\n", &hints[..], hints, FINAL].concat();
        assert_eq!(seen(&[&all]), (FINAL.to_vec(), Some(200)));
        let lone = [&b"\r\nHTTP/1.0 102 P\na: b\n\n"[..], FINAL].concat();
        assert_eq!(seen(&[&lone]), (FINAL.to_vec(), Some(200)));
    }

    #[test]
    fn what_is_no_response_is_left_to_the_client() {
        for garbage in
            [&b"SSH-2.0-OpenSSH_9.9\r\n"[..], b"x", b"HTTP/1.1 1x0 Y\r\n\r\n", b"HTTP/2 100"]
        {
            assert_eq!(seen(&[garbage]), (garbage.to_vec(), None));
        }
    }

    #[test]
    fn an_interim_head_that_the_connection_ended_in_is_no_answer() {
        assert_eq!(seen(&[b"HTTP/1.1 100 Continue\r\nserver: x"]), (vec![], None));
    }

    #[test]
    fn an_interim_head_that_does_not_end_is_given_up() {
        let mut filter = InterimFilter::default();
        filter.response_follows();
        filter.push(b"HTTP/1.1 100 Continue\r\nx: ").unwrap();
        let more = [b'y'; 4096];
        let pushed = (0..=HEAD_LIMIT / more.len()).try_for_each(|_| filter.push(&more));
        assert_eq!(pushed, Err(Endless));
    }

    #[test]
    fn each_request_has_one_beginning() {
        let mut filter = InterimFilter::default();
        assert!(filter.response_follows());
        assert!(!filter.response_follows());
        assert!(filter.admits(FINAL));
        assert!(filter.response_follows());
        assert_eq!(filter.status(), None);
    }

    proptest! {
        #[test]
        fn however_an_answer_is_cut_the_client_sees_the_same(
            interim in 0..4_usize, body in proptest::collection::vec(any::<u8>(), 0..40),
            cuts in proptest::collection::vec(1..20_usize, 1..20),
        ) {
            let answer = [FINAL, &body].concat();
            let mut all = b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n".repeat(interim);
            all.extend_from_slice(&answer);
            let mut pieces = Vec::new();
            let mut rest = &all[..];
            for cut in cuts.iter().cycle() {
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = left;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(seen(&pieces), (answer, Some(200)));
        }
    }
}
