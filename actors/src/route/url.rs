//! Templates of URLs, in which nothing that comes from a record can leave its place.
//!
//! The scheme and the port are text. In the host a value is a part of a host name, and the whole
//! must be one of the allowed hosts. In the path and the query all of a value is percent-encoded but
//! what is unreserved (RFC 3986, 2.3), so that it stays within its segment or parameter; with the
//! filter `path` its slashes separate segments. A segment that a value would leave empty, or make
//! `.` or `..`, is refused: it would name another resource, a collection for one of its members say.

use std::collections::BTreeSet;

use awc::http::uri::PathAndQuery;

use self::path::PathWriter;
use super::context::Lazy;
use super::fault::ExpressionError;
use super::hosts::{AllowedHosts, is_host};
use super::language::{PathText, URLS};
use super::origin::Origin;
use super::text::{Piece, Text};
use crate::sink::http::Target;

mod path;
#[cfg(test)]
mod tests;

/// A URL, compiled.
pub(super) enum Url {
    Constant(Target, Origin),
    /// Only the path and query are from a record.
    Path {
        base: Target,
        origin: Origin,
        path: Vec<Piece>,
    },
    /// The host is, too. Its pieces are the authority without the port; `port` has its colon.
    Host {
        scheme: &'static str,
        host: Vec<Piece>,
        port: Box<str>,
        path: Vec<Piece>,
    },
}

/// A URL for a record.
pub(super) struct Rendered {
    pub(super) target: Target,
    pub(super) origin: Origin,
    pub(super) host_from_record: bool,
}

impl Url {
    /// Compiles a template; `used` gets the variables that it reads.
    pub(super) fn compile(
        source: &str,
        hosts: &AllowedHosts,
        used: &mut BTreeSet<String>,
    ) -> Result<Self, Vec<ExpressionError>> {
        let text = Text::compile(&URLS, source, used)?;
        Self::from_text(text, hosts)
            .map_err(|message| vec![ExpressionError::at(source, 0, message)])
    }

    fn from_text(text: Text, hosts: &AllowedHosts) -> Result<Self, String> {
        // What does not depend on a record is checked with a value that is fine everywhere.
        let probe = probe(&text.pieces);
        let tried = Target::parse(&probe).map_err(|error| error.to_string());
        if let Some(constant) = text.constant() {
            let target = Target::parse(constant).map_err(|error| error.to_string())?;
            let origin = Origin::of(&target);
            return Ok(Self::Constant(target, origin));
        }
        let (scheme, rest) = scheme(text.pieces)?;
        let (authority, path) = split_authority(rest);
        let constant = matches!(authority[..], [Piece::Constant(_)]);
        let (host, port) = split_port(authority)?;
        let base = tried?;
        let mut probed = PathWriter::default();
        for piece in &path {
            match piece {
                Piece::Constant(text) => probed.constant(text)?,
                Piece::Value(_) => probed.value("x", false)?,
            }
        }
        probed.finish()?;
        if path.windows(2).any(splits_escape) {
            return Err("a value completes a percent-encoding of the text before it".to_owned());
        }
        if constant {
            let origin = Origin::of(&base);
            return Ok(Self::Path { base, origin, path });
        }
        if hosts.is_empty() {
            return Err(
                "the host comes from a record: allowed_hosts must say which hosts it may be, \
                        as in [\"*.example.com\"]"
                    .to_owned(),
            );
        }
        Ok(Self::Host { scheme, host, port, path })
    }

    /// The URL for a record, or why there is none.
    pub(super) fn render(
        &self,
        lazy: &mut Lazy<'_>,
        hosts: &AllowedHosts,
    ) -> Result<Rendered, String> {
        match self {
            Self::Constant(target, origin) => Ok(Rendered {
                target: target.clone(),
                origin: origin.clone(),
                host_from_record: false,
            }),
            Self::Path { base, origin, path } => {
                let path = render_path(path, lazy)?;
                let path = PathAndQuery::from_maybe_shared(bytes::Bytes::from(path))
                    .map_err(|_| "the URL is too long".to_owned())?;
                let (target, origin) = (base.at(path), origin.clone());
                Ok(Rendered { target, origin, host_from_record: false })
            }
            Self::Host { scheme, host, port, path } => {
                let host = render_host(host, lazy, hosts)?;
                let path = render_path(path, lazy)?;
                let target = Target::parse(&format!("{scheme}{host}{port}{path}"))
                    .map_err(|error| format!("the URL cannot be used: {error}"))?;
                let origin = Origin::of(&target);
                Ok(Rendered { target, origin, host_from_record: true })
            }
        }
    }

    /// Where it goes; `None` where a record says it.
    pub(super) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Constant(_, origin) | Self::Path { origin, .. } => Some(origin),
            Self::Host { .. } => None,
        }
    }

    /// The URL that every record has.
    pub(super) fn constant(&self) -> Option<(&Target, &Origin)> {
        match self {
            Self::Constant(target, origin) => Some((target, origin)),
            Self::Path { .. } | Self::Host { .. } => None,
        }
    }
}

/// Whether a value follows on an unfinished `%41`, of which it would write the rest.
fn splits_escape(pair: &[Piece]) -> bool {
    let [Piece::Constant(text), Piece::Value(_)] = pair else { return false };
    text.bytes().rev().take(2).any(|byte| byte == b'%')
}

/// The text with `x` for every value.
fn probe(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Constant(text) => text.to_string(),
        Piece::Value(_) => "x".to_owned(),
    };
    pieces.iter().map(text).collect()
}

/// The scheme, and what comes behind `://`.
fn scheme(mut pieces: Vec<Piece>) -> Result<(&'static str, Vec<Piece>), String> {
    let Some(Piece::Constant(first)) = pieces.first_mut() else {
        return Err("the scheme is not for a record to say: write http:// or https:// before the \
                    first {{"
            .to_owned());
    };
    let known = ["http://", "https://"];
    let found = known.into_iter().find(|scheme| {
        first.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(scheme) = found else {
        return Err("it begins with http:// or https://, written out".to_owned());
    };
    *first = first[scheme.len()..].into();
    if first.is_empty() {
        pieces.remove(0);
    }
    Ok((scheme, pieces))
}

/// The pieces of the authority, and those of path and query: the first slash or question mark of the
/// text parts them, for a value has none in the authority.
fn split_authority(pieces: Vec<Piece>) -> (Vec<Piece>, Vec<Piece>) {
    let (mut authority, mut path) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Constant(text) if path.is_empty() => {
                let (before, behind) = text.split_at(text.find(['/', '?']).unwrap_or(text.len()));
                if !before.is_empty() {
                    authority.push(Piece::Constant(before.into()));
                }
                if !behind.is_empty() {
                    path.push(Piece::Constant(behind.into()));
                }
            }
            piece if path.is_empty() => authority.push(piece),
            piece => path.push(piece),
        }
    }
    (authority, path)
}

/// The pieces of the host, and the port with its colon.
fn split_port(mut authority: Vec<Piece>) -> Result<(Vec<Piece>, Box<str>), String> {
    let colon = |piece: &Piece| matches!(piece, Piece::Constant(text) if text.contains(':'));
    let Some(at) = authority.iter().position(colon) else { return Ok((authority, "".into())) };
    if at + 1 != authority.len() {
        return Err("the port is not for a record to say".to_owned());
    }
    let Some(Piece::Constant(last)) = authority.pop() else { return Ok((authority, "".into())) };
    let (host, port) = last.split_at(last.find(':').unwrap_or(last.len()));
    if !host.is_empty() {
        authority.push(Piece::Constant(host.into()));
    }
    Ok((authority, port.into()))
}

fn render_host(
    pieces: &[Piece],
    lazy: &mut Lazy<'_>,
    hosts: &AllowedHosts,
) -> Result<String, String> {
    let mut host = String::new();
    for piece in pieces {
        match piece {
            Piece::Constant(text) => host.push_str(text),
            Piece::Value(code) => {
                let value = code.evaluate(lazy)?;
                host.push_str(&code.text(&value)?);
            }
        }
    }
    host.make_ascii_lowercase();
    if !is_host(&host) {
        // It may be anything at all, so it is not shown.
        return Err("the record makes a host that is no host name".to_owned());
    }
    if !hosts.allow(&host) {
        return Err(format!("the host {host} is not among allowed_hosts"));
    }
    Ok(host)
}

fn render_path(pieces: &[Piece], lazy: &mut Lazy<'_>) -> Result<String, String> {
    let mut out = PathWriter::default();
    for piece in pieces {
        match piece {
            Piece::Constant(text) => out.constant(text)?,
            Piece::Value(code) => {
                let value = code.evaluate(lazy)?;
                let slashes = value.downcast_object_ref::<PathText>().is_some();
                out.value(&code.text(&value)?, slashes)?;
            }
        }
    }
    out.finish()
}
