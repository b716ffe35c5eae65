//! The name of a destination: scheme, host and port.

use std::fmt;
use std::sync::Arc;

use crate::sink::http::Target;

/// A destination, as in `https://api.example:443`: the host in lower case, the port always there,
/// so that one destination has one name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(Arc<str>);

impl Origin {
    pub(crate) fn of(target: &Target) -> Self {
        let scheme = if target.secure { "https" } else { "http" };
        let host = target.host.to_ascii_lowercase();
        let port = target.port;
        if host.contains(':') {
            return Self(format!("{scheme}://[{host}]:{port}").into());
        }
        Self(format!("{scheme}://{host}:{port}").into())
    }

    pub(crate) fn shared(&self) -> &Arc<str> {
        &self.0
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_destination_has_one_name() {
        for (url, name) in [
            ("http://h", "http://h:80"),
            ("HTTPS://API.Example/a?b", "https://api.example:443"),
            ("https://h:8443/", "https://h:8443"),
            ("http://[2001:DB8::1]/", "http://[2001:db8::1]:80"),
        ] {
            assert_eq!(Origin::of(&Target::parse(url).unwrap()).as_str(), name);
        }
    }
}
