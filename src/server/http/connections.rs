//! How many connections there are, and whose go when there are too many.
//!
//! A bound that is served first come, first served, is a lock that strangers hold. So when it is reached, a connection
//! that nobody waits for is dropped: the oldest of the network that has most. Who asks for something from elsewhere gets in.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::cookie::SessionId;
use crate::net::{Network, Stream};

/// Who is connected over HTTP.
#[derive(Default)]
pub(super) struct ConnectionLimiter {
    /// Guards who is connected. Held for a look-up or a change, and for a look at all where there are too many.
    table: Mutex<Table>,
    /// Connections that are being told that there is no place for them.
    refusals: AtomicUsize,
}

#[derive(Default)]
struct Table {
    /// Counts what happens, so that what is older has the smaller number.
    clock: u64,
    all: HashMap<u64, Entry>,
    /// How many there are of each network, without those that were dropped.
    networks: HashMap<Network, usize>,
    /// How many requests of each user are being answered.
    users: HashMap<Vec<u8>, usize>,
}

struct Entry {
    network: Network,
    stream: Arc<Stream>,
    /// A request of somebody who has logged in is being answered.
    busy: bool,
    /// A request of it has been answered.
    served: bool,
    /// When it came, or its last request was answered.
    since: u64,
    dropped: Arc<AtomicBool>,
}

/// When a connection was accepted, among all that has happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival(u64);

/// A connection and its place, which is free again once this is dropped.
pub(super) struct Place<'a> {
    limiter: &'a ConnectionLimiter,
    id: u64,
    network: Network,
    dropped: Arc<AtomicBool>,
    /// The connection.
    pub(super) stream: Arc<Stream>,
    /// The session's id that was last given on it.
    pub(super) issued: Cell<Option<SessionId>>,
}

/// A request that is being answered for a user.
pub(super) struct Answering<'a> {
    limiter: &'a ConnectionLimiter,
    id: u64,
    user: Vec<u8>,
}

/// The right to tell a client that there is no place for it.
pub(super) struct Refusal<'a>(&'a AtomicUsize);

impl ConnectionLimiter {
    /// A connection has been accepted. Its thread may begin late, and is not to count as newer for that.
    pub(super) fn arrive(&self) -> Arrival {
        Arrival(self.lock().tick())
    }

    /// Lets a connection in; `None` where `limit` are, or too many of its network, and each is being used or has come
    /// later and not had its first answer yet.
    pub(super) fn enter(&self, stream: Arc<Stream>, limit: usize, arrival: Arrival) -> Option<Place<'_>> {
        let network = Network::of(stream.peer().ip());
        let mut table = self.lock();
        // Behind a proxy on this machine stand many.
        let most = if network.is_loopback() { limit } else { share(limit) };
        let own = table.networks.get(&network).copied().unwrap_or(0);
        let mut loser = None;
        if own >= most {
            loser = Some(table.drop_one(Some(network), limit, arrival)?);
        } else if table.live() >= limit {
            loser = Some(table.drop_one(None, limit, arrival)?);
        }
        let id = table.tick();
        let dropped = Arc::new(AtomicBool::new(false));
        let entry = Entry {
            network,
            stream: Arc::clone(&stream),
            busy: false,
            served: false,
            since: arrival.0,
            dropped: Arc::clone(&dropped),
        };
        table.all.insert(id, entry);
        *table.networks.entry(network).or_default() += 1;
        drop(table);
        if let Some(loser) = loser {
            // Its thread wakes up, whatever it does.
            loser.shutdown();
        }
        Some(Place { limiter: self, id, network, dropped, stream, issued: Cell::new(None) })
    }

    /// Lets a few at a time of those that find no place be told so.
    pub(super) fn refusal(&self) -> Option<Refusal<'_>> {
        let refusal = Refusal(&self.refusals);
        (self.refusals.fetch_add(1, Ordering::Relaxed) < MAX_REFUSALS).then_some(refusal)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is whole before anything could panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn live(&self) -> usize {
        self.networks.values().sum()
    }

    /// Drops a connection, of that network if one is named, that nobody waits for: of the network that has most, one that
    /// has not asked for anything yet rather than one that has, and the oldest of them. A single place belongs to who
    /// has it, once it has been used. (http/session-limit.) Nor does one go that has come later than the one that wants
    /// its place and has not been answered yet: it would lose its place to those that came before it.
    fn drop_one(&mut self, within: Option<Network>, limit: usize, arrival: Arrival) -> Option<Arc<Stream>> {
        let may_go = |entry: &&Entry| {
            !entry.busy
                && !entry.dropped.load(Ordering::Relaxed)
                && within.is_none_or(|network| network == entry.network)
                && (limit > 1 || !entry.served)
        };
        let weight = |entry: &&Entry| {
            let count = self.networks.get(&entry.network).copied().unwrap_or(0);
            (count, !entry.served, std::cmp::Reverse(entry.since))
        };
        let loser = self.all.values().filter(may_go).max_by_key(weight)?;
        if !loser.served && loser.since > arrival.0 {
            return None;
        }
        loser.dropped.store(true, Ordering::Relaxed);
        let (network, stream) = (loser.network, Arc::clone(&loser.stream));
        take_one(&mut self.networks, &network);
        Some(stream)
    }
}

impl Place<'_> {
    /// Whether the connection was dropped, to make room for others.
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A request is answered, whatever the answer.
    pub(super) fn served(&self) {
        let mut table = self.limiter.lock();
        let since = table.tick();
        if let Some(entry) = table.all.get_mut(&self.id) {
            (entry.served, entry.since) = (true, since);
        }
    }

    /// Keeps the connection while a request of that user is being answered; `None` where as many of the same user are as
    /// one may have. Others are to get in, too.
    pub(super) fn answer_for(&self, user: &[u8], limit: usize) -> Option<Answering<'_>> {
        let mut table = self.limiter.lock();
        if table.users.get(user).is_some_and(|&own| own >= share(limit)) {
            return None;
        }
        *table.users.entry(user.to_vec()).or_default() += 1;
        if let Some(entry) = table.all.get_mut(&self.id) {
            entry.busy = true;
        }
        Some(Answering { limiter: self.limiter, id: self.id, user: user.to_vec() })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut table = self.limiter.lock();
        table.all.remove(&self.id);
        if !self.is_dropped() {
            take_one(&mut table.networks, &self.network);
        }
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        let mut table = self.limiter.lock();
        take_one(&mut table.users, &self.user);
        if let Some(entry) = table.all.get_mut(&self.id) {
            entry.busy = false;
        }
    }
}

impl Drop for Refusal<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many of so many places one network, or the requests of one user, may take: three quarters.
fn share(limit: usize) -> usize {
    limit - limit / 4
}

fn take_one<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// How many clients are told at once that there is no place: each costs a thread for a moment. Others are closed without a
/// word.
const MAX_REFUSALS: usize = 16;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::net::stream::Peer;

    /// Real connections, from whichever address of this machine, told apart by their networks afterwards.
    struct Bench {
        limiter: ConnectionLimiter,
        listener: TcpListener,
    }

    impl Bench {
        fn new() -> Bench {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            Bench { limiter: ConnectionLimiter::default(), listener }
        }

        fn stream(&self) -> (TcpStream, Arc<Stream>) {
            let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
            (client, Arc::new(Stream::plain(self.listener.accept().unwrap().0).unwrap()))
        }

        fn enter(&self, limit: usize) -> Option<Place<'_>> {
            self.limiter.enter(self.stream().1, limit, self.limiter.arrive())
        }

        /// Connections of networks by their numbers. (`enter` sees loopback; the table is told otherwise.)
        fn fill(&self, networks: &[u8]) -> Vec<(TcpStream, Place<'_>)> {
            let enter = |&number: &u8| {
                let (client, stream) = self.stream();
                let mut place = self.limiter.enter(stream, 1000, self.limiter.arrive()).unwrap();
                let network = network(number);
                let mut table = self.limiter.lock();
                take_one(&mut table.networks, &place.network);
                *table.networks.entry(network).or_default() += 1;
                table.all.get_mut(&place.id).unwrap().network = network;
                drop(table);
                place.network = network;
                (client, place)
            };
            networks.iter().map(enter).collect()
        }
    }

    #[test]
    fn whose_thread_begins_late_takes_no_place_of_those_that_came_later() {
        let bench = Bench::new();
        let (early, later) = (bench.limiter.arrive(), bench.limiter.arrive());
        let place = bench.enter(2).unwrap();
        let honest = bench.enter(2).unwrap();
        place.served();
        assert!(bench.limiter.enter(bench.stream().1, 2, early).is_none());
        assert!(!honest.is_dropped() && !place.is_dropped());
        // One that has had its answer is idle: it goes, whoever comes.
        honest.served();
        assert!(bench.limiter.enter(bench.stream().1, 2, later).is_some() && place.is_dropped());
    }

    fn network(number: u8) -> Network {
        Network::of(std::net::IpAddr::from([10, 0, 0, number]))
    }

    #[test]
    fn the_oldest_of_the_network_that_has_most_makes_room() {
        let bench = Bench::new();
        let places = bench.fill(&[1, 2, 2, 2, 3, 3]);
        let dropped = || places.iter().map(|(_, place)| u8::from(place.is_dropped())).collect::<Vec<_>>();
        // Of those that are idle, too, one that has not asked for anything goes first.
        places[1].1.served();
        let busy = places[4].1.answer_for(b"u", 6).unwrap();
        let newcomer = |limit| bench.enter(limit);
        let first = newcomer(6).unwrap();
        assert_eq!(dropped(), [0, 0, 1, 0, 0, 0]);
        assert_eq!(places[2].1.stream.peer_state(), Peer::Gone);
        assert_eq!(places[3].1.stream.peer_state(), Peer::There);
        drop(first);
        // Networks 2 and 3 have two each: of 3 only the one that is not busy may go, and 2 has an older one.
        let more: Vec<_> = (0..5).map(|_| newcomer(6)).collect();
        assert!(more.iter().all(Option::is_some));
        assert_eq!(dropped()[4], 0, "whoever is being answered stays");
        let table = bench.limiter.lock();
        assert_eq!(table.live(), 6);
        assert_eq!(table.networks.values().sum::<usize>(), 6);
        drop(table);
        drop((more, busy));
        drop(places);
        let table = bench.limiter.lock();
        assert!(table.all.is_empty() && table.networks.is_empty() && table.users.is_empty());
    }

    #[test]
    fn one_user_has_no_more_than_three_quarters_of_the_answers() {
        let bench = Bench::new();
        let places = bench.fill(&[1; 9]);
        let mut busy: Vec<_> =
            places[..6].iter().map(|(_, place)| place.answer_for(b"a", 8).unwrap()).collect();
        assert!(places[6].1.answer_for(b"a", 8).is_none());
        assert!(places[6].1.answer_for(b"b", 8).is_some());
        busy.pop();
        assert!(places[6].1.answer_for(b"a", 8).is_some());
        drop(busy);
        assert_eq!([1, 2, 3, 4, 100].map(share), [1, 2, 3, 3, 75]);
    }

    #[test]
    fn where_everybody_is_busy_nobody_goes() {
        let bench = Bench::new();
        let places = bench.fill(&[1, 2, 3]);
        let busy: Vec<_> = places
            .iter()
            .zip(["a", "b", "c"])
            .map(|((_, place), user)| place.answer_for(user.as_bytes(), 3))
            .collect();
        assert!(bench.enter(3).is_none());
        drop(busy);
        assert!(bench.enter(3).is_some());
        // A single place stays whose it is, once it has been used.
        let bench = Bench::new();
        let place = bench.enter(1).unwrap();
        place.served();
        assert!(bench.enter(1).is_none());
        assert!(!place.is_dropped());
    }

    #[test]
    fn refusals_are_told_a_few_at_a_time() {
        let limiter = ConnectionLimiter::default();
        let told: Vec<_> = (0..MAX_REFUSALS + 3).map(|_| limiter.refusal()).collect();
        assert_eq!(told.iter().filter(|refusal| refusal.is_some()).count(), MAX_REFUSALS);
        drop(told);
        assert_eq!(limiter.refusals.load(Ordering::Relaxed), 0);
    }
}
