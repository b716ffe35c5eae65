//! Where in the routes something is wrong, in words and in numbers that a file can be searched by.

use std::fmt;

use super::fault::ExpressionError;

/// A place in [`RoutesSettings`](super::RoutesSettings).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The route, counted from 0; `None` for what belongs to all.
    pub route: Option<usize>,
    /// The request in the route, counted from 0; `None` for what belongs to the route.
    pub request: Option<usize>,
    /// The setting.
    pub field: Field,
}

/// A setting of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The condition.
    When,
    /// The list of requests.
    Requests,
    /// The method.
    Method,
    /// The URL.
    Url,
    /// The header of this name, as it was written.
    Header(String),
    /// The body.
    Body,
    /// The pattern of this number, counted from 0, among the allowed hosts.
    AllowedHost(usize),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::When => f.write_str("when"),
            Self::Requests => f.write_str("request"),
            Self::Method => f.write_str("method"),
            Self::Url => f.write_str("url"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Body => f.write_str("body"),
            Self::AllowedHost(index) => write!(f, "allowed_hosts {}", index + 1),
        }
    }
}

/// Counted from 1, as people do: `route 1, request 2, header X-Region`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(route) = self.route {
            write!(f, "route {}, ", route + 1)?;
        }
        if let Some(request) = self.request {
            write!(f, "request {}, ", request + 1)?;
        }
        self.field.fmt(f)
    }
}

/// Why routes cannot be used: what is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}, line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// The setting.
    pub place: Place,
    /// The line within the setting's text, counted from 1.
    pub line: usize,
    /// The column in that line, in characters, counted from 1.
    pub column: usize,
    /// What is wrong; of a template that cannot be read, in the template language's own words.
    pub message: String,
}

impl TemplateError {
    pub(super) fn new(place: Place, error: ExpressionError) -> Self {
        Self { place, line: error.line, column: error.column, message: error.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_from_one_and_an_error_names_it() {
        let place =
            Place { route: Some(0), request: Some(1), field: Field::Header("X-A".to_owned()) };
        let error = TemplateError { place, line: 2, column: 3, message: "no".to_owned() };
        assert_eq!(error.to_string(), "route 1, request 2, header X-A, line 2, column 3: no");
        let place = Place { route: None, request: None, field: Field::AllowedHost(0) };
        assert_eq!(place.to_string(), "allowed_hosts 1");
    }
}
