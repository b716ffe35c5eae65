//! The file as a tree of tables, lists and scalars, each with its line.
//!
//! Knows TOML and nothing of settings. The tree is what [`super::file`] reads, so that another
//! notation of the same structure needs only its own way to such a tree.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue, Error};

/// A value and where it is.
#[derive(Debug, PartialEq)]
pub struct Node {
    /// From 1; 0 in what is no file.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
    /// Line and column, from 1, of the first character of a text that stands in the file as it is,
    /// without escapes; `None` for everything else.
    pub verbatim: Option<(usize, usize)>,
}

/// What a value is.
#[derive(Debug, PartialEq)]
pub enum Kind {
    /// A string.
    Text(String),
    /// A number, a boolean or a date, as it would be typed in a string.
    Bare(String),
    /// A list.
    List(Vec<Node>),
    /// A table, in the order of the file.
    Table(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, PartialEq)]
pub struct Entry {
    /// One part of a dotted key.
    pub key: String,
    /// Where the key is, from 1; 0 in what is no file.
    pub line: usize,
    /// Its value.
    pub node: Node,
}

/// The same tree of a JSON object, for what comes in the body of a request: nothing in it has a
/// line. A null is as if its key were not there.
pub fn of_json(object: &serde_json::Map<String, Value>) -> Vec<Entry> {
    let present = object.iter().filter(|(_, value)| !value.is_null());
    present.map(|(key, value)| Entry { key: key.clone(), line: 0, node: node(value) }).collect()
}

fn node(value: &Value) -> Node {
    let kind = match value {
        Value::String(text) => Kind::Text(text.clone()),
        Value::Bool(_) | Value::Number(_) => Kind::Bare(value.to_string()),
        // One in a list is no value, and nothing takes a list within a list.
        Value::Null => Kind::List(Vec::new()),
        Value::Array(values) => Kind::List(values.iter().map(node).collect()),
        Value::Object(object) => Kind::Table(of_json(object)),
    };
    Node { line: 0, kind, verbatim: None }
}

/// Reads a TOML document.
///
/// # Errors
/// Each line with what is wrong there; at most one a line.
pub fn parse(source: &str) -> Result<Vec<Entry>, Vec<(usize, String)>> {
    let (table, errors) = DeTable::parse_recoverable(source);
    let lines = Lines::of(source);
    if errors.is_empty() {
        return Ok(lines.entries(table.get_ref()));
    }
    let mut found: Vec<(usize, String)> = errors.iter().map(|error| lines.error(error)).collect();
    found.sort();
    // What follows from a first error on a line only confuses.
    found.dedup_by_key(|(line, _)| *line);
    Err(found)
}

/// The text and the start of each of its lines.
struct Lines<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(source: &'a str) -> Self {
        let breaks = source.match_indices('\n').map(|(at, _)| at + 1);
        Self { source, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Where the text of the string at `span` begins, if it stands there as it is.
    fn verbatim(&self, span: Range<usize>, text: &str) -> Option<(usize, usize)> {
        let raw = self.source.get(span.clone())?;
        let quotes = ["\"\"\"", "'''", "\"", "'"];
        let quote = quotes.into_iter().find(|quote| raw.starts_with(quote))?;
        let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
        // A line end right after three quotes is none of the text.
        let line_end = inner.strip_prefix('\n').or_else(|| inner.strip_prefix("\r\n"));
        let own = line_end.filter(|_| quote.len() == 3).unwrap_or(inner);
        let start = span.start + quote.len() + (inner.len() - own.len());
        let line = self.at(start);
        let before = self.source.get(*self.starts.get(line - 1)?..start)?;
        let same = own == text || own.replace("\r\n", "\n") == text;
        same.then(|| (line, before.chars().count() + 1))
    }

    /// The message alone: the library's own rendering shows the line, and that may hold a secret.
    fn error(&self, error: &Error) -> (usize, String) {
        let line = error.span().map_or(1, |span| self.at(span.start));
        (line, error.message().replace('\n', ", "))
    }

    fn entries(&self, table: &DeTable<'_>) -> Vec<Entry> {
        let mut entries: Vec<(usize, Entry)> = table
            .iter()
            .map(|(key, value)| {
                let start = key.span().start;
                let line = self.at(start);
                let entry = Entry { key: key.get_ref().to_string(), line, node: self.node(value) };
                (start, entry)
            })
            .collect();
        entries.sort_by_key(|(start, _)| *start);
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let kind = match value.get_ref() {
            DeValue::String(text) => Kind::Text(text.to_string()),
            DeValue::Integer(number) => Kind::Bare(decimal(number)),
            DeValue::Float(number) => Kind::Bare(number.as_str().to_owned()),
            DeValue::Boolean(value) => Kind::Bare(value.to_string()),
            DeValue::Datetime(value) => Kind::Bare(value.to_string()),
            DeValue::Array(values) => Kind::List(values.iter().map(|v| self.node(v)).collect()),
            DeValue::Table(table) => Kind::Table(self.entries(table)),
        };
        let verbatim = match &kind {
            Kind::Text(text) => self.verbatim(value.span(), text),
            _ => None,
        };
        Node { line: self.at(value.span().start), kind, verbatim }
    }
}

fn decimal(number: &DeInteger<'_>) -> String {
    match i128::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) => number.to_string(),
        // Larger than any setting: it is refused as it was typed.
        Err(_) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(entries: &'a [Entry], path: &[&str]) -> &'a Node {
        let entry = entries.iter().find(|entry| entry.key == path[0]).expect("the key is there");
        match (&entry.node.kind, &path[1..]) {
            (_, []) => &entry.node,
            (Kind::Table(inner), rest) => find(inner, rest),
            other => panic!("no table: {other:?}"),
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let source = "# a\n[log]\nlevel = 'info'\n\n[[pipeline]]\ntopics = [\n  'a',\n  'b',\n]\n[pipeline.http]\nurl = 'x'\n[[pipeline]]\nname = 'two'\n";
        let entries = parse(source).expect("it is valid");
        assert_eq!(find(&entries, &["log", "level"]).line, 3);
        let Kind::List(pipelines) = &find(&entries, &["pipeline"]).kind else { panic!("no list") };
        let lines: Vec<usize> = pipelines.iter().map(|pipeline| pipeline.line).collect();
        assert_eq!(lines, [5, 12]);
        let Kind::Table(first) = &pipelines[0].kind else { panic!("no table") };
        assert_eq!(find(first, &["http", "url"]).line, 11);
        let Kind::List(topics) = &find(first, &["topics"]).kind else { panic!("no list") };
        let second = Node { line: 8, kind: Kind::Text("b".into()), verbatim: Some((8, 4)) };
        assert_eq!(topics[1], second);
    }

    #[test]
    fn a_text_that_stands_there_as_it_is_knows_its_first_character() {
        for (source, verbatim) in [
            ("a = 'x'", Some((1, 6))),
            ("\n  a = \"ä\"", Some((2, 8))),
            ("\"ä\" = 'x'", Some((1, 8))),
            ("a = ''", Some((1, 6))),
            ("a = '''\nx\n'''", Some((2, 1))),
            ("a = '''\r\nx\r\ny'''", Some((2, 1))),
            ("a = \"\"\"x\ny\"\"\"", Some((1, 8))),
            ("a = \"x\\ny\"", None),
            ("a = \"\"\"\\\n  x\"\"\"", None),
            ("a = 1", None),
        ] {
            let entries = parse(source).expect("it is valid");
            assert_eq!(entries[0].node.verbatim, verbatim, "{source}");
        }
    }

    #[test]
    fn bare_values_read_as_they_would_be_typed() {
        let entries = parse("a = 1_000\nb = 0x10\nc = 2.5\nd = true\ne = -3").expect("it is valid");
        let bare: Vec<&Kind> = entries.iter().map(|entry| &entry.node.kind).collect();
        let expected = ["1000", "16", "2.5", "true", "-3"].map(|text| Kind::Bare(text.into()));
        assert_eq!(bare, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn broken_lines_are_told_without_their_text() {
        let errors = parse("a = 1\npassword = hunter2\nb = = 2\n").expect_err("it is broken");
        assert_eq!(errors.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
        assert!(errors.iter().all(|(_, what)| !what.contains("hunter2")), "{errors:?}");
    }

    #[test]
    fn deep_nesting_is_refused_instead_of_followed() {
        let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(&deep).is_err());
    }
}
