//! The table of all sessions: who there is, who waits for a login, and how many sessions each user has.
//!
//! Who waits is counted by network, so that no network keeps the others out: where there are as many as there may be, the
//! oldest of the network that has most makes room. Everything is counted as it changes: nothing here goes through all
//! sessions for one.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Login, Session};
use crate::ami::Classes;
use crate::ami::filter::Filters;
use crate::bus::Bus;
use crate::metrics::Counter;
use crate::net::Network;

/// The table of all sessions.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// How many events have been sent to all of them, those that are gone too.
    delivered: Arc<Counter>,
    last: u64,
    all: BTreeMap<u64, Arc<Session>>,
    /// What [`Sessions::all`] gave last, until something changes.
    snapshot: Option<Arc<Vec<Arc<Session>>>>,
    waiting: Waiting,
    /// Users with sessions, by their names in small letters.
    users: HashMap<Vec<u8>, Held>,
    /// How many sessions with a connection have logged in.
    logged_in: usize,
    /// How many of those there may be; no bound where it is `None`.
    most_logged_in: Option<usize>,
}

/// The sessions with a connection that have not logged in.
#[derive(Default)]
struct Waiting {
    count: usize,
    /// By their numbers: the smallest is the oldest.
    by_network: HashMap<Network, BTreeSet<u64>>,
}

/// The sessions that a user has.
#[derive(Default)]
struct Held {
    /// With a connection of their own.
    connected: usize,
    /// Over HTTP.
    http: usize,
    /// Taken while an event is held against filters for one of them: see [`Session::catch_up`].
    matching: Arc<Mutex<()>>,
}

/// Why a session is not logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The user is logged in already, and may be only once.
    InUse,
    /// The user, or all users together, have as many sessions as they may have.
    Full,
    /// The session has ended meanwhile.
    Ended,
}

/// What a newcomer's place before login cost.
pub enum Entered {
    /// There was room, or there is now that another has been dropped: the caller ends that one.
    In {
        /// The newcomer.
        session: Arc<Session>,
        /// Who made room.
        dropped: Option<Arc<Session>>,
    },
    /// There is no room for this network. The session was not added.
    Refused(Box<Session>),
}

impl Sessions {
    /// Bounds how many sessions with a connection may be logged in, all users together.
    pub fn set_most_logged_in(&self, most: usize) {
        self.lock().most_logged_in = Some(most);
    }

    /// Adds a session, which gets its number here. Apart, so that it is made on this stack and not on its connection's.
    #[inline(never)]
    pub fn add(&self, make: impl FnOnce(u64) -> Session) -> Arc<Session> {
        self.lock().add(make)
    }

    /// Adds a session that waits for its login, of which there may be `limit`. No network has more than its share of them;
    /// one past its share, or one that finds no room while its network has the most, costs that network its oldest, and one
    /// of another network costs the network with the most its oldest. This machine's own are refused instead, as Asterisk
    /// does. (session/authlimit.)
    #[inline(never)]
    pub fn enter(&self, limit: usize, make: impl FnOnce(u64) -> Session) -> Entered {
        let mut table = self.lock();
        let session = make(table.last + 1);
        let network = Network::of(session.peer.ip());
        let leaves = match table.waiting.leaving(network, limit) {
            Leaving::Nobody => None,
            Leaving::Newcomer => return Entered::Refused(Box::new(session)),
            Leaving::Oldest(id) => Some(id),
        };
        let dropped = leaves.and_then(|id| {
            let dropped = table.all.get(&id).cloned()?;
            table.waiting.remove(&dropped);
            // From here on it cannot log in, however far it had come.
            dropped.mark_ended();
            Some(dropped)
        });
        let session = table.add(|_| session);
        table.waiting.add(network, session.id);
        Entered::In { session, dropped }
    }

    /// How many events have been sent to sessions, each counted for every session that got it.
    pub fn delivered(&self) -> u64 {
        self.lock().delivered.get()
    }

    /// Takes a session out.
    pub fn remove(&self, session: &Session) {
        let mut table = self.lock();
        if table.all.remove(&session.id).is_none() {
            return;
        }
        table.snapshot = None;
        table.waiting.remove(session);
        let Some(login) = session.login() else { return };
        let connected = session.is_streaming();
        if let Entry::Occupied(mut held) = table.users.entry(login.user.name.to_ascii_lowercase()) {
            let count = held.get_mut().count(connected);
            *count = count.saturating_sub(1);
            if held.get().total() == 0 {
                held.remove();
            }
        }
        table.logged_in = table.logged_in.saturating_sub(usize::from(connected));
    }

    /// All of them, in the order in which they came.
    pub fn all(&self) -> Arc<Vec<Arc<Session>>> {
        let mut table = self.lock();
        if let Some(snapshot) = &table.snapshot {
            return Arc::clone(snapshot);
        }
        let snapshot = Arc::new(table.all.values().cloned().collect::<Vec<_>>());
        table.snapshot = Some(Arc::clone(&snapshot));
        snapshot
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are connected over TCP or TLS and have not logged in.
    pub fn waiting_for_login(&self) -> usize {
        self.lock().waiting.count
    }

    /// Whether that user has a session.
    pub fn has_user(&self, name: &[u8]) -> bool {
        self.lock().users.contains_key(&name.to_ascii_lowercase())
    }

    /// Logs a session in. Looking whether the user may have another one and taking the place are one step.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn admit(
        &self,
        session: &Session,
        login: Login,
        mask: Classes,
        filters: Filters,
        bus: &Bus,
    ) -> Result<(), NotAdmitted> {
        let mut table = self.lock();
        // Nobody would take it out again, and its user would seem to have it for ever.
        if session.is_ended() || !table.all.contains_key(&session.id) {
            return Err(NotAdmitted::Ended);
        }
        let connected = session.is_streaming();
        let name = login.user.name.to_ascii_lowercase();
        let (own_connected, own) =
            table.users.get(&name).map_or((0, 0), |held| (held.connected, held.total()));
        if !login.user.allowmultiplelogin && own > 0 {
            return Err(NotAdmitted::InUse);
        }
        let most = table.most_logged_in.unwrap_or(usize::MAX);
        let full = match login.user.maxsessions {
            Some(most) => own >= most.get(),
            None => connected && own_connected >= share_of_user(most),
        };
        if full || (connected && table.logged_in >= most) {
            return Err(NotAdmitted::Full);
        }
        let held = table.users.entry(name).or_default();
        *held.count(connected) += 1;
        let matching = Arc::clone(&held.matching);
        table.logged_in += usize::from(connected);
        table.waiting.remove(session);
        session.admit(login, matching, mask, filters, bus);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is whole before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn add(&mut self, make: impl FnOnce(u64) -> Session) -> Arc<Session> {
        self.last += 1;
        let session = Arc::new(make(self.last));
        session.lock().total = Arc::clone(&self.delivered);
        self.all.insert(session.id, Arc::clone(&session));
        self.snapshot = None;
        session
    }
}

impl Held {
    fn count(&mut self, connected: bool) -> &mut usize {
        if connected { &mut self.connected } else { &mut self.http }
    }

    fn total(&self) -> usize {
        self.connected + self.http
    }
}

/// Who makes room for a newcomer.
#[derive(Debug, PartialEq, Eq)]
enum Leaving {
    /// There is room.
    Nobody,
    /// That session.
    Oldest(u64),
    /// The newcomer itself.
    Newcomer,
}

impl Waiting {
    fn add(&mut self, network: Network, id: u64) {
        if self.by_network.entry(network).or_default().insert(id) {
            self.count += 1;
        }
    }

    fn remove(&mut self, session: &Session) {
        let network = Network::of(session.peer.ip());
        if let Entry::Occupied(mut own) = self.by_network.entry(network) {
            if own.get_mut().remove(&session.id) {
                self.count -= 1;
            }
            if own.get().is_empty() {
                own.remove();
            }
        }
    }

    fn leaving(&self, newcomer: Network, limit: usize) -> Leaving {
        let own = self.by_network.get(&newcomer).map_or(0, BTreeSet::len);
        let over_share = own >= share_of_network(newcomer, limit);
        if self.count < limit && !over_share {
            return Leaving::Nobody;
        }
        let most = self.by_network.iter().max_by_key(|(_, ids)| ids.len());
        let network = match most {
            Some((network, ids)) if !over_share && ids.len() > own => *network,
            _ if newcomer.is_loopback() => return Leaving::Newcomer,
            _ => newcomer,
        };
        let oldest = self.by_network.get(&network).and_then(BTreeSet::first);
        oldest.map_or(Leaving::Newcomer, |id| Leaving::Oldest(*id))
    }
}

/// How many of the places for connections that have not logged in one network may take: half of them. This machine is
/// trusted with all.
fn share_of_network(network: Network, limit: usize) -> usize {
    if network.is_loopback() { limit } else { limit.div_ceil(2) }
}

/// How many sessions with a connection a user may have whose `maxsessions` does not say: three quarters of all, since
/// whole sites share one user, and the others are not to be kept out.
fn share_of_user(most: usize) -> usize {
    (most - most / 4).max(1)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::config::manager::User;
    use crate::session::Transport;
    use crate::time::SwitchMicros;

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    /// Sessions that wait, by their networks in the order of their coming.
    fn waiting(networks: &[&str]) -> Waiting {
        let mut waiting = Waiting::default();
        for (id, name) in networks.iter().enumerate() {
            waiting.add(network(name), id as u64);
        }
        waiting
    }

    #[test]
    fn a_newcomer_costs_the_network_that_has_most_its_oldest() {
        let check = |there: &[&str], newcomer: &str, limit, expect| {
            let leaving = waiting(there).leaving(network(newcomer), limit);
            assert_eq!(leaving, expect, "{newcomer} into {there:?} of {limit}");
        };
        let (a, b, c, here) = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1");
        check(&[], a, 4, Leaving::Nobody);
        check(&[b, a], a, 4, Leaving::Nobody);
        check(&[b, a, a], a, 4, Leaving::Oldest(1));
        check(&[b, a, a, c], b, 4, Leaving::Oldest(1));
        check(&[c, b, b, a, a, a], "2001:db8::2", 6, Leaving::Oldest(3));
        check(&[c, "2001:db8::2", "2001:db8:0:1::1", a], b, 4, Leaving::Oldest(0));
        check(&[a, b], a, 2, Leaving::Oldest(0));
        check(&[a], b, 1, Leaving::Oldest(0));
        check(&[a, b, c, here], here, 8, Leaving::Nobody);
        check(&[here, here], here, 2, Leaving::Newcomer);
        check(&[here, here], a, 2, Leaving::Oldest(0));
        check(&[a], here, 1, Leaving::Oldest(0));
    }

    fn session(id: u64) -> Session {
        let here = SocketAddr::from(([127, 0, 0, 1], 80));
        Session::new(id, Transport::Http, here, here, SwitchMicros::default(), None)
    }

    #[test]
    fn a_user_has_so_many_sessions_and_no_more() {
        let (sessions, bus) = (Sessions::default(), Bus::new().expect("a descriptor can be had"));
        let user = |name: &str, most: usize, multiple| {
            let (name, maxsessions) = (name.as_bytes().to_vec(), NonZeroUsize::new(most));
            let user = User { name, maxsessions, allowmultiplelogin: multiple, ..User::default() };
            Login { user: Arc::new(user), read: Classes::NONE, write: Classes::NONE }
        };
        let enter = |login: Login| {
            let session = sessions.add(session);
            sessions.admit(&session, login, Classes::NONE, Filters::default(), &bus).map(|()| session)
        };
        let two = || user("Ann", 2, true);
        let first = enter(two()).expect("there is room");
        assert!(sessions.has_user(b"aNN") && !sessions.has_user(b"ben"));
        assert!(enter(user("ANN", 2, true)).is_ok());
        assert_eq!(enter(two()).err(), Some(NotAdmitted::Full));
        sessions.remove(&first);
        sessions.remove(&first);
        assert!(enter(two()).is_ok());
        assert_eq!(enter(two()).err(), Some(NotAdmitted::Full));
        let alone = enter(user("ben", 0, false)).expect("there is room");
        assert_eq!(enter(user("Ben", 0, false)).err(), Some(NotAdmitted::InUse));
        sessions.remove(&alone);
        assert!(!sessions.has_user(b"ben"));
        let ended = sessions.add(session);
        ended.end();
        let admitted = sessions.admit(&ended, two(), Classes::NONE, Filters::default(), &bus);
        assert_eq!(admitted, Err(NotAdmitted::Ended));
    }

    #[test]
    fn shares_leave_something_to_others() {
        for (most, expect) in [(1, 1), (2, 2), (4, 3), (100, 75), (usize::MAX, usize::MAX - usize::MAX / 4)] {
            assert_eq!(share_of_user(most), expect);
        }
        for (peer, limit, expect) in [("127.0.0.1", 50, 50), ("192.0.2.1", 50, 25), ("2001:db8::1", 1, 1)] {
            assert_eq!(share_of_network(network(peer), limit), expect, "{peer} of {limit}");
        }
    }
}
