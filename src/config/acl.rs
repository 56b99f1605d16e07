//! Which addresses may: `permit` and `deny` lines, and the named lists of acl.conf.
//!
//! Where Asterisk would leave a door open by mistake, this does not: a list that names no network of an address's family
//! denies it if it denies the whole of the other family, and a named list with a wrong line denies everybody.

use std::fmt;
use std::net::IpAddr;

use super::complaint::{Complaint, quote};
use super::ini::{Document, Variable};
use super::settings::Settings;

/// What an address must pass: every one of several lists. Without any, everybody passes.
#[derive(Clone, Debug, Default)]
pub struct Acl {
    lists: Vec<Rules>,
}

impl Acl {
    /// Whether an address passes. A v4 address that is written as a v6 one counts as the v4 one.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.lists.iter().all(|rules| rules.permits(address))
    }

    /// Whether there is no list, so that everybody passes.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Adds a list, which must be passed too.
    pub(super) fn add(&mut self, rules: Rules) {
        if !rules.0.is_empty() {
            self.lists.push(rules);
        }
    }
}

/// `permit` and `deny` lines in order: the last that fits an address decides, and none permits.
/// (session/acl-order, session/acl-permit.)
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    permit: bool,
    network: Network,
}

impl Rules {
    /// A list that denies everybody.
    pub(super) fn nobody() -> Rules {
        let mut rules = Rules::default();
        rules.add(false, b"0.0.0.0/0,::/0").expect("these are networks");
        rules
    }

    /// Adds what a `permit` or `deny` line says: networks parted by commas; a `!` before one turns it round.
    pub(super) fn add(&mut self, permit: bool, text: &[u8]) -> Result<(), BadNetwork> {
        for part in text.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            let (turned, part) = match part.strip_prefix(b"!") {
                Some(rest) => (true, rest.trim_ascii()),
                None => (false, part),
            };
            self.0.push(Rule { permit: permit != turned, network: Network::parse(part)? });
        }
        Ok(())
    }

    fn permits(&self, address: IpAddr) -> bool {
        if let Some(rule) = self.0.iter().rfind(|rule| rule.network.contains(address)) {
            return rule.permit;
        }
        let same_family = |rule: &Rule| rule.network.v4 == address.is_ipv4();
        let denies_the_other = |rule: &Rule| !rule.permit && rule.network.mask == 0 && !same_family(rule);
        self.0.iter().any(same_family) || !self.0.iter().any(denies_the_other)
    }

    /// The `permit` and `deny` lines of a section. After a complaint about one of them the list is not to be used.
    pub(super) fn read<'d>(settings: &mut Settings<'d, '_>) -> Result<Rules, (&'d Variable, BadNetwork)> {
        let mut rules = Rules::default();
        for line in settings.all(&["permit", "deny"]) {
            rules.add(line.is(b"permit"), line.value()).map_err(|bad| (line, bad))?;
        }
        Ok(rules)
    }
}

/// An address and the part of it that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    v4: bool,
    bits: u128,
    mask: u128,
}

/// What stands where a network should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadNetwork(String);

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no address, nor an address with a mask or a prefix length", self.0)
    }
}

impl Network {
    /// `address`, `address/length`, `address/mask`; a v6 address may stand in brackets.
    fn parse(text: &[u8]) -> Result<Network, BadNetwork> {
        Network::read(text).ok_or_else(|| BadNetwork(quote(text)))
    }

    fn read(text: &[u8]) -> Option<Network> {
        let text = std::str::from_utf8(text).ok()?;
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address.trim(), Some(mask.trim())),
            None => (text, None),
        };
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        let address: IpAddr = bare.parse().ok()?;
        let (width, bits) = bits(address);
        let all = u128::MAX >> (128 - width);
        let mask = match mask {
            None => all,
            Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => {
                let length: u32 = length.parse().ok().filter(|length| *length <= width)?;
                all & !all.checked_shr(length).unwrap_or(0)
            }
            Some(mask) => {
                let mask: IpAddr = mask.parse().ok()?;
                (mask.is_ipv4() == address.is_ipv4()).then_some(self::bits(mask).1)?
            }
        };
        Some(Network { v4: address.is_ipv4(), bits: bits & mask, mask }.folded())
    }

    /// A network of v4 addresses that are written as v6 ones is one of v4 addresses.
    fn folded(self) -> Network {
        const PREFIX: u128 = u128::MAX << 32;
        const MAPPED: u128 = 0xffff << 32;
        if self.v4 || self.mask & PREFIX != PREFIX || self.bits & PREFIX != MAPPED {
            return self;
        }
        Network { v4: true, bits: self.bits & !PREFIX, mask: self.mask & !PREFIX }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.v4 == address.is_ipv4() && bits(address).1 & self.mask == self.bits
    }
}

/// An address as a number, and how many bits that has.
fn bits(address: IpAddr) -> (u32, u128) {
    match address {
        IpAddr::V4(v4) => (32, v4.to_bits().into()),
        IpAddr::V6(v6) => (128, v6.to_bits()),
    }
}

/// The lists of acl.conf, by their names, whose case does not count.
#[derive(Debug, Default)]
pub(super) struct Named(Vec<(Vec<u8>, Rules)>);

impl Named {
    pub(super) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> Named {
        let mut named = Named::default();
        for name in super::settings::sections(document) {
            let mut settings = Settings::of(document, name, complaints);
            let rules = Rules::read(&mut settings).unwrap_or_else(|(line, bad)| {
                settings.warn(line, format!("{bad}; the list {} denies everybody", quote(name)));
                Rules::nobody()
            });
            settings.finish();
            named.0.push((name.to_vec(), rules));
        }
        named
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Rules> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, rules)| rules)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(name, _)| std::str::from_utf8(name).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lines: &[&str]) -> Result<Rules, BadNetwork> {
        let mut rules = Rules::default();
        for line in lines {
            let (word, networks) = line.split_once(' ').unwrap();
            rules.add(word == "permit", networks.as_bytes())?;
        }
        Ok(rules)
    }

    #[test]
    fn the_last_rule_that_fits_decides() {
        let check = |lines: &[&str], address: &str, expect: bool| {
            let mut acl = Acl::default();
            acl.add(rules(lines).unwrap());
            assert_eq!(acl.permits(address.parse().unwrap()), expect, "{lines:?} {address}");
        };
        // session/acl-deny, acl-order, acl-permit, acl-permit-list.
        check(&[], "127.0.0.1", true);
        check(&["deny 0.0.0.0/0.0.0.0"], "127.0.0.1", false);
        check(&["deny 127.0.0.1"], "127.0.0.1", false);
        check(&["deny 127.0.0.1"], "127.0.0.2", true);
        check(&["deny 127.0.0.0/255.0.0.0"], "127.9.9.9", false);
        check(&["deny 10.0.0.0/8"], "127.0.0.1", true);
        check(&["deny 0.0.0.0/0", "permit 127.0.0.0/8"], "127.0.0.1", true);
        check(&["deny 0.0.0.0/0", "permit 10.0.0.0/8"], "127.0.0.1", false);
        check(&["permit 10.0.0.0/8"], "127.0.0.1", true);
        check(&["permit 127.0.0.1", "deny 0.0.0.0/0"], "127.0.0.1", false);
        check(&["deny 0.0.0.0/0", "permit 10.0.0.0/8,127.0.0.1/32"], "127.0.0.1", true);
        check(&["deny 0.0.0.0/0", "permit 127.0.0.0/8,!127.0.0.1"], "127.0.0.1", false);
        check(&["deny 0.0.0.0/0", "permit 127.0.0.0/8, ! 127.0.0.1"], "127.0.0.2", true);
        check(&["deny !10.0.0.1"], "10.0.0.1", true);
        // The host's part of a network does not count.
        check(&["deny 10.1.2.3/8"], "10.200.0.1", false);
        check(&["deny 10.0.0.5/255.0.0.255"], "10.9.9.5", false);
        check(&["deny 10.0.0.5/255.0.0.255"], "10.9.9.6", true);
        // IPv6, and v4 addresses in its clothes.
        check(&["deny ::/0", "permit ::1/128"], "::1", true);
        check(&["deny ::/0", "permit [fd00::]/8"], "fe80::1", false);
        check(&["deny fe80::/ffff::"], "fe80::9", false);
        check(&["deny 127.0.0.1"], "::ffff:127.0.0.1", false);
        check(&["deny ::ffff:127.0.0.0/104"], "127.9.9.9", false);
        check(&["deny ::ffff:127.0.0.1"], "127.0.0.1", false);
        // Who denies a whole family and says nothing of the other means everybody.
        check(&["deny 0.0.0.0/0", "permit 10.0.0.0/8"], "fd00::1", false);
        check(&["deny ::/0"], "10.0.0.1", false);
        check(&["deny 0.0.0.0/0", "permit 10.0.0.0/8", "permit fd00::/8"], "fd00::1", true);
        check(&["deny 0.0.0.0/0", "deny fe80::/10"], "fd00::1", true);
        check(&["deny 10.0.0.0/8"], "fd00::1", true);
    }

    #[test]
    fn every_list_must_be_passed() {
        let mut acl = Acl::default();
        assert!(acl.is_empty());
        acl.add(rules(&["deny 127.0.0.1"]).unwrap());
        acl.add(rules(&["deny 127.0.0.2"]).unwrap());
        let check =
            |address: &str, expect| assert_eq!(acl.permits(address.parse().unwrap()), expect, "{address}");
        check("127.0.0.1", false);
        check("127.0.0.2", false);
        check("127.0.0.3", true);
        let mut nobody = Acl::default();
        nobody.add(Rules::nobody());
        assert!(!nobody.permits("127.0.0.1".parse().unwrap()) && !nobody.permits("::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network() {
        for text in [
            "not-an-address",
            "",
            "10.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/ff::",
            "10.0.0.0/-1",
            "1.2.3.4,",
            "/8",
            "a\u{e9}",
        ] {
            assert!(rules(&[&format!("deny {text}")]).is_err(), "{text}");
        }
        let shown = rules(&["deny not-an-address"]).unwrap_err().to_string();
        assert_eq!(shown, "\"not-an-address\" is no address, nor an address with a mask or a prefix length");
    }
}
