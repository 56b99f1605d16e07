//! Global variables.

use std::collections::HashMap;

/// The variables that every channel sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globals {
    /// By name: when each was set, counted up, and its value.
    values: HashMap<Vec<u8>, (u64, Vec<u8>)>,
    set: u64,
}

impl Globals {
    /// The value of a variable of exactly that name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.values.get(name).map(|(_, value)| value.as_slice())
    }

    /// Sets a variable; underscores before its name mean nothing here. Whether there was room. (core/setvar-globals.)
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) -> bool {
        let name = bare_name(name);
        if self.values.len() == MAX_GLOBALS && !self.values.contains_key(name) {
            return false;
        }
        self.set += 1;
        self.values.insert(name.to_vec(), (self.set, value.to_vec()));
        true
    }

    /// Each name and value, what was set last first. (core/command-echo.)
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut all: Vec<_> = self.values.iter().collect();
        all.sort_by_key(|(_, (set, _))| std::cmp::Reverse(*set));
        all.into_iter().map(|(name, (_, value))| (name.as_slice(), value.as_slice()))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes over those that it has not got itself.
    pub(super) fn keep(&mut self, old: &Globals) {
        // What was set now stays newer than all of them.
        for (set, _) in self.values.values_mut() {
            *set += old.set;
        }
        self.set += old.set;
        for (name, value) in &old.values {
            self.values.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// A variable's name without the underscores that say that it is inherited: one by the next channel, two by all that follow.
pub(crate) fn bare_name(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"__").or_else(|| name.strip_prefix(b"_")).unwrap_or(name)
}

/// How many there may be: clients can set some, and memory has an end. The longest a value may be is the length of a line.
const MAX_GLOBALS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globals_are_told_newest_first() {
        let mut globals = Globals::default();
        for (name, value) in [("COLOUR", "red"), ("SIZE", "10"), ("__DEEP", "1"), ("COLOUR", "blue")] {
            assert!(globals.set(name.as_bytes(), value.as_bytes()));
        }
        let all: Vec<_> = globals.iter().collect();
        assert_eq!(all, [(&b"COLOUR"[..], &b"blue"[..]), (b"DEEP", b"1"), (b"SIZE", b"10")]);
        assert_eq!((globals.get(b"SIZE"), globals.get(b"size"), globals.len()), (Some(&b"10"[..]), None, 3));
    }

    #[test]
    fn what_a_reload_does_not_set_stays() {
        let (mut old, mut new) = (Globals::default(), Globals::default());
        old.set(b"A", b"old");
        old.set(b"B", b"old");
        new.set(b"A", b"new");
        new.keep(&old);
        assert_eq!((new.get(b"A"), new.get(b"B")), (Some(&b"new"[..]), Some(&b"old"[..])));
        new.set(b"C", b"later");
        assert_eq!(new.iter().next(), Some((&b"C"[..], &b"later"[..])));
    }

    #[test]
    fn there_is_an_end() {
        let mut globals = Globals::default();
        for number in 0..MAX_GLOBALS {
            assert!(globals.set(number.to_string().as_bytes(), b"x"));
        }
        assert!(!globals.set(b"more", b"x") && globals.set(b"1", b"y"));
    }
}
