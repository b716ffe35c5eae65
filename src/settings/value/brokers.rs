//! Texts to brokers, and whether two lists mean the same cluster, as far as that shows without asking.

use std::collections::HashSet;

use super::Refused;

/// A list of brokers, as librdkafka takes it: `host:port`, separated by commas.
pub fn list(text: &str) -> Result<String, Refused> {
    if text.split(',').all(|broker| is_broker(broker.trim())) {
        return Ok(text.to_owned());
    }
    Err(Refused::expected("brokers as host:port, separated by commas"))
}

/// One broker, without a protocol.
pub fn one(text: &str) -> Result<String, Refused> {
    if is_broker(text) && !text.contains("://") {
        return Ok(text.to_owned());
    }
    Err(Refused::expected("a broker as host:port"))
}

/// The port of a broker that is given without one, as librdkafka has it.
const PORT: &str = "9092";

fn is_broker(text: &str) -> bool {
    const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
    let text = match text.split_once("://") {
        Some((protocol, rest)) if PROTOCOLS.contains(&protocol.to_ascii_lowercase().as_str()) => {
            rest
        }
        Some(_) => return false,
        None => text,
    };
    // Brackets hold an IPv6 address, whose colons start no port.
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) => {
                (host, port.strip_prefix(':').or(port.is_empty().then_some(PORT)))
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some(PORT)),
        },
    };
    let port = port.and_then(|port| port.parse::<u16>().ok());
    port.is_some_and(|port| port > 0)
        && !host.is_empty()
        && !host.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@'))
}

/// The addresses of a list of brokers, as two that mean the same are written the same.
pub fn addresses(brokers: &str) -> impl Iterator<Item = String> {
    brokers.split(',').map(address)
}

/// A broker as `host:port`, in lower case, without its protocol.
pub fn address(broker: &str) -> String {
    let broker = broker.trim().to_ascii_lowercase();
    let host = broker.split_once("://").map_or(broker.as_str(), |(_, rest)| rest);
    let has_port = host.rsplit_once(':').is_some_and(|(before, port)| {
        !port.contains(']') && (!before.contains(':') || before.ends_with(']'))
    });
    if has_port { host.to_owned() } else { format!("{host}:{PORT}") }
}

/// The cluster that a list of brokers leads to.
pub struct Cluster(HashSet<String>);

impl Cluster {
    /// Of these brokers.
    pub fn of(brokers: &str) -> Self {
        Self(addresses(brokers).collect())
    }

    /// Whether other brokers are of it too: one broker is of one cluster, so that one address in
    /// common is enough. Names of one machine are told apart, for they are not resolved.
    pub fn has_one_of(&self, brokers: &str) -> bool {
        addresses(brokers).any(|it| self.0.contains(&it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_hosts_with_ports() {
        for good in [
            "localhost:9092",
            "a",
            "a:1,b:2",
            "a:1, b:2",
            "[::1]:9092",
            "[::1]",
            "SASL_SSL://a:9093",
        ] {
            assert!(list(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a:",
            "a:x",
            "a:0",
            "a:70000",
            "a:1,,b:2",
            "http://a:1",
            "a/b:1",
            "a b:1",
            "[::1",
            "u@h:1",
        ] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_written_in_one_way() {
        for (broker, expected) in [
            ("Host", "host:9092"),
            (" host:9092 ", "host:9092"),
            ("SASL_SSL://host:1", "host:1"),
            ("[::1]", "[::1]:9092"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(address(broker), expected, "{broker:?}");
        }
    }

    #[test]
    fn one_address_in_common_makes_it_one_cluster() {
        let same = |one: &str, other: &str| {
            let found = Cluster::of(one).has_one_of(other);
            assert_eq!(Cluster::of(other).has_one_of(one), found, "{one} {other}");
            found
        };
        for (one, other) in [
            ("localhost", "localhost:9092"),
            ("a:1,b:2", "b:2, a:1"),
            ("a:1,b:2", "c:3,b:2"),
            ("ssl://A:1", "a:1"),
            ("a:1,a:1", "a:1"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [("a:1", "a:2"), ("a:1", "b:1"), ("a:1,b:2", "a:2,b:1"), ("a", "a:1")] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
