//! Global variables.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::quota::{Quota, Taken};

/// The variables that every channel sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globals {
    values: HashMap<Vec<u8>, Global>,
    set: u64,
    /// Whose they are.
    quota: Quota,
}

#[derive(Clone, Debug)]
struct Global {
    /// When it was set, counted up.
    set: u64,
    value: Vec<u8>,
    /// The user who has set it last; `None` for the dialplan.
    user: Option<Arc<[u8]>>,
}

impl Globals {
    /// The value of a variable of exactly that name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.values.get(name).map(|global| global.value.as_slice())
    }

    /// Sets a variable, for a user or (`None`) for the dialplan; underscores before its name mean nothing here. Whether there was
    /// room: those of clients do not take the dialplan's, and a user has as much as is left free, so that one has half of it, the
    /// next a quarter, and there is always some left. (core/setvar-globals.)
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8], user: Option<&[u8]>) -> bool {
        let name = bare_name(name);
        let new = taken(name, value);
        let old = self.values.get(name).map(|old| (taken(name, &old.value), old.user.as_deref()));
        if !self.quota.permits(ROOM, new, old, user) {
            return false;
        }
        self.remove(name);
        self.set += 1;
        let user: Option<Arc<[u8]>> = user.map(Into::into);
        self.insert(name.to_vec(), Global { set: self.set, value: value.to_vec(), user });
        true
    }

    fn insert(&mut self, name: Vec<u8>, global: Global) {
        self.quota.add(taken(&name, &global.value), global.user.as_ref());
        self.values.insert(name, global);
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(global) = self.values.remove(name) {
            self.quota.remove(taken(name, &global.value), global.user.as_deref());
        }
    }

    /// Each name and value, what was set last first. (core/command-echo.)
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut all: Vec<_> = self.values.iter().collect();
        all.sort_by_key(|(_, global)| std::cmp::Reverse(global.set));
        all.into_iter().map(|(name, global)| (name.as_slice(), global.value.as_slice()))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes over those that it has not got itself.
    pub(super) fn keep(&mut self, old: &Globals) {
        // What was set now stays newer than all of them.
        for global in self.values.values_mut() {
            global.set += old.set;
        }
        self.set += old.set;
        for (name, global) in &old.values {
            if !self.values.contains_key(name) {
                self.insert(name.clone(), global.clone());
            }
        }
    }
}

/// What a variable takes.
fn taken(name: &[u8], value: &[u8]) -> Taken {
    Taken::one(name.len().saturating_add(value.len()))
}

/// A variable's name without the underscores that say that it is inherited: one by the next channel, two by all that follow.
pub(crate) fn bare_name(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"__").or_else(|| name.strip_prefix(b"_")).unwrap_or(name)
}

/// How many the dialplan may have, and as many again all clients together, and what their names and values may take: memory has
/// an end. One that finds no room is not set, and the client who sets it is told so.
const ROOM: Taken = Taken { count: 10_000, bytes: 16 << 20 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globals_are_told_newest_first() {
        let mut globals = Globals::default();
        for (name, value) in [("COLOUR", "red"), ("SIZE", "10"), ("__DEEP", "1"), ("COLOUR", "blue")] {
            assert!(globals.set(name.as_bytes(), value.as_bytes(), None));
        }
        let all: Vec<_> = globals.iter().collect();
        assert_eq!(all, [(&b"COLOUR"[..], &b"blue"[..]), (b"DEEP", b"1"), (b"SIZE", b"10")]);
        assert_eq!((globals.get(b"SIZE"), globals.get(b"size"), globals.len()), (Some(&b"10"[..]), None, 3));
    }

    #[test]
    fn what_a_reload_does_not_set_stays() {
        let (mut old, mut new) = (Globals::default(), Globals::default());
        old.set(b"A", b"old", None);
        old.set(b"B", b"old", None);
        new.set(b"A", b"new", None);
        new.keep(&old);
        assert_eq!((new.get(b"A"), new.get(b"B")), (Some(&b"new"[..]), Some(&b"old"[..])));
        new.set(b"C", b"later", None);
        assert_eq!(new.iter().next(), Some((&b"C"[..], &b"later"[..])));
    }

    #[test]
    fn there_is_an_end() {
        let mut globals = Globals::default();
        for number in 0..ROOM.count {
            assert!(globals.set(number.to_string().as_bytes(), b"x", None));
        }
        assert!(!globals.set(b"more", b"x", None) && globals.set(b"1", b"y", None));
    }

    #[test]
    fn no_user_takes_all() {
        let mut globals = Globals::default();
        let fill = |globals: &mut Globals, user: &str, value: &[u8]| {
            let name = |number: usize| format!("{user}{number}").into_bytes();
            (0..20_000).take_while(|number| globals.set(&name(*number), value, Some(user.as_bytes()))).count()
        };
        assert_eq!((fill(&mut globals, "a", b"x"), fill(&mut globals, "b", b"x")), (5_000, 2_500));
        assert_eq!(fill(&mut globals, "a", b"xx"), 5_000, "its own can be set anew");
        assert!(globals.set(b"DIALPLAN", b"x", None) && globals.set(b"c", b"x", Some(b"c")));
        // What another sets anew is the other's then.
        assert!(globals.set(b"a1", b"x", Some(b"c")));
        assert_eq!(globals.quota.users[&b"a"[..]].count, 4_999);
        let mut large = Globals::default();
        assert_eq!(fill(&mut large, "a", &[b'x'; 40_000]), 209);
        let (mut new, old) = (Globals::default(), globals);
        new.keep(&old);
        let (new, old) = (new.quota, old.quota);
        assert_eq!((new.clients, new.own, new.users.len()), (old.clients, old.own, 3));
    }
}
