//! The body of a message as somebody else's webhook wants it: a minijinja template, compiled and
//! tried out at the start.
//!
//! It reads `kind`, `pipeline`, `destination` (null where there is not exactly one), `count`,
//! `over`, `text`, `since_seconds` and `host`. What is not a string is written as JSON, and so is a
//! string with `tojson`. A name that does not exist is an error. What it makes is to be JSON, for
//! that is what the request says it is.

use std::sync::Arc;
use std::time::Duration;

use keyway_actors::route::{self, ExpressionError};
use serde::Serialize;

use super::kind::AlertKind;
use super::text::Message;

/// The variables.
const VARIABLES: [&str; 8] =
    ["kind", "pipeline", "destination", "count", "over", "text", "since_seconds", "host"];

/// A compiled template. Clones share it. Debug does not show it: it may hold the key of an incident
/// service.
#[derive(Clone, Debug)]
pub struct Template(Arc<route::Template>);

/// What it reads.
#[derive(Serialize)]
struct Values<'a> {
    kind: &'static str,
    pipeline: &'a str,
    destination: Option<&'a str>,
    count: u64,
    over: bool,
    text: &'a str,
    since_seconds: u64,
    host: &'a str,
}

impl Template {
    /// Compiles a template, and makes a message of each kind with it.
    ///
    /// # Errors
    /// It cannot be read, uses a name that does not exist, or does not make JSON; never empty.
    pub fn compile(source: &str) -> Result<Self, Vec<ExpressionError>> {
        let template = Self(Arc::new(route::Template::compile(source, &VARIABLES)?));
        for message in samples() {
            let body = template.render(&message, "host").map_err(|error| vec![error])?;
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&body) {
                let message = format!(
                    "an alert of the kind {} would not be JSON: {error} of what it makes",
                    message.kind
                );
                return Err(vec![ExpressionError { line: 1, column: 1, message }]);
            }
        }
        Ok(template)
    }

    /// The body of a message.
    ///
    /// # Errors
    /// What no sample had: it takes too many steps, or asks for what is not there.
    pub(super) fn render(&self, message: &Message, host: &str) -> Result<String, ExpressionError> {
        self.0.render(&Values {
            kind: message.kind.name(),
            pipeline: &message.pipeline,
            destination: message.destination.as_deref(),
            count: message.count,
            over: message.over,
            text: &message.text,
            since_seconds: message.since.as_secs(),
            host,
        })
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

    fn refused(source: &str) -> ExpressionError {
        let mut errors = Template::compile(source).map(|_| source).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
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
    fn what_is_wrong_is_found_at_the_start_with_its_place() {
        for (source, place, part) in [
            ("{\n\"a\": {{ count }", (2, 15), "syntax error"),
            (
                "{\n\"a\": {{ counts }}}",
                (2, 9),
                "unknown variable \"counts\"; there are kind, pipeline",
            ),
            (
                "{}\n{% if false %}\n{{ nothing }}{% endif %}",
                (3, 4),
                "unknown variable \"nothing\"",
            ),
            ("{}\n{{ text | shout }}", (2, 11), "unknown filter \"shout\""),
            ("{}\n\n{{ text.size }}", (3, 4), "undefined value"),
            ("{}\n{{ text.upper() }}", (2, 9), "a value has no methods; write | upper"),
            ("{}\n{{ debug() }}", (2, 4), "debug"),
            ("{{ text }}", (1, 1), "an alert of the kind stopped would not be JSON"),
            (
                "{% if kind == 'lag' %}x{% else %}{}{% endif %}",
                (1, 1),
                "kind lag would not be JSON",
            ),
            ("{% if over %}x{% else %}{}{% endif %}", (1, 1), "would not be JSON"),
            ("{% if destination %}x{% else %}{}{% endif %}", (1, 1), "would not be JSON"),
        ] {
            let error = refused(source);
            assert_eq!((error.line, error.column), place, "{source}: {error}");
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
