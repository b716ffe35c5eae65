//! The JSON format of events (`CloudEvents` 1.0, JSON event format).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use serde::de::IgnoredAny;

use super::attributes::Attribute;

/// Room for the names, quotes and commas of the usual attributes.
const ROOM: usize = 512;

/// The event as a document. The value of the record goes in as it is, byte for byte, if its content
/// type says that it is JSON and it is; else in Base64. No value, no data.
pub(super) fn envelope(
    attributes: &[Attribute],
    content_type: Option<&str>,
    value: Option<&[u8]>,
) -> Bytes {
    let inline = value.filter(|value| content_type.is_none_or(is_json_type) && is_json(value));
    let mut out = BytesMut::with_capacity(ROOM + value.map_or(0, |it| it.len() + it.len() / 3));
    let mut mark = b'{';
    for attribute in attributes {
        name(&mut mark, &attribute.name, &mut out);
        if attribute.is_number {
            out.put_slice(attribute.value.as_bytes());
        } else {
            string(&attribute.value, &mut out);
        }
    }
    if let (Some(_), Some(content_type)) = (value, content_type) {
        name(&mut mark, "datacontenttype", &mut out);
        string(content_type, &mut out);
    }
    match (inline, value) {
        (Some(json), _) => {
            name(&mut mark, "data", &mut out);
            out.put_slice(json);
        }
        (None, Some(bytes)) => {
            name(&mut mark, "data_base64", &mut out);
            string(&BASE64_STANDARD.encode(bytes), &mut out);
        }
        (None, None) => {}
    }
    out.put_u8(b'}');
    out.freeze()
}

/// The name of a member, after what separates it from the one before.
fn name(mark: &mut u8, name: &str, out: &mut BytesMut) {
    out.put_u8(std::mem::replace(mark, b','));
    string(name, out);
    out.put_u8(b':');
}

fn string(text: &str, out: &mut BytesMut) {
    // Text becomes a JSON string without fail.
    out.put_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// Whether a media type is JSON: `*/json` or `*/*+json`, whatever its parameters.
fn is_json_type(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.split_once('/').is_some_and(|(_, subtype)| {
        let subtype = subtype.to_ascii_lowercase();
        subtype == "json" || subtype.ends_with("+json")
    })
}

/// Whether it is a JSON document. Its numbers, blanks and duplicate names are of no account, for it
/// is not written anew.
fn is_json(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|it| serde_json::from_str::<IgnoredAny>(it).is_ok())
}
