//! All entries, in memory: what reads read. It knows no disk and no thread.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::key_path::KeyPath;
use super::{Entry, Error, MAX_BYTES, Value};

/// The entries.
#[derive(Default)]
pub(super) struct Tree {
    entries: BTreeMap<KeyPath, Value>,
    /// What they cost of [`MAX_BYTES`].
    bytes: usize,
}

/// One entry that changes.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) path: KeyPath,
    /// What it becomes; `None` where it goes.
    pub(super) value: Option<Value>,
}

impl Tree {
    /// Puts a change in force, and gives the change that takes it back.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn apply(&mut self, change: Change) -> Result<Change, Error> {
        let Change { path, value } = change;
        let old = self.entries.get(&path);
        let before = old.map_or(0, |old| cost(&path, old));
        let after = value.as_ref().map_or(0, |value| cost(&path, value));
        // What makes it smaller is welcome, however full it is.
        if self.bytes - before + after > MAX_BYTES && after > before {
            return Err(Error::Full);
        }
        Ok(self.force(Change { path, value }))
    }

    /// The same without a look at how full it is: for what is on the disk already, and for taking back.
    pub(super) fn force(&mut self, change: Change) -> Change {
        let Change { path, value } = change;
        let old = match value {
            Some(value) => {
                self.bytes += cost(&path, &value);
                self.entries.insert(path.clone(), value)
            }
            None => self.entries.remove(&path),
        };
        if let Some(old) = &old {
            self.bytes -= cost(&path, old);
        }
        Change { path, value: old }
    }

    /// How much more it holds once a change is made; less, where that is negative.
    pub(super) fn growth(&self, change: &Change) -> isize {
        let of = |value: Option<&Value>| value.map_or(0, |value| cost(&change.path, value) as isize);
        of(change.value.as_ref()) - of(self.entries.get(&change.path))
    }

    /// What all entries cost together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value of an entry.
    pub(super) fn get(&self, path: &KeyPath) -> Option<&Value> {
        self.entries.get(path)
    }

    /// The entry of that path, in any case, and those below it, in the order of their bytes.
    pub(super) fn below(&self, path: &[u8]) -> Vec<Entry> {
        let from = Bound::Included(KeyPath::before(path));
        let found = self.entries.range((from, Bound::Unbounded)).take_while(|(own, _)| own.begins(path));
        sorted(found.filter(|(own, _)| matches!(own.bytes().get(path.len()), None | Some(b'/'))))
    }

    /// The entries whose path ends so, in any case, in the order of their bytes.
    pub(super) fn ending(&self, end: &[u8]) -> Vec<Entry> {
        let ends = |path: &KeyPath| {
            let start = path.bytes().len().checked_sub(end.len());
            start.is_some_and(|start| path.bytes()[start..].eq_ignore_ascii_case(end))
        };
        sorted(self.entries.iter().filter(|(path, _)| ends(path)))
    }
}

fn sorted<'a>(found: impl Iterator<Item = (&'a KeyPath, &'a Value)>) -> Vec<Entry> {
    let entry =
        |(path, value): (&KeyPath, &Value)| Entry { path: path.bytes().clone(), value: value.clone() };
    let mut entries: Vec<Entry> = found.map(entry).collect();
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    entries
}

fn cost(path: &KeyPath, value: &Value) -> usize {
    path.bytes().len() + value.len() + ENTRY_BYTES
}

/// What an entry costs beside its bytes: its place in the tree, two lengths, two counts.
const ENTRY_BYTES: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn put(tree: &mut Tree, path: &str, value: &[u8]) -> Result<Change, Error> {
        tree.apply(Change { path: KeyPath::parse(path.as_bytes()).unwrap(), value: Some(value.into()) })
    }

    #[test]
    fn a_tree_is_found_in_any_case_and_told_in_order() {
        let mut tree = Tree::default();
        for path in ["/f/a", "/F/b", "/f/a/x", "/f/ab", "/f/A/y", "/fa/a", "/e/a", "/f/%", "/f_/x"] {
            put(&mut tree, path, b"").unwrap();
        }
        let check = |found: Vec<Entry>, expect: &[&str]| {
            let paths: Vec<_> = found.iter().map(|entry| String::from_utf8_lossy(&entry.path)).collect();
            assert_eq!(paths, expect);
        };
        check(tree.below(b"/f"), &["/F/b", "/f/%", "/f/A/y", "/f/a", "/f/a/x", "/f/ab"]);
        check(tree.below(b"/F/a"), &["/f/A/y", "/f/a", "/f/a/x"]);
        check(tree.below(b"/f/"), &[]);
        check(tree.below(b"/%"), &[]);
        check(tree.below(b"/f_"), &["/f_/x"]);
        check(tree.ending(b"/A"), &["/e/a", "/f/a", "/fa/a"]);
        check(tree.ending(b"/nothing that is longer"), &[]);
        assert_eq!(tree.below(b"").len(), 9);
    }

    #[test]
    fn what_is_taken_back_leaves_no_trace_and_what_is_full_still_shrinks() {
        let mut tree = Tree::default();
        let first = put(&mut tree, "/f/k", b"one").unwrap();
        let bytes = tree.bytes;
        let second = put(&mut tree, "/f/k", b"seventeen").unwrap();
        assert_eq!(tree.bytes, bytes + 6);
        tree.force(second);
        assert_eq!((tree.bytes, &**tree.get(&first.path).unwrap()), (bytes, &b"one"[..]));
        tree.force(first);
        assert_eq!((tree.bytes, tree.entries.len()), (0, 0));

        let big = vec![0; MAX_BYTES - ENTRY_BYTES - 4];
        put(&mut tree, "/f/k", &big).unwrap();
        assert_eq!(put(&mut tree, "/f/l", b"").err(), Some(Error::Full));
        assert_eq!(put(&mut tree, "/f/k", &[&big[..], b"x"].concat()).err(), Some(Error::Full));
        put(&mut tree, "/f/k", &big[1..]).unwrap();
        put(&mut tree, "/f/k", b"").unwrap();
        put(&mut tree, "/f/l", b"").unwrap();
    }
}
