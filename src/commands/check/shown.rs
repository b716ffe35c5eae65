//! A request of a plan as `check --record` prints it: as a receiver would get it, but for what may
//! hold a secret.
//!
//! Who wrote the routes may read them, but others read what a check printed. So what plain `check`
//! hides of a URL, the text of its query, stays hidden. What a `${NAME}` stood for is shown as that
//! name where it went out as it is; where code may have changed it (a filter, the URL's encoding),
//! what it went into is shown as it is written or not at all.

use std::fmt::Write;

use keyway_actors::route::{Request, RequestSettings};

use super::plan::written_url;
use super::template::{Part, fills_code, is_of_the_record, parts};
use crate::settings::Filled;

/// The longest body that is printed, in bytes.
const SHORT: usize = 4096;

/// What is printed where something is not.
const NOT_SHOWN: &str = "(not shown)";

/// A request, and how it is written.
pub struct Shown<'a> {
    /// As it would be sent.
    pub request: &'a Request,
    /// As the file has it.
    pub written: &'a RequestSettings,
    /// What each `${NAME}` stood for.
    pub filled: &'a Filled,
    /// What is said of the record's value, where it is the body.
    pub value: &'a str,
}

impl Shown<'_> {
    /// Some lines, the first with the number of the request.
    pub fn lines(&self, number: usize) -> String {
        let mut text = format!("{number}. {} {}\n", self.request.method_used(), self.url());
        // A text takes all that is written to it.
        for (name, value) in self.request.headers() {
            let value = value.to_str().ok().and_then(|value| self.header(name.as_str(), value));
            let _ = writeln!(text, "   {name}: {}", value.as_deref().unwrap_or(NOT_SHOWN));
        }
        match self.request.body_given() {
            None => _ = writeln!(text, "   body: {}", self.value),
            Some(body) => text.push_str(&self.body(body)),
        }
        text
    }

    fn url(&self) -> String {
        let written = &self.written.url;
        let Some(shown) = self.hidden(&self.request.url(), written) else {
            return written_url(written);
        };
        let Some((head, query)) = shown.split_once('?') else { return shown };
        match query_of(query, &parameters(written)) {
            Some(query) => format!("{head}?{query}"),
            None => format!("{head}?..."),
        }
    }

    fn header(&self, name: &str, value: &str) -> Option<String> {
        let written = self.written.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        let written = written.map(|(_, written)| written.as_str())?;
        self.hidden(value, written).filter(|_| !looks_secret(name))
    }

    fn body(&self, body: &[u8]) -> String {
        let size = format!("   body: {} bytes of its own\n", body.len());
        let text = std::str::from_utf8(body).ok().filter(|text| {
            text.len() <= SHORT && !text.contains(|c: char| c.is_control() && c != '\n')
        });
        let Some(text) = text else { return size };
        let written = self.written.body.as_deref().unwrap_or_default();
        match self.hidden(text, written) {
            Some(text) if text.contains('\n') => {
                let lines = text.lines().map(|line| format!("     {line}").trim_end().to_owned());
                format!("   body:\n{}\n", lines.collect::<Vec<_>>().join("\n"))
            }
            Some(text) => format!("   body: {text}\n"),
            None => size,
        }
    }

    /// What was made of a template, with each value by its name; `None` where that may show one.
    fn hidden(&self, made: &str, written: &str) -> Option<String> {
        let shown = self.filled.hide(made);
        let safe = !written.contains("${")
            || !(fills_code(written) || self.filled.holds_code() || self.filled.is_in(&shown));
        safe.then_some(shown)
    }
}

/// The parameters of the query of a URL as it is written; none where it has no query.
fn parameters(written: &str) -> Vec<Vec<Part<'_>>> {
    let mut query: Vec<Vec<Part<'_>>> = Vec::new();
    for part in parts(written) {
        let Part::Text(text) = part else {
            query.last_mut().into_iter().for_each(|it| it.push(part));
            continue;
        };
        let text = match (query.is_empty(), text.split_once('?')) {
            (false, _) => text,
            (true, None) => continue,
            (true, Some((_, behind))) => {
                query.push(Vec::new());
                behind
            }
        };
        for (at, text) in text.split('&').enumerate() {
            if at > 0 {
                query.push(Vec::new());
            }
            query.last_mut().into_iter().for_each(|it| it.push(Part::Text(text)));
        }
    }
    query
}

/// A query of which only what a record or a `${NAME}` gives is shown; `None` where it cannot be told
/// which parameter is which. No value has a `&` in it that is not encoded.
fn query_of(query: &str, written: &[Vec<Part<'_>>]) -> Option<String> {
    let made: Vec<&str> = query.split('&').collect();
    let one = |(made, written): (&&str, &Vec<Part<'_>>)| parameter(made, written);
    (made.len() == written.len())
        .then(|| made.iter().zip(written).map(one).collect::<Vec<_>>().join("&"))
}

fn parameter(made: &str, written: &[Part<'_>]) -> String {
    let (name, rest) = match written.first() {
        Some(Part::Text(text)) => match text.split_once('=') {
            Some((name, rest)) => (Some(name), rest),
            None => (None, *text),
        },
        _ => (None, ""),
    };
    let others = written.iter().skip(usize::from(matches!(written.first(), Some(Part::Text(_)))));
    let is_fine = |part: &Part<'_>| match part {
        // Text that only joins values.
        Part::Text(text) => !text.contains(char::is_alphanumeric) || is_variable(text),
        Part::Code(code) => is_of_the_record(code),
    };
    let is_shown = is_fine(&Part::Text(rest)) && others.into_iter().all(is_fine);
    match (is_shown, name) {
        (true, _) => made.to_owned(),
        (false, Some(name)) => format!("{name}=..."),
        (false, None) => "...".to_owned(),
    }
}

/// Whether a text is `${NAME}`, which is shown so.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    name.is_some_and(|name| name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_'))
}

/// Whether a header usually holds a secret, by its name.
fn looks_secret(name: &str) -> bool {
    ["auth", "cookie", "key", "password", "secret", "signature", "token"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests;
