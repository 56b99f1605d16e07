//! Who has how much of a table that all share: so that one user does not fill it for the others.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Room that is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// The sums of a table: what the dialplan's own entries take, what those of clients take, and of these those of each user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quota {
    pub(crate) own: Taken,
    pub(crate) clients: Taken,
    pub(crate) users: HashMap<Arc<[u8]>, Taken>,
}

/// The user who holds an entry; `None` for the dialplan.
type Holder = Option<Arc<[u8]>>;

/// A table's entries with what each takes and whose it is (`None`: the dialplan's), for tables that do not remember that.
#[derive(Debug)]
pub(crate) struct Ledger<K> {
    entries: HashMap<K, (Taken, Holder)>,
    quota: Quota,
}

impl Taken {
    /// One entry of so many bytes.
    pub(crate) fn one(bytes: usize) -> Taken {
        Taken { count: 1, bytes }
    }

    fn plus(self, other: Taken) -> Taken {
        Taken { count: self.count.saturating_add(other.count), bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn minus(self, other: Taken) -> Taken {
        Taken { count: self.count.saturating_sub(other.count), bytes: self.bytes.saturating_sub(other.bytes) }
    }

    /// How much one who has so much may take of what is free, so that at least as much is free then as the one has.
    fn half_beside(self, own: Taken) -> Taken {
        let half = |free: usize, own: usize| free.saturating_sub(own) / 2;
        Taken { count: half(self.count, own.count), bytes: half(self.bytes, own.bytes) }
    }
}

impl Quota {
    /// Whether a user or (`None`) the dialplan may have an entry that takes `new`, in the place of an `old` one if there is
    /// one. The entries of clients do not take the dialplan's room, and a user has as much as is left free, so that one has
    /// half of it, the next a quarter, and there is always some left.
    pub(crate) fn permits(
        &self,
        room: Taken,
        new: Taken,
        old: Option<(Taken, Option<&[u8]>)>,
        user: Option<&[u8]>,
    ) -> bool {
        let of_user = user.and_then(|user| self.users.get(user)).copied().unwrap_or_default();
        let (own, clients, of_user) = match old {
            None => (self.own, self.clients, of_user),
            Some((old, None)) => (self.own.minus(old), self.clients, of_user),
            Some((old, of)) if of == user => (self.own, self.clients.minus(old), of_user.minus(old)),
            Some((old, _)) => (self.own, self.clients.minus(old), of_user),
        };
        let left = match user {
            None => room.minus(own),
            Some(_) => room.minus(clients).half_beside(of_user),
        };
        // What takes no more than before is welcome, however full it is.
        let before = old.filter(|(_, of)| *of == user).map_or(Taken::default(), |(old, _)| old);
        (new.count <= before.count || new.count <= left.count)
            && (new.bytes <= before.bytes || new.bytes <= left.bytes)
    }

    /// An entry is there.
    pub(crate) fn add(&mut self, taken: Taken, user: Option<&Arc<[u8]>>) {
        match user {
            None => self.own = self.own.plus(taken),
            Some(user) => {
                self.clients = self.clients.plus(taken);
                let of_user = self.users.entry(Arc::clone(user)).or_default();
                *of_user = of_user.plus(taken);
            }
        }
    }

    /// An entry is gone.
    pub(crate) fn remove(&mut self, taken: Taken, user: Option<&[u8]>) {
        let Some(user) = user else {
            self.own = self.own.minus(taken);
            return;
        };
        self.clients = self.clients.minus(taken);
        if let Some(of_user) = self.users.get_mut(user) {
            *of_user = of_user.minus(taken);
            if of_user.count == 0 {
                self.users.remove(user);
            }
        }
    }
}

impl<K> Default for Ledger<K> {
    fn default() -> Ledger<K> {
        Ledger { entries: HashMap::new(), quota: Quota::default() }
    }
}

impl<K: Eq + Hash> Ledger<K> {
    /// Notes an entry, for a user or (`None`) the dialplan; whether there was room. What another sets anew is the other's then.
    pub(crate) fn set(&mut self, key: K, bytes: usize, room: Taken, user: Option<&[u8]>) -> bool {
        let new = Taken::one(bytes);
        let old = self.entries.get(&key).map(|(taken, of)| (*taken, of.as_deref()));
        if !self.quota.permits(room, new, old, user) {
            return false;
        }
        self.remove(&key);
        let user: Option<Arc<[u8]>> = user.map(Into::into);
        self.quota.add(new, user.as_ref());
        self.entries.insert(key, (new, user));
        true
    }

    /// An entry is gone.
    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some((taken, user)) = self.entries.remove(key) {
            self.quota.remove(taken, user.as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_as_much_as_is_left_free() {
        const ROOM: Taken = Taken { count: 100, bytes: 1000 };
        let mut ledger = Ledger::default();
        let fill = |ledger: &mut Ledger<String>, user: Option<&str>, bytes: usize| {
            let set = |number: &usize| {
                ledger.set(format!("{user:?}{number}"), bytes, ROOM, user.map(str::as_bytes))
            };
            (0..200).take_while(set).count()
        };
        assert_eq!((fill(&mut ledger, Some("a"), 1), fill(&mut ledger, Some("b"), 1)), (50, 25));
        assert_eq!(fill(&mut ledger, None, 1), 100, "the dialplan has room of its own");
        assert!(!ledger.set("more".to_owned(), 1, ROOM, Some(b"a")));
        assert!(ledger.set("Some(\"a\")0".to_owned(), 1, ROOM, Some(b"a")), "its own can be set anew");
        assert!(ledger.set("Some(\"a\")0".to_owned(), 1, ROOM, Some(b"c")));
        assert_eq!(ledger.quota.users[&b"a"[..]].count, 49);
        (0..200).for_each(|number| ledger.remove(&format!("{:?}{number}", Some("b"))));
        assert_eq!(ledger.quota.users.len(), 2);
        let mut large = Ledger::default();
        assert_eq!(fill(&mut large, Some("a"), 100), 5);
        assert!(!large.set("Some(\"a\")0".to_owned(), 200, ROOM, Some(b"a")));
    }
}
