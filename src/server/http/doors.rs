//! How many connections there are, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who is connected over HTTP.
#[derive(Default)]
pub(super) struct Doors(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place, free again once this is dropped.
pub(super) struct Place<'a> {
    doors: &'a Doors,
    address: IpAddr,
}

impl Doors {
    /// Lets a connection in, unless `limit` are, or too many of them from one address: no stranger shall take every place.
    pub(super) fn enter(&self, address: IpAddr, limit: usize) -> Option<Place<'_>> {
        let address = address.to_canonical();
        let mut counts = self.lock();
        let own = counts.by_address.get(&address).copied().unwrap_or(0);
        // Behind a proxy on this machine stand many.
        let most = if address.is_loopback() { limit } else { limit - limit / 4 };
        if counts.all >= limit || own >= most {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, own + 1);
        Some(Place { doors: self, address })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing here panics halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut counts = self.doors.lock();
        counts.all -= 1;
        if let Some(own) = counts.by_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_every_place() {
        let doors = Doors::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut places: Vec<_> = (0..3).map(|_| doors.enter(address("10.0.0.1"), 4).unwrap()).collect();
        assert!(doors.enter(address("::ffff:10.0.0.1"), 4).is_none());
        places.push(doors.enter(address("10.0.0.2"), 4).unwrap());
        assert!(doors.enter(address("10.0.0.3"), 4).is_none());
        places.clear();
        assert_eq!(doors.lock().all, 0);
        assert!(doors.lock().by_address.is_empty());
        let local: Vec<_> = (0..4).map(|_| doors.enter(address("127.0.0.1"), 4)).collect();
        assert!(local.iter().all(Option::is_some));
        assert!(doors.enter(address("10.0.0.1"), 1).is_none());
    }
}
