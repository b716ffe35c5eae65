//! What of a template is text, and what is code, as far as it takes to know what may be shown.
//!
//! It is careful rather than exact: what cannot be told from code is code, and of code nothing is
//! shown that a secret may have gone into.

use regex_lite::Regex;

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// What goes out as it stands there.
    Text(&'a str),
    /// A tag, with its brackets.
    Code(&'a str),
}

/// The parts of a template, in their order.
pub fn parts(source: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = source;
    while let Some((start, close)) = opening(rest) {
        let (text, code) = rest.split_at(start);
        // Blanks before and behind a tag may be trimmed; that makes nothing of it code.
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let (code, behind) = code.split_at(length(code, close));
        parts.push(Part::Code(code));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// The first tag: where it begins, and what ends it.
fn opening(text: &str) -> Option<(usize, &'static str)> {
    let tags = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
    tags.into_iter().filter_map(|(open, close)| Some((text.find(open)?, close))).min()
}

/// How long the tag is that the text begins with; all of the text where it does not end.
fn length(code: &str, close: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in code.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if code[at..].starts_with(close) => return at + close.len(),
            None if matches!(c, '"' | '\'') && close != "#}" => quote = Some(c),
            _ => {}
        }
    }
    code.len()
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
