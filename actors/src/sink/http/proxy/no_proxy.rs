//! What does not go through the proxy: the list that `NO_PROXY` holds.
//!
//! No standard says how to read it. This is what curl (the manual's `NO_PROXY`) and Go
//! (`golang.org/x/net/http/httpproxy`) agree on, and where one of them reads more, that too.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::network::Network;

/// Hosts that are connected to without the proxy. As long as the text that it is read from; clones
/// share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Arc<[Entry]>);

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// Only this port; `None`: each.
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// Hosts that are written as an address of this network. Names are not looked up for it.
    In(Network),
    /// This name, in lower case, and all below it.
    Of(Box<str>),
}

impl NoProxy {
    /// Reads a list with commas or blanks between its entries, each with or without `:port`:
    ///
    /// - `*`: every host;
    /// - `10.1.2.3`, `[fd00::1]`, `10.0.0.0/8`: an address, or a network of them;
    /// - `example.com`, `.example.com`, `*.example.com`: this host and all below it, in whatever
    ///   case. (To Go, the latter two leave out the host itself; to curl they do not.)
    ///
    /// An entry that is none of these covers nothing, as in both: the variable is shared with other
    /// programs, and what is meant for them is not an error here.
    pub fn new(list: &str) -> Self {
        let entries = list.split(|char: char| char == ',' || char.is_whitespace());
        Self(entries.filter_map(Entry::new).collect())
    }

    /// Whether a host is connected to without the proxy: those listed, and the machine itself
    /// (`localhost`, 127.0.0.0/8, `::1`), which seen from the proxy would be another. The latter is
    /// Go's rule; curl has none.
    pub(in super::super) fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let is_listed = |entry: &Entry| {
            entry.port.is_none_or(|only| only == port) && entry.hosts.contain(&host, address)
        };
        host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.0.iter().any(is_listed)
    }
}

impl Entry {
    fn new(text: &str) -> Option<Self> {
        // First, for the last colon of an IPv6 address is not before a port.
        if let Some(network) = network(text) {
            return Some(Self { hosts: Hosts::In(network), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let hosts = match network(host) {
            _ if host == "*" => Hosts::All,
            Some(network) => Hosts::In(network),
            None => Hosts::Of(name(host)?),
        };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    fn contain(&self, host: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::All, _) => true,
            (Self::In(network), Some(address)) => network.contains(address),
            (Self::Of(name), None) => match host.strip_suffix(&**name) {
                Some(before) => before.is_empty() || before.ends_with('.'),
                None => false,
            },
            _ => false,
        }
    }
}

fn network(text: &str) -> Option<Network> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string().parse().ok(),
        Err(_) => bare.parse().ok(),
    }
}

fn name(host: &str) -> Option<Box<str>> {
    let name = host.strip_prefix('*').filter(|it| it.starts_with('.')).unwrap_or(host);
    let name = name.strip_prefix('.').unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(list: &str, covered: &[&str], others: &[&str]) {
        let list = NoProxy::new(list);
        for host in covered {
            assert!(list.covers(host, 443), "{list:?} {host}");
        }
        for host in others {
            assert!(!list.covers(host, 443), "{list:?} {host}");
        }
    }

    #[test]
    fn a_name_covers_itself_and_what_is_below() {
        for list in
            ["Example.com", ".example.com", "*.example.COM", "example.com.", "*.example.com."]
        {
            check(
                list,
                &["example.com", "a.example.com", "a.b.EXAMPLE.com", "example.com."],
                &["anexample.com", "example.org", "com", "example.com.org", "10.0.0.1"],
            );
        }
        check("*ample.com,*", &["example.org"], &[]);
        check("*ample.com, ., *., .., :443, host:, host:http", &[], &["example.com", "host", "a"]);
    }

    #[test]
    fn addresses_and_networks_cover_what_is_written_as_an_address() {
        check(
            "10.1.0.0/16",
            &["10.1.2.3", "::ffff:10.1.2.3"],
            &["10.2.0.0", "x.10.1.2.3", "fd00::1"],
        );
        check("10.1.2.3", &["10.1.2.3"], &["10.1.2.4", "0.10.1.2.3"]);
        check("::ffff:10.1.2.3", &["10.1.2.3", "::ffff:10.1.2.3"], &["10.1.2.4"]);
        check("fd00::1,[fd00::2]", &["fd00::1", "fd00:0::2"], &["fd00::3"]);
        check("fd00::/8", &["fdff::1"], &["fe80::1"]);
        check("10.0.0.0/33,2,3", &["host.2"], &["10.0.0.0", "1.1.1.2", "1.1.1.3"]);
    }

    #[test]
    fn an_entry_with_a_port_covers_only_that() {
        check(
            "a.example:443,b.example:8443,10.0.0.1:443,10.0.0.2:80,[fd00::1]:443,[fd00::2]:80",
            &["a.example", "x.a.example", "10.0.0.1", "fd00::1"],
            &["b.example", "10.0.0.2", "fd00::2"],
        );
        check("10.0.0.0/8:443", &["10.0.0.1"], &["11.0.0.1"]);
    }

    #[test]
    fn entries_have_commas_or_blanks_between_them() {
        check(" a ,,b\tc ,\n", &["a", "b", "c"], &["d", ""]);
        check("", &[], &["a", "", "."]);
    }

    #[test]
    fn the_machine_itself_is_always_covered() {
        check(
            "",
            &["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"],
            &["localhost.example", "not-localhost", "128.0.0.1", "::2", "0.0.0.0"],
        );
    }

    /// What a host of a URL may look like.
    fn host() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zA-Z0-9_-]{1,8}(\\.[a-zA-Z0-9-]{1,8}){0,3}",
            any::<std::net::Ipv4Addr>().prop_map(|it| it.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|it| it.to_string()),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_a_list(text in any::<String>(), short in "[*.,:\\[\\]/ 0a]{0,12}", host in host()) {
            for list in [&text, &short] {
                NoProxy::new(list).covers(&host, 443);
                NoProxy::new(&host).covers(list, 443);
            }
        }

        #[test]
        fn a_listed_host_is_covered(
            before in "[*.,:\\[\\]/ 0a]{0,12}",
            host in host(),
            after in any::<String>(),
            port in any::<u16>(),
        ) {
            let written = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            for entry in [&host, &written, &format!("{written}:{port}")] {
                let list = NoProxy::new(&format!("{before},{entry} ,{after}"));
                prop_assert!(list.covers(&host, port), "{list:?}");
                prop_assert!(list.covers(&host.to_ascii_uppercase(), port), "{list:?}");
            }
        }

        #[test]
        fn a_host_is_not_covered_by_the_end_of_its_name(
            others in prop::collection::vec("[a-z]{1,3}\\.other", 1..9),
            which in any::<prop::sample::Index>(),
            longer in "[0-9]{1,3}",
        ) {
            let host = format!("{longer}{}", which.get(&others));
            prop_assert!(!NoProxy::new(&others.join(",")).covers(&host, 443));
        }
    }
}
