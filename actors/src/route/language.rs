//! The language of conditions and templates: that of minijinja, with what routes need and without
//! what they do not.
//!
//! - What is not a string is written as JSON (`true`, `null`, objects and lists in full), so that
//!   `{"total": {{ value.total }}}` is JSON whatever the total is; there is no escaping for HTML.
//! - `tojson` writes plain JSON, with `indent` where asked; `merge` puts mappings together, the
//!   later winning, as a function or a filter; `now()` is the time in UTC, as RFC 3339 says.
//! - `path`, in URLs only, lets the slashes of a value through.
//! - Numbers are 64-bit integers and floats; an integer beyond becomes a float.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use minijinja::value::{DynObject, Kwargs, Object, ObjectRepr, Rest};
use minijinja::{
    Environment, Error, ErrorKind, Expression, Output, State, UndefinedBehavior, Value,
};

use super::calls::impossible_calls;
use super::fault::ExpressionError;
use super::tags::{Name, names, tokens};
use crate::rfc3339;

/// The steps that one template or condition may take for one record; milliseconds. A body of a
/// thousand items takes some ten thousand.
pub(super) const FUEL: u64 = 200_000;

/// The longest message from the language that goes on into a reason, in characters.
const MESSAGE_LIMIT: usize = 200;

/// Of conditions: what a record lacks is undefined, equal to nothing and false.
pub(super) static CONDITIONS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = base();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment
});

/// Of headers, methods and bodies: what a record lacks is an error.
pub(super) static TEXTS: LazyLock<Environment<'static>> = LazyLock::new(base);

/// Of URLs.
pub(super) static URLS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = base();
    environment.add_filter("path", |text: String| Value::from_object(PathText(text)));
    environment
});

fn base() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_keep_trailing_newline(true);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(write_value);
    for html in ["safe", "escape", "e"] {
        environment.remove_filter(html);
    }
    // It would show all of a record.
    environment.remove_global("debug");
    environment.add_filter("tojson", tojson);
    environment.add_filter("merge", |first: Value, rest: Rest<Value>| {
        merge(std::iter::once(&first).chain(rest.iter()))
    });
    environment.add_function("merge", |all: Rest<Value>| merge(all.iter()));
    environment.add_function("now", || rfc3339::of_clock(std::time::SystemTime::now()));
    environment
}

/// A value whose slashes separate segments of a path.
#[derive(Debug)]
pub(super) struct PathText(pub(super) String);

impl Object for PathText {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn write_value(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Ok(());
    }
    match value.as_str() {
        Some(text) => out.write_str(text)?,
        None => out.write_str(&json(value)?)?,
    }
    Ok(())
}

fn json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::BadSerialization, "cannot be written as JSON").with_source(error)
}

/// JSON as it is: the language's own filter writes it for HTML, with `<` and `&` escaped.
#[allow(clippy::needless_pass_by_value, reason = "the language hands options over")]
fn tojson(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let Some(indent) = indent else { return json(value) };
    // Eight is deep enough to read; a record cannot make it a million.
    let blanks = " ".repeat(indent.min(8));
    let formatter = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(value, &mut serializer).map_err(not_json)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Of one name the later value, at the place of the first.
fn merge<'a>(all: impl Iterator<Item = &'a Value>) -> Result<Value, Error> {
    let mut pairs = Vec::new();
    for one in all {
        let object = one.as_object().filter(|it| it.repr() == ObjectRepr::Map);
        let Some(entries) = object.and_then(DynObject::try_iter_pairs) else {
            let message = format!("merge takes mappings, not {}", one.kind());
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        };
        pairs.extend(entries);
    }
    Ok(pairs.into_iter().collect())
}

/// What the language says of an error, without the place, which the caller knows better.
pub(super) fn message(error: &Error) -> String {
    let mut text = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    if let Some(source) = std::error::Error::source(error) {
        text = format!("{text}: {source}");
    }
    match text.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// An error found at the start, with its place in the source.
pub(super) fn fault(error: &Error, source: &str) -> ExpressionError {
    match error.range() {
        Some(range) => swallowed(error, source, range.end)
            .unwrap_or_else(|| ExpressionError::at(source, range.start, message(error))),
        None => {
            ExpressionError { line: error.line().unwrap_or(1), column: 1, message: message(error) }
        }
    }
}

/// Compiles an expression that stands alone.
///
/// What it cannot read behind a string, the language takes for the end of everything: an expression
/// would be cut off there. Within parentheses it misses the closing one.
pub(super) fn expression(
    environment: &'static Environment<'static>,
    source: &str,
) -> Result<Expression<'static, 'static>, ExpressionError> {
    let compiled = environment
        .compile_expression_owned(source.to_owned())
        .map_err(|error| fault(&error, source))?;
    let enclosed = format!("({source})");
    match environment.compile_expression(&enclosed) {
        Ok(_) => Ok(compiled),
        Err(error) => {
            let end = error.range().map_or(0, |range| range.end.saturating_sub(1));
            let plain = || ExpressionError::at(source, end, message(&error));
            Err(swallowed(&error, source, end).unwrap_or_else(plain))
        }
    }
}

/// What the language could not read behind a string that ends at `end`, when it took that for the
/// end of its input: the same again, with nothing before it that would hide the error.
fn swallowed(error: &Error, source: &str, end: usize) -> Option<ExpressionError> {
    error.detail().filter(|detail| detail.starts_with("unexpected end of input"))?;
    let rest = source.get(end..)?;
    let at = end + (rest.len() - rest.trim_ascii_start().len());
    // Closing brackets of a tag bring the reader of expressions down.
    let rest = rest.split("}}").next().filter(|rest| !rest.trim_ascii().is_empty())?;
    let error = CONDITIONS.compile_expression(rest).err()?;
    Some(ExpressionError::at(source, at, message(&error)))
}

/// The names that code uses and that are not there, and calls that cannot be made. The language
/// itself finds them only when it comes to them.
pub(super) fn mistakes(
    environment: &Environment<'_>,
    source: &str,
    code: &[Range<usize>],
    variables: &[&str],
    used: impl IntoIterator<Item = String>,
) -> Vec<ExpressionError> {
    let mut faults = Vec::new();
    let known = |name: &str| {
        variables.contains(&name) || environment.globals().any(|(global, _)| global == name)
    };
    for name in used.into_iter().filter(|name| !known(name)) {
        let place = code.iter().find_map(|code| variable(source, code.clone(), &name));
        let text = format!("unknown variable {name:?}; there are {}", variables.join(", "));
        faults.push(ExpressionError::at(source, place.unwrap_or(0), text));
    }
    for name in code.iter().flat_map(|code| names(source, code.clone())) {
        let (kind, at, name) = match name {
            Name::Filter(at, name) => ("filter", at, name),
            Name::Test(at, name) => ("test", at, name),
        };
        let exists = environment.empty_state().perform_test(kind, &[Value::from(name)]);
        if !exists.unwrap_or(false) {
            faults.push(ExpressionError::at(source, at, format!("unknown {kind} {name:?}")));
        }
    }
    let calls =
        code.iter().flat_map(|code| impossible_calls(environment, source, code.clone(), variables));
    faults.extend(calls);
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

/// Where a variable is first used: its name, not an attribute's.
fn variable(source: &str, code: Range<usize>, name: &str) -> Option<usize> {
    let mut before = "";
    for (at, token) in tokens(source, code) {
        if token == name && before != "." {
            return Some(at);
        }
        before = token;
    }
    None
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn rendered(template: &str) -> Result<String, String> {
        let object: Value =
            serde_json::from_str(r#"{"b": 1, "a": {"z": null, "y": [true]}}"#).expect("an object");
        let text = TEXTS.render_str(template, context! { value => object, text => "<a & 'b'>" });
        text.map_err(|error| message(&error))
    }

    #[test]
    fn values_are_written_as_json_and_strings_as_they_are() {
        let all = r#"{"b":1,"a":{"z":null,"y":[true]}}"#;
        assert_eq!(rendered("{{ value }}").as_deref(), Ok(all));
        assert_eq!(rendered("{{ value | tojson }}").as_deref(), Ok(all));
        assert_eq!(rendered("{{ value.a.z }}{{ value.a.y[0] }}").as_deref(), Ok("nulltrue"));
        assert_eq!(rendered("{{ text }}\n").as_deref(), Ok("<a & 'b'>\n"));
        assert_eq!(rendered("{{ text | tojson }}").as_deref(), Ok("\"<a & 'b'>\""));
        assert_eq!(rendered("{{ [1] | tojson(indent=99) }}").unwrap(), "[\n        1\n]");
    }

    #[test]
    fn mappings_are_merged_the_later_winning_in_the_order_of_the_first() {
        let merged = r#"{"b":2,"a":{"z":null,"y":[true]},"c":3}"#;
        assert_eq!(rendered("{{ merge(value, {'b': 2, 'c': 3}) }}").as_deref(), Ok(merged));
        assert_eq!(rendered("{{ value | merge({'b': 9}, {'b': 2, 'c': 3}) }}").unwrap(), merged);
        let error = rendered("{{ merge(value, [1]) }}").unwrap_err();
        assert!(error.contains("merge takes mappings, not sequence"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for template in ["{{ value.none }}", "{{ value.x.y }}", "{{ value.x | tojson }}"] {
            assert_eq!(rendered(template), Err("undefined value".to_owned()), "{template}");
        }
        assert!(rendered("{{ debug() }}").is_err());
        assert!(rendered("{{ text | safe }}").is_err());
    }

    #[test]
    fn a_template_ends() {
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert_eq!(rendered(endless), Err("engine ran out of fuel".to_owned()));
    }

    #[test]
    fn integers_of_64_bits_come_through_unharmed() {
        for number in ["18446744073709551615", "-9223372036854775808", "9007199254740993"] {
            let value: Value = serde_json::from_str(number).unwrap();
            assert_eq!(json(&value).unwrap(), number);
        }
    }

    #[test]
    fn messages_are_bounded() {
        let error = Error::new(ErrorKind::InvalidOperation, "\u{e9}".repeat(5000));
        assert_eq!(message(&error).chars().count(), MESSAGE_LIMIT + 3);
    }
}
