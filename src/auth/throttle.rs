//! How long the answer to a failed login is held back: longer for who keeps failing.
//!
//! Failures are counted by network and by user name. A login that succeeds is never held back and never refused for what
//! others did, so nobody can lock somebody else out: the only thing that slows down is failing. Names count whether there is
//! such a user or not, so the delay does not show which there are.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::rate::Bucket;
use crate::net::Network;
use crate::time::WallMicros;

/// The failures of late.
#[derive(Debug, Default)]
pub struct Throttle {
    networks: HashMap<Network, Failures>,
    names: Names,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last: WallMicros,
    lines: Bucket,
    /// How many log lines have been left out since one was written.
    left_out: u64,
}

impl Throttle {
    /// A login failed: how long to hold the answer back.
    pub fn failed(&mut self, address: IpAddr, name: &[u8], now: WallMicros) -> Duration {
        let by_network = self.network(address, now);
        by_network.count = by_network.count.saturating_add(1);
        let by_network = by_network.count;
        let by_name = self.names.count(&name.to_ascii_lowercase(), now);
        let over = by_network.max(by_name / USER_WEIGHT).saturating_sub(FREE_FAILURES);
        FIRST_DELAY.saturating_mul(1 << over.min(16)).min(LONGEST_DELAY)
    }

    /// Whether a failure from that address is to be logged, and then how many were left out before: who keeps failing shall
    /// not fill the disk, nor hide the failures of others.
    pub fn log(&mut self, address: IpAddr, now: WallMicros) -> Option<u64> {
        let network = self.network(address, now);
        if network.lines.take(LOG_LINES, now) {
            return Some(std::mem::take(&mut network.left_out));
        }
        network.left_out = network.left_out.saturating_add(1);
        None
    }

    /// How many networks are being watched.
    pub fn watched(&self) -> usize {
        self.networks.len()
    }

    /// What is known of the address's network, as of now.
    fn network(&mut self, address: IpAddr, now: WallMicros) -> &mut Failures {
        let key = Network::of(address);
        let forget = |failures: &Failures| now.since(failures.last) > FORGET_AFTER;
        if self.networks.len() >= MAX_WATCHED && !self.networks.contains_key(&key) {
            self.networks.retain(|_, failures| !forget(failures));
            if self.networks.len() >= MAX_WATCHED {
                // Everybody is failing at once: the one who has been quiet longest goes.
                let oldest = self.networks.iter().min_by_key(|(_, failures)| failures.last);
                let oldest = oldest.map(|(network, _)| *network);
                oldest.map(|network| self.networks.remove(&network));
            }
        }
        let failures = self.networks.entry(key).or_default();
        if forget(failures) {
            failures.count = 0;
        }
        failures.last = now;
        failures
    }
}

/// Failures by name, known or not: a count-min sketch. A name has a cell in each row, by a hash that outsiders cannot
/// foresee, and the smallest of its cells counts: it is at least the name's own failures, and more only where other names
/// fell on all its cells. So any number of names takes the same memory.
#[derive(Debug, Default)]
struct Names {
    rows: [Row; ROWS],
}

#[derive(Debug, Default)]
struct Row {
    hash: RandomState,
    /// Empty before the first failure.
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    count: u32,
    last: WallMicros,
}

impl Names {
    fn count(&mut self, name: &[u8], now: WallMicros) -> u32 {
        let counts = self.rows.iter_mut().map(|row| row.count(name, now));
        counts.min().unwrap_or(0)
    }
}

impl Row {
    fn count(&mut self, name: &[u8], now: WallMicros) -> u32 {
        self.cells.resize(CELLS, Cell::default());
        let cell = &mut self.cells[self.hash.hash_one(name) as usize % CELLS];
        if now.since(cell.last) > FORGET_AFTER {
            cell.count = 0;
        }
        *cell = Cell { count: cell.count.saturating_add(1), last: now };
        cell.count
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

/// The most networks that are watched: some 100 bytes each.
pub const MAX_WATCHED: usize = 4096;

/// How many failures of a network are logged a second: enough for fail2ban, which acts on a few.
const LOG_LINES: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// The size of the sketch of names: 128 KiB from the first failure on. A flood of invented names slows down failing logins
/// of other names only past 80 failures a cell, a third of a million within [`FORGET_AFTER`].
const ROWS: usize = 2;
const CELLS: usize = 4096;

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
        let name = |n: u32| n.to_string().into_bytes();
        let mut seconds = |n: u32| throttle.failed(address(1), &name(n), NOW).as_secs();
        for n in 0..FREE_FAILURES {
            assert_eq!(seconds(n), 1);
        }
        assert_eq!([seconds(91), seconds(92), seconds(93), seconds(94), seconds(95)], [2, 4, 8, 16, 16]);
        assert_eq!(throttle.failed(address(2), b"x", NOW), FIRST_DELAY, "another address");
        let later = NOW.plus(FORGET_AFTER + Duration::from_secs(1));
        assert_eq!(throttle.failed(address(1), b"x", later), FIRST_DELAY, "after a while");
    }

    #[test]
    fn a_name_tried_from_many_addresses_slows_down_too() {
        let mut throttle = Throttle::default();
        let mut last = Duration::ZERO;
        for n in 0..FREE_FAILURES * USER_WEIGHT + USER_WEIGHT {
            last = throttle.failed(address(n), if n % 2 == 0 { b"Admin" } else { b"aDMIN" }, NOW);
        }
        assert_eq!(last, FIRST_DELAY * 2);
        assert_eq!(throttle.failed(address(9999), b"other", NOW), FIRST_DELAY);
        let later = NOW.plus(FORGET_AFTER + Duration::from_secs(1));
        assert_eq!(throttle.failed(address(9998), b"admin", later), FIRST_DELAY, "after a while");
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..MAX_WATCHED as u32 + 100 {
            throttle.failed(address(n), n.to_string().as_bytes(), WallMicros::new(n.into()));
        }
        assert_eq!(throttle.watched(), MAX_WATCHED);
        assert!(throttle.names.rows.iter().all(|row| row.cells.len() == CELLS));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let mut throttle = Throttle::default();
        for n in 0..FREE_FAILURES as u128 {
            throttle.failed(IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | n)), b"", NOW);
        }
        assert_eq!(throttle.watched(), 1);
        throttle.failed("::ffff:10.0.0.1".parse().unwrap(), b"", NOW);
        throttle.failed("10.0.0.1".parse().unwrap(), b"", NOW);
        assert_eq!(throttle.watched(), 2);
    }

    #[test]
    fn each_network_has_log_lines_of_its_own() {
        let mut throttle = Throttle::default();
        let lines =
            |throttle: &mut Throttle, n| (0..9).filter(|_| throttle.log(address(n), NOW).is_some()).count();
        assert_eq!((lines(&mut throttle, 1), lines(&mut throttle, 1), lines(&mut throttle, 2)), (5, 0, 5));
        assert_eq!(throttle.log(address(1), NOW.plus(Duration::from_secs(1))), Some(13));
    }
}
