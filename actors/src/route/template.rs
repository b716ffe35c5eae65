//! Templates of the same language outside of routes, over variables of their own.

use std::fmt;

use minijinja::Environment;
use serde::Serialize;

use super::fault::ExpressionError;
use super::language::{TEXTS, fault};
use super::text::check_over;

/// The name of the only template of its environment.
const NAME: &str = "template";

/// A template, compiled. What is not a string is written as JSON; a field that is missing is an
/// error.
pub struct Template(Environment<'static>);

impl Template {
    /// Compiles a template over variables of these names.
    ///
    /// # Errors
    /// A template that cannot be read, with a variable, function, filter or test that does not
    /// exist, or with a method's call; never empty.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Self, Vec<ExpressionError>> {
        check_over(&TEXTS, source, variables)?;
        let mut environment = TEXTS.clone();
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| vec![fault(&error, source)])?;
        Ok(Self(environment))
    }

    /// The text for a context, a mapping of its variables.
    ///
    /// # Errors
    /// What it asks cannot be done with the values that it meets, or takes too many steps.
    pub fn render(&self, context: &impl Serialize) -> Result<String, ExpressionError> {
        let template = self.0.get_template(NAME).map_err(|error| fault(&error, ""))?;
        template.render(context).map_err(|error| fault(&error, template.source()))
    }
}

/// Not what it says, which may be a secret.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(..)")
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn it_is_rendered_over_its_own_variables() {
        let template = Template::compile("{{ a }}: {{ b | tojson }}", &["a", "b"]).unwrap();
        assert_eq!(template.render(&context! { a => [1], b => "<" }).unwrap(), "[1]: \"<\"");
        assert_eq!(format!("{template:?}"), "Template(..)");
    }

    #[test]
    fn what_is_wrong_has_its_line_and_column() {
        for (source, start) in [
            ("{\n {{ a }", "line 2, column 7: syntax error"),
            ("\n{{ value }}", "line 2, column 4: unknown variable \"value\"; there are a"),
            ("{{ a.upper() }}", "line 1, column 6: a value has no methods"),
        ] {
            let said = Template::compile(source, &["a"]).unwrap_err()[0].to_string();
            assert!(said.starts_with(start), "{source}: {said}");
        }
        let template = Template::compile("\n {{ a.b.c }}", &["a"]).unwrap();
        let error = template.render(&context! { a => context! {} }).unwrap_err();
        assert_eq!(error.to_string(), "line 2, column 6: undefined value");
    }
}
