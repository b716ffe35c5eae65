//! What a record looks like in the file: bytes that end with a newline.
//!
//! `raw` is the value and a newline; a tombstone is an empty line. A value that has line breaks of
//! its own takes several lines.
//!
//! `ndjson` is an object a line, and loses nothing:
//!
//! ```json
//! {"topic":"orders","partition":0,"offset":42,"timestamp":1700000000000,"key":"k1","headers":[{"name":"a","value":"b"}],"value":{"n":1}}
//! ```
//!
//! - `timestamp`: milliseconds since the Unix epoch; `null` where the record has none.
//! - `key`: a string, or `null`. One that is not UTF-8 is `key_base64` instead.
//! - `headers`: in the order of the record, since a name may come more than once; a value is a
//!   string, or `null`, or `value_base64`.
//! - `value`: a JSON object or array as it is, where line breaks between its tokens become blanks;
//!   other text as a string; a tombstone as `null`. What is not UTF-8 is `value_base64`.
//!
//! A JSON value that is not an object or array (`1`, `"1"`, `null`) is a string with that text: a
//! reader can tell text from text that is JSON, and a tombstone from the word.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Format;
use super::json::is_object_or_array;
use crate::record::Record;

/// Appends a record.
pub(super) fn render(format: Format, record: &Record, out: &mut Vec<u8>) {
    match format {
        Format::Raw => out.extend_from_slice(&record.value().unwrap_or_default()),
        Format::Ndjson => object(record, out),
    }
    out.push(b'\n');
}

fn object(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"topic\":");
    string(record.topic(), out);
    out.extend_from_slice(b",\"partition\":");
    number(record.partition().into(), out);
    out.extend_from_slice(b",\"offset\":");
    number(record.offset(), out);
    out.extend_from_slice(b",\"timestamp\":");
    match record.timestamp() {
        Some(millis) => number(millis, out),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b',');
    bytes("key", record.key(), out);
    out.extend_from_slice(b",\"headers\":[");
    for (index, (name, value)) in record.headers().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"name\":");
        string(name, out);
        out.push(b',');
        bytes("value", value, out);
        out.push(b'}');
    }
    out.extend_from_slice(b"],");
    match record.value() {
        Some(value) if is_object_or_array(&value) => {
            out.extend_from_slice(b"\"value\":");
            one_line(&value, out);
        }
        value => bytes("value", value.as_deref(), out),
    }
    out.push(b'}');
}

/// JSON on one line: a line break is never inside a token.
fn one_line(json: &[u8], out: &mut Vec<u8>) {
    let blank = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    out.extend(json.iter().map(blank));
}

/// A member of bytes: as text, or in Base64 under a name that says so.
fn bytes(name: &str, value: Option<&[u8]>, out: &mut Vec<u8>) {
    let text = value.map(std::str::from_utf8);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(if matches!(text, Some(Err(_))) { b"_base64\":" } else { b"\":" });
    match (text, value) {
        (Some(Ok(text)), _) => string(text, out),
        (_, Some(value)) => string(&BASE64_STANDARD.encode(value), out),
        (_, None) => out.extend_from_slice(b"null"),
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    // Text is written to memory without fail.
    let _ = serde_json::to_writer(out, text);
}

fn number(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests;
