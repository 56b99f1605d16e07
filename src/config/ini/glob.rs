//! Patterns in `#include` lines: `*`, `?` and `[...]` in any part of a path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Source;

/// The paths that a name stands for, in the order of their names: itself, if it is no pattern. Whether anything is
/// there is not looked at for a name.
pub(super) fn expand(name: &[u8], source: &dyn Source) -> Vec<PathBuf> {
    let whole = source.root().join(OsStr::from_bytes(name));
    if !is_pattern(name) {
        return vec![whole];
    }
    let mut paths = vec![PathBuf::new()];
    for part in whole.iter() {
        let pattern = part.as_bytes();
        if !is_pattern(pattern) {
            paths.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        paths = paths.iter().flat_map(|folder| fitting(folder, pattern, source)).take(MAX_FITTING).collect();
    }
    paths
}

fn fitting(folder: &Path, pattern: &[u8], source: &dyn Source) -> Vec<PathBuf> {
    let mut names = source.list(folder).unwrap_or_default();
    names.retain(|name| fits(pattern, name.as_bytes()));
    names.sort();
    names.iter().map(|name| folder.join(name)).collect()
}

fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|b| b"*?[".contains(b))
}

/// Whether a name fits a pattern. A leading dot fits only a dot. The work is bounded by the product of the lengths:
/// only the last `*` is ever gone back to.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    loop {
        let step = match pattern.get(p) {
            None if n == name.len() => return true,
            None => None,
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(_) => name.get(n).and_then(|&byte| one(&pattern[p..], byte)),
        };
        match (step, &mut star) {
            (Some(used), _) => {
                p += used;
                n += 1;
            }
            (None, Some((after, from))) if *from < name.len() => {
                *from += 1;
                (p, n) = (*after, *from);
            }
            (None, _) => return false,
        }
    }
}

/// How much of the pattern stands for that byte, if it fits.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', rest @ ..] => {
            let negated = matches!(rest.first(), Some(b'!' | b'^'));
            let set = &rest[usize::from(negated)..];
            // A `]` that comes first stands for itself.
            let Some(end) = set.iter().skip(1).position(|&b| b == b']').map(|at| at + 1) else {
                return (byte == b'[').then_some(1);
            };
            let mut members = &set[..end];
            let mut found = false;
            while let [first, more @ ..] = members {
                if let [b'-', last, more @ ..] = more {
                    found |= (*first..=*last).contains(&byte);
                    members = more;
                } else {
                    found |= *first == byte;
                    members = more;
                }
            }
            (found != negated).then_some(1 + usize::from(negated) + end + 1)
        }
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// How many paths one pattern may stand for: one more than a document may have files, so that too many are noticed.
const MAX_FITTING: usize = super::MAX_FILES + 1;

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::*;

    #[test]
    fn names_fit_patterns() {
        let check = |pattern: &str, name: &str, expect: bool| {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expect, "{pattern} {name}");
        };
        check("*.conf", "a.conf", true);
        check("*.conf", ".conf", false);
        check(".*", ".conf", true);
        check("*.conf", "a.conf.bak", false);
        check("a*b*c", "aXbXbXc", true);
        check("a*b*c", "aXbXbX", false);
        check("?", "", false);
        check("*", "", true);
        check("?b", "ab", true);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[^a-c]x", "dx", true);
        check("[]]", "]", true);
        check("[a", "[a", true);
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("**************************b", &"a".repeat(5000), false);
    }

    #[test]
    fn paths_come_in_order() {
        let source = Memory::new(&[("d/2.conf", b""), ("d/1.conf", b""), ("d/x", b""), ("e/3.conf", b"")]);
        let check = |name: &str, expect: &[&str]| {
            let paths = expand(name.as_bytes(), &source);
            assert_eq!(
                paths,
                expect.iter().map(|e| Path::new("/etc/x").join(e)).collect::<Vec<_>>(),
                "{name}"
            );
        };
        check("d/*.conf", &["d/1.conf", "d/2.conf"]);
        check("?/*.conf", &["d/1.conf", "d/2.conf", "e/3.conf"]);
        check("absent", &["absent"]);
        check("absent/*", &[]);
        check("/etc/x/e/*", &["e/3.conf"]);
    }
}
