//! Finds what is code in a template, and the names in the code.
//!
//! The template language says nothing before a template is rendered of filters and tests that do
//! not exist, and it does not tell text from values; a URL needs both. What is read here was
//! accepted by the language before, so nothing here needs to be an error.

use std::ops::Range;

/// What a tag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{{ }}`: writes a value.
    Expression,
    /// `{% %}`: a statement.
    Block,
    /// `{# #}`.
    Comment,
}

/// A tag of a template; everything between tags is text. Ranges are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) kind: Kind,
    /// With its brackets.
    pub(super) whole: Range<usize>,
    /// Without them and their signs of whitespace control.
    pub(super) code: Range<usize>,
    /// `{{-`: blanks before the tag are dropped.
    pub(super) trims_before: bool,
    /// `-}}`: blanks after it are.
    pub(super) trims_after: bool,
}

/// The tags of a template, in their order, without what a `raw` block holds.
pub(super) fn tags(source: &str) -> Vec<Tag> {
    let mut found: Vec<Tag> = Vec::new();
    let mut at = 0;
    while let Some(tag) = next_tag(source, at) {
        at = tag.whole.end;
        if tag.kind == Kind::Block && source[tag.code.clone()].trim() == "raw" {
            at += raw_length(&source[at..]);
        }
        found.push(tag);
    }
    found
}

/// Where the tags of a template are, each with its brackets, in their order; what is between them is
/// text. Of a `raw` block the opening tag counts, and what it holds is text with its end. A tag that is
/// not closed, which no template has that compiles, is text too.
pub fn tag_ranges(source: &str) -> impl Iterator<Item = Range<usize>> {
    tags(source).into_iter().map(|tag| tag.whole)
}

/// How long raw text is, its end tag included: brackets in it mean nothing and may be unclosed.
fn raw_length(text: &str) -> usize {
    let mut at = 0;
    while let Some(start) = text[at..].find("{%") {
        at += start + 2;
        let word = text[at..].trim_start_matches(['-', '+']).trim_start();
        if let Some(rest) = word.strip_prefix("endraw") {
            return text.len() - rest.len() + rest.find("%}").map_or(rest.len(), |end| end + 2);
        }
    }
    text.len()
}

fn next_tag(source: &str, from: usize) -> Option<Tag> {
    let mut at = from;
    loop {
        let start = at + source[at..].find('{')?;
        let (kind, close) = match source.as_bytes().get(start + 1) {
            Some(b'{') => (Kind::Expression, "}}"),
            Some(b'%') => (Kind::Block, "%}"),
            Some(b'#') => (Kind::Comment, "#}"),
            _ => {
                at = start + 1;
                continue;
            }
        };
        let inside = start + 2;
        let end = if kind == Kind::Comment {
            inside + source[inside..].find(close)?
        } else {
            closing(source, inside, close)?
        };
        let text = &source[inside..end];
        let head = usize::from(text.starts_with(['-', '+']));
        let tail = usize::from(text.len() > head && text.ends_with(['-', '+']));
        return Some(Tag {
            kind,
            whole: start..end + 2,
            code: inside + head..end - tail,
            trims_before: text.starts_with('-'),
            trims_after: tail == 1 && text.ends_with('-'),
        });
    }
}

/// Where the closing brackets of a tag are: outside of strings and of brackets within the code.
pub(super) fn closing(source: &str, from: usize, close: &str) -> Option<usize> {
    let mut depth = 0_isize;
    for (at, token) in tokens(source, from..source.len()) {
        if depth == 0 && source[at..].starts_with(close) {
            return Some(at);
        }
        match token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The tokens of code, with where they start: words, strings with their quotes, and single other
/// characters; blanks are left out.
pub(super) fn tokens(source: &str, code: Range<usize>) -> impl Iterator<Item = (usize, &str)> {
    let mut at = code.start;
    std::iter::from_fn(move || {
        let rest = source.get(at..code.end)?;
        at += rest.len() - rest.trim_start().len();
        let rest = source.get(at..code.end)?;
        let first = rest.chars().next()?;
        let length = match first {
            '"' | '\'' => string_length(rest, first),
            _ if is_word(first) => rest.find(|char| !is_word(char)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let start = at;
        at += length;
        Some((start, &rest[..length]))
    })
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// A string with both quotes; to the end, where it is not closed.
fn string_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        if char == quote && !escaped {
            return at + 1;
        }
        escaped = char == '\\' && !escaped;
    }
    text.len()
}

/// The name of a filter or test in code, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    Filter(usize, &'a str),
    Test(usize, &'a str),
}

/// The filters and tests that the code of a tag names.
pub(super) fn names(source: &str, code: Range<usize>) -> Vec<Name<'_>> {
    let all: Vec<_> = tokens(source, code).collect();
    let mut found = Vec::new();
    if let [(_, "filter"), (at, name), ..] = all[..] {
        found.push(Name::Filter(at, name));
    }
    for (index, (_, token)) in all.iter().enumerate() {
        let after = |steps: usize| all.get(index + steps).filter(|(_, it)| it.starts_with(is_word));
        let attribute = index > 0 && all[index - 1].1 == ".";
        match *token {
            "|" => found.extend(after(1).map(|(at, name)| Name::Filter(*at, name))),
            "is" if !attribute => {
                let name = after(1).filter(|(_, it)| *it != "not").or_else(|| after(2));
                found.extend(name.map(|(at, name)| Name::Test(*at, name)));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> Vec<(Kind, &str)> {
        tags(source).into_iter().map(|tag| (tag.kind, &source[tag.code])).collect()
    }

    #[test]
    fn tags_are_told_from_text() {
        use Kind::{Block, Comment, Expression};
        assert_eq!(code("no { tag } here {"), []);
        assert_eq!(code("a{{ b }}c{{d}}"), [(Expression, " b "), (Expression, "d")]);
        assert_eq!(
            code("{% if a %}{# {{ b }} #}{{- c -}}"),
            [(Block, " if a "), (Comment, " {{ b }} "), (Expression, " c ")]
        );
    }

    #[test]
    fn brackets_in_strings_and_in_code_close_nothing() {
        let one = [(Kind::Expression, r#" "}}" ~ '\'}}' "#)];
        assert_eq!(code(r#"{{ "}}" ~ '\'}}' }}"#), one);
        assert_eq!(code("{{ {'a': {'b': 1}} }}!"), [(Kind::Expression, " {'a': {'b': 1}} ")]);
    }

    #[test]
    fn raw_text_holds_no_tags() {
        let source = "{% raw %}{{ a }} {{ {%- endraw -%}{{ b }}";
        assert_eq!(code(source), [(Kind::Block, " raw "), (Kind::Expression, " b ")]);
    }

    #[test]
    fn filters_and_tests_are_found_by_their_names() {
        use Name::{Filter, Test};
        let found = |source| names(source, 0..str::len(source));
        assert_eq!(
            found("a|upper | trim(b|first)"),
            [Filter(2, "upper"), Filter(10, "trim"), Filter(17, "first")]
        );
        assert_eq!(found("a is odd and b is not none"), [Test(5, "odd"), Test(22, "none")]);
        assert_eq!(found("a.is b '| x' \"is y\""), []);
        assert_eq!(found("filter upper"), [Filter(7, "upper")]);
    }
}
