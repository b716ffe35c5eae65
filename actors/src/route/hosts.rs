//! The hosts that a URL may get from a record.

/// The longest host name, in bytes (RFC 1035, 2.3.4, less the root's label and length).
const HOST_LIMIT: usize = 253;

/// The longest label of a host name, in bytes (RFC 1035, 2.3.4).
const LABEL_LIMIT: usize = 63;

/// Hosts by name, and domains with every host below them.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedHosts {
    hosts: Vec<Box<str>>,
    /// With a leading dot.
    domains: Vec<Box<str>>,
}

impl AllowedHosts {
    /// Reads the patterns; what is wrong comes with the number of its pattern, from 0.
    pub(super) fn new(patterns: &[String]) -> Result<Self, Vec<(usize, String)>> {
        let mut allowed = Self::default();
        let mut faults = Vec::new();
        for (number, pattern) in patterns.iter().enumerate() {
            let lower = pattern.to_ascii_lowercase();
            if !is_host_pattern(&lower) {
                faults.push((
                    number,
                    format!(
                        "{pattern:?} is neither a host, as in api.example.com, nor all hosts below \
                         a name, as in *.example.com"
                    ),
                ));
            } else if let Some(domain) = lower.strip_prefix('*') {
                allowed.domains.push(domain.into());
            } else {
                allowed.hosts.push(lower.into());
            }
        }
        if faults.is_empty() { Ok(allowed) } else { Err(faults) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.domains.is_empty()
    }

    /// Whether a host, in lower case, is allowed.
    pub(super) fn allow(&self, host: &str) -> bool {
        self.hosts.iter().any(|it| **it == *host)
            || self.domains.iter().any(|domain| host.ends_with(&**domain))
    }
}

/// Whether a text in lower case is a host, as in `api.example.com`, or all hosts below a name, as in
/// `*.example.com`.
pub fn is_host_pattern(text: &str) -> bool {
    is_host(text.strip_prefix("*.").unwrap_or(text))
}

/// Whether a text in lower case is the name of a host, or an IPv4 address.
pub(super) fn is_host(text: &str) -> bool {
    let usual = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let label = |label: &str| (1..=LABEL_LIMIT).contains(&label.len()) && label.bytes().all(usual);
    text.len() <= HOST_LIMIT && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(patterns: &[&str]) -> AllowedHosts {
        let patterns: Vec<String> = patterns.iter().map(|it| (*it).to_owned()).collect();
        AllowedHosts::new(&patterns).unwrap()
    }

    #[test]
    fn a_host_is_allowed_by_its_name_or_its_domain() {
        let it = allowed(&["API.example", "*.hooks.example"]);
        for host in ["api.example", "a.hooks.example", "a.b.hooks.example"] {
            assert!(it.allow(host), "{host}");
        }
        for host in ["hooks.example", "xhooks.example", "a.api.example", "api.example.", "example"]
        {
            assert!(!it.allow(host), "{host}");
        }
        assert!(!it.is_empty() && AllowedHosts::default().is_empty());
    }

    #[test]
    fn patterns_that_are_no_hosts_are_refused_with_their_number() {
        for bad in
            ["", "*", "*.", "*.*.example", "a*.example", "h:80", "https://h", "a..b", "[::1]"]
        {
            let faults = AllowedHosts::new(&["fine".to_owned(), bad.to_owned()]).unwrap_err();
            assert_eq!(faults.len(), 1, "{bad}");
            assert_eq!(faults[0].0, 1);
        }
    }

    #[test]
    fn names_have_limits() {
        let label = "a".repeat(63);
        assert!(is_host(&label) && !is_host(&format!("{label}a")));
        let long = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(is_host(&long) && !is_host(&format!("{long}a")));
        assert!(!is_host("A.example") && !is_host("a b") && !is_host("h\u{e9}"));
    }
}
