//! A request as it came in, and how it is read from a connection (HTTP/1.1).

use bytes::{Buf, Bytes, BytesMut};

use crate::support::records::Id;

/// A request that was read whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// The how manieth request of the endpoint it is, from 0.
    pub number: usize,
    /// The how manieth connection of the endpoint it came by, from 0.
    pub connection: usize,
    /// How many requests for the same record came before it.
    pub seen: u32,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The record, by `Keyway-Topic`, `Keyway-Partition` and `Keyway-Offset`.
    pub record: Option<Id>,
    /// `Keyway-Key` as it stands; none for a null key.
    pub key: Option<String>,
    /// `Keyway-Attempt`.
    pub attempt: Option<u32>,
    /// The body.
    pub body: Bytes,
    pub(super) head: Bytes,
}

impl Request {
    /// The value of a header as it stands; `None` when it is not there.
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        header(&self.head, name)
    }

    /// The value of a header as text.
    pub fn text(&self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.header(name)?).into_owned())
    }
}

pub(super) fn header(head: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut room = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut room);
    parsed.parse(head).ok()?;
    let found = parsed.headers.iter().find(|one| one.name.eq_ignore_ascii_case(name))?;
    Some(found.value.to_vec())
}

/// The bytes of a record's key from `Keyway-Key`: percent-encoded UTF-8, or `base64:` and the rest.
pub(super) fn decode_key(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    match text.strip_prefix("base64:") {
        Some(rest) => base64::engine::general_purpose::STANDARD.decode(rest).ok(),
        None => Some(percent_encoding::percent_decode_str(text).collect()),
    }
}

const MOST_HEADERS: usize = 100;

/// The head of a request and how its body is delimited.
pub(super) struct Head {
    pub(super) raw: Bytes,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) record: Option<Id>,
    pub(super) key: Option<String>,
    pub(super) attempt: Option<u32>,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
    pub(super) closes: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

/// Takes a head off the front of `buffer`; `None` while it is not complete, `Err` when it is no
/// HTTP.
pub(super) fn take_head(buffer: &mut BytesMut) -> Result<Option<Head>, httparse::Error> {
    let mut room = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut room);
    let httparse::Status::Complete(length) = parsed.parse(buffer)? else {
        return Ok(None);
    };
    let mut head = Head {
        raw: Bytes::new(),
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
        record: None,
        key: None,
        attempt: None,
        framing: Framing::Length(0),
        expects_continue: false,
        closes: parsed.version == Some(0),
    };
    let mut place = (None, None, None);
    for one in parsed.headers.iter() {
        note(&mut head, &mut place, one);
    }
    if let (Some(topic), Some(partition), Some(offset)) = place {
        head.record = Some(Id { topic, partition, offset });
    }
    head.raw = buffer.split_to(length).freeze();
    Ok(Some(head))
}

type Place = (Option<std::sync::Arc<str>>, Option<i32>, Option<i64>);

fn note(head: &mut Head, place: &mut Place, one: &httparse::Header<'_>) {
    let is = |name: &str| one.name.eq_ignore_ascii_case(name);
    let Ok(text) = std::str::from_utf8(one.value) else {
        return;
    };
    if is("content-length") {
        head.framing = Framing::Length(text.parse().unwrap_or(0));
    } else if is("transfer-encoding") && text.eq_ignore_ascii_case("chunked") {
        head.framing = Framing::Chunked;
    } else if is("keyway-topic") {
        place.0 = Some(text.into());
    } else if is("keyway-partition") {
        place.1 = text.parse().ok();
    } else if is("keyway-offset") {
        place.2 = text.parse().ok();
    } else if is("keyway-key") {
        head.key = Some(text.to_owned());
    } else if is("keyway-attempt") {
        head.attempt = text.parse().ok();
    } else if is("expect") {
        head.expects_continue = text.eq_ignore_ascii_case("100-continue");
    } else if is("connection") && text.eq_ignore_ascii_case("close") {
        head.closes = true;
    }
}

/// Takes a body off the front of `buffer`, `so_far` holding the chunks that were taken before;
/// `None` while it is not complete.
pub(super) fn take_body(
    framing: Framing,
    buffer: &mut BytesMut,
    so_far: &mut BytesMut,
) -> Result<Option<Bytes>, httparse::InvalidChunkSize> {
    match framing {
        Framing::Length(length) => {
            Ok((buffer.len() >= length).then(|| buffer.split_to(length).freeze()))
        }
        Framing::Chunked => loop {
            let httparse::Status::Complete((line, size)) = httparse::parse_chunk_size(buffer)?
            else {
                return Ok(None);
            };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            // Each chunk ends with an empty line; trailers are not sent by anyone here.
            if buffer.len() < line.saturating_add(size).saturating_add(2) {
                return Ok(None);
            }
            buffer.advance(line);
            so_far.extend_from_slice(&buffer[..size]);
            buffer.advance(size + 2);
            if size == 0 {
                return Ok(Some(so_far.split().freeze()));
            }
        },
    }
}
