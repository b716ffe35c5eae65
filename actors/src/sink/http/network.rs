//! Networks, and which addresses are of the public internet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network, as in `10.1.0.0/16`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// What a network looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address (192.168.1.7, ::1) or a network of them (192.168.0.0/16, fd00::/8)")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| NetworkError)?
            }
            Some(_) => return Err(NetworkError),
        };
        if prefix > longest {
            return Err(NetworkError);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Network {
    /// Whether an address is in it. One of IPv4 that is written as IPv6 is one of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (network, address, bits) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits(), address.to_bits(), 128)
            }
            _ => return false,
        };
        let rest = bits - u32::from(self.prefix);
        network.checked_shr(rest) == address.checked_shr(rest)
    }
}

/// Whether an address is one that anybody on the internet could mean: not loopback, private,
/// link-local (the metadata services of clouds among them), shared, reserved, documentation or
/// multicast, by the special-purpose registries of IANA (RFC 6890). Addresses that embed one of IPv4
/// (mapped, translated, 6to4, Teredo) are judged by that, or refused.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || matches!(
            (a, b, c),
            // "This network", shared by carriers, protocol assignments, the anycast of 6to4,
            // benchmarks, and what is reserved for ever, broadcast included.
            (0 | 240..=255, _, _)
                | (100, 64..=127, _)
                | (192, 0, 0)
                | (192, 88, 99)
                | (198, 18 | 19, _)
        );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |at: usize| {
        let [high, low] = [segments[at], segments[at + 1]].map(u32::from);
        is_public_v4(Ipv4Addr::from_bits(high << 16 | low))
    };
    match segments {
        // Translated (RFC 6052): as the address that it stands for.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => embedded(6),
        // 6to4 (RFC 3056) has its gateway's address in front.
        [0x2002, ..] => embedded(1),
        // Teredo, benchmarks, ORCHID and other protocol assignments; documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // All that is given out for the public internet so far.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect(text)
    }

    #[test]
    fn addresses_of_the_public_internet_are_told_from_all_others() {
        for public in [
            "1.1.1.1",
            "93.184.215.14",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(is_public(public.parse().expect(public)), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is_public(special.parse().expect(special)), "{special}");
        }
    }

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix() {
        let it = network("10.1.0.0/16");
        assert!(it.contains("10.1.2.3".parse().expect("an address")));
        assert!(it.contains("::ffff:10.1.2.3".parse().expect("an address")));
        assert!(!it.contains("10.2.0.0".parse().expect("an address")));
        assert!(!it.contains("::1".parse().expect("an address")));
        assert!(network("0.0.0.0/0").contains("8.8.8.8".parse().expect("an address")));
        assert!(network("::/0").contains("fe80::1".parse().expect("an address")));
        assert!(network("fd00::/8").contains("fdff::1".parse().expect("an address")));
        assert!(network("::1").contains("::1".parse().expect("an address")));
        assert!(!network("::1").contains("::2".parse().expect("an address")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/", "10.0.0.0/+8"] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad:?}");
        }
        assert_eq!(network("10.0.0.0/8").to_string(), "10.0.0.0/8");
    }
}
