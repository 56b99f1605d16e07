//! How long the answer to a failed login is held back: longer for who keeps failing.
//!
//! Failures are counted by address and by user. A login that succeeds is never held back and never refused for what others
//! did, so nobody can lock somebody else out: the only thing that slows down is failing.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use crate::net::Network;
use crate::time::WallMicros;

/// The failures of late.
#[derive(Debug, Default)]
pub struct Throttle {
    addresses: Tally<Network>,
    users: Tally<Vec<u8>>,
}

/// Failures by some key.
#[derive(Debug)]
struct Tally<K>(HashMap<K, Failures>);

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last: WallMicros,
}

impl Throttle {
    /// A login failed: how long to hold the answer back. `user` is the name only where there is such a user, or else whoever
    /// fails could fill the table with names.
    pub fn failed(&mut self, address: IpAddr, user: Option<&[u8]>, now: WallMicros) -> Duration {
        let by_address = self.addresses.count(Network::of(address), now);
        let by_user = user.map_or(0, |user| self.users.count(user.to_ascii_lowercase(), now));
        let over = by_address.max(by_user / USER_WEIGHT).saturating_sub(FREE_FAILURES);
        FIRST_DELAY.saturating_mul(1 << over.min(16)).min(LONGEST_DELAY)
    }

    /// How many addresses and users are being watched.
    pub fn watched(&self) -> (usize, usize) {
        (self.addresses.0.len(), self.users.0.len())
    }
}

impl<K> Default for Tally<K> {
    fn default() -> Tally<K> {
        Tally(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Tally<K> {
    fn count(&mut self, key: K, now: WallMicros) -> u32 {
        let forget = |failures: &Failures| now.since(failures.last) > FORGET_AFTER;
        if self.0.len() >= MAX_WATCHED && !self.0.contains_key(&key) {
            self.0.retain(|_, failures| !forget(failures));
            if self.0.len() >= MAX_WATCHED {
                // Everybody is failing at once: the one who has been quiet longest goes.
                let oldest =
                    self.0.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| key.clone());
                oldest.map(|key| self.0.remove(&key));
            }
        }
        let failures = self.0.entry(key).or_default();
        if forget(failures) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.count
    }
}

/// How long the answer to a first failure is held back. (session/login-wrong-secret.)
pub const FIRST_DELAY: Duration = Duration::from_secs(1);

/// How long it is held back at the most.
pub const LONGEST_DELAY: Duration = Duration::from_secs(16);

/// So many failures are answered after [`FIRST_DELAY`]; each further one doubles it. Behind one address there may be a whole
/// office, or a machine full of clients with an old secret.
pub const FREE_FAILURES: u32 = 20;

/// A user's failures come from everywhere, so it takes this many times as many to slow down a failing login of that user.
pub const USER_WEIGHT: u32 = 4;

/// Who has not failed for so long starts anew.
pub const FORGET_AFTER: Duration = Duration::from_secs(600);

/// The most addresses, and the most users, that are watched: some 100 bytes each.
pub const MAX_WATCHED: usize = 4096;

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const NOW: WallMicros = WallMicros::new(0);

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn who_keeps_failing_waits_longer_up_to_a_bound() {
        let mut throttle = Throttle::default();
        let mut seconds = || throttle.failed(address(1), None, NOW).as_secs();
        for _ in 0..FREE_FAILURES {
            assert_eq!(seconds(), 1);
        }
        assert_eq!([seconds(), seconds(), seconds(), seconds(), seconds()], [2, 4, 8, 16, 16]);
        assert_eq!(throttle.failed(address(2), None, NOW), FIRST_DELAY, "another address");
        let later = NOW.plus(FORGET_AFTER + Duration::from_secs(1));
        assert_eq!(throttle.failed(address(1), None, later), FIRST_DELAY, "after a while");
    }

    #[test]
    fn a_user_tried_from_many_addresses_slows_down_too() {
        let mut throttle = Throttle::default();
        let mut last = Duration::ZERO;
        for n in 0..FREE_FAILURES * USER_WEIGHT + USER_WEIGHT {
            last = throttle.failed(address(n), Some(b"Admin"), NOW);
        }
        assert_eq!(last, FIRST_DELAY * 2);
        assert_eq!(throttle.failed(address(9999), Some(b"other"), NOW), FIRST_DELAY);
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..MAX_WATCHED as u32 + 100 {
            throttle.failed(address(n), None, WallMicros::new(u64::from(n)));
        }
        assert_eq!(throttle.watched(), (MAX_WATCHED, 0));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let mut throttle = Throttle::default();
        for n in 0..FREE_FAILURES as u128 {
            throttle.failed(IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | n)), None, NOW);
        }
        assert_eq!(throttle.watched().0, 1);
        throttle.failed("::ffff:10.0.0.1".parse().unwrap(), None, NOW);
        throttle.failed("10.0.0.1".parse().unwrap(), None, NOW);
        assert_eq!(throttle.watched().0, 2);
    }
}
