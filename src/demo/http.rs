//! As much of HTTP/1.1 as the endpoint needs: one whole request from the bytes of a connection.
//!
//! Strict where it matters: what is not a POST of a record of the demo is said, not guessed.

use super::ledger::Place;
use super::record::{Record, TOPIC};

/// Longest head and longest body that are waited for; a request of the demo has some hundred bytes.
const MOST: usize = 64 << 10;

/// What the bytes are.
#[derive(Debug, PartialEq)]
pub enum Parsed {
    /// The beginning of a request.
    Part,
    /// A request for a record; it takes this many bytes.
    Whole(Record, Place, usize),
    /// Something else.
    Strange(String),
}

/// Reads the request at the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed {
    const END: &[u8] = b"\r\n\r\n";
    let Some(length) = bytes.windows(END.len()).position(|window| window == END) else {
        return if bytes.len() > MOST { strange("a head without an end") } else { Parsed::Part };
    };
    let Ok(head) = std::str::from_utf8(&bytes[..length]) else {
        return strange("a head that is not text");
    };
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    if !line.starts_with("POST ") {
        return strange(&format!("no POST: {line:?}"));
    }
    let body_length: Option<usize> = number(headers, "content-length");
    let Some(body_length) = body_length.filter(|&length| length <= MOST) else {
        return strange("no content-length, or a long one");
    };
    let body = length + END.len();
    let Some(value) = bytes.get(body..body + body_length) else { return Parsed::Part };
    let record = header(headers, "keyway-key").and_then(|key| Record::read(key, value));
    match (record, place(headers)) {
        (Some(record), Some(place)) => Parsed::Whole(record, place, body + body_length),
        (None, _) => strange("key or body are not as they were written"),
        (_, None) => strange("the topic, partition or offset is missing or wrong"),
    }
}

fn strange(what: &str) -> Parsed {
    Parsed::Strange(what.to_owned())
}

fn place(headers: &str) -> Option<Place> {
    let partition = number(headers, "keyway-partition")?;
    let offset = number(headers, "keyway-offset")?;
    (header(headers, "keyway-topic") == Some(TOPIC)).then_some(Place { partition, offset })
}

fn number<T: std::str::FromStr>(headers: &str, name: &str) -> Option<T> {
    header(headers, name)?.parse().ok()
}

fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    let pairs = headers.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut values = pairs.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    let (_, value) = values.next()?;
    // Twice is not once: which of them would a receiver believe?
    values.next().is_none().then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::demo::record::key_text;

    fn request(body: &[u8]) -> Vec<u8> {
        let head = format!(
            "POST /orders HTTP/1.1\r\ncontent-length: {}\r\nKeyway-Topic: orders\r\n\
            Keyway-Partition: 3\r\nKeyway-Offset: 8\r\nKeyway-Key: customer-5\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    fn record() -> Record {
        Record { key: 5, number: 2, written: Duration::from_millis(9) }
    }

    fn body() -> Vec<u8> {
        record().value(&key_text(5))
    }

    #[test]
    fn a_request_is_read_once_all_of_it_is_there() {
        let whole = request(&body());
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), Parsed::Part, "{length}");
        }
        let place = Place { partition: 3, offset: 8 };
        let next = [&whole[..], b"POST /ord"].concat();
        assert_eq!(parse(&next), Parsed::Whole(record(), place, whole.len()));
    }

    #[test]
    fn what_is_no_request_of_the_demo_is_said() {
        let text = String::from_utf8(request(&body())).unwrap();
        for (was, becomes) in [
            ("POST", "GET"),
            ("content-length", "no-length"),
            ("orders\r\n", "others\r\n"),
            ("Keyway-Offset: 8", "Keyway-Offset: x"),
            ("Keyway-Key: customer-5", "Keyway-Key: customer-6"),
            ("Keyway-Key: customer-5", "Keyway-Key: customer-5\r\nKeyway-Key: customer-5"),
            ("\"order\":2", "\"order\":x"),
        ] {
            let changed = text.replacen(was, becomes, 1);
            assert_ne!(changed, text, "{was}");
            assert!(matches!(parse(changed.as_bytes()), Parsed::Strange(_)), "{becomes}");
        }
        assert!(matches!(parse(&vec![b'x'; MOST + 1]), Parsed::Strange(_)));
    }
}
