//! The name of an entry: `/family/key`. Where the family ends and the key begins does not matter: both may hold
//! slashes. (db/nested-families.)

use std::cmp::Ordering;
use std::sync::Arc;

use super::Error;

/// `/family/key`. Paths that differ in case alone stand side by side, so that a tree whose case does not matter is one
/// stretch of them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KeyPath(Arc<[u8]>);

impl KeyPath {
    /// The path of a family's key.
    ///
    /// # Errors
    /// An empty family or key, or more than [`MAX_PATH`](super::MAX_PATH) bytes.
    pub(super) fn new(family: &[u8], key: &[u8]) -> Result<KeyPath, Error> {
        if family.is_empty() || key.is_empty() {
            return Err(Error::NoName);
        }
        let path = [b"/", family, b"/", key].concat();
        if path.len() > super::MAX_PATH { Err(Error::LongName) } else { Ok(KeyPath(path.into())) }
    }

    /// A path as it is written.
    ///
    /// # Errors
    /// No slash at the start, an empty family or key, or too many bytes.
    pub(super) fn parse(text: &[u8]) -> Result<KeyPath, Error> {
        let inner = text.strip_prefix(b"/").ok_or(Error::NoName)?;
        // A family of one byte at the least, a slash, a key of one byte at the least.
        let is_parted = inner.len() >= 3 && inner[1..inner.len() - 1].contains(&b'/');
        match is_parted {
            false => Err(Error::NoName),
            true if text.len() > super::MAX_PATH => Err(Error::LongName),
            true => Ok(KeyPath(text.into())),
        }
    }

    /// The path of an entry that was told: it has been looked at already.
    pub(super) fn known(path: &Arc<[u8]>) -> KeyPath {
        KeyPath(path.clone())
    }

    /// The first place at which a path that begins so, in any case, could stand.
    pub(super) fn before(start: &[u8]) -> KeyPath {
        // Capitals are less than small letters.
        KeyPath(start.to_ascii_uppercase().into())
    }

    /// The path as it is written.
    pub(super) fn bytes(&self) -> &Arc<[u8]> {
        &self.0
    }

    /// Whether it begins so, in any case.
    pub(super) fn begins(&self, start: &[u8]) -> bool {
        self.0.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start))
    }
}

impl Ord for KeyPath {
    fn cmp(&self, other: &KeyPath) -> Ordering {
        let folded =
            self.0.iter().map(u8::to_ascii_lowercase).cmp(other.0.iter().map(u8::to_ascii_lowercase));
        folded.then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for KeyPath {
    fn partial_cmp(&self, other: &KeyPath) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_family_and_a_key() {
        let check = |text: &str, expect: Result<(), Error>| {
            assert_eq!(KeyPath::parse(text.as_bytes()).map(|_| ()), expect, "{text}");
        };
        check("/f/k", Ok(()));
        check("/a/b/c", Ok(()));
        check("//f/k", Ok(()));
        check("/f//", Ok(()));
        for text in ["", "/", "//", "///", "f/k", "/f", "/f/", "//k"] {
            check(text, Err(Error::NoName));
        }
        check(&format!("/f/{}", "k".repeat(super::super::MAX_PATH)), Err(Error::LongName));
        assert_eq!(KeyPath::new(b"", b"k").err(), Some(Error::NoName));
        assert_eq!(KeyPath::new(b"f", b"").err(), Some(Error::NoName));
        let long = vec![b'k'; super::super::MAX_PATH];
        assert_eq!(KeyPath::new(b"f", &long).err(), Some(Error::LongName));
    }

    #[test]
    fn paths_that_differ_in_case_alone_stand_together() {
        let mut paths: Vec<_> = ["/b/a", "/A/c", "/a/C", "/a/b"]
            .iter()
            .map(|text| KeyPath::parse(text.as_bytes()).unwrap())
            .collect();
        paths.sort();
        let sorted: Vec<_> = paths.iter().map(|path| String::from_utf8_lossy(path.bytes())).collect();
        assert_eq!(sorted, ["/a/b", "/A/c", "/a/C", "/b/a"]);
        assert!(paths.iter().take(3).all(|path| path.begins(b"/A/") && KeyPath::before(b"/a/") <= *path));
        assert!(!paths[3].begins(b"/a/") && !paths[3].begins(b"/b/a/and/more"));
    }
}
