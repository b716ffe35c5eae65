//! Conditions: expressions of the template language that hold or do not.

use std::fmt;

use minijinja::Expression;
use serde::Serialize;

use super::fault::ExpressionError;
use super::language::{CONDITIONS, expression, message, mistakes};
use super::tags::{closing, tokens};

/// A condition, compiled.
///
/// What the context lacks is undefined: equal to nothing, and false by itself, however deep it is
/// looked for, so that records of many shapes can be told apart. In `<` and `>` it sorts below every
/// value: `value.total is defined and value.total < 100` asks for both.
pub struct Condition {
    expression: Expression<'static, 'static>,
    source: Box<str>,
}

impl Condition {
    /// Compiles an expression over variables of these names.
    ///
    /// # Errors
    /// An expression that cannot be read, with a variable, function, filter or test that does not
    /// exist, or with a method's call; never empty.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Self, Vec<ExpressionError>> {
        // The language's reader of expressions takes }} for the end of a template, and panics; to {{
        // it says what only who knows its mappings understands.
        if let Some(braces) = closing(source, 0, "}}").or_else(|| opening(source)) {
            let message = "syntax error: a condition is written without {{ and }}";
            return Err(vec![ExpressionError::at(source, braces, message)]);
        }
        let expression = expression(&CONDITIONS, source).map_err(|fault| vec![fault])?;
        let used = expression.undeclared_variables(false);
        let code = std::iter::once(0..source.len()).collect::<Vec<_>>();
        let mistakes = mistakes(&CONDITIONS, source, &code, variables, used);
        if mistakes.is_empty() {
            Ok(Self { expression, source: source.into() })
        } else {
            Err(mistakes)
        }
    }

    /// Whether it holds in a context, a mapping of its variables.
    ///
    /// # Errors
    /// What the expression asks cannot be done with the values that it meets.
    pub fn holds(&self, context: &impl Serialize) -> Result<bool, ConditionError> {
        match self.expression.eval(context) {
            Ok(value) => Ok(value.is_true()),
            Err(error) => Err(ConditionError(message(&error))),
        }
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables that it reads.
    pub(super) fn variables(&self) -> impl Iterator<Item = String> {
        self.expression.undeclared_variables(false).into_iter()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

/// Where `{{` is, outside of strings: it could only begin a mapping whose key is a mapping.
fn opening(source: &str) -> Option<usize> {
    let mut code = tokens(source, 0..source.len());
    code.find(|(at, _)| source[*at..].starts_with("{{")).map(|(at, _)| at)
}

/// Why a condition could not be decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConditionError(String);

#[cfg(test)]
mod tests {
    use minijinja::{Value, context};

    use super::*;

    fn holds(source: &str) -> Result<bool, ConditionError> {
        let value: Value = serde_json::from_str(r#"{"type": "order", "total": 5}"#).unwrap();
        let condition = Condition::compile(source, &["status", "value"]).unwrap();
        condition.holds(&context! { status => 200, value => value })
    }

    fn refused(source: &str) -> String {
        let errors = Condition::compile(source, &["status", "value"]).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_condition_holds_or_does_not() {
        assert_eq!(holds("value.type == 'order' and status < 300"), Ok(true));
        assert_eq!(holds("value.type == 'invoice'"), Ok(false));
        assert_eq!(holds("value['type'] in ['order', 'offer']"), Ok(true));
    }

    #[test]
    fn what_a_record_lacks_is_equal_to_nothing_and_false() {
        assert_eq!(holds("value.region == 'eu'"), Ok(false));
        assert_eq!(holds("value.a.b.c == 'eu'"), Ok(false));
        assert_eq!(holds("value.a.b"), Ok(false));
        assert_eq!(holds("value.region == 'eu' or value.type == 'order'"), Ok(true));
        assert_eq!(holds("value.amount is defined and value.amount < 9"), Ok(false));
    }

    /// As docs/delivery.md says it, with what to write instead.
    #[test]
    fn what_is_missing_and_what_is_of_another_type_has_its_place_in_the_order() {
        let holds = |source: &str, value: &str| {
            let value: Value = serde_json::from_str(value).unwrap();
            Condition::compile(source, &["value"]).unwrap().holds(&context! { value => value })
        };
        for (value, below, above) in [
            ("{}", true, false),
            (r#"{"total": null}"#, true, false),
            (r#"{"total": "50"}"#, false, true),
            (r#"{"total": []}"#, false, true),
            (r#"{"total": {}}"#, false, true),
            (r#"{"total": true}"#, true, false),
            (r#"{"total": 50}"#, true, false),
        ] {
            assert_eq!(holds("value.total < 100", value), Ok(below), "{value}");
            assert_eq!(holds("value.total > 100", value), Ok(above), "{value}");
            let number = value.contains(": 50");
            assert_eq!(holds("value.total is number and value.total < 100", value), Ok(number));
        }
        for first in ["value.none < value.total", "value.none < 0 - 100", "not value.none > 0"] {
            assert_eq!(holds(first, r#"{"total": null}"#), Ok(true), "{first}");
        }
        assert_eq!(holds("value.total < 0 - 100", r#"{"total": null}"#), Ok(true));
        let defined = "value.total is defined and value.total < 100";
        assert_eq!(holds(defined, "{}"), Ok(false));
        assert_eq!(holds(defined, r#"{"total": null}"#), Ok(true));
    }

    #[test]
    fn what_cannot_be_asked_is_an_error() {
        let error = holds("value.type + 1 == 2").unwrap_err();
        assert!(error.to_string().contains("unsupported types string and number"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        assert_eq!(
            refused("status == 200 and"),
            "line 1, column 15: syntax error: unexpected end of input, expected expression"
        );
        assert!(refused("value.type ==\n  = 2").starts_with("line 2, column 3: syntax error"));
        let braces = "line 1, column 8: syntax error: a condition is written without {{ and }}";
        assert_eq!(refused("status }} x {{ value"), braces);
        assert_eq!(refused("{{ value.type == 'x' }}"), braces.replace('8', "1"));
        assert_eq!(refused("status > {{ 1 }}"), braces.replace('8', "10"));
        assert_eq!(holds("'{{ }}' == '{{ }}' and {'a': {'b': 1}}.a.b == 1"), Ok(true));
    }

    #[test]
    fn nothing_behind_a_string_is_cut_off() {
        for (source, column, message) in [
            ("value.type == 'x' && value.type == 'zzz'", 19, "unexpected character"),
            ("'x' && false", 5, "unexpected character"),
            ("'x' ; b", 5, "unexpected character"),
            ("('\u{e9}' ; b)", 6, "unexpected character"),
            ("'x' @ garbage", 5, "unexpected character"),
            ("status == 't' #", 15, "unexpected character"),
            ("value.type == 'x'' and value.b == 2", 18, "unexpected end of string"),
            ("'x' '\\u12' and false", 5, "bad string escape"),
            ("{'a': {'b': 'x' & }} and false", 17, "unexpected character"),
        ] {
            let said = refused(source);
            let start = format!("line 1, column {column}: ");
            assert!(said.starts_with(&start) && said.contains(message), "{source}: {said}");
        }
        assert!(refused("value.a ==\n 'x' ;").starts_with("line 2, column 6: syntax error: unexp"));
        for fine in ["'a' 'b' == 'ab'", "('x' ) and''  == \"\"\n", "value.type is startingwith'o'"]
        {
            assert_eq!(holds(fine), Ok(true), "{fine}");
        }
    }

    #[test]
    fn methods_are_refused_at_the_start() {
        assert_eq!(
            refused("status == 200 and\n value.type.startswith('o')"),
            "line 2, column 13: a value has no methods; write is startingwith(...) instead of \
             .startswith(...)"
        );
        assert!(refused("value.get('type')").contains("column 7: a value has no methods"));
        assert_eq!(holds("value.type is startingwith('o') and value | length == 2"), Ok(true));
    }

    #[test]
    fn names_that_do_not_exist_are_refused_at_the_start() {
        assert_eq!(
            refused("value.state == state or '\u{e9}' | upprr"),
            "line 1, column 16: unknown variable \"state\"; there are status, value; \
             line 1, column 31: unknown filter \"upprr\""
        );
        assert_eq!(refused("value.x is evn"), "line 1, column 12: unknown test \"evn\"");
    }
}
