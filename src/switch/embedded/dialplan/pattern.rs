//! Extension patterns: `_NXX.` and what it fits.
//!
//! Dashes mean nothing, neither in a name nor in what is dialled, but in a set of characters.

use std::borrow::Cow;
use std::cmp::Ordering;

/// What stands behind the underscore of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    sets: Vec<Set>,
    tail: Tail,
}

/// What may follow the characters of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tail {
    /// Nothing.
    None,
    /// `.`: one character or more.
    Some,
    /// `!`: any number of characters, and whoever dials need not go on.
    Any,
}

/// How far what has been dialled fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// As it stands.
    pub(crate) whole: bool,
    /// It could if more is dialled, and whoever dials should be given the time to.
    pub(crate) longer: bool,
}

/// Why a pattern cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// A `[` without its `]`.
    Open,
    /// `[]`: nothing fits.
    Empty,
}

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PatternError::Open => "a \"[\" has no closing \"]\"",
            PatternError::Empty => "a set \"[]\" is empty, nothing can fit it",
        })
    }
}

impl Pattern {
    /// Reads what stands behind the underscore. What follows a `.` or a `!` means nothing.
    pub(crate) fn parse(text: &[u8]) -> Result<Pattern, PatternError> {
        let mut sets = Vec::new();
        let mut rest = text;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'.' => return Ok(Pattern { sets, tail: Tail::Some }),
                b'!' => return Ok(Pattern { sets, tail: Tail::Any }),
                b'-' => {}
                b'X' | b'x' => sets.push(Set::range(b'0', b'9')),
                b'Z' | b'z' => sets.push(Set::range(b'1', b'9')),
                b'N' | b'n' => sets.push(Set::range(b'2', b'9')),
                b'[' => {
                    let (set, tail) = Set::parse(rest)?;
                    sets.push(set);
                    rest = tail;
                }
                _ => sets.push(Set::range(byte, byte)),
            }
        }
        Ok(Pattern { sets, tail: Tail::None })
    }

    /// Holds what was dialled against it.
    pub(crate) fn fit(&self, dialled: &[u8]) -> Fit {
        let mut sets = self.sets.iter();
        for &byte in dialled.iter().filter(|byte| **byte != b'-') {
            match sets.next() {
                Some(set) if set.holds(byte) => {}
                Some(_) => return Fit { whole: false, longer: false },
                None => {
                    let open = self.tail != Tail::None;
                    return Fit { whole: open, longer: self.tail == Tail::Some };
                }
            }
        }
        match sets.len() {
            0 => Fit { whole: self.tail != Tail::Some, longer: self.tail == Tail::Some },
            _ => Fit { whole: false, longer: true },
        }
    }

    /// Whether it fits as it stands.
    pub(crate) fn fits(&self, dialled: &[u8]) -> bool {
        self.fit(dialled).whole
    }
}

/// Patterns stand in the order in which they are tried: character by character the one that fits fewer comes first, among
/// equals the one whose characters do, and `.` and `!` come last. (core/showdialplan-patterns.)
impl Ord for Pattern {
    fn cmp(&self, other: &Pattern) -> Ordering {
        for (own, others) in self.sets.iter().zip(&other.sets) {
            let order = own.len().cmp(&others.len()).then_with(|| own.text_cmp(others));
            if order != Ordering::Equal {
                return order;
            }
        }
        match self.sets.len().cmp(&other.sets.len()) {
            Ordering::Equal => self.tail.cmp(&other.tail),
            // What ends sooner comes first, unless it ends in a wildcard, which any set precedes.
            Ordering::Less if self.tail != Tail::None => Ordering::Greater,
            Ordering::Greater if other.tail != Tail::None => Ordering::Less,
            order => order,
        }
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Pattern) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Some of the 256 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set([u64; 4]);

impl Set {
    const EMPTY: Set = Set([0; 4]);

    /// All from one to the other, whichever of them is the greater.
    fn range(from: u8, to: u8) -> Set {
        let mut set = Set::EMPTY;
        set.add(from, to);
        set
    }

    /// Reads what follows a `[`, and gives back what follows the `]`. A backslash takes the meaning from the next character.
    fn parse(text: &[u8]) -> Result<(Set, &[u8]), PatternError> {
        let mut set = Set::EMPTY;
        let mut rest = text;
        loop {
            let (from, tail) = match rest {
                [b']', ..] if set == Set::EMPTY => return Err(PatternError::Empty),
                [b']', tail @ ..] => return Ok((set, tail)),
                [b'\\', byte, tail @ ..] | [byte, tail @ ..] => (*byte, tail),
                [] => return Err(PatternError::Open),
            };
            let (to, tail) = match tail {
                [b'-', b'\\', to, tail @ ..] => (*to, tail),
                [b'-', to, tail @ ..] if *to != b']' => (*to, tail),
                _ => (from, tail),
            };
            set.add(from, to);
            rest = tail;
        }
    }

    fn add(&mut self, from: u8, to: u8) {
        for byte in from.min(to)..=from.max(to) {
            self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
    }

    fn holds(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Which of two sets of one size comes first as a text of its characters: the one that has the first that they do not
    /// share.
    fn text_cmp(&self, other: &Set) -> Ordering {
        for (own, others) in self.0.iter().zip(&other.0) {
            let differ = own ^ others;
            if differ != 0 {
                let lowest = differ & differ.wrapping_neg();
                return if own & lowest != 0 { Ordering::Less } else { Ordering::Greater };
            }
        }
        Ordering::Equal
    }
}

/// A name, or what was dialled, without the dashes that mean nothing.
pub(crate) fn without_dashes(text: &[u8]) -> Cow<'_, [u8]> {
    match text.contains(&b'-') {
        true => text.iter().copied().filter(|byte| *byte != b'-').collect(),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn patterns_fit() {
        let check = |text: &str, dialled: &str, whole: bool, longer: bool| {
            assert_eq!(pattern(text).fit(dialled.as_bytes()), Fit { whole, longer }, "{dialled} in _{text}");
        };
        check("NXX", "200", true, false);
        check("NXX", "20", false, true);
        check("NXX", "", false, true);
        check("NXX", "2000", false, false);
        check("NXX", "100", false, false);
        check("nxz", "201", true, false);
        check("nxz", "200", false, false);
        check("64X[4-9]", "6405", true, false);
        check("[6-4]4", "54", true, false);
        check("[1-468]", "5", false, false);
        check("[1-468]", "6", true, false);
        check("[a-]x", "a5", true, false);
        check(r"[\]\-x]", "]", true, false);
        check("9.", "9", false, true);
        check("9.", "91", true, true);
        check("9.", "9abc", true, true);
        check("9.", "8", false, false);
        check("9!", "9", true, false);
        check("9!", "91", true, false);
        check("9!", "8", false, false);
        check(".", "", false, true);
        check("!", "", true, false);
        check(".!", "s", true, true);
        check("NXX-XXXX", "555-1234", true, false);
        check("NXX-XXXX", "5551234", true, false);
        check("cause.", "cause19", true, true);
        check("[X]", "X", true, false);
        check("[X]", "1", false, false);
        check("\u{e9}", "\u{e9}", true, false);
    }

    #[test]
    fn what_cannot_be_a_pattern() {
        let check = |text: &str, error| assert_eq!(Pattern::parse(text.as_bytes()), Err(error), "{text}");
        check("1[23", PatternError::Open);
        check("[", PatternError::Open);
        check("[\\", PatternError::Open);
        check("[1-", PatternError::Open);
        check("1[]2", PatternError::Empty);
    }

    #[test]
    fn the_most_specific_comes_first() {
        let check = |order: &[&str]| {
            for (at, first) in order.iter().enumerate() {
                for (then, second) in order.iter().enumerate() {
                    assert_eq!(pattern(first).cmp(&pattern(second)), at.cmp(&then), "_{first} and _{second}");
                }
            }
        };
        check(&["1XX", "[2-4]X.", "NZ!"]);
        check(&["640X", "64NX", "64XX", "6[34]NX", "6[45]NX", "6XX1", "6."]);
        check(&["X", "[a-j]", ".", "!"]);
        check(&["N", "Z", "X"]);
        check(&["1", "1X", "1.", "1!"]);
        check(&["[0-4]", "[4-8]"]);
    }
}
