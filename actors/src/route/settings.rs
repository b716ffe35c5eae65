//! Routes as they are written, before anything is compiled.

use std::fmt;

use super::Unmatched;

/// All routes of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutesSettings {
    /// The routes, in the order in which they are tried.
    pub routes: Vec<RouteSettings>,
    /// Whether the first match decides or all count.
    pub mode: MatchMode,
    /// What becomes of a record that none matches.
    pub unmatched: Unmatched,
    /// Hosts that a URL may get from a record: a host as it is, or `*.example.com` for every host
    /// below that name. Asked only where the host of a URL holds `{{ }}`.
    pub allowed_hosts: Vec<String>,
}

/// One route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSettings {
    /// The condition; a route without one matches every record.
    pub when: Option<String>,
    /// What is requested, in this order; nothing, for a record that is to be filtered.
    pub requests: Vec<RequestSettings>,
}

/// One request of a route. All but the names of headers are templates.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestSettings {
    /// `POST` (the default), `PUT`, `PATCH` or `DELETE`.
    pub method: Option<String>,
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body; without it the record's value, byte for byte.
    pub body: Option<String>,
}

/// Without the URL, the values of headers and the body, which may hold secrets.
impl fmt::Debug for RequestSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("RequestSettings")
            .field("method", &self.method)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// Which of the routes that match a record count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MatchMode {
    /// The first.
    #[default]
    First,
    /// All: their requests are made one after the other, in the order of the routes.
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let request = RequestSettings {
            method: None,
            url: "https://h/?token=hush".to_owned(),
            headers: vec![("Authorization".to_owned(), "Bearer hush".to_owned())],
            body: Some("hush".to_owned()),
        };
        let shown = format!("{request:?}");
        assert!(shown.contains("Authorization") && !shown.contains("hush"), "{shown}");
    }
}
