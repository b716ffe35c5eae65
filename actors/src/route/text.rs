//! Templates of one line: text with `{{ }}` in it, for URLs, headers and methods.
//!
//! They are taken apart, because a URL must know which of its characters come from a record.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::value::ValueKind;
use minijinja::{Environment, Expression, Value};

use super::context::{Lazy, VARIABLES};
use super::fault::ExpressionError;
use super::language::{PathText, fault, message, mistakes};
use super::tags::{Kind, Tag, tags, tokens};

/// A template, taken apart and compiled.
pub(super) struct Text {
    pub(super) pieces: Vec<Piece>,
}

/// A part of a template.
pub(super) enum Piece {
    Constant(Box<str>),
    Value(Box<Code>),
}

/// A compiled `{{ }}`.
pub(super) struct Code {
    expression: Expression<'static, 'static>,
    /// As it was written, without brackets; for reasons.
    source: Box<str>,
}

impl Text {
    /// Compiles a template; `used` gets the variables that it reads.
    pub(super) fn compile(
        environment: &'static Environment<'static>,
        source: &str,
        used: &mut BTreeSet<String>,
    ) -> Result<Self, Vec<ExpressionError>> {
        let found = check(environment, source, used)?;
        if let Some(tag) = found.iter().find(|tag| tag.kind != Kind::Expression) {
            let message = "only {{ ... }} is allowed here; a choice is written \
                           {{ a if condition else b }}";
            return Err(vec![ExpressionError::at(source, tag.whole.start, message)]);
        }
        let mut pieces = Vec::new();
        let (mut at, mut trim) = (0, false);
        for tag in found {
            let before = &source[at..tag.whole.start];
            push_constant(&mut pieces, before, trim, tag.trims_before);
            let code = source[tag.code].trim();
            let expression = environment
                .compile_expression_owned(code.to_owned())
                .map_err(|error| vec![fault(&error, source)])?;
            pieces.push(Piece::Value(Box::new(Code { expression, source: code.into() })));
            (at, trim) = (tag.whole.end, tag.trims_after);
        }
        push_constant(&mut pieces, &source[at..], trim, false);
        Ok(Self { pieces })
    }

    /// The text of a template without `{{ }}`.
    pub(super) fn constant(&self) -> Option<&str> {
        match &self.pieces[..] {
            [] => Some(""),
            [Piece::Constant(text)] => Some(text),
            _ => None,
        }
    }

    /// The text for a record, or why there is none.
    pub(super) fn render(&self, lazy: &mut Lazy<'_>) -> Result<String, String> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Constant(text) => out.push_str(text),
                Piece::Value(code) => {
                    let value = code.evaluate(lazy)?;
                    out.push_str(&code.text(&value)?);
                }
            }
        }
        Ok(out)
    }
}

impl Code {
    pub(super) fn evaluate(&self, lazy: &mut Lazy<'_>) -> Result<Value, String> {
        let value = self.expression.eval(lazy.get());
        value.map_err(|error| format!("{}, in {{{{ {} }}}}", message(&error), self.shown()))
    }

    /// As it may be shown: a text in it may be a secret that was filled in.
    fn shown(&self) -> &str {
        if self.source.contains(['"', '\'']) { "..." } else { &self.source }
    }

    /// A value as a part of a line: what has no text of its own is refused rather than guessed at.
    pub(super) fn text<'a>(&self, value: &'a Value) -> Result<Cow<'a, str>, String> {
        if let Some(text) = value.as_str() {
            return Ok(Cow::Borrowed(text));
        }
        if let Some(path) = value.downcast_object_ref::<PathText>() {
            return Ok(Cow::Borrowed(&path.0));
        }
        match value.kind() {
            ValueKind::Number => Ok(Cow::Owned(value.to_string())),
            ValueKind::Bool => Ok(Cow::Borrowed(if value.is_true() { "true" } else { "false" })),
            ValueKind::Undefined => Err(format!("undefined value, in {{{{ {} }}}}", self.shown())),
            other => Err(format!("{other} is not a text, in {{{{ {} }}}}", self.shown())),
        }
    }
}

fn push_constant(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Constant(text.into()));
    }
}

/// Whether a template of a route can be read, and all it names exists; gives its tags.
pub(super) fn check(
    environment: &'static Environment<'static>,
    source: &str,
    used: &mut BTreeSet<String>,
) -> Result<Vec<Tag>, Vec<ExpressionError>> {
    let found = check_over(environment, source, VARIABLES)?;
    // By their words: the language does not count what the arguments of a `filter` block read.
    let words = code(&found).flat_map(|code| tokens(source, code));
    used.extend(
        words.filter(|(_, word)| VARIABLES.contains(word)).map(|(_, word)| word.to_owned()),
    );
    Ok(found)
}

/// The same of any template, over variables of these names.
pub(super) fn check_over(
    environment: &'static Environment<'static>,
    source: &str,
    variables: &[&str],
) -> Result<Vec<Tag>, Vec<ExpressionError>> {
    let environment: &Environment<'_> = environment;
    let template = environment
        .template_from_named_str("template", source)
        .map_err(|error| vec![fault(&error, source)])?;
    let used = template.undeclared_variables(false);
    let found = tags(source);
    let code: Vec<_> = code(&found).collect();
    let faults = mistakes(environment, source, &code, variables, used);
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

fn code(tags: &[Tag]) -> impl Iterator<Item = Range<usize>> {
    tags.iter().filter(|tag| tag.kind != Kind::Comment).map(|tag| tag.code.clone())
}

#[cfg(test)]
mod tests {
    use super::super::PlanContext;
    use super::super::language::TEXTS;
    use super::*;
    use crate::record::Record;

    fn compiled(source: &str) -> Text {
        Text::compile(&TEXTS, source, &mut BTreeSet::new()).unwrap()
    }

    #[test]
    fn text_and_values_alternate_and_blanks_are_trimmed_where_asked() {
        let record = Record::builder("t", 3, 7).build();
        let plan = PlanContext::new(1, "g");
        for (source, expected) in [
            ("", ""),
            ("a b", "a b"),
            ("{{ topic }}", "t"),
            ("a {{ topic }} b {{ 'c' }}{{ offset }}", "a t b c7"),
            ("a {{- topic -}} b", "atb"),
            ("{{ '}}' }}{{ {'x': 1}.x }}", "}}1"),
        ] {
            let text = compiled(source).render(&mut Lazy::new(&record, &plan, VARIABLES));
            assert_eq!(text.as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn a_template_without_values_is_a_constant() {
        assert_eq!(compiled("a b").constant(), Some("a b"));
        assert_eq!(compiled("").constant(), Some(""));
        assert_eq!(compiled("{{ 'a' }}").constant(), None);
    }

    #[test]
    fn statements_are_refused_with_their_place() {
        let refused = Text::compile(&TEXTS, "a\n {# b #}", &mut BTreeSet::new());
        let errors = refused.err().unwrap();
        assert_eq!((errors[0].line, errors[0].column), (2, 2));
    }

    #[test]
    fn what_cannot_be_read_behind_a_string_is_told_with_its_place() {
        let refused = Text::compile(&TEXTS, "a {{ 'x' && topic }} b", &mut BTreeSet::new());
        let said = refused.err().unwrap()[0].to_string();
        assert_eq!(said, "line 1, column 10: syntax error: unexpected character");
    }

    #[test]
    fn the_variables_that_are_read_are_known() {
        let mut used = BTreeSet::new();
        let source = "{% filter replace('a', key) %}{{ value.topic }}{% endfilter %}{# raw #}";
        check(&TEXTS, source, &mut used).unwrap();
        assert!(used.contains("key") && used.contains("value"), "{used:?}");
        assert!(!used.contains("raw") && !used.contains("offset"), "{used:?}");
    }
}
