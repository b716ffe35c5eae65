//! Bytes of a record as header values: printable ASCII, reversible, bounded.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{BufMut, BytesMut};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// The longest key that is sent as it is, encoded. Many servers take no more than 8 KiB of headers
/// in all and refuse every attempt at such a record, so a longer key is named by its hash.
pub(super) const KEY_LIMIT: usize = 4096;

const BASE64: &[u8] = b"base64:";
const SHA256: &[u8] = b"sha256:";

/// What is percent-encoded: what has no place in a header or may be trimmed from it, the sign of the
/// encoding itself, and `+`, which some decoders read as a blank. Beyond ASCII everything is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'+');

/// Appends text of any origin.
pub(super) fn put_text(text: &str, out: &mut BytesMut) {
    for part in percent_encode(text.as_bytes(), ESCAPED) {
        out.put_slice(part.as_bytes());
    }
}

/// Appends a record's key.
///
/// UTF-8 is percent-encoded; other keys are `base64:` and standard Base64 with padding; keys whose
/// encoding is longer than [`KEY_LIMIT`] are `sha256:` and the hash of the key in hexadecimal. A key
/// that itself begins with one of these words has its first colon encoded, so no two keys look
/// alike.
pub(super) fn put_key(key: &[u8], out: &mut BytesMut) {
    let start = out.len();
    if key.len() <= KEY_LIMIT {
        match std::str::from_utf8(key) {
            Ok(text) => put_text_key(text, out),
            Err(_) => put_base64(key, out),
        }
    }
    if key.len() > KEY_LIMIT || out.len() - start > KEY_LIMIT {
        out.truncate(start);
        put_sha256(key, out);
    }
}

/// A record's key as text, as [`put_key`] writes it.
pub(crate) fn key_text(key: &[u8]) -> String {
    let mut out = BytesMut::new();
    put_key(key, &mut out);
    // All of it is ASCII.
    String::from_utf8_lossy(&out).into_owned()
}

fn put_text_key(text: &str, out: &mut BytesMut) {
    for word in [BASE64, SHA256] {
        if text.as_bytes().starts_with(word) {
            out.put_slice(&word[..word.len() - 1]);
            out.put_slice(b"%3A");
            return put_text(&text[word.len()..], out);
        }
    }
    put_text(text, out);
}

fn put_base64(key: &[u8], out: &mut BytesMut) {
    out.put_slice(BASE64);
    out.put_slice(BASE64_STANDARD.encode(key).as_bytes());
}

fn put_sha256(key: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.put_slice(SHA256);
    for byte in ring::digest::digest(&ring::digest::SHA256, key).as_ref() {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode;
    use proptest::prelude::*;

    use super::*;

    fn key(key: &[u8]) -> String {
        let mut out = BytesMut::from("before ");
        put_key(key, &mut out);
        String::from_utf8(out.to_vec()).unwrap().strip_prefix("before ").unwrap().to_owned()
    }

    /// What a receiver does.
    fn decode(sent: &str) -> Option<Vec<u8>> {
        match sent.strip_prefix("base64:") {
            Some(coded) => BASE64_STANDARD.decode(coded).ok(),
            None if sent.starts_with("sha256:") => None,
            None => Some(percent_decode(sent.as_bytes()).collect()),
        }
    }

    #[test]
    fn plain_keys_are_sent_as_they_are() {
        for plain in ["", "17", "user:17", "a/b,c;d=e&f?\"g\"", "bAse64:x", "{\"id\":1}"] {
            assert_eq!(key(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn what_a_header_cannot_hold_is_percent_encoded() {
        assert_eq!(key("a b\u{e9}%+\t\r\n\0\u{7f}".as_bytes()), "a%20b%C3%A9%25%2B%09%0D%0A%00%7F");
    }

    #[test]
    fn keys_that_are_not_utf8_are_base64() {
        assert_eq!(key(b"\xff\x00"), "base64:/wA=");
        assert_eq!(key(b"base64:\xff"), "base64:YmFzZTY0Ov8=");
    }

    #[test]
    fn a_key_that_looks_encoded_is_told_apart() {
        assert_eq!(key(b"base64:/wA="), "base64%3A/wA=");
        assert_eq!(key(b"sha256:00:"), "sha256%3A00:");
    }

    #[test]
    fn long_keys_are_hashed() {
        // The test vector of FIPS 180-2 for a million times "a".
        let long = vec![b'a'; 1_000_000];
        assert_eq!(
            key(&long),
            "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
        assert_eq!(key(&long[..KEY_LIMIT]).len(), KEY_LIMIT);
        assert!(key(&long[..=KEY_LIMIT]).starts_with("sha256:"));
        assert!(key(&vec![b' '; KEY_LIMIT / 3 + 1]).starts_with("sha256:"));
        assert!(key(&vec![0xff; KEY_LIMIT]).starts_with("sha256:"));
    }

    proptest! {
        #[test]
        fn every_key_comes_back_from_visible_ascii(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,60}",
            word in prop::sample::select(vec!["", "base64:", "sha256:", "base64%3A", "%"]),
        ) {
            for raw in [bytes, format!("{word}{text}").into_bytes()] {
                let sent = key(&raw);
                prop_assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{}", sent);
                prop_assert_eq!(decode(&sent), Some(raw));
            }
        }
    }
}
