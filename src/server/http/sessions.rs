//! Sessions over HTTP: which cookie or nonce stands for which of them, and when they end.
//!
//! Such a session has no connection. It lives for a while after each request, and the sweeper ends it then.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::actions::Core;
use crate::http::cookie::SessionId;
use crate::net::{Network, Waker};
use crate::session::Session;

/// What a client shows to be known again.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The cookie that it was given.
    Cookie(SessionId),
    /// The nonce with which it proves itself, for it gets no cookie then.
    Nonce(String),
}

/// All sessions over HTTP.
#[derive(Default)]
pub(super) struct HttpSessions {
    /// Guards who is there. Held for a look-up or a change; the session table's lock is never taken within.
    table: Mutex<Table>,
    /// Told when the sweeper has something to do.
    sweep: Condvar,
}

#[derive(Default)]
struct Table {
    all: HashMap<Key, Entry>,
    stopped: bool,
}

struct Entry {
    session: Arc<Session>,
    /// Requests that are being answered for it.
    uses: usize,
    /// When the last of them was over.
    idle_since: Instant,
    /// What wakes the WaitEvent that is going on for it.
    waiting: Option<Arc<Waker>>,
}

/// A session for the time of one request. It cannot end of age meanwhile.
pub(super) struct SessionGuard<'a> {
    pub(super) session: Arc<Session>,
    core: &'a Core,
    sessions: &'a HttpSessions,
    key: Key,
}

impl HttpSessions {
    /// The session of that key, if there is one that fits.
    pub(super) fn enter<'a>(
        &'a self,
        core: &'a Core,
        key: Key,
        fits: impl FnOnce(&Session) -> bool,
    ) -> Option<SessionGuard<'a>> {
        let mut table = self.lock();
        let entry = table.all.get_mut(&key)?;
        if !fits(&entry.session) || entry.is_over(core, Instant::now()) {
            return None;
        }
        entry.uses += 1;
        let session = Arc::clone(&entry.session);
        Some(SessionGuard { session, core, sessions: self, key })
    }

    /// A new session under that key. `None` when there are as many as there may be, all of them in use.
    pub(super) fn begin<'a>(
        &'a self,
        core: &'a Core,
        key: Key,
        make: impl FnOnce(u64) -> Session,
    ) -> Option<SessionGuard<'a>> {
        let mut dropped = Vec::new();
        if self.lock().all.len() >= MAX_SESSIONS {
            dropped = self.lock().make_room(core);
        }
        dropped.iter().for_each(|session: &Arc<Session>| {
            core.sessions.remove(session);
            session.end();
        });
        if self.lock().all.len() >= MAX_SESSIONS {
            return None;
        }
        let session = core.sessions.add(make);
        let entry =
            Entry { session: Arc::clone(&session), uses: 1, idle_since: Instant::now(), waiting: None };
        let mut table = self.lock();
        let old = table.all.insert(key.clone(), entry);
        if table.all.len() == 1 {
            self.sweep.notify_one();
        }
        drop(table);
        if let Some(old) = old {
            // Two first requests with one nonce: the later session stays.
            core.sessions.remove(&old.session);
        }
        Some(SessionGuard { session, core, sessions: self, key })
    }

    /// Lets a session go on under another key, if there is one.
    pub(super) fn rename(&self, from: Key, to: Key) {
        let mut table = self.lock();
        if !table.all.contains_key(&to)
            && let Some(entry) = table.all.remove(&from)
        {
            table.all.insert(to, entry);
        }
    }

    /// The key of a session that proves itself by nonces and fits, for users who may have only one.
    pub(super) fn nonce_of(&self, fits: impl Fn(&Session) -> bool) -> Option<Key> {
        let table = self.lock();
        let mut all = table.all.iter();
        let found = all.find(|(key, entry)| matches!(key, Key::Nonce(_)) && fits(&entry.session));
        found.map(|(key, _)| key.clone())
    }

    /// Ends the sessions that fit, at once.
    pub(super) fn end_where(&self, core: &Core, fits: impl Fn(&Session) -> bool) {
        let ended: Vec<Entry> = {
            let mut table = self.lock();
            table.all.extract_if(|_, entry| fits(&entry.session)).map(|(_, entry)| entry).collect()
        };
        ended.iter().for_each(|entry| entry.end(core));
    }

    /// Ends sessions as their time comes, until [`HttpSessions::stop`].
    pub(super) fn sweep(&self, core: &Core) {
        let mut table = self.lock();
        while !table.stopped {
            let now = Instant::now();
            let over: Vec<Entry> =
                table.all.extract_if(|_, entry| entry.is_over(core, now)).map(|(_, entry)| entry).collect();
            let empty = table.all.is_empty();
            drop(table);
            over.iter().for_each(|entry| entry.end(core));
            table = self.lock();
            // Nothing ends of age earlier than a session that has not logged in, nor has to end on time.
            table = match empty && table.all.is_empty() && !table.stopped {
                true => self.sweep.wait(table).unwrap_or_else(PoisonError::into_inner),
                false => self.sweep.wait_timeout(table, SWEEP).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Ends every session, and the sweeper.
    pub(super) fn stop(&self, core: &Core) {
        self.lock().stopped = true;
        self.sweep.notify_all();
        self.end_where(core, |_| true);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is whole before anything could panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The key of a visit's session, which may have got another one meanwhile. `None` once the session has ended.
    fn key_of(&self, visit: &SessionGuard<'_>) -> Option<Key> {
        let is_own = |entry: &Entry| Arc::ptr_eq(&entry.session, &visit.session);
        if self.all.get(&visit.key).is_some_and(is_own) {
            return Some(visit.key.clone());
        }
        self.all.iter().find(|(_, entry)| is_own(entry)).map(|(key, _)| key.clone())
    }

    fn entry_of(&mut self, visit: &SessionGuard<'_>) -> Option<&mut Entry> {
        let key = self.key_of(visit)?;
        self.all.get_mut(&key)
    }

    /// Drops what is over, and if that is not enough what has been idle longest of whoever has most: a user, or a network
    /// whose clients have not logged in.
    fn make_room(&mut self, core: &Core) -> Vec<Arc<Session>> {
        let now = Instant::now();
        let over = self.all.extract_if(|_, entry| entry.is_over(core, now));
        let mut dropped: Vec<_> = over.map(|(_, entry)| entry.session).collect();
        if !dropped.is_empty() {
            return dropped;
        }
        // How many each has, and since when those are idle that may go.
        let mut holders: HashMap<Holder, (usize, Vec<Instant>)> = HashMap::new();
        for entry in self.all.values() {
            let (count, idle) = holders.entry(Holder::of(&entry.session)).or_default();
            *count += 1;
            if entry.uses == 0 {
                idle.push(entry.idle_since);
            }
        }
        let with_idle = holders.into_iter().filter(|(_, (_, idle))| !idle.is_empty());
        if let Some((holder, (_, mut idle))) = with_idle.max_by_key(|(_, (count, _))| *count) {
            idle.sort_unstable();
            // Several at once, so that a full table is not searched for every session that comes.
            let until = idle[idle.len() / AT_ONCE];
            let old = self.all.extract_if(|_, entry| {
                entry.uses == 0 && entry.idle_since <= until && Holder::of(&entry.session) == holder
            });
            dropped.extend(old.map(|(_, entry)| entry.session));
        }
        dropped
    }
}

/// Who has a session.
#[derive(PartialEq, Eq, Hash)]
enum Holder {
    User(Vec<u8>),
    /// One that has not logged in is its network's.
    Unauthenticated(Network),
}

impl Holder {
    fn of(session: &Session) -> Holder {
        match session.login() {
            Some(login) => Holder::User(login.user.name.clone()),
            None => Holder::Unauthenticated(Network::of(session.peer.ip())),
        }
    }
}

impl Entry {
    fn is_over(&self, core: &Core, now: Instant) -> bool {
        if self.session.is_ended() {
            return true;
        }
        if self.uses > 0 {
            return false;
        }
        now.saturating_duration_since(self.idle_since) >= lifetime(core, &self.session)
    }

    fn end(&self, core: &Core) {
        core.sessions.remove(&self.session);
        // Whatever a request of it waits for ends.
        self.session.end();
        if let Some(waker) = &self.waiting {
            waker.wake();
        }
    }
}

/// `httptimeout` for who has logged in.
fn lifetime(core: &Core, session: &Session) -> Duration {
    if session.may().is_some() { core.config().manager.httptimeout } else { UNAUTHENTICATED_TTL }
}

impl SessionGuard<'_> {
    /// Ends the session: it has logged off, or failed to log in. A WaitEvent that goes on for it ends too.
    pub(super) fn end(&self) {
        let mut table = self.sessions.lock();
        let entry = table.key_of(self).and_then(|key| table.all.remove(&key));
        drop(table);
        if let Some(entry) = entry {
            entry.end(self.core);
        }
    }

    /// Whether it has not ended meanwhile.
    pub(super) fn is_there(&self) -> bool {
        self.sessions.lock().key_of(self).is_some()
    }

    /// Names what wakes this session's WaitEvent. One that goes on already ends: the session has one wait at a time.
    pub(super) fn wait_with(&self, waker: &Arc<Waker>) {
        let mut table = self.sessions.lock();
        if let Some(entry) = table.entry_of(self)
            && let Some(other) = entry.waiting.replace(Arc::clone(waker))
        {
            other.wake();
        }
    }

    /// The wait is over.
    pub(super) fn waited(&self, waker: &Arc<Waker>) {
        let mut table = self.sessions.lock();
        if let Some(entry) = table.entry_of(self)
            && entry.waiting.as_ref().is_some_and(|own| Arc::ptr_eq(own, waker))
        {
            entry.waiting = None;
        }
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        let mut table = self.sessions.lock();
        if let Some(entry) = table.entry_of(self) {
            entry.uses = entry.uses.saturating_sub(1);
            entry.idle_since = Instant::now();
        }
    }
}

/// How long a session lives that has not logged in. (NOTES.md.)
const UNAUTHENTICATED_TTL: Duration = Duration::from_secs(5);

/// How often sessions are swept: how much longer than its time one may live.
const SWEEP: Duration = Duration::from_secs(1);

/// Of how many idle sessions one goes when whoever has most makes room.
const AT_ONCE: usize = 32;

/// How many sessions there may be over HTTP, some two kilobytes each. Anybody can begin one: when there are as many, those
/// of whoever has most make room.
const MAX_SESSIONS: usize = 2000;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::bus::Bus;
    use crate::config::Config;
    use crate::modules::Modules;
    use crate::session::Transport;
    use crate::switch::embedded::Embedded;
    use crate::time::{SwitchMicros, WallMicros};

    #[test]
    fn a_session_that_gets_another_key_meanwhile_is_let_go_all_the_same() {
        let bus = Bus::new().expect("a descriptor can be had");
        let switch = Box::new(Embedded::default());
        let core = Core::new(
            Arc::new(Config::default()),
            bus,
            Modules::default(),
            switch,
            WallMicros::default(),
            || 7,
        );
        let sessions = HttpSessions::default();
        let key = |name: &str| Key::Nonce(name.to_owned());
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let make = |id| Session::new(id, Transport::Http, here, here, SwitchMicros::default(), None);
        let uses = |name: &str| sessions.lock().all.get(&key(name)).map(|entry| entry.uses);
        let visit = sessions.begin(&core, key("a"), make).expect("there is room");
        sessions.rename(key("a"), key("b"));
        assert_eq!((uses("a"), uses("b")), (None, Some(1)));
        assert!(visit.is_there());
        drop(visit);
        assert_eq!(uses("b"), Some(0));
        let visit = sessions.enter(&core, key("b"), |_| true).expect("it is there");
        sessions.rename(key("b"), key("c"));
        visit.end();
        assert_eq!((uses("c"), core.sessions.len()), (None, 0));
        drop(visit);
    }
}
