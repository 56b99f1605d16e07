//! Networks: who counts as one where connections and failures are counted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A subscriber's network: an IPv4 address, or an IPv6 /64. One subscriber has all of a /64, which has more addresses than
/// any table, so counting its addresses one by one would count nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address. An IPv4 address that is written as IPv6 is the IPv4 address.
    pub fn of(address: IpAddr) -> Network {
        Network(match address.to_canonical() {
            // Loopback is one address, and no part of a network that others are in.
            IpAddr::V6(v6) if !v6.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
            }
            address => address,
        })
    }

    /// Whether it is this machine.
    pub fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

/// As an operator would write it in an access list.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(v6) if !v6.is_loopback() => write!(f, "{v6}/64"),
            address => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_64_bits_and_ipv4_by_address() {
        let check = |address: &str, expect: &str| {
            let network = Network::of(address.parse().unwrap());
            assert_eq!(network.to_string(), expect, "{address}");
            assert_eq!(network.is_loopback(), ["127.0.0.1", "::1"].contains(&expect), "{address}");
        };
        check("192.0.2.1", "192.0.2.1");
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
        check("2001:db8:1:2::", "2001:db8:1:2::/64");
        check("2001:db8:1:3::", "2001:db8:1:3::/64");
        check("fe80::1", "fe80::/64");
        check("127.0.0.1", "127.0.0.1");
        check("::ffff:127.0.0.1", "127.0.0.1");
        check("::1", "::1");
        check("::2", "::/64");
    }
}
