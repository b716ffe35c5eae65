//! What of a template is text, and what is code, as far as it takes to know what may be shown.
//!
//! It is careful rather than exact: what cannot be told from code is code, and of code nothing is
//! shown that a secret may have gone into.

use keyway_actors::route::tag_ranges;
use regex_lite::Regex;

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// What goes out as it stands there.
    Text(&'a str),
    /// A tag, with its brackets.
    Code(&'a str),
}

/// What opens a tag.
const OPENINGS: [&str; 3] = ["{{", "{%", "{#"];

/// The parts of a template, in their order. Text in which a tag seems to begin (of a `raw` block, or of
/// a tag that is not closed) is code from there on.
pub fn parts(source: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut at = 0;
    for tag in tag_ranges(source) {
        push_text(&source[at..tag.start], &mut parts);
        parts.push(Part::Code(&source[tag.clone()]));
        at = tag.end;
    }
    push_text(&source[at..], &mut parts);
    parts
}

fn push_text<'a>(text: &'a str, parts: &mut Vec<Part<'a>>) {
    let opens = OPENINGS.iter().filter_map(|opening| text.find(opening)).min();
    let (text, code) = text.split_at(opens.unwrap_or(text.len()));
    // Blanks before and behind a tag may be trimmed; that makes nothing of it code.
    parts.extend((!text.is_empty()).then_some(Part::Text(text)));
    parts.extend((!code.is_empty()).then_some(Part::Code(code)));
}

/// Whether a `${NAME}` went into code, which may have made anything of it: there is one within a tag,
/// or text that a block changes or keeps.
pub fn fills_code(source: &str) -> bool {
    let parts = parts(source);
    let is_plain = |code: &str| {
        let word = code.trim_start_matches(['{', '%', '-', '+']).trim_start();
        let word = word.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        !code.starts_with("{%") || ["if", "elif", "else", "endif", "for", "endfor"].contains(&word)
    };
    source.contains("${")
        && parts.iter().any(|part| match part {
            Part::Text(_) => false,
            Part::Code(code) => code.contains("${") || !is_plain(code),
        })
}

/// Whether the code writes nothing but what a record has: there is no text in it but names of fields.
pub fn is_of_the_record(code: &str) -> bool {
    let field = Regex::new(r#"\[\s*("[^"\\]*"|'[^'\\]*')\s*\]"#);
    let left = field.map_or_else(|_| code.to_owned(), |field| field.replace_all(code, "").into());
    code.starts_with("{{") && !left.contains(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_from_text() {
        use Part::{Code, Text};
        assert_eq!(parts("a"), [Text("a")]);
        assert_eq!(
            parts("a{{ '}}' ~ \"\\\"}}\" }}b{# ' #}{% if x %}"),
            [
                Text("a"),
                Code("{{ '}}' ~ \"\\\"}}\" }}"),
                Text("b"),
                Code("{# ' #}"),
                Code("{% if x %}")
            ]
        );
        assert_eq!(parts("a{{ b"), [Text("a"), Code("{{ b")]);
        assert_eq!(parts("${A}{{ b }}"), [Text("${A}"), Code("{{ b }}")]);
    }

    #[test]
    fn a_variable_in_code_is_found() {
        for code in [
            "{{ '${A}' }}",
            "{{ '}}' ~ '${A}' }}",
            "{% set a = '${A}' %}",
            "{% filter upper %}${A}{% endfilter %}",
            "{%- set a -%}${A}{% endset %}{{ a }}",
            "{% raw %}{{{% endraw %}${A}",
            "{{ {'a': {'b': 1}} ~ '${A}' | upper }}",
        ] {
            assert!(fills_code(code), "{code}");
        }
        for text in ["${A}", "{{ a }}${A}", "{% if a %}${A}{%- else %}{% endif %}", "{{ 'a' }}"] {
            assert!(!fills_code(text), "{text}");
        }
    }

    #[test]
    fn code_with_a_text_of_its_own_is_found() {
        for code in ["{{ value.id }}", "{{ headers['x'] }}", "{{ value[ \"a\" ].b | lower }}"] {
            assert!(is_of_the_record(code), "{code}");
        }
        for code in
            ["{{ 'hush' }}", "{{ a | default(\"hush\") }}", "{{ ['hush'] ~ 'x' }}", "{% if a %}"]
        {
            assert!(!is_of_the_record(code), "{code}");
        }
    }
}
