//! The body of a message as somebody else's webhook wants it: a minijinja template, compiled and
//! tried out at the start.
//!
//! It reads `kind`, `pipeline`, `destination` (null where there is not exactly one), `count`,
//! `over`, `text`, `since_seconds` and `host`. What is not a string is written as JSON, and so is a
//! string with `tojson`. A name that does not exist is an error. What it makes is to be JSON, for
//! that is what the request says it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value, context};

use super::kind::AlertKind;
use super::text::Message;

/// The variables.
const VARIABLES: [&str; 8] =
    ["kind", "pipeline", "destination", "count", "over", "text", "since_seconds", "host"];

/// The name of the only template of its environment.
const NAME: &str = "alert";

/// The steps that it may take for one message: a few milliseconds.
const FUEL: u64 = 100_000;

/// A compiled template. Clones share it.
#[derive(Clone)]
pub struct Template(Arc<Environment<'static>>);

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct TemplateError {
    /// The line within the template, counted from 1.
    pub line: usize,
    /// What is wrong, in the template language's own words where it cannot be read.
    pub message: String,
}

impl Template {
    /// Compiles a template, and makes a message of each kind with it.
    ///
    /// # Errors
    /// It cannot be read, uses a name that does not exist, or does not make JSON.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(write_value);
        // It would show what is none of a message's business.
        environment.remove_global("debug");
        environment.add_template_owned(NAME, source.to_owned()).map_err(|it| fault(&it))?;
        let template = Self(Arc::new(environment));
        template.check_names(source)?;
        for message in samples() {
            let body = template.render(&message, "host")?;
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&body) {
                let message = format!(
                    "an alert of the kind {} would not be JSON: {error} of what it makes",
                    message.kind
                );
                return Err(TemplateError { line: 1, message });
            }
        }
        Ok(template)
    }

    /// The language itself finds a name only when it comes to it.
    fn check_names(&self, source: &str) -> Result<(), TemplateError> {
        let used = self.0.get_template(NAME).map_err(|it| fault(&it))?.undeclared_variables(false);
        let is_known = |name: &str| {
            VARIABLES.contains(&name) || self.0.globals().any(|(global, _)| global == name)
        };
        let Some(unknown) = used.iter().filter(|name| !is_known(name)).min() else {
            return Ok(());
        };
        let line = source.lines().position(|line| line.contains(unknown.as_str()));
        let message = format!("unknown variable {unknown:?}; there are {}", VARIABLES.join(", "));
        Err(TemplateError { line: line.map_or(1, |index| index + 1), message })
    }

    /// The body of a message.
    ///
    /// # Errors
    /// What no sample had: it takes too many steps, or asks for what is not there.
    pub(super) fn render(&self, message: &Message, host: &str) -> Result<String, TemplateError> {
        let values = context! {
            kind => message.kind.name(),
            pipeline => &*message.pipeline,
            destination => message.destination.as_deref(),
            count => message.count,
            over => message.over,
            text => message.text,
            since_seconds => message.since.as_secs(),
            host => host,
        };
        let template = self.0.get_template(NAME).map_err(|it| fault(&it))?;
        template.render(values).map_err(|it| fault(&it))
    }
}

/// Not what it says: it may hold the key of an incident service.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(..)")
    }
}

/// One of each kind, begun and over, with a destination and without.
fn samples() -> impl Iterator<Item = Message> {
    AlertKind::ALL.into_iter().flat_map(|kind| {
        [(false, None), (true, None), (false, Some("https://host:443".into()))].map(
            |(over, destination)| Message {
                kind,
                pipeline: "pipeline".into(),
                destination,
                count: 2,
                over,
                since: Duration::from_mins(1),
                text: "text".to_owned(),
            },
        )
    })
}

fn write_value(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Ok(());
    }
    match value.as_str() {
        Some(text) => out.write_str(text)?,
        None => out.write_str(&serde_json::to_string(value).map_err(|error| {
            Error::new(minijinja::ErrorKind::BadSerialization, error.to_string())
        })?)?,
    }
    Ok(())
}

fn fault(error: &Error) -> TemplateError {
    let message = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    TemplateError { line: error.line().unwrap_or(1), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(destination: Option<&str>) -> Message {
        Message {
            kind: AlertKind::BreakerOpened,
            pipeline: "orders".into(),
            destination: destination.map(Into::into),
            count: 3,
            over: false,
            since: Duration::from_secs(90),
            text: "a <b> 'c'".to_owned(),
        }
    }

    fn refused(source: &str) -> TemplateError {
        Template::compile(source).map(|_| source).unwrap_err()
    }

    #[test]
    fn all_variables_are_there_and_what_is_no_string_is_json() {
        let source = "[\"{{ kind }}\", \"{{ pipeline }}\", {{ destination | tojson }}, {{ destination }}, \
                      {{ count }}, {{ over }}, \"{{ text }}\", {{ since_seconds }}, \"{{ host }}\"]";
        // Where the destination is a string it is to be quoted.
        assert!(refused(source).message.contains("would not be JSON"));
        let source = source.replace("{{ destination }}", "{{ destination is none }}");
        let template = Template::compile(&source).unwrap();
        let body = template.render(&message(None), "h1").unwrap();
        let expected =
            r#"["breaker_opened", "orders", null, true, 3, false, "a <b> 'c'", 90, "h1"]"#;
        assert_eq!(body, expected);
        let body = template.render(&message(Some("http://a:80")), "h1").unwrap();
        assert!(body.contains(r#", "http://a:80", false, "#), "{body}");
    }

    #[test]
    fn what_is_wrong_is_found_at_the_start_with_its_line() {
        for (source, line, part) in [
            ("{\n\"a\": {{ count }", 2, "syntax error"),
            ("{\n\"a\": {{ counts }}}", 2, "unknown variable \"counts\"; there are kind, pipeline"),
            ("{}\n{% if false %}\n{{ nothing }}{% endif %}", 3, "unknown variable \"nothing\""),
            ("{}\n{{ text | shout }}", 2, "shout"),
            ("{}\n\n{{ text.size }}", 3, "undefined value"),
            ("{}\n{{ debug() }}", 2, "debug"),
            ("{{ text }}", 1, "an alert of the kind stopped would not be JSON"),
            ("{% if kind == 'lag' %}x{% else %}{}{% endif %}", 1, "kind lag would not be JSON"),
            ("{% if over %}x{% else %}{}{% endif %}", 1, "would not be JSON"),
            ("{% if destination %}x{% else %}{}{% endif %}", 1, "would not be JSON"),
        ] {
            let error = refused(source);
            assert_eq!(error.line, line, "{source}: {error}");
            assert!(error.message.contains(part), "{source}: {error}");
        }
    }

    #[test]
    fn it_ends() {
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert!(refused(endless).message.contains("fuel"));
    }
}
